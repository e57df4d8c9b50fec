//! Facts: what a company declares to be measured of its customers' events, to be asked as `facts.NAME`.
//!
//! A fact is like a moment with another output: it says which events concern it, keeps a state of a customer
//! ([`crate::profile::derived`]), takes events in as they settle, and where time alone changes it, it knows when.

use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml::{self, Key, Node, Yaml};
use crate::event::{Text, Type};
use crate::expression::{Environment, Expression, Scope, read};
use crate::measure::{self, AMOUNT_MAX, Measure, Said, Spec};
use crate::moment::Concerns;
use crate::moment::matcher::{self, Matcher};
use crate::moment::per::{Per, per};
use crate::value::Value;
use balance::Balance;

pub mod balance;
pub mod points;

/// A fact's name: it stands in expressions.
pub const NAME_BYTES: usize = 64;

/// The keys of the file of a fact.
pub const KEYS: Keys = Keys {
    of: "a fact",
    known: &[
        Known::required(
            "fact",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "orders_by_category"),
            "Its name, once in a set: lower-case letters, digits and underscores. Expressions ask for it as `facts.NAME`.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is, in its author's words. For people.",
        ),
        Known::optional(
            "of",
            matcher::SHAPE,
            "The events that it is measured of. Required, but for `points`.",
        ),
        Known::required(
            "measure",
            Shape::Either(&[Shape::Words(TIMES), Shape::OneOf(&MEASURES)]),
            "`count`: how many; `first`, `last`, `previous` (the last but one): when it was. Or of a value of each event: `first`, `last`, `previous`, `sum`, `mean`, `min`, `max`, `distinct` (how many different ones), `list` (the last ones), `score` (each adds its weight, and all fade), `balance` (each earns a lot that others spend, and that expires). Or, of the customer, `points`: what each of some conditions is worth as long as it holds.",
        ),
        Known::optional(
            "over",
            Shape::Duration,
            "How long back: of what lies more or just as long before now, nothing counts. Without it: ever. A score and a balance have none.",
        ),
        Known::optional(
            "per",
            Shape::Expression,
            "An expression on the events, such as `event.category`: one for each value, asked as `facts.NAME[\"...\"]`.",
        ),
    ],
    later: &[],
};
/// What is measured of the events themselves.
const TIMES: &[&str] = &["count", "first", "last", "previous"];
/// What is measured of a value of each event.
pub const MEASURES: Keys = Keys {
    of: "`measure`",
    known: &[
        Known::optional("first", Shape::Expression, "A value of the first event."),
        Known::optional(
            "last",
            Shape::Expression,
            "A value of the last event that has one.",
        ),
        Known::optional(
            "previous",
            Shape::Expression,
            "A value of the last but one.",
        ),
        Known::optional(
            "sum",
            Shape::Expression,
            "Of a number of the event, such as `event.total`.",
        ),
        Known::optional("mean", Shape::Expression, "Of a number of the event."),
        Known::optional(
            "min",
            Shape::Expression,
            "The least of a number of the event.",
        ),
        Known::optional(
            "max",
            Shape::Expression,
            "The greatest of a number of the event.",
        ),
        Known::optional(
            "distinct",
            Shape::Expression,
            "How many different values of the event there are, such as of `event.category`.",
        ),
        Known::optional(
            "list",
            Shape::Mapping(&LIST),
            "The last values of the event, the oldest first.",
        ),
        Known::optional(
            "score",
            Shape::Mapping(&SCORE),
            "Each event adds its weight, and what is there halves every `half_life`.",
        ),
        Known::optional(
            "balance",
            Shape::Mapping(&balance::BALANCE),
            "Each event earns a lot, which expires by itself; other events spend what expires first, or take back what an order earned.",
        ),
        Known::optional(
            "points",
            Shape::List(&Shape::Mapping(&points::POINT), 1, points::POINTS_MAX),
            "The sum of what each of these conditions on the customer is worth, as long as it holds. Without `of`.",
        ),
    ],
    later: &[],
};
const LIST: Keys = Keys {
    of: "`list`",
    known: &[
        Known::required(
            "of",
            Shape::Expression,
            "What is listed of the event, such as `event.product_id`: a text, number, time or bool.",
        ),
        Known::default("last", "10", Shape::Whole(1, LAST_MAX), "How many."),
    ],
    later: &[],
};
const LAST_MAX: u32 = 64;
const LAST_DEFAULT: u32 = 10;
const _: () = assert!(LAST_MAX as usize == measure::limits::LAST);
const SCORE: Keys = Keys {
    of: "`score`",
    known: &[
        Known::required(
            "weight",
            Shape::Either(&[Shape::Number(-AMOUNT_MAX, AMOUNT_MAX), Shape::Expression]),
            "What an event adds: a number, or an expression that gives one.",
        ),
        Known::required("half_life", Shape::Duration, "In what time a score halves."),
    ],
    later: &[],
};

/// A checked fact.
#[derive(Debug)]
pub struct Fact {
    /// Its name.
    pub name: Text,
    /// What is measured, as far as what is kept goes.
    pub spec: Spec,
    /// Hash of its definition's text.
    pub text: u64,
    of: Matcher,
    per: Per,
    value: Taken,
}

