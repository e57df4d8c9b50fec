//! Sequence: one thing, then another, and nothing in between that must not come.
//!
//! Comes true at the event that is the last step, at its time: steps follow each other in the order of events, from the first to
//! the last no longer than `within`, and no `without` lies between them. Each step takes its earliest fit, and where what began
//! with one event comes to nothing, what began with a later one may still come true: of all that come true at an event, the one
//! that began first is meant. Then everything before is used up, and it begins afresh.
//!
//! - With `same`, what has one value is apart from what has another. A `without` that has a value itself ends what shares it; one
//!   that has none lies between whatever it is.
//! - An event that is a step in the middle and a `without` lies between, and ends what it would have gone on with. The last step is
//!   not between, nor is the first.
//! - A late event, older than one that was counted, is no step any more: what came after it has been decided. As a `without` it
//!   still ends what began before it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3;

use super::kind::{
    Concerns, Described, EventRef, Evidence, Found, Kept, Missing, Moment, MomentKind, Sees,
    Telling, Unseen, WHEN, when,
};
use super::matcher::{self, Matcher};
use super::per::{Per, PerKeys, per};
use crate::document::keys::{Keys, Known, Need, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, EventName, Position, Text};
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{Timestamp, duration_in_words};

/// Events that a sequence may be of, each counted as often as it is asked for: more of one kind is a threshold.
pub const EVENTS_MAX: usize = 32;
/// Beginnings that one trigger may have open for one customer: several products looked at, each some way on. What began first
/// makes way, and is counted.
pub const OPEN_MAX: usize = 64;
/// Of beginnings that are equally far, the first and so many in all are kept: what is to come is the same for all of them, and a
/// later one lasts longer. The others would only have said in the evidence that it began earlier.
const ALIKE_MAX: usize = 4;

/// Whatever begins for one customer as a whole, two of those that are too many are alike: none that would come true makes way.
const _: () = assert!(OPEN_MAX >= EVENTS_MAX * 2 && EVENTS_MAX < 256);

const KEYS: Keys = Keys {
    of: "`sequence`",
    known: &[
        Known::required(
            "steps",
            Shape::List(
                &Shape::Either(&[matcher::SHAPE, Shape::Mapping(&STEP)]),
                1,
                EVENTS_MAX,
            ),
            "The events that follow each other: each step which events, or `{ of: ..., times: 3 }`.",
        ),
        Known::optional(
            "within",
            Shape::Duration,
            "From the first to the last event no longer than this; just as long is in time. Without it: however long.",
        ),
        Known::optional(
            "without",
            matcher::SHAPE,
            "The events that must not lie between the first and the last.",
        ),
        Known::optional(
            "same",
            Shape::Expression,
            "An expression on the events of all steps, such as `event.product_id`: only what has the same value belongs together.",
        ),
        Known {
            need: Need::Optional,
            about: "`seen`: decided at once, on what is known then. `settled`: when nothing older is expected any more. Without it: `seen`, but `settled` where there is a `without`.",
            ..WHEN
        },
    ],
    later: &[],
};
const STEP: Keys = Keys {
    of: "a step",
    known: &[
        Known::required("of", matcher::SHAPE, "Which events."),
        Known::default(
            "times",
            "1",
            Shape::Whole(1, TIMES_MAX),
            "How many of them, one after the other, whatever else there is.",
        ),
    ],
    later: &[],
};
const TIMES_MAX: u32 = 32;

/// The compiled form.
#[derive(Debug)]
pub struct Sequence {
    /// What follows each other; at least one.
    pub steps: Vec<Step>,
    /// From the first to the last, ms; none: however long.
    pub within_ms: Option<i64>,
    /// What must not lie between.
    pub without: Option<Matcher>,
    /// What all must share.
    pub same: Per,
    /// When it is decided.
    pub sees: Sees,
    /// Digest of the steps: how far other steps were says nothing of these.
    digest: u64,
}

/// One step.
#[derive(Debug)]
pub struct Step {
    /// Which events.
    pub of: Matcher,
    /// How many of them; above 0.
    pub times: u8,
}

/// What has begun for one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequenceState {
    digest: u64,
    /// The newest event that was counted, in the order of events.
    newest: (Timestamp, Position),
    /// In the order in which they began.
    open: Vec<Begun>,
}

