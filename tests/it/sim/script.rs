//! Scripts for the simulated log: words in, what is seen after them out.

use super::group::{Beat, Membership};
use super::log::{Fate, Fault, Log, Place, Producer, Record, place};
use std::collections::BTreeMap;

/// Carries a script out and tells the faults it met, one word each.
///
/// Producers `a` and `b` share a transactional id, others have their own. The topic is `t`, the group `g`.
pub struct Script {
    pub log: Log,
    producers: BTreeMap<String, Producer>,
    memberships: BTreeMap<String, Membership>,
    pub faults: Vec<String>,
}

/// The place that scripts write to.
pub fn t() -> Place {
    place("t", 0)
}

fn record(text: &str) -> Record {
    let (key, value) = text.split_once('=').unwrap_or((text, text));
    let value = (!value.is_empty()).then(|| value.as_bytes().to_vec());
    Record {
        key: Some(key.as_bytes().to_vec()),
        value,
        ..Record::default()
    }
}

impl Script {
    pub fn run(script: &str) -> Script {
        let mut log = Log::default();
        log.create("t", 4);
        log.create("u", 4);
        log.group("g").subscribe(&[("t", 4), ("u", 4)]);
        let mut run = Script {
            log,
            producers: BTreeMap::new(),
            memberships: BTreeMap::new(),
            faults: Vec::new(),
        };
        for line in script.split(';').map(str::trim) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Err(fault) = run.step(&words) {
                run.faults.push(format!("{fault:?}"));
            }
        }
        run
    }

    fn step(&mut self, words: &[&str]) -> Result<(), Fault> {
        let producer = words
            .get(1)
            .and_then(|name| self.producers.get(*name))
            .cloned();
        let the = || producer.as_ref().expect("initialised");
        match words {
            ["plain", text] => drop(self.log.append(&t(), record(text))),
            ["init", name] => {
                let id = if ["a", "b"].contains(name) {
                    "ab"
                } else {
                    name
                };
                let producer = self.log.init(id);
                self.producers.insert((*name).to_owned(), producer);
            }
            ["begin", _] => self.log.begin(the())?,
            ["send", _, text] => drop(self.log.send(the(), &t(), record(text))?),
            ["offset", _, member, offset] => {
                let offset = offset.parse().expect("a number");
                let membership = match *member {
                    "nobody" => &Membership::nobody(),
                    member => &self.memberships[member],
                };
                self.log
                    .send_offsets(the(), "g", membership, &[(t(), offset)])?;
            }
            ["commit", _] => self.log.commit(the(), Fate::Answered)?,
            ["answer-lost", _] => self.log.commit(the(), Fate::AnswerLost)?,
            ["request-lost", _] => self.log.commit(the(), Fate::RequestLost)?,
            ["abort", _] => self.log.abort(the())?,
            ["expire", _] => self.log.expire("ab"),
            ["compact", until] => self
                .log
                .compact(&t(), until.parse().expect("a number"), false),
            ["sweep", until] => self
                .log
                .compact(&t(), until.parse().expect("a number"), true),
            ["join", member] => self.log.group("g").join(member),
            ["leave", member] => self.log.group("g").remove(member),
            ["expel"] => self.log.group("g").expel_absent(),
            ["pin", member] => {
                let Beat::Stable { generation, .. } = self.log.group("g").beat(member) else {
                    panic!("not stable")
                };
                let membership = Membership {
                    member: (*member).to_owned(),
                    generation,
                };
                self.memberships.insert((*member).to_owned(), membership);
            }
            other => panic!("unknown: {other:?}"),
        }
        Ok(())
    }

    /// What a reader of committed records gets, the stable end and the end.
    pub fn reading(&self) -> String {
        let mut words = Vec::new();
        for (offset, record) in self.log.committed_records(&t()) {
            let text = |bytes: Option<Vec<u8>>| {
                String::from_utf8(bytes.unwrap_or_default()).expect("text")
            };
            words.push(format!("{offset}:{}", text(record.value)));
        }
        words.push(format!(
            "| {} {}",
            self.log.stable_end(&t()),
            self.log.end(&t())
        ));
        words.join(" ")
    }

    /// What each member is told.
    pub fn beats(&mut self) -> String {
        let group = self.log.group("g");
        let told = |member: &str| match group.beat(member) {
            Beat::Rebalancing { joined: true } => format!("{member}:waits"),
            Beat::Rebalancing { joined: false } => format!("{member}:asked"),
            Beat::Unknown => format!("{member}:unknown"),
            Beat::Stable { generation, places } => {
                let of = |topic: &str| -> String {
                    let places = places.iter().filter(|place| place.topic == topic);
                    places.map(|place| place.partition.to_string()).collect()
                };
                assert_eq!(of("t"), of("u"), "equal topics are assigned alike");
                format!("{member}@{generation}:{}", of("t"))
            }
        };
        let words: Vec<String> = group.members().map(told).collect();
        words.join(" ")
    }
}
