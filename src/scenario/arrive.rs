//! Plays events as they come by topics: with a lateness, and times of append.
//!
//! They are rehearsed, so that time moves as it does in a rehearsal, and live. What happened to everybody comes by a topic of its own.

use std::collections::VecDeque;
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
        decoder: Decoder::new(Arc::clone(&basis.vocabulary), attributes),
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
    let sources = [true, false].map(|everybody| source(scenario, everybody));
    let heard_all = rehearsal::rehearse(&settings, sources.into(), &mut heard);
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
