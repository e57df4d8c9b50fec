//! CloudEvents 1.0 around an event, as the Kafka protocol binding has them.
//!
//! *Structured*: the value is an envelope of JSON, by its `content-type` header, or because it has `specversion`. *Binary*: the
//! value is the data, and the attributes are headers named `ce_...`. What the envelope carries is read as any other record;
//! where that says no id, time or customer, the attributes `source` and `id`, `time` and `subject` stand in.
//!
//! Deliberately absent: batches, which do not fit one customer a record, and envelopes in Avro or Protobuf.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Key, Scalar};
use crate::event::record::{Attributes, Origin, Reject};

/// The content type of an envelope in JSON.
pub const STRUCTURED_JSON: &str = "application/cloudevents+json";
/// What a header of the binary mode begins with.
pub const HEADER_PREFIX: &str = "ce_";

/// How a record says that it is a CloudEvent.
#[derive(Debug)]
pub(super) enum Declared<'a> {
    /// It does not.
    Nothing,
    /// Its value is the data.
    Binary(Attributes<'a>),
    /// Its value is the envelope.
    Structured,
}

/// What the headers of a record declare.
pub(super) fn declared<'a>(origin: &Origin<'a>) -> Result<Declared<'a>, Reject> {
    if origin.headers.is_empty() || origin.cloud_event.is_some() {
        return Ok(Declared::Nothing);
    }
    let content_type = origin.header("content-type").unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    if content_type.eq_ignore_ascii_case(STRUCTURED_JSON) {
        return Ok(Declared::Structured);
    }
    let prefix = content_type.get(.."application/cloudevents".len());
    if prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case("application/cloudevents")) {
        return Err(Reject::CloudEvent(format!(
            "its content type is `{content_type}`; expected {STRUCTURED_JSON}, or the binary mode"
        )));
    }
    if origin.header("ce_specversion").is_none() {
        return Ok(Declared::Nothing);
    }
    let attributes = origin.headers.iter().filter_map(|(name, value)| {
        let (prefix, name) = name.split_at_checked(HEADER_PREFIX.len())?;
        let value = std::str::from_utf8(value.as_deref()?).ok()?;
        // A gateway may have changed their case; the names of attributes have none.
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let is_attribute = prefix.eq_ignore_ascii_case(HEADER_PREFIX);
        is_attribute.then_some((name, Cow::Borrowed(value)))
    });
    let attributes = Attributes(attributes.collect());
    attributes.check_version()?;
    Ok(Declared::Binary(attributes))
}

/// Whether this may be an envelope with data in base64; opening it tells.
pub(super) fn may_have_bytes(payload: &[u8]) -> bool {
    payload.trim_ascii_start().starts_with(b"{")
        && std::str::from_utf8(payload).is_ok_and(|text| text.contains("data_base64"))
}

/// Opens an envelope: its attributes, and the bytes of its data.
pub(super) fn open(envelope: &[u8]) -> Result<(Attributes<'_>, Cow<'_, [u8]>), Reject> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(envelope).map_err(|error| Reject::BadJson(error.to_string()))?;
    envelope.attributes.check_version()?;
    let data = match (envelope.data, envelope.data_base64) {
        (Some(data), None) => Cow::Borrowed(data.get().as_bytes()),
        (None, Some(encoded)) => base64::engine::general_purpose::STANDARD
            .decode(encoded.as_bytes())
            .map(Cow::Owned)
            .map_err(|error| Reject::CloudEvent(format!("`data_base64`: {error}")))?,
        (None, None) => return Err(Reject::CloudEvent("it has no `data`".to_owned())),
        (Some(_), Some(_)) => {
            let both = "it has both `data` and `data_base64`";
            return Err(Reject::CloudEvent(both.to_owned()));
        }
    };
    Ok((envelope.attributes, data))
}