/// What is taken of an event.
#[derive(Debug)]
enum Taken {
    /// That it was.
    Nothing,
    /// A number that is counted.
    Amount(Expression),
    /// Which value it is.
    Hash(Expression),
    /// A value.
    Value(Expression),
    /// What is earned, spent and taken back.
    Moves(Box<Balance>),
}

/// What one event says: nearly always one thing, under one value of `per`.
pub type Sayings = SmallVec<[(Text, Said); 1]>;

impl Fact {
    /// What may change it.
    #[must_use]
    pub fn concerns(&self) -> Concerns {
        matcher::concerns(self.matchers())
    }

    /// What tells which events it is measured of.
    fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        let others = self.balance().into_iter().flat_map(Balance::matchers);
        [&self.of].into_iter().chain(others)
    }

    fn balance(&self) -> Option<&Balance> {
        match &self.value {
            Taken::Moves(balance) => Some(balance),
            Taken::Nothing | Taken::Amount(_) | Taken::Hash(_) | Taken::Value(_) => None,
        }
    }

    /// Every expression of it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let per = match &self.per {
            Per::Customer => None,
            Per::Key(per) => Some(per),
        };
        let value = match &self.value {
            Taken::Nothing | Taken::Moves(_) => None,
            Taken::Amount(of) | Taken::Hash(of) | Taken::Value(of) => Some(of),
        };
        let moves = self.balance().into_iter().flat_map(Balance::values);
        let conditions = self.matchers().flat_map(Matcher::expressions);
        conditions.chain(per).chain(value).chain(moves)
    }

    /// Whether one of its conditions asks for the profile before the event.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        self.matchers().any(Matcher::uses_previous)
    }

    /// What an event says, with the profile having taken it in. Where the event itself does not say it but carries products, each
    /// of them does.
    #[must_use]
    pub fn said(&self, scope: &Scope<'_>) -> Sayings {
        if let Some(balance) = self.balance() {
            return balance.said(&self.of, &self.per, scope);
        }
        let mut sayings = Sayings::new();
        if scope.event.is_none() || !self.of.matches(scope) {
            return sayings;
        }
        for said in scope.each(|it| self.one(it)) {
            // An event is one, however many of its products say so.
            if !matches!(said.1, Said::Nothing) || !sayings.contains(&said) {
                sayings.push(said);
            }
        }
        sayings
    }

    fn one(&self, scope: &Scope<'_>) -> Option<(Text, Said)> {
        let per = key(&self.per, scope)?;
        let said = match &self.value {
            Taken::Nothing => Said::Nothing,
            Taken::Amount(value) => match value.eval(scope) {
                Value::Number(number) => Said::amount(number)?,
                Value::Time(time) => Said::Amount(time.0),
                _ => return None,
            },
            Taken::Hash(value) => Said::Hash(xxh3_64(value.eval(scope).key()?.as_bytes())),
            Taken::Value(value) => match value.eval(scope) {
                Value::Bool(value) => Said::Bool(value),
                Value::Number(value) => Said::Number(value),
                Value::Text(_) => Said::Text(value.eval(scope).key()?),
                Value::Time(value) => Said::Time(value),
                Value::Null | Value::Duration(_) | Value::List(_) | Value::Items(..) => {
                    return None;
                }
            },
            // It says several things: `balance`.
            Taken::Moves(_) => return None,
        };
        Some((per, said))
    }
}

/// The value of `per` that is meant; the empty text where there is none.
fn key(per: &Per, scope: &Scope<'_>) -> Option<Text> {
    match per {
        Per::Customer => Some(Text::default()),
        Per::Key(expression) => expression.eval(scope).key(),
    }
}

/// Reads the file of a fact.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Fact, Vec<Report>> {
    let fact = reader::file(source, declared, KEYS, fact)?;
    Ok(Fact {
        text: source.digest(),
        ..fact
    })
}

