//! What a schema registry answers, made sense of: its own word is told from everything else that may go wrong.
//!
//! What must stay true: only the registry's own word, a code of 404xx, means that there is no such thing, and only its own word,
//! a 409 or a 422, that it refuses one. Whatever else goes wrong, a proxy's 404 included, is a registry that cannot be reached.
//! What it gives and nobody can use is refused too, so that no record waits for what never comes.

use std::ops::RangeInclusive;

use apache_avro::Schema;
use serde::Deserialize;
use ureq::http::StatusCode;

use super::error::RegistryError;
use crate::avro::cost;
use crate::avro::writer::SCHEMA_BYTES;

/// Confluent's codes of a subject, a version and a schema that is not there.
const NOT_FOUND: RangeInclusive<u32> = 40401..=40403;
/// Schemas that a schema refers to, each of which may refer to more.
const REFERENCES: usize = 64;

/// What the registry says of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A schema, what it refers to filled in.
    Schema(String),
    /// There is one that is no use, for this reason.
    Refused(String),
    /// There is none.
    Unknown,
}

/// Why there is no answer of the kind that was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such thing, by the registry's own word.
    NotFound,
    /// Asking again gives the same.
    Refused(String),
    /// Asking again may help.
    Error(RegistryError),
}

/// A schema as the registry gives it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Found {
    schema: String,
    #[serde(default, rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct Problem {
    error_code: u32,
    #[serde(default)]
    message: String,
}

/// What an answer says.
pub(super) fn judged<T: for<'de> Deserialize<'de>>(
    url: String,
    status: StatusCode,
    body: &[u8],
) -> Result<T, Failure> {
    if status.is_success()
        && let Ok(answer) = serde_json::from_slice(body)
    {
        return Ok(answer);
    }
    let detail = match (serde_json::from_slice::<Problem>(body), status) {
        (Ok(problem), StatusCode::NOT_FOUND) if NOT_FOUND.contains(&problem.error_code) => {
            return Err(Failure::NotFound);
        }
        (Ok(problem), StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) => {
            let status = status.as_u16();
            return Err(Failure::Refused(format!(
                "the schema registry answers {status}: {}",
                problem.message
            )));
        }
        (Ok(problem), _) => format!(": {}", problem.message),
        (Err(_), status) if status.is_success() => {
            ", but nothing that a schema registry says".to_owned()
        }
        (Err(_), _) => String::new(),
    };
    Err(Failure::Error(RegistryError::Answer {
        url,
        status: status.as_u16(),
        detail,
    }))
}

/// Looks a schema up, and what it refers to. `ask` asks for the schema at a path.
pub(super) fn lookup(
    path: &str,
    ask: &impl Fn(&str) -> Result<Found, Failure>,
) -> Result<Lookup, RegistryError> {
    match ask(path).and_then(|found| whole(found, ask)) {
        Ok(text) => Ok(Lookup::Schema(text)),
        Err(Failure::Refused(reason)) => Ok(Lookup::Refused(reason)),
        Err(Failure::NotFound) => Ok(Lookup::Unknown),
        Err(Failure::Error(error)) => Err(error),
    }
}

/// A schema with what it refers to, in one text.
fn whole(found: Found, ask: &impl Fn(&str) -> Result<Found, Failure>) -> Result<String, Failure> {
    if let Some(kind) = found.kind.filter(|kind| kind != "AVRO") {
        return Err(Failure::Refused(format!(
            "it is of type {kind}; expected AVRO"
        )));
    }
    if found.references.is_empty() {
        return Ok(found.schema);
    }
    let mut texts = Vec::new();
    gather(&found.references, &mut Vec::new(), &mut texts, ask)?;
    texts.push(found.schema);
    inlined(&texts).map_err(|error| {
        Failure::Refused(format!("what it refers to cannot be filled in: {error}"))
    })
}

/// The texts of what is referred to, what they refer to first.
fn gather(
    references: &[Reference],
    seen: &mut Vec<String>,
    texts: &mut Vec<String>,
    ask: &impl Fn(&str) -> Result<Found, Failure>,
) -> Result<(), Failure> {
    for reference in references {
        if seen.contains(&reference.name) || seen.len() >= REFERENCES {
            continue;
        }
        seen.push(reference.name.clone());
        let Reference {
            name,
            subject,
            version,
        } = reference;
        let path = format!("/subjects/{}/versions/{version}", encoded(subject));
        let found = ask(&path).map_err(|failure| match failure {
            Failure::NotFound => Failure::Refused(format!(
                "it refers to `{name}`, and the registry has no version {version} of `{subject}`"
            )),
            other => other,
        })?;
        gather(&found.references, seen, texts, ask)?;
        texts.push(found.schema);
    }
    Ok(())
}

