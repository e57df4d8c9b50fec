//! What programs write that is no JSON, though it is plain what it means: an order is not lost for that.
//!
//! - Half of a character, `\ud83d` alone: what cuts texts by UTF-16 units, as JavaScript does, leaves one half of an emoji. It is
//!   read as the replacement character (U+FFFD).
//! - Tabs and ends of lines within a text, as templates write them. They are read as what they are.
//! - `NaN` and `Infinity`, as Python writes numbers that are none. They are not known.

use super::Defect;
use crate::event::Text;
use crate::event::record::Reject;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A record without the mark of the order of its bytes, with which some programs begin a text.
#[must_use]
pub(super) fn unmarked(payload: &[u8]) -> &[u8] {
    payload.strip_prefix(BYTE_ORDER_MARK).unwrap_or(payload)
}

/// What is read of a record, where it can be once its slips are mended; of these the first.
///
/// # Errors
/// That it is no UTF-8, or as `read` says, of the record as it is where that has no slips.
pub(super) fn read<T>(
    payload: &[u8],
    read: impl Fn(&str) -> Result<T, Reject>,
) -> Result<(T, Option<Defect>), Reject> {
    let text =
        std::str::from_utf8(payload).map_err(|error| Reject::InvalidUtf8(error.valid_up_to()))?;
    read(text)
        .map(|it| (it, None))
        .or_else(|reject| match mended(text) {
            Some((mended, defect)) if matches!(reject, Reject::BadJson(_)) => {
                Ok((read(&mended)?, Some(defect)))
            }
            _ => Err(reject),
        })
}

/// The same record without its slips, and the first of them; none where there is none.
#[must_use]
fn mended(json: &str) -> Option<(String, Defect)> {
    let (mut mended, mut first) = (String::new(), None);
    let (mut copied, mut at, mut in_text) = (0, 0, false);
    while let Some(byte) = json.as_bytes().get(at) {
        let (length, instead) = match byte {
            b'"' => {
                in_text = !in_text;
                (1, None)
            }
            b'\\' if in_text => escape(json, at),
            b'\t' if in_text => (1, Some("\\t")),
            b'\n' if in_text => (1, Some("\\n")),
            b'\r' if in_text => (1, Some("\\r")),
            b'N' | b'I' | b'-' if !in_text => no_number(&json[at..]),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            first.get_or_insert(&json[at..at + length]);
            mended.push_str(&json[copied..at]);
            mended.push_str(instead);
            copied = at + length;
        }
        at += length;
    }
    mended.push_str(&json[copied..]);
    let defect = Defect {
        name: Text::const_new("record"),
        expected: "JSON",
        found: first?.into(),
    };
    Some((mended, defect))
}

/// How long an escape is, and what stands for it where it is half of a character.
fn escape(json: &str, at: usize) -> (usize, Option<&'static str>) {
    let is_second = |unit: u32| (0xDC00..0xE000).contains(&unit);
    match unit(json, at) {
        None => (2, None),
        Some(0xD800..0xDC00) if unit(json, at + 6).is_some_and(is_second) => (12, None),
        Some(0xD800..0xE000) => (6, Some("\\ufffd")),
        Some(_) => (6, None),
    }
}

/// The UTF-16 unit whose escape stands there.
fn unit(json: &str, at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u32::from_str_radix(digits, 16).ok()
}

fn no_number(rest: &str) -> (usize, Option<&'static str>) {
    let mut words = ["NaN", "Infinity", "-Infinity"].into_iter();
    let word = words.find(|word| rest.starts_with(word));
    word.map_or((1, None), |word| (word.len(), Some("null")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_mended_and_all_else_stays() {
        for (json, expected) in [
            (r#"{"a":"b","c":-1}"#, None),
            (r#""\ud83d\ude00""#, None),
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (
                r#""a\uDE00b\uD83D\ude00""#,
                Some(r#""a\ufffdb\uD83D\ude00""#),
            ),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\n\u00e9""#, Some(r#""\ufffd\n\u00e9""#)),
            // A backslash that is escaped itself begins no escape.
            (r#""\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\ud8"#, None),
            ("\"\\é\\ud83d\"", Some("\"\\é\\ufffd\"")),
            ("\"\\", None),
            (
                r#"{"a":NaN,"b":[-Infinity,Infinity]}"#,
                Some(r#"{"a":null,"b":[null,null]}"#),
            ),
            (r#"{"NaN":"NaN \" NaN"}"#, None),
            (
                "{\n\t\"a\": \"b\tc\r\n\"\n}",
                Some("{\n\t\"a\": \"b\\tc\\r\\n\"\n}"),
            ),
            ("-", None),
        ] {
            let found = mended(json);
            assert_eq!(found.map(|it| it.0).as_deref(), expected, "{json}");
        }
    }
}
