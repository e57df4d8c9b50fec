//! Labels of recency, frequency and monetary value: of each she has one, asked as `profile.rfm.recency == "long"`.
//!
//! Who ordered nothing has none. Recency changes by time alone: what is exactly as old as a bound has passed it. The bounds are the company's
//! own.

use std::sync::Arc;

use super::{File, Segment};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{self, Node};
use crate::event::Type;
use crate::expression::{Expression, read};

const RECENCY_WORD: &str = "recency";

/// What is labelled, what of, and the labels; in the order of the file.
pub const DIMENSIONS: [Dimension; 3] = [
    Dimension {
        word: RECENCY_WORD,
        of: "profile.last_order",
        labels: ["recent", "medium", "long"],
    },
    Dimension {
        word: "frequency",
        of: "profile.orders.count",
        labels: ["casual", "regular", "often"],
    },
    Dimension {
        word: "monetary",
        of: "profile.orders.value",
        labels: ["saver", "average", "spender"],
    },
];

/// One of the three.
#[derive(Clone, Copy, Debug)]
pub struct Dimension {
    /// Its word in the file, and behind `profile.rfm.`.
    pub word: &'static str,
    /// What is labelled where the file does not say it.
    pub of: &'static str,
    /// The labels, in the order of what is labelled.
    pub labels: [&'static str; 3],
}

/// The two bounds between the three labels, ascending: ms for recency.
pub type Bounds = [f64; 2];

const KEYS: Keys = Keys {
    of: "labels",
    known: &[
        Known::required(
            "labels",
            Shape::Words(&["rfm"]),
            "`rfm`: recency, frequency and monetary value, asked as `profile.rfm.recency` and so on.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What they are for, in their author's words. For people.",
        ),
        Known::optional(
            "recency",
            Shape::Mapping(&RECENCY),
            "How long ago she ordered: recent, medium or long.",
        ),
        Known::optional(
            "frequency",
            Shape::Mapping(&FREQUENCY),
            "How often she orders: casual, regular or often.",
        ),
        Known::optional(
            "monetary",
            Shape::Mapping(&MONETARY),
            "What she spends: saver, average or spender.",
        ),
    ],
    later: &[],
};
const RECENCY: Keys = Keys {
    of: "`recency`",
    known: &[
        Known::default("of", "profile.last_order", Shape::Expression, "A time."),
        Known::required(
            "recent",
            Shape::Duration,
            "She is recent until it is so long ago; then medium.",
        ),
        Known::required(
            "medium",
            Shape::Duration,
            "She is medium until it is so long ago; then long.",
        ),
    ],
    later: &[],
};
const FREQUENCY: Keys = Keys {
    of: "`frequency`",
    known: &[
        Known::default(
            "of",
            "profile.orders.count",
            Shape::Expression,
            "A number, such as `facts.orders_this_year`; who has 0 has no label of frequency or monetary value.",
        ),
        Known::required(
            "regular",
            Shape::Number(0.0, f64::MAX),
            "From so many on she is regular; below, casual.",
        ),
        Known::required(
            "often",
            Shape::Number(0.0, f64::MAX),
            "From so many on she is there often.",
        ),
    ],
    later: &[],
};
const MONETARY: Keys = Keys {
    of: "`monetary`",
    known: &[
        Known::default(
            "of",
            "profile.orders.value",
            Shape::Expression,
            "A number, such as `profile.orders.average`.",
        ),
        Known::required(
            "average",
            Shape::Number(f64::MIN, f64::MAX),
            "From so much on she is average; below, a saver.",
        ),
        Known::required(
            "spender",
            Shape::Number(f64::MIN, f64::MAX),
            "From so much on she is a spender.",
        ),
    ],
    later: &[],
};

/// Files that declare them.
pub const FILE: File = File {
    word: "labels",
    title: "Labels of moments",
    about: "Labels of recency, frequency and monetary value, one file a set.",
    keys: &KEYS,
    is_single: true,
    more: &[&RECENCY, &FREQUENCY, &MONETARY],
    read: labels,
};

fn labels(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Segment>> {
    let named = reader.required(fields, "labels", "`rfm`");
    let named = named.and_then(|node| reader.one_of(node, &["rfm"]));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what they are for");
    }
    let [recency, frequency, monetary] = DIMENSIONS.map(|it| fields.get(it.word));
    if recency.is_none() && frequency.is_none() && monetary.is_none() {
        let expected = "`recency`, `frequency` or `monetary`".to_owned();
        reader.fails(&fields.node.span, "nothing is labelled here", expected);
    }
    let recency = recency.map(|node| said(reader, node, RECENCY, DIMENSIONS[0]));
    let frequency = frequency.map(|node| said(reader, node, FREQUENCY, DIMENSIONS[1]));
    let monetary = monetary.map(|node| said(reader, node, MONETARY, DIMENSIONS[2]));
    let all = |it: Option<Option<_>>| it.map_or(Some(None), |said| said.map(Some));
    let (recency, frequency, monetary) = (all(recency)?, all(frequency)?, all(monetary)?);
    named?;
    let count = frequency.as_ref().map_or(DIMENSIONS[1].of, |it| &it.of);
    let bought = format!("({count}) > 0 && ");
    let mut made = Vec::new();
    for (dimension, said) in DIMENSIONS.iter().zip([&recency, &frequency, &monetary]) {
        let Some(said) = said else { continue };
        made.extend(grades(reader, *dimension, &bought, said)?);
    }
    Some(made)
}

/// What one of the three says.
struct Said<'n> {
    node: &'n Node,
    of: String,
    bounds: Bounds,
}

