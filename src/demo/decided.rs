//! What was decided, read back from the decisions topic as any consumer would, and put into words.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::programmes::Programmes;
use crate::event::Text;
use crate::moment::Telling;
use crate::time::{DAY_MS, Timestamp};

/// A record of the decisions topic, as far as the demo shows it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Decided {
    /// Whose moment.
    pub customer: Text,
    /// Of which trigger.
    pub trigger: Text,
    moment_at: String,
    decision: Text,
    reason: Option<Text>,
    treatment: Option<Treatment>,
    evidence: Evidence,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Treatment {
    channel: Text,
    #[serde(default)]
    template: Text,
    #[serde(default)]
    offer: BTreeMap<Text, Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Evidence {
    events: Vec<Event>,
    facts: BTreeMap<Text, Value>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Event {
    time: String,
}

impl Decided {
    /// Reads a record.
    ///
    /// # Errors
    /// Where it is no decision.
    pub fn read(payload: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload)
    }

    /// When the moment came true.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp::parse(&self.moment_at).unwrap_or_default()
    }

    /// Whether it takes a treatment back, and no moment came true.
    #[must_use]
    pub fn is_withdrawal(&self) -> bool {
        self.decision == "withdraw"
    }

    /// Why nothing is sent, if nothing is, or why it is taken back: the reason's word.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What came true, with its evidence.
    #[must_use]
    pub fn why(&self, programmes: &Programmes) -> String {
        let plan = &programmes.plan;
        let Some(trigger) = plan
            .triggers
            .iter()
            .find(|trigger| trigger.name == self.trigger)
        else {
            return String::new();
        };
        let fact = |name: &str| {
            self.evidence
                .facts
                .get(name)
                .and_then(Value::as_f64)
                .unwrap_or_default()
        };
        let name = |name| {
            let event = plan.vocabulary.event(name);
            event.map_or_else(String::new, |event| event.name.clone())
        };
        let telling = Telling {
            name: &name,
            fact: &fact,
            since: &|format| self.since(format),
            long: &long,
        };
        let told = trigger.kind.told(&telling);
        told.unwrap_or_else(|| programmes.about(&self.trigger).to_owned())
    }

    /// When the first event of the evidence was, as strftime has it.
    fn since(&self, format: &str) -> String {
        let event = self.evidence.events.first();
        let instant: Option<jiff::Timestamp> = event.and_then(|event| event.time.parse().ok());
        instant.map_or_else(String::new, |instant| instant.strftime(format).to_string())
    }

    /// What is sent, or why nothing is.
    #[must_use]
    pub fn what(&self) -> String {
        match (&self.treatment, self.refusal()) {
            (Some(treatment), None) => {
                let offer = treatment.offer_words();
                let with = if offer.is_empty() {
                    String::new()
                } else {
                    format!(", with {offer}")
                };
                format!(
                    "{}: {}{with}",
                    channel_words(&treatment.channel),
                    treatment.template
                )
            }
            (Some(_), Some(reason)) if self.is_withdrawal() => {
                format!("taken back: {}", reason_words(reason))
            }
            (_, reason) => format!("nothing sent: {}", reason_words(reason.unwrap_or("?"))),
        }
    }
}

impl Treatment {
    fn offer_words(&self) -> String {
        let number = |name: &str| self.offer.get(name).map(ToString::to_string);
        let kind = self
            .offer
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let amount = match (number("percent"), number("amount")) {
            (Some(percent), _) => format!("{percent} % off"),
            (_, Some(amount)) => format!("{amount} EUR off"),
            _ => kind.replace('-', " "),
        };
        match number("above") {
            Some(above) => format!("{amount} above {above} EUR"),
            None => amount,
        }
    }
}

/// A channel as people say it.
fn channel_words(channel: &str) -> &str {
    match channel {
        "email" => "e-mail",
        "onsite" => "on the site",
        "phone" => "a call",
        "print" => "by post",
        "store" => "at the counter",
        "call-centre" => "on the agent's screen",
        "ad-audience" => "to advertising networks",
        other => other,
    }
}

/// A reason as people say it.
#[must_use]
pub fn reason_words(reason: &str) -> &str {
    match reason {
        "off" => "trigger off",
        "out_of_dates" => "out of season",
        "sending_stopped" => "sending stopped",
        "expired" => "too late",
        "audience" => "not in audience",
        "no_treatment_fits" => "nothing fits",
        "no_consent" => "no consent",
        "unreachable" => "unreachable",
        "suppressed" => "on a list",
        "digested" => "in a digest",
        "capped" => "had it lately",
        "shadow" => "only on trial",
        "late_event" | "settled_otherwise" => "it was not so",
        "withdrawn" => "not so any more",
        other => other,
    }
}

/// A length of time as people say it.
fn long(ms: i64) -> String {
    let (count, unit) = match ms {
        ms if ms % DAY_MS == 0 && ms > DAY_MS => (ms / DAY_MS, "days"),
        ms if ms % 3_600_000 == 0 => (ms / 3_600_000, "hours"),
        ms => (ms / 60_000, "minutes"),
    };
    format!("{count} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(reason: &str, treatment: &str, facts: &str) -> Decided {
        let line = format!(
            r#"{{"customer":"ana-1","trigger":"frequency-drop","generation":1,"occurrence":"o","moment_at":"2026-03-02T10:00:00.000Z",
                "decided_at":"2026-03-02T10:00:00.000Z","decision":"x","reason":{reason},"treatment":{treatment},
                "evidence":{{"events":[],"facts":{facts}}},"revision":"r"}}"#
        );
        Decided::read(line.as_bytes()).expect("a decision")
    }

    #[test]
    fn decisions_are_put_into_words() {
        let treatment = r#"{"channel":"email","template":"we-miss-you","offer":{"kind":"percent-off","percent":10,"above":42}}"#;
        let table = [
            (
                "null",
                treatment,
                "e-mail: we-miss-you, with 10 % off above 42 EUR",
            ),
            (
                "null",
                r#"{"channel":"push","template":"hi","offer":{}}"#,
                "push: hi",
            ),
            (
                "null",
                r#"{"channel":"print","template":"hi","offer":{"kind":"free-shipping"}}"#,
                "by post: hi, with free shipping",
            ),
            (r#""capped""#, "null", "nothing sent: had it lately"),
            (r#""shadow""#, treatment, "nothing sent: only on trial"),
        ];
        for (reason, treatment, words) in table {
            assert_eq!(decided(reason, treatment, "{}").what(), words);
        }
        assert_eq!(
            decided("null", "null", "{}").at().to_string(),
            "2026-03-02T10:00:00.000Z"
        );
    }

    #[test]
    fn durations_are_said_as_people_say_them() {
        for (ms, words) in [
            (30 * 60_000, "30 minutes"),
            (DAY_MS, "24 hours"),
            (90 * DAY_MS, "90 days"),
        ] {
            assert_eq!(long(ms), words);
        }
    }
}
