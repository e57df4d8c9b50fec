//! Treatments and decisions as CloudEvents 1.0, by the Kafka protocol binding.
//!
//! *Binary*: the value is what it always is, JSON or Avro, the attributes are headers. *Structured*: the value is an envelope in
//! JSON, with what it always is, JSON, under `data`. The id is the command's, which is derived, so that a record that is made again is the same event;
//! decision and treatment of one moment share it, and differ in their source.

use serde::{Serialize, Serializer};

use crate::decode::cloud_events::{HEADER_PREFIX, STRUCTURED_JSON};
use crate::event::Text;
use crate::event::record::SPEC_VERSION;
use crate::event::record::{Header, TRACEPARENT};
use crate::treatment::{Decision, Order, Outcome, command_id, json};

/// How what goes out is wrapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Not at all.
    #[default]
    Plain,
    /// Attributes in headers.
    Binary,
    /// An envelope around the value.
    Structured,
}

/// How treatments and decisions are published.
#[derive(Clone, Debug, Default)]
pub struct Publishing {
    /// How they are wrapped.
    pub mode: Mode,
    /// What `source` begins with; `/treatments` or `/decisions` follows.
    pub source: String,
    /// What `type` begins with; `.treatment`, `.withdrawal` or `.decision` follows.
    pub type_prefix: String,
}

/// A value with its headers.
pub type Published = (Vec<u8>, Vec<Header>);

/// The attributes of one CloudEvent, in the order in which they are written.
type Attributes = Vec<(&'static str, Text)>;

impl Publishing {
    /// What goes to the decisions topic: this value of this media type, wrapped.
    #[must_use]
    pub(super) fn decision(
        &self,
        decision: &Decision,
        value: Vec<u8>,
        media_type: &str,
    ) -> Published {
        let attributes = || self.attributes(decision, None, media_type);
        self.wrapped(value, attributes, Vec::new())
    }

    /// What goes to the treatments topic: this value of this media type, wrapped.
    #[must_use]
    pub(super) fn treatment(
        &self,
        decision: &Decision,
        order: Order<'_>,
        value: Vec<u8>,
        media_type: &str,
    ) -> Published {
        let headers = vec![
            header("id", &order.id().to_string()),
            header("trigger", &decision.trigger),
            header(TRACEPARENT, order.traceparent()),
        ];
        let attributes = || self.attributes(decision, Some(order), media_type);
        self.wrapped(value, attributes, headers)
    }

    fn wrapped(
        &self,
        value: Vec<u8>,
        attributes: impl FnOnce() -> Attributes,
        mut headers: Vec<Header>,
    ) -> Published {
        match self.mode {
            Mode::Plain => (value, headers),
            Mode::Binary => {
                let attributes = attributes().into_iter();
                headers.extend(attributes.map(|(name, value)| match name {
                    "datacontenttype" => header("content-type", &value),
                    name => header(&format!("{HEADER_PREFIX}{name}"), &value),
                }));
                (value, headers)
            }
            Mode::Structured => {
                headers.push(header("content-type", STRUCTURED_JSON));
                (envelope(&attributes(), &value), headers)
            }
        }
    }

    fn attributes(
        &self,
        decision: &Decision,
        order: Option<Order<'_>>,
        media_type: &str,
    ) -> Attributes {
        let Decision {
            customer,
            trigger,
            generation,
            occurrence,
            ..
        } = decision;
        let id = match (order, &decision.outcome) {
            (Some(order), _) => order.id(),
            (None, Outcome::Withdraw(withdrawal)) => withdrawal.id,
            (None, Outcome::Treat(_) | Outcome::Refuse(..)) => {
                command_id(trigger, *generation, customer, occurrence)
            }
        };
        let topic = if order.is_some() {
            "treatments"
        } else {
            "decisions"
        };
        let kind = order.map_or("decision", Order::word);
        let text = |value: &dyn std::fmt::Display| compact_str::format_compact!("{value}");
        let mut attributes = vec![
            ("specversion", SPEC_VERSION.into()),
            ("id", text(&id.hyphenated())),
            (
                "source",
                compact_str::format_compact!("{}/{topic}", self.source),
            ),
            (
                "type",
                compact_str::format_compact!("{}.{kind}", self.type_prefix),
            ),
            ("subject", customer.clone()),
            ("time", text(&decision.decided_at)),
            ("datacontenttype", media_type.into()),
        ];
        attributes.extend(order.map(|order| (TRACEPARENT, order.traceparent().clone())));
        attributes
    }
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), Some(value.as_bytes().to_vec()))
}

