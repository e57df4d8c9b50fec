//! A value of ours out of a foreign record: where it is looked for, in order of preference, and how it is converted.

use std::borrow::Cow;

use serde_json::{Number, Value as Json};
use sha2::{Digest, Sha256};

use super::condition::Condition;
use super::path::Path;
use super::scalar::{is_text, number, text};
use super::scope::Scope;
use super::time::Format;
use crate::money::{Amount, Currency};

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Place {
    /// A field of the record, or of the item of a list that is being read.
    Field(Path),
    /// A Kafka header.
    Header(String),
    /// An attribute of the CloudEvent that the record was in.
    CloudEvent(String),
    /// The Kafka key, as text.
    Key,
    /// Always the same.
    Constant(Json),
    /// Several texts with hyphens between them; nothing where one of them is not known.
    Join(Vec<Place>),
    /// What a function makes of the text that stands elsewhere: `lower(customer.email)`.
    Made(Function, Box<Place>),
    /// The sum of a field of those items of a list of which this is so; nothing where there is no list.
    Sum {
        /// Where the list stands.
        list: Path,
        /// In each item: the number.
        of: Path,
        /// All of it holds, of an item that counts.
        when: Vec<Condition>,
    },
}

/// What makes one text of another: ids are written in many ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// In lower case.
    Lower,
    /// Without blanks around it.
    Trim,
    /// The SHA-256 hash, in 64 hexadecimal digits.
    Hash,
}

impl Function {
    /// The words for them, in the order of the variants.
    pub const WORDS: [&str; 3] = ["lower", "trim", "hash"];

    /// The function of a word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "lower" => Self::Lower,
            "trim" => Self::Trim,
            "hash" => Self::Hash,
            _ => return None,
        })
    }

    fn of(self, text: &str) -> String {
        match self {
            Self::Lower => text.to_lowercase(),
            Self::Trim => text.trim().to_owned(),
            Self::Hash => {
                let digest = Sha256::digest(text.as_bytes());
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

/// What is done to a value that was found.
#[derive(Clone, Debug, Default)]
pub enum Convert {
    /// Nothing: our own types read it.
    #[default]
    Nothing,
    /// A number is divided: cents to euros, ms to seconds.
    Divide(f64),
    /// A number is multiplied: minutes to seconds.
    Multiply(f64),
    /// A number is in the smallest unit of the currency whose code stands there: cents of euros, yens themselves.
    MinorUnits(Path),
    /// A decimal comma, points or spaces between thousands: `1.234,50`.
    DecimalComma,
    /// A time that is written in one of these ways; the first that reads it counts.
    Time(Vec<Format>),
    /// One value for another; what the table does not have is not known.
    Table(Vec<(String, Json)>),
}

/// A value: the first of its places where something is known, converted; else its default.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// In order of preference.
    pub places: Vec<Place>,
    /// What is done to what is found.
    pub convert: Convert,
    /// Where nothing is found.
    pub default: Option<Json>,
}

/// What was found and is not what the conversion takes.
#[derive(Debug, PartialEq)]
pub struct Unreadable(pub String);

impl Value {
    /// What is found; `None` where nothing is known.
    ///
    /// # Errors
    /// What was found instead.
    pub fn of<'r>(&'r self, scope: &Scope<'r>) -> Result<Option<Cow<'r, Json>>, Unreadable> {
        let found = self.places.iter().find_map(|place| place.of(scope));
        let converted = match found {
            Some(found) => self.convert.apply(found, scope)?,
            None => None,
        };
        Ok(converted.or_else(|| self.default.as_ref().map(Cow::Borrowed)))
    }

    /// The same of what must not be passed over because it is not understood: what stands there, where a table does not have it and
    /// there is no default.
    ///
    /// # Errors
    /// As [`Value::of`].
    pub fn or_as_it_is<'r>(
        &'r self,
        scope: &Scope<'r>,
    ) -> Result<Option<Cow<'r, Json>>, Unreadable> {
        Ok(match self.of(scope)? {
            Some(found) => Some(found),
            None => self.places.iter().find_map(|place| place.of(scope)),
        })
    }
}

