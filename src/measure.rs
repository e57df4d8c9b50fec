//! What is kept of events to measure them, and what it comes to as of an instant.
//!
//! A window is (now - over, now]: what is exactly as old as it has left it. Amounts are whole millionths, so sums do not drift. What is
//! kept has a bound, and within it every answer is exact, whatever the order of arrival: what is late is taken at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Item, Text, Type};
use crate::score;
use crate::stats::faded;
use crate::table::Table;
use crate::time::{Timestamp, Zone};
use crate::value::Value;
use lots::{Lots, Movement};

pub mod lots;

/// Bounds of what is kept of one fact.
pub mod limits {
    /// Entries of a window, different values, or lots of a balance: of a window more than one a day for the longest that anybody
    /// remembers.
    pub const ENTRIES: usize = 256;
    /// The last values that a list shows: a page of them.
    pub const LAST: usize = 64;
    /// Values of `per`: the one that was touched longest ago makes way.
    pub const KEYS: usize = 64;
}

/// Amounts beyond this (10^12) are no measure of a customer: they would overflow the sums.
pub const AMOUNT_MAX: f64 = 1e12;
/// Whole units of an amount.
const MICROS: f64 = 1e6;

/// What is measured of events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// How many there are.
    Count,
    /// The sum of a number.
    Sum,
    /// The mean of a number; of nothing it is not known.
    Mean,
    /// The least of a number or a time.
    Min,
    /// The greatest of a number or a time.
    Max,
    /// How many different values.
    Distinct,
    /// A sum that halves in so many ms; above 0.
    Score(i64),
    /// The first: when it was, or a value of it.
    First,
    /// The last.
    Last,
    /// The last but one.
    Previous,
    /// So many last values, the oldest first.
    List(usize),
    /// What is there of what was earned and spent; whether what is earned expires.
    Balance {
        /// Whether it does.
        expires: bool,
    },
}

/// What was declared to be measured, as far as what is kept goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Stable hash of its name.
    pub key: u32,
    /// Digest of its definition: what another has kept says nothing of this one.
    pub digest: u64,
    /// The type of what it comes to.
    pub kind: Type,
    /// Whether there is one for each value of `per`.
    pub keyed: bool,
    /// What is measured.
    pub measure: Measure,
    /// How long back, ms; none: ever.
    pub over_ms: Option<i64>,
}

/// A condition on a customer that is worth something as long as it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The condition, as its author wrote it.
    pub condition: String,
    /// What it is worth.
    pub points: f64,
}

/// What is declared beside events and attributes.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    /// Reference tables by name.
    pub tables: BTreeMap<String, Arc<Table>>,
    /// Facts by name.
    pub facts: BTreeMap<String, Spec>,
    /// Facts that follow from conditions, by name.
    pub points: BTreeMap<String, Vec<Point>>,
    /// Models by name.
    pub models: BTreeMap<String, Arc<score::Spec>>,
    /// The names of segments.
    pub segments: BTreeSet<String>,
    /// What stands behind `profile.` where one of several names does, such as `rfm.recency`, and those names.
    pub labels: BTreeMap<String, Vec<String>>,
    /// The names of milestones, in the order of the path.
    pub milestones: Vec<String>,
    /// Those of them that may be overdue.
    pub overdue: Vec<String>,
    /// Where customers live of whom no zone is known.
    pub home: Zone,
}

/// Nothing is.
pub static NOTHING: Declarations = Declarations {
    tables: BTreeMap::new(),
    facts: BTreeMap::new(),
    points: BTreeMap::new(),
    models: BTreeMap::new(),
    segments: BTreeSet::new(),
    labels: BTreeMap::new(),
    milestones: Vec::new(),
    overdue: Vec::new(),
    home: Zone::Utc,
};

/// What one event says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Said {
    /// That it was.
    Nothing,
    /// Millionths; of a time, ms since 1970.
    Amount(i64),
    /// The hash of a value.
    Hash(u64),
    /// A value.
    Bool(bool),
    /// A value.
    Number(f64),
    /// A value.
    Text(Text),
    /// A value.
    Time(Timestamp),
    /// What it does to a balance. It is not kept: the lots are.
    #[serde(skip)]
    Moves(Movement),
}

