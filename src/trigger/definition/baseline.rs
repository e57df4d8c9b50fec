//! `baseline:` what is measured of which events, and when it has departed from its history.

use super::limits;
use super::matcher::{SHAPE, matcher};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{EVENTS, Fields, Reader};
use crate::document::yaml::Node;
use crate::event::Type;
use crate::expression::read;
use crate::moment::baseline::{Departure, LAST_MAX, Measure};
use crate::moment::{Baseline, Kind, Matcher};

/// The keys of `baseline`.
pub const BASELINE: Keys = Keys {
    of: "`baseline`",
    known: &[
        Known::required("of", SHAPE, "The events that are compared."),
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
            Shape::Whole(1, limits::HISTORY),
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

/// Reads `baseline`.
pub fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Kind> {
    let of = reader
        .required(fields, "of", EVENTS)
        .and_then(|node| matcher(reader, node));
    let history_min = reader
        .required(
            fields,
            "history_min",
            "how many gaps, or values before the event, must be known",
        )
        .and_then(|node| reader.whole(node, 1..=limits::HISTORY));
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
    Some(Kind::Baseline(Baseline {
        of,
        measure: measure?,
        history_min,
        departs,
    }))
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
