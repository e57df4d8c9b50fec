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

use super::{AFTER_WATERMARK, Described, EventRef, Evidence, Matcher, Moment};
use crate::event::{Event, Position, Text, limits};
use crate::expression::{Expression, Scope};
use crate::time::Timestamp;
use crate::value::Value;

/// Deadlines one trigger may have open for one customer: a wide basket, each product on its own.
/// What would open beyond is not opened, and counted.
pub const OPEN_MAX: usize = 32;

/// For people.
pub const DESCRIBED: Described = Described {
    word: "absence",
    comes_true: "At the anchor (an `after`) + `within`, when no `of` with the same `per` has come by then.",
    decided: AFTER_WATERMARK,
    occurrence: "the value of `per` and the time of the anchor",
    again: "after the next `after`",
};

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

/// What `of` and `after` must share.
#[derive(Debug)]
pub enum Per {
    /// Nothing but the customer.
    Customer,
    /// The value of an expression on the event: one deadline for each value. Where the event itself
    /// has none but carries products, each product gives one. No value at all: the event is not meant.
    Key(Expression),
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
    /// Takes an event in. Gives how many deadlines could not be opened for [`OPEN_MAX`].
    pub fn event(&self, state: &mut AbsenceState, scope: &Scope<'_>) -> u32 {
        let Some(event) = scope.event else { return 0 };
        let (of, after) = (self.of.matches(scope), self.after.matches(scope));
        if !of && !after {
            return 0;
        }
        let keys = self.per.keys(scope);
        if of {
            state.open.retain(|open| {
                let in_time = open.anchor.time <= event.time && event.time <= self.deadline(open);
                !(in_time && keys.contains(&open.per))
            });
        }
        let stale = state.latest.is_some_and(|latest| event.order() < latest);
        let refused = if after {
            self.arm(state, event, keys, stale)
        } else {
            0
        };
        state.latest = state.latest.max(Some(event.order()));
        refused
    }

    fn arm(&self, state: &mut AbsenceState, event: &Event, keys: Vec<Text>, stale: bool) -> u32 {
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

    /// The next deadline.
    #[must_use]
    pub fn due(&self, state: &AbsenceState) -> Option<Timestamp> {
        state.open.iter().map(|open| self.deadline(open)).min()
    }

    /// How many deadlines are open.
    #[must_use]
    pub fn open(state: &AbsenceState) -> usize {
        state.open.len()
    }

    /// What comes true at the next deadline; it is no longer open then.
    pub fn fire(&self, state: &mut AbsenceState) -> Option<Moment> {
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
            evidence: Evidence {
                events: vec![open.anchor],
                facts,
            },
        })
    }
}

impl Per {
    fn keys(&self, scope: &Scope<'_>) -> Vec<Text> {
        let Self::Key(expression) = self else {
            return vec![Text::default()];
        };
        if let Some(key) = key_text(&expression.eval(scope)) {
            return vec![key];
        }
        let products = scope.event.map_or(&[][..], |event| &event.products);
        let mut keys: Vec<Text> = Vec::new();
        for product in products {
            let scope = Scope {
                product: Some(product),
                ..*scope
            };
            if let Some(key) = key_text(&expression.eval(&scope))
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        keys
    }
}

/// A value as a key; `None` for what is not known.
fn key_text(value: &Value<'_>) -> Option<Text> {
    let text = match value {
        Value::Null => return None,
        Value::Text(text) => Text::from(*text),
        other => Text::from(serde_json::Value::from(other).to_string()),
    };
    (!text.is_empty() && text.len() <= limits::TEXT_BYTES).then_some(text)
}