/// What is kept of the events of one fact, or of one key of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Held {
    /// What is in a window, or is among the first or last, in order of time.
    Entries(Vec<(Timestamp, Said)>),
    /// All there ever were: how many, and their sum in millionths.
    Sum {
        /// How many.
        n: u64,
        /// Millionths.
        micros: i128,
    },
    /// The least or the greatest there ever was, in millionths; of times, in ms.
    Extreme(i64),
    /// A score at an instant.
    Score {
        /// When.
        at: Timestamp,
        /// What it was.
        score: f64,
    },
    /// What is there of a balance.
    Lots(Lots),
}

impl Said {
    /// A number as an amount; none where it cannot be counted.
    #[must_use]
    pub fn amount(number: f64) -> Option<Self> {
        micros(number).map(Self::Amount)
    }

    fn micros(&self) -> i64 {
        match self {
            Self::Amount(micros) => *micros,
            _ => 0,
        }
    }

    fn value(&self, at: Timestamp) -> Value<'_> {
        match self {
            Self::Nothing | Self::Amount(_) | Self::Hash(_) | Self::Moves(_) => Value::Time(at),
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(*value),
            Self::Text(value) => Value::Text(value),
            Self::Time(value) => Value::Time(*value),
        }
    }
}

impl Spec {
    // Taking in.

    /// What is kept once a first event has come.
    #[must_use]
    pub fn begun(&self, at: Timestamp, said: Said) -> Held {
        let mut held = match (self.measure, self.over_ms) {
            (Measure::Score(_), _) => Held::Score { at, score: 0.0 },
            (Measure::Count | Measure::Sum | Measure::Mean, None) => Held::Sum { n: 0, micros: 0 },
            (Measure::Min | Measure::Max, None) => Held::Extreme(said.micros()),
            (Measure::Balance { .. }, _) => Held::Lots(Lots::new(at)),
            _ => Held::Entries(Vec::new()),
        };
        self.take(&mut held, at, said);
        held
    }

    /// Takes an event in; how many others had to make way that might still have been asked for.
    pub fn take(&self, held: &mut Held, at: Timestamp, said: Said) -> u32 {
        match held {
            Held::Sum { n, micros } => {
                *n = n.saturating_add(1);
                *micros = micros.saturating_add(said.micros().into());
                0
            }
            Held::Extreme(known) => {
                *known = match self.measure {
                    Measure::Min => said.micros().min(*known),
                    _ => said.micros().max(*known),
                };
                0
            }
            Held::Score { at: newest, score } => {
                let Measure::Score(half_life_ms) = self.measure else {
                    return 0;
                };
                #[expect(clippy::cast_precision_loss, reason = "a score is no account")]
                let added = said.micros() as f64 / MICROS;
                let elapsed_ms = at.0 - newest.0;
                *score = match elapsed_ms >= 0 {
                    true => faded(*score, elapsed_ms, half_life_ms) + added,
                    false => *score + faded(added, -elapsed_ms, half_life_ms),
                };
                *newest = at.max(*newest);
                0
            }
            Held::Entries(entries) => self.enter(entries, at, said),
            Held::Lots(lots) => match said {
                Said::Moves(movement) => lots.take(at, &movement),
                _ => 0,
            },
        }
    }

    /// Takes in what was kept of other events; how many had to make way that might still have been asked for.
    pub fn join(&self, held: &mut Held, other: Held) -> u32 {
        match (held, other) {
            (Held::Entries(own), Held::Entries(others)) => {
                let entered = others.into_iter();
                entered.map(|(at, said)| self.enter(own, at, said)).sum()
            }
            (
                Held::Sum { n, micros },
                Held::Sum {
                    n: more,
                    micros: other,
                },
            ) => {
                *n = n.saturating_add(more);
                *micros = micros.saturating_add(other);
                0
            }
            (Held::Extreme(own), Held::Extreme(other)) => {
                *own = match self.measure {
                    Measure::Min => other.min(*own),
                    _ => other.max(*own),
                };
                0
            }
            (
                Held::Score { at, score },
                Held::Score {
                    at: other_at,
                    score: other,
                },
            ) => {
                let Measure::Score(half_life_ms) = self.measure else {
                    return 0;
                };
                let newest = other_at.max(*at);
                *score = faded(*score, newest.0 - at.0, half_life_ms)
                    + faded(other, newest.0 - other_at.0, half_life_ms);
                *at = newest;
                0
            }
            (Held::Lots(own), Held::Lots(other)) => own.join(other),
            // Of one definition both are kept alike.
            (
                Held::Entries(_)
                | Held::Sum { .. }
                | Held::Extreme(_)
                | Held::Score { .. }
                | Held::Lots(_),
                Held::Entries(_)
                | Held::Sum { .. }
                | Held::Extreme(_)
                | Held::Score { .. }
                | Held::Lots(_),
            ) => 0,
        }
    }