/// A sequence that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Begun {
    same: Text,
    first: EventRef,
    /// How many events it has.
    events: u8,
}

impl Step {
    fn said(&self) -> String {
        match self.times {
            1 => self.of.said(),
            times => format!("{times} times {}", self.of.said()),
        }
    }
}

impl Stored for SequenceState {
    const VERSION: u8 = 1;
}

impl MomentKind for Sequence {
    type State = SequenceState;

    const TAG: u16 = 8;
    const DESCRIBED: Described = Described {
        word: "sequence",
        comes_true: "At the event that is the last of several steps, at its time.",
        decided: "when the event is seen; with `when: settled`, which is the default where there is a `without`, when the watermark has reached it",
        occurrence: "the id of that last event",
        again: "afresh: what was before, and the events of it, are used up",
        has_event: true,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        sequence(reader, &fields)
    }

    fn concerns(&self) -> Concerns {
        matcher::concerns(self.matchers())
    }

    fn at_hand(&self) -> Vec<EventName> {
        let last = self.steps.last();
        last.map_or_else(Vec::new, |step| step.of.event_names().collect())
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn uses_previous(&self) -> bool {
        self.matchers().any(Matcher::uses_previous)
    }

    fn event(&self, state: &mut Kept<'_, SequenceState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event else { return };
        let fits = self.steps.iter().map(|step| step.of.matches(scope));
        let fits: SmallVec<[bool; 8]> = fits.collect();
        let without = self
            .without
            .as_ref()
            .is_some_and(|without| without.matches(scope));
        if !without && !fits.contains(&true) {
            return;
        }
        let keys = self.same.keys(scope);
        let shares = |same: &Text| keys.contains(same);
        let lies_between = |same: &Text| without && (keys.is_empty() || shares(same));
        let begins = fits[0] && !keys.is_empty();
        // Nothing is remembered of whom nothing has begun with.
        if state.get().is_none() && !begins {
            return;
        }
        let own = state.get_or_insert_with(|| self.nothing(event));
        if own.digest != self.digest {
            *own = self.nothing(event);
        }
        if event.order() < own.newest {
            let ended = |begun: &Begun| begun.first.time <= event.time && lies_between(&begun.same);
            own.open.retain(|begun| !ended(begun));
            return;
        }
        own.newest = event.order();
        let length = self.length();
        own.open.retain_mut(|begun| {
            let goes_on = shares(&begun.same) && fits[self.step_after(begun.events)];
            begun.events += u8::from(goes_on);
            let in_time = |within_ms| event.time.0 - begun.first.time.0 <= within_ms;
            let is_whole = begun.events == length;
            self.within_ms.is_none_or(in_time) && (is_whole || !lies_between(&begun.same))
        });
        let done = self.finish(own, event, &keys, begins, found);
        if begins {
            found.refused =
                self.begin_with(own, event, keys.into_iter().filter(|it| !done.contains(it)));
        }
    }

    fn may_come_true(&self, state: Option<&SequenceState>, unseen: Unseen<'_>) -> bool {
        let last = self.steps.last();
        last.is_some_and(|last| last.of.may_mean(unseen)) && self.may_be_whole(state, unseen)
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        (self.sees == Sees::Settled).then_some(event.time)
    }

    fn due(&self, _state: &SequenceState, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn fire(&self, _state: &mut SequenceState, _settled: &Settled, _rows: &Rows) -> Option<Moment> {
        None
    }

    /// What has begun under either id goes on. Whether a `without` of the other lay between is not known, nor whether the steps of
    /// both together were whole before they were one.
    fn merge(&self, own: &mut SequenceState, other: SequenceState, _both: &Settled) -> u32 {
        if own.digest != self.digest {
            *own = other;
            return 0;
        }
        if other.digest != self.digest {
            return 0;
        }
        own.newest = own.newest.max(other.newest);
        own.open.extend(other.open);
        own.open.sort_by_key(|begun| begun.first.time);
        make_way(own)
    }

    fn said(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(Step::said).collect();
        let within = self.within_ms.map_or_else(String::new, |within_ms| {
            format!(" within {}", duration_in_words(within_ms))
        });
        let without = self.without.as_ref().map_or_else(String::new, |without| {
            format!(", with no {} in between", without.said())
        });
        let same = match &self.same {
            Per::Customer => String::new(),
            Per::Key(key) => format!(", all of one `{}`", key.source()),
        };
        format!(
            "when there is {}{within}{without}{same}",
            steps.join(", then ")
        )
    }

    /// What has begun furthest first.
    fn explain(&self, state: Option<&SequenceState>, scope: &Scope<'_>) -> Vec<Missing> {
        let is_open = |begun: &&Begun| {
            let until = self.until(begun);
            until.is_none_or(|until| until >= scope.now)
        };
        let own = state.filter(|state| state.digest == self.digest);
        let mut open: Vec<&Begun> = own
            .iter()
            .flat_map(|own| &own.open)
            .filter(is_open)
            .collect();
        open.sort_by_key(|begun| (std::cmp::Reverse(begun.events), begun.first.time));
        // Of what is equally far the last has longest to go on, and says the same.
        let mut shown: Vec<(&Text, u8)> = Vec::new();
        open.retain(|begun| {
            let is_new = !shown.contains(&(&begun.same, begun.events));
            shown.push((&begun.same, begun.events));
            is_new
        });
        match open.is_empty() {
            true => vec![Missing::event(format!(
                "Nothing has begun: the first step is {}.",
                self.steps[0].said()
            ))],
            false => open.into_iter().map(|begun| self.missing(begun)).collect(),
        }
    }

    fn expressions(&self) -> Vec<&Expression> {
        let matchers = self.matchers().flat_map(Matcher::expressions);
        matchers.chain(self.same.expression()).collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let step = |step: &Step| match step.times {
            1 => step.of.first(telling),
            times => format!("{times} times {}", step.of.first(telling)),
        };
        let steps: Vec<_> = self.steps.iter().map(step).collect();
        let within = self.within_ms.map_or_else(String::new, |within_ms| {
            format!(" within {}", (telling.long)(within_ms))
        });
        Some(format!("{}{within}", steps.join(", then ")))
    }
}

impl Sequence {
    fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        self.steps.iter().map(|step| &step.of).chain(&self.without)
    }

    /// Until when what has begun may be whole.
    fn until(&self, begun: &Begun) -> Option<Timestamp> {
        self.within_ms
            .map(|within_ms| begun.first.time.plus(within_ms))
    }

    /// What is missing of what has begun.
    fn missing(&self, begun: &Begun) -> Missing {
        let step = self.step_after(begun.events);
        let before: u8 = self.steps[..step].iter().map(|step| step.times).sum();
        let of = &self.steps[step];
        let times = match of.times {
            1 => String::new(),
            times => format!(", {} of {times} times so far", begun.events - before),
        };
        let until = self.until(begun);
        let by = until.map_or_else(String::new, |until| format!(" by {until}"));
        let same = match begun.same.as_str() {
            "" => String::new(),
            same => format!(" for {same}"),
        };
        let (number, steps) = (step + 1, self.steps.len());
        let missing = Missing::event(format!(
            "Step {number} of {steps} is missing{same}: {}{by}{times}. It began at {}.",
            of.of.said(),
            begun.first.time,
        ));
        let missing = missing
            .by("step", number)
            .by("steps", steps)
            .by("began", begun.first.time.to_string());
        let missing = match until {
            Some(until) => missing.by("until", until.to_string()),
            None => missing,
        };
        match begun.same.as_str() {
            "" => missing,
            same => missing.by("same", same),
        }
    }

    /// Whether there may be enough before an event that may be the last step.
    fn may_be_whole(&self, state: Option<&SequenceState>, unseen: Unseen<'_>) -> bool {
        let asks = self.same.expression().map_or(&[][..], Expression::asks);
        if !asks.is_empty() {
            return true;
        }
        let keys = self.same.keys(&unseen.scope());
        let own = state.filter(|own| own.digest == self.digest);
        let open = own.iter().flat_map(|own| &own.open);
        let open = open.filter(|begun| keys.contains(&begun.same));
        let furthest = open.map(|begun| begun.events).max().unwrap_or(0);
        let lacking = usize::from((self.length() - 1).saturating_sub(furthest));
        let is_one = |it: &Unseen<'_>| {
            let shares = || {
                self.same
                    .keys(&it.scope())
                    .iter()
                    .any(|key| keys.contains(key))
            };
            self.steps.iter().any(|step| step.of.may_mean(*it)) && shares()
        };
        lacking == 0 || unseen.before().filter(is_one).take(lacking).count() == lacking
    }

