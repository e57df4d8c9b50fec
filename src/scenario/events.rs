//! The events of a scenario, through the same decoder as everybody's.

use std::ops::Range;

use serde_json::{Value as Json, json};

use crate::decode::Decoder;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::report::Report;
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{self, Node, Yaml, locate};
use crate::event::record::Origin;
use crate::event::{Event, Position, vocabulary};
use crate::profile::limits::CONSENTS;
use crate::time::Timestamp;

/// What is expected of `events`, for messages.
pub const EXPECTED: &str = "lines such as `2026-03-02T10:00:00Z  Product Added  { product_id: p1 }`: \
    after `events: |`, or each in quotes, or mappings of `time`, `event` and `properties`";

/// Who a scenario is about.
const CUSTOMER: &str = "customer";

const EVENT: Keys = Keys {
    of: "an event",
    known: &[
        Known::required("time", Shape::Instant, "When it happened."),
        Known::required("event", Shape::EventName, "What happened."),
        Known::optional(
            "properties",
            Shape::Values,
            "Its properties; of Identify, its traits.",
        ),
        Known::optional(
            "context",
            Shape::Values,
            "The context of the call, such as `campaign`.",
        ),
        Known::optional("id", Shape::Text(256), "Its message id."),
        Known::optional(
            "userId",
            Shape::Text(256),
            "Whose it is, where that is another customer.",
        ),
        Known::optional(
            "anonymousId",
            Shape::Text(256),
            "The same, where nobody knows her by name; beside a `userId`, who she was so far.",
        ),
        Known::optional(
            "previousId",
            Shape::Text(256),
            "Another id that she had so far.",
        ),
        Known::optional(
            "appended",
            Shape::Instant,
            "When the broker appended it, where that is not when it happened.",
        ),
        Known::default(
            "everybody",
            "false",
            Shape::Bool,
            "Whether it happened to everybody.",
        ),
    ],
    later: &[],
};

/// What `events` looks like.
pub const SHAPE: Shape = Shape::Either(&[
    Shape::Text(yaml::limits::FILE_BYTES),
    Shape::List(
        &Shape::Either(&[
            Shape::Text(yaml::limits::FILE_BYTES),
            Shape::Mapping(&EVENT),
        ]),
        1,
        EVENTS_MAX,
    ),
]);

/// Events of one scenario, for the schema: a file holds no more.
const EVENTS_MAX: usize = 10_000;

/// What an identify call may say beside declared attributes.
pub const PROFILE: Keys = Keys {
    of: "the profile",
    known: &[
        Known::optional("address", TRAIT, "Postal address."),
        Known::optional(
            "consent",
            Shape::Either(&[Shape::List(&TRAIT, 0, CONSENTS), Shape::Values]),
            "Channels with consent, or true or false by channel.",
        ),
        Known::optional("country", TRAIT, "Country."),
        Known::optional("email", TRAIT, "E-mail address."),
        Known::optional("language", TRAIT, "Language tag."),
        Known::optional("locale", TRAIT, "Language tag."),
        Known::optional("phone", TRAIT, "Telephone number."),
        Known::optional("push_token", TRAIT, "Device token for push."),
        Known::optional("timezone", TRAIT, "IANA time zone, such as Europe/Madrid."),
    ],
    later: &[],
};
const TRAIT: Shape = Shape::Text(1024);

/// One event as it was written.
struct Written {
    span: Range<usize>,
    time: Timestamp,
    name: String,
    properties: Option<Node>,
    context: Option<Node>,
    id: Option<String>,
    /// By the fields of a call; none: it is the scenario's customer's.
    whose: Vec<(&'static str, String)>,
    appended: Option<Timestamp>,
    everybody: bool,
}

/// Something that happens in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// What.
    pub event: Event,
    /// The call that tells of it, as a producer writes it.
    pub call: String,
    /// When the broker appended it, where that is said.
    pub appended: Option<Timestamp>,
    /// Whether it happened to everybody.
    pub everybody: bool,
}

/// What stands before the name of what happened to everybody.
const EVERYBODY: &str = "everybody:";