fn fact(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Fact> {
    let name = name(reader, fields);
    let of = matcher::required(reader, fields, "of");
    let over = fields.get("over");
    let over_ms = over.map_or(Some(None), |node| reader.duration(node).map(Some));
    let measured = reader.required(fields, "measure", MEASURED);
    let of = of?;
    let measured = measured.and_then(|node| measure(reader, node, &of));
    let (measure, kind, value) = measured?;
    let mut matchers = vec![&of];
    if let Taken::Moves(balance) = &value {
        matchers.extend(balance.matchers());
    }
    let per = fields
        .get("per")
        .map_or(Some(Per::Customer), |node| per(reader, node, &matchers));
    let windowless = match measure {
        Measure::Score(_) => Some((
            "a score has no window",
            "no `over`: a score fades by its `half_life`",
        )),
        Measure::Balance { .. } => Some((
            "a balance has no window",
            "no `over`: what is earned expires as `expires` says",
        )),
        _ => None,
    };
    if let (Some((message, expected)), Some((key, _))) = (windowless, fields.entry("over")) {
        reader.fails(&key.span, message, expected.to_owned());
        return None;
    }
    let (name, over_ms, per) = (name?, over_ms?, per?);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let key = xxh3_64(name.as_bytes()) as u32;
    let spec = Spec {
        key,
        digest: digest(&of, &value, &per, measure, over_ms),
        kind,
        keyed: matches!(per, Per::Key(_)),
        measure,
        over_ms,
    };
    Some(Fact {
        name,
        spec,
        text: 0,
        of,
        per,
        value,
    })
}

/// Its name; what it is about is looked at besides.
fn name(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Text> {
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it is");
    }
    let node = reader.required(fields, "fact", "its name, such as orders_by_category")?;
    let name = reader.identifier(node, ("a fact", "orders_by_category"), NAME_BYTES)?;
    Some(Text::from(name))
}

const MEASURED: &str =
    "`count`, `first`, `last`, `previous`, or of a value, such as `{ sum: event.total }`";

fn measure(reader: &mut Reader<'_>, node: &Node, of: &Matcher) -> Option<(Measure, Type, Taken)> {
    if let Some(word) = node.text() {
        return Some(match reader.one_of(node, TIMES).filter(|it| *it == word)? {
            "count" => (Measure::Count, Type::Number, Taken::Nothing),
            "first" => (Measure::First, Type::Time, Taken::Nothing),
            "last" => (Measure::Last, Type::Time, Taken::Nothing),
            _ => (Measure::Previous, Type::Time, Taken::Nothing),
        });
    }
    let (key, value) = only(reader, node)?;
    let names: Vec<_> = of.event_names().collect();
    let environment = read::environment_of_products(reader.declared, &names);
    let value_of = |reader: &mut Reader<'_>, node: &Node| {
        let text = read::text(reader, node)?;
        let compiled = Expression::compile(text, &environment);
        let compiled = read::compiled(reader, node, 0, compiled)?;
        if matches!(compiled.kind(), Type::List(_) | Type::Duration) {
            reader.unexpected(
                node,
                "a text, number, time or bool, such as `event.category`",
            );
            return None;
        }
        Some(compiled)
    };
    let end = |reader: &mut Reader<'_>, measure| {
        let value = value_of(reader, value)?;
        Some((measure, value.kind(), Taken::Value(value)))
    };
    let of_number = |reader: &mut Reader<'_>, measure| {
        Some((measure, Type::Number, number(reader, value, &environment)?))
    };
    match key.text.as_str() {
        "first" => end(reader, Measure::First),
        "last" => end(reader, Measure::Last),
        "previous" => end(reader, Measure::Previous),
        "sum" => of_number(reader, Measure::Sum),
        "mean" => of_number(reader, Measure::Mean),
        "min" => extreme(reader, value, (Measure::Min, &environment)),
        "max" => extreme(reader, value, (Measure::Max, &environment)),
        "distinct" => {
            let value = value_of(reader, value)?;
            Some((Measure::Distinct, Type::Number, Taken::Hash(value)))
        }
        "list" => list(reader, value, &environment),
        "balance" => {
            let balance = balance::read(reader, value, of)?;
            let expires = balance.expires();
            let taken = Taken::Moves(Box::new(balance));
            Some((Measure::Balance { expires }, Type::Number, taken))
        }
        _ => score(reader, value, &environment),
    }
}

fn number(reader: &mut Reader<'_>, node: &Node, environment: &Environment<'_>) -> Option<Taken> {
    let role = "what is measured";
    read::of_kind(reader, node, environment, Type::Number, role).map(Taken::Amount)
}

