//! Segments: named conditions over profile and facts, that a customer enters and leaves by events and by time alone.
//!
//! Asked as `"gold" in profile.segments`. A segment is like a moment with another output: it says which events concern it, keeps a
//! state of a customer ([`crate::profile::segments`]), and has a deadline where time alone may change its answer.

use xxhash_rust::xxh3::xxh3_64;

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml;
use crate::event::{Event, Text};
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::profile::segments::{Answer, Standing};
use crate::time::Timestamp;

/// A segment's name.
pub const NAME_BYTES: usize = 64;

/// The keys of the file of a segment.
pub const KEYS: Keys = Keys {
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

/// A checked segment.
#[derive(Debug)]
pub struct Segment {
    /// Its name.
    pub name: Text,
    /// Hash of its definition's text.
    pub text: u64,
    when: Expression,
    held_ms: i64,
    digest: u64,
    /// Whether an event may change a field that it asks for; one for each.
    written_by: Vec<fn(&Event) -> bool>,
    /// The facts that it asks for.
    facts: Vec<String>,
}

impl Segment {
    /// Who is meant.
    #[must_use]
    pub fn condition(&self) -> &Expression {
        &self.when
    }

    /// Whether an event may change its answer; `measured`: whether one of the facts of this name takes it.
    #[must_use]
    pub fn is_concerned(&self, event: &Event, measured: impl Fn(&str) -> bool) -> bool {
        // Another time zone moves her days.
        event.traits.is_some()
            || self.written_by.iter().any(|may_write| may_write(event))
            || self.facts.iter().any(|fact| measured(fact))
    }

    /// Where she stands once it was asked at an instant; none where nothing changes.
    #[must_use]
    pub fn asked(&self, settled: &Settled, at: Timestamp) -> Option<Standing> {
        let scope = Scope {
            event: None,
            product: None,
            profile: settled,
            previous: None,
            now: at,
        };
        let answer = Answer {
            holds: self.when.holds(&scope),
            next: self.when.next_change(&scope),
            held_ms: self.held_ms,
        };
        let own = (&self.name, self.digest);
        settled.segments.stands(own, at, answer)
    }
}

/// Reads the file of a segment.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Segment, Vec<Report>> {
    let segment = reader::file(source, declared, KEYS, segment)?;
    Ok(Segment {
        text: source.digest(),
        ..segment
    })
}

fn segment(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Segment> {
    let name = reader.required(fields, "segment", "its name, such as gold");
    let name = name.and_then(|node| {
        let name = reader.name(node, ("a segment", "gold"), NAME_BYTES)?;
        Some(Text::from(name))
    });
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
    let environment = read::environment(reader.declared, None, false);
    let when = read::condition(reader, node, &environment)?;
    if when.asks().iter().any(|path| path == "profile.segments") {
        let expected = "the condition itself: segments do not ask for segments".to_owned();
        reader.fails(&node.span, "a segment that asks for segments", expected);
    }
    if when.is_unforeseen() {
        let expected = "no `%` and no `abs` of what time alone changes".to_owned();
        reader.fails(&node.span, "when this changes cannot be foreseen", expected);
    }
    let below = |root: &str| -> Vec<String> {
        let paths = when.asks().iter();
        paths
            .filter_map(|path| path.strip_prefix(root))
            .map(str::to_owned)
            .collect()
    };
    let (name, held_ms) = (name?, held_ms?);
    Some(Segment {
        text: 0,
        digest: xxh3_64(format!("{held_ms} {}", when.source()).as_bytes()),
        written_by: below("profile.")
            .iter()
            .filter_map(|path| Settled::writer_of(path))
            .collect(),
        // A key may stand behind the name.
        facts: below("facts.")
            .iter()
            .filter_map(|path| path.split('.').next().map(str::to_owned))
            .collect(),
        name,
        when,
        held_ms,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;
    use crate::fact;
    use crate::measure::{Declarations, Said, Spec};

    const MINUTE: i64 = 60_000;
    const FACTS: &[&str] = &[
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
        read(&source, declared).map_err(|reports| rendered(&reports))
    }

    /// A customer whose last order was at minute 0, and who looked at something at 1 (for 3), 2 (for 5) and 5 (for 4).
    fn customer() -> Settled {
        let mut settled = Settled::default();
        settled.orders.last = Some(Timestamp(0));
        let specs = specs();
        for (minute, price) in [(1, 3.0), (2, 5.0), (5, 4.0)] {
            let at = Timestamp(minute * MINUTE);
            for (name, said) in [
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
            let at = |now| Scope {
                event: None,
                product: None,
                profile: &settled,
                previous: None,
                now,
            };
            let now = Timestamp(6 * MINUTE);
            assert_eq!(segment.when.holds(&at(now)), *holds, "{when}");
            let next = segment.when.next_change(&at(now)).map(|at| at.0);
            let (found, wanted) = (next.unwrap_or(-1), expected.unwrap_or(-1));
            let near = if when.contains("score >=") {
                60 * MINUTE
            } else {
                0
            };
            assert!((found - wanted).abs() <= near, "{when}: {next:?}");
            // To the millisecond: before it, nothing is another.
            if let Some(next) = next.filter(|_| when.contains("score")) {
                let at = |ms| segment.when.holds(&at(Timestamp(ms)));
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
