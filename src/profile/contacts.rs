//! What was sent to her, as far as caps and expressions ask.
//!
//! A list of times holds as many as the caps on it can ask for, none older than their windows: at most 100 times of 8 bytes (6
//! packed) for each trigger with a cap, each channel with one, and one list for all. Where no cap asks, nothing is kept but the
//! last command, so a cap that is new knows of one.

use std::slice;

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Text, Type};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// What was sent to her.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contacts {
    /// Commands ever.
    pub count: u32,
    /// The last command: when and by which channel.
    pub last: Option<(Timestamp, Text)>,
    /// By trigger key: the times of the last commands, as far as its cap asks, oldest first.
    pub by_trigger: Vec<(u32, Vec<Timestamp>)>,
    /// By channel, sorted: the times of the last commands, as far as the caps on it ask, oldest first.
    pub by_channel: Vec<(Text, Vec<Timestamp>)>,
    /// The times of the last commands of any channel, as far as the caps on all ask, oldest first.
    pub all: Vec<Timestamp>,
    /// By trigger key and the hash of what its cap is counted by: the times of the last commands, as far as the cap asks, oldest
    /// first; the one that was sent last behind.
    pub by_key: Vec<(u32, u64, Vec<Timestamp>)>,
    /// Of whose commands the next so many moments are passed over, as a cap of every n-th says; who was sent last behind.
    pub passed_over: Vec<(Whose, u32)>,
}

/// Whose commands, as it is kept: see [`Of`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// See [`Of::Trigger`].
    Trigger(u32),
    /// See [`Of::Key`].
    Key(u32, u64),
    /// See [`Of::Channel`].
    Channel(Text),
    /// See [`Of::All`].
    All,
}

/// How many commands were sent ever, and the last: what expressions may ask.
pub type Standing = (u32, Option<(Timestamp, Text)>);

/// What caps are counted by, of all triggers: beyond this the one that was sent longest ago makes way, and its cap begins anew.
const KEYS_MAX: usize = 64;

/// Commands after which moments are passed over, of two ids that become one: what caps count by, and as many triggers and channels.
const PASSED_OVER_MAX: usize = 2 * KEYS_MAX;

/// The most that a cap counts to.
const TIMES_MAX: usize = 100;

/// Of which commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// Those of a trigger, by its key.
    Trigger(u32),
    /// Those of a trigger about one thing, by the hash of that.
    Key(u32, u64),
    /// Those of a channel.
    Channel(&'a str),
    /// All.
    All,
}

impl Of<'_> {
    fn kept(self) -> Whose {
        match self {
            Self::Trigger(key) => Whose::Trigger(key),
            Self::Key(trigger, key) => Whose::Key(trigger, key),
            Self::Channel(channel) => Whose::Channel(channel.into()),
            Self::All => Whose::All,
        }
    }

    fn is(self, kept: &Whose) -> bool {
        match (self, kept) {
            (Self::Trigger(key), Whose::Trigger(known)) => key == *known,
            (Self::Key(trigger, key), Whose::Key(of, known)) => (trigger, key) == (*of, *known),
            (Self::Channel(channel), Whose::Channel(known)) => channel == known,
            (Self::All, Whose::All) => true,
            (Self::Trigger(_) | Self::Key(..) | Self::Channel(_) | Self::All, _) => false,
        }
    }
}

impl Whose {
    /// The trigger whose they are, where it is one.
    #[must_use]
    pub fn trigger(&self) -> Option<u32> {
        match self {
            Self::Trigger(key) | Self::Key(key, _) => Some(*key),
            Self::Channel(_) | Self::All => None,
        }
    }
}

/// What is kept of the times of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many, the last.
    pub count: usize,
    /// And none for longer, ms.
    pub for_ms: i64,
}