/// The last schema of several, each name in it filled in where it is first used.
fn inlined(texts: &[String]) -> Result<String, String> {
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > SCHEMA_BYTES {
        return Err(format!(
            "together they have {bytes} bytes, more than {SCHEMA_BYTES}"
        ));
    }
    let parsed = Schema::parse_list(texts).map_err(|error| error.to_string())?;
    // Filling in goes as deep as they do.
    cost::check(&parsed)?;
    let (last, references) = parsed.split_last().ok_or("no schema")?;
    let mut whole = last.clone();
    whole
        .denormalize(references)
        .map_err(|error| error.to_string())?;
    serde_json::to_string(&whole).map_err(|error| error.to_string())
}

/// A subject as part of a path.
pub(super) fn encoded(subject: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What a failure is, in a line.
    fn shown(failure: Failure) -> String {
        match failure {
            Failure::NotFound => "not found".to_owned(),
            Failure::Refused(reason) => format!("refused: {reason}"),
            Failure::Error(error) => format!("down: {error}"),
        }
    }

    #[test]
    fn only_the_registrys_own_word_counts() {
        let code = |code: u32| json!({"error_code": code, "message": "Because"}).to_string();
        let table = [
            (200, r#"{"schema": "\"int\""}"#.to_owned(), "\"int\""),
            (404, code(40401), "not found"),
            (404, code(40402), "not found"),
            (404, code(40403), "not found"),
            (
                409,
                code(409),
                "refused: the schema registry answers 409: Because",
            ),
            (
                422,
                code(42201),
                "refused: the schema registry answers 422: Because",
            ),
            (
                404,
                code(404),
                "down: the schema registry at u answers 404: Because",
            ),
            (
                404,
                "nginx".to_owned(),
                "down: the schema registry at u answers 404",
            ),
            (
                409,
                "nginx".to_owned(),
                "down: the schema registry at u answers 409",
            ),
            (
                401,
                code(40101),
                "down: the schema registry at u answers 401: Because",
            ),
            (
                403,
                String::new(),
                "down: the schema registry at u answers 403",
            ),
            (
                429,
                String::new(),
                "down: the schema registry at u answers 429",
            ),
            (
                500,
                code(50001),
                "down: the schema registry at u answers 500: Because",
            ),
            (
                200,
                "<html>".to_owned(),
                "down: the schema registry at u answers 200, but nothing that a schema registry says",
            ),
        ];
        for (status, body, expected) in table {
            let status = StatusCode::from_u16(status).unwrap();
            let judged = judged::<Found>("u".to_owned(), status, body.as_bytes());
            let judged = judged.map_or_else(shown, |found| found.schema);
            assert_eq!(judged, expected, "{status} {body}");
        }
    }

    /// Looks `/it` up in a registry that has these answers.
    fn looked_up(answers: &[(&str, Value)]) -> Lookup {
        let ask = |path: &str| match answers.iter().find(|(known, _)| *known == path) {
            Some((_, found)) => Ok(serde_json::from_value(found.clone()).unwrap()),
            None => Err(Failure::NotFound),
        };
        lookup("/it", &ask).unwrap()
    }

    /// A record with one field, as the text of a schema.
    fn record(name: &str, field: &Value) -> String {
        json!({"type": "record", "name": name, "fields": [{"name": "a", "type": field}]})
            .to_string()
    }

    #[test]
    fn what_is_of_no_use_is_refused_with_the_reason() {
        let refers = |name: &str, text: String| {
            let reference = json!({"name": name, "subject": format!("s {name}"), "version": 2});
            json!({"schema": text, "references": [reference]})
        };
        let cart = refers("Extra", record("Cart", &json!("Extra")));
        let extra = |schema: String| ("/subjects/s%20Extra/versions/2", json!({"schema": schema}));
        let refused = |answers: &[(&str, Value)]| match looked_up(answers) {
            Lookup::Refused(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(looked_up(&[]), Lookup::Unknown);
        for kind in ["JSON", "PROTOBUF"] {
            let found = json!({"schema": "{}", "schemaType": kind});
            let expected = format!("it is of type {kind}; expected AVRO");
            assert_eq!(refused(&[("/it", found)]), expected);
        }
        assert_eq!(
            refused(&[("/it", cart.clone())]),
            "it refers to `Extra`, and the registry has no version 2 of `s Extra`"
        );
        for (schema, expected) in [
            ("{".to_owned(), "cannot be filled in: Failed to parse"),
            (record("Other", &json!("int")), "cannot be filled in: "),
            (" ".repeat(SCHEMA_BYTES), "more than 1048576"),
            (
                record(
                    "Extra",
                    &json!({"type": "fixed", "name": "F", "size": 1_u64 << 40}),
                ),
                "`F` has 1099511627776 bytes",
            ),
        ] {
            let reason = refused(&[("/it", cart.clone()), extra(schema)]);
            assert!(reason.contains(expected), "{reason}");
        }
        let Lookup::Schema(text) =
            looked_up(&[("/it", cart.clone()), extra(record("Extra", &json!("int")))])
        else {
            panic!("it can be filled in")
        };
        let text: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text["fields"][0]["type"]["fields"][0]["type"], "int");
    }
}