fn said<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
    keys: Keys,
    it: Dimension,
) -> Option<Said<'n>> {
    let is_time = it.word == RECENCY_WORD;
    let fields = reader.fields(node, keys)?;
    let of = fields.get("of").map_or(Some(it.of.to_owned()), |node| {
        let environment = read::environment(reader.declared, None, false);
        let kind = if is_time { Type::Time } else { Type::Number };
        let of = read::of_kind(reader, node, &environment, kind, "what is labelled")?;
        Some(of.source().to_owned())
    });
    let words: Vec<_> = keys.names().filter(|name| *name != "of").collect();
    let mut bound = |word: &str| {
        let node = reader.required(&fields, word, "a bound")?;
        match is_time {
            #[expect(clippy::cast_precision_loss, reason = "ten years have 39 bits in ms")]
            true => reader.duration(node).map(|ms| ms as f64),
            false => reader.number(node, "a number"),
        }
    };
    let (low, high) = (bound(words[0]), bound(words[1]));
    let (low, high) = (low?, high?);
    if low >= high {
        let message = format!("`{}` is not below `{}`", words[0], words[1]);
        reader.fails(
            &node.span,
            message,
            "two bounds, the lower first".to_owned(),
        );
        return None;
    }
    let (of, bounds) = (of?, [low, high]);
    Some(Said { node, of, bounds })
}

/// The three labels of what stands between bounds.
fn grades(
    reader: &mut Reader<'_>,
    dimension: Dimension,
    bought: &str,
    said: &Said<'_>,
) -> Option<Vec<Segment>> {
    let of = &said.of;
    let (of, also, [low, high]) = match dimension.word {
        RECENCY_WORD => {
            let bounds = said.bounds.map(|ms| format!("duration(\"{ms}ms\")"));
            (format!("now - ({of})"), "", bounds)
        }
        _ => (
            format!("({of})"),
            bought,
            said.bounds.map(|it| it.to_string()),
        ),
    };
    let conditions = [
        format!("{also}{of} < {low}"),
        format!("{also}{of} >= {low} && {of} < {high}"),
        format!("{also}{of} >= {high}"),
    ];
    let environment = read::environment(reader.declared, None, false);
    let group = format!("rfm.{}", dimension.word);
    let mut made = Vec::new();
    for (condition, label) in conditions.iter().zip(dimension.labels) {
        // Its parts were checked, so the whole is at most too long, or goes to and fro.
        let when = Expression::condition(condition, &environment);
        let message = match when {
            Ok(when) if !when.is_unforeseen() => {
                made.push(Segment::new(&group, label, vec![Arc::new(when)]));
                continue;
            }
            Ok(_) => "when this changes cannot be foreseen".to_owned(),
            Err(error) => error.message,
        };
        let expected = "a plainer `of`, such as a fact".to_owned();
        reader.fails(&said.node.span, message, expected);
        return None;
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::reader::Declared;
    use crate::document::report::{Source, rendered};
    use crate::event::Vocabulary;

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("labels: rfm, recency: { recent: 30d, medium: 90d }, about: How she buys.", ""),
        ("labels: rfm, frequency: { regular: 2, often: 5 }, monetary: { of: profile.orders.average, average: 20.5, spender: 80 }", ""),
        ("labels: rfm, recency: { of: profile.last_seen, recent: 1h, medium: 2h }", ""),
        ("labels: rfn, recency: { recent: 30d, medium: 90d }", "did you mean `rfm`?"),
        ("labels: rfm", "nothing is labelled here"),
        ("labels: rfm, recency: { recent: 30d }", "`medium` is missing"),
        ("labels: rfm, recency: { recent: 90d, medium: 30d }", "`recent` is not below `medium`"),
        ("labels: rfm, frequency: { regular: 2, often: 2 }", "`regular` is not below `often`"),
        ("labels: rfm, frequency: { regular: 2d, often: 5 }", "a number"),
        ("labels: rfm, frequency: { of: profile.last_order, regular: 2, often: 5 }", "what is labelled is a number"),
        ("labels: rfm, recency: { of: profile.orders.count, recent: 30d, medium: 90d }", "what is labelled is a time"),
        ("labels: rfm, frequency: { of: '1 + days_between(profile.last_order, now) % 7', regular: 2, often: 5 }", "when this changes cannot be foreseen"),
        ("labels: rfm, recensy: { recent: 30d, medium: 90d }", "did you mean `recency`?"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        for (text, expected) in ERRORS {
            let source = Source::new("l.yaml", format!("{{ {text} }}"));
            let read = super::super::read(&FILE, &source, Declared::new(&vocabulary, &attributes));
            let said = read
                .err()
                .map(|reports| rendered(&reports))
                .unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