impl Contacts {
    /// The times of the last commands, as far as they are kept, oldest first.
    #[must_use]
    pub fn times(&self, of: Of<'_>) -> &[Timestamp] {
        let last = |channel: Option<&str>| match &self.last {
            Some((at, by)) if channel.is_none_or(|channel| channel == by) => slice::from_ref(at),
            _ => &[],
        };
        match of {
            Of::Trigger(key) => {
                let known = self.by_trigger.iter().find(|(known, _)| *known == key);
                known.map_or(&[], |(_, times)| times)
            }
            Of::Key(trigger, key) => {
                let is_it = |it: &&(u32, u64, Vec<Timestamp>)| (it.0, it.1) == (trigger, key);
                let known = self.by_key.iter().find(is_it);
                known.map_or(&[], |(.., times)| times)
            }
            Of::Channel(channel) => {
                let known = self.by_channel.iter().find(|(known, _)| known == channel);
                known.map_or_else(|| last(Some(channel)), |(_, times)| times)
            }
            Of::All if self.all.is_empty() => last(None),
            Of::All => &self.all,
        }
    }

    /// What expressions may ask.
    #[must_use]
    pub fn standing(&self) -> Standing {
        (self.count, self.last.clone())
    }

    /// Lets expressions find this instead; what they would have found.
    pub fn stand_as(&mut self, (count, last): Standing) -> Standing {
        (
            std::mem::replace(&mut self.count, count),
            std::mem::replace(&mut self.last, last),
        )
    }

    /// Notes a command that was sent at `at` by `channel`. `keep` says what is kept of which; at `now` or later it will be asked.
    pub fn sent(
        &mut self,
        at: Timestamp,
        channel: &Text,
        now: Timestamp,
        keep: impl Fn(Of<'_>) -> Keep,
    ) {
        self.count = self.count.saturating_add(1);
        self.last = Some((at, channel.clone()));
        insert(&mut self.all, at);
        let place = self
            .by_channel
            .binary_search_by(|(known, _)| known.cmp(channel));
        let place = place.unwrap_or_else(|place| {
            self.by_channel.insert(place, (channel.clone(), Vec::new()));
            place
        });
        insert(&mut self.by_channel[place].1, at);
        // What no cap asks for any more goes as well, be it of another channel.
        prune(&mut self.all, keep(Of::All), now);
        self.by_channel.retain_mut(|(channel, times)| {
            prune(times, keep(Of::Channel(channel)), now);
            !times.is_empty()
        });
    }

    /// Notes that a trigger sent, or in shadow would have sent, at `at`.
    pub fn sent_by(&mut self, key: u32, at: Timestamp, keep: Keep) {
        let known = self.by_trigger.iter().position(|(known, _)| *known == key);
        let place = known.unwrap_or_else(|| {
            self.by_trigger.push((key, Vec::new()));
            self.by_trigger.len() - 1
        });
        let times = &mut self.by_trigger[place].1;
        insert(times, at);
        times.drain(..times.len().saturating_sub(keep.count));
    }

    /// The same of one thing that it was about.
    pub fn sent_about(&mut self, trigger: u32, key: u64, at: Timestamp, keep: Keep) {
        let is_it = |it: &(u32, u64, Vec<Timestamp>)| (it.0, it.1) == (trigger, key);
        let known = self.by_key.iter().position(is_it);
        let mut times = known.map_or_else(Vec::new, |place| self.by_key.remove(place).2);
        insert(&mut times, at);
        times.drain(..times.len().saturating_sub(keep.count));
        self.by_key.push((trigger, key, times));
        let beyond = self.by_key.len().saturating_sub(KEYS_MAX);
        self.by_key.drain(..beyond);
    }

    /// How many moments are still to be passed over.
    #[must_use]
    pub fn to_pass_over(&self, of: Of<'_>) -> u32 {
        let known = self.passed_over.iter().find(|(whose, _)| of.is(whose));
        known.map_or(0, |(_, moments)| *moments)
    }

    /// One of them was.
    pub fn pass_over(&mut self, of: Of<'_>) {
        if let Some(at) = self.passed_over.iter().position(|(whose, _)| of.is(whose)) {
            self.passed_over[at].1 -= 1;
            if self.passed_over[at].1 == 0 {
                self.passed_over.remove(at);
            }
        }
    }

    /// Something was sent: so many of the moments that follow are to be passed over. None: no cap says so.
    pub fn pass_over_next(&mut self, of: Of<'_>, moments: u32) {
        self.passed_over.retain(|(whose, _)| !of.is(whose));
        if moments == 0 {
            return;
        }
        self.passed_over.push((of.kept(), moments));
        let is_key = |(whose, _): &&(Whose, u32)| matches!(whose, Whose::Key(..));
        if self.passed_over.iter().filter(is_key).count() > KEYS_MAX
            && let Some(first) = self.passed_over.iter().position(|it| is_key(&it))
        {
            self.passed_over.remove(first);
        }
    }

    /// Forgets what was counted for triggers that are gone.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) {
        self.by_trigger.retain(|(key, _)| !is_gone(*key));
        self.by_key.retain(|(key, ..)| !is_gone(*key));
        let stays = |(whose, _): &(Whose, u32)| !whose.trigger().is_some_and(&is_gone);
        self.passed_over.retain(stays);
    }

