//! `kpi:` what people measure a trigger by, as a name for what is counted.

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::Node;
use crate::event::Text;
use crate::tally::kpi::{Kpi, Term, WORDS};

/// The longest name, bytes: it is a label of a metric.
const NAME_BYTES: usize = 64;

/// The keys of a KPI.
pub const KEYS: Keys = Keys {
    of: "a KPI",
    known: &[
        Known::required(
            "name",
            Shape::Text(NAME_BYTES),
            "What people call it, such as `recovered baskets`. Reports and metrics show it under this name.",
        ),
        Known::required(
            "of",
            Shape::Words(WORDS),
            "What is counted. All but `moments`, `treated` and `cost` need a `goal`.",
        ),
        Known::optional(
            "per",
            Shape::Words(WORDS),
            "Per what. Without it, it is the count itself.",
        ),
    ],
    later: &[],
};

/// Reads a KPI of a trigger, which `has_goal` or has none.
pub fn read(reader: &mut Reader<'_>, node: &Node, has_goal: bool) -> Option<Kpi> {
    let fields = reader.fields(node, KEYS)?;
    let name = reader.required(&fields, "name", "what people call it");
    let name = name.and_then(|node| {
        let name = reader.text(node, "a name, such as recovered baskets")?;
        if name.len() > NAME_BYTES {
            reader.unexpected(node, "a name of at most 64 bytes");
            return None;
        }
        Some(Text::from(name))
    });
    let of = reader.required(&fields, "of", "what is counted, such as converted");
    let of = of.and_then(|node| term(reader, node, has_goal));
    let per = per(reader, &fields, has_goal);
    if let (Some(Term::Converted), Some(Some(other)), Some(node)) = (of, per, fields.get("per"))
        && other != Term::Customers
    {
        let word = other.word();
        let message = format!("`converted` are customers, and `{word}` is not counted by them");
        let expected = "`per: customers`; or `of: conversions`, which are goals met";
        reader.fails(&node.span, message, expected.to_owned());
    }
    Some(Kpi {
        name: name?,
        of: of?,
        per: per?,
    })
}

/// Per what; the outer none: that is wrong.
fn per(reader: &mut Reader<'_>, fields: &Fields<'_>, has_goal: bool) -> Option<Option<Term>> {
    match fields.get("per") {
        None => Some(None),
        Some(node) => term(reader, node, has_goal).map(Some),
    }
}

fn term(reader: &mut Reader<'_>, node: &Node, has_goal: bool) -> Option<Term> {
    let word = reader.one_of(node, WORDS)?;
    let term = Term::of_word(word)?;
    if term.needs_goal() && !has_goal {
        let message = format!("`{word}` is counted of a trigger with a `goal`, and there is none");
        let expected = "`goal: { event: ..., within: ... }`, or `moments`, `treated` or `cost`";
        reader.fails(&node.span, message, expected.to_owned());
        return None;
    }
    Some(term)
}
