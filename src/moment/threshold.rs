//! Threshold: a measure of the customer's events goes from outside to inside of a bound.
//!
//! Comes true at the event at which it does. The measure is first asked as of the event's time without it: what is older than
//! `over` has left the window (t - over, t], and a score has faded to score * 2^(-elapsed / `half_life`). Where it is outside
//! then, the event is counted, and where it is inside now, this is the moment. So time alone arms it again, without a deadline.
//!
//! - A mean of nothing is not known, and outside. An event whose value is not known is not counted; where it carries products, each
//!   that has it is, as of facts.
//! - Amounts are whole millionths, and so sums do not drift, and a mean is compared without a division.
//! - A count, and the number of distinct values, only rise at an event: they are asked to come to a number k, and no more than
//!   the last k are kept.
//! - A late event, older than the newest that was counted, is counted at its place and makes nothing true, neither by itself nor
//!   for those after it: they have been decided.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::crosses::{Crosses, SIDES, Side, VALUE_MAX, crosses};
use super::kind::{
    Concerns, Described, Found, Kept, Missing, Moment, MomentKind, Sees, Telling, Unseen, WHEN,
    WHEN_SEEN, capitalised, when,
};
use super::matcher::{self, Matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, Position, Type};
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::stats::faded;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{Timestamp, duration_in_words};
use crate::value::Value;

/// Entries of a window, each some ten bytes of the profile: more than one a day for the longest that anybody remembers. Of more,
/// the oldest makes way before its time, and is counted as refused.
pub const ENTRIES_MAX: usize = 256;

/// Whole units of an amount: sums are exact to a millionth.
const MICROS: f64 = 1e6;

const KEYS: Keys = Keys {
    of: "`threshold`",
    known: &[
        Known::required("of", matcher::SHAPE, "The events that are measured."),
        Known::required(
            "measure",
            Shape::Either(&[Shape::Words(&["count"]), Shape::OneOf(&MEASURES)]),
            "`count`: how many. Or of a value of each: `sum`, `mean`, `distinct` (how many different ones), `score` (each adds its weight, and all fade).",
        ),
        Known::optional(
            "over",
            Shape::Duration,
            "How long back: of what lies more or just as long before the event, nothing counts. Without it: ever. A score has none.",
        ),
        Known::required(
            "crosses",
            Shape::OneOf(&SIDES),
            "What it comes to. It comes true at the event at which this holds and did not hold without that event.",
        ),
        WHEN,
    ],
    later: &[],
};
const MEASURES: Keys = Keys {
    of: "`measure`",
    known: &[
        Known::optional(
            "sum",
            Shape::Expression,
            "Of a number of the event, such as `event.total`.",
        ),
        Known::optional("mean", Shape::Expression, "Of a number of the event."),
        Known::optional(
            "distinct",
            Shape::Expression,
            "How many different values of the event there are, such as of `event.category`.",
        ),
        Known::optional(
            "score",
            Shape::Mapping(&SCORE),
            "Each event adds its weight, and what is there halves every `half_life`.",
        ),
    ],
    later: &[],
};
const SCORE: Keys = Keys {
    of: "`score`",
    known: &[
        Known::required(
            "weight",
            Shape::Either(&[Shape::Number(-VALUE_MAX, VALUE_MAX), Shape::Expression]),
            "What an event adds: a number, or an expression that gives one.",
        ),
        Known::required("half_life", Shape::Duration, "In what time a score halves."),
    ],
    later: &[],
};
/// The compiled form.
#[derive(Debug)]
pub struct Threshold {
    /// Which events.
    pub of: Matcher,
    /// What is measured.
    pub measure: Measure,
    /// How long back, ms; none: ever.
    pub over_ms: Option<i64>,
    /// The bound.
    pub crosses: Crosses,
    /// When it is decided.
    pub sees: Sees,
    /// Digest of the measure: what another measure has kept says nothing of this one.
    digest: u64,
}

/// What is measured of the matching events.
#[derive(Debug)]
pub enum Measure {
    /// How many.
    Count,
    /// The sum of a number.
    Sum(Expression),
    /// The mean of a number.
    Mean(Expression),
    /// How many different values.
    Distinct(Expression),
    /// A sum that fades.
    Score {
        /// What an event adds.
        weight: Expression,
        /// In what time it halves, ms; above 0.
        half_life_ms: i64,
    },
}

/// What is kept of one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdState {
    digest: u64,
    /// The newest event that was counted, in the order of events.
    newest: (Timestamp, Position),
    held: Held,
}