    /// Whether anything was counted for triggers that are gone.
    #[must_use]
    pub fn is_stale(&self, is_gone: impl Fn(u32) -> bool) -> bool {
        self.by_trigger.iter().any(|(key, _)| is_gone(*key))
            || self.by_key.iter().any(|(key, ..)| is_gone(*key))
            || self
                .passed_over
                .iter()
                .any(|(whose, _)| whose.trigger().is_some_and(&is_gone))
    }
}

impl Keep {
    /// As much as either needs.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            count: self.count.max(other.count),
            for_ms: self.for_ms.max(other.for_ms),
        }
    }
}

fn insert(times: &mut Vec<Timestamp>, at: Timestamp) {
    let place = times.partition_point(|time| *time <= at);
    times.insert(place, at);
}

/// Takes the times of other commands in, as many as any cap may ask for.
fn join(times: &mut Vec<Timestamp>, others: Vec<Timestamp>) {
    times.extend(others);
    times.sort_unstable();
    let beyond = times.len().saturating_sub(TIMES_MAX);
    times.drain(..beyond);
}

/// Nobody asks as of before `now`, and so not for what is older than that by more than a window.
fn prune(times: &mut Vec<Timestamp>, keep: Keep, now: Timestamp) {
    let before = now.0.saturating_sub(keep.for_ms);
    let old = times.partition_point(|time| time.0 <= before);
    let many = times.len().saturating_sub(keep.count);
    times.drain(..old.max(many));
}

/// What was sent to her, as version 1 packed it: by trigger alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContactsV1 {
    /// Commands ever.
    pub count: u32,
    /// The last command.
    pub last: Option<(Timestamp, Text)>,
    /// By trigger key: the times of the last commands.
    pub by_trigger: Vec<(u32, Vec<Timestamp>)>,
}

impl From<ContactsV1> for Contacts {
    fn from(old: ContactsV1) -> Self {
        Self {
            count: old.count,
            last: old.last,
            by_trigger: old.by_trigger,
            by_channel: Vec::new(),
            all: Vec::new(),
            by_key: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

/// Version 2: no cap was counted by anything.
#[derive(Deserialize)]
struct ContactsV2 {
    count: u32,
    last: Option<(Timestamp, Text)>,
    by_trigger: Vec<(u32, Vec<Timestamp>)>,
    by_channel: Vec<(Text, Vec<Timestamp>)>,
    all: Vec<Timestamp>,
}

impl From<ContactsV2> for Contacts {
    fn from(old: ContactsV2) -> Self {
        Self {
            count: old.count,
            last: old.last,
            by_trigger: old.by_trigger,
            by_channel: old.by_channel,
            all: old.all,
            by_key: Vec::new(),
            passed_over: Vec::new(),
        }
    }
}

/// Version 3: no cap passed over so many.
#[derive(Deserialize)]
struct ContactsV3 {
    count: u32,
    last: Option<(Timestamp, Text)>,
    by_trigger: Vec<(u32, Vec<Timestamp>)>,
    by_channel: Vec<(Text, Vec<Timestamp>)>,
    all: Vec<Timestamp>,
    by_key: Vec<(u32, u64, Vec<Timestamp>)>,
}

impl From<ContactsV3> for Contacts {
    fn from(old: ContactsV3) -> Self {
        Self {
            count: old.count,
            last: old.last,
            by_trigger: old.by_trigger,
            by_channel: old.by_channel,
            all: old.all,
            by_key: old.by_key,
            passed_over: Vec::new(),
        }
    }
}

impl Stored for Contacts {
    const VERSION: u8 = 4;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<ContactsV1>(bytes)?.into()),
            2 => Ok(postcard::from_bytes::<ContactsV2>(bytes)?.into()),
            3 => Ok(postcard::from_bytes::<ContactsV3>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of what was sent"
            ))),
        }
    }
}

