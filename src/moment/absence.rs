//! Absence: `after` was not followed by `of` within a time.
//!
//! Comes true at anchor + within, when no `of` with the same `per` lies in (anchor, anchor + within];
//! an `of` exactly at the end is in time, and so is one at the anchor's own instant that comes after
//! it in the order of the log. With `from: last` each `after` moves the anchor, with
//! `from: first` it stays until fired or cancelled. The occurrence is (`per`, anchor).
//!
//! A late `after`, older than something this trigger has already seen of the customer, opens
//! nothing and moves no anchor back: an `of` that was in time may have followed it.

use serde::{Deserialize, Serialize};

use super::kind::{
    AFTER_WATERMARK, Concerns, Described, EventRef, Evidence, Found, Kept, Moment, MomentKind,
    Telling,
};
use super::matcher::{self, Matcher};
use super::per::{Per, PerKeys, per};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::{Event, Position, Text};
use crate::expression::Scope;
use crate::profile::Settled;
use crate::stored::Stored;
use crate::time::Timestamp;

/// Deadlines one trigger may have open for one customer: a wide basket, each product on its own.
/// What would open beyond is not opened, and counted.
pub const OPEN_MAX: usize = 32;

const KEYS: Keys = Keys {
    of: "`absence`",
    known: &[
        Known::required("of", matcher::SHAPE, "The events that do not come."),
        Known::required(
            "after",
            matcher::SHAPE,
            "The events that they were to follow: the anchor.",
        ),
        Known::required(
            "within",
            Shape::Duration,
            "In what time. An `of` exactly at its end is in time.",
        ),
        Known::default(
            "per",
            "customer",
            Shape::Expression,
            "`customer`, or an expression on both events: a deadline of its own for each product, cart, order.",
        ),
        Known::default(
            "from",
            "last",
            Shape::Words(FROM),
            "`last`: each further `after` moves the anchor. `first`: it stays until fired or cancelled.",
        ),
    ],
    later: &[],
};
const FROM: &[&str] = &["last", "first"];

/// The compiled form.
#[derive(Debug)]
pub struct Absence {
    /// What should have come.
    pub of: Matcher,
    /// What it should have followed.
    pub after: Matcher,
    /// In what time, ms; above 0.
    pub within_ms: i64,
    /// What both must share.
    pub per: Per,
    /// Which `after` counts when there are several.
    pub from: From,
}

/// Which `after` the time runs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// The last: each moves the anchor.
    #[default]
    Last,
    /// The first: it stays until fired or cancelled.
    First,
}

/// The open deadlines of one customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbsenceState {
    open: Vec<Open>,
    /// The latest event this trigger has seen of her, in the order of events.
    latest: Option<(Timestamp, Position)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    per: Text,
    anchor: EventRef,
}

impl Absence {
    fn arm(&self, state: &mut AbsenceState, event: &Event, keys: PerKeys, stale: bool) -> u32 {
        let mut refused = 0;
        for per in keys {
            let anchor = EventRef {
                id: event.id.clone(),
                time: event.time,
            };
            let full = state.open.len() >= OPEN_MAX;
            match state.open.iter_mut().find(|open| open.per == per) {
                Some(open) if self.from == From::Last && open.anchor.time <= event.time => {
                    open.anchor = anchor;
                }
                Some(_) => {}
                None if stale => {}
                None if full => refused += 1,
                None => state.open.push(Open { per, anchor }),
            }
        }
        refused
    }

    fn deadline(&self, open: &Open) -> Timestamp {
        open.anchor.time.plus(self.within_ms)
    }
}

impl Stored for AbsenceState {
    const VERSION: u8 = 1;
}

impl MomentKind for Absence {
    type State = AbsenceState;

    const TAG: u16 = 2;
    const DESCRIBED: Described = Described {
        word: "absence",
        comes_true: "At the anchor (an `after`) + `within`, when no `of` with the same `per` has come by then.",
        decided: AFTER_WATERMARK,
        occurrence: "the value of `per` and the time of the anchor",
        again: "after the next `after`",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        let of = matcher::required(reader, &fields, "of");
        let after = matcher::required(reader, &fields, "after");
        let within_ms = reader
            .required(&fields, "within", "in what time, such as 30m")
            .and_then(|node| reader.duration(node));
        let from = match fields.get("from") {
            None => Some(From::Last),
            Some(node) => reader.one_of(node, FROM).map(|word| match word {
                "first" => From::First,
                _ => From::Last,
            }),
        };
        let (of, after) = (of?, after?);
        let per = fields.get("per").map_or(Some(Per::Customer), |node| {
            per(reader, node, &[&of, &after])
        });
        Some(Self {
            of,
            after,
            within_ms: within_ms?,
            per: per?,
            from: from?,
        })
    }

    fn concerns(&self) -> Concerns {
        matcher::concerns([&self.of, &self.after])
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous() || self.after.uses_previous()
    }

    /// What goes beyond [`OPEN_MAX`] is counted.
    fn event(&self, state: &mut Kept<'_, AbsenceState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event else { return };
        let (of, after) = (self.of.matches(scope), self.after.matches(scope));
        if !of && !after {
            return;
        }
        let state = state.get_or_insert_default();
        let keys = self.per.keys(scope);
        if of {
            state.open.retain(|open| {
                let in_time = open.anchor.time <= event.time && event.time <= self.deadline(open);
                !(in_time && keys.contains(&open.per))
            });
        }
        let stale = state.latest.is_some_and(|latest| event.order() < latest);
        if after {
            found.refused = self.arm(state, event, keys, stale);
        }
        state.latest = state.latest.max(Some(event.order()));
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        let anchors = self.after.may_match(event);
        anchors.then(|| event.time.plus(self.within_ms))
    }

    fn due(&self, state: &AbsenceState, _settled: &Settled) -> Option<Timestamp> {
        state.open.iter().map(|open| self.deadline(open)).min()
    }

    /// The first deadline is no longer open then.
    fn fire(&self, state: &mut AbsenceState, _settled: &Settled) -> Option<Moment> {
        let order = |open: &Open| (self.deadline(open), open.per.clone());
        let first = (0..state.open.len()).min_by_key(|i| order(&state.open[*i]))?;
        let open = state.open.remove(first);
        // What comes late with the anchor's own time is older than what was decided.
        let decided = Position {
            topic: u8::MAX,
            offset: i64::MAX,
        };
        state.latest = state.latest.max(Some((open.anchor.time, decided)));
        let at = self.deadline(&open);
        let occurrence = if open.per.is_empty() {
            compact_str::format_compact!("{}", open.anchor.time)
        } else {
            compact_str::format_compact!("{}@{}", open.per, open.anchor.time)
        };
        let facts = if open.per.is_empty() {
            Vec::new()
        } else {
            vec![("per", open.per.as_str().into())]
        };
        Some(Moment {
            at,
            occurrence,
            evidence: Evidence::of(vec![open.anchor], facts),
        })
    }

    fn armed(&self, state: &AbsenceState, _settled: &Settled) -> usize {
        state.open.len()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        Some(format!(
            "no {} within {} of {}{}",
            self.of.first(telling),
            (telling.long)(self.within_ms),
            self.after.first(telling),
            (telling.since)(" at %H:%M")
        ))
    }
}