impl Place {
    fn of<'r>(&'r self, scope: &Scope<'r>) -> Option<Cow<'r, Json>> {
        let said = |text: &str| (!text.is_empty()).then(|| Cow::Owned(Json::from(text)));
        match self {
            Self::Field(path) => scope.find(path).map(Cow::Borrowed),
            Self::Header(name) => scope.origin.header(name).and_then(said),
            Self::CloudEvent(name) => scope.origin.cloud_event?.get(name).and_then(said),
            Self::Key => std::str::from_utf8(scope.origin.key?).ok().and_then(said),
            Self::Constant(value) => Some(Cow::Borrowed(value)),
            Self::Join(parts) => {
                let parts = parts
                    .iter()
                    .map(|part| text(&*part.of(scope)?).map(Cow::into_owned));
                let parts: Option<Vec<String>> = parts.collect();
                Some(Cow::Owned(Json::from(parts?.join("-"))))
            }
            Self::Sum { list, of, when } => {
                let items = list.of(scope.item)?.as_array()?.iter();
                let scopes = items.map(|item| Scope { item, ..*scope });
                let counted = scopes.filter(|it| when.iter().all(|condition| condition.holds(it)));
                let amounts = counted.filter_map(|it| number(it.find(of)?).map(Amount::of));
                let sum = amounts.fold(Amount::ZERO, |sum, amount| sum + amount);
                Some(Cow::Owned(Json::from(sum.number())))
            }
            Self::Made(function, of) => {
                let found = of.of(scope)?;
                said(&function.of(&text(&found)?))
            }
        }
    }
}

impl Convert {
    fn apply<'r>(
        &'r self,
        found: Cow<'r, Json>,
        scope: &Scope<'r>,
    ) -> Result<Option<Cow<'r, Json>>, Unreadable> {
        let unreadable = || Unreadable(described(&found));
        let numeric = |number: Option<f64>| {
            let number = number.and_then(Number::from_f64).ok_or_else(unreadable)?;
            Ok(Some(Cow::Owned(Json::Number(number))))
        };
        match self {
            Self::Nothing => Ok(Some(found)),
            Self::Divide(by) => numeric(number(&found).map(|number| number / by)),
            Self::Multiply(by) => numeric(number(&found).map(|number| number * by)),
            Self::MinorUnits(of) => {
                let code = scope.find(of).and_then(text);
                let Some(currency) = code.and_then(|code| Currency::read(&code)) else {
                    let amount = described(&found);
                    return Err(Unreadable(format!("{amount} of no known currency")));
                };
                let unit = 10f64.powi(i32::try_from(currency.places()).unwrap_or_default());
                numeric(number(&found).map(|number| number / unit))
            }
            Self::DecimalComma => numeric(match &*found {
                Json::String(text) => decimal_comma(text),
                other => number(other),
            }),
            Self::Time(formats) => match formats.iter().find_map(|format| format.read(&found)) {
                Some(time) => Ok(Some(Cow::Owned(Json::from(time.0)))),
                None => Err(unreadable()),
            },
            Self::Table(rows) => {
                let row = rows.iter().find(|(key, _)| is_text(&found, key));
                Ok(row.map(|(_, value)| Cow::Borrowed(value)))
            }
        }
    }
}

/// A point that is not between thousands is a decimal point: read as if it were, `12.50` would be 1250.
fn decimal_comma(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once(',').unwrap_or((unsigned, ""));
    let groups: Vec<_> = whole
        .split(|c: char| c == '.' || c.is_whitespace())
        .collect();
    let are_thousands = match groups.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => {
            (1..=3).contains(&first.len())
                && !first.starts_with('0')
                && rest.iter().all(|group| group.len() == 3)
        }
        _ => true,
    };
    let digits = groups.concat();
    let is_number =
        are_thousands && (digits.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit());
    let number: f64 = format!("{digits}.{fraction}").parse().ok()?;
    is_number.then_some(if text.starts_with('-') {
        -number
    } else {
        number
    })
}

