//! What is known of a Kafka record before anybody looks into it, and why one may be no event.

use std::borrow::Cow;

use uuid::Uuid;

use super::{Position, Text, Type, limits};
use crate::time::Timestamp;

/// The version of CloudEvents that is read and written.
pub const SPEC_VERSION: &str = "1.0";

/// The id of an Avro schema, as its registry gave it: at most 2^31 - 1, as registries count in Java's `int`.
pub type SchemaId = u32;

/// A Kafka header; its value may be null.
pub type Header = (String, Option<Vec<u8>>);

/// The header of W3C trace contexts, on events and on commands.
pub const TRACEPARENT: &str = "traceparent";

/// The header of a copy: topic, partition and offset of the record that was copied, with `/` between.
pub const SOURCE: &str = "moments.source";

/// The header of a copy: when the record that was copied was appended, milliseconds since 1970.
pub const APPENDED: &str = "moments.source.appended";

/// Where a record comes from, and what came with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Index of the topic and offset.
    pub position: Position,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The record's headers, in order.
    pub headers: &'a [Header],
    /// When the broker appended it, where it stamps that itself: no event happens later.
    pub appended: Option<Timestamp>,
    /// Whether it happened to everybody, and so to no customer.
    pub everybody: bool,
    /// The attributes of the CloudEvent it was in, once that is opened.
    pub cloud_event: Option<&'a Attributes<'a>>,
}

/// How much later than the broker's clock a producer's may be before it is not believed: clocks that are kept differ by milliseconds.
const CLOCKS_DIFFER_MS: i64 = 1_000;

impl<'a> Origin<'a> {
    /// How far ahead of its own append an event of this time lies, beyond what clocks differ by, milliseconds; 0 where the broker
    /// stamps nothing.
    #[must_use]
    pub fn ahead_ms(&self, time: Timestamp) -> i64 {
        let latest = self.appended.map(|at| at.plus(CLOCKS_DIFFER_MS));
        latest.map_or(0, |latest| time.0.saturating_sub(latest.0).max(0))
    }

    /// The text of the first header of this name, if it is text. Case does not count: HTTP/2 and gateways write names in
    /// lower case, and they are taken over to Kafka as they come.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The same, as what happened to everybody: where the record that was copied stood, if it says so in [`SOURCE`].
    #[must_use]
    pub fn of_everybody(mut self) -> Self {
        self.everybody = true;
        let mut parts = self.header(SOURCE).unwrap_or_default().rsplitn(3, '/');
        let mut number = || parts.next()?.parse::<i64>().ok();
        if let (Some(offset), Some(partition)) = (number(), number())
            && let (Ok(partition), Some(topic)) = (i32::try_from(partition), parts.next())
        {
            (self.topic, self.partition, self.position.offset) = (topic, partition, offset);
        }
        self
    }

    /// The same, for what is inside a CloudEvent.
    #[must_use]
    pub fn within<'b>(&self, attributes: &'b Attributes<'b>) -> Origin<'b>
    where
        'a: 'b,
    {
        Origin {
            cloud_event: Some(attributes),
            ..*self
        }
    }
}

/// What is said around the data.
#[derive(Debug, Default)]
pub struct Attributes<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Attributes<'_> {
    /// The value of an attribute; empty counts as not there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_ref())
            .filter(|value| !value.is_empty())
    }

    /// What tells the event from all others: its id, which is one only within its source.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        let id = self.get("id")?;
        // There is no space in a source.
        let whole = match self.get("source") {
            Some(source) => format!("{source} {id}"),
            None => id.to_owned(),
        };
        if whole.len() <= limits::ID_BYTES {
            return Some(whole);
        }
        Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, whole.as_bytes()).to_string())
    }

    /// Whether it is of the version that is known.
    ///
    /// # Errors
    /// Another version, or none.
    pub fn check_version(&self) -> Result<(), Reject> {
        match self.get("specversion") {
            Some(SPEC_VERSION) => Ok(()),
            found => Err(Reject::CloudEvent(format!(
                "`specversion` is {}; expected {SPEC_VERSION}",
                found.map_or("missing".to_owned(), |found| format!("`{found}`"))
            ))),
        }
    }
}

/// Why a record is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No bytes.
    #[error("the record has no value")]
    Empty,
    /// More than [`limits::RECORD_BYTES`].
    #[error("the record has {0} bytes, more than the 1048576 of an event")]
    Oversized(usize),
    /// Not text.
    #[error("the record is not UTF-8: byte {0} is no character")]
    InvalidUtf8(usize),
    /// Not JSON, or nested too deep.
    #[error("the record is not JSON: {0}")]
    BadJson(String),
    /// A CloudEvent that is none.
    #[error("the CloudEvent cannot be read: {0}")]
    CloudEvent(String),
    /// Neither Avro in wire format nor a JSON object.
    #[error(
        "the record is not in Confluent's wire format (byte 0, a schema id in 4 bytes, a datum), nor a JSON object: {0}"
    )]
    BadWireFormat(String),
    /// Its schema is nowhere to be found.
    #[error("there is no schema of id {0}")]
    UnknownSchema(SchemaId),
    /// Its schema is no schema of ours.
    #[error("schema {0} cannot be read: {1}")]
    IncompatibleSchema(SchemaId, String),
    /// Its bytes do not follow its schema.
    #[error("the record does not follow its schema: {0}")]
    BadAvro(String),
    /// A call, but none that stands for an event.
    #[error("`type` is {0}; expected track, identify, alias, page or screen")]
    UnknownType(String),
    /// A track call without the name of what happened.
    #[error("a track call needs `event`, the name of what happened")]
    NoEventName,
    /// Nobody's event.
    #[error("neither `userId` nor `anonymousId` is given")]
    NoCustomer,
    /// An id that cannot be one.
    #[error("the customer's id {0}")]
    InvalidCustomer(&'static str),
    /// An id that a program writes where it has none.
    #[error("the customer's id is `{0}`, which stands for nobody")]
    PlaceholderCustomer(Text),
    /// A foreign event that a mapping passes over; it is no dead letter.
    #[error("`{0}` means nothing here")]
    Ignored(Text),
    /// A foreign event that a mapping does not have.
    #[error("the topic's mapping has no event `{0}` that this record meets")]
    Unmapped(Text),
    /// A foreign event without a name.
    #[error("the topic's mapping finds no name of what happened")]
    NoForeignName,
    /// A foreign time that is not written as the mapping says.
    #[error("the time is {found}; expected {expected}, as the topic's mapping says")]
    ForeignTime {
        /// What stands there.
        found: String,
        /// How it should be written.
        expected: String,
    },
    /// No time.
    #[error("`timestamp` is missing")]
    NoTime,
    /// A time that cannot be read.
    #[error("`timestamp` is {0}; expected RFC 3339, such as 2026-03-02T10:00:00Z")]
    InvalidTime(String),
    /// A time that cannot be.
    #[error("`timestamp` is {0}; expected a time from 1990 to 2099")]
    AbsurdTime(Timestamp),
    /// No row of a table.
    #[error("the row cannot be read: {0}")]
    BadRow(String),
    /// One row more than a topic may bring.
    #[error("topic {0} brings more rows than are kept; docs/limits.md says how many")]
    TableFull(Text),
}

