//! One name for who is meant: a condition over profile and facts, asked as `"gold" in profile.segments`.

use super::{File, Segment, condition};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml;
use crate::profile::segments::Standing;

/// The keys of the file of a segment.
const KEYS: Keys = Keys {
    of: "a segment",
    known: &[
        Known::required(
            "segment",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "gold"),
            "Its name, once in a set: lower-case letters, digits and hyphens. Asked as `\"NAME\" in profile.segments`.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "Who is meant, in its author's words. For people.",
        ),
        Known::required(
            "when",
            Shape::Expression,
            "A condition on the customer (`profile`, `facts`, `now`): who meets it is in the segment.",
        ),
        Known::optional(
            "held",
            Shape::Duration,
            "For how long it has to hold without a break before she is.",
        ),
    ],
    later: &[],
};

/// Files that declare one.
pub const FILE: File = File {
    word: "segment",
    title: "A segment of moments",
    about: "Who is meant by a name, one segment a file.",
    keys: &KEYS,
    is_single: false,
    more: &[],
    read: segment,
};

fn segment(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Vec<Segment>> {
    let name = reader.required(fields, "segment", "its name, such as gold");
    let name = name.and_then(|node| reader.name(node, ("a segment", "gold"), super::NAME_BYTES));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on who is meant");
    }
    let held = fields.get("held");
    let held_ms = held.map_or(Some(0), |node| reader.duration(node));
    let node = reader.required(
        fields,
        "when",
        "a condition, such as `profile.orders.count >= 5`",
    )?;
    let when = condition(reader, node, reader.declared)?;
    if when.asks().iter().any(|path| path == "profile.segments") {
        let expected = "the condition itself: segments do not ask for segments".to_owned();
        reader.fails(&node.span, "a segment that asks for segments", expected);
    }
    let (name, held_ms) = (name?, held_ms?);
    let segment = Segment::new(Standing::SEGMENT, name, vec![when]);
    Some(vec![segment.held(held_ms)])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::reader::Declared;
    use crate::document::report::Source;
    use crate::document::report::rendered;
    use crate::event::Text;
    use crate::event::Vocabulary;
    use crate::fact;
    use crate::measure::lots::Movement;
    use crate::measure::{self, Declarations, Said, Spec};
    use crate::profile::Settled;
    use crate::time::Timestamp;

    const MINUTE: i64 = 60_000;
    const FACTS: &[&str] = &[
        "{ fact: points, of: Points Earned, measure: { balance: { earned: event.points, expires: 10m } } }",
        "{ fact: credit, of: Points Earned, measure: { balance: { earned: event.points } } }",
        "{ fact: views, of: Product Viewed, measure: count, over: 10m }",
        "{ fact: ever, of: Product Viewed, measure: count }",
        "{ fact: cheapest, of: Product Viewed, measure: { min: event.price }, over: 10m }",
        "{ fact: score, of: Product Viewed, measure: { score: { weight: 1, half_life: 10m } } }",
        "{ fact: seen, of: Product Viewed, measure: { list: { of: event.product_id } }, over: 10m }",
    ];

    fn specs() -> BTreeMap<String, Spec> {
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let spec = |text: &&str| {
            let source = Source::new("f.yaml", (*text).to_owned());
            let fact = fact::read(&source, Declared::new(&vocabulary, &attributes));
            let fact = fact.unwrap_or_else(|reports| panic!("{}", rendered(&reports)));
            (fact.name.to_string(), fact.spec)
        };
        FACTS.iter().map(spec).collect()
    }

    fn reading(text: &str) -> Result<Segment, String> {
        let source = Source::new("s.yaml", text.to_owned());
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let derived = Declarations {
            facts: specs(),
            ..Declarations::default()
        };
        let declared = Declared {
            derived: &derived,
            ..Declared::new(&vocabulary, &attributes)
        };
        let read = super::super::read(&FILE, &source, declared);
        let read = read.map_err(|reports| rendered(&reports))?;
        Ok(read.into_iter().next().expect("one"))
    }

    /// A customer whose last order was at minute 0, and who looked at something at 1 (for 3), 2 (for 5) and 5 (for 4), and earned as
    /// much, for ten minutes.
    fn customer() -> Settled {
        let mut settled = Settled::default();
        settled.orders.last = Some(Timestamp(0));
        let specs = specs();
        for (minute, price) in [(1, 3.0), (2, 5.0), (5, 4.0)] {
            let at = Timestamp(minute * MINUTE);
            let earned = Movement::Earned {
                micros: measure::micros(price).expect("a number"),
                expires: at.plus(10 * MINUTE),
                order: None,
            };
            for (name, said) in [
                ("points", Said::Moves(earned)),
                ("views", Said::Nothing),
                ("ever", Said::Nothing),
                ("cheapest", Said::amount(price).expect("a number")),
                ("score", Said::amount(1.0).expect("a number")),
                (
                    "seen",
                    Said::Text(compact_str::format_compact!("p{minute}")),
                ),
            ] {
                settled
                    .derived
                    .take(&specs[name], Text::default(), at, said);
            }
        }
        settled
    }

    /// What is asked at minute 6; whether it holds, and when time alone may change that, in ms after minute 0.
    #[rustfmt::skip]
    const CHANGES: &[(&str, bool, Option<i64>)] = &[
        ("profile.orders.count > 3", false, None),
        ("facts.ever >= 3", true, None),
        ("now - profile.last_order > duration('1h')", false, Some(60 * MINUTE + 1)),
        ("now - profile.last_order >= duration('1h')", false, Some(60 * MINUTE)),
        ("!(now - profile.last_order < duration('1h'))", false, Some(60 * MINUTE)),
        ("now - profile.last_order <= duration('1h')", true, Some(60 * MINUTE + 1)),
        ("(now - profile.last_order) / duration('1h') > 2", false, Some(120 * MINUTE + 1)),
        ("profile.last_order + duration('7m') < now", false, Some(7 * MINUTE + 1)),
        ("now - profile.last_order > duration('5m')", true, None),
        ("now > timestamp('1970-01-01T01:00:00Z')", false, Some(60 * MINUTE + 1)),
        ("now - profile.nps.at > duration('5m')", false, None),
        ("days_between(profile.last_order, now) >= 2", false, Some(2 * 1440 * MINUTE)),
        // On the one day, and not after.
        ("days_between(profile.last_order, now) == 2", false, Some(2 * 1440 * MINUTE)),
        ("days_between(profile.last_order, now) == 0", true, Some(1440 * MINUTE)),
        ("days_between(profile.last_order, now) in [0, 3]", true, Some(1440 * MINUTE)),
        ("days_between(profile.last_order, now) != 0", false, Some(1440 * MINUTE)),
        // Windows, entry by entry.
        ("facts.views >= 3", true, Some(11 * MINUTE)),
        ("facts.views >= 1", true, Some(11 * MINUTE)),
        ("facts.cheapest < 4", true, Some(11 * MINUTE)),
        ("has(facts.cheapest)", true, Some(11 * MINUTE)),
        ("'p1' in facts.seen", true, Some(11 * MINUTE)),
        // Lots, one by one: 3 until minute 11, 5 until 12, 4 until 15.
        ("facts.points >= 12", true, Some(11 * MINUTE)),
        ("facts.points >= 12 && profile.orders.count == 0", true, Some(11 * MINUTE)),
        ("facts.credit > 0", false, None),
        ("expiring(facts.points, duration('5m')) >= 3", true, Some(7 * MINUTE)),
        ("expiring(facts.points, duration('4m')) > 0", false, Some(7 * MINUTE)),
        ("expiring(facts.points, duration('1h')) == facts.points", true, Some(11 * MINUTE)),
        ("next_expiry(facts.points) - now <= duration('3m')", false, Some(8 * MINUTE)),
        ("next_expiry(facts.points) - now < duration('3m')", false, Some(8 * MINUTE + 1)),
        ("has(next_expiry(facts.points))", true, Some(11 * MINUTE)),
        // 2^-0.1 + 2^-0.4 + 2^-0.5 = 2.398 fades to 1.
        ("facts.score > 2.5", false, None),
        ("facts.score >= 1", true, Some(1_117_117)),
        ("facts.views >= 3 && now - profile.last_order > duration('1h')", false, Some(11 * MINUTE)),
        ("facts.ever > 5 ? now - profile.last_order > duration('1h') : facts.views > 5", false, Some(11 * MINUTE)),
    ];

    #[test]
    fn time_alone_changes_it_then() {
        let settled = customer();
        for (when, holds, expected) in CHANGES {
            let read = reading(&format!("segment: s\nwhen: \"{when}\"\n"));
            let segment = read.unwrap_or_else(|said| panic!("{said}"));
            let now = Timestamp(6 * MINUTE);
            let (found, next) = segment.holds_at(&settled, now);
            assert_eq!(found, *holds, "{when}");
            let next = next.map(|at| at.0);
            let (found, wanted) = (next.unwrap_or(-1), expected.unwrap_or(-1));
            let near = if when.contains("score >=") {
                60 * MINUTE
            } else {
                0
            };
            assert!((found - wanted).abs() <= near, "{when}: {next:?}");
            // To the millisecond: before it, nothing is another.
            if let Some(next) = next.filter(|_| when.contains("score")) {
                let at = |ms| segment.holds_at(&settled, Timestamp(ms)).0;
                assert!(at(next - 1) == *holds && at(next) != *holds, "{when}");
            }
        }
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("segment: gold, when: profile.orders.count > 5, held: 7d, about: Who buys.", ""),
        ("segment: Gold, when: profile.orders.count > 5", "`Gold` is not a segment's name"),
        ("when: profile.orders.count > 5", "`segment` is missing"),
        ("segment: gold", "`when` is missing"),
        ("segment: gold, when: profile.orders.count", "a condition is a bool"),
        ("segment: gold, when: profile.orders.cuont > 5", "did you mean `profile.orders.count`?"),
        ("segment: gold, when: facts.veiws > 5", "did you mean `views`?"),
        ("segment: gold, when: event.total > 5", "`event` is not there"),
        ("segment: gold, when: previous.orders.count > 5", "`previous` is the profile before"),
        ("segment: gold, when: size(profile.segments) > 1", "a segment that asks for segments"),
        ("segment: gold, when: 'days_between(profile.last_order, now) % 7 == 0'", "when this changes cannot be foreseen"),
        ("segment: gold, when: 'hour(now) < 9'", "when this changes cannot be foreseen"),
        ("segment: gold, when: 'weekday(now) == \"sunday\"'", "when this changes cannot be foreseen"),
        ("segment: gold, when: 'expiring(facts.points, duration(\"30d\")) > 5'", ""),
        ("segment: gold, when: 'expiring(facts.credit, duration(\"30d\")) > 5'", "nothing of it expires: the fact has no `expires`"),
        ("segment: gold, when: 'expiring(facts.views, duration(\"30d\")) > 5'", "`expiring` takes a fact that is a `balance`"),
        ("segment: gold, when: 'expiring(profile.orders.count, duration(\"30d\")) > 5'", "`expiring` takes a fact that is a `balance`"),
        ("segment: gold, when: 'expiring(facts.points, now - profile.last_order) > 5'", "`expiring` takes a length of time in quotes"),
        ("segment: gold, when: 'expiring(facts.points, 30) > 5'", "`expiring` takes a duration here"),
        ("segment: gold, when: 'has(next_expiry(facts.credit))'", "nothing of it expires"),
        ("segment: gold, when: profile.orders.count % 2 == 0", ""),
        ("segment: gold, when: profile.known, held: soon", "is not a duration"),
        ("segment: gold, when: profile.known, hold: 7d", "did you mean `held`?"),
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
