//! Personas: a group of names of which a customer has at most one, asked as `profile.personas.style == "bargain-hunter"`.
//!
//! Hers is the first whose condition holds.

use super::{File, Segment, condition, items};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml;
use crate::profile::segments::Standing;

/// Personas of a group: more are none that a team could write for.
const MAX: usize = 16;

const KEYS: Keys = Keys {
    of: "a group of personas",
    known: &[
        Known::required(
            "personas",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "style"),
            "The group's name, once in a set: lower-case letters, digits and underscores. Asked as `profile.personas.NAME`.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What they are for, in their author's words. For people.",
        ),
        Known::required(
            "of",
            Shape::List(&Shape::Mapping(&PERSONA), 1, MAX),
            "Each persona; hers is the first whose condition holds.",
        ),
    ],
    later: &[],
};
const PERSONA: Keys = Keys {
    of: "a persona",
    known: &[
        Known::required(
            "persona",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "bargain-hunter"),
            "Its name, once in the group.",
        ),
        Known::required(
            "when",
            Shape::Expression,
            "A condition on the customer; it may ask for segments and labels.",
        ),
    ],
    later: &[],
};

/// Files that declare a group.
pub const FILE: File = File {
    word: "personas",
    title: "Personas of moments",
    about: "A group of personas, one group a file.",
    keys: &KEYS,
    is_single: false,
    more: &[&PERSONA],
    read: personas,
};

fn personas(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Segment>> {
    let group = reader.required(fields, "personas", "the group's name, such as style");
    let group =
        group.and_then(|node| reader.identifier(node, ("a group", "style"), super::NAME_BYTES));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what they are for");
    }
    let of = reader.required(fields, "of", "a list of personas")?;
    let items = items(reader, of, MAX)?;
    let mut made = Vec::new();
    let mut before = Vec::new();
    let group = Standing::named(Standing::PERSONAS, group?);
    for item in items {
        let fields = reader.fields(item, PERSONA)?;
        let name = reader.required(&fields, "persona", "its name, such as bargain-hunter")?;
        let name = reader.name(name, ("a persona", "bargain-hunter"), super::NAME_BYTES);
        let when = reader.required(&fields, "when", "a condition")?;
        let when = condition(reader, when, reader.declared);
        let (name, when) = (name?, when?);
        made.push(Segment::new(&group, name, vec![when.clone()]).unless(before.clone()));
        before.push(when);
    }
    Some(made)
}