impl Reject {
    /// All words for them.
    pub const WORDS: [&'static str; 21] = [
        "empty",
        "oversized",
        "invalid_utf8",
        "bad_json",
        "cloud_event",
        "bad_wire_format",
        "unknown_schema",
        "incompatible_schema",
        "bad_avro",
        "unknown_type",
        "ignored",
        "unmapped",
        "no_event_name",
        "no_customer",
        "invalid_customer",
        "placeholder_customer",
        "no_time",
        "invalid_time",
        "absurd_time",
        "bad_row",
        "table_full",
    ];

    /// The word for it in headers and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Oversized(_) => "oversized",
            Self::InvalidUtf8(_) => "invalid_utf8",
            Self::BadJson(_) => "bad_json",
            Self::CloudEvent(_) => "cloud_event",
            Self::BadWireFormat(_) => "bad_wire_format",
            Self::UnknownSchema(_) => "unknown_schema",
            Self::IncompatibleSchema(..) => "incompatible_schema",
            Self::BadAvro(_) => "bad_avro",
            Self::UnknownType(_) => "unknown_type",
            Self::Ignored(_) => "ignored",
            Self::Unmapped(_) => "unmapped",
            Self::NoEventName | Self::NoForeignName => "no_event_name",
            Self::NoCustomer => "no_customer",
            Self::InvalidCustomer(_) => "invalid_customer",
            Self::PlaceholderCustomer(_) => "placeholder_customer",
            Self::NoTime => "no_time",
            Self::InvalidTime(_) | Self::ForeignTime { .. } => "invalid_time",
            Self::AbsurdTime(_) => "absurd_time",
            Self::BadRow(_) => "bad_row",
            Self::TableFull(_) => "table_full",
        }
    }

    /// At which stage it was found: reading the bytes, mapping them, or asking whether they can be an event.
    #[must_use]
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::Empty
            | Self::Oversized(_)
            | Self::InvalidUtf8(_)
            | Self::BadJson(_)
            | Self::CloudEvent(_)
            | Self::BadWireFormat(_)
            | Self::UnknownSchema(_)
            | Self::IncompatibleSchema(..)
            | Self::BadAvro(_) => "decode",
            Self::Ignored(_)
            | Self::Unmapped(_)
            | Self::NoForeignName
            | Self::ForeignTime { .. } => "map",
            _ => "validate",
        }
    }
}

/// Ids that stand for nobody, in any case, where nothing else is configured: what programs write that have none.
pub const PLACEHOLDERS: [&str; 11] = [
    "undefined",
    "null",
    "(null)",
    "nil",
    "none",
    "nan",
    "[object object]",
    "0",
    "n/a",
    "(not set)",
    "00000000-0000-0000-0000-000000000000",
];

/// Whether an id is one of those that stand for nobody, which are in lower case; blanks, and zeros in the form of a UUID, always are.
#[must_use]
pub fn is_placeholder<S: AsRef<str>>(id: &str, placeholders: &[S]) -> bool {
    let id = id.trim();
    let is = |known: &S| known.as_ref().eq_ignore_ascii_case(id);
    let is_zero_uuid = || {
        let zeros = id.bytes().filter(|it| *it == b'0').count();
        zeros == 32 && id.bytes().all(|it| matches!(it, b'0' | b'-' | b'{' | b'}'))
    };
    id.is_empty() || placeholders.iter().any(is) || is_zero_uuid()
}

/// The fields of a product that are read.
pub const PRODUCT_FIELDS: [(&str, Type); 5] = [
    ("product_id", Type::Text),
    ("sku", Type::Text),
    ("category", Type::Text),
    ("price", Type::Number),
    ("quantity", Type::Number),
];

/// The parts of an address, in the order in which they make a line.
pub const ADDRESS: [&str; 5] = ["street", "postalCode", "city", "state", "country"];

/// The fields of the context's campaign that are read.
pub const CAMPAIGN: [&str; 3] = ["source", "medium", "name"];

/// What an identify call may say beside declared attributes.
pub const TRAITS: &[&str] = &[
    "address",
    "consent",
    "country",
    "email",
    "language",
    "locale",
    "phone",
    "push_token",
    "timezone",
];
