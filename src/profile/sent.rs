//! The commands that may still be taken back: the last that were sent to her, with what each was about.
//!
//! An entry is some 100 bytes. Nothing asks for them in expressions.

use serde::{Deserialize, Serialize};

use super::contacts::Standing;
use super::section::{Field, Local, Section};
use crate::event::{Event, EventName, Text};
use crate::stored::Stored;
use crate::time::{DAY_MS, Timestamp};

/// Commands of one customer that can be taken back: as many as one trigger may have open for her at one instant.
pub const MAX: usize = 32;
/// How long after its decision a command can be taken back: what comes later than a month changes nothing any more.
pub const KEPT_MS: i64 = 30 * DAY_MS;

/// The commands that may be taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// In the order in which they were sent.
    commands: Vec<SentCommand>,
}

/// A command that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentCommand {
    /// Its id.
    pub id: [u8; 16],
    /// The key of its trigger.
    pub key: u32,
    /// The hash of what its trigger said then.
    pub text: u64,
    /// The name of its trigger.
    pub trigger: Text,
    /// And the generation.
    pub generation: u32,
    /// What makes its moment this one.
    pub occurrence: Text,
    /// Its channel.
    pub channel: Text,
    /// When its moment came true.
    pub moment_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Until when it may be carried out.
    pub valid_until: Timestamp,
    /// When the first event of its evidence was.
    pub since: Option<Timestamp>,
    /// What its moment was about, where its trigger tells one thing from another.
    pub per: Option<Text>,
    /// What was sent before it, for conditions that ask.
    pub before: Standing,
    /// It holds however its event settles: another event stands for it, or its trigger was not there all the time.
    pub stands: bool,
}

impl Sent {
    /// Notes a command, and forgets what is older than [`KEPT_MS`]; the command that has to make way.
    pub fn note(&mut self, command: SentCommand) -> Option<SentCommand> {
        let old = command.decided_at.plus(-KEPT_MS);
        self.commands.retain(|known| known.decided_at > old);
        let made_way = (self.commands.len() >= MAX).then(|| self.commands.remove(0));
        self.commands.push(command);
        made_way
    }

    /// Whether there is nothing to be taken back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The commands, in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = &SentCommand> {
        self.commands.iter()
    }

    /// The command of a moment.
    #[must_use]
    pub fn of(&self, key: u32, occurrence: &str) -> Option<&SentCommand> {
        let is_it = |it: &&SentCommand| it.key == key && it.occurrence == occurrence;
        self.commands.iter().find(is_it)
    }

    /// Those of which `is_undone` says so are taken out.
    pub fn take_back(
        &mut self,
        mut is_undone: impl FnMut(&SentCommand) -> bool,
    ) -> Vec<SentCommand> {
        self.commands.extract_if(.., |it| is_undone(it)).collect()
    }

    /// Says of the command of a moment that it stands; whether there is one that did not.
    pub fn stand(&mut self, is_it: impl Fn(&SentCommand) -> bool) -> bool {
        let mut any = false;
        for command in self.commands.iter_mut().filter(|it| is_it(it)) {
            any |= !std::mem::replace(&mut command.stands, true);
        }
        any
    }
}

impl Stored for Sent {
    const VERSION: u8 = 1;
}

impl Section for Sent {
    const TAG: u16 = 42;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[];

    /// What was sent is noted when it is decided, not when an event comes.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// What was sent to either was sent to her, and is taken back under her id; the oldest make way.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.commands.extend(other.commands);
        self.commands.sort_by_key(|it| it.decided_at);
        let beyond = self.commands.len().saturating_sub(MAX);
        self.commands.drain(..beyond);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(number: u8, decided_at: i64) -> SentCommand {
        SentCommand {
            id: [number; 16],
            key: 7,
            text: 0,
            trigger: "t".into(),
            generation: 1,
            occurrence: compact_str::format_compact!("o{number}"),
            channel: "email".into(),
            moment_at: Timestamp(decided_at),
            decided_at: Timestamp(decided_at),
            valid_until: Timestamp(decided_at + 1),
            since: None,
            per: None,
            before: (0, None),
            stands: false,
        }
    }

    #[test]
    fn the_last_are_kept_for_a_month() {
        let mut sent = Sent::default();
        for number in 0..32 {
            assert_eq!(sent.note(command(number, i64::from(number))), None);
        }
        assert_eq!(sent.note(command(32, 32)), Some(command(0, 0)));
        assert!(sent.of(7, "o0").is_none() && sent.of(7, "o1").is_some());
        assert_eq!(sent.note(command(33, KEPT_MS + 31)), None);
        assert_eq!(sent.iter().count(), 2);
        assert_eq!(sent.take_back(|it| it.occurrence == "o33").len(), 1);
        assert_eq!(sent.take_back(|it| it.occurrence == "o33"), []);
        assert!(sent.stand(|it| it.occurrence == "o32"));
        assert!(!sent.stand(|it| it.occurrence == "o32"));
    }
}
