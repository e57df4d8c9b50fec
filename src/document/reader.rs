//! Reads values out of a file's tree, and collects what is wrong with it.
//!
//! Every method that gives `None` has said why, so that the reader can go on and tell the next
//! error too.

use std::collections::BTreeMap;
use std::ops::Range;

use super::keys::Keys;
use super::report::{Report, Source};
use super::suggest::{closest, listed};
use super::yaml::{self, Key, Node, Yaml, locate};
use crate::event::{EventName, Type, Vocabulary};
use crate::measure::{Declarations, NOTHING};
use crate::time::{DAY_MS, Timestamp, WEEKDAYS, parse_duration};

/// What is expected where events are named.
pub const EVENTS: &str = "an event's name, a list of names, or `{ name: ..., where: ... }`";

/// The longest duration that a trigger may ask for: beyond ten years nobody waits.
pub const DURATION_MAX_MS: i64 = 3660 * DAY_MS;

/// What files may name beside the standard words.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    /// Events and properties.
    pub vocabulary: &'a Vocabulary,
    /// The company's own attributes.
    pub attributes: &'a BTreeMap<String, Type>,
    /// What is declared to be measured.
    pub derived: &'a Declarations,
}

impl<'a> Declared<'a> {
    /// Words and attributes, and nothing that is measured.
    #[must_use]
    pub fn new(vocabulary: &'a Vocabulary, attributes: &'a BTreeMap<String, Type>) -> Self {
        Self {
            vocabulary,
            attributes,
            derived: &NOTHING,
        }
    }

    /// The same, with what else is declared.
    #[must_use]
    pub fn with(self, derived: &'a Declarations) -> Self {
        Self { derived, ..self }
    }
}

/// Reads one file.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The file.
    pub source: &'a Source,
    /// What it may name.
    pub declared: Declared<'a>,
    /// What is wrong with it.
    pub reports: Vec<Report>,
}

/// A mapping whose keys were checked.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'n> {
    /// The mapping itself.
    pub node: &'n Node,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// The value of a key; a key without a value counts as absent.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A key with its value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&'n (Key, Node)> {
        self.entries.iter().find(|(known, _)| known.text == key)
    }

    /// All keys with their values.
    #[must_use]
    pub fn entries(&self) -> &'n [(Key, Node)] {
        self.entries
    }
}

/// Reads a file that is a mapping with these keys.
///
/// # Errors
/// Everything that is wrong with it.
pub fn file<T>(
    source: &Source,
    declared: Declared<'_>,
    keys: Keys,
    read: impl FnOnce(&mut Reader<'_>, &Fields<'_>) -> Option<T>,
) -> Result<T, Vec<Report>> {
    let mut reader = Reader::new(source, declared);
    let root = yaml::parse(source, &mut reader.reports);
    let made = root.and_then(|root| {
        let fields = reader.fields(&root, keys)?;
        read(&mut reader, &fields)
    });
    made.filter(|_| reader.reports.is_empty())
        .ok_or(reader.reports)
}

impl<'a> Reader<'a> {
    /// A reader of a file.
    #[must_use]
    pub fn new(source: &'a Source, declared: Declared<'a>) -> Self {
        Self {
            source,
            declared,
            reports: Vec::new(),
        }
    }

    /// Notes an error.
    pub fn fails(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        expected: impl Into<Option<String>>,
    ) {
        self.reports
            .push(Report::at(self.source, span.clone(), message).expected(expected));
    }

    /// Notes that a value is not what was expected.
    pub fn unexpected(&mut self, node: &Node, expected: impl Into<String>) {
        self.fails(
            &node.span,
            format!("{} is not valid here", node.described()),
            expected.into(),
        );
    }