#[derive(Default)]
struct Envelope<'de> {
    attributes: Attributes<'de>,
    data: Option<&'de RawValue>,
    data_base64: Option<Cow<'de, str>>,
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Key(name)) = map.next_key()? {
            if name == "data" {
                let data: &RawValue = map.next_value()?;
                envelope.data = Some(data).filter(|data| data.get() != "null");
                continue;
            }
            let value = match map.next_value()? {
                Scalar::Text(value) => value,
                // Whole numbers and truth values, as a header would have them.
                other => match other.text() {
                    Some(value) => Cow::Owned(value.into()),
                    None => continue,
                },
            };
            if name == "data_base64" {
                envelope.data_base64 = Some(value);
            } else {
                envelope.attributes.0.push((name, value));
            }
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoded, Decoder};
    use super::*;
    use crate::event::limits;
    use crate::event::record::Header;
    use std::sync::Arc;

    const DATA: &str =
        r#"{"event":"Order Completed","properties":{"order_id":"o1","total":"39.95"}}"#;

    fn decode(value: &str, headers: &[(&str, &str)]) -> Result<Decoded, Reject> {
        let header = |(name, value): &(&str, &str)| -> Header {
            ((*name).to_owned(), Some((*value).into()))
        };
        let headers: Vec<Header> = headers.iter().map(header).collect();
        let origin = Origin {
            topic: "purchase",
            headers: &headers,
            ..Origin::default()
        };
        Decoder::new(Arc::default(), Arc::default()).decode(value.as_bytes(), &origin)
    }

    fn envelope(rest: &str) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"e1","source":"/shop","type":"order","subject":"ana","time":"2026-03-02T10:00:00Z","level":3,{rest}}}"#
        )
    }

    fn shown(decoded: Result<Decoded, Reject>) -> String {
        match decoded {
            Ok(Decoded { event, defects, .. }) => {
                assert_eq!(defects, []);
                format!("{} {} {}", event.customer, event.id, event.time)
            }
            Err(reject) => format!("{}: {reject}", reject.word()),
        }
    }

    #[test]
    fn an_envelope_is_opened() {
        let json = [(
            "content-type",
            "application/cloudevents+json; charset=UTF-8",
        )];
        let encoded = base64::engine::general_purpose::STANDARD.encode(DATA);
        let own = r#"{"event":"Order Completed","userId":"bea","messageId":"m1","timestamp":"2026-03-02T11:00:00Z"}"#;
        let whole = "ana /shop e1 2026-03-02T10:00:00.000Z";
        for (value, headers, expected) in [
            (envelope(&format!(r#""data":{DATA}"#)), &json[..], whole),
            (envelope(&format!(r#""data":{DATA}"#)), &[], whole),
            (
                envelope(&format!(r#""data_base64":"{encoded}""#)),
                &json[..],
                whole,
            ),
            // What the data says itself counts.
            (
                envelope(&format!(r#""data":{own}"#)),
                &[],
                "bea m1 2026-03-02T11:00:00.000Z",
            ),
            (
                envelope(r#""data":null"#),
                &json[..],
                "cloud_event: the CloudEvent cannot be read: it has no `data`",
            ),
            (
                envelope(r#""data_base64":"?""#),
                &json[..],
                "cloud_event: the CloudEvent cannot be read: `data_base64`: Invalid symbol 63, offset 0.",
            ),
            (
                r#"{"specversion":"0.3","data":{}}"#.to_owned(),
                &[],
                "cloud_event: the CloudEvent cannot be read: `specversion` is `0.3`; expected 1.0",
            ),
            (
                DATA.to_owned(),
                &json[..],
                "cloud_event: the CloudEvent cannot be read: `specversion` is missing; expected 1.0",
            ),
            // One in another is not opened twice: what is inside is no event.
            (
                envelope(&format!(r#""data":{}"#, envelope(r#""data":{}"#))),
                &[],
                "unknown_type: `type` is `order`; expected track, identify, alias, page or screen",
            ),
        ] {
            assert_eq!(shown(decode(&value, headers)), expected, "{value}");
        }
    }

    #[test]
    fn an_id_is_one_within_its_source() {
        let id = |source: &str, id: &str| {
            let head = [
                ("ce_specversion", "1.0"),
                ("ce_source", source),
                ("ce_id", id),
                ("ce_subject", "ana"),
                ("ce_time", "2026-03-02T10:00:00Z"),
            ];
            let event = decode(DATA, &head).unwrap().event;
            assert!(event.has_message_id && event.id.len() <= limits::ID_BYTES);
            event.id
        };
        assert_eq!(id("/shop", "1"), "/shop 1");
        assert_eq!(id("", "1"), "1");
        let long = "s".repeat(255);
        assert_ne!(id("/shop", &long), id("/till", &long));
        assert_eq!(id("/shop", &long), id("/shop", &long));
    }

    #[test]
    fn attributes_may_be_numbers_and_truth_values() {
        let envelope = envelope(r#""customerid":42,"replay":false,"none":null,"data":{}"#);
        let (attributes, _) = open(envelope.as_bytes()).unwrap();
        for (name, expected) in [
            ("customerid", Some("42")),
            ("replay", Some("false")),
            ("none", None),
            ("level", Some("3")),
        ] {
            assert_eq!(attributes.get(name), expected, "{name}");
        }
    }

    #[test]
    fn headers_are_attributes() {
        let binary = [
            ("ce_specversion", "1.0"),
            ("ce_id", "e1"),
            ("ce_source", "/shop"),
            ("ce_time", "2026-03-02T10:00:00+01:00"),
            ("ce_subject", "ana"),
            ("content-type", "application/json"),
        ];
        let decoded = decode(DATA, &binary);
        assert_eq!(shown(decoded), "ana /shop e1 2026-03-02T09:00:00.000Z");
        let capitals = binary.map(|(name, value)| (name.to_uppercase(), value));
        let capitals = capitals
            .each_ref()
            .map(|(name, value)| (name.as_str(), *value));
        assert_eq!(shown(decode(DATA, &capitals)), shown(decode(DATA, &binary)));
        for (headers, expected) in [
            (&binary[..5], "ana /shop e1 2026-03-02T09:00:00.000Z"),
            (
                &binary[..4],
                "no_customer: neither `userId` nor `anonymousId` is given",
            ),
            (
                &binary[1..],
                "no_customer: neither `userId` nor `anonymousId` is given",
            ),
            (
                &[("ce_specversion", "2.0")][..],
                "cloud_event: the CloudEvent cannot be read: `specversion` is `2.0`; expected 1.0",
            ),
            (
                &[("content-type", "application/cloudevents-batch+json")][..],
                "cloud_event: the CloudEvent cannot be read: its content type is `application/cloudevents-batch+json`; \
                 expected application/cloudevents+json, or the binary mode",
            ),
        ] {
            assert_eq!(shown(decode(DATA, headers)), expected, "{headers:?}");
        }
    }
}