/// What stands before the name of an event that was not appended when it happened: `appended=2026-03-02T10:00:30Z`.
const APPENDED: &str = "appended=";

/// The fields of a call that say whose it is: `anonymousId=d1` before the name of what happened.
const WHOSE: [&str; 3] = ["userId", "anonymousId", "previousId"];

/// What a scenario says of the customer, beside her events.
#[derive(Clone, Copy)]
pub struct Told<'n> {
    /// Known by an anonymous id only.
    pub anonymous: bool,
    /// What an identify call said before the first event.
    pub profile: Option<&'n Node>,
}

impl Told<'_> {
    /// The field of a call that names her.
    fn id(self) -> &'static str {
        if self.anonymous {
            "anonymousId"
        } else {
            "userId"
        }
    }
}

/// Reads the events, the profile's before them.
pub fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    told: Told<'_>,
    decoder: &Decoder,
) -> Option<Vec<Happening>> {
    let written = match &node.value {
        Yaml::List(items) => items
            .iter()
            .map(|item| one(reader, item))
            .collect::<Vec<_>>(),
        Yaml::Scalar { .. } => lines(reader, node),
        Yaml::Map(_) => {
            reader.unexpected(node, EXPECTED);
            return None;
        }
    };
    let written = written.into_iter().collect::<Option<Vec<_>>>()?;
    let Some(first) = written.first() else {
        reader.unexpected(node, "at least one event");
        return None;
    };
    let before = told.profile.map(|profile| {
        check_traits(reader, profile)?;
        let call = json!({
            "type": "identify", told.id(): CUSTOMER, "messageId": "profile",
            "timestamp": first.time.plus(-1).to_string(), "traits": profile.json(),
        });
        decode(reader, (&profile.span, false), &call, 0, decoder)
    });
    let mut events: Vec<Happening> = match before {
        Some(event) => vec![event?],
        None => Vec::new(),
    };
    for (i, written) in written.iter().enumerate() {
        let mut call = call(reader, written, i + 1)?;
        for (field, id) in &written.whose {
            call[field] = id.as_str().into();
        }
        if !written.everybody
            && written
                .whose
                .iter()
                .all(|(field, _)| *field == "previousId")
        {
            call[told.id()] = CUSTOMER.into();
        }
        let part = (&written.span, written.everybody);
        let happening = decode(reader, part, &call, i + 1, decoder)?;
        events.push(Happening {
            appended: written.appended,
            ..happening
        });
    }
    Some(events)
}

/// The lines of a text.
fn lines(reader: &mut Reader<'_>, node: &Node) -> Vec<Option<Written>> {
    let text = node.text().unwrap_or_default();
    let mut start = 0;
    let mut written = Vec::new();
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') {
            let at = start + (line.len() - line.trim_start().len());
            written.push(line_of(reader, node, at..at + content.len()));
        }
        start += line.len();
    }
    written
}

fn one(reader: &mut Reader<'_>, node: &Node) -> Option<Written> {
    match &node.value {
        Yaml::Scalar { text, .. } => {
            let start = text.len() - text.trim_start().len();
            line_of(reader, node, start..start + text.trim().len())
        }
        Yaml::Map(_) => {
            let fields = reader.fields(node, EVENT)?;
            let time = reader
                .required(&fields, "time", "when it happened")
                .and_then(|node| reader.instant(node));
            let name = reader.required(&fields, "event", "what happened");
            let name = name.and_then(|node| reader.text(node, "an event's name"));
            Some(Written {
                span: node.span.clone(),
                time: time?,
                name: name?.to_owned(),
                properties: fields.get("properties").cloned(),
                context: fields.get("context").cloned(),
                id: fields.get("id").and_then(Node::text).map(str::to_owned),
                whose: WHOSE
                    .into_iter()
                    .filter_map(|field| Some((field, fields.get(field)?.text()?.to_owned())))
                    .collect(),
                appended: match fields.get("appended") {
                    Some(node) => Some(reader.instant(node)?),
                    None => None,
                },
                everybody: match fields.get("everybody") {
                    Some(node) => reader.boolean(node)?,
                    None => false,
                },
            })
        }
        Yaml::List(_) => {
            reader.unexpected(node, EXPECTED);
            None
        }
    }
}