/// What the measure is asked of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Held {
    /// What is in the window, in order of time: when, and the amount in millionths or the hash of the value.
    Window(Vec<(Timestamp, i64)>),
    /// All there ever were: how many, and their sum in millionths.
    Ever { n: u64, micros: i128 },
    /// The score at the time of the newest.
    Score(f64),
}

/// What an event brings.
#[derive(Clone, Copy, Debug)]
enum Amount {
    /// Millionths, or a hash.
    Whole(i64),
    Weight(f64),
}

/// Where the measure stands.
#[derive(Clone, Copy, Debug)]
enum Level {
    /// So many millionths, divided by so many.
    Exact(i128, u64),
    Score(f64),
    /// The mean of nothing.
    Unknown,
}

impl Stored for ThresholdState {
    const VERSION: u8 = 1;
}

impl MomentKind for Threshold {
    type State = ThresholdState;

    const TAG: u16 = 5;
    const DESCRIBED: Described = Described {
        word: "threshold",
        comes_true: "At the event at which a measure of her events goes from outside to inside of a bound, at its time.",
        decided: WHEN_SEEN,
        occurrence: "the event's id",
        again: "at such an event after the measure has been outside again, be it because the window moved on or a score faded",
        has_event: true,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        threshold(reader, &fields)
    }

    fn concerns(&self) -> Concerns {
        self.of.concerns()
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous()
    }

    fn event(&self, state: &mut Kept<'_, ThresholdState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event.filter(|_| self.of.matches(scope)) else {
            return;
        };
        let amounts = scope.each(|scope| self.amount(scope));
        if amounts.is_empty() {
            return;
        }
        let own = state.get_or_insert_with(|| self.nothing(event));
        if own.digest != self.digest {
            *own = self.nothing(event);
        }
        if event.order() < own.newest {
            self.count_all(own, event.time, &amounts);
        } else {
            self.pass_to(own, event);
            let before = self.level(own);
            found.refused = self.count_all(own, event.time, &amounts);
            let after = self.level(own);
            if !is_inside(self.crosses, before) && is_inside(self.crosses, after) {
                let facts = vec![
                    ("measured", after.shown().into()),
                    ("bound", self.crosses.bound.into()),
                ];
                found.moment = Some(Moment::of_event(event, facts));
            }
        }
    }

    fn may_come_true(&self, state: Option<&ThresholdState>, unseen: Unseen<'_>) -> bool {
        self.of.may_mean(unseen) && self.may_count_enough(state, unseen)
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        (self.sees == Sees::Settled).then_some(event.time)
    }

    fn due(&self, _state: &ThresholdState, _settled: &Settled) -> Option<Timestamp> {
        None
    }

    fn fire(
        &self,
        _state: &mut ThresholdState,
        _settled: &Settled,
        _rows: &Rows,
    ) -> Option<Moment> {
        None
    }

    /// What both come to is what is measured from now on. It is no event that makes it so, and nothing comes true by it.
    fn merge(&self, own: &mut ThresholdState, other: ThresholdState, _both: &Settled) -> u32 {
        if own.digest != self.digest {
            *own = other;
            return 0;
        }
        if other.digest != self.digest {
            return 0;
        }
        let newest = own.newest.max(other.newest);
        let fades =
            |score: f64, at: Timestamp| faded(score, newest.0.0 - at.0, self.half_life_ms());
        let (own_at, other_at) = (own.newest.0, other.newest.0);
        own.newest = newest;
        match (&mut own.held, other.held) {
            (Held::Window(entries), Held::Window(others)) => {
                for (time, value) in others {
                    self.enter(entries, time, value);
                }
                self.make_way(entries)
            }
            (
                Held::Ever { n, micros },
                Held::Ever {
                    n: more,
                    micros: other,
                },
            ) => {
                *n = n.saturating_add(more);
                *micros = micros.saturating_add(other);
                0
            }
            (Held::Score(score), Held::Score(other)) => {
                *score = fades(*score, own_at) + fades(other, other_at);
                0
            }
            // Of one measure both are kept alike.
            (
                Held::Window(_) | Held::Ever { .. } | Held::Score(_),
                Held::Window(_) | Held::Ever { .. } | Held::Score(_),
            ) => 0,
        }
    }

    fn said(&self) -> String {
        format!("when {} comes to {}", self.what(), self.crosses.said())
    }

    fn explain(&self, state: Option<&ThresholdState>, scope: &Scope<'_>) -> Vec<Missing> {
        let own = state.filter(|own| own.digest == self.digest);
        let nothing = match self.measure {
            Measure::Mean(_) => Level::Unknown,
            Measure::Count | Measure::Sum(_) | Measure::Distinct(_) | Measure::Score { .. } => {
                Level::Exact(0, 1)
            }
        };
        let level = own.map_or(nothing, |own| {
            let mut own = own.clone();
            self.pass(&mut own, scope.now);
            self.level(&own)
        });
        let (what, bound) = (self.what(), self.crosses.said());
        let measured = (level.shown() * 1000.0).round() / 1000.0;
        let says = match level {
            Level::Unknown => format!("Nothing is known yet of {what}: it has to come to {bound}."),
            level if is_inside(self.crosses, level) => format!(
                "{what} is {measured}, {bound} already: it comes true when it has been otherwise, and comes to that again."
            ),
            _ => {
                let missing = ((self.crosses.bound - measured) * 1000.0).round() / 1000.0;
                format!(
                    "{what} is {measured}: it has to come to {bound}, {} away.",
                    missing.abs()
                )
            }
        };
        let bound = &Value::Number(self.crosses.bound);
        let missing = Missing::event(capitalised(&says))
            .by("measured", &Value::Number(measured))
            .by("bound", bound);
        vec![missing]
    }

    fn expressions(&self) -> Vec<&Expression> {
        let measured = match &self.measure {
            Measure::Count => None,
            Measure::Sum(value) | Measure::Mean(value) | Measure::Distinct(value) => Some(value),
            Measure::Score { weight, .. } => Some(weight),
        };
        self.of.expressions().chain(measured).collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let what = match self.measure {
            Measure::Count => "how many",
            Measure::Sum(_) => "the sum",
            Measure::Mean(_) => "the mean",
            Measure::Distinct(_) => "how many different",
            Measure::Score { .. } => "the score",
        };
        let over = self.over_ms.map_or_else(String::new, |over_ms| {
            format!(" in {}", (telling.long)(over_ms))
        });
        let measured = (telling.fact)("measured");
        let measured = (measured * 100.0).round() / 100.0;
        let first = self.of.first(telling);
        Some(format!("{first}{over}: {what} is {measured}"))
    }
}