    /// How many events it is of.
    fn length(&self) -> u8 {
        self.steps.iter().map(|step| step.times).sum()
    }

    /// The step that the next event belongs to, after so many; the last where it has all.
    fn step_after(&self, mut events: u8) -> usize {
        for (at, step) in self.steps.iter().enumerate() {
            match events.checked_sub(step.times) {
                Some(left) => events = left,
                None => return at,
            }
        }
        self.steps.len() - 1
    }

    fn nothing(&self, event: &Event) -> SequenceState {
        SequenceState {
            digest: self.digest,
            newest: event.order(),
            open: Vec::new(),
        }
    }

    /// What comes true at an event, and the values of `same` of which it does: what began with them is used up.
    fn finish(
        &self,
        own: &mut SequenceState,
        event: &Event,
        keys: &PerKeys,
        begins: bool,
        found: &mut Found,
    ) -> PerKeys {
        let length = self.length();
        if length == 1 && begins {
            found.moment = Some(self.moment(None, event));
            return keys.clone();
        }
        let whole = || own.open.iter().filter(|begun| begun.events == length);
        found.moment = whole().next().map(|begun| self.moment(Some(begun), event));
        let done: PerKeys = whole().map(|begun| begun.same.clone()).collect();
        own.open.retain(|begun| !done.contains(&begun.same));
        done
    }

