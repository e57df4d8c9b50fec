//! `moments map`: foreign records as the events that a mapping makes of them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::basis;
use crate::config::Config;
use crate::decode::Decoder;
use crate::decode::shown;
use crate::document::reader::Declared;
use crate::document::report;
use crate::event::Position;
use crate::event::record::Origin;
use crate::mapping::Mappings;
use crate::rehearsal::envelope::Envelope;
use crate::rehearsal::files::Lines;
use crate::rehearsal::{Record, Source as _};

/// Show the events that a mapping makes of foreign records, one JSON object a line.
#[derive(Debug, Args)]
pub struct Map {
    /// The mapping file.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// The configuration: own events and attributes.
    #[arg(long, value_name = "FILE", env = "MOMENTS_CONFIG")]
    config: Option<PathBuf>,
    /// Foreign records, one JSON object a line, or as `kcat -J` prints them, with key and headers.
    #[arg(required = true, value_name = "RECORDS.jsonl[.gz]")]
    records: Vec<PathBuf>,
}

/// Runs the command. What is no event is told on standard error, and ends nothing.
///
/// # Errors
/// Where a file cannot be read, or the mapping does not pass.
pub fn run(args: &Map) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref())?;
    let basis = basis(&config)?;
    let declared = Declared::new(&basis.vocabulary, &basis.attributes);
    let mappings = Mappings::load([(None, args.mapping.as_path())], declared)
        .map_err(|reports| anyhow::Error::msg(report::rendered(&reports)))?;
    let decoder = Decoder::new(Arc::clone(&basis.vocabulary), Arc::new(basis.attributes))
        .with_mappings(Arc::new(mappings))
        .with_placeholders(config.profiles.placeholder_ids.into());
    args.records
        .iter()
        .try_for_each(|path| shown(&decoder, path))
}

fn shown(decoder: &Decoder, path: &Path) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut lines = Lines::open(path, |_| {})?;
    let mut line = 0;
    while let Some(record) = lines.next()? {
        line += 1;
        let record = recorded(record)
            .map_err(|detail| anyhow::anyhow!("{}, record {line}: {detail}", path.display()))?;
        let origin = Origin {
            topic: "map",
            position: Position {
                topic: 0,
                offset: line,
            },
            key: record.key.as_deref(),
            headers: &record.headers,
            ..Origin::default()
        };
        let say = |what: &str| eprintln!("{}, record {line}: {what}", path.display());
        match decoder.decode(&record.payload, &origin) {
            Ok(decoded) => {
                for defect in &decoded.defects {
                    say(&defect.to_string());
                }
                writeln!(out, "{}", shown::call(&decoded.event, decoder.vocabulary()))?;
            }
            Err(reject) => say(&format!("{}: {reject}", reject.word())),
        }
    }
    Ok(out.flush()?)
}

/// What `kcat -J` prints has key and headers; anything else is the record itself.
fn recorded(line: Vec<u8>) -> Result<Record, String> {
    match Envelope::read(&line) {
        Ok(mut envelope) => Ok(Record {
            payload: envelope.value()?,
            headers: envelope.headers(),
            appended: envelope.appended(),
            by_producer: envelope.by_producer(),
            key: envelope.key.map(String::into_bytes),
        }),
        Err(_) => Ok(Record {
            payload: line,
            ..Record::default()
        }),
    }
}
