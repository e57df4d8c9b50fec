//! Decisions and commands as the records of `schemas/treatments` and `schemas/decisions`.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, util};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::avro::local::{self, Version};
use crate::avro::wire;
use crate::event::limits;
use crate::event::record::SchemaId;
use crate::moment::Evidence as Made;
use crate::time::Timestamp;
use crate::treatment::{Command, Decision as Decided, Fields, Order, Outcome, Withdrawal};

/// Up to here every whole number is one exactly, as a double (2^53).
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Writes records of one schema, in wire format.
pub struct Writer {
    id: SchemaId,
    writer: GenericDatumWriter<'static>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Our schemas are parsed once: writers borrow them.
fn parsed(version: &Version) -> &'static Schema {
    static SCHEMAS: OnceLock<Vec<Schema>> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "a test parses all of them")]
    let parse = |version: &Version| Schema::parse_str(version.text).expect("our own schema");
    let schemas = SCHEMAS.get_or_init(|| local::OUTPUTS.iter().map(parse).collect());
    #[expect(clippy::expect_used, reason = "only what goes out is written here")]
    let at = local::OUTPUTS
        .iter()
        .position(|known| known == version)
        .expect("one of OUTPUTS");
    &schemas[at]
}

impl Writer {
    /// A writer of this schema, which the registry knows by `id`.
    pub(super) fn new(version: &Version, id: SchemaId) -> Self {
        #[expect(clippy::expect_used, reason = "a test makes all of them")]
        let writer = GenericDatumWriter::builder(parsed(version))
            .human_readable(false)
            .build()
            .expect("our own schema");
        Self { id, writer }
    }

    /// A decision.
    pub(super) fn decision(&self, decision: &Decided) -> Vec<u8> {
        self.written(&Decision::of(decision))
    }

    /// What a decision sends.
    pub(super) fn treatment(&self, decision: &Decided, order: Order<'_>) -> Vec<u8> {
        self.written(&match order {
            Order::Treatment(command) => Treatment::of(decision, command),
            Order::Withdrawal(withdrawal) => Treatment::taken_back(decision, withdrawal),
        })
    }

    fn written(&self, record: &impl Serialize) -> Vec<u8> {
        let mut bytes = wire::head(self.id).to_vec();
        #[expect(
            clippy::expect_used,
            reason = "the types below are the schema's, whatever they hold, and memory grows"
        )]
        self.writer
            .write_ser(&mut bytes, record)
            .expect("every decision follows its schema");
        bytes
    }
}

#[derive(Serialize)]
struct Treatment<'a> {
    id: String,
    customer: &'a str,
    trigger: &'a str,
    generation: i64,
    occurrence: &'a str,
    channel: &'a str,
    template: &'a str,
    offer: Values<'a>,
    data: Values<'a>,
    moment_at: i64,
    decided_at: i64,
    good_from: i64,
    valid_until: i64,
    addresses: Texts<'a>,
    evidence: Evidence<'a>,
    #[serde(rename = "type")]
    word: &'static str,
    withdraws: Option<String>,
    reason: Option<&'static str>,
}

/// What is in no withdrawal.
static NONE: Fields = Fields(Vec::new());

#[derive(Serialize)]
struct Decision<'a> {
    customer: &'a str,
    trigger: &'a str,
    generation: i64,
    occurrence: &'a str,
    moment_at: i64,
    decided_at: i64,
    decision: &'a str,
    reason: Option<&'a str>,
    treatment: Option<Treatment<'a>>,
    evidence: Evidence<'a>,
    revision: &'a str,
}

#[derive(Serialize)]
struct Evidence<'a> {
    events: Vec<EvidenceEvent<'a>>,
    facts: Facts<'a>,
}

#[derive(Serialize)]
struct EvidenceEvent<'a> {
    id: &'a str,
    time: i64,
}

impl<'a> Treatment<'a> {
    fn of(decision: &'a Decided, command: &'a Command) -> Self {
        Self {
            id: command.id.to_string(),
            customer: &decision.customer,
            trigger: &decision.trigger,
            generation: decision.generation.into(),
            occurrence: &decision.occurrence,
            channel: &command.channel,
            template: &command.template,
            offer: Values(&command.offer),
            data: Values(&command.data),
            moment_at: decision.moment_at.0,
            decided_at: decision.decided_at.0,
            good_from: command.good_from.0,
            valid_until: command.valid_until.0,
            addresses: Texts(&command.addresses),
            evidence: Evidence::of(&decision.evidence),
            word: Order::Treatment(command).word(),
            withdraws: None,
            reason: None,
        }
    }

    /// A withdrawal is a record of the same schema. Who knows no withdrawals finds it out of date, and without a template.
    fn taken_back(decision: &'a Decided, withdrawal: &'a Withdrawal) -> Self {
        Self {
            id: withdrawal.id.to_string(),
            customer: &decision.customer,
            trigger: &decision.trigger,
            generation: decision.generation.into(),
            occurrence: &decision.occurrence,
            channel: &withdrawal.channel,
            template: "",
            offer: Values(&NONE),
            data: Values(&NONE),
            moment_at: decision.moment_at.0,
            decided_at: decision.decided_at.0,
            good_from: decision.decided_at.0,
            valid_until: decision.decided_at.0,
            addresses: Texts(&NONE),
            evidence: Evidence::of(&decision.evidence),
            word: Order::Withdrawal(withdrawal).word(),
            withdraws: Some(withdrawal.withdraws.to_string()),
            reason: Some(withdrawal.reason.word()),
        }
    }
}