    /// A mapping, its keys checked.
    pub fn fields<'n>(&mut self, node: &'n Node, keys: Keys) -> Option<Fields<'n>> {
        let Yaml::Map(entries) = &node.value else {
            self.unexpected(node, format!("a mapping with {}", listed(keys.names())));
            return None;
        };
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !keys.names().any(|name| name == key.text))
        {
            if let Some((_, instead)) = keys.later.iter().find(|(later, _)| *later == key.text) {
                let message = format!("`{}` of {} is said in another way", key.text, keys.of);
                let expected = match *instead {
                    "" => format!("one of {}", listed(keys.names())),
                    instead => instead.to_owned(),
                };
                self.fails(&key.span, message, expected);
            } else {
                let report = Report::at(
                    self.source,
                    key.span.clone(),
                    format!("{} has no `{}`", keys.of, key.text),
                )
                .expected(listed(keys.names()))
                .suggest(closest(&key.text, keys.names()).map(str::to_owned));
                self.reports.push(report);
            }
        }
        Some(Fields { node, entries })
    }

    /// The value of a key that must be there.
    pub fn required<'n>(&mut self, fields: &Fields<'n>, key: &str, what: &str) -> Option<&'n Node> {
        let found = fields.get(key);
        if found.is_none() {
            let span = fields.entry(key).map_or(
                fields.node.span.start..fields.node.span.start,
                |(key, _)| key.span.clone(),
            );
            self.fails(
                &span,
                format!("`{key}` is missing"),
                format!("`{key}`: {what}"),
            );
        }
        found
    }

    /// The only key of a mapping that has exactly one of several, with its value.
    pub fn only<'n>(&mut self, node: &'n Node, keys: Keys) -> Option<(&'n Key, &'n Node)> {
        let before = self.reports.len();
        let fields = self.fields(node, keys)?;
        if self.reports.len() > before {
            return None;
        }
        if let [(key, value)] = fields.entries() {
            return Some((key, value));
        }
        let names: Vec<_> = keys.names().map(|name| format!("`{name}`")).collect();
        let found = fields.entries().len();
        let message = format!("{} is one thing; here are {found}", keys.of);
        let expected = format!("exactly one of {}", names.join(", "));
        self.fails(&node.span, message, expected);
        None
    }

    /// A name that an expression can ask for: lower-case letters, digits and underscores, at most `bytes_max` of them; of `whose` (a
    /// fact), such as `example`.
    pub fn identifier<'n>(
        &mut self,
        node: &'n Node,
        (whose, example): (&str, &str),
        bytes_max: usize,
    ) -> Option<&'n str> {
        let text = self.text(node, &format!("a name such as {example}"))?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = text.starts_with(|c: char| c.is_ascii_lowercase());
        if text.len() > bytes_max || !begins || !text.chars().all(fits) {
            let expected = format!(
                "lower-case letters, digits and underscores, a letter first, at most {bytes_max}, such as {example}"
            );
            let message = format!("`{text}` is not {whose}'s name");
            self.fails(&node.span, message, expected);
            return None;
        }
        Some(text)
    }

    /// A text that is not empty.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.text().filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.unexpected(node, what);
        }
        text
    }

    /// A name of at most `bytes_max` lower-case letters, digits and hyphens, of `whose` (a trigger), such as `example`.
    pub fn name<'n>(
        &mut self,
        node: &'n Node,
        (whose, example): (&str, &str),
        bytes_max: usize,
    ) -> Option<&'n str> {
        let text = self.text(node, &format!("a name such as {example}"))?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.len() > bytes_max || text.starts_with('-') || !text.chars().all(fits) {
            let expected = format!(
                "lower-case letters, digits and hyphens, at most {bytes_max} of them, such as {example}"
            );
            let message = format!("`{text}` is not {whose}'s name");
            self.fails(&node.span, message, expected);
            return None;
        }
        Some(text)
    }

    /// A text of at most `bytes_max` bytes, without control characters.
    pub fn short_text<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        bytes_max: usize,
    ) -> Option<&'n str> {
        let text = self.text(node, what)?;
        if text.len() > bytes_max || text.contains(char::is_control) {
            self.fails(
                &node.span,
                "this text is too long, or has control characters",
                format!("{what}, at most {bytes_max} bytes in one line"),
            );
            return None;
        }
        Some(text)
    }

    /// One of several words.
    pub fn one_of<'w>(&mut self, node: &Node, words: &'w [&'w str]) -> Option<&'w str> {
        let written = node.text().unwrap_or_default();
        let found = words.iter().find(|word| **word == written).copied();
        if found.is_none() {
            let report = Report::at(
                self.source,
                node.span.clone(),
                format!("{} is not valid here", node.described()),
            )
            .expected(format!("one of {}", listed(words.iter().copied())))
            .suggest(closest(written, words.iter().copied()).map(str::to_owned));
            self.reports.push(report);
        }
        found
    }

    /// A number.
    pub fn number(&mut self, node: &Node, what: &str) -> Option<f64> {
        let number = node.json().as_f64();
        if number.is_none() {
            self.unexpected(node, what);
        }
        number
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, node: &Node, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let number = node
            .json()
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|n| range.contains(n));
        if number.is_none() {
            self.unexpected(
                node,
                format!("a whole number from {} to {}", range.start(), range.end()),
            );
        }
        number
    }

    /// Yes or no.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        let value = node.json().as_bool();
        if value.is_none() {
            self.unexpected(node, "`true` or `false`");
        }
        value
    }

    /// A duration above zero, in ms.
    pub fn duration(&mut self, node: &Node) -> Option<i64> {
        self.duration_in(node, 0..node.text().map_or(0, str::len))
    }

    /// The same, where it may be of nothing.
    pub fn duration_or_nothing(&mut self, node: &Node) -> Option<i64> {
        match node.text().map(parse_duration) {
            Some(Ok(0)) => Some(0),
            _ => self.duration(node),
        }
    }

    /// A duration that is a part of a text.
    pub fn duration_in(&mut self, node: &Node, part: Range<usize>) -> Option<i64> {
        const EXPECTED: &str = "a duration such as 30m, 24h or 7d";
        let Some(text) = node.text().and_then(|text| text.get(part.clone())) else {
            self.unexpected(node, EXPECTED);
            return None;
        };
        let message = match parse_duration(text) {
            Ok(ms) if (1..=DURATION_MAX_MS).contains(&ms) => return Some(ms),
            Ok(0) => "a duration of nothing".to_owned(),
            Ok(_) => "a duration of more than ten years".to_owned(),
            Err(message) => message,
        };
        let span = locate(self.source.text(), node, part);
        self.fails(&span, message, EXPECTED.to_owned());
        None
    }

    /// A local time of day, `09:00`, in ms after midnight.
    pub fn time_of_day(&mut self, node: &Node) -> Option<i64> {
        let parts = node.text().and_then(|text| text.split_once(':'));
        let two = |text: &str, below: i64| -> Option<i64> {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| digits && *number < below)
        };
        let found = parts.and_then(|(hour, minute)| two(hour, 24).zip(two(minute, 60)));
        if found.is_none() {
            self.unexpected(node, "a local time, such as \"09:00\"");
        }
        found.map(|(hour, minute)| (hour * 60 + minute) * 60_000)
    }

    /// A list of weekdays: of each, from Monday on, whether it is among them.
    pub fn weekdays(&mut self, node: &Node) -> Option<[bool; 7]> {
        let items = match &node.value {
            Yaml::List(items) if !items.is_empty() => items,
            _ => {
                self.unexpected(
                    node,
                    "a list of at least one weekday, such as `[tuesday, thursday]`",
                );
                return None;
            }
        };
        let mut days = [false; 7];
        for item in items {
            let word = self.one_of(item, WEEKDAYS)?;
            let place = WEEKDAYS.iter().position(|known| *known == word)?;
            days[place] = true;
        }
        Some(days)
    }

    /// An instant: RFC 3339, or a date, which is its midnight in UTC.
    pub fn instant(&mut self, node: &Node) -> Option<Timestamp> {
        let text = node.text().unwrap_or_default();
        let found =
            Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
        if found.is_none() {
            self.unexpected(node, "a time such as 2026-03-02T10:00:00Z, or a date such as 2026-03-02 (midnight in UTC)");
        }
        found
    }

    /// An event of the vocabulary of which something may come, by its name.
    pub fn event_name(&mut self, node: &Node) -> Option<EventName> {
        let found = self.any_event_name(node);
        if found == Some(EventName::CUSTOMER_ERASED) {
            let text = node.text().unwrap_or_default();
            self.fails(
                &node.span,
                format!("`{text}` removes the customer: nobody is left to be treated"),
                "another event".to_owned(),
            );
            return None;
        }
        found
    }

    /// An event of the vocabulary, by its name.
    pub fn any_event_name(&mut self, node: &Node) -> Option<EventName> {
        let text = self.text(node, EVENTS)?;
        let vocabulary = self.declared.vocabulary;
        let found = vocabulary.event_named(text);
        if found.is_none() {
            let names = vocabulary.events().map(|event| event.name.as_str());
            let report = Report::at(
                self.source,
                node.span.clone(),
                format!("no event is called `{text}`"),
            )
            .expected(
                "an event of Segment's specs, or one declared under [events] in the configuration"
                    .to_owned(),
            )
            .suggest(closest(text, names).map(str::to_owned));
            self.reports.push(report);
        }
        found
    }
}
