//! Baseline: something departs from the customer's own history.
//!
//! - **gap by calendar day**: at 00:00 (her zone) of the first day d with d - (last matching day) >
//!   mean + k sample standard deviations of the gaps between distinct days; an event later on that
//!   day does not undo it. When she moves to another zone, it is her midnight there that counts.
//! - **gap, exact**: at the instant last + bound, the gaps being between events; an event exactly
//!   then is in time.
//! - **value**: at the event whose value departs from those before it.
//!
//! Sums are kept in whole numbers (days, ms, millionths), so that a bound that is exactly a whole
//! number of days is not missed by a rounding error. A late event, older than the last, is not
//! worked into the history.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{AFTER_WATERMARK, Described, EventRef, Evidence, Matcher, Moment};
use crate::event::{Event, EventName, Text};
use crate::expression::{Expression, Scope};
use crate::profile::Facts;
use crate::profile::facts::Orders;
use crate::stats::deviation;
use crate::time::Timestamp;
use crate::value::Value;

/// Values kept one by one: the most that `ratio: { last }` may ask for.
pub const LAST_MAX: u32 = 100;

/// Whole units of a value: its sums are exact to a millionth.
const MICROS: f64 = 1e6;

/// Values beyond this (10^12) are no measure of a customer: they would overflow the sums.
const VALUE_MAX: f64 = 1e12;

/// For people.
pub const DESCRIBED: Described = Described {
    word: "baseline",
    comes_true: "Where the customer departs from her own history. A gap: at 00:00, in her time zone, of the first day on \
        which her silence is longer than the bound; with `by: exact`, at the last event + the bound. A value: at the event.",
    decided: AFTER_WATERMARK,
    occurrence: "the id of the last event before the gap, or of the event with the value",
    again: "after the next matching event",
};

/// The compiled form.
#[derive(Debug)]
pub struct Baseline {
    /// Which events.
    pub of: Matcher,
    /// What is measured.
    pub measure: Measure,
    /// How much history is asked for: gaps, or values before the event.
    pub history_min: u32,
    /// When it has departed.
    pub departs: Departure,
}

/// What is measured of the matching events.
#[derive(Debug)]
pub enum Measure {
    /// Days between distinct calendar days with a matching event, in the customer's zone.
    GapDays,
    /// Time between matching events, to the millisecond.
    GapExact,
    /// The value of a number expression on the event.
    Value(Expression),
}

/// When a measure has departed from its history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Departure {
    /// Beyond mean + k sample standard deviations (n - 1). For values, a negative k means below.
    Deviations(f64),
    /// The mean of the last `last` values lies below `below` times the mean of those before them.
    Ratio {
        /// How many of the last values, the event's own among them.
        last: u32,
        /// The factor.
        below: f64,
    },
}

/// Sums over one customer's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaselineState {
    last: Option<EventRef>,
    /// Day of `last`, for gaps by calendar day.
    last_day: i32,
    /// Whether the deadline that belongs to `last` has fired.
    fired: bool,
    /// Gaps, or values that have left `recent`.
    sums: Sums,
    /// The last values, oldest first, as many as a ratio asks for besides the event's own.
    recent: Vec<i64>,
}

/// Number, sum and sum of squares, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sums {
    n: u32,
    sum: i64,
    squares: i128,
}

impl BaselineState {
    pub(super) fn last_decided(&self) -> Option<Timestamp> {
        let last = self.last.as_ref().filter(|_| self.fired)?;
        Some(last.time)
    }
}

impl Baseline {
    /// Takes an event in. Gives the moment where a value departs; gaps depart by time passing.
    pub fn event(&self, state: &mut BaselineState, scope: &Scope<'_>) -> Option<Moment> {
        let event = scope.event.filter(|_| self.of.matches(scope))?;
        if state
            .last
            .as_ref()
            .is_some_and(|last| event.time < last.time)
        {
            return None;
        }
        match &self.measure {
            Measure::GapDays => {
                let day = event.time.day(&scope.profile.facts.zone());
                if state.last.is_some() && day > state.last_day {
                    state.sums.add(i64::from(day) - i64::from(state.last_day));
                }
                state.last_day = if state.last.is_some() {
                    day.max(state.last_day)
                } else {
                    day
                };
                state.arm(event);
                None
            }
            Measure::GapExact => {
                if let Some(last) = &state.last {
                    state.sums.add(event.time.0 - last.time.0);
                }
                state.arm(event);
                None
            }
            Measure::Value(expression) => {
                let Value::Number(value) = expression.eval(scope) else {
                    return None;
                };
                self.value(state, event, value)
            }
        }
    }