    fn enter(&self, entries: &mut Vec<(Timestamp, Said)>, at: Timestamp, said: Said) -> u32 {
        let newest = entries.last().map_or(at, |(time, _)| at.max(*time));
        if let Some(over_ms) = self.over_ms {
            entries.retain(|(time, _)| newest.0 - time.0 < over_ms);
            if newest.0 - at.0 >= over_ms {
                return 0;
            }
        }
        if self.measure == Measure::Distinct
            && let Some(same) = entries.iter().position(|(_, known)| *known == said)
        {
            if entries[same].0 >= at {
                return 0;
            }
            entries.remove(same);
        }
        let place = entries.partition_point(|(time, _)| *time <= at);
        entries.insert(place, (at, said));
        self.make_way(entries)
    }

    /// Keeps what may be asked for.
    fn make_way(&self, entries: &mut Vec<(Timestamp, Said)>) -> u32 {
        match self.measure {
            Measure::First if self.over_ms.is_none() => {
                entries.truncate(1);
                0
            }
            Measure::Last => drop_oldest(entries, 1, false),
            Measure::Previous => drop_oldest(entries, 2, false),
            Measure::List(most) => drop_oldest(entries, most, false),
            // What is older and no less will never be the least.
            Measure::Min | Measure::Max => {
                let is_min = self.measure == Measure::Min;
                let mut best: Option<i64> = None;
                let mut needed: Vec<bool> = Vec::with_capacity(entries.len());
                for (_, said) in entries.iter().rev() {
                    let micros = said.micros();
                    let better = best.is_none_or(|best| match is_min {
                        true => micros < best,
                        false => micros > best,
                    });
                    needed.push(better);
                    if better {
                        best = Some(micros);
                    }
                }
                let mut needed = needed.into_iter().rev();
                entries.retain(|_| needed.next().unwrap_or(true));
                drop_oldest(entries, limits::ENTRIES, true)
            }
            // One that says ever how many different ones there were knows the first so many.
            Measure::Distinct if self.over_ms.is_none() => {
                let beyond = entries.len().saturating_sub(limits::ENTRIES);
                entries.truncate(limits::ENTRIES);
                u32::try_from(beyond).unwrap_or(u32::MAX)
            }
            _ => drop_oldest(entries, limits::ENTRIES, true),
        }
    }

    // Answers.

    /// Whether time alone may change it.
    #[must_use]
    pub fn moves(&self) -> bool {
        let by_itself = matches!(
            self.measure,
            Measure::Score(_) | Measure::Balance { expires: true }
        );
        self.over_ms.is_some() || by_itself
    }

