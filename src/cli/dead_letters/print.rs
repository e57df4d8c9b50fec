//! Dead letters in words and as JSON.

use std::fmt::Write as _;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::admin::dead_letters::Letter;
use crate::task::transaction::ERROR_HEADERS;

/// Bytes of a value that are printed where it is no text.
const HEX_BYTES: usize = 1024;

/// One line.
pub(super) fn line(letter: &Letter) -> String {
    let error = |name| letter.error(name).unwrap_or("-");
    let replayed = if letter.replayed { " (sent again)" } else { "" };
    format!(
        "{}  {}  {}/{}/{}  {} {}: {}{replayed}",
        letter.address,
        letter.record.appended,
        error("topic"),
        error("partition"),
        error("offset"),
        error("stage"),
        error("exception.class.name"),
        error("exception.message"),
    )
}

/// Everything, in words.
pub(super) fn described(letter: &Letter) -> String {
    let error = |name| letter.error(name).unwrap_or("-");
    let mut text = format!(
        "letter     {}{}\nset aside  {}\ncame from  {}, partition {}, offset {}\nrefused    at {}, {}: {}\nkey        {}\n",
        letter.address,
        if letter.replayed { ", sent again" } else { "" },
        letter.record.appended,
        error("topic"),
        error("partition"),
        error("offset"),
        error("stage"),
        error("exception.class.name"),
        error("exception.message"),
        bytes(letter.record.key.as_deref()),
    );
    for (name, value) in &letter.record.headers {
        // Those of the error are said above.
        if !name.starts_with(ERROR_HEADERS) {
            let _ = writeln!(text, "header     {name}: {}", bytes(value.as_deref()));
        }
    }
    let size = letter.record.value.as_ref().map_or(0, Vec::len);
    let _ = writeln!(
        text,
        "value      {size} bytes\n{}",
        bytes(letter.record.value.as_deref())
    );
    text
}

/// As text, or where it is none in hexadecimal.
fn bytes(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else {
        return "none".to_owned();
    };
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut hex = String::new();
    for line in bytes[..bytes.len().min(HEX_BYTES)].chunks(32) {
        for byte in line {
            let _ = write!(hex, "{byte:02x}");
        }
        hex.push('\n');
    }
    if bytes.len() > HEX_BYTES {
        let _ = write!(
            hex,
            "... {} more bytes; --format json has all",
            bytes.len() - HEX_BYTES
        );
    }
    hex.trim_end().to_owned()
}

/// One JSON object: what is no text is in base64 under a name that says so.
pub(super) fn shown(letter: &Letter) -> Value {
    let mut object = json!({
        "letter": letter.address.to_string(),
        "set_aside": letter.record.appended.to_string(),
        "replayed": letter.replayed,
        "error": {
            "topic": letter.error("topic"),
            "partition": letter.error("partition").and_then(|it| it.parse::<i32>().ok()),
            "offset": letter.error("offset").and_then(|it| it.parse::<i64>().ok()),
            "stage": letter.error("stage"),
            "reason": letter.error("exception.class.name"),
            "message": letter.error("exception.message"),
        },
    });
    put(&mut object, "key", letter.record.key.as_deref());
    put(&mut object, "value", letter.record.value.as_deref());
    let headers = letter.record.headers.iter().map(|(name, value)| {
        let mut header = json!({"name": name});
        put(&mut header, "value", value.as_deref());
        header
    });
    object["headers"] = headers.collect();
    object
}

fn put(object: &mut Value, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => object[name] = Value::Null,
        Some((Ok(text), _)) => object[name] = json!(text),
        Some((Err(_), bytes)) => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            object[format!("{name}_base64")] = json!(encoded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_shown_all_the_same() {
        assert_eq!(bytes(Some(b"{}")), "{}");
        assert_eq!(bytes(Some(b"\xff\x00")), "ff00");
        assert_eq!(bytes(None), "none");
        let mut object = json!({});
        put(&mut object, "value", Some(b"\xff"));
        assert_eq!(object, json!({"value_base64": "/w=="}));
    }
}