    fn moment(&self, begun: Option<&Begun>, event: &Event) -> Moment {
        let first = begun.map(|begun| begun.first.clone());
        let same = begun.filter(|begun| !begun.same.is_empty());
        let facts = same.map(|begun| ("same", begun.same.as_str().into()));
        Moment {
            at: event.time,
            occurrence: event.id.clone(),
            evidence: Evidence::of(
                first.into_iter().chain([EventRef::of(event)]).collect(),
                facts.into_iter().collect(),
            ),
        }
    }

    /// Begins with an event; how many others had to make way that might have come true.
    fn begin_with(
        &self,
        own: &mut SequenceState,
        event: &Event,
        keys: impl Iterator<Item = Text>,
    ) -> u32 {
        own.open.extend(keys.map(|same| Begun {
            same,
            first: EventRef::of(event),
            events: 1,
        }));
        make_way(own)
    }
}

/// Keeps as many beginnings as may be; how many others had to make way that might have come true.
fn make_way(own: &mut SequenceState) -> u32 {
    let open = &own.open;
    let alike =
        |begun: &Begun, other: &Begun| (begun.events, &begun.same) == (other.events, &other.same);
    let is_needed = |at: &usize| {
        let same = |other: &&Begun| alike(&open[*at], other);
        let is_first = !open[..*at].iter().any(|other| alike(&open[*at], other));
        is_first || open[at + 1..].iter().filter(same).count() < ALIKE_MAX - 1
    };
    if open.len() > ALIKE_MAX {
        let needed: Vec<bool> = (0..open.len()).map(|at| is_needed(&at)).collect();
        let mut needed = needed.into_iter();
        own.open.retain(|_| needed.next().unwrap_or(true));
    }
    let mut refused = 0;
    while own.open.len() > OPEN_MAX {
        let open = &own.open;
        let has_later = |at: &usize| open[at + 1..].iter().any(|it| alike(&open[*at], it));
        let spare = (0..open.len()).find(has_later);
        refused += u32::from(spare.is_none());
        own.open.remove(spare.unwrap_or(0));
    }
    refused
}