    /// What a customer's orders say to a trigger that is new, of the days between them. The last is known by its time, for its id
    /// is not kept.
    #[must_use]
    pub fn known(&self, orders: &Orders, decided: Option<Timestamp>) -> Option<BaselineState> {
        let meant =
            matches!(self.measure, Measure::GapDays) && self.of.is_just(EventName::ORDER_COMPLETED);
        let rhythm = &orders.rhythm;
        let (last, last_day) = orders.last.zip(rhythm.last_day).filter(|_| meant)?;
        let sums = Sums {
            n: rhythm.gaps,
            sum: rhythm.sum,
            squares: rhythm.squares.into(),
        };
        Some(BaselineState {
            last: Some(EventRef::at(last)),
            last_day,
            fired: decided >= Some(last),
            sums,
            recent: Vec::new(),
        })
    }

    fn value(&self, state: &mut BaselineState, event: &Event, value: f64) -> Option<Moment> {
        if !value.is_finite() || value.abs() > VALUE_MAX {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded by VALUE_MAX")]
        let micros = (value * MICROS).round() as i64;
        let facts = self.departure(state, micros).map(|mut facts| {
            facts.insert(0, ("value", value.into()));
            facts
        });
        let keep = match self.departs {
            Departure::Deviations(_) => 0,
            Departure::Ratio { last, .. } => last.saturating_sub(1) as usize,
        };
        state.recent.push(micros);
        while state.recent.len() > keep {
            let oldest = state.recent.remove(0);
            state.sums.add(oldest);
        }
        state.arm(event);
        Some(Moment {
            at: event.time,
            occurrence: event.id.clone(),
            evidence: Evidence {
                events: vec![EventRef {
                    id: event.id.clone(),
                    time: event.time,
                }],
                facts: facts?,
            },
        })
    }

    /// Whether a value departs from the history before it, with the facts that say so.
    fn departure(
        &self,
        state: &BaselineState,
        micros: i64,
    ) -> Option<Vec<(&'static str, serde_json::Value)>> {
        let history = state.sums.n as usize + state.recent.len();
        if history < self.history_min as usize {
            return None;
        }
        match self.departs {
            Departure::Deviations(k) => {
                let (mean, deviation) = (state.sums.mean()?, state.sums.deviation()?);
                let bound = mean + k * deviation;
                let beyond = self.beyond(state, micros);
                let departed = if k < 0.0 {
                    beyond.is_lt()
                } else {
                    beyond.is_gt()
                };
                departed.then(|| {
                    vec![
                        ("mean", (mean / MICROS).into()),
                        ("deviation", (deviation / MICROS).into()),
                        ("bound", (bound / MICROS).into()),
                    ]
                })
            }
            Departure::Ratio { last, below } => {
                if state.recent.len() + 1 < last as usize {
                    return None;
                }
                let sum: i128 =
                    state.recent.iter().map(|v| i128::from(*v)).sum::<i128>() + i128::from(micros);
                #[expect(clippy::cast_precision_loss, reason = "a mean is shown, not summed on")]
                let recent = sum as f64 / f64::from(last);
                let before = state.sums.mean()?;
                (recent < below * before).then(|| {
                    vec![
                        ("mean_recent", (recent / MICROS).into()),
                        ("mean_before", (before / MICROS).into()),
                    ]
                })
            }
        }
    }

    /// The next deadline: of gaps only.
    #[must_use]
    pub fn due(&self, state: &BaselineState, facts: &Facts) -> Option<Timestamp> {
        let last = state.last.as_ref().filter(|_| !state.fired)?;
        let bound = self.bound(state)?;
        match self.measure {
            Measure::GapDays => {
                let silence = least(bound, |days| self.beyond(state, days).is_gt());
                let day = i32::try_from(silence).unwrap_or(DAY_MAX);
                let day = state.last_day.saturating_add(day);
                let midnight = Timestamp::start_of_day(day.min(DAY_MAX), &facts.zone());
                // A midnight that she has passed by moving to another zone is past when she moves.
                Some(midnight.max(facts.identified.unwrap_or(midnight)))
            }
            Measure::GapExact => {
                let silence = least(bound, |ms| self.beyond(state, ms).is_ge());
                Some(last.time.plus(silence))
            }
            Measure::Value(_) => None,
        }
    }

    /// What comes true at the deadline.
    pub fn fire(&self, state: &mut BaselineState, facts: &Facts) -> Option<Moment> {
        let at = self.due(state, facts)?;
        let (mean, deviation, bound) = (
            state.sums.mean()?,
            state.sums.deviation()?,
            self.bound(state)?,
        );
        state.fired = true;
        let last = state.last.clone()?;
        let unit = match self.measure {
            Measure::GapExact => crate::time::DAY_MS,
            _ => 1,
        };
        let days = |x: f64| serde_json::Value::from(x / float(unit));
        Some(Moment {
            at,
            occurrence: last.id.clone(),
            evidence: Evidence {
                events: vec![last],
                facts: vec![
                    ("gaps", state.sums.n.into()),
                    ("mean_days", days(mean)),
                    ("deviation_days", days(deviation)),
                    ("bound_days", days(bound)),
                ],
            },
        })
    }

    /// On which side of mean + k standard deviations a gap or value lies.
    fn beyond(&self, state: &BaselineState, value: i64) -> Ordering {
        match self.departs {
            Departure::Deviations(k) => state.sums.compare(value, k),
            Departure::Ratio { .. } => Ordering::Equal,
        }
    }

    fn bound(&self, state: &BaselineState) -> Option<f64> {
        let Departure::Deviations(k) = self.departs else {
            return None;
        };
        if state.sums.n < self.history_min {
            return None;
        }
        Some((state.sums.mean()? + k * state.sums.deviation()?).max(0.0))
    }
}

/// The last day whose start is an instant every calendar knows (in the year 9999).
const DAY_MAX: i32 = 2_932_000;

impl BaselineState {
    fn arm(&mut self, event: &Event) {
        self.last = Some(EventRef {
            id: Text::clone(&event.id),
            time: event.time,
        });
        self.fired = false;
    }
}

impl Sums {
    fn add(&mut self, value: i64) {
        self.n = self.n.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
        self.squares = self
            .squares
            .saturating_add(i128::from(value) * i128::from(value));
    }

    fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| float(self.sum) / f64::from(self.n))
    }

    /// A value against mean + k sample standard deviations, in whole numbers: n x - S against
    /// k sqrt(n (n Q - S^2) / (n - 1)), both squared with their signs; k to three decimals. Only sums
    /// that do not fit are compared as floating point.
    fn compare(&self, value: i64, k: f64) -> Ordering {
        const SCALE: i128 = 1000;
        #[expect(clippy::cast_possible_truncation, reason = "a handful of deviations")]
        let scaled = (k * SCALE as f64).round() as i128;
        let exact = || -> Option<Ordering> {
            let (n, sum) = (i128::from(self.n), i128::from(self.sum));
            let distance = n.checked_mul(value.into())?.checked_sub(sum)?;
            let square = distance.checked_mul(distance.abs())?;
            let left = square.checked_mul((n - 1) * SCALE * SCALE)?;
            let spread = n
                .checked_mul(self.squares)?
                .checked_sub(sum.checked_mul(sum)?)?;
            let right = spread.checked_mul(n.checked_mul(scaled * scaled.abs())?)?;
            Some(left.cmp(&right))
        };
        let about = || {
            let bound = self.mean().unwrap_or(0.0) + k * self.deviation().unwrap_or(0.0);
            float(value).total_cmp(&bound)
        };
        exact().unwrap_or_else(about)
    }

    /// Sample standard deviation, n - 1.
    fn deviation(&self) -> Option<f64> {
        deviation(self.n, self.sum, self.squares)
    }
}

/// The least whole number at or above 0 that `is_beyond`, which is known to lie next to `bound`.
fn least(bound: f64, is_beyond: impl Fn(i64) -> bool) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturates, ages from now")]
    let near = bound.floor() as i64;
    let candidates = near.saturating_sub(1).max(0)..near.saturating_add(2);
    candidates
        .into_iter()
        .find(|x| is_beyond(*x))
        .unwrap_or(near.saturating_add(2))
}

fn float(whole: i64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "days, ms and millionths of an amount stay below 2^53"
    )]
    let float = whole as f64;
    float
}
