//! Where a value stands in a foreign record: `customer.id`, `line_items[0].sku`, `event_params[key=currency].value`.

use std::ops::Range;

use serde_json::Value as Json;

/// Steps of a path: deeper than any event that is one.
const STEPS_MAX: usize = 16;

/// A path into a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// From the record itself, although the path stands where an item of a list is read.
    pub from_record: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// A field of an object.
    Field(String),
    /// An item of a list, from 0.
    Item(usize),
    /// The first item of a list that has this field with this value.
    Which(String, String),
}

/// What is wrong with the text of a path, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub struct PathError {
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// What is expected of a path, for messages.
pub const EXPECTED: &str = "a path such as `customer.id`, `items[0].sku`, `params[key=currency].value`, \
    `\"a.b\".c`, or `$.currency` for the record's own from within an item";

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser { text, at: 0 };
        let from_record = parser.takes("$");
        let mut steps = Vec::new();
        if !from_record || parser.takes(".") {
            steps.push(parser.field()?);
        }
        while parser.at < text.len() {
            let step = match parser.rest().as_bytes()[0] {
                b'[' => parser.brackets()?,
                b'.' => {
                    parser.at += 1;
                    parser.field()?
                }
                _ => return Err(parser.fails(1, "a `.` or a `[` is missing before this")),
            };
            steps.push(step);
        }
        if steps.len() > STEPS_MAX {
            let message = format!("a path has at most {STEPS_MAX} steps");
            return Err(PathError {
                span: 0..text.len(),
                message,
            });
        }
        Ok(Self { from_record, steps })
    }

    /// The item itself.
    #[must_use]
    pub fn itself() -> Self {
        Self {
            from_record: false,
            steps: Vec::new(),
        }
    }

    /// What stands there; null counts as nothing.
    #[must_use]
    pub fn of<'r>(&self, record: &'r Json) -> Option<&'r Json> {
        let found = self.steps.iter().try_fold(record, |at, step| match step {
            Step::Field(name) => at.get(name),
            Step::Item(index) => at.get(index),
            Step::Which(name, value) => at.as_array()?.iter().find(|item| {
                let field = item.get(name);
                field.is_some_and(|field| super::scalar::is_text(field, value))
            }),
        });
        found.filter(|found| !found.is_null())
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn takes(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn fails(&self, length: usize, message: impl Into<String>) -> PathError {
        let end = self
            .text
            .floor_char_boundary((self.at + length).min(self.text.len()));
        PathError {
            span: self.at..end.max(self.at),
            message: message.into(),
        }
    }

    fn field(&mut self) -> Result<Step, PathError> {
        if self.takes("\"") {
            let Some(end) = self.rest().find('"') else {
                return Err(self.fails(usize::MAX / 2, "the quote is not closed"));
            };
            let name = &self.rest()[..end];
            self.at += end + 1;
            return Ok(Step::Field(name.to_owned()));
        }
        let rest = self.rest();
        let end = rest.find(['.', '[', ']', '"']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        if name.is_empty() {
            return Err(self.fails(1, "a field's name is missing here"));
        }
        self.at += end;
        Ok(Step::Field(name.to_owned()))
    }

    fn brackets(&mut self) -> Result<Step, PathError> {
        let Some(end) = self.rest().find(']') else {
            return Err(self.fails(usize::MAX / 2, "the bracket is not closed"));
        };
        let inner = self.rest()[1..end].trim();
        let step = match inner.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
                let value = value.trim().trim_matches('"');
                Step::Which(name.trim().to_owned(), value.to_owned())
            }
            _ => match inner.parse() {
                Ok(index) => Step::Item(index),
                Err(_) => {
                    let message = "brackets hold a number from 0, or `field=value`";
                    return Err(self.fails(end + 1, message));
                }
            },
        };
        self.at += end + 1;
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_lead_somewhere_or_nowhere() {
        let record = json!({
            "customer": {"id": 7, "first name": "Ana", "a.b": {"c": true}, "none": null},
            "items": [{"sku": "s1"}, {"sku": "s2", "n": 2}],
            "params": [{"key": "currency", "value": "EUR"}, {"key": "n", "value": 3}],
        });
        for (path, expected) in [
            ("customer.id", json!(7)),
            ("customer.first name", json!("Ana")),
            (r#"customer."a.b".c"#, json!(true)),
            ("customer.none", Json::Null),
            ("customer.id.more", Json::Null),
            ("items[1].sku", json!("s2")),
            ("items[2].sku", Json::Null),
            ("items.sku", Json::Null),
            ("items[n=2].sku", json!("s2")),
            ("params[key=currency].value", json!("EUR")),
            ("params[key=\"n\"].value", json!(3)),
            ("params[key=x].value", Json::Null),
            ("$.items[0].sku", json!("s1")),
            ("customer[0]", Json::Null),
        ] {
            let found = Path::parse(path).unwrap();
            assert_eq!(
                found.of(&record).cloned().unwrap_or_default(),
                expected,
                "{path}"
            );
        }
        assert_eq!(Path::parse("$").unwrap().of(&record), Some(&record));
    }

    #[test]
    fn what_is_no_path_is_told_with_its_place() {
        for (path, place, message) in [
            ("", 0..0, "a field's name is missing here"),
            ("a..b", 2..3, "a field's name is missing here"),
            ("a.", 2..2, "a field's name is missing here"),
            (
                "a[x]",
                1..4,
                "brackets hold a number from 0, or `field=value`",
            ),
            (
                "a[-1]",
                1..5,
                "brackets hold a number from 0, or `field=value`",
            ),
            ("a[1", 1..3, "the bracket is not closed"),
            ("a[1]b", 4..5, "a `.` or a `[` is missing before this"),
            ("\"a", 1..2, "the quote is not closed"),
            ("a]", 1..2, "a `.` or a `[` is missing before this"),
            ("$a", 1..2, "a `.` or a `[` is missing before this"),
        ] {
            let error = Path::parse(path).unwrap_err();
            assert_eq!(
                (error.span, error.message.as_str()),
                (place, message),
                "{path}"
            );
        }
        assert!(Path::parse("a.".repeat(17).trim_end_matches('.')).is_err());
    }
}