impl Section for Contacts {
    const TAG: u16 = 15;
    const WRITTEN_BY: &'static [EventName] = &[];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "contacts.count",
            Type::Number,
            "treatments sent, ever",
            |p, _| Value::Number(p.count.into()),
        ),
        field(
            "contacts.last",
            Type::Time,
            "last treatment sent",
            |p, _| Value::time(p.last.as_ref().map(|(at, _)| *at)),
        ),
        field(
            "contacts.last_channel",
            Type::Text,
            "channel of the last treatment",
            |p, _| Value::text(p.last.as_ref().map(|(_, channel)| channel)),
        ),
    ];

    /// What was sent is noted when it is decided, not when an event comes.
    fn apply(&mut self, _event: &Event, _local: Local<'_>) {}

    /// What was sent under either id was sent to her, and uses up her caps.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.count = self.count.saturating_add(other.count);
        for (key, times) in other.by_trigger {
            match self.by_trigger.iter_mut().find(|(known, _)| *known == key) {
                Some((_, own)) => join(own, times),
                None => self.by_trigger.push((key, times)),
            }
        }
        for (channel, times) in other.by_channel {
            match self
                .by_channel
                .binary_search_by(|(known, _)| known.cmp(&channel))
            {
                Ok(place) => join(&mut self.by_channel[place].1, times),
                Err(place) => self.by_channel.insert(place, (channel, times)),
            }
        }
        join(&mut self.all, other.all);
        for (trigger, key, times) in other.by_key {
            let is_it = |it: &&mut (u32, u64, Vec<Timestamp>)| (it.0, it.1) == (trigger, key);
            match self.by_key.iter_mut().find(is_it) {
                Some((.., own)) => join(own, times),
                None => self.by_key.push((trigger, key, times)),
            }
        }
        for (whose, moments) in other.passed_over {
            match self.passed_over.iter_mut().find(|(own, _)| *own == whose) {
                Some((_, own)) => *own = moments.max(*own),
                None => self.passed_over.push((whose, moments)),
            }
        }
        while self.passed_over.len() > PASSED_OVER_MAX {
            self.passed_over.remove(0);
        }
        self.by_key.sort_by_key(|(.., times)| times.last().copied());
        let beyond = self.by_key.len().saturating_sub(KEYS_MAX);
        self.by_key.drain(..beyond);
        let at = |last: &Option<(Timestamp, Text)>| last.as_ref().map(|(at, _)| *at);
        if at(&other.last) > at(&self.last) {
            self.last = other.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(of: Of<'_>) -> Keep {
        match of {
            Of::All => Keep {
                count: 3,
                for_ms: 100,
            },
            Of::Channel("email") => Keep {
                count: 2,
                for_ms: 1000,
            },
            Of::Channel(_) | Of::Trigger(_) | Of::Key(..) => Keep::default(),
        }
    }

    fn times(times: &[Timestamp]) -> Vec<i64> {
        times.iter().map(|time| time.0).collect()
    }

    #[test]
    fn as_much_is_kept_as_caps_ask_for() {
        let mut contacts = Contacts::default();
        // When, by which channel; then what is kept of all and of e-mail.
        for (at, channel, all, email) in [
            (10, "email", &[10][..], &[10][..]),
            (20, "push", &[10, 20], &[10]),
            (30, "email", &[10, 20, 30], &[10, 30]),
            (40, "email", &[20, 30, 40], &[30, 40]),
            (35, "email", &[30, 35, 40], &[35, 40]),
            // What is older than the window of a cap on all goes.
            (135, "push", &[40, 135], &[35, 40]),
            (1035, "push", &[1035], &[40]),
            (1040, "push", &[1035, 1040], &[]),
        ] {
            contacts.sent(Timestamp(at), &channel.into(), Timestamp(at), keep);
            assert_eq!(times(contacts.times(Of::All)), all, "{at}");
            assert_eq!(times(contacts.times(Of::Channel("email"))), email, "{at}");
        }
        assert_eq!(contacts.count, 8);
        assert_eq!(
            contacts.by_channel,
            [],
            "of channels without a cap nothing is kept"
        );
    }

    #[test]
    fn a_trigger_has_times_of_its_own() {
        let mut contacts = Contacts::default();
        let two = Keep {
            count: 2,
            for_ms: 1000,
        };
        for (at, kept) in [
            (10, &[10][..]),
            (30, &[10, 30]),
            (20, &[20, 30]),
            (1020, &[30, 1020]),
        ] {
            contacts.sent_by(7, Timestamp(at), two);
            assert_eq!(times(contacts.times(Of::Trigger(7))), kept);
        }
        assert_eq!(contacts.times(Of::Trigger(8)), []);
        assert_eq!(
            (contacts.count, &contacts.last),
            (0, &None),
            "in shadow nothing is sent"
        );
    }

    #[test]
    fn what_it_was_about_has_times_of_its_own() {
        let mut contacts = Contacts::default();
        let two = Keep {
            count: 2,
            for_ms: 1000,
        };
        for (key, at, kept) in [
            (1, 10, &[10][..]),
            (2, 20, &[20]),
            (1, 30, &[10, 30]),
            (1, 40, &[30, 40]),
        ] {
            contacts.sent_about(7, key, Timestamp(at), two);
            assert_eq!(times(contacts.times(Of::Key(7, key))), kept);
        }
        assert_eq!(contacts.times(Of::Key(8, 1)), []);
        // Of too many, the one that was sent longest ago makes way.
        for key in 3..=2 + KEYS_MAX as u64 - 1 {
            contacts.sent_about(7, key, Timestamp(50), two);
        }
        assert_eq!(contacts.by_key.len(), KEYS_MAX);
        assert_eq!(contacts.times(Of::Key(7, 2)), []);
        assert_eq!(times(contacts.times(Of::Key(7, 1))), [30, 40]);
    }

    #[test]
    fn so_many_are_passed_over_after_a_command() {
        let mut contacts = Contacts::default();
        let email = Of::Channel("email");
        contacts.pass_over_next(email, 2);
        contacts.pass_over_next(Of::Trigger(7), 1);
        let left = |contacts: &Contacts| {
            [email, Of::Trigger(7), Of::All].map(|of| contacts.to_pass_over(of))
        };
        assert_eq!(left(&contacts), [2, 1, 0]);
        for of in [email, Of::Trigger(7), Of::Trigger(7), Of::All] {
            contacts.pass_over(of);
        }
        assert_eq!(left(&contacts), [1, 0, 0]);
        contacts.pass_over_next(Of::Trigger(7), 9);
        assert!(contacts.is_stale(|key| key == 7) && !contacts.is_stale(|key| key == 8));
        contacts.forget(|key| key == 7);
        assert_eq!(left(&contacts), [1, 0, 0]);
        for key in 0..=KEYS_MAX as u64 {
            contacts.pass_over_next(Of::Key(7, key), 1);
        }
        let keys = [0, 1, KEYS_MAX as u64].map(|key| contacts.to_pass_over(Of::Key(7, key)));
        assert_eq!(keys, [0, 1, 1], "of too many the first makes way");
        assert_eq!(left(&contacts), [1, 0, 0]);
    }

    #[test]
    fn a_new_cap_knows_of_the_last_command() {
        let mut contacts = Contacts::default();
        assert_eq!(contacts.times(Of::All), []);
        contacts.sent(Timestamp(10), &"email".into(), Timestamp(10), |_| {
            Keep::default()
        });
        assert_eq!(times(contacts.times(Of::All)), [10]);
        assert_eq!(times(contacts.times(Of::Channel("email"))), [10]);
        assert_eq!(contacts.times(Of::Channel("push")), []);
    }

    /// What the last build of version 1 packed.
    #[test]
    fn contacts_of_version_1_are_read() {
        let golden = [2, 1, 20, 5, b'e', b'm', b'a', b'i', b'l', 1, 7, 2, 10, 20];
        let old: ContactsV1 = postcard::from_bytes(&golden).expect("contacts of version 1");
        let contacts = Contacts::from(old);
        assert_eq!(contacts.count, 2);
        assert_eq!(contacts.last, Some((Timestamp(10), "email".into())));
        assert_eq!(times(contacts.times(Of::Trigger(7))), [5, 10]);
        assert_eq!(times(contacts.times(Of::All)), [10]);
    }
}
