//! YAML as a tree in which every value knows its place.
//!
//! The parser is serde-saphyr's; its events are kept as a tree, rather than read into structs, so
//! that all errors of a file can be told at once. Deliberately refused: aliases, tags, several
//! documents. They would let one line of a file mean something elsewhere.

use std::ops::Range;

use serde_saphyr::granit_parser::{self as granit, Event, Parser, ScalarStyle};

use super::report::{Report, Source};

/// Bounds of a file.
pub mod limits {
    pub use crate::document::report::FILE_BYTES;
    /// Collections within collections: a trigger needs 6.
    pub const NESTING: usize = 16;
}

/// A value and the bytes it stands at.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its bytes; of a collection, from its first entry to its last.
    pub span: Range<usize>,
    /// The value.
    pub value: Yaml,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// Anything but a collection.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Its bytes.
    pub span: Range<usize>,
}

impl Node {
    /// What it is, for messages.
    #[must_use]
    pub fn described(&self) -> String {
        match &self.value {
            Yaml::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Yaml::Scalar { text, .. } if text.chars().count() <= 40 => format!("`{text}`"),
            Yaml::Scalar { .. } => "a long text".to_owned(),
            Yaml::List(_) => "a list".to_owned(),
            Yaml::Map(_) => "a mapping".to_owned(),
        }
    }

    /// Whether it is YAML's null: nothing, `~` or `null`, unquoted.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// As JSON: an unquoted scalar is null, a bool or a number where it has that form (YAML 1.2's
    /// core schema), everything else a text.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            _ if self.is_null() => serde_json::Value::Null,
            Yaml::Scalar { text, plain: true } => match text.as_str() {
                "true" => true.into(),
                "false" => false.into(),
                text => number(text).unwrap_or_else(|| text.into()),
            },
            Yaml::Scalar { text, .. } => text.as_str().into(),
            Yaml::List(items) => items.iter().map(Self::json).collect(),
            Yaml::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.text.clone(), value.json()))
                .collect(),
        }
    }

    /// Moves the places of a tree that was parsed from a part of a file.
    pub fn relocate(&mut self, to: &impl Fn(Range<usize>) -> Range<usize>) {
        self.span = to(self.span.clone());
        match &mut self.value {
            Yaml::Scalar { .. } => {}
            Yaml::List(items) => items.iter_mut().for_each(|item| item.relocate(to)),
            Yaml::Map(entries) => {
                for (key, value) in entries {
                    key.span = to(key.span.clone());
                    value.relocate(to);
                }
            }
        }
    }
}

/// A number as YAML's core schema and JSON both write it.
fn number(text: &str) -> Option<serde_json::Value> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let leading_zero =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) || leading_zero {
        return None;
    }
    text.parse::<i64>()
        .map(serde_json::Value::from)
        .ok()
        .or_else(|| {
            let float: f64 = text.parse().ok()?;
            serde_json::Number::from_f64(float).map(serde_json::Value::Number)
        })
}

/// The keys of a file that is a map; none of another, and of one that cannot be read.
#[must_use]
pub fn keys(source: &Source) -> &[String] {
    source.keys(
        || match parse(source, &mut Vec::new()).map(|root| root.value) {
            Some(Yaml::Map(entries)) => entries.into_iter().map(|(key, _)| key.text).collect(),
            _ => Vec::new(),
        },
    )
}

/// Parses a file. Keys that stand twice in a mapping are reported, and the first one counts.
///
/// # Errors
/// Where it is no YAML that we take.
pub fn parse(source: &Source, reports: &mut Vec<Report>) -> Option<Node> {
    let text = source.text();
    if text.len() > limits::FILE_BYTES {
        let message = format!(
            "the file has {} bytes; at most {} are read",
            text.len(),
            limits::FILE_BYTES
        );
        reports.push(Report::at(source, 0..0, message));
        return None;
    }
    match parse_text(text) {
        Ok((node, twice)) => {
            let told = |(key, span): (String, Range<usize>)| {
                Report::at(source, span, format!("`{key}` stands here a second time"))
                    .expected("each key once".to_owned())
            };
            reports.extend(twice.into_iter().map(told));
            node.or_else(|| {
                reports.push(Report::at(source, 0..0, "the file is empty"));
                None
            })
        }
        Err((span, message)) => {
            let slips = SLIPS.iter();
            let slip = slips.copied().find(|(said, _)| message.contains(said));
            let expected = slip.map(|(_, expected)| expected.to_owned());
            reports.push(Report::at(source, span, message).expected(expected));
            None
        }
    }
}

/// What is said where something means more to YAML than to whoever wrote it, and what is expected there.
const SLIPS: [(&str, &str); 6] = [
    ("after double-quoted", QUOTED),
    ("after single-quoted", QUOTED),
    (
        "mapping values are not allowed",
        "quotes around a text or an expression that has `: ` in it, such as 'event.total > 9 ? 2 : 1'",
    ),
    (
        TAGS,
        "quotes around an expression that begins with `!`, such as '!profile.known'",
    ),
    (
        "tabs disallowed",
        "spaces: what stands below another is indented by spaces",
    ),
    (
        "did not find expected key",
        "names of one mapping that begin in one column",
    ),
];