/// Attributes and data as one object. The data is JSON (the configuration refuses another in an envelope), and stays as it is.
fn envelope(attributes: &Attributes, data: &[u8]) -> Vec<u8> {
    let mut envelope = json(&Object(attributes));
    envelope.pop();
    envelope.extend_from_slice(br#","data":"#);
    envelope.extend_from_slice(data);
    envelope.push(b'}');
    envelope
}

struct Object<'a>(&'a Attributes);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Encoder, Form};
    use super::*;
    use crate::avro::local;
    use crate::decode::Decoder;
    use crate::event::record::Origin;
    use crate::moment::Evidence;
    use crate::time::Timestamp;
    use crate::treatment::{Command, Undone, Withdrawal};
    use std::sync::Arc;

    fn decision(treats: bool) -> Decision {
        let command = Command {
            id: command_id("welcome", 1, "ana", "m1"),
            channel: "email".into(),
            template: "hello".into(),
            offer: crate::treatment::Fields::default(),
            data: crate::treatment::Fields::default(),
            good_from: Timestamp(0),
            valid_until: Timestamp(1),
            addresses: crate::treatment::Fields::default(),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        };
        Decision {
            customer: "ana".into(),
            trigger: "welcome".into(),
            generation: 1,
            occurrence: "m1".into(),
            moment_at: Timestamp(1_772_445_600_000),
            asked_at: Timestamp(1_772_445_600_000),
            decided_at: Timestamp(1_772_445_601_000),
            outcome: if treats {
                Outcome::Treat(Box::new(command))
            } else {
                Outcome::Refuse(crate::treatment::Reason::Audience, None)
            },
            evidence: Evidence::default(),
            revision: "r".into(),
            segments: Vec::new(),
        }
    }

    fn encoder(mode: Mode) -> Encoder {
        Encoder::json(Publishing {
            mode,
            source: "/moments/shop".to_owned(),
            type_prefix: "com.example.moments".to_owned(),
        })
    }

    fn shown(headers: &[Header]) -> Vec<String> {
        let text = |(name, value): &Header| {
            format!(
                "{name}: {}",
                String::from_utf8_lossy(value.as_deref().unwrap_or_default())
            )
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn headers_say_what_a_treatment_is() {
        let decision = decision(true);
        let plain = encoder(Mode::Plain).treatment(&decision).unwrap();
        let (value, headers) = encoder(Mode::Binary).treatment(&decision).unwrap();
        assert_eq!(value, plain.0);
        let id = command_id("welcome", 1, "ana", "m1").to_string();
        let own = [
            format!("id: {id}"),
            "trigger: welcome".to_owned(),
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ];
        assert_eq!(shown(&plain.1), own);
        let attributes = [
            "ce_specversion: 1.0".to_owned(),
            format!("ce_id: {id}"),
            "ce_source: /moments/shop/treatments".to_owned(),
            "ce_type: com.example.moments.treatment".to_owned(),
            "ce_subject: ana".to_owned(),
            "ce_time: 2026-03-02T10:00:01.000Z".to_owned(),
            "content-type: application/json".to_owned(),
            "ce_traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        ];
        assert_eq!(
            shown(&headers),
            [own.as_slice(), attributes.as_slice()].concat()
        );
    }

    #[test]
    fn headers_say_what_is_taken_back() {
        let withdraws = command_id("welcome", 1, "ana", "m1");
        let withdrawal = Withdrawal::of(withdraws, "email".into(), Undone::NoConsent);
        let id = withdrawal.id.to_string();
        let decision = Decision {
            outcome: Outcome::Withdraw(Box::new(withdrawal)),
            ..decision(true)
        };
        let (value, headers) = encoder(Mode::Binary).treatment(&decision).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(value["type"], "withdrawal");
        assert_eq!(value["id"], id);
        assert_eq!(value["withdraws"], withdraws.to_string());
        assert_eq!(value["reason"], "no_consent");
        let shown = shown(&headers);
        for line in [
            format!("id: {id}"),
            format!("ce_id: {id}"),
            "ce_source: /moments/shop/treatments".to_owned(),
            "ce_type: com.example.moments.withdrawal".to_owned(),
        ] {
            assert!(shown.contains(&line), "{line}: {shown:?}");
        }
        let (line, headers) = encoder(Mode::Binary).decision(&decision);
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["decision"], "withdraw");
        assert_eq!(line["treatment"], value);
        assert!(self::shown(&headers).contains(&format!("ce_id: {id}")));
    }

    #[test]
    fn an_envelope_stands_around_a_decision() {
        let decision = decision(false);
        assert!(encoder(Mode::Structured).treatment(&decision).is_none());
        let (value, headers) = encoder(Mode::Structured).decision(&decision);
        assert_eq!(
            shown(&headers),
            ["content-type: application/cloudevents+json"]
        );
        let text = String::from_utf8(value).unwrap();
        let (plain, _) = encoder(Mode::Plain).decision(&decision);
        assert!(
            text.ends_with(&format!(
                r#","data":{}}}"#,
                String::from_utf8(plain).unwrap()
            )),
            "{text}"
        );
        // Our own door opens it: what is inside is no event, and says so.
        let origin = Origin {
            headers: &headers,
            ..Origin::default()
        };
        let decoder = Decoder::new(Arc::default(), Arc::default());
        let reject = decoder.decode(text.as_bytes(), &origin).unwrap_err();
        assert_eq!(reject.word(), "no_event_name");
    }

    #[test]
    fn headers_name_the_format_of_what_is_inside() {
        let publishing = Publishing {
            mode: Mode::Binary,
            ..Publishing::default()
        };
        let treatments = Form::avro(&local::newest("treatments"), 701);
        let encoder = Encoder::new(publishing, treatments, Form::Json);
        let (value, headers) = encoder.treatment(&decision(true)).unwrap();
        assert_eq!(value.first(), Some(&0));
        assert!(shown(&headers).contains(&"content-type: application/avro".to_owned()));
        let (_, headers) = encoder.decision(&decision(true));
        assert!(shown(&headers).contains(&"content-type: application/json".to_owned()));
    }
}
