//! Plays events as they come by topics: with a lateness, and times of append.
//!
//! They are rehearsed, so that time moves as it does in a rehearsal, and live. What happened to everybody comes by a topic of its own.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use super::{Happening, Scenario, limits};
use crate::config;
use crate::decode::Decoder;
use crate::registry;
use crate::rehearsal::{self, Observer, Record, RehearsalSettings, Source, Taken};
use crate::task::watermark::{ClockMode, TopicSettings};
use crate::time::{DAY_MS, Timestamp};
use crate::treatment::Decision;
use crate::trigger::plan::Plan;
use crate::trigger::set::Basis;

/// What is decided when a scenario's events come so.
pub fn decisions(plan: &Arc<Plan>, scenario: &Scenario, basis: &Basis) -> Vec<Decision> {
    let attributes = Arc::new(basis.attributes.clone());
    let settings = RehearsalSettings {
        plan: Arc::clone(plan),
        published: Vec::new(),
        decoder: Decoder::new(Arc::clone(&basis.vocabulary), attributes)
            .with_tables(scenario.rows.iter().map(|row| row.topic.clone()).collect()),
        schemas: registry::Source::ours(),
        clock: ClockMode::Wall,
        idle_delay_ms: config::Time::default().idle_delay.ms,
        threads: 1,
    };
    let came = scenario.events.iter();
    let came = came.map(|it| it.appended.unwrap_or(it.event.time));
    let last = came.max().unwrap_or(Timestamp::MIN);
    let end = scenario.until;
    let mut heard = Heard {
        decisions: Vec::new(),
        until: end.map_or(last.plus(limits::DAYS_AFTER * DAY_MS), |end| end.max(last)),
    };
    let mut sources: Vec<_> = [true, false]
        .map(|everybody| source(scenario, everybody))
        .into();
    sources.extend(of_rows(scenario));
    sources.sort_by(|(a, _), (b, _)| a.settings.name.cmp(&b.settings.name));
    let heard_all = rehearsal::rehearse(&settings, sources, &mut heard);
    debug_assert!(heard_all.is_ok(), "what is read from memory is read");
    heard.decisions
}

/// The events of single customers, or of everybody, as a topic.
fn source(scenario: &Scenario, everybody: bool) -> (Taken, Records) {
    let settings = TopicSettings {
        name: if everybody { "everybody" } else { "scenario" }.to_owned(),
        lateness_ms: scenario.lateness_ms.unwrap_or_default(),
        drives: !everybody,
    };
    let own = scenario.events.iter();
    let own = own.filter(|it| it.everybody == everybody);
    let records = own.map(record).collect();
    (
        Taken {
            settings,
            everybody,
        },
        Records(records),
    )
}

/// The rows, by topic.
fn of_rows(scenario: &Scenario) -> Vec<(Taken, Records)> {
    let mut topics: BTreeMap<&str, VecDeque<Record>> = BTreeMap::new();
    for row in &scenario.rows {
        let of = topics.entry(&row.topic).or_default();
        of.push_back(Record {
            payload: row.value.clone().into_bytes(),
            key: Some(row.key.clone().into_bytes()),
            ..Record::default()
        });
    }
    let taken = |name: &str| Taken {
        settings: TopicSettings {
            name: name.to_owned(),
            lateness_ms: 0,
            drives: false,
        },
        everybody: false,
    };
    let topics = topics.into_iter();
    topics
        .map(|(name, records)| (taken(name), Records(records)))
        .collect()
}

fn record(happening: &Happening) -> Record {
    Record {
        payload: happening.call.clone().into_bytes(),
        appended: happening.appended,
        ..Record::default()
    }
}

/// Records in memory.
struct Records(VecDeque<Record>);

impl Source for Records {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.next_record()?.map(|record| record.payload))
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        Ok(self.0.pop_front())
    }
}

/// Notes what is decided.
struct Heard {
    decisions: Vec<Decision>,
    until: Timestamp,
}

impl Observer for Heard {
    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        self.decisions.push(decision.clone());
        Ok(())
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}
