//! Treatments and decisions as CloudEvents 1.0, by the Kafka protocol binding.
//!
//! *Binary*: the value is what it always is, the attributes are headers. *Structured*: the value is an envelope in JSON, with what
//! it always is under `data`. The id is the command's, which is derived, so that a record that is made again is the same event;
//! decision and treatment of one moment share it, and differ in their source.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Command, CommandOf, Decision, Outcome, command_id, json};
use crate::event::Text;
use crate::event::decode::cloud_events::{HEADER_PREFIX, SPEC_VERSION, STRUCTURED_JSON};
use crate::event::decode::{Header, TRACEPARENT};

/// The content type of what is inside.
const DATA_JSON: &str = "application/json";

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
    /// What `type` begins with; `.treatment` or `.decision` follows.
    pub type_prefix: String,
}

/// A value with its headers.
pub type Published = (Vec<u8>, Vec<Header>);

/// The attributes of one CloudEvent, in the order in which they are written.
type Attributes<'a> = Vec<(&'static str, Text)>;

impl Publishing {
    /// What goes to the decisions topic.
    #[must_use]
    pub fn decision(&self, decision: &Decision) -> Published {
        let attributes = || self.attributes(decision, "decision", None);
        self.wrapped(decision, attributes, Vec::new())
    }

    /// What goes to the treatments topic, where there is a command.
    #[must_use]
    pub fn treatment(&self, decision: &Decision) -> Option<Published> {
        let Outcome::Treat(command) = &decision.outcome else {
            return None;
        };
        let headers = vec![
            header("id", &command.id.to_string()),
            header("trigger", &decision.trigger),
            header(TRACEPARENT, &command.traceparent),
        ];
        let attributes = || self.attributes(decision, "treatment", Some(command));
        Some(self.wrapped(&CommandOf { decision, command }, attributes, headers))
    }

    fn wrapped<'a>(
        &self,
        data: &impl Serialize,
        attributes: impl FnOnce() -> Attributes<'a>,
        mut headers: Vec<Header>,
    ) -> Published {
        match self.mode {
            Mode::Plain => (json(data), headers),
            Mode::Binary => {
                let attributes = attributes().into_iter();
                headers.extend(attributes.map(|(name, value)| match name {
                    "datacontenttype" => header("content-type", &value),
                    name => header(&format!("{HEADER_PREFIX}{name}"), &value),
                }));
                (json(data), headers)
            }
            Mode::Structured => {
                headers.push(header("content-type", STRUCTURED_JSON));
                let attributes = attributes();
                (json(&Envelope { attributes, data }), headers)
            }
        }
    }

    fn attributes<'a>(
        &self,
        decision: &Decision,
        kind: &str,
        command: Option<&Command>,
    ) -> Attributes<'a> {
        let Decision {
            customer,
            trigger,
            generation,
            occurrence,
            ..
        } = decision;
        let id = command.map_or_else(
            || command_id(trigger, *generation, customer, occurrence),
            |command| command.id,
        );
        let text = |value: &dyn std::fmt::Display| compact_str::format_compact!("{value}");
        let mut attributes = vec![
            ("specversion", SPEC_VERSION.into()),
            ("id", text(&id.hyphenated())),
            (
                "source",
                compact_str::format_compact!("{}/{kind}s", self.source),
            ),
            (
                "type",
                compact_str::format_compact!("{}.{kind}", self.type_prefix),
            ),
            ("subject", customer.clone()),
            ("time", text(&decision.decided_at)),
            ("datacontenttype", DATA_JSON.into()),
        ];
        attributes.extend(command.map(|command| (TRACEPARENT, command.traceparent.clone())));
        attributes
    }
}

fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), Some(value.as_bytes().to_vec()))
}

struct Envelope<'a, D> {
    attributes: Attributes<'a>,
    data: &'a D,
}

impl<D: Serialize> Serialize for Envelope<'_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.attributes.len() + 1))?;
        for (name, value) in &self.attributes {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("data", self.data)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::decode::{Decoder, Origin};
    use crate::moment::Evidence;
    use crate::time::Timestamp;
    use std::sync::Arc;

    fn decision(treats: bool) -> Decision {
        let command = Command {
            id: command_id("welcome", 1, "ana", "m1"),
            channel: "email".into(),
            template: "hello".into(),
            offer: super::super::Fields::default(),
            data: super::super::Fields::default(),
            good_from: Timestamp(0),
            valid_until: Timestamp(1),
            addresses: super::super::Fields::default(),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        };
        Decision {
            customer: "ana".into(),
            trigger: "welcome".into(),
            generation: 1,
            occurrence: "m1".into(),
            moment_at: Timestamp(1_772_445_600_000),
            decided_at: Timestamp(1_772_445_601_000),
            outcome: if treats {
                Outcome::Treat(Box::new(command))
            } else {
                Outcome::Refuse(crate::policy::Reason::Audience, None)
            },
            evidence: Evidence::default(),
            revision: "r".into(),
        }
    }

    fn publishing(mode: Mode) -> Publishing {
        Publishing {
            mode,
            source: "/moments/shop".to_owned(),
            type_prefix: "com.example.moments".to_owned(),
        }
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
        let plain = publishing(Mode::Plain).treatment(&decision).unwrap();
        let (value, headers) = publishing(Mode::Binary).treatment(&decision).unwrap();
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
    fn an_envelope_stands_around_a_decision() {
        let decision = decision(false);
        assert!(publishing(Mode::Structured).treatment(&decision).is_none());
        let (value, headers) = publishing(Mode::Structured).decision(&decision);
        assert_eq!(
            shown(&headers),
            ["content-type: application/cloudevents+json"]
        );
        let text = String::from_utf8(value).unwrap();
        let (plain, _) = publishing(Mode::Plain).decision(&decision);
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
}