impl Threshold {
    /// What is measured, for people.
    fn what(&self) -> String {
        let of = self.of.said();
        let over = self.over_ms.map_or_else(String::new, |over_ms| {
            format!(" in {}", duration_in_words(over_ms))
        });
        match &self.measure {
            Measure::Count => format!("the number of {of}{over}"),
            Measure::Sum(value) => format!("the sum of `{}` of {of}{over}", value.source()),
            Measure::Mean(value) => format!("the mean of `{}` of {of}{over}", value.source()),
            Measure::Distinct(value) => {
                format!("the number of different `{}` of {of}{over}", value.source())
            }
            Measure::Score {
                weight,
                half_life_ms,
            } => format!(
                "the score of {of}, by `{}` each and halved every {},",
                weight.source(),
                duration_in_words(*half_life_ms)
            ),
        }
    }

    /// Whether, with all that may be counted until an event that may, there are enough; other measures may come to anything.
    fn may_count_enough(&self, state: Option<&ThresholdState>, unseen: Unseen<'_>) -> bool {
        let (Measure::Count, Side::AtLeast | Side::Above) = (&self.measure, self.crosses.side)
        else {
            return true;
        };
        let own = state.filter(|own| own.digest == self.digest);
        let counted = own.map_or(0, |own| match &own.held {
            Held::Window(entries) => entries.len() as u64,
            Held::Ever { n, .. } => *n,
            Held::Score(_) => 0,
        });
        let between = unseen.before().filter(|it| self.of.may_mean(*it)).count();
        let most = counted.saturating_add(between as u64 + 1);
        is_inside(self.crosses, Level::Exact(i128::from(most) * 1_000_000, 1))
    }

    /// What an event, or a product of it, brings; none: it is not counted.
    fn amount(&self, scope: &Scope<'_>) -> Option<Amount> {
        Some(match &self.measure {
            Measure::Count => Amount::Whole(0),
            Measure::Sum(value) | Measure::Mean(value) => {
                #[expect(clippy::cast_possible_truncation, reason = "bounded by VALUE_MAX")]
                let micros = (number(value, scope)? * MICROS).round() as i64;
                Amount::Whole(micros)
            }
            Measure::Distinct(value) => {
                let key = value.eval(scope).key()?;
                Amount::Whole(xxh3_64(key.as_bytes()).cast_signed())
            }
            Measure::Score { weight, .. } => Amount::Weight(number(weight, scope)?),
        })
    }