/// The least or greatest of a number or a time.
fn extreme(
    reader: &mut Reader<'_>,
    node: &Node,
    (measure, environment): (Measure, &Environment<'_>),
) -> Option<(Measure, Type, Taken)> {
    let text = read::text(reader, node)?;
    let compiled = Expression::compile(text, environment);
    let compiled = read::compiled(reader, node, 0, compiled)?;
    let kind = compiled.kind();
    if !matches!(kind, Type::Number | Type::Time) {
        reader.unexpected(node, "a number or a time, such as `event.total`");
        return None;
    }
    Some((measure, kind, Taken::Amount(compiled)))
}

fn list(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<(Measure, Type, Taken)> {
    let fields = reader.fields(node, LIST)?;
    let expected = "what is listed of the event, such as event.product_id";
    let of = reader.required(&fields, "of", expected);
    let of = of.and_then(|node| {
        let text = read::text(reader, node)?;
        let compiled = Expression::compile(text, environment);
        let compiled = read::compiled(reader, node, 0, compiled)?;
        match compiled.kind().listed() {
            Some(kind) => Some((kind, compiled)),
            None => {
                let expected = "a text, number, time or bool, such as `event.product_id`";
                reader.unexpected(node, expected);
                None
            }
        }
    });
    let last = fields.get("last");
    let last = last.map_or(Some(LAST_DEFAULT), |node| reader.whole(node, 1..=LAST_MAX));
    let (last, (kind, of)) = (last?, of?);
    Some((Measure::List(last as usize), kind, Taken::Value(of)))
}

fn score(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<(Measure, Type, Taken)> {
    let fields = reader.fields(node, SCORE)?;
    let weight = reader.required(&fields, "weight", "what an event adds, such as 1");
    let weight = weight.and_then(|node| number(reader, node, environment));
    let half_life = reader.required(&fields, "half_life", "in what time it halves, such as 7d");
    let half_life_ms = half_life.and_then(|node| reader.duration(node));
    Some((Measure::Score(half_life_ms?), Type::Number, weight?))
}

/// The only key of `measure`.
fn only<'n>(reader: &mut Reader<'_>, node: &'n Node) -> Option<(&'n Key, &'n Node)> {
    if !matches!(node.value, Yaml::Map(_)) {
        reader.unexpected(node, MEASURED);
        return None;
    }
    let before = reader.reports.len();
    let fields = reader.fields(node, MEASURES)?;
    match fields.entries() {
        _ if reader.reports.len() > before => None,
        [(key, value)] => Some((key, value)),
        several => {
            let message = format!("`measure` is one thing; here are {}", several.len());
            reader.fails(&node.span, message, MEASURED.to_owned());
            None
        }
    }
}

/// What tells one fact from another, as far as what is kept goes.
fn digest(of: &Matcher, value: &Taken, per: &Per, measure: Measure, over_ms: Option<i64>) -> u64 {
    let mut hasher = Xxh3::new();
    of.digested(&mut hasher);
    let (how, value) = match value {
        Taken::Nothing => ("nothing", ""),
        Taken::Amount(value) => ("amount", value.source()),
        Taken::Hash(value) => ("hash", value.source()),
        Taken::Value(value) => ("value", value.source()),
        Taken::Moves(balance) => {
            balance.digested(&mut hasher);
            ("moves", "")
        }
    };
    let measure = match measure {
        Measure::Count => "count".to_owned(),
        Measure::Sum => "sum".to_owned(),
        Measure::Mean => "mean".to_owned(),
        Measure::Min => "min".to_owned(),
        Measure::Max => "max".to_owned(),
        Measure::Distinct => "distinct".to_owned(),
        Measure::Score(half_life_ms) => format!("score {half_life_ms}"),
        Measure::First => "first".to_owned(),
        Measure::Last => "last".to_owned(),
        Measure::Previous => "previous".to_owned(),
        Measure::List(last) => format!("list {last}"),
        Measure::Balance { .. } => "balance".to_owned(),
    };
    let over_ms = over_ms.unwrap_or(0);
    let words = format!("{how} {value}\n{}\n{measure} {over_ms}", per.source());
    hasher.update(words.as_bytes());
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::{Event, EventName, Product, Property, PropertyId, Vocabulary};
    use crate::measure::lots::Ahead;
    use crate::moment::kind::tests::said;
    use crate::profile::Settled;
    use crate::profile::derived::Derived;
    use crate::time::Timestamp;

    const MINUTE: i64 = 60_000;

    fn reading(text: &str) -> Result<Fact, String> {
        let source = Source::new("f.yaml", text.to_owned());
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let read = read(&source, Declared::new(&vocabulary, &attributes));
        read.map_err(|reports| rendered(&reports))
    }

    /// `o5=12/x,y`: an order at minute 5, of a total and products x and y, either of which may be missing.
    fn order(word: &str) -> Event {
        let (at, rest) = word[1..].split_once('=').unwrap_or((&word[1..], ""));
        let (total, products) = rest.split_once('/').unwrap_or((rest, ""));
        let minute: i64 = at.parse().expect("a minute");
        let mut event = said(EventName::ORDER_COMPLETED, Timestamp(minute * MINUTE));
        event.position.offset = minute;
        if let Ok(total) = total.parse() {
            let total = (PropertyId::TOTAL, Property::Number(total));
            event.properties.push(total);
        }
        for id in products.split(',').filter(|id| !id.is_empty()) {
            event.products.push(Product {
                id: id.into(),
                price: Some(2.0),
                ..Product::default()
            });
        }
        event
    }

    fn taken(fact: &Fact, orders: &str) -> (Derived, u32) {
        let (mut derived, mut made_way) = (Derived::default(), 0);
        let profile = Settled::default();
        for event in orders.split_whitespace().map(order) {
            let scope = Scope::of_event(&event, &profile, None, &crate::table::rows::NONE);
            for (per, said) in fact.said(&scope) {
                made_way += derived.take(&fact.spec, per, event.time, said);
            }
        }
        (derived, made_way)
    }

    /// What is measured; orders, as they arrive; at which minute it is asked, with a key where it has one; what it comes to, and the
    /// minute at which time alone changes it next.
    type Row<'a> = (&'a str, &'a str, i64, &'a str, &'a str, Option<i64>);

    #[rustfmt::skip]
    const MEANS: &[Row<'_>] = &[
        // Of nothing.
        ("measure: count", "", 9, "", "0", None),
        ("measure: { sum: event.total }", "", 9, "", "0", None),
        ("measure: { mean: event.total }", "", 9, "", "null", None),
        ("measure: { max: event.total }", "", 9, "", "null", None),
        ("measure: last", "", 9, "", "null", None),
        ("measure: { list: { of: event.product_id } }", "", 9, "", "[]", None),
        // Ever.
        ("measure: count", "o0 o1 o900", 9000, "", "3", None),
        ("measure: { sum: event.total }", "o0=0.1 o1=0.2 o2", 9, "", "0.3", None),
        ("measure: { mean: event.total }", "o0=1 o1=2 o2", 9, "", "1.5", None),
        ("measure: { min: event.total }", "o0=3 o1=-2 o2=9", 9, "", "-2", None),
        ("measure: { max: event.total }", "o0=3 o1=-2 o2=9", 9, "", "9", None),
        ("measure: { min: event.time }", "o3 o1 o2", 9, "", "\"1970-01-01T00:01:00.000Z\"", None),
        ("measure: { max: event.time }, over: 10m", "o3 o1 o2", 9, "", "\"1970-01-01T00:03:00.000Z\"", Some(13)),
        ("measure: { max: event.time }", "", 9, "", "null", None),
        ("measure: { list: { of: event.total, last: 2 } }", "o0=3 o1=2.5 o2=9 o3", 9, "", "[2.5,9]", None),
        ("measure: { list: { of: event.time, last: 1 } }", "o2 o1", 9, "", "[\"1970-01-01T00:02:00.000Z\"]", None),
        ("measure: { distinct: event.total }", "o0=3 o1=3 o2=9 o3", 9, "", "2", None),
        ("measure: first", "o5 o3 o9", 9, "", "\"1970-01-01T00:03:00.000Z\"", None),
        ("measure: previous", "o5 o9 o7", 9, "", "\"1970-01-01T00:07:00.000Z\"", None),
        ("measure: previous", "o5", 9, "", "null", None),
        ("measure: { last: event.total }", "o5=1 o9=2 o10", 9, "", "2", None),
        ("measure: { previous: event.total }", "o5=1 o9=2 o10", 9, "", "1", None),
        ("measure: { first: event.total }", "o5=1 o3=2", 9, "", "2", None),
        ("measure: { list: { of: event.product_id, last: 3 } }", "o0=/a,b o1=/c,a o2", 9, "", "[\"b\",\"c\",\"a\"]", None),
        // A window leaves out what is as old as it.
        ("measure: count, over: 10m", "o0 o5 o9", 9, "", "3", Some(10)),
        ("measure: count, over: 10m", "o0 o5 o9", 10, "", "2", Some(15)),
        ("measure: count, over: 10m", "o0 o5 o9", 19, "", "0", None),
        ("measure: count, over: 10m", "o9 o0 o5", 9, "", "3", Some(10)),
        ("measure: count, over: 10m", "o20 o10 o11", 20, "", "2", Some(21)),
        ("measure: { sum: event.total }, over: 10m", "o0=5 o5=7", 10, "", "7", Some(15)),
        ("measure: { mean: event.total }, over: 10m", "o0=5 o5=7", 15, "", "null", None),
        ("measure: { min: event.total }, over: 10m", "o0=1 o5=3 o6=2", 9, "", "1", Some(10)),
        ("measure: { min: event.total }, over: 10m", "o0=1 o5=3 o6=2", 10, "", "2", Some(16)),
        ("measure: { max: event.total }, over: 10m", "o0=9 o5=3 o6=4 o3=2", 11, "", "4", Some(16)),
        ("measure: { distinct: event.total }, over: 10m", "o0=9 o5=3 o6=9", 12, "", "2", Some(15)),
        ("measure: first, over: 10m", "o0 o5 o6", 10, "", "\"1970-01-01T00:05:00.000Z\"", Some(15)),
        ("measure: last, over: 10m", "o0 o5", 15, "", "null", None),
        // A score halves.
        ("measure: { score: { weight: 4, half_life: 10m } }", "o0 o10", 20, "", "3", None),
        ("measure: { score: { weight: event.total, half_life: 10m } }", "o10=4 o0=4", 20, "", "3", None),
        // Of each product.
        ("measure: count, per: event.product_id", "o0=/a,b o1=/a o2=/a,a o3", 9, "a", "3", None),
        ("measure: count, per: event.product_id", "o0=/a,b o1=/a", 9, "c", "0", None),
        ("measure: { sum: event.price }, per: event.product_id", "o0=/a,b o1=/a,a", 9, "a", "6", None),
        ("measure: count, per: event.product_id, over: 10m", "o0=/a,b o1=/a", 10, "a", "1", Some(11)),
        ("measure: count", "o0=/a,b", 9, "", "1", None),
    ];

    #[test]
    fn it_comes_to() {
        for (text, orders, minute, per, expected, changes) in MEANS {
            let text = format!("{{ fact: f, of: Order Completed, {text} }}");
            let fact = reading(&text).unwrap_or_else(|reports| panic!("{text}: {reports}"));
            let (derived, made_way) = taken(&fact, orders);
            let now = Timestamp(minute * MINUTE);
            let value = derived.value(&fact.spec, per, now);
            let shown = serde_json::Value::from(&value).to_string();
            assert_eq!(shown, *expected, "{text} of {orders}");
            assert!(
                value.kind().is_none_or(|kind| kind == fact.spec.kind),
                "{text}"
            );
            let next = derived.next_change(&fact.spec, per, now);
            assert_eq!(next.map(|at| at.0 / MINUTE), *changes, "{text} of {orders}");
            assert_eq!(made_way, 0, "{text} of {orders}");
        }
    }

    /// `+9:a5`, `-9:5`, `!9:a`, `!9:a3`: at minute 9 order a earned 5, 5 are spent, order a is returned, or 3 of what it earned.
    fn moved(word: &str) -> Event {
        let (minute, rest) = word[1..].split_once(':').expect("a minute");
        let minute: i64 = minute.parse().expect("a minute");
        let digits = rest.find(|c: char| c.is_ascii_digit() || c == '-');
        let (order, points) = rest.split_at(digits.unwrap_or(rest.len()));
        let (name, amount) = match &word[..1] {
            "+" => (EventName::POINTS_EARNED, PropertyId::POINTS),
            "-" => (EventName::POINTS_REDEEMED, PropertyId::POINTS),
            _ => (EventName::ORDER_REFUNDED, PropertyId::TOTAL),
        };
        let mut event = said(name, Timestamp(minute * MINUTE));
        if let Ok(points) = points.parse() {
            event.properties.push((amount, Property::Number(points)));
        }
        if !order.is_empty() {
            let order = (PropertyId::ORDER_ID, Property::Text(order.into()));
            event.properties.push(order);
        }
        event
    }

    const BALANCE: &str = "{ fact: points, of: Points Earned, measure: { balance: { earned: event.points, order: event.order_id, expires: 10m, \
         spent: { of: Points Redeemed, amount: event.points }, \
         returned: { of: Order Refunded, order: event.order_id, amount: event.total } } } }";

    fn balanced(words: &str) -> Derived {
        let fact = reading(BALANCE).unwrap_or_else(|reports| panic!("{reports}"));
        let (mut derived, profile) = (Derived::default(), Settled::default());
        for event in words.split_whitespace().map(moved) {
            let scope = Scope::of_event(&event, &profile, None, &crate::table::rows::NONE);
            for (per, said) in fact.said(&scope) {
                assert_eq!(derived.take(&fact.spec, per, event.time, said), 0);
            }
        }
        derived
    }

    /// What she earned, spent and sent back, as it is taken; at which minute it is asked; the balance, what of it expires within five
    /// minutes, and the minutes at which it expires next and at which that changes.
    type Balanced<'a> = (&'a str, i64, f64, f64, Option<i64>, Option<i64>);

    #[rustfmt::skip]
    const BALANCES: &[Balanced<'_>] = &[
        ("", 0, 0.0, 0.0, None, None),
        ("+0:5", 0, 5.0, 0.0, Some(10), Some(5)),
        ("+0:5", 4, 5.0, 0.0, Some(10), Some(5)),
        ("+0:5", 5, 5.0, 5.0, Some(10), Some(10)),
        ("+0:5", 9, 5.0, 5.0, Some(10), Some(10)),
        ("+0:5", 10, 0.0, 0.0, None, None),
        ("+0:0.1 +0:0.2", 0, 0.3, 0.0, Some(10), Some(5)),
        // What expires first is spent first, whichever was told of first.
        ("+0:5 +3:5 -4:3", 5, 7.0, 2.0, Some(10), Some(8)),
        ("+3:5 +0:5 -4:3", 5, 7.0, 2.0, Some(10), Some(8)),
        ("+0:5 +3:5 -4:7", 5, 3.0, 0.0, Some(13), Some(8)),
        ("+0:5 +3:5 -4:7", 12, 3.0, 3.0, Some(13), Some(13)),
        // What has expired cannot be spent, at the instant itself too.
        ("+0:5 +3:5 -9:6", 9, 4.0, 4.0, Some(13), Some(13)),
        ("+0:5 +3:5 -10:6", 10, -1.0, 0.0, None, None),
        // What is owed is paid first, and does not expire.
        ("+0:5 -1:8", 20, -3.0, 0.0, None, None),
        ("+0:5 -1:8 +20:2", 20, -1.0, 0.0, None, None),
        ("+0:5 -1:8 +20:7", 20, 4.0, 0.0, Some(30), Some(25)),
        // Below 0 it is spent; what is spent below 0 is nothing.
        ("+0:5 +1:-2", 1, 3.0, 0.0, Some(10), Some(5)),
        ("+0:5 -1:-2 -1:0", 1, 5.0, 0.0, Some(10), Some(5)),
        // An order takes back what it earned: of its own lot, else of those that expire first.
        ("+0:a5 +1:b7 !2:a", 2, 7.0, 0.0, Some(11), Some(6)),
        ("+0:a5 +1:b7 !2:b", 2, 5.0, 0.0, Some(10), Some(5)),
        ("+0:a5 +1:b7 !2:c", 2, 12.0, 0.0, Some(10), Some(5)),
        ("+0:a5 +1:b7 -2:4 !3:a", 3, 3.0, 0.0, Some(11), Some(6)),
        ("+0:a5 -2:4 !3:a", 3, -4.0, 0.0, None, None),
        ("+0:a5 +1:a7 !2:a", 2, 0.0, 0.0, None, None),
        ("+0:a5 !2:a !3:a", 3, 0.0, 0.0, None, None),
        ("+0:a5 !2:a2", 2, 3.0, 0.0, Some(10), Some(5)),
        ("+0:a5 !2:a2 !3:a2 !4:a2", 4, 0.0, 0.0, None, None),
        ("+0:a5 !2:a9", 2, 0.0, 0.0, None, None),
        ("+0:a5 !2:a-1", 2, 5.0, 0.0, Some(10), Some(5)),
        // Spent or not, what has expired is not taken back.
        ("+0:a5 +1:b7 !10:a", 10, 7.0, 7.0, Some(11), Some(11)),
        ("+0:a5 -2:5 +1:b7 !10:a", 10, 7.0, 7.0, Some(11), Some(11)),
        ("+0:a5 -2:5 +1:b7 !9:a", 9, 2.0, 2.0, Some(11), Some(11)),
    ];

    #[test]
    fn a_balance_is_of_lots() {
        let fact = reading(BALANCE).unwrap_or_else(|reports| panic!("{reports}"));
        for (words, minute, balance, soon, expiry, changes) in BALANCES {
            let derived = balanced(words);
            let now = Timestamp(minute * MINUTE);
            let said = format!("{words} at {minute}");
            let value = derived.value(&fact.spec, "", now);
            assert_eq!(value, Value::Number(*balance), "{said}");
            let of = Ahead::Expiring(5 * MINUTE);
            let lots = derived.lots(&fact.spec, "");
            let expiring = lots.map_or(of.nothing(), |lots| lots.ahead(of, now));
            assert_eq!(expiring, Value::Number(*soon), "{said}");
            let minutes = |at: Option<Timestamp>| at.map(|at| at.0 / MINUTE);
            let next = derived.next_change(&fact.spec, "", now);
            assert_eq!(minutes(next), *expiry, "{said}");
            let next = lots.map_or(Value::Null, |lots| lots.ahead(Ahead::NextExpiry, now));
            let expected = expiry.map(|minute| Timestamp(minute * MINUTE));
            assert_eq!(next, Value::time(expected), "{said}");
            let next = lots.and_then(|lots| lots.next_change(Some(of), now));
            assert_eq!(minutes(next), *changes, "{said}");
        }
    }

    #[test]
    fn balances_of_two_ids_lie_together() {
        let fact = reading(BALANCE).unwrap_or_else(|reports| panic!("{reports}"));
        for (own, other, minute, balance, expiry) in [
            ("+0:5", "+1:7", 2, 12.0, Some(10)),
            ("+0:5", "-1:7", 2, -2.0, None),
            ("-1:3 +2:1", "+0:5 -1:1", 2, 2.0, Some(10)),
            ("+0:a5", "+1:b7", 2, 12.0, Some(10)),
            // It is the same order, and one lot.
            ("+0:a5", "+0:a2 -1:1", 2, 6.0, Some(10)),
            // What is as old as it is gone.
            ("+0:5", "+4:7 -12:1", 12, 6.0, Some(14)),
            ("", "+4:7", 12, 7.0, Some(14)),
        ] {
            for (own, other) in [(own, other), (other, own)] {
                let mut united = balanced(own);
                assert_eq!(united.join(&fact.spec, &balanced(other)), 0);
                let now = Timestamp(minute * MINUTE);
                let value = united.value(&fact.spec, "", now);
                assert_eq!(value, Value::Number(balance), "{own} and {other}");
                let next = united.next_change(&fact.spec, "", now);
                let next = next.map(|at| at.0 / MINUTE);
                assert_eq!(next, expiry, "{own} and {other}");
            }
        }
    }

    #[test]
    fn lots_beyond_the_bound_are_folded() {
        let fact =
            reading(&BALANCE.replace("10m", "10h")).unwrap_or_else(|reports| panic!("{reports}"));
        let (mut derived, profile) = (Derived::default(), Settled::default());
        let mut folded = 0;
        let mut take = |word: &str| {
            let event = moved(word);
            let scope = Scope::of_event(&event, &profile, None, &crate::table::rows::NONE);
            for (per, said) in fact.said(&scope) {
                folded += derived.take(&fact.spec, per, event.time, said);
            }
        };
        for minute in 0..259 {
            take(&format!(
                "+{minute}:{}1",
                (b'a' + (minute % 2) as u8) as char
            ));
        }
        let value = derived.value(&fact.spec, "", Timestamp(259 * MINUTE));
        assert_eq!((value, folded), (Value::Number(259.0), 3));
        // The first four expire when the fourth does, and no return takes them back.
        let next = derived.next_change(&fact.spec, "", Timestamp(259 * MINUTE));
        assert_eq!(next, Some(Timestamp((600 + 3) * MINUTE)));
        let event = moved("!260:a");
        let scope = Scope::of_event(&event, &profile, None, &crate::table::rows::NONE);
        for (per, said) in fact.said(&scope) {
            derived.take(&fact.spec, per, event.time, said);
        }
        let value = derived.value(&fact.spec, "", Timestamp(260 * MINUTE));
        assert_eq!(value, Value::Number(259.0 - 128.0));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let many: Vec<_> = (0..300)
            .map(|minute| format!("o{minute}={minute}/p{minute}"))
            .collect();
        let many = many.join(" ");
        for (text, per, expected, refused) in [
            ("measure: count, over: 90d", "", "256", 44),
            ("measure: { sum: event.total }, over: 90d", "", "43904", 44),
            ("measure: { max: event.total }, over: 90d", "", "299", 0),
            ("measure: { distinct: event.total }", "", "256", 44),
            ("measure: count", "", "300", 0),
            (
                "measure: last, over: 90d",
                "",
                "\"1970-01-01T04:59:00.000Z\"",
                0,
            ),
            ("measure: count, per: event.product_id", "p299", "1", 236),
            ("measure: count, per: event.product_id", "p235", "0", 236),
        ] {
            let text = format!("{{ fact: f, of: Order Completed, {text} }}");
            let fact = reading(&text).unwrap_or_else(|reports| panic!("{text}: {reports}"));
            let (derived, made_way) = taken(&fact, &many);
            let value = derived.value(&fact.spec, per, Timestamp(299 * MINUTE));
            let shown = serde_json::Value::from(&value).to_string();
            assert_eq!((shown.as_str(), made_way), (expected, refused), "{text}");
        }
    }

    #[test]
    fn another_definition_begins_anew() {
        let counted = |text: &str| {
            reading(&format!("{{ fact: f, of: Order Completed, {text} }}")).expect("a fact")
        };
        let (ever, lately) = (
            counted("measure: count"),
            counted("measure: count, over: 10m"),
        );
        let (derived, _) = taken(&ever, "o0 o1");
        let now = Timestamp(MINUTE);
        assert_eq!(derived.value(&ever.spec, "", now), Value::Number(2.0));
        assert_eq!(derived.value(&lately.spec, "", now), Value::Number(0.0));
        assert!(derived.is_stale(|_| Some(lately.spec.digest)));
        assert!(!derived.is_stale(|_| Some(ever.spec.digest)));
        // What is for people makes no other.
        let about = counted("measure: count, about: How many.");
        assert_eq!(about.spec, ever.spec);
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("fact: orders, of: Order *, measure: count, over: 7d, about: How often.", ""),
        ("fact: Orders, of: Order Completed, measure: count", "`Orders` is not a fact's name"),
        ("fact: my-orders, of: Order Completed, measure: count", "`my-orders` is not a fact's name"),
        ("fact: orders, measure: count", "`of` is missing"),
        ("fact: orders, of: Order Completed", "`measure` is missing"),
        ("fact: orders, of: Order Completed, measure: cuont", "did you mean `count`?"),
        ("fact: orders, of: Order Completed, measure: { sum: event.coupon }", "what is measured is a number"),
        ("fact: orders, of: Order Completed, measure: { sum: event.rating }", "has no property `rating`"),
        ("fact: orders, of: Order Completed, measure: { list: { of: event.time - event.time } }", "a text, number, time or bool"),
        ("fact: orders, of: Order Completed, measure: { list: { of: event.coupon, last: 65 } }", "from 1 to 64"),
        ("fact: orders, of: Order Completed, measure: { first: event.products }", "is not valid here"),
        ("fact: orders, of: Order Completed, measure: { min: event.total, max: event.total }", "`measure` is one thing; here are 2"),
        ("fact: orders, of: Order Completed, measure: { score: { weight: 1, half_life: 7d } }, over: 7d", "a score has no window"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, order: event.order_id, expires: 12mo, spent: { of: Points Redeemed, amount: event.points }, returned: { of: Order *, order: event.order_id } } }", ""),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, expires: end of next year } }", ""),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, expires: 180d 12h } }", ""),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points } }, over: 7d", "a balance has no window"),
        ("fact: points, of: Points Earned, measure: { balance: { expires: 7d } }", "`earned` is missing"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.reason } }", "what is earned is a number"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, expires: a year } }", "`end of next year`"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, expires: 0mo } }", "calendar months such as 12mo"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, spent: { of: Points Redeemed } } }", "`amount` is missing"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, returned: { of: Order *, order: event.order_id } } }", "no order is said to earn"),
        ("fact: points, of: Points Earned, measure: { balance: { earned: event.points, burned: { of: Points Redeemed } } }", "`balance` has no `burned`"),
        ("fact: orders, of: { name: Order Completed, where: facts.views > 3 }, measure: count", "no fact is called `views`"),
        ("fact: orders, of: Order Completed, measure: count, within: 7d", "a fact has no `within`"),
        ("fact: orders, of: Order Completed, measure: count, per: profile.country", "does not tell one thing"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading(&format!("{{ {text} }}")).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
