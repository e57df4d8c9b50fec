//! What is kept: every record of the topics of an earlier build, and what that build said of its customers.
//!
//! `log.jsonl.gz` holds a record a line, as `kcat -J` prints it, its key in `key_base64` where that is no text; a record with neither
//! `payload` nor `payload_base64` is a tombstone. `told.json.gz` is a [`Told`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use moments::config::Config;
use moments::rehearsal::envelope::Envelope;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::support::kafka::{NewRecord, OwnedRecord};

/// The topics that come in.
pub const INPUTS: [&str; 6] = [
    "kept.cart",
    "kept.clickstream",
    "kept.outcomes",
    "kept.profile",
    "kept.purchase",
    "kept.support",
];
/// The state.
pub const CHANGELOG: &str = "kept-changelog";
/// What each transaction took.
pub const JOURNAL: &str = "kept-journal";
/// The published sets of triggers.
pub const CONTROL: &str = "kept-triggers";
/// What was decided.
pub const DECISIONS: &str = "kept.decisions";
/// What was no event, and what came too late.
pub const ASIDE: [&str; 2] = ["kept.dead-letters", "kept.late-events"];
/// What the topics of commands begin with.
pub const TREATMENTS: &str = "kept.treatments.";

/// By topic, a number for each partition.
pub type Places = BTreeMap<String, Vec<i64>>;

/// What a build said at one moment, all being committed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Said {
    /// By topic, where each partition ended.
    pub ends: Places,
    /// By input topic, the group's offset in each partition; -1: none.
    pub offsets: Places,
    /// By id, the answer to `GET /customers/{id}`; null: she was not known.
    pub customers: BTreeMap<String, Value>,
    /// Of `/metrics`, the lines of what the process took and decided.
    pub counted: BTreeSet<String>,
}

/// What a build said.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// When it was stopped, in the middle of the history.
    pub stop: Said,
    /// At the end of the history.
    pub end: Said,
}

/// A record that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Everything else.
    pub record: OwnedRecord,
}

/// All that is kept.
#[derive(Debug)]
pub struct Kept {
    /// By topic, partition and offset.
    pub log: Vec<Record>,
    /// What the build said.
    pub told: Told,
}

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    envelope: Envelope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

/// The folder of the fixture.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kept-dfad214")
}

/// The configuration of the build.
pub fn config() -> Config {
    let path = directory().join("moments.toml");
    Config::load_with(Some(&path), [], &[]).expect("a configuration that is still read")
}

impl Kept {
    /// Reads the fixture.
    pub fn load() -> Self {
        let log = BufReader::new(open("log.jsonl.gz"));
        let record = |line: std::io::Result<String>| Record::parse(&line.expect("text"));
        Self {
            log: log.lines().map(record).collect(),
            told: read_json("told.json.gz"),
        }
    }

    /// Writes the fixture.
    pub fn save(&self) {
        let mut lines = String::new();
        for record in &self.log {
            lines += &record.line();
            lines.push('\n');
        }
        write("log.jsonl.gz", lines.as_bytes());
        let told = serde_json::to_vec(&self.told).expect("JSON");
        write("told.json.gz", &told);
    }

    /// The records of a topic, by partition and offset.
    pub fn of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Record> {
        self.log.iter().filter(move |record| record.topic == topic)
    }

    /// Whether a record was there when the build was stopped.
    pub fn is_before_stop(&self, record: &Record) -> bool {
        let ends = &self.told.stop.ends[&record.topic];
        record.record.offset < ends[index(record.record.partition)]
    }

    /// The topics there are.
    pub fn topics(&self) -> BTreeSet<&str> {
        self.told.stop.ends.keys().map(String::as_str).collect()
    }

    /// The published sets as `moments triggers history --format json` prints them.
    pub fn published(&self) -> Vec<Value> {
        let entry = |record: &Record| {
            let set: Value = serde_json::from_str(&record.record.text()).expect("a set");
            serde_json::json!({"number": record.record.offset + 1, "set": set})
        };
        self.of(CONTROL).map(entry).collect()
    }

    /// Writes the trigger files of the newest set into a folder.
    pub fn write_triggers(&self, folder: &Path) {
        let newest = self.published().pop().expect("a set");
        for file in newest["set"]["files"].as_array().expect("files") {
            let text = |name: &str| file[name].as_str().expect("text");
            fs::write(folder.join(text("name")), text("text")).expect("a trigger file");
        }
    }
}

impl Record {
    /// To be produced at its place.
    pub fn again(&self) -> NewRecord {
        NewRecord {
            partition: Some(self.record.partition),
            key: self.record.key.clone(),
            value: self.record.value.clone(),
            headers: self.record.headers.clone(),
            timestamp: self.record.timestamp,
        }
    }

    /// As a line that `moments rehearse` reads, too.
    pub fn line(&self) -> String {
        let OwnedRecord {
            partition,
            offset,
            key,
            value,
            headers,
            timestamp,
        } = self.record.clone();
        let key = key.map(String::from_utf8);
        let (key, key_base64) = match key {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(bytes)) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
            None => (None, None),
        };
        let text = |bytes| Some(String::from_utf8(bytes).expect("headers are text"));
        let headers = headers.into_iter();
        let envelope = Envelope {
            topic: self.topic.clone(),
            partition,
            offset,
            ts: timestamp,
            headers: headers
                .flat_map(|(name, value)| [Some(name), text(value)])
                .collect(),
            key,
            ..Envelope::default()
        };
        let envelope = match value {
            Some(value) => envelope.holding(value),
            None => envelope,
        };
        let line = Line {
            envelope,
            key_base64,
        };
        serde_json::to_string(&line).expect("JSON")
    }

    fn parse(line: &str) -> Self {
        let Line {
            mut envelope,
            key_base64,
        } = serde_json::from_str(line).expect("a line of the log");
        let is_tombstone = envelope.payload.is_none() && envelope.payload_base64.is_none();
        let key_base64 = key_base64.map(|text| STANDARD.decode(text).expect("base64"));
        let headers = envelope.headers().into_iter();
        let headers = headers.map(|(name, value)| (name, value.unwrap_or_default()));
        let headers = headers.collect();
        let value = envelope.value().expect("base64");
        Self {
            topic: envelope.topic,
            record: OwnedRecord {
                partition: envelope.partition,
                offset: envelope.offset,
                key: envelope.key.map(String::into_bytes).or(key_base64),
                value: (!is_tombstone).then_some(value),
                headers,
                timestamp: envelope.ts,
            },
        }
    }
}

/// A partition as an index.
pub fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("a partition")
}

fn open(name: &str) -> GzDecoder<File> {
    GzDecoder::new(File::open(directory().join(name)).expect("the fixture"))
}

fn read_json<T: DeserializeOwned>(name: &str) -> T {
    let mut text = String::new();
    open(name).read_to_string(&mut text).expect("text");
    serde_json::from_str(&text).expect("JSON")
}

fn write(name: &str, bytes: &[u8]) {
    let file = File::create(directory().join(name)).expect("a file");
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written");
}