    /// What is kept before the first event.
    fn nothing(&self, event: &Event) -> ThresholdState {
        let held = match (&self.measure, self.over_ms) {
            (Measure::Score { .. }, _) => Held::Score(0.0),
            (Measure::Count | Measure::Sum(_) | Measure::Mean(_), None) => {
                Held::Ever { n: 0, micros: 0 }
            }
            (Measure::Distinct(_), None) | (_, Some(_)) => Held::Window(Vec::new()),
        };
        ThresholdState {
            digest: self.digest,
            newest: event.order(),
            held,
        }
    }

    /// Time passes up to an event.
    fn pass_to(&self, state: &mut ThresholdState, event: &Event) {
        self.pass(state, event.time);
        state.newest = event.order();
    }

    /// What is past leaves the window, and what fades has faded, at an instant.
    fn pass(&self, state: &mut ThresholdState, at: Timestamp) {
        let elapsed_ms = at.0 - state.newest.0.0;
        match &mut state.held {
            Held::Window(entries) => {
                if let Some(over_ms) = self.over_ms {
                    entries.retain(|(time, _)| at.0 - time.0 < over_ms);
                }
            }
            Held::Ever { .. } => {}
            Held::Score(score) => *score = faded(*score, elapsed_ms, self.half_life_ms()),
        }
    }

    /// Counts all that an event brings.
    fn count_all(&self, state: &mut ThresholdState, time: Timestamp, amounts: &[Amount]) -> u32 {
        let amounts = amounts.iter();
        amounts.map(|amount| self.count(state, time, *amount)).sum()
    }

    /// Counts an event at its place in time; how many others had to make way for it.
    fn count(&self, state: &mut ThresholdState, time: Timestamp, amount: Amount) -> u32 {
        let newest = state.newest.0;
        match (&mut state.held, amount) {
            (Held::Window(entries), Amount::Whole(value)) => {
                let is_past = |over_ms| newest.0 - time.0 >= over_ms;
                if self.over_ms.is_some_and(is_past) {
                    return 0;
                }
                self.enter(entries, time, value);
                self.make_way(entries)
            }
            (Held::Ever { n, micros }, Amount::Whole(value)) => {
                *n = n.saturating_add(1);
                *micros = micros.saturating_add(value.into());
                0
            }
            (Held::Score(score), Amount::Weight(weight)) => {
                *score += faded(weight, newest.0 - time.0, self.half_life_ms());
                0
            }
            // What another measure has kept was dropped before.
            (Held::Window(_) | Held::Ever { .. }, Amount::Weight(_))
            | (Held::Score(_), Amount::Whole(_)) => 0,
        }
    }

    /// Puts an entry at its place in time; of different values, each stands where it came last.
    fn enter(&self, entries: &mut Vec<(Timestamp, i64)>, time: Timestamp, value: i64) {
        if matches!(self.measure, Measure::Distinct(_)) {
            let same = entries.iter().position(|(_, known)| *known == value);
            if same.is_some_and(|at| entries[at].0 > time) {
                return;
            }
            same.map(|at| entries.remove(at));
        }
        let place = entries.partition_point(|(known, _)| *known <= time);
        entries.insert(place, (time, value));
    }

    /// Keeps as many as may be, the newest. How many made way that would have been asked.
    fn make_way(&self, entries: &mut Vec<(Timestamp, i64)>) -> u32 {
        let needed = self.needed();
        let most = needed.unwrap_or(ENTRIES_MAX);
        let beyond = entries.len().saturating_sub(most);
        entries.drain(..beyond);
        match needed {
            Some(_) => 0,
            None => u32::try_from(beyond).unwrap_or(u32::MAX),
        }
    }

    /// How many must be known where more make no difference: the number that they are asked to come to.
    fn needed(&self) -> Option<usize> {
        matches!(self.measure, Measure::Count | Measure::Distinct(_))
            .then(|| comes_to(self.crosses))
    }

    fn level(&self, state: &ThresholdState) -> Level {
        let (n, micros) = match &state.held {
            Held::Window(entries) => {
                let values = entries.iter().map(|(_, value)| i128::from(*value));
                (entries.len() as u64, values.sum())
            }
            Held::Ever { n, micros } => (*n, *micros),
            Held::Score(score) => return Level::Score(*score),
        };
        match self.measure {
            Measure::Count | Measure::Distinct(_) => Level::Exact(i128::from(n) * 1_000_000, 1),
            Measure::Mean(_) if n == 0 => Level::Unknown,
            Measure::Mean(_) => Level::Exact(micros, n),
            Measure::Sum(_) | Measure::Score { .. } => Level::Exact(micros, 1),
        }
    }

    fn half_life_ms(&self) -> i64 {
        match self.measure {
            Measure::Score { half_life_ms, .. } => half_life_ms,
            Measure::Count | Measure::Sum(_) | Measure::Mean(_) | Measure::Distinct(_) => 1,
        }
    }
}

