//! What became of what was told, for whoever waits for it.

use std::collections::BTreeMap;

use crate::engine::Seeded;
use crate::engine::seed::Answered;
use crate::event::CustomerId;
use crate::rehearsal::Summary;
use crate::time::Timestamp;

/// Somebody who is to be told.
pub(super) struct Left {
    pub id: CustomerId,
    /// As of which of her events; none: of the last.
    pub until: Option<Timestamp>,
    /// What became of it the last time.
    seeded: Option<Seeded>,
}

impl Left {
    /// Nothing was told her yet, or the processor had come less far.
    pub fn new(id: CustomerId) -> Self {
        Self {
            id,
            until: None,
            seeded: None,
        }
    }

    /// Whether she may take what she is told the next time, where more is read before, or is not.
    pub fn may_change(&self, reads_on: bool) -> bool {
        match self.seeded {
            Some(Seeded::Behind(_)) => reads_on,
            _ => true,
        }
    }
}

/// What became of all.
pub(super) struct Told {
    by_word: BTreeMap<&'static str, u64>,
}

impl Told {
    /// Says what the history is, and how many have taken it before.
    pub fn begins(summary: &Summary, before: usize) -> Self {
        let rejected: u64 = summary.rejected.values().sum();
        println!(
            "history: {} events, {rejected} records that are none",
            summary.events
        );
        if before > 0 {
            println!("{before} customers have taken it before, and are not told again");
        }
        Self {
            by_word: BTreeMap::new(),
        }
    }

    /// Counts answers; who is to be told again is left.
    pub fn answered(&mut self, answers: Vec<Answered>, left: &mut Vec<Left>) {
        for answer in answers {
            let seeded = answer.seeded;
            match seeded {
                Seeded::Behind(last) | Seeded::Ahead(last) => left.push(Left {
                    id: answer.customer,
                    until: Some(last),
                    seeded: Some(seeded),
                }),
                Seeded::Taken
                | Seeded::Unreadable
                | Seeded::Unknown
                | Seeded::Erased
                | Seeded::Defined
                | Seeded::Short => *self.by_word.entry(seeded.word()).or_default() += 1,
            }
        }
    }

    /// Says what became of all.
    pub fn ends(mut self, left: &[Left]) {
        for it in left {
            let seeded = it.seeded.unwrap_or(Seeded::Ahead(Timestamp::MIN));
            *self.by_word.entry(seeded.word()).or_default() += 1;
        }
        for seeded in Seeded::ALL.iter().rev() {
            if let Some(customers) = self.by_word.get(seeded.word()) {
                println!("{}: {customers}: {}", seeded.word(), means(*seeded));
            }
        }
    }
}

/// What it means, and how to mend it.
fn means(seeded: Seeded) -> &'static str {
    match seeded {
        Seeded::Taken => "they go on as if the triggers had been there from the start",
        Seeded::Unreadable => {
            "this build says it in a newer way; run the command of the processor's build"
        }
        Seeded::Unknown => {
            "the processor knows nothing of them, or nothing any more; they begin with their next event"
        }
        Seeded::Erased => "they were erased since the history begins; take them out of it",
        Seeded::Defined => {
            "a trigger has changed meanwhile; run again with the set that is in force"
        }
        Seeded::Short => "more is known of them than the history says; let it begin earlier",
        Seeded::Behind(_) => {
            "more has settled of them than the history says; run again with a newer one, or with --topics"
        }
        Seeded::Ahead(_) => {
            "the processor has not settled all that the history says; run again when it has"
        }
    }
}
