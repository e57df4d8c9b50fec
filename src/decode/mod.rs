//! From bytes to an [`Event`]: Segment's track, identify, page and screen calls, in JSON or in Avro, by themselves or in a
//! [CloudEvent](cloud_events).
//!
//! Declared types are applied at the door: "10" for a number is 10, and what cannot be read is a
//! named [`Defect`] of the event, its value not known. What cannot be an event at all is a
//! [`Reject`]: it goes to the dead-letter topic, with its reason. Nothing here can panic.

mod avro;
pub mod cloud_events;
mod json;
mod row;
pub mod shown;
mod slips;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use self::cloud_events::Declared;
use crate::avro::Schemas;
use crate::avro::wire;
use crate::event::record::{Origin, PLACEHOLDERS, Reject, SchemaId};
use crate::event::{Event, Text, Type, Vocabulary, limits};
use crate::mapping::{Mapping, Mappings};
use crate::table::rows::Told;
use crate::time::Timestamp;

/// Event times before this are clocks that were never set.
pub const TIME_MIN: Timestamp = Timestamp(631_152_000_000); // 1990-01-01
/// Event times from this on are no times.
pub const TIME_MAX: Timestamp = Timestamp(4_102_444_800_000); // 2100-01-01

/// What is meant by a record of a JSON topic that begins as Avro does.
const MAGIC_IN_JSON: &str = "it begins with byte 0, as Avro in Confluent's wire format does; for that, set `format = \"avro\"` for the topic";

/// The name of the defect of an event whose name nobody declared: it is taken, without properties.
pub const EVENT_NAME: &str = "event";

/// A property or trait whose value could not be read as its type, which counts as not known; or a name of an event that nobody declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Its name.
    pub name: Text,
    /// What was expected.
    pub expected: &'static str,
    /// What stands there, shortened.
    pub found: Text,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            expected,
            found,
        } = self;
        write!(f, "`{name}` is {found}; expected {expected}")
    }
}

/// Decodes records of one vocabulary.
#[derive(Clone, Debug)]
pub struct Decoder {
    vocabulary: Arc<Vocabulary>,
    attributes: Arc<BTreeMap<String, Type>>,
    mappings: Arc<Mappings>,
    avro: Option<Avro>,
    /// Ids that stand for nobody.
    placeholders: Arc<[Text]>,
    /// The topics that bring rows of tables.
    tables: Arc<BTreeSet<String>>,
}

/// What is needed to read Avro.
#[derive(Clone, Debug)]
struct Avro {
    /// The topics that bring it.
    topics: Arc<BTreeSet<String>>,
    schemas: Schemas,
}

/// An event with what could not be read of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The event.
    pub event: Event,
    /// What could not be read.
    pub defects: Vec<Defect>,
    /// By how much its time was set back, as it lay ahead of its own append, milliseconds.
    pub set_back_ms: i64,
}

impl Decoder {
    /// A decoder that knows `vocabulary` and the company's own `attributes`.
    #[must_use]
    pub fn new(vocabulary: Arc<Vocabulary>, attributes: Arc<BTreeMap<String, Type>>) -> Self {
        Self {
            vocabulary,
            attributes,
            mappings: Arc::default(),
            avro: None,
            placeholders: PLACEHOLDERS.map(Text::from).into(),
            tables: Arc::default(),
        }
    }

    /// The same, with these ids for nobody's.
    #[must_use]
    pub fn with_placeholders(self, placeholders: Arc<[Text]>) -> Self {
        Self {
            placeholders,
            ..self
        }
    }

    /// The same, with topics whose records are foreign.
    #[must_use]
    pub fn with_mappings(self, mappings: Arc<Mappings>) -> Self {
        Self { mappings, ..self }
    }

    /// The same, with topics that bring rows of tables.
    #[must_use]
    pub fn with_tables(self, topics: BTreeSet<String>) -> Self {
        let tables = Arc::new(topics);
        Self { tables, ..self }
    }

    /// The same, reading Avro too, on these topics. A JSON object there is still read: producers change one by one.
    #[must_use]
    pub fn with_avro(mut self, topics: BTreeSet<String>, schemas: Schemas) -> Self {
        let topics = Arc::new(topics);
        self.avro = Some(Avro { topics, schemas });
        self
    }

    /// The schema that must be had before a record of this topic can be read, if it is not had yet.
    #[must_use]
    pub fn missing_schema(&self, topic: &str, payload: &[u8]) -> Option<SchemaId> {
        let schemas = self.avro_of(topic)?;
        if cloud_events::may_have_bytes(payload) {
            let (_, data) = cloud_events::open(payload).ok()?;
            return schemas.missing(&data);
        }
        schemas.missing(payload)
    }