/// Whether a measure is inside; one that is not known is not.
fn is_inside(crosses: Crosses, level: Level) -> bool {
    match level {
        Level::Exact(micros, of) => {
            #[expect(clippy::cast_possible_truncation, reason = "bounded by VALUE_MAX")]
            let bound = (crosses.bound * MICROS).round() as i64;
            crosses.is_inside(micros.cmp(&i128::from(bound).saturating_mul(of.into())))
        }
        Level::Score(score) => crosses.holds(score),
        Level::Unknown => false,
    }
}

/// The least whole number inside, of those above 0.
fn comes_to(crosses: Crosses) -> usize {
    let whole = match crosses.side {
        Side::AtLeast => crosses.bound.ceil(),
        Side::Above | Side::AtMost | Side::Below => crosses.bound.floor() + 1.0,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    let whole = whole as usize;
    whole
}

impl Level {
    fn shown(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "it is shown, not summed on")]
            Self::Exact(micros, of) => micros as f64 / of as f64 / MICROS,
            Self::Score(score) => score,
            Self::Unknown => 0.0,
        }
    }
}

/// A number that can be counted.
fn number(expression: &Expression, scope: &Scope<'_>) -> Option<f64> {
    match expression.eval(scope) {
        Value::Number(value) if value.is_finite() && value.abs() <= VALUE_MAX => Some(value),
        _ => None,
    }
}

/// Reads its keys.
fn threshold(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Threshold> {
    let of = matcher::required(reader, fields, "of");
    let over = fields.get("over");
    let over_ms = over.map_or(Some(None), |node| reader.duration(node).map(Some));
    let sees = when(reader, fields);
    let bound = reader.required(
        fields,
        "crosses",
        "what it comes to, such as `{ at_least: 3 }`",
    );
    let crosses = bound.and_then(|node| crosses(reader, node));
    let measured = reader.required(fields, "measure", MEASURED);
    let of = of?;
    let measure = measured.and_then(|node| measure(reader, node, &of))?;
    let (over_ms, crosses) = (over_ms?, crosses?);
    if let Some((key, _)) = fields.entry("over")
        && matches!(measure, Measure::Score { .. })
    {
        let expected = "no `over`: a score fades by its `half_life`".to_owned();
        reader.fails(&key.span, "a score has no window", expected);
        return None;
    }
    let rises = matches!(measure, Measure::Count | Measure::Distinct(_));
    if rises && let Some(node) = bound {
        fits(
            reader,
            node,
            crosses,
            over_ms.is_some() || !matches!(measure, Measure::Count),
        )?;
    }
    Some(Threshold {
        digest: digest(&measure, over_ms.is_some()),
        of,
        measure,
        over_ms,
        crosses,
        sees: sees?,
    })
}

const MEASURED: &str = "`count`, or `{ sum: event.total }`, `mean`, `distinct`, `score`";

/// A count only rises at an event, and comes to no number below 1.
fn fits(reader: &mut Reader<'_>, node: &Node, crosses: Crosses, bounded: bool) -> Option<()> {
    if matches!(crosses.side, Side::AtMost | Side::Below) {
        let expected = "`at_least` or `above`; what does not happen is `absence` or `inactivity`";
        reader.fails(
            &node.span,
            "no event makes a count less",
            expected.to_owned(),
        );
        return None;
    }
    let most = if bounded { ENTRIES_MAX } else { usize::MAX };
    if comes_to(crosses) < 1 || crosses.bound < 0.0 || comes_to(crosses) > most {
        let message = format!("a count that comes to {}", crosses.bound);
        let expected = match bounded {
            true => format!("1 to {ENTRIES_MAX}"),
            false => "1 or more".to_owned(),
        };
        reader.fails(&node.span, message, expected);
        return None;
    }
    Some(())
}

fn measure(reader: &mut Reader<'_>, node: &Node, of: &Matcher) -> Option<Measure> {
    if node.text() == Some("count") {
        return Some(Measure::Count);
    }
    if !matches!(node.value, Yaml::Map(_)) {
        reader.unexpected(node, MEASURED);
        return None;
    }
    let (key, value) = reader.only(node, MEASURES)?;
    let names: Vec<_> = of.event_names().collect();
    let environment = read::environment_of_products(reader.declared, &names);
    let number = |reader: &mut Reader<'_>, node| {
        read::of_kind(reader, node, &environment, Type::Number, "what is measured")
    };
    match key.text.as_str() {
        "sum" => number(reader, value).map(Measure::Sum),
        "mean" => number(reader, value).map(Measure::Mean),
        "distinct" => {
            let text = read::text(reader, value)?;
            let compiled = Expression::compile(text, &environment);
            let value_of = read::compiled(reader, value, 0, compiled)?;
            if matches!(value_of.kind(), Type::List(_) | Type::Duration) {
                reader.unexpected(value, "a text, number or time, such as `event.category`");
                return None;
            }
            Some(Measure::Distinct(value_of))
        }
        _ => {
            let fields = reader.fields(value, SCORE)?;
            let weight = reader.required(&fields, "weight", "what an event adds, such as 1");
            let weight = weight.and_then(|node| number(reader, node));
            let half_life =
                reader.required(&fields, "half_life", "in what time it halves, such as 7d");
            let half_life_ms = half_life.and_then(|node| reader.duration(node));
            Some(Measure::Score {
                weight: weight?,
                half_life_ms: half_life_ms?,
            })
        }
    }
}

