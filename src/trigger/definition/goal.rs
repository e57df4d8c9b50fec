//! `goal:` what a treatment is sent for, and what that is worth.

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::Type;
use crate::expression::read;
use crate::moment::matcher;
use crate::money::Amount;
use crate::trigger::plan::Goal;

/// The longest that a goal may wait, ms: 90 days. What comes later came of something else.
const WITHIN_MAX_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// The most that one customer may be worth.
const VALUE_MAX: f64 = 1e6;

/// The keys of a goal.
pub const KEYS: Keys = Keys {
    of: "a goal",
    known: &[
        Known::required(
            "event",
            matcher::SHAPE,
            "The event that is hoped for: a name, a list of names, or `{ name: ..., where: ... }`.",
        ),
        Known::required(
            "within",
            Shape::Duration,
            "How long after the treatment was decided it counts, 90d at most. An event exactly then does.",
        ),
        Known::optional(
            "value",
            Shape::Expression,
            "A number that says what it is worth, in the event's currency. Without it, an order is worth its value, and anything else nothing.",
        ),
        Known::optional(
            "at_most",
            Shape::Number(0.0, VALUE_MAX),
            "The most that one customer is taken to be worth within `within`: an interval for the lift in value needs such a bound.",
        ),
        Known::default(
            "margin",
            "1",
            Shape::Number(0.0, 1.0),
            "The part of the value that is left when what was sold is paid for: 0.4.",
        ),
    ],
    later: &[],
};

/// Reads a goal.
pub fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Goal> {
    let fields = reader.fields(node, KEYS)?;
    let of = matcher::required(reader, &fields, "event");
    let within = reader.required(&fields, "within", "for how long, such as 3d");
    let within_ms = within.and_then(|node| {
        let ms = reader.duration(node)?;
        if ms > WITHIN_MAX_MS {
            reader.unexpected(node, "at most 90d: what comes later came of something else");
            return None;
        }
        Some(ms)
    });
    let value = fields.get("value").map(|node| {
        let names: Option<Vec<_>> = of.as_ref().map(|of| of.event_names().collect());
        let environment = read::environment(reader.declared, names.as_deref(), true);
        read::of_kind(
            reader,
            node,
            &environment,
            Type::Number,
            "what a goal is worth",
        )
    });
    let at_most = fields.get("at_most").map(|node| {
        let most = reader.number(node, "the most that one customer is worth, such as 500")?;
        if most <= 0.0 || most > VALUE_MAX {
            reader.unexpected(node, "a number above 0 and at most 1000000");
            return None;
        }
        Some(Amount::of(most))
    });
    let margin = fields.get("margin").map_or(Some(Amount::ONE), |node| {
        let margin = reader.number(node, "a number from 0 to 1, such as 0.4")?;
        if !(0.0..=1.0).contains(&margin) {
            reader.unexpected(node, "a number from 0 to 1");
            return None;
        }
        Some(Amount::of(margin))
    });
    Some(Goal {
        of: of?,
        within_ms: within_ms?,
        value: value.map_or(Some(None), |read| read.map(Some))?,
        at_most: at_most.map_or(Some(None), |read| read.map(Some))?,
        margin: margin?,
    })
}