const QUOTED: &str = "nothing after the closing quote; an expression that begins with a quote stands in quotes of the \
    other kind, such as '\"email\" in profile.consent'";

const TAGS: &str = "tags (`!...`) are not read here";

type Twice = Vec<(String, Range<usize>)>;
type Failure = (Range<usize>, String);

/// Parses a text by itself; gives the value and the keys that stand twice.
pub fn parse_text(text: &str) -> Result<(Option<Node>, Twice), Failure> {
    let mut options = granit::Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    let mut builder = Builder {
        open: Vec::new(),
        root: None,
        twice: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
            (at..at, format!("this is no YAML: {}", error.info()))
        })?;
        let span = span.byte_range().unwrap_or(0..0);
        match is_tagged(&event) {
            // The value begins behind its tag.
            true => {
                let tag = text[..span.start].rfind('!').unwrap_or(span.start);
                return Err((tag..span.start, TAGS.to_owned()));
            }
            false => builder.take(event, span)?,
        }
    }
    Ok((builder.root, builder.twice))
}

fn is_tagged(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Scalar(.., Some(_))
            | Event::SequenceStart(.., Some(_))
            | Event::MappingStart(.., Some(_))
    )
}

/// A collection whose end has not been seen.
struct Open {
    node: Node,
    key: Option<Key>,
}

struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    twice: Twice,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Failure> {
        match event {
            Event::Alias(_) => Err((
                span,
                "aliases (`*...`) are not read here; write the value again".to_owned(),
            )),
            Event::DocumentStart(..) if self.root.is_some() => Err((
                span,
                "a second document begins here; one file holds one".to_owned(),
            )),
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                self.add(Node {
                    span,
                    value: Yaml::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                })
            }
            Event::SequenceStart(..) => self.begin(span, Yaml::List(Vec::new())),
            Event::MappingStart(..) => self.begin(span, Yaml::Map(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(mut open) => {
                    // A bracket ends a collection in flow; in a block, the last entry does.
                    let end = if span.is_empty() {
                        open.node.last()
                    } else {
                        span.end
                    };
                    open.node.span.end = end.max(open.node.span.end);
                    self.add(open.node)
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, span: Range<usize>, value: Yaml) -> Result<(), Failure> {
        if self.open.len() >= limits::NESTING {
            return Err((
                span,
                format!("collections stand at most {} deep", limits::NESTING),
            ));
        }
        self.open.push(Open {
            node: Node { span, value },
            key: None,
        });
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Failure> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.value, open.key.take()) {
            (Yaml::List(items), _) => items.push(node),
            (Yaml::Map(entries), Some(key)) => {
                if entries.iter().any(|(known, _)| known.text == key.text) {
                    self.twice.push((key.text, key.span));
                } else {
                    entries.push((key, node));
                }
            }
            (_, None) => match node.value {
                Yaml::Scalar { text, .. } => {
                    open.key = Some(Key {
                        text,
                        span: node.span,
                    });
                }
                _ => return Err((node.span, "a key is a word, not a collection".to_owned())),
            },
            (Yaml::Scalar { .. }, Some(_)) => {}
        }
        Ok(())
    }
}

impl Node {
    /// Where its last entry ends.
    fn last(&self) -> usize {
        match &self.value {
            Yaml::Scalar { .. } => self.span.end,
            Yaml::List(items) => items.last().map_or(self.span.end, |item| item.span.end),
            Yaml::Map(entries) => entries
                .last()
                .map_or(self.span.end, |(_, value)| value.span.end),
        }
    }
}

/// The bytes of a file at which a part of a scalar's text stands: quotes, escapes, indentation and
/// folded lines are stepped over as well as can be.
#[must_use]
pub fn locate(file: &str, node: &Node, part: Range<usize>) -> Range<usize> {
    let Some(text) = node.text() else {
        return node.span.clone();
    };
    let raw = file.get(node.span.clone()).unwrap_or_default();
    let header = match raw.chars().next() {
        Some('|' | '>') => raw.find('\n').map_or(0, |at| at + 1),
        Some('"' | '\'') => 1,
        _ => 0,
    };
    let (mut at, mut start, mut end) = (header, None, header);
    for (offset, character) in text.char_indices() {
        at = stand(raw, at, character);
        if offset >= part.start {
            start.get_or_insert(at);
        }
        at = (at + character.len_utf8()).min(raw.len());
        while !raw.is_char_boundary(at) {
            at += 1;
        }
        if offset < part.end {
            end = at;
        }
    }
    let start = start.unwrap_or(at);
    node.span.start + start..node.span.start + end.max(start)
}

/// The first place from `at` on at which a character of the text stands in its raw form.
fn stand(raw: &str, at: usize, character: char) -> usize {
    let rest = &raw[at..];
    if rest.starts_with(character) {
        return at;
    }
    let skipped = |c: char| c.is_whitespace() || matches!(c, '\\' | '\'' | '"');
    let found = rest
        .char_indices()
        .find(|(_, c)| *c == character || !skipped(*c));
    match found {
        Some((skip, c)) if c == character || character.is_whitespace() => {
            at + skip.saturating_sub(usize::from(c != character))
        }
        _ => at,
    }
}