/// What tells one measure from another, as far as what is kept goes.
fn digest(measure: &Measure, windowed: bool) -> u64 {
    let words = match measure {
        Measure::Count => "count".to_owned(),
        // The same is kept for both.
        Measure::Sum(value) | Measure::Mean(value) => format!("amount {}", value.source()),
        Measure::Distinct(value) => format!("distinct {}", value.source()),
        Measure::Score {
            weight,
            half_life_ms,
        } => format!("score {half_life_ms} {}", weight.source()),
    };
    xxh3_64(format!("{windowed} {words}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventName, Product, Property, PropertyId};
    use crate::moment::kind::tests::{reading, said};

    const MINUTE: i64 = 60_000;

    /// An order at a minute, of a total and a coupon, either of which may not be known.
    fn order(minute: i64, total: Option<f64>, coupon: &str) -> Event {
        let mut properties = Vec::new();
        properties.extend(total.map(|it| (PropertyId::TOTAL, Property::Number(it))));
        if !coupon.is_empty() {
            properties.push((PropertyId::COUPON, Property::Text(coupon.into())));
        }
        Event {
            properties: properties.into(),
            position: Position {
                topic: 0,
                offset: minute,
            },
            ..said(EventName::ORDER_COMPLETED, Timestamp(minute * MINUTE))
        }
    }

    fn shown(kind: &Threshold, events: &[Event]) -> (Vec<i64>, u32, ThresholdState) {
        let (mut state, mut moments, mut refused) = (None, Vec::new(), 0);
        let profile = Settled::default();
        for event in events {
            let mut found = Found::default();
            let scope = Scope::of_event(event, &profile, None, &crate::table::rows::NONE);
            kind.event(&mut Kept::New(&mut state), &scope, &mut found);
            moments.extend(found.moment.map(|moment| moment.at.0 / MINUTE));
            refused += found.refused;
        }
        (moments, refused, state.expect("something was counted"))
    }

    /// At a minute, of a total and a coupon.
    type Order<'a> = (i64, Option<f64>, &'a str);

    /// What is measured and crossed, over what; orders as (minute, total, coupon); the minutes at which it comes true.
    #[rustfmt::skip]
    const MEANS: &[(&str, &[Order<'_>], &[i64])] = &[
        // A count, at the window's edge: what is exactly as old as the window has left it.
        ("measure: count, over: 10m, crosses: { at_least: 3 }", &[(0, None, ""), (5, None, ""), (9, None, "")], &[9]),
        ("measure: count, over: 10m, crosses: { at_least: 3 }", &[(0, None, ""), (5, None, ""), (10, None, "")], &[]),
        ("measure: count, over: 10m, crosses: { above: 1.5 }", &[(0, None, ""), (5, None, "")], &[5]),
        // It stays inside, and is armed again by time alone.
        ("measure: count, over: 10m, crosses: { at_least: 2 }", &[(0, None, ""), (1, None, ""), (2, None, ""), (11, None, ""), (12, None, "")], &[1, 11, 12]),
        ("measure: count, over: 10m, crosses: { at_least: 1 }", &[(0, None, ""), (9, None, ""), (19, None, "")], &[0, 19]),
        ("measure: count, crosses: { at_least: 2 }", &[(0, None, ""), (90, None, ""), (9000, None, "")], &[90]),
        // Sums are exact: a tenth and two are three.
        ("measure: { sum: event.total }, crosses: { at_least: 0.3 }", &[(0, Some(0.1), ""), (1, Some(0.2), "")], &[1]),
        ("measure: { sum: event.total }, crosses: { above: 0.3 }", &[(0, Some(0.1), ""), (1, Some(0.2), "")], &[]),
        ("measure: { sum: event.total }, over: 10m, crosses: { at_least: 10 }", &[(0, Some(9.0), ""), (10, Some(9.0), ""), (11, None, ""), (12, Some(1.0), "")], &[12]),
        ("measure: { sum: event.total }, crosses: { below: 5 }", &[(0, Some(9.0), ""), (1, Some(-4.0), ""), (2, Some(-0.01), "")], &[2]),
        // A mean of nothing is outside. Three thirds make a whole.
        ("measure: { mean: event.total }, crosses: { at_most: 5 }", &[(0, None, ""), (1, Some(5.0), ""), (2, Some(6.0), ""), (3, Some(4.0), "")], &[1, 3]),
        ("measure: { mean: event.total }, over: 10m, crosses: { above: 7 }", &[(0, Some(7.0), ""), (1, Some(7.01), ""), (20, Some(7.0), ""), (40, Some(8.0), ""), (60, Some(8.0), "")], &[1, 40, 60]),
        // The same value counts from when it was there last.
        ("measure: { distinct: event.coupon }, over: 10m, crosses: { at_least: 2 }", &[(0, None, "a"), (1, None, "a"), (2, None, ""), (9, None, "b")], &[9]),
        ("measure: { distinct: event.coupon }, over: 10m, crosses: { at_least: 2 }", &[(0, None, "a"), (9, None, "a"), (18, None, "b"), (19, None, "b"), (20, None, "a")], &[18, 20]),
        ("measure: { distinct: event.coupon }, crosses: { at_least: 3 }", &[(0, None, "a"), (1, None, "b"), (2, None, "a"), (900, None, "c"), (901, None, "d")], &[900]),
        // A score halves every ten minutes: 4, then 2 + 4, then 3 + 4.
        ("measure: { score: { weight: 4, half_life: 10m } }, crosses: { at_least: 6 }", &[(0, None, ""), (10, None, ""), (20, None, "")], &[10, 20]),
        ("measure: { score: { weight: event.total, half_life: 10m } }, crosses: { above: 6 }", &[(0, Some(4.0), ""), (10, Some(4.0), ""), (11, None, ""), (20, Some(4.0), "")], &[20]),
        ("measure: { score: { weight: event.total, half_life: 10m } }, crosses: { below: 1 }", &[(0, Some(4.0), ""), (10, Some(-1.5), "")], &[10]),
        // A late one makes nothing true, and is there for the next.
        ("measure: count, over: 10m, crosses: { at_least: 3 }", &[(0, None, ""), (5, None, ""), (3, None, ""), (6, None, ""), (12, None, "")], &[]),
        ("measure: count, over: 10m, crosses: { at_least: 3 }", &[(10, None, ""), (5, None, ""), (12, None, "")], &[12]),
        ("measure: count, over: 10m, crosses: { at_least: 3 }", &[(20, None, ""), (10, None, ""), (21, None, ""), (22, None, "")], &[22]),
        ("measure: { score: { weight: 4, half_life: 10m } }, crosses: { at_least: 7 }", &[(10, None, ""), (0, None, ""), (20, None, "")], &[20]),
    ];

    /// What is measured and crossed; the products of each order, a minute apart; the minutes at which it comes true.
    #[rustfmt::skip]
    const OF_PRODUCTS: &[(&str, &[&str], &[i64])] = &[
        ("measure: { distinct: event.product_id }, crosses: { at_least: 3 }", &["a,b", "b,a", "", "c"], &[3]),
        ("measure: { distinct: event.product_id }, crosses: { at_least: 3 }", &["a,b,c,d", "e"], &[0]),
        ("measure: { sum: event.price }, crosses: { at_least: 6 }", &["a,a", "a", "a"], &[1]),
        ("measure: { mean: event.price }, crosses: { at_least: 2 }", &["", "a,b"], &[1]),
        ("measure: { score: { weight: event.price, half_life: 1m } }, crosses: { at_least: 5 }", &["a,b", "a,b"], &[1]),
        // An order is one, however many products are in it.
        ("measure: count, crosses: { at_least: 2 }", &["a,b", "a"], &[1]),
        ("measure: { score: { weight: 2, half_life: 90d } }, crosses: { at_least: 3 }", &["a,b", "a"], &[1]),
    ];

    #[test]
    fn where_an_event_does_not_say_it_its_products_do() {
        for (text, orders, expected) in OF_PRODUCTS {
            let text = format!("{{ of: Order Completed, {text} }}");
            let kind: Threshold = reading(&text).unwrap_or_else(|reports| panic!("{reports}"));
            let events = (0..).zip(*orders).map(|(minute, products)| {
                let mut event = order(minute, None, "");
                let ids = products.split(',').filter(|id| !id.is_empty());
                event.products = ids
                    .map(|id| Product {
                        id: id.into(),
                        price: Some(2.0),
                        ..Product::default()
                    })
                    .collect();
                event
            });
            let events: Vec<_> = events.collect();
            assert_eq!(shown(&kind, &events).0, *expected, "{text}");
        }
    }

    #[test]
    fn it_comes_true_where_the_measure_goes_inside() {
        for (text, events, expected) in MEANS {
            let kind: Threshold = reading(&format!("{{ of: Order Completed, {text} }}"))
                .unwrap_or_else(|reports| panic!("{text}: {reports}"));
            let orders = events.iter();
            let events: Vec<_> = orders
                .map(|(minute, total, coupon)| order(*minute, *total, coupon))
                .collect();
            let (moments, refused, _) = shown(&kind, &events);
            assert_eq!(moments, *expected, "{text} of {events:?}");
            assert_eq!(refused, 0, "{text}");
        }
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let orders: Vec<_> = (0..600)
            .map(|minute| order(minute, Some(1.0), ""))
            .collect();
        for (text, expected, refused, kept) in [
            (
                "measure: count, over: 90d, crosses: { at_least: 200 }",
                &[199][..],
                0,
                200,
            ),
            (
                "measure: { sum: event.total }, over: 90d, crosses: { at_least: 256 }",
                &[255],
                344,
                256,
            ),
            (
                "measure: { sum: event.total }, over: 90d, crosses: { above: 256 }",
                &[],
                344,
                256,
            ),
        ] {
            let kind: Threshold = reading(&format!("{{ of: Order Completed, {text} }}")).unwrap();
            let (moments, made_way, state) = shown(&kind, &orders);
            assert_eq!((&moments[..], made_way), (expected, refused), "{text}");
            let Held::Window(entries) = state.held else {
                panic!("{text} has a window");
            };
            assert_eq!(entries.len(), kept, "{text}");
        }
    }

    #[test]
    fn another_measure_begins_anew() {
        let count: Threshold =
            reading("{ of: Order Completed, measure: count, crosses: { at_least: 3 } }").unwrap();
        let sum: Threshold = reading(
            "{ of: Order Completed, measure: { sum: event.total }, crosses: { at_least: 3 } }",
        )
        .unwrap();
        let orders: Vec<_> = (0..2).map(|minute| order(minute, Some(9.0), "")).collect();
        let mut state = Some(shown(&count, &orders).2);
        let event = order(2, Some(1.0), "");
        let nobody = Settled::default();
        let scope = Scope::of_event(&event, &nobody, None, &crate::table::rows::NONE);
        let mut found = Found::default();
        sum.event(&mut Kept::New(&mut state), &scope, &mut found);
        assert_eq!(found.moment, None);
        assert_eq!(
            state.map(|state| state.held),
            Some(Held::Ever {
                n: 1,
                micros: 1_000_000
            })
        );
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("measure: count, crosses: { at_least: 3 }", ""),
        ("measure: count, over: 7d, crosses: { at_least: 257 }", "a count that comes to 257"),
        ("measure: count, crosses: { at_least: 1000 }", ""),
        ("measure: count, crosses: { at_least: 0 }", "a count that comes to 0"),
        ("measure: count, crosses: { above: -1 }", "a count that comes to -1"),
        ("measure: count, crosses: { below: 3 }", "no event makes a count less"),
        ("measure: { distinct: event.coupon }, crosses: { at_least: 300 }", "a count that comes to 300"),
        ("measure: { distinct: event.products }, crosses: { at_least: 3 }", "is not valid here"),
        ("measure: { sum: event.coupon }, crosses: { at_least: 3 }", "what is measured is a number"),
        ("measure: { sum: event.total, mean: event.total }, crosses: { at_least: 3 }", "`measure` is one thing; here are 2"),
        ("measure: counts, crosses: { at_least: 3 }", "`counts` is not valid here"),
        ("measure: count, crosses: { at_least: 3, below: 5 }", "`crosses` is one thing; here are 2"),
        ("measure: count, crosses: 3", "is not valid here"),
        ("measure: { score: { weight: 1 } }, crosses: { at_least: 3 }", "`half_life` is missing"),
        ("measure: { score: { weight: 1, half_life: 1d } }, over: 7d, crosses: { at_least: 3 }", "a score has no window"),
        ("measure: count, crosses: { at_least: 3 }, when: later", "`later` is not valid here"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let read = reading::<Threshold>(&format!("{{ of: Order Completed, {text} }}"));
            let said = read.err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