/// Reads its keys.
fn sequence(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Sequence> {
    let listed = reader.required(fields, "steps", STEPS);
    let steps = listed.and_then(|node| steps(reader, node));
    let within = fields.get("within");
    let within_ms = within.map_or(Some(None), |node| reader.duration(node).map(Some));
    let without = fields.get("without");
    let without = without.map_or(Some(None), |node| matcher::matcher(reader, node).map(Some));
    let sees = match fields.get(WHEN.name) {
        None if fields.get("without").is_some() => Some(Sees::Settled),
        _ => when(reader, fields),
    };
    let steps = steps?;
    let same = fields.get("same").map_or(Some(Per::Customer), |node| {
        let matchers: Vec<_> = steps.iter().map(|step| &step.of).collect();
        per(reader, node, &matchers)
    });
    let (within_ms, without, same) = (within_ms?, without?, same?);
    Some(Sequence {
        digest: digest(&steps, without.as_ref(), &same),
        steps,
        within_ms,
        without,
        same,
        sees: sees?,
    })
}

const STEPS: &str =
    "a list of what follows each other, such as `[Product Viewed, Order Completed]`";

fn steps(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Step>> {
    let Yaml::List(items) = &node.value else {
        reader.unexpected(node, STEPS);
        return None;
    };
    let steps: Vec<_> = items.iter().map(|item| step(reader, item)).collect();
    let steps: Vec<Step> = steps.into_iter().collect::<Option<_>>()?;
    let events: usize = steps.iter().map(|step| usize::from(step.times)).sum();
    if !(1..=EVENTS_MAX).contains(&events) {
        let message = format!("a sequence of {events} events");
        let expected = format!("1 to {EVENTS_MAX}; how often something is done is `threshold`");
        reader.fails(&node.span, message, expected);
        return None;
    }
    Some(steps)
}

fn step(reader: &mut Reader<'_>, node: &Node) -> Option<Step> {
    let is_step = |entries: &[(crate::document::yaml::Key, Node)]| {
        let keys = STEP.names();
        let mut written = entries.iter().map(|(key, _)| key.text.as_str());
        written.any(|key| keys.clone().any(|known| known == key))
    };
    let fields = match &node.value {
        Yaml::Map(entries) if is_step(entries) => reader.fields(node, STEP)?,
        _ => {
            let of = matcher::matcher(reader, node)?;
            return Some(Step { of, times: 1 });
        }
    };
    let of = matcher::required(reader, &fields, "of");
    let times = fields.get("times");
    let times = times.map_or(Some(1), |node| reader.whole(node, 1..=TIMES_MAX));
    Some(Step {
        of: of?,
        times: u8::try_from(times?).unwrap_or(u8::MAX),
    })
}

/// What tells one sequence from another, as far as what has begun goes.
fn digest(steps: &[Step], without: Option<&Matcher>, same: &Per) -> u64 {
    let mut hasher = Xxh3::new();
    for step in steps {
        hasher.update(&[step.times]);
        step.of.digested(&mut hasher);
    }
    hasher.update(same.source().as_bytes());
    if let Some(without) = without {
        without.digested(&mut hasher);
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Property, PropertyId};
    use crate::moment::kind::tests::{reading, said};

    const MINUTE: i64 = 60_000;

    /// `v5 a6=x`: a view at minute 5, something put in the basket at 6, of product x. What stands first comes first, whatever its
    /// time.
    fn events(written: &str) -> Vec<Event> {
        let event = |(place, word): (usize, &str)| {
            let (at, product) = word.split_once('=').unwrap_or((word, ""));
            let name = match at.as_bytes()[0] {
                b'v' => EventName::PRODUCT_VIEWED,
                b'a' => EventName::PRODUCT_ADDED,
                b'r' => EventName::PRODUCT_REMOVED,
                b'c' => EventName::CART_VIEWED,
                _ => EventName::ORDER_COMPLETED,
            };
            let minute: i64 = at[1..].parse().expect("a minute");
            let mut event = said(name, Timestamp(minute * MINUTE));
            event.position.offset = i64::try_from(place).expect("few");
            event.id = word.into();
            if !product.is_empty() {
                let value = Property::Text(product.into());
                event.properties.push((PropertyId::PRODUCT_ID, value));
            }
            event
        };
        written.split_whitespace().enumerate().map(event).collect()
    }

    /// What comes true: `first-last`, of the events of the evidence; and how many made way, and are open at the end.
    fn shown(text: &str, written: &str) -> (String, u32, usize) {
        let kind: Sequence = reading(text).unwrap_or_else(|reports| panic!("{text}: {reports}"));
        let (mut state, mut moments, mut refused) = (None, Vec::new(), 0);
        let profile = Settled::default();
        for event in &events(written) {
            let mut found = Found::default();
            let scope = Scope::of_event(event, &profile, None, &crate::table::rows::NONE);
            kind.event(&mut Kept::New(&mut state), &scope, &mut found);
            if let Some(moment) = found.moment {
                assert_eq!((moment.at, &moment.occurrence), (event.time, &event.id));
                let events = moment.evidence.events.iter();
                let ids: Vec<_> = events.map(|it| it.id.as_str()).collect();
                moments.push(ids.join("-"));
            }
            refused += found.refused;
        }
        let open = state.map_or(0, |state: SequenceState| state.open.len());
        (moments.join(" "), refused, open)
    }

    /// The keys of a sequence; events; what comes true of them.
    #[rustfmt::skip]
    const MEANS: &[(&str, &str, &str)] = &[
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 a5", "v0-a5"),
        ("steps: [Product Viewed, Product Added], within: 10m", "a5", ""),
        ("steps: [Product Viewed, Product Added]", "a0 v1", ""),
        // Exactly at the end is in time; what is between counts for nothing.
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 c5 a10", "v0-a10"),
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 a11", ""),
        // Each step takes its earliest fit; what is too old makes way for what began later.
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 v8 a9", "v0-a9"),
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 v5 v8 a12", "v5-a12"),
        ("steps: [Product Viewed, Product Added, Order Completed], within: 10m", "v0 a1 v8 a9 o11", "v8-o11"),
        ("steps: [Product Viewed, Product Added, Order Completed], within: 10m", "v0 a1 v8 o10", "v0-o10"),
        // More than are kept alike: it comes true all the same.
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 v1 v2 v3 v4 v5 v6 a7", "v0-a7"),
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 v1 v2 v3 v4 v5 v6 a16", "v6-a16"),
        // Used up, it begins afresh.
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 v1 a2 a3", "v0-a2"),
        ("steps: [Product Viewed, Product Added], within: 10m", "v0 a2 v3 a4 v5", "v0-a2 v3-a4"),
        ("steps: [Product Viewed, Product Viewed], within: 10m", "v0 v1 v2 v3", "v0-v1 v2-v3"),
        // Times, one after the other.
        ("steps: [{ of: Product Viewed, times: 3 }], within: 10m", "v0 v5 v10", "v0-v10"),
        ("steps: [{ of: Product Viewed, times: 3 }], within: 10m", "v0 v5 v11 v12", "v5-v12"),
        ("steps: [{ of: Product Viewed, times: 3 }], within: 10m", "v0 v1 v2 v3 v4 v5 v6", "v0-v2 v3-v5"),
        ("steps: [{ of: Product Viewed, times: 2 }, { of: Product Added, times: 2 }], within: 10m", "v0 a1 v2 a3 a4", "v0-a4"),
        ("steps: [{ of: [Product Viewed, Cart Viewed], times: 2 }, Order Completed]", "v0 c1 o2", "v0-o2"),
        // One step is each event.
        ("steps: [Product Viewed]", "v0 a1 v2", "v0 v2"),
        // What must not lie between, and may lie before and behind.
        ("steps: [Product Viewed, Product Added], without: Cart Viewed", "c0 v1 a2 c3", "v1-a2"),
        ("steps: [Product Viewed, Product Added], without: Cart Viewed", "v0 c1 a2", ""),
        ("steps: [Product Viewed, Product Added], without: Cart Viewed", "v0 c1 v2 a3", "v2-a3"),
        ("steps: [Product Viewed, Product Added], without: Cart Viewed", "v0 c0 v0 a0", "v0-a0"),
        // The last step is not between, nor the first; one in the middle is.
        ("steps: [Product Viewed, Product Added], without: Product Added", "v0 a1 a2", "v0-a1"),
        ("steps: [Product Viewed, Product Added], without: Product Viewed", "v0 v1 a2", "v1-a2"),
        ("steps: [Product Viewed, Cart Viewed, Product Added], without: Cart Viewed", "v0 c1 a2", ""),
        // What is the same.
        ("steps: [Product Viewed, Product Added], same: event.product_id", "v0=x v1=y a2=y a3=x", "v1=y-a2=y v0=x-a3=x"),
        ("steps: [Product Viewed, Product Added], same: event.product_id", "v0=x v1 a2 a3=y", ""),
        ("steps: [Product Viewed, Product Added], same: event.product_id, without: Product Removed", "v0=x v0=y r1=x a2=x a3=y", "v0=y-a3=y"),
        ("steps: [Product Viewed, Product Added], same: event.product_id, without: Cart Viewed", "v0=x v0=y c1 a2=x a3=y", ""),
        // A late event is no step, and ends what it lies behind.
        ("steps: [Product Viewed, Product Added]", "v5 v3 a6", "v5-a6"),
        ("steps: [Product Viewed, Product Added], within: 10m", "v5 a3 a6", "v5-a6"),
        ("steps: [Product Viewed, Product Added, Order Completed], without: Cart Viewed", "v0 a4 c2 o5", ""),
        ("steps: [Product Viewed, Product Added, Order Completed], without: Cart Viewed", "v3 a4 c2 o5", "v3-o5"),
    ];

    #[test]
    fn steps_follow_each_other() {
        for (text, events, expected) in MEANS {
            let (moments, refused, _) = shown(&format!("{{ {text} }}"), events);
            assert_eq!(
                (moments.as_str(), refused),
                (*expected, 0),
                "{text} of {events}"
            );
        }
    }

    #[test]
    fn what_is_open_has_a_bound() {
        let keys = |of: char, count: usize| {
            let words = (0..count).map(|key| format!("{of}{key}=k{key}"));
            words.collect::<Vec<_>>().join(" ")
        };
        let same = "{ steps: [Product Viewed, Product Added], same: event.product_id }";
        let (moments, refused, open) = shown(same, &keys('v', OPEN_MAX + 3));
        assert_eq!((moments.as_str(), refused, open), ("", 3, OPEN_MAX));
        // Alike, none is missed.
        let many: Vec<_> = (0..200).map(|minute| format!("v{minute}")).collect();
        let many = format!("{} a207", many.join(" "));
        let long = "{ steps: [{ of: Product Viewed, times: 31 }, Product Added], within: 38m }";
        let (moments, refused, _) = shown(long, &many);
        assert_eq!((moments.as_str(), refused), ("v169-a207", 0));
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("steps: [Product Viewed, { name: Product Added, where: event.price > 3 }], within: 1h", ""),
        ("steps: [{ of: { name: Product Added, where: event.price > 3 }, times: 2 }], without: [Cart Viewed]", ""),
        ("within: 1h", "`steps` is missing"),
        ("steps: Product Viewed", "is not valid here"),
        ("steps: []", "a sequence of 0 events"),
        ("steps: [Product Veiwed]", "no event is called `Product Veiwed`"),
        ("steps: [{ of: Product Viewed, times: 0 }]", "is not valid here"),
        ("steps: [{ of: Product Viewed, time: 2 }]", "a step has no `time`"),
        ("steps: [{ of: Product Viewed, times: 20 }, { of: Product Added, times: 13 }]", "a sequence of 33 events"),
        ("steps: [Product Viewed], within: 0m", "a duration of nothing"),
        ("steps: [Product Viewed], same: event.order_id", "has no property `order_id`"),
        ("steps: [Product Viewed], same: profile.country", "does not tell one thing"),
        ("steps: [Product Viewed], when: later", "`later` is not valid here"),
        ("steps: [Product Viewed], witin: 1h", "`sequence` has no `witin`"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let read = reading::<Sequence>(&format!("{{ {text} }}"));
            let said = read.err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn it_waits_where_something_must_not_come() {
        for (text, expected) in [
            ("steps: [Product Viewed]", Sees::SoFar),
            ("steps: [Product Viewed], when: settled", Sees::Settled),
            (
                "steps: [Product Viewed], without: Cart Viewed",
                Sees::Settled,
            ),
            (
                "steps: [Product Viewed], without: Cart Viewed, when: seen",
                Sees::SoFar,
            ),
        ] {
            let kind: Sequence = reading(&format!("{{ {text} }}")).expect("a sequence");
            assert_eq!(kind.sees(), expected, "{text}");
            let last = [EventName::PRODUCT_VIEWED];
            assert_eq!(kind.at_hand(), last, "{text}");
        }
    }
}