/// What a value is, for messages.
pub fn described(value: &Json) -> String {
    match value {
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        scalar => {
            let text = text(scalar).unwrap_or(Cow::Borrowed("null"));
            format!("`{}`", &text[..text.floor_char_boundary(40)])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::record::Origin;
    use serde_json::json;

    fn read(value: &Value, record: &Json) -> Result<Json, Unreadable> {
        let headers = [("X-topic".to_owned(), Some(b"orders/create".to_vec()))];
        let origin = Origin {
            key: Some(b"ana"),
            headers: &headers,
            ..Origin::default()
        };
        let scope = Scope {
            record,
            item: &record["item"],
            origin: &origin,
            null_values: &["(not set)".to_owned()],
        };
        value
            .of(&scope)
            .map(|found| found.map_or(Json::Null, Cow::into_owned))
    }

    fn field(path: &str) -> Place {
        Place::Field(Path::parse(path).unwrap())
    }

    fn made(function: Function, of: Place) -> Place {
        Place::Made(function, Box::new(of))
    }

    fn times(words: &[&str]) -> Convert {
        let formats = words.iter().map(|word| Format::named(word).unwrap());
        Convert::Time(formats.collect())
    }

    #[test]
    fn a_value_is_looked_for_in_order() {
        let record = json!({"id": 7, "mail": " Ana@Example.com ", "blank": "  ", "empty": "", "unset": "(not set)", "item": {"id": 8, "big": 9_007_199_254_740_993_i64}});
        let of = |places: Vec<Place>| Value {
            places,
            convert: Convert::Nothing,
            default: None,
        };
        for (places, expected) in [
            (vec![field("id")], json!(8)),
            (vec![field("$.id")], json!(7)),
            (
                vec![
                    field("$.empty"),
                    field("$.unset"),
                    field("none"),
                    field("$.id"),
                ],
                json!(7),
            ),
            (
                vec![Place::Header("x-Topic".to_owned())],
                json!("orders/create"),
            ),
            (
                vec![Place::Header("x".to_owned()), Place::Key],
                json!("ana"),
            ),
            (vec![Place::CloudEvent("type".to_owned())], Json::Null),
            (
                vec![made(Function::Lower, made(Function::Trim, field("$.mail")))],
                json!("ana@example.com"),
            ),
            (
                vec![made(Function::Hash, field("$.id"))],
                json!("7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451"),
            ),
            (vec![made(Function::Hash, field("none"))], Json::Null),
            (
                vec![made(Function::Trim, field("$.blank")), field("$.id")],
                json!(7),
            ),
            (vec![Place::Constant(json!(true))], json!(true)),
            (
                vec![Place::Join(vec![Place::Key, field("big")])],
                json!("ana-9007199254740993"),
            ),
            (
                vec![Place::Join(vec![Place::Key, field("none")])],
                Json::Null,
            ),
            (vec![], Json::Null),
        ] {
            let value = of(places);
            assert_eq!(read(&value, &record), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn a_value_is_converted() {
        let table = Convert::Table(vec![
            ("subscribed".to_owned(), json!(true)),
            ("1".to_owned(), json!("one")),
        ]);
        for (convert, found, expected) in [
            (Convert::Divide(100.0), json!(1999), Ok(json!(19.99))),
            (Convert::Divide(100.0), json!("1999"), Ok(json!(19.99))),
            (Convert::Divide(100.0), json!("free"), Err("`free`")),
            (Convert::Divide(100.0), json!([1]), Err("a list")),
            (Convert::Multiply(60.0), json!(1.5), Ok(json!(90.0))),
            (Convert::DecimalComma, json!("1.234,50"), Ok(json!(1234.5))),
            (Convert::DecimalComma, json!("12"), Ok(json!(12.0))),
            (Convert::DecimalComma, json!(12.5), Ok(json!(12.5))),
            (
                Convert::DecimalComma,
                json!("-1\u{202f}234\u{a0}567,5"),
                Ok(json!(-1_234_567.5)),
            ),
            (Convert::DecimalComma, json!("1.234"), Ok(json!(1234.0))),
            (Convert::DecimalComma, json!(",5"), Ok(json!(0.5))),
            (Convert::DecimalComma, json!("1,2,3"), Err("`1,2,3`")),
            (Convert::DecimalComma, json!("12.50"), Err("`12.50`")),
            (Convert::DecimalComma, json!("0.125"), Err("`0.125`")),
            (Convert::DecimalComma, json!("1,234.50"), Err("`1,234.50`")),
            (Convert::DecimalComma, json!("1.2.3,4"), Err("`1.2.3,4`")),
            (Convert::DecimalComma, json!("1234.567"), Err("`1234.567`")),
            (Convert::DecimalComma, json!("-1..234"), Err("`-1..234`")),
            (Convert::DecimalComma, json!("1e3"), Err("`1e3`")),
            (Convert::DecimalComma, json!("€ 3,50"), Err("`€ 3,50`")),
            (Convert::DecimalComma, json!(","), Err("`,`")),
            (table.clone(), json!("subscribed"), Ok(json!(true))),
            (table.clone(), json!(1), Ok(json!("one"))),
            (table, json!("pending"), Ok(json!("default"))),
            (
                times(&["rfc3339", "s"]),
                json!("1970-01-01T00:00:01Z"),
                Ok(json!(1000)),
            ),
            (times(&["rfc3339", "s"]), json!("2"), Ok(json!(2000))),
            (times(&["s", "ms"]), json!(2), Ok(json!(2000))),
            (times(&["rfc3339", "s"]), json!("x"), Err("`x`")),
            (Convert::Divide(2.0), Json::Null, Ok(json!("default"))),
        ] {
            let value = Value {
                places: vec![field("v")],
                convert,
                default: Some(json!("default")),
            };
            let got = read(&value, &json!({"item": {"v": found}}));
            assert_eq!(
                got,
                expected.map_err(|text| Unreadable(text.to_owned())),
                "{value:?}"
            );
        }
    }
}
