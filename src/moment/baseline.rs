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

use super::kind::{
    AFTER_WATERMARK, CameTrue, Concerns, Described, EventRef, Evidence, Found, Kept, Missing,
    Moment, MomentKind, Telling,
};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::Node;
use crate::event::{Event, EventName, Type};
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::stats::deviation;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{DAY_MS, Timestamp, Zone};
use crate::value::Value;

/// History that is asked for: beyond this a rhythm is no better known.
const HISTORY_MAX: u32 = 1000;

/// Values kept one by one: the most that `ratio: { last }` may ask for.
pub const LAST_MAX: u32 = 100;

/// Whole units of a value: its sums are exact to a millionth.
const MICROS: f64 = 1e6;

/// Values beyond this (10^12) are no measure of a customer: they would overflow the sums.
const VALUE_MAX: f64 = 1e12;

const KEYS: Keys = Keys {
    of: "`baseline`",
    known: &[
        Known::required("of", matcher::SHAPE, "The events that are compared."),
        Known::required(
            "measure",
            Shape::Expression,
            "`gap`: the silence with her own gaps. `value`: the number `value` of each event, at the event.",
        ),
        Known::default(
            "by",
            "calendar_day",
            Shape::Words(BY),
            "How gaps are counted: between distinct days in her time zone, or to the millisecond.",
        ),
        Known::optional(
            "value",
            Shape::Expression,
            "With `measure: value`: a number of the event, such as `event.total`.",
        ),
        Known::required(
            "history_min",
            Shape::Whole(1, HISTORY_MAX),
            "How many gaps, or values before the event, must be known.",
        ),
        Known::optional(
            "deviations",
            Shape::Number(-100.0, 100.0),
            "So many sample standard deviations (n - 1) above the mean; below it, for values, where negative.",
        ),
        Known::optional(
            "ratio",
            Shape::Mapping(&RATIO),
            "For values: the mean of the last ones is below a factor times the mean of all before them.",
        ),
    ],
    later: &[],
};
const BY: &[&str] = &["calendar_day", "exact"];
const RATIO: Keys = Keys {
    of: "`ratio`",
    known: &[
        Known::required(
            "last",
            Shape::Whole(1, LAST_MAX),
            "How many of the last values, this one among them.",
        ),
        Known::required(
            "below",
            Shape::Number(0.0, 100.0),
            "The factor, such as 0.7.",
        ),
    ],
    later: &[],
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
    /// Where customers live of whom no zone is known.
    pub home: Zone,
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

impl Stored for BaselineState {
    const VERSION: u8 = 1;
}

impl MomentKind for Baseline {
    type State = BaselineState;

    const TAG: u16 = 4;
    const DESCRIBED: Described = Described {
        word: "baseline",
        comes_true: "Where the customer departs from her own history. A gap: at 00:00, in her time zone, of the first day on \
            which her silence is longer than the bound; with `by: exact`, at the last event + the bound. A value: at the event.",
        decided: AFTER_WATERMARK,
        occurrence: "the id of the last event before the gap, or of the event with the value",
        again: "after the next matching event",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        baseline(reader, &fields)
    }

    fn concerns(&self) -> Concerns {
        Concerns {
            days: matches!(self.measure, Measure::GapDays),
            ..self.of.concerns()
        }
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    /// What her orders say of the days between them. The last is known by its time, for its id is not kept.
    fn begin(&self, settled: &Settled, decided: Option<Timestamp>) -> Option<BaselineState> {
        let meant =
            matches!(self.measure, Measure::GapDays) && self.of.is_just(EventName::ORDER_COMPLETED);
        let rhythm = &settled.orders.rhythm;
        let (last, last_day) = settled.orders.last.zip(rhythm.last_day).filter(|_| meant)?;
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

    /// A value departs at the event; gaps depart by time passing.
    fn event(&self, state: &mut Kept<'_, BaselineState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event.filter(|_| self.of.matches(scope)) else {
            return;
        };
        let last = state.get().and_then(|state| state.last.as_ref());
        if last.is_some_and(|last| event.time < last.time) {
            return;
        }
        match &self.measure {
            Measure::GapDays => {
                let state = state.get_or_insert_default();
                let day = event.time.day(&scope.profile.identity.zone_or(&self.home));
                if state.last.is_some() && day > state.last_day {
                    state.sums.add(i64::from(day) - i64::from(state.last_day));
                }
                state.last_day = match state.last {
                    Some(_) => day.max(state.last_day),
                    None => day,
                };
                state.arm(event);
            }
            Measure::GapExact => {
                let state = state.get_or_insert_default();
                if let Some(last) = &state.last {
                    state.sums.add(event.time.0 - last.time.0);
                }
                state.arm(event);
            }
            Measure::Value(expression) => {
                if let Value::Number(value) = expression.eval(scope)
                    && value.is_finite()
                    && value.abs() <= VALUE_MAX
                {
                    found.moment = self.value(state.get_or_insert_default(), event, value);
                }
            }
        }
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        Some(match self.measure {
            // Gaps between distinct days are at least one, so the first day in question is the
            // day after tomorrow; two hours for the longest change of a clock.
            Measure::GapDays => event.time.plus(DAY_MS - 2 * 3_600_000),
            Measure::GapExact | Measure::Value(_) => event.time,
        })
    }

    /// Of gaps only.
    fn due(&self, state: &BaselineState, settled: &Settled) -> Option<Timestamp> {
        let last = state.last.as_ref().filter(|_| !state.fired)?;
        let bound = self.bound(state)?;
        let identity = &settled.identity;
        match self.measure {
            Measure::GapDays => {
                let silence = least(bound, |days| self.beyond(state, days).is_gt());
                let day = i32::try_from(silence).unwrap_or(DAY_MAX);
                let day = state.last_day.saturating_add(day);
                let midnight =
                    Timestamp::start_of_day(day.min(DAY_MAX), &identity.zone_or(&self.home));
                // A midnight that she has passed by moving to another zone is past when she moves.
                Some(midnight.max(identity.identified.unwrap_or(midnight)))
            }
            Measure::GapExact => {
                let silence = least(bound, |ms| self.beyond(state, ms).is_ge());
                Some(last.time.plus(silence))
            }
            Measure::Value(_) => None,
        }
    }

    fn fire(&self, state: &mut BaselineState, settled: &Settled, _rows: &Rows) -> Option<Moment> {
        let at = self.due(state, settled)?;
        let (mean, deviation, bound) = (
            state.sums.mean()?,
            state.sums.deviation()?,
            self.bound(state)?,
        );
        state.fired = true;
        let last = state.last.clone()?;
        let unit = match self.measure {
            Measure::GapExact => DAY_MS,
            _ => 1,
        };
        let days = |x: f64| serde_json::Value::from(x / float(unit));
        Some(Moment {
            at,
            occurrence: last.id.clone(),
            evidence: Evidence::of(
                vec![last],
                vec![
                    ("gaps", state.sums.n.into()),
                    ("mean_days", days(mean)),
                    ("deviation_days", days(deviation)),
                    ("bound_days", days(bound)),
                ],
            ),
        })
    }

    /// A gap, by an event within it.
    fn undone(
        &self,
        _state: Option<&BaselineState>,
        past: CameTrue<'_>,
        scope: &Scope<'_>,
    ) -> bool {
        let matching = scope.event.filter(|_| self.of.matches(scope));
        match self.measure {
            Measure::GapDays | Measure::GapExact => {
                matching.is_some_and(|event| past.covers(event.time))
            }
            Measure::Value(_) => false,
        }
    }

    /// Exact where one id was hers before the other, as it is with a guest who registers. Where she did such things under both at
    /// the same time, gaps are those of the id by which more are known, and values stand in the order of the ids.
    fn merge(&self, own: &mut BaselineState, mut other: BaselineState, _both: &Settled) -> u32 {
        let at = |state: &BaselineState| state.last.as_ref().map(|last| last.time);
        if at(&other) == at(own) {
            own.fired |= other.fired;
        }
        if at(&other) > at(own) {
            std::mem::swap(own, &mut other);
        }
        // `own` is the one that was there last.
        match self.measure {
            Measure::GapDays | Measure::GapExact => self.merge_gaps(own, other),
            Measure::Value(_) => {
                let later = std::mem::take(&mut own.recent);
                own.sums.join(&other.sums);
                own.recent = [other.recent, later].concat();
                self.shorten(own);
            }
        }
        0
    }

    fn last_decided(state: &BaselineState) -> Option<Timestamp> {
        let last = state.last.as_ref().filter(|_| state.fired)?;
        Some(last.time)
    }

    fn said(&self) -> String {
        let of = self.of.said();
        let history = |what: &str| format!("once {} {what} are known", self.history_min);
        let (measured, history) = match &self.measure {
            Measure::GapDays => ("her silence, in days of hers,".to_owned(), history("gaps")),
            Measure::GapExact => ("her silence".to_owned(), history("gaps")),
            Measure::Value(value) => (format!("`{}`", value.source()), history("values")),
        };
        match self.departs {
            Departure::Deviations(k) => {
                let side = if k < 0.0 { "below" } else { "above" };
                let than = match self.measure {
                    Measure::Value(_) => "of those before",
                    Measure::GapDays | Measure::GapExact => "of her gaps",
                };
                format!(
                    "when {measured} of {of} is more than {} standard deviations {side} the mean {than}, {history}",
                    k.abs()
                )
            }
            Departure::Ratio { last, below } => format!(
                "when the mean of her last {last} {measured} of {of} is below {below} times the mean of those before, {history}"
            ),
        }
    }

    fn explain(&self, state: Option<&BaselineState>, scope: &Scope<'_>) -> Vec<Missing> {
        let of = self.of.said();
        let Some((state, last)) = state.and_then(|it| Some((it, it.last.as_ref()?))) else {
            return vec![Missing::event(format!(
                "Nothing is known of her: it waits for {of}."
            ))];
        };
        let known = match self.measure {
            Measure::GapDays | Measure::GapExact => state.sums.n as usize,
            Measure::Value(_) => state.sums.n as usize + state.recent.len(),
        };
        let needed = self.history_min as usize;
        let missing = match (self.due(state, scope.profile), &self.measure) {
            _ if known < needed => Missing::event(format!(
                "{known} of {needed} are known of her history: it needs {} more {of}.",
                needed - known
            )),
            (Some(due), _) => Missing::due(
                due,
                format!(
                    "It comes true at {due}, unless {of} comes by then: the last was at {}.",
                    last.time
                ),
            ),
            (None, Measure::Value(value)) => Missing::event(format!(
                "It waits for {of} of which `{}` departs from those before it.",
                value.source()
            )),
            (None, Measure::GapDays | Measure::GapExact) => Missing::event(format!(
                "It came true of her silence since {}: it waits for {of}, and for silence after it.",
                last.time
            )),
        };
        let missing = missing.by("last", last.time.to_string());
        vec![self.history(state).into_iter().fold(
            missing.by("known", known).by("needed", needed),
            |missing, (name, value)| {
                missing.by(name, &Value::Number((value * 1000.0).round() / 1000.0))
            },
        )]
    }

    fn expressions(&self) -> Vec<&Expression> {
        let value = match &self.measure {
            Measure::GapDays | Measure::GapExact => None,
            Measure::Value(value) => Some(value),
        };
        self.of.expressions().chain(value).collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let fact = telling.fact;
        Some(match self.departs {
            Departure::Ratio { last, .. } => format!(
                "her last {last} orders average {:.0} EUR, those before {:.0}",
                fact("mean_recent"),
                fact("mean_before")
            ),
            Departure::Deviations(_) => format!(
                "silent for more than {:.1} days; she buys every {:.1}, give or take {:.1}",
                fact("bound_days"),
                fact("mean_days"),
                fact("deviation_days")
            ),
        })
    }
}

impl Baseline {
    fn value(&self, state: &mut BaselineState, event: &Event, value: f64) -> Option<Moment> {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by VALUE_MAX")]
        let micros = (value * MICROS).round() as i64;
        let facts = self.departure(state, micros).map(|mut facts| {
            facts.insert(0, ("value", value.into()));
            facts
        });
        state.recent.push(micros);
        self.shorten(state);
        state.arm(event);
        Some(Moment::of_event(event, facts?))
    }

    /// Values that are not among the last any more count in the sums.
    fn shorten(&self, state: &mut BaselineState) {
        let keep = match self.departs {
            Departure::Deviations(_) => 0,
            Departure::Ratio { last, .. } => last.saturating_sub(1) as usize,
        };
        while state.recent.len() > keep {
            let oldest = state.recent.remove(0);
            state.sums.add(oldest);
        }
    }

    /// The gaps of both, and the one between them, where `earlier` had ended when the other began: its first is as long before its
    /// last as its gaps are together.
    fn merge_gaps(&self, own: &mut BaselineState, earlier: BaselineState) {
        let (Some(last), Some(before)) = (&own.last, &earlier.last) else {
            return;
        };
        let (end, last, before) = match self.measure {
            Measure::GapExact => (last.time.0, last.time.0, before.time.0),
            Measure::GapDays | Measure::Value(_) => (
                own.last_day.max(earlier.last_day).into(),
                own.last_day.into(),
                earlier.last_day.into(),
            ),
        };
        let first = last.saturating_sub(own.sums.sum);
        if first >= before {
            let is_gap = first > before || matches!(self.measure, Measure::GapExact);
            if is_gap {
                own.sums.add(first - before);
            }
            own.sums.join(&earlier.sums);
        } else if earlier.sums.n > own.sums.n {
            own.sums = earlier.sums;
        }
        if matches!(self.measure, Measure::GapDays) {
            own.last_day = i32::try_from(end).unwrap_or(own.last_day);
        }
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

    /// What her history says, in days or in the unit of the value, as far as it is known.
    fn history(&self, state: &BaselineState) -> Vec<(&'static str, f64)> {
        let (names, unit) = match self.measure {
            Measure::GapDays => (["mean_days", "deviation_days", "bound_days"], 1.0),
            Measure::GapExact => (["mean_days", "deviation_days", "bound_days"], float(DAY_MS)),
            Measure::Value(_) => (["mean", "deviation", "bound"], MICROS),
        };
        let values = [state.sums.mean(), state.sums.deviation(), self.bound(state)];
        let known = names.into_iter().zip(values);
        known
            .filter_map(|(name, value)| Some((name, value? / unit)))
            .collect()
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
        self.last = Some(EventRef::of(event));
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

    fn join(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        self.sum = self.sum.saturating_add(other.sum);
        self.squares = self.squares.saturating_add(other.squares);
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

/// Reads its keys.
fn baseline(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Baseline> {
    let of = matcher::required(reader, fields, "of");
    let history_min = reader
        .required(
            fields,
            "history_min",
            "how many gaps, or values before the event, must be known",
        )
        .and_then(|node| reader.whole(node, 1..=HISTORY_MAX));
    let measured = reader.required(
        fields,
        "measure",
        "`gap`, or `value` with the `value` that is measured",
    );
    let is_gap = measured.and_then(|node| node.text()) == Some("gap");
    let departs = departure(reader, fields, is_gap);
    let of = of?;
    let measure = measured.and_then(|node| measure(reader, fields, node, &of));
    let (history_min, departs) = (history_min?, departs?);
    // A sample standard deviation needs two values; a ratio needs values before the last ones.
    let needed = match departs {
        Departure::Deviations(_) => 2,
        Departure::Ratio { last, .. } => last,
    };
    if let Some(node) = fields.get("history_min").filter(|_| history_min < needed) {
        reader.fails(
            &node.span,
            format!("a history of {history_min} is too short for this comparison"),
            format!("at least {needed}"),
        );
        return None;
    }
    Some(Baseline {
        of,
        measure: measure?,
        history_min,
        departs,
        home: reader.declared.derived.home.clone(),
    })
}

fn measure(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    node: &Node,
    of: &Matcher,
) -> Option<Measure> {
    let text = reader.text(node, "`gap`, `value`, or a number expression on the event")?;
    if text == "gap" {
        if let Some((key, _)) = fields.entry("value") {
            reader.fails(
                &key.span,
                "a gap has no `value`",
                "`measure: value`, or no `value`".to_owned(),
            );
        }
        let by = fields
            .get("by")
            .map_or(Some("calendar_day"), |node| reader.one_of(node, BY))?;
        return Some(if by == "exact" {
            Measure::GapExact
        } else {
            Measure::GapDays
        });
    }
    if let Some((key, _)) = fields.entry("by") {
        reader.fails(
            &key.span,
            "`by` says how gaps are counted, and a value has none",
            "no `by`, or `measure: gap`".to_owned(),
        );
    }
    let value = match (text, fields.get("value")) {
        ("value", Some(value)) => value,
        ("value", None) => {
            reader.fails(
                &node.span,
                "`measure: value` does not say which value",
                "`value: event.total`, or another number expression".to_owned(),
            );
            return None;
        }
        (_, Some(_)) => {
            reader.unexpected(node, "`value`, as there is a `value`");
            return None;
        }
        (_, None) => node,
    };
    let names: Vec<_> = of.event_names().collect();
    let environment = read::environment(reader.declared, Some(&names), false);
    read::of_kind(
        reader,
        value,
        &environment,
        Type::Number,
        "what is measured",
    )
    .map(Measure::Value)
}

fn departure(reader: &mut Reader<'_>, fields: &Fields<'_>, is_gap: bool) -> Option<Departure> {
    const EXPECTED: &str = "`deviations: 2`, or for values `ratio: { last: 3, below: 0.7 }`";
    match (fields.get("deviations"), fields.get("ratio")) {
        (Some(node), None) => {
            let number = reader.number(node, "how many sample standard deviations, such as 2")?;
            let fits = if is_gap { number >= 0.0 } else { number != 0.0 };
            if !fits || number.abs() > 100.0 {
                let expected = if is_gap {
                    "0 to 100: a gap departs by being longer"
                } else {
                    "-100 to 100, below 0 for values that fall, and not 0"
                };
                reader.unexpected(node, expected);
                return None;
            }
            Some(Departure::Deviations(number))
        }
        (None, Some(node)) if is_gap => {
            let message =
                "`ratio` compares values, and a gap has departed as soon as it is too long";
            reader.fails(
                &node.span,
                message,
                "`deviations: 2`, or `measure: value`".to_owned(),
            );
            None
        }
        (None, Some(node)) => {
            let ratio = reader.fields(node, RATIO)?;
            let last = reader
                .required(&ratio, "last", "how many of the last values")
                .and_then(|node| reader.whole(node, 1..=LAST_MAX));
            let below = reader.required(&ratio, "below", "the factor, such as 0.7");
            let below = below.and_then(|node| {
                let number = reader.number(node, "a factor above 0, such as 0.7")?;
                if !(number > 0.0 && number <= 100.0) {
                    reader.unexpected(node, "a factor above 0, such as 0.7");
                    return None;
                }
                Some(number)
            });
            Some(Departure::Ratio {
                last: last?,
                below: below?,
            })
        }
        (Some(_), Some(node)) => {
            reader.fails(
                &node.span,
                "`deviations` and `ratio` exclude each other",
                EXPECTED.to_owned(),
            );
            None
        }
        (None, None) => {
            reader.fails(
                &fields.node.span,
                "nothing says when it has departed",
                EXPECTED.to_owned(),
            );
            None
        }
    }
}