impl<'a> Decision<'a> {
    fn of(decision: &'a Decided) -> Self {
        let treatment = match &decision.outcome {
            Outcome::Treat(command) | Outcome::Refuse(_, Some(command)) => {
                Some(Treatment::of(decision, command))
            }
            Outcome::Refuse(_, None) => None,
            Outcome::Withdraw(withdrawal) => Some(Treatment::taken_back(decision, withdrawal)),
        };
        Self {
            customer: &decision.customer,
            trigger: &decision.trigger,
            generation: decision.generation.into(),
            occurrence: &decision.occurrence,
            moment_at: decision.moment_at.0,
            decided_at: decision.decided_at.0,
            decision: decision.outcome.word(),
            reason: decision.outcome.reason(),
            treatment,
            evidence: Evidence::of(&decision.evidence),
            revision: &decision.revision,
        }
    }
}

impl<'a> Evidence<'a> {
    fn of(evidence: &'a Made) -> Self {
        let event = |event: &'a crate::moment::EventRef| EvidenceEvent {
            id: &event.id,
            time: event.time.0,
        };
        Self {
            events: evidence.events.iter().map(event).collect(),
            facts: Facts(&evidence.facts),
        }
    }
}

/// Named values.
struct Values<'a>(&'a Fields);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.0.len()))?;
        for (name, value) in &self.0.0 {
            map.serialize_entry(name.as_str(), &Scalar(value))?;
        }
        map.end()
    }
}

struct Facts<'a>(&'a [(Cow<'static, str>, Value)]);

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, &Scalar(value))?;
        }
        map.end()
    }
}

/// Named texts.
struct Texts<'a>(&'a Fields);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = self.0.0.iter();
        let texts: Vec<_> = texts
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let mut map = serializer.serialize_map(Some(texts.len()))?;
        for (name, text) in texts {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

/// A value of the union of the schema; what is none of its types is JSON in a text.
struct Scalar<'a>(&'a Value);

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => serializer.serialize_f64(number.as_f64().unwrap_or(f64::NAN)),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) if items.iter().all(Value::is_string) => {
                serializer.collect_seq(items)
            }
            other => serializer.serialize_str(&other.to_string()),
        }
    }
}

/// A decision as JSON, of a record that [`Writer`] wrote, in whichever version; none where it is no such record.
pub fn decision_json(record: &[u8]) -> Option<Value> {
    // A length in a record may say anything; this is apache-avro's bound on what it allocates for one. It can be set once.
    util::max_allocation_bytes(limits::RECORD_BYTES);
    let (_, datum) = wire::split(record)?;
    let all = local::OUTPUTS.iter().rev();
    let mut decisions = all.filter(|version| version.topic == "decisions");
    let mut json = decisions.find_map(|version| {
        let mut rest = datum;
        let reader = GenericDatumReader::builder(parsed(version)).build().ok()?;
        let read = reader.read_value(&mut rest).ok()?;
        rest.is_empty().then(|| json(read))
    })?;
    if let Some(Value::Object(treatment)) = json.get_mut("treatment") {
        as_json_says(treatment);
    }
    Some(json)
}

/// A treatment or a withdrawal without the fields of the other.
fn as_json_says(treatment: &mut Map<String, Value>) {
    let not_its = match treatment.get("type").and_then(Value::as_str) {
        Some("withdrawal") => &[
            "template",
            "offer",
            "data",
            "good_from",
            "valid_until",
            "addresses",
        ][..],
        _ => &["withdraws", "reason"],
    };
    treatment.retain(|name, _| !not_its.contains(&name.as_str()));
    // Version 1 does not say it.
    treatment
        .entry("type")
        .or_insert_with(|| "treatment".into());
}

/// A value of our schemas, as our JSON says it: instants in RFC 3339, whole numbers without a point.
fn json(value: Avro) -> Value {
    match value {
        Avro::Boolean(value) => value.into(),
        Avro::Int(number) => number.into(),
        Avro::Long(number) => number.into(),
        Avro::TimestampMillis(ms) => Timestamp(ms).to_string().into(),
        Avro::Double(number) if number.fract() == 0.0 && number.abs() < WHOLE => {
            (number as i64).into()
        }
        Avro::Double(number) => number.into(),
        Avro::String(text) | Avro::Enum(_, text) => text.into(),
        Avro::Uuid(id) => id.to_string().into(),
        Avro::Union(_, value) => json(*value),
        Avro::Array(items) => items.into_iter().map(json).collect(),
        Avro::Map(fields) => fields
            .into_iter()
            .map(|(name, it)| (name, json(it)))
            .collect(),
        Avro::Record(fields) => fields
            .into_iter()
            .map(|(name, it)| (name, json(it)))
            .collect(),
        _ => Value::Null,
    }
}