/// `TIME  Event Name  { properties }`, a part of a scalar's text.
fn line_of(reader: &mut Reader<'_>, node: &Node, part: Range<usize>) -> Option<Written> {
    let file = reader.source.text();
    let text = node.text()?;
    let place = |part: Range<usize>| locate(file, node, part);
    let line = &text[part.clone()];
    let (time, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(time) = Timestamp::parse(time) else {
        let span = place(part.start..part.start + time.len());
        reader.fails(&span, format!("`{time}` is no time"), EXPECTED.to_owned());
        return None;
    };
    let brace = rest.find('{').unwrap_or(rest.len());
    let name = rest[..brace].trim();
    let (everybody, name) = match name.strip_prefix(EVERYBODY) {
        Some(name) => (true, name.trim()),
        None => (false, name),
    };
    let (appended, name) = match name.strip_prefix(APPENDED) {
        Some(said) => {
            let (at, name) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
            let Some(at) = Timestamp::parse(at) else {
                let message = format!("`{at}` is no time");
                let expected = format!(
                    "when the broker appended it, such as `{APPENDED}2026-03-02T10:00:30Z`"
                );
                reader.fails(&place(part), message, expected);
                return None;
            };
            (Some(at), name.trim_start())
        }
        None => (None, name),
    };
    let (whose, name) = whose(name);
    let offset = part.end - rest.len() + brace;
    let properties = match &rest[brace..] {
        "" => None,
        braced => Some(properties(reader, braced, |inner| {
            place(inner.start + offset..inner.end + offset)
        })?),
    };
    Some(Written {
        span: place(part),
        time,
        name: name.to_owned(),
        properties,
        context: None,
        id: None,
        whose,
        appended,
        everybody,
    })
}

/// The ids that stand before the name of what happened, and the name.
fn whose(mut name: &str) -> (Vec<(&'static str, String)>, &str) {
    let mut whose = Vec::new();
    while let Some((word, rest)) = name.split_once(char::is_whitespace)
        && let Some((field, id)) = word.split_once('=')
        && let Some(field) = WHOSE.into_iter().find(|known| *known == field)
    {
        whose.push((field, id.to_owned()));
        name = rest.trim_start();
    }
    (whose, name)
}

fn properties(
    reader: &mut Reader<'_>,
    text: &str,
    place: impl Fn(Range<usize>) -> Range<usize>,
) -> Option<Node> {
    match yaml::parse_text(text) {
        Ok((Some(mut node), twice)) => {
            node.relocate(&place);
            if let Some((key, span)) = twice.into_iter().next() {
                reader.fails(
                    &place(span),
                    format!("`{key}` stands here a second time"),
                    "each key once".to_owned(),
                );
                return None;
            }
            Some(node)
        }
        Ok((None, _)) => None,
        Err((span, message)) => {
            reader.fails(&place(span), message, "`{ name: value, ... }`".to_owned());
            None
        }
    }
}

/// The call that a producer would have made.
fn call(reader: &mut Reader<'_>, written: &Written, number: usize) -> Option<Json> {
    let said = written.properties.as_ref();
    let id = written
        .id
        .clone()
        .unwrap_or_else(|| format!("event-{number}"));
    let mut call = json!({
        "messageId": id, "timestamp": written.time.to_string(),
        "context": written.context.as_ref().map(Node::json),
    });
    let entries = call.as_object_mut()?;
    if written.name == "Identify" {
        said.map_or(Some(()), |said| check_traits(reader, said))?;
        entries.insert("type".to_owned(), "identify".into());
        entries.insert("traits".to_owned(), said.map_or(Json::Null, Node::json));
        return Some(call);
    }
    if written.name == "Alias" {
        entries.insert("type".to_owned(), "alias".into());
        return Some(call);
    }
    let vocabulary = reader.declared.vocabulary;
    if vocabulary.event_named(&written.name).is_none() {
        let names = vocabulary.events().map(|event| event.name.as_str());
        let report = Report::at(
            reader.source,
            written.span.clone(),
            format!("no event is called `{}`", written.name),
        )
        .expected(
            "an event of Segment's specs, or one declared under [events] in the configuration"
                .to_owned(),
        )
        .suggest(closest(&written.name, names).map(str::to_owned));
        reader.reports.push(report);
        return None;
    }
    said.map_or(Some(()), |said| {
        check_properties(reader, said, &written.name)
    })?;
    entries.insert("type".to_owned(), "track".into());
    entries.insert("event".to_owned(), written.name.as_str().into());
    entries.insert("properties".to_owned(), said.map_or(Json::Null, Node::json));
    Some(call)
}

fn check_properties(reader: &mut Reader<'_>, said: &Node, event: &str) -> Option<()> {
    let vocabulary = reader.declared.vocabulary;
    let spec = vocabulary.event(vocabulary.event_named(event)?)?;
    let carried = spec
        .properties
        .iter()
        .map(|id| vocabulary.property(*id).name.as_str());
    let known: Vec<&str> = carried.chain(["products"]).collect();
    let is_object = |name: &str| vocabulary.is_object(name);
    check_keys(reader, said, (event, &known), is_object, |name| {
        name == "products" || vocabulary.property_named(name).is_some()
    })
}

fn check_traits(reader: &mut Reader<'_>, said: &Node) -> Option<()> {
    let attributes = vocabulary::attributes(reader.declared.attributes);
    let mut known: Vec<&str> = PROFILE.names().collect();
    known.extend(attributes.map(|(name, _)| name));
    let own = reader.declared.attributes;
    // Of an address everything is taken.
    let is_object = |name: &str| name != "address" && vocabulary::attribute_is_object(own, name);
    check_keys(reader, said, ("the profile", &known), is_object, |name| {
        known.contains(&name)
    })
}

/// What the decoder would pass over in silence is, in a test, a mistake.
fn check_keys(
    reader: &mut Reader<'_>,
    said: &Node,
    (of, known): (&str, &[&str]),
    is_object: impl Fn(&str) -> bool,
    is_known: impl Fn(&str) -> bool,
) -> Option<()> {
    let Yaml::Map(entries) = &said.value else {
        reader.unexpected(said, "a mapping");
        return None;
    };
    let mut names = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match &value.value {
            Yaml::Map(held) if is_object(&key.text) => {
                let held = held.iter();
                names.extend(held.map(|(it, _)| (&it.span, format!("{}.{}", key.text, it.text))));
            }
            _ => names.push((&key.span, key.text.clone())),
        }
    }
    names.retain(|(_, name)| !is_known(name));
    let unknown = names;
    for (span, name) in &unknown {
        let report = Report::at(
            reader.source,
            (*span).clone(),
            format!("{of} has no `{name}`"),
        )
        .expected(listed(known.iter().copied()))
        .suggest(closest(name, known.iter().copied()).map(str::to_owned));
        reader.reports.push(report);
    }
    unknown.is_empty().then_some(())
}

fn decode(
    reader: &mut Reader<'_>,
    (span, everybody): (&Range<usize>, bool),
    call: &Json,
    line: usize,
    decoder: &Decoder,
) -> Option<Happening> {
    let position = Position {
        topic: 0,
        offset: i64::try_from(line).unwrap_or(i64::MAX),
    };
    let origin = Origin {
        topic: "scenario",
        position,
        everybody,
        ..Origin::default()
    };
    let call = call.to_string();
    match decoder.decode(call.as_bytes(), &origin) {
        Ok(decoded) => {
            for defect in &decoded.defects {
                let message = format!("`{}` cannot be read", defect.name);
                reader.fails(span, message, defect.expected.to_owned());
            }
            let event = decoded.event;
            decoded.defects.is_empty().then_some(Happening {
                event,
                call,
                appended: None,
                everybody,
            })
        }
        Err(reject) => {
            reader.fails(span, reject.to_string(), None);
            None
        }
    }
}