    /// What it comes to; `held`: nothing where nothing was.
    #[must_use]
    pub fn value<'h>(&self, held: Option<&'h Held>, now: Timestamp) -> Value<'h> {
        match held {
            None => self.nothing(),
            Some(Held::Sum { n, micros }) => self.of_sum(*n, *micros),
            Some(Held::Extreme(amount)) => self.of_extreme(*amount),
            Some(Held::Lots(lots)) => lots.balance(now),
            Some(Held::Score { at, score }) => match self.measure {
                Measure::Score(half_life_ms) => {
                    Value::Number(faded(*score, (now.0 - at.0).max(0), half_life_ms))
                }
                _ => Value::Null,
            },
            Some(Held::Entries(entries)) => {
                let from = entries.partition_point(|(time, _)| self.has_left(*time, now));
                self.of_entries(&entries[from..])
            }
        }
    }

    /// The next instant after `now` at which something leaves its window, or expires: until then time alone changes nothing but a
    /// score.
    #[must_use]
    pub fn next_change(&self, held: Option<&Held>, now: Timestamp) -> Option<Timestamp> {
        if let Some(Held::Lots(lots)) = held {
            return lots.next_change(None, now);
        }
        let (Some(Held::Entries(entries)), Some(over_ms)) = (held, self.over_ms) else {
            return None;
        };
        let staying = entries.iter().find(|(time, _)| !self.has_left(*time, now));
        staying.map(|(time, _)| time.plus(over_ms))
    }

    fn has_left(&self, time: Timestamp, now: Timestamp) -> bool {
        self.over_ms
            .is_some_and(|over_ms| now.0 - time.0 >= over_ms)
    }

    fn nothing<'h>(&self) -> Value<'h> {
        match self.measure {
            Measure::Count
            | Measure::Sum
            | Measure::Distinct
            | Measure::Score(_)
            | Measure::Balance { .. } => Value::Number(0.0),
            Measure::List(_) => self.of_list(&[]),
            Measure::Mean | Measure::Min | Measure::Max => Value::Null,
            Measure::First | Measure::Last | Measure::Previous => Value::Null,
        }
    }

    fn of_sum<'h>(&self, n: u64, micros: i128) -> Value<'h> {
        #[expect(clippy::cast_precision_loss, reason = "it is shown, not summed on")]
        let (count, sum) = (n as f64, micros as f64 / MICROS);
        match self.measure {
            Measure::Count => Value::Number(count),
            Measure::Mean if n == 0 => Value::Null,
            Measure::Mean => Value::Number(sum / count),
            _ => Value::Number(sum),
        }
    }

    fn of_list<'h>(&self, entries: &'h [(Timestamp, Said)]) -> Value<'h> {
        match self.kind {
            Type::List(item) if item != Item::Text => {
                let values = entries.iter().map(|(at, said)| said.value(*at));
                Value::Items(item, values.collect())
            }
            _ => {
                let texts = entries.iter().filter_map(|(_, said)| match said {
                    Said::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                Value::List(texts.collect())
            }
        }
    }

    /// Of times it is one.
    fn of_extreme<'h>(&self, known: i64) -> Value<'h> {
        match self.kind {
            Type::Time => Value::Time(Timestamp(known)),
            _ => Value::Number(amount(known)),
        }
    }

    fn of_entries<'h>(&self, entries: &'h [(Timestamp, Said)]) -> Value<'h> {
        if entries.is_empty() {
            return self.nothing();
        }
        let value = |entry: Option<&'h (Timestamp, Said)>| {
            entry.map_or(Value::Null, |(at, said)| said.value(*at))
        };
        let amounts = || entries.iter().map(|(_, said)| said.micros());
        let extreme = |known: Option<i64>| known.map_or(Value::Null, |it| self.of_extreme(it));
        match self.measure {
            Measure::Count | Measure::Sum | Measure::Mean => {
                self.of_sum(entries.len() as u64, amounts().map(i128::from).sum())
            }
            Measure::Distinct => Value::number(u32::try_from(entries.len()).ok().map(f64::from)),
            Measure::Min => extreme(amounts().min()),
            Measure::Max => extreme(amounts().max()),
            Measure::First => value(entries.first()),
            Measure::Last => value(entries.last()),
            Measure::Previous => value(entries.len().checked_sub(2).map(|at| &entries[at])),
            Measure::List(_) => self.of_list(entries),
            Measure::Score(_) | Measure::Balance { .. } => Value::Null,
        }
    }
}

/// Keeps so many, the newest; how many made way, where any of them is missed.
fn drop_oldest(entries: &mut Vec<(Timestamp, Said)>, most: usize, missed: bool) -> u32 {
    let beyond = entries.len().saturating_sub(most);
    entries.drain(..beyond);
    match missed {
        true => u32::try_from(beyond).unwrap_or(u32::MAX),
        false => 0,
    }
}

/// A number in whole millionths; none where it cannot be counted.
#[must_use]
pub fn micros(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "bounded by AMOUNT_MAX")]
    let micros = || (number * MICROS).round() as i64;
    (number.is_finite() && number.abs() <= AMOUNT_MAX).then(micros)
}

fn amount(micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "it is shown, not summed on")]
    let amount = micros as f64 / MICROS;
    amount
}