    /// The names of properties and attributes that are instants.
    #[must_use]
    pub fn times(&self) -> Vec<String> {
        let properties = self.vocabulary.properties();
        let properties = properties.map(|spec| (&spec.name, spec.kind));
        let attributes = self.attributes.iter().map(|(name, kind)| (name, *kind));
        let times = properties.chain(attributes);
        times
            .filter(|(_, kind)| *kind == Type::Time)
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn avro_of(&self, topic: &str) -> Option<&Schemas> {
        let avro = self.avro.as_ref()?;
        avro.topics.contains(topic).then_some(&avro.schemas)
    }

    /// The vocabulary.
    #[must_use]
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// The company's own attributes.
    #[must_use]
    pub fn attributes(&self) -> &Arc<BTreeMap<String, Type>> {
        &self.attributes
    }

    /// Whether the records of a topic are rows of tables, and no events.
    #[must_use]
    pub fn brings_rows(&self, topic: &str) -> bool {
        self.tables.contains(topic)
    }

    /// Reads one record of a topic that [brings rows](Decoder::brings_rows); one without a value takes its row out.
    ///
    /// # Errors
    /// Why it is no row.
    pub fn row(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Told, Reject> {
        row::read(payload, origin)
    }

    /// Reads one record. Its schema must be had: see [`Decoder::missing_schema`].
    ///
    /// # Errors
    /// Why it is no event.
    pub fn decode(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let mut decoded = self.record(payload, origin)?;
        let event = &mut decoded.event;
        decoded.set_back_ms = origin.ahead_ms(event.time);
        event.time = event.time.plus(-decoded.set_back_ms);
        Ok(decoded)
    }

    fn record(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let payload = slips::unmarked(payload);
        if payload.is_empty() {
            return Err(Reject::Empty);
        }
        if payload.len() > limits::RECORD_BYTES {
            return Err(Reject::Oversized(payload.len()));
        }
        match cloud_events::declared(origin)? {
            Declared::Nothing => self.payload(payload, origin),
            Declared::Binary(attributes) => self.payload(payload, &origin.within(&attributes)),
            Declared::Structured => self.envelope(payload, origin),
        }
    }

    /// Reads the data of a CloudEvent whose envelope is JSON.
    fn envelope(&self, envelope: &[u8], origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let (attributes, data) = cloud_events::open(envelope)?;
        self.payload(&data, &origin.within(&attributes))
    }

    /// Reads what is not, or not any more, in an envelope.
    fn payload(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let first = payload.first().copied();
        match (first, self.avro_of(origin.topic)) {
            (Some(wire::MAGIC), Some(schemas)) => {
                return avro::decode(self, schemas, payload, origin);
            }
            (Some(wire::MAGIC), None) => return Err(Reject::BadJson(MAGIC_IN_JSON.to_owned())),
            (_, Some(_)) if !payload.trim_ascii_start().starts_with(b"{") => {
                return Err(Reject::BadWireFormat(avro::described(payload)));
            }
            _ => {}
        }
        self.json(payload, origin)
    }

    fn json(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Decoded, Reject> {
        let (mut decoded, slip) =
            slips::read(payload, |text| match self.mappings.of(origin.topic) {
                None => json::decode(self, text, origin),
                Some(mapping) => self.foreign(mapping, text, origin),
            })?;
        decoded.defects.extend(slip);
        Ok(decoded)
    }

    /// Reads a record that is not written as ours.
    fn foreign(
        &self,
        mapping: &Mapping,
        text: &str,
        origin: &Origin<'_>,
    ) -> Result<Decoded, Reject> {
        let record: serde_json::Value =
            serde_json::from_str(text).map_err(|error| Reject::BadJson(error.to_string()))?;
        if origin.cloud_event.is_none() && record.get("specversion").is_some() {
            return self.envelope(text.as_bytes(), origin);
        }
        let call = mapping.apply(&record, origin)?;
        json::read(self, &call, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventName, Position, Property, PropertyId};

    fn decoder() -> Decoder {
        let attributes = BTreeMap::from([
            ("tier".to_owned(), Type::Text),
            ("points".to_owned(), Type::Number),
        ]);
        Decoder::new(Arc::new(Vocabulary::standard()), Arc::new(attributes))
    }

    fn decode(text: &str) -> Result<Decoded, Reject> {
        decoder().decode(
            text.as_bytes(),
            &Origin {
                topic: "cart",
                partition: 3,
                position: Position {
                    topic: 2,
                    offset: 7,
                },
                ..Origin::default()
            },
        )
    }

    #[test]
    fn a_track_call_is_read() {
        let decoded = decode(
            r#"{"type":"track","event":"Order Completed","userId":"ana","anonymousId":"x","messageId":"m1",
                "timestamp":"2026-03-02T10:00:00Z","properties":{"total":"39.95","currency":"EUR","unheard_of":{"a":[1]},
                "products":[{"product_id":"p1","price":30,"quantity":1},{"sku":"s2","price":"9.95","category":"tea"}]},
                "context":{"campaign":{"source":"newsletter","medium":"email"},"timezone":"Europe/Madrid"}}"#,
        )
        .unwrap();
        assert_eq!(decoded.defects, []);
        let event = decoded.event;
        assert_eq!((event.customer.as_str(), event.known), ("ana", true));
        assert_eq!(event.name, EventName::ORDER_COMPLETED);
        assert_eq!(event.number(PropertyId::TOTAL), Some(39.95));
        assert_eq!(event.products[1].id, "s2");
        assert_eq!(event.products[1].price, Some(9.95));
        assert_eq!(
            event.touchpoint.unwrap().source.as_deref(),
            Some("newsletter")
        );
        assert_eq!(
            event.traits.unwrap().timezone.as_deref(),
            Some("Europe/Madrid")
        );
    }

    /// What stands in a call beside its time; the name of the event, whose it is, and who she was so far, `!` before an alias; defects.
    #[rustfmt::skip]
    const IDS: &[(&str, &str, &str)] = &[
        (r#""type":"identify","userId":"ana","anonymousId":"d1""#, "Identify ana d1", ""),
        (r#""event":"Order Completed","userId":"ana","anonymousId":"d1""#, "Order Completed ana d1", ""),
        (r#""type":"identify","anonymousId":"d1""#, "Identify d1", ""),
        (r#""type":"alias","userId":"ana","previousId":"d1""#, "Alias ana !d1", ""),
        (r#""type":"alias","userId":"ana","previousId":"old","anonymousId":"d1""#, "Alias ana !old d1", ""),
        (r#""type":"alias","userId":"ana","previousId":"d1","anonymousId":"d1""#, "Alias ana !d1", ""),
        (r#""type":"alias","anonymousId":"d2","previousId":"d1""#, "Alias d2 !d1", ""),
        (r#""type":"alias","userId":"ana","previousId":"ana","anonymousId":"ana""#, "Alias ana", ""),
        (r#""type":"alias","userId":12,"previousId":11"#, "Alias 12 !11", ""),
        (r#""type":"alias","userId":"ana","previousId":"undefined""#, "Alias ana", "previousId"),
        (r#""type":"identify","userId":"ana","anonymousId":"null""#, "Identify ana", "anonymousId"),
        (r#""type":"alias","userId":"ana","previousId":{}"#, "Alias ana", "previousId"),
        (r#""type":"alias","userId":"ana","previousId":null"#, "Alias ana", ""),
    ];

    #[test]
    fn a_call_says_who_she_was_so_far() {
        for (ids, expected, defects) in IDS {
            let text = format!(r#"{{{ids},"timestamp":"2026-03-02T10:00:00Z"}}"#);
            let Decoded {
                event,
                defects: found,
                ..
            } = decode(&text).expect("an event");
            let name = &Vocabulary::standard()
                .event(event.name)
                .expect("a name")
                .name
                .clone();
            let formers = event.formers.iter().map(|former| match former.is_alias {
                true => format!(" !{}", former.id),
                false => format!(" {}", former.id),
            });
            let shown = format!("{name} {}{}", event.customer, formers.collect::<String>());
            assert_eq!(shown, *expected, "{ids}");
            let found: Vec<&str> = found.iter().map(|defect| defect.name.as_str()).collect();
            assert_eq!(found.join(" "), *defects, "{ids}");
        }
    }

    /// What an identify call says in its traits, and in its context's; what is known by it.
    #[rustfmt::skip]
    const TRAITS_OF_CONTEXT: &[(&str, &str, &str)] = &[
        ("{}", r#"{"email":"a@b.c","tier":"gold","consent":{"email":"no"},"address":{"city":"Bonn","country":"DE"}}"#, "a@b.c DE Bonn, DE email:false tier"),
        (r#"{"email":"own@b.c","tier":"silver"}"#, r#"{"email":"a@b.c","country":"DE","tier":"gold"}"#, "own@b.c DE tier"),
        (r#"{"email":null,"consent":{"email":true}}"#, r#"{"email":"a@b.c","consent":{"sms":false}}"#, "a@b.c sms:false email:true"),
        ("null", "null", ""),
        ("{}", "[]", ""),
        ("{}", r#"{"consent":{"email":"perhaps"}}"#, "email:false !consent"),
    ];

    #[test]
    fn the_context_of_an_identify_call_may_have_its_traits() {
        for (own, of_context, expected) in TRAITS_OF_CONTEXT {
            let text = |kind: &str| {
                format!(
                    r#"{{"context":{{"traits":{of_context}}},"traits":{own},{kind},"userId":"ana","timestamp":1772445600000}}"#
                )
            };
            let said = |decoded: Decoded| {
                let traits = decoded.event.traits.unwrap_or_default();
                let consent = traits.consent.iter();
                let consent = consent.map(|(channel, given)| format!("{channel}:{given}"));
                let texts = [traits.email, traits.country, traits.address];
                let texts = texts.into_iter().flatten().map(String::from);
                let own = traits.attributes.iter().map(|(name, _)| name.to_string());
                let defects = decoded.defects.iter().map(|it| format!("!{}", it.name));
                let said = texts.chain(consent).chain(own).chain(defects);
                said.collect::<Vec<_>>().join(" ")
            };
            let identify = decode(&text(r#""type":"identify""#)).expect("an event");
            assert_eq!(said(identify), *expected, "{own} {of_context}");
            // In any other call they may be true no more.
            let track = decode(&text(r#""event":"Order Completed""#)).expect("an event");
            let without = text(r#""event":"Order Completed""#).replace("context", "other");
            let without = decode(&without).expect("an event");
            assert_eq!(said(track), said(without), "{own} {of_context}");
        }
    }

    #[test]
    fn a_trait_that_is_declared_as_an_attribute_is_both() {
        let own = ["email", "country", "language"];
        let own = own.map(|name| (name.to_owned(), Type::Text));
        let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::new(own.into()));
        let call = r#"{"type":"identify","userId":"ana","timestamp":"2026-03-02T10:00:00Z",
            "traits":{"email":"a@b.c","country":"ES","language":"es","phone":"+34600"}}"#;
        let decoded = decoder.decode(call.as_bytes(), &Origin::default());
        let traits = decoded.unwrap().event.traits.unwrap();
        assert_eq!(traits.email.as_deref(), Some("a@b.c"));
        let said = |name: &str, value: &str| (Text::from(name), Property::Text(value.into()));
        assert_eq!(
            traits.attributes.as_slice(),
            [
                said("email", "a@b.c"),
                said("country", "ES"),
                said("language", "es")
            ]
        );
    }

    #[test]
    fn what_is_almost_json_loses_no_order() {
        let order = |more: &str| {
            format!(
                r#"{{"event":"Order Completed","userId":"ana","timestamp":1772445600000,"properties":{{"order_id":"o1",{more}}}}}"#
            )
        };
        for (more, defects) in [
            (r#""coupon":"HI\ud83d""#, &["\\ud83d"][..]),
            (r#""total":NaN,"tax":-Infinity"#, &["NaN"]),
            (r#""total":1"#, &[]),
        ] {
            for before in ["", "\u{feff}"] {
                let decoded = decode(&format!("{before}{}", order(more))).expect(more);
                let found = decoded.defects.iter().map(|it| it.found.as_str());
                assert_eq!(found.collect::<Vec<_>>(), defects, "{more}");
                assert_eq!(
                    decoded.event.text(PropertyId::ORDER_ID).map(Text::as_str),
                    Some("o1")
                );
            }
        }
        let broken = order(r#""total":NaN"#).replace("}}", "}");
        assert!(matches!(decode(&broken), Err(Reject::BadJson(_))));
    }

    #[test]
    fn an_identify_call_is_read() {
        let decoded = decode(
            r#"{"type":"identify","anonymousId":"a1","timestamp":1772445600000,"traits":{"email":"a@example.com",
                "phone":null,"consent":{"email":true,"sms":"denied"},"tier":"gold","points":"12","shoe_size":38,
                "address":{"street":"Gran Via 1","city":"Madrid","country":"ES"}}}"#,
        )
        .unwrap();
        let event = decoded.event;
        assert_eq!(
            (event.name, event.known, event.has_message_id),
            (EventName::IDENTIFY, false, false)
        );
        assert_eq!(event.id, "cart/3/7");
        assert_eq!(event.time.to_string(), "2026-03-02T10:00:00.000Z");
        let traits = event.traits.unwrap();
        assert_eq!(
            traits.consent,
            [("email".into(), true), ("sms".into(), false)]
        );
        assert_eq!(traits.address.as_deref(), Some("Gran Via 1, Madrid, ES"));
        assert_eq!(traits.country.as_deref(), Some("ES"));
        let attributes = [
            ("tier".into(), Property::Text("gold".into())),
            ("points".into(), Property::Number(12.0)),
        ];
        assert_eq!(traits.attributes, attributes);
    }

    #[test]
    fn what_cannot_be_read_is_a_defect_of_the_event() {
        let decoded = decode(
            r#"{"event":"Product Added","userId":7,"timestamp":"2026-03-02T10:00:00Z",
                "properties":{"price":"cheap","quantity":[1],"product_id":12,"category":""}}"#,
        )
        .unwrap();
        let names: Vec<_> = decoded
            .defects
            .iter()
            .map(|defect| defect.name.as_str())
            .collect();
        assert_eq!(names, ["price", "quantity"]);
        assert_eq!(decoded.event.customer, "7");
        assert_eq!(decoded.event.text(PropertyId::PRODUCT_ID).unwrap(), "12");
        assert_eq!(decoded.event.property(PropertyId::CATEGORY), None);
    }

    /// What a list is declared to be of, what is said, and what is kept of it; of `!` it is a defect.
    #[rustfmt::skip]
    const LISTS: &[(&str, &str, &str)] = &[
        ("list", r#"["a",1,true]"#, "a 1 true"),
        ("list of text", r#""a""#, "a"),
        ("list of number", r#"[38,"40.5",-0.0]"#, "38 40.5 0"),
        ("list of number", "7", "7"),
        ("list of number", r#"[38,"large"]"#, "!"),
        ("list of number", "[38,null]", "!"),
        ("list of number", "[]", ""),
        ("list of bool", r#"[true,"no",1]"#, "true false true"),
        ("list of bool", r#"["maybe"]"#, "!"),
        ("list of time", r#"["2026-03-02T10:00:00+01:00",1772445600000,"2026-03-04"]"#,
            "2026-03-02T09:00:00.000Z 2026-03-02T10:00:00.000Z 2026-03-04"),
        ("list of time", r#"["soon"]"#, "!"),
        ("list of date", r#"["2026-03-04","2026-03-05T23:30:00-05:00"]"#, "2026-03-04 2026-03-05"),
    ];

    #[test]
    fn lists_are_of_what_they_are_declared_to_be_of() {
        for (kind, said, kept) in LISTS {
            let kind = Type::named(kind).expect("a type");
            let attributes = BTreeMap::from([("own".to_owned(), kind)]);
            let decoder = Decoder::new(Arc::new(Vocabulary::standard()), Arc::new(attributes));
            let text = format!(
                r#"{{"type":"identify","userId":"ana","timestamp":"2026-03-02T10:00:00Z","traits":{{"own":{said}}}}}"#
            );
            let decoded = decoder
                .decode(text.as_bytes(), &Origin::default())
                .expect("an event");
            assert_eq!(decoded.defects.is_empty(), *kept != "!", "{said}");
            let traits = decoded.event.traits.unwrap_or_default();
            let texts = traits.attributes.first().map(|(_, own)| match own {
                Property::List(texts) => texts.join(" "),
                other => panic!("{other:?}"),
            });
            assert_eq!(
                texts.as_deref(),
                Some(*kept).filter(|kept| *kept != "!"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_event_with_an_odd_part_is_taken_without_it() {
        for (event, properties, defects) in [
            // A discount, a return: below zero is no mistake.
            ("Order Completed", r#"{"total":-1}"#, ""),
            (
                "Order Completed",
                r#"{"products":[{"product_id":"p","price":"-0.5","quantity":-2}]}"#,
                "",
            ),
            ("Order Refunded", r#"{"order_id":"o","total":-30}"#, ""),
            ("Order Completed", r#"{"total":"free"}"#, "total is `free`"),
            (
                "Order Completed",
                r#"{"total":{"amount":3}}"#,
                "total is an object",
            ),
            (
                "Order Completed",
                r#"{"total":"","products":[],"currency":null}"#,
                "",
            ),
            (
                "Order Completed",
                r#"{"products":"none"}"#,
                "products is `none`",
            ),
            ("Order Completed", r#"{"products":7}"#, "products is 7"),
            (
                "Order Completed",
                r#"{"products":[null,7,"s2",{"price":"x"},true]}"#,
                "price is `x`, products is true",
            ),
            (
                "Order Completed",
                r#"{"products":[{"product_id":{},"category":["a"]}]}"#,
                "product_id is an object, category is a list",
            ),
            ("Order Completed", r#""nothing""#, "properties is `nothing`"),
            (
                "Order Cancelled",
                r#"{"order_id":["o"],"reason":{}}"#,
                "order_id is a list, reason is an object",
            ),
            (
                "Unsubscribed",
                r#"{"channel":["email","sms"]}"#,
                "channel is a list",
            ),
        ] {
            let text = format!(
                r#"{{"event":"{event}","userId":"a","timestamp":1772445600000,"properties":{properties}}}"#
            );
            let decoded = decode(&text).expect("an event");
            let told = decoded.defects.iter();
            let told: Vec<_> = told
                .map(|it| format!("{} is {}", it.name, it.found))
                .collect();
            assert_eq!(told.join(", "), defects, "{text}");
            if event == "Unsubscribed" {
                // Of which channel cannot be read: of all.
                assert_eq!(decoded.event.consent_said("push"), Some(false));
            }
        }
        let one = r#"{"event":"Order Completed","userId":"a","timestamp":1772445600000,"properties":{"products":{"sku":"s","price":2}}}"#;
        assert_eq!(decode(one).unwrap().event.products[0].id, "s");
    }

    #[test]
    fn an_id_that_stands_for_nobody_is_nobodys() {
        let call = |ids: &str| {
            let text = format!(r#"{{"event":"Cart Viewed","timestamp":1772445600000,{ids}}}"#);
            decode(&text).map(|it| (it.event.customer.to_string(), it.event.known))
        };
        for id in [
            r#""undefined""#,
            r#""null""#,
            r#""NULL""#,
            r#""None""#,
            r#""NaN""#,
            r#""[object Object]""#,
            r#""0""#,
            "0",
            r#"" 0 ""#,
            r#""  ""#,
            r#""00000000-0000-0000-0000-000000000000""#,
            r#""{00000000-0000-0000-0000-000000000000}""#,
            r#""00000000000000000000000000000000""#,
        ] {
            let nobody = call(&format!(r#""userId":{id}"#));
            assert_eq!(nobody.unwrap_err().word(), "placeholder_customer", "{id}");
            // Where the other stands for somebody, it is hers.
            let visitor = call(&format!(r#""userId":{id},"anonymousId":"a1""#));
            assert_eq!(visitor, Ok(("a1".to_owned(), false)), "{id}");
            let both = call(&format!(r#""userId":{id},"anonymousId":{id}"#));
            assert_eq!(both.unwrap_err().word(), "placeholder_customer", "{id}");
        }
        for id in [
            "00",
            "none-of-us",
            "nan@example.com",
            "1",
            "00000000-0000-0000-0000-000000000001",
        ] {
            assert_eq!(
                call(&format!(r#""userId":"{id}""#)),
                Ok((id.to_owned(), true))
            );
        }
        let own = decoder().with_placeholders(["guest".into()].into());
        let guest = br#"{"event":"Cart Viewed","timestamp":1772445600000,"userId":"Guest"}"#;
        let refused = own.decode(guest, &Origin::default()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the customer's id is `Guest`, which stands for nobody"
        );
        // Of other things it is no id either.
        let order = r#"{"event":"Order Completed","userId":"a","timestamp":1772445600000,
            "properties":{"order_id":"undefined","products":[{"product_id":"null"}]}}"#;
        let event = decode(order).unwrap().event;
        assert_eq!(
            (
                event.property(PropertyId::ORDER_ID),
                event.products[0].id.as_str()
            ),
            (None, "")
        );
    }

    #[test]
    fn times_of_properties_are_read_by_the_rules_of_timestamp() {
        for (written, expected) in [
            (r#""2026-03-02T11:00:00+01:00""#, "2026-03-02T10:00:00.000Z"),
            ("1772445600000", "2026-03-02T10:00:00.000Z"),
            (r#""1772445600000""#, "2026-03-02T10:00:00.000Z"),
            // Of ms it would be 1970: the unit is another.
            ("1772445600", "2026-03-02T10:00:00.000Z"),
            ("1772445600.25", "2026-03-02T10:00:00.250Z"),
            (r#""1772445600.2504""#, "2026-03-02T10:00:00.250Z"),
            ("1772445600250.4", "2026-03-02T10:00:00.250Z"),
            (r#""1772445600""#, "2026-03-02T10:00:00.000Z"),
            ("1772445600000000", "2026-03-02T10:00:00.000Z"),
            ("1772445600000000000", "2026-03-02T10:00:00.000Z"),
            ("473385600", "1985-01-01T00:00:00.000Z"),
            (r#""1950-04-01T00:00:00Z""#, "1950-04-01T00:00:00.000Z"),
            (r#""2026-03-02""#, "2026-03-02"),
            (r#""1970-01-20""#, "1970-01-20"),
            (r#""1970-01-20T00:00:00Z""#, "1970-01-20T00:00:00.000Z"),
            // No time of anything.
            ("0", "!"),
            ("7", "!"),
            (r#""1970-01-01T00:00:00Z""#, "!"),
            (r#""1970-01-21T12:20:45Z""#, "!"),
            (r#""1850-01-01""#, "!"),
            (r#""9999-12-31""#, "!"),
            (r#""2026-02-30""#, "!"),
            (r#""soon""#, "!"),
            ("true", "!"),
            (r#""""#, ""),
        ] {
            let text = format!(
                r#"{{"event":"Order Shipped","userId":"a","timestamp":1772445600000,"properties":{{"promised_at":{written}}}}}"#
            );
            let decoded = decode(&text).unwrap();
            let shown = match (
                decoded.event.property(PropertyId::PROMISED_AT),
                decoded.defects.len(),
            ) {
                (Some(Property::Time(time)), 0) => time.to_string(),
                (Some(Property::Date(day)), 0) => crate::time::show_day(*day),
                (None, 0) => String::new(),
                (None, 1) => "!".to_owned(),
                other => format!("{other:?}"),
            };
            assert_eq!(shown, expected, "{written}");
        }
        // Of the event itself, too.
        let event = |time: &str| {
            let text = format!(r#"{{"event":"Cart Viewed","userId":"a","timestamp":{time}}}"#);
            decode(&text)
                .map(|it| it.event.time.to_string())
                .map_err(|it| it.word())
        };
        assert_eq!(
            event("1772445600"),
            Ok("2026-03-02T10:00:00.000Z".to_owned())
        );
        assert_eq!(event("473385600"), Err("absurd_time"));
        assert_eq!(event("0"), Err("absurd_time"));
    }

    #[test]
    fn a_date_is_the_day_that_is_written() {
        let attributes = BTreeMap::from([("birthday".to_owned(), Type::Date)]);
        let decoder = Decoder::new(Arc::default(), Arc::new(attributes));
        for (written, expected) in [
            (r#""1990-05-01""#, Some("1990-05-01")),
            (r#""1990-05-01T23:30:00-05:00""#, Some("1990-05-01")),
            ("641520000000", Some("1990-05-01")),
            (r#""1 May""#, None),
        ] {
            let text = format!(
                r#"{{"type":"identify","userId":"a","timestamp":1772445600000,"traits":{{"birthday":{written}}}}}"#
            );
            let decoded = decoder.decode(text.as_bytes(), &Origin::default()).unwrap();
            let attributes = decoded.event.traits.unwrap().attributes;
            let day = attributes.first().map(|(_, value)| match value {
                Property::Date(day) => crate::time::show_day(*day),
                other => format!("{other:?}"),
            });
            assert_eq!(day.as_deref(), expected, "{written}");
            assert_eq!(decoded.defects.len(), usize::from(expected.is_none()));
        }
    }

    #[test]
    fn what_a_page_and_a_promotion_say_in_their_own_places_is_read() {
        let page = r#"{"type":"page","name":"Teapots","category":"tea","userId":"a","timestamp":1772445600000,"properties":{"category":"kitchen"}}"#;
        let event = decode(page).unwrap().event;
        assert_eq!(event.text(PropertyId::NAME).unwrap(), "Teapots");
        assert_eq!(event.text(PropertyId::CATEGORY).unwrap(), "kitchen");
        // Of another call they are nothing.
        let track = r#"{"event":"Cart Viewed","name":"x","userId":"a","timestamp":1772445600000}"#;
        assert_eq!(
            decode(track).unwrap().event.property(PropertyId::NAME),
            None
        );
        for (event, position, expected) in [
            (
                "Promotion Viewed",
                r#""home_top""#,
                Some(Property::Text("home_top".into())),
            ),
            ("Promotion Clicked", "3", Some(Property::Text("3".into()))),
            ("Product Clicked", "3", Some(Property::Number(3.0))),
            ("Product Clicked", r#""3""#, Some(Property::Number(3.0))),
            ("Product Clicked", r#""home_top""#, None),
        ] {
            let text = format!(
                r#"{{"properties":{{"position":{position}}},"event":"{event}","userId":"a","timestamp":1772445600000}}"#
            );
            let decoded = decode(&text).unwrap();
            let found = decoded
                .event
                .properties
                .first()
                .map(|(_, value)| value.clone());
            assert_eq!(found, expected, "{event} {position}");
            assert_eq!(decoded.defects.len(), usize::from(expected.is_none()));
        }
    }

    #[test]
    fn an_id_is_read_to_its_last_digit() {
        let id = |id: &str| {
            let text = format!(
                r#"{{"event":"Product Added","userId":{id},"messageId":{id},"timestamp":1772445600000}}"#
            );
            decode(&text).map(|decoded| (decoded.event.customer, decoded.event.id))
        };
        for exact in ["9007199254740993", "18446744073709551615", "-7"] {
            assert_eq!(id(exact), Ok((exact.into(), exact.into())));
        }
        assert_eq!(
            id("18446744073709551617").unwrap_err().word(),
            "invalid_customer"
        );
    }

    #[test]
    fn what_should_be_an_object_and_is_none_is_passed_over() {
        for odd in ["[]", "[[1],{}]", "7", "-7", "1.5", "true", "\"x\"", "null"] {
            let text = format!(
                r#"{{"event":"Order Completed","userId":"a","timestamp":1772445600000,"properties":{odd},"context":{odd},"traits":{odd}}}"#
            );
            assert!(decode(&text).is_ok(), "{text}");
            let text = format!(
                r#"{{"type":"identify","userId":"a","timestamp":1772445600000,"traits":{{"consent":{odd},"email":"e"}},
                    "context":{{"campaign":{odd},"device":{odd}}},"properties":{{"products":{odd}}}}}"#
            );
            let traits = decode(&text).unwrap().event.traits.unwrap();
            assert_eq!(traits.email.as_deref(), Some("e"), "{text}");
        }
        let products = r#"{"event":"Order Completed","userId":"a","timestamp":1772445600000,"properties":{"products":{"a":1}}}"#;
        assert_eq!(decode(products).unwrap().event.products, []);
    }

    #[test]
    fn what_is_said_many_times_is_kept_once() {
        let traits = r#""tier":"gold","#.repeat(10_000);
        let consent = (0..1000)
            .map(|i| format!(r#""c{i}":true,"#))
            .collect::<String>();
        let text = format!(
            r#"{{"type":"identify","userId":"a","timestamp":1772445600000,"traits":{{{traits}"consent":{{{consent}"c0":false}}}}}}"#
        );
        let traits = decode(&text).unwrap().event.traits.unwrap();
        assert_eq!(traits.attributes.len(), 1);
        assert_eq!(traits.consent.len(), limits::LIST_ITEMS);
        assert!(traits.consent.contains(&("c0".into(), false)));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let bomb = format!(r#"{{"userId":"a","properties":{{"x":{deep}}}}}"#);
        let track = |rest: &str| {
            format!(r#"{{"type":"track","event":"Product Added","userId":"a"{rest}}}"#)
        };
        let time = r#","timestamp":"2026-03-02T10:00:00Z""#;
        let table = [
            (String::new(), "empty"),
            ("nonsense".into(), "bad_json"),
            ("[1]".into(), "bad_json"),
            ("{\"a\":1} trailing".into(), "bad_json"),
            (bomb, "bad_json"),
            (deep, "bad_json"),
            (r#"{"type":"group","userId":"a","timestamp":"2026-03-02T10:00:00Z"}"#.into(), "unknown_type"),
            (r#"{"type":"track","userId":"a","timestamp":"2026-03-02T10:00:00Z"}"#.into(), "no_event_name"),
            (r#"{"type":"track","event":"Product Added","timestamp":"2026-03-02T10:00:00Z"}"#.into(), "no_customer"),
            (r#"{"event":"Product Added","userId":"","timestamp":"2026-03-02T10:00:00Z"}"#.into(), "no_customer"),
            (r#"{"event":"Product Added","userId":{},"timestamp":"2026-03-02T10:00:00Z"}"#.into(), "invalid_customer"),
            (r#"{"event":"Product Added","userId":"a\u0000b","timestamp":"2026-03-02T10:00:00Z"}"#.into(), "invalid_customer"),
            (format!(r#"{{"event":"X","userId":"{}"{time}}}"#, "a".repeat(300)), "invalid_customer"),
            (track(""), "no_time"),
            (track(r#","timestamp":"yesterday""#), "invalid_time"),
            (track(r#","timestamp":true"#), "invalid_time"),
            (track(r#","timestamp":"1970-01-01T00:00:00Z""#), "absurd_time"),
            (track(r#","timestamp":"9999-01-01T00:00:00Z""#), "absurd_time"),
            (track(r#","timestamp":1e300"#), "absurd_time"),
        ];
        for (text, word) in table {
            let rejected = decode(&text).map(|_| ()).map_err(|reject| reject.word());
            assert_eq!(rejected, Err(word), "{}", &text[..text.len().min(120)]);
        }
        let invalid = decoder().decode(b"{\"userId\":\"\xff\"}", &Origin::default());
        assert_eq!(invalid.unwrap_err(), Reject::InvalidUtf8(11));
        let large = vec![b' '; limits::RECORD_BYTES + 1];
        assert_eq!(
            decoder()
                .decode(&large, &Origin::default())
                .unwrap_err()
                .word(),
            "oversized"
        );
    }
}
