//! What builds before sections packed: the whole customer in one piece of postcard.
//!
//! Version 2 is as build dfad214 wrote it, version 1 before that lacked shares and unanswered messages. The types stand here as
//! they were then and change no more: what they hold is written as parts of the first version of each, and those who own the parts
//! bring them up from there.

use serde::{Deserialize, Serialize};

use crate::event::vocabulary::OWN;
use crate::event::{EventName, PropertyId, Text};
use crate::stored::{Part, StoredError};
use crate::time::Timestamp;

/// Events and properties that version 1 had of its own; behind them stood the company's.
const EVENTS: u16 = EventName::DELIVERY_FAILED.0 + 1;
const PROPERTIES: u16 = PropertyId::VERSION.0 + 1;

/// The first version of every part.
const FIRST: u8 = 1;

/// The parts of what version 1 packed.
pub fn first(bytes: &[u8]) -> Result<Vec<u8>, StoredError> {
    let Profile {
        facts,
        moments,
        contacts,
        seen,
        mut tail,
    } = postcard::from_bytes::<Profile<Facts1>>(bytes)?;
    for TailEvent { event, .. } in &mut tail {
        if event.name != EventName::OTHER {
            event.name = EventName(place(event.name.0, EVENTS));
        }
        for (id, _) in &mut event.properties {
            *id = PropertyId(place(id.0, PROPERTIES));
        }
    }
    let (unanswered, shares) = (0, Shares::default());
    Ok(Profile {
        facts: Facts2 {
            facts,
            unanswered,
            shares,
        },
        moments,
        contacts,
        seen,
        tail,
    }
    .parts())
}

/// The parts of what version 2 packed.
pub fn second(bytes: &[u8]) -> Result<Vec<u8>, StoredError> {
    Ok(postcard::from_bytes::<Profile<Facts2>>(bytes)?.parts())
}

/// The place that a word has now.
fn place(old: u16, ours: u16) -> u16 {
    match old.checked_sub(ours) {
        Some(own) => OWN.saturating_add(own),
        None => old,
    }
}

#[derive(Deserialize)]
struct Profile<F> {
    facts: F,
    moments: Vec<(u32, MomentState)>,
    contacts: Contacts,
    seen: Vec<[u8; 6]>,
    tail: Vec<TailEvent>,
}

/// Postcard writes the fields of a struct within a struct as if they stood there themselves.
#[derive(Deserialize)]
struct Facts2 {
    facts: Facts1,
    unanswered: u32,
    shares: Shares,
}

#[derive(Deserialize)]
struct Facts1 {
    known: bool,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    signed_up: Option<Timestamp>,
    identified: Option<Timestamp>,
    addresses: Addresses,
    timezone: Option<Text>,
    locale: Option<Text>,
    country: Option<Text>,
    consent: Vec<Consent>,
    attributes: Vec<(Text, Property)>,
    basket: Basket,
    wishlist: Vec<Text>,
    viewed: Vec<Text>,
    sessions: Sessions,
    touchpoints: Touchpoints,
    orders: Orders,
    interests: Vec<Interest>,
    support: Support,
    nps: Option<(u8, Timestamp)>,
    deliveries: Deliveries,
    messages: Messages,
}

impl Profile<Facts2> {
    /// Every part that holds anything. Tags are those of the families, the tail and the states.
    fn parts(&self) -> Vec<u8> {
        let Facts2 {
            facts,
            unanswered,
            shares,
        } = &self.facts;
        let f = facts;
        let mut parts = Parts::default();
        parts.add(1, &(f.known, f.first_seen, f.last_seen));
        let addressed = (&f.addresses, &f.timezone, &f.locale, &f.country);
        parts.add(2, &(f.signed_up, f.identified, addressed, &f.attributes));
        parts.add(3, &f.consent);
        parts.add(4, &f.basket);
        parts.add(5, &f.wishlist);
        parts.add(6, &(&f.viewed, &f.interests));
        parts.add(7, &f.sessions);
        parts.add(8, &f.touchpoints);
        parts.add(9, &f.orders);
        parts.add(10, &f.support);
        parts.add(11, &f.nps);
        parts.add(12, &f.deliveries);
        parts.add(13, &(&f.messages, unanswered));
        parts.add(14, shares);
        parts.add(15, &self.contacts);
        parts.add(16, &self.seen);
        parts.add(64, &self.tail);
        let mut states = Vec::new();
        for (key, state) in &self.moments {
            states.extend_from_slice(&key.to_le_bytes());
            let (tag, bytes) = match state {
                MomentState::Absence(state) => (2, written(state)),
                MomentState::Inactivity(state) => (3, written(state)),
                MomentState::Baseline(state) => (4, written(state)),
                MomentState::Gone(at) => (0, written(at)),
            };
            Part::write(tag, FIRST, &bytes, &mut states);
        }
        if !states.is_empty() {
            Part::write(65, FIRST, &states, &mut parts.0);
        }
        parts.0
    }
}

#[derive(Default)]
struct Parts(Vec<u8>);

impl Parts {
    /// What is nothing but zeros is as good as not there: false, none, empty.
    fn add(&mut self, tag: u16, part: &impl Serialize) {
        let bytes = written(part);
        if bytes.iter().any(|byte| *byte != 0) {
            Part::write(tag, FIRST, &bytes, &mut self.0);
        }
    }
}

fn written(part: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain data, and memory grows")]
    let bytes = postcard::to_allocvec(part).expect("postcard writes plain data");
    bytes
}

#[derive(Serialize, Deserialize)]
struct Addresses {
    email: Option<Text>,
    phone: Option<Text>,
    push_token: Option<Text>,
    postal: Option<Text>,
}

#[derive(Serialize, Deserialize)]
struct Consent {
    channel: Text,
    given: bool,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
enum Property {
    Bool(bool),
    Number(f64),
    Text(Text),
    Time(Timestamp),
    List(Vec<Text>),
}

#[derive(Serialize, Deserialize)]
struct Basket {
    cart_id: Option<Text>,
    lines: Vec<(Text, i64, u32)>,
    changed: Option<Timestamp>,
    emptied: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Sessions {
    count: u32,
    started: Option<Timestamp>,
    last: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Touchpoints {
    first: Option<(Timestamp, Touchpoint)>,
    last: Option<(Timestamp, Touchpoint)>,
}

#[derive(Serialize, Deserialize)]
struct Touchpoint {
    source: Option<Text>,
    medium: Option<Text>,
    campaign: Option<Text>,
}

#[derive(Serialize, Deserialize)]
struct Orders {
    count: u32,
    value: i64,
    currency: Option<Text>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    recent: Vec<(Timestamp, i64)>,
    rhythm: Rhythm,
    undone: u32,
}

#[derive(Serialize, Deserialize)]
struct Rhythm {
    last_day: Option<i32>,
    gaps: u32,
    sum: i64,
    squares: i64,
}

#[derive(Serialize, Deserialize)]
struct Interest {
    category: Text,
    score: f32,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Support {
    tickets: u32,
    solved: u32,
    chats: u32,
    last: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Deliveries {
    under_way: Vec<(Text, Timestamp)>,
    delivered: u32,
    late: u32,
    last: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Messages {
    opened: u32,
    clicked: u32,
    last: Option<Timestamp>,
}

#[derive(Default, Serialize, Deserialize)]
struct Shares {
    count: u32,
    last: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Contacts {
    count: u32,
    last: Option<(Timestamp, Text)>,
    by_trigger: Vec<(u32, Vec<Timestamp>)>,
}

#[derive(Serialize, Deserialize)]
enum MomentState {
    Absence(AbsenceState),
    Inactivity(InactivityState),
    Baseline(BaselineState),
    Gone(Timestamp),
}

/// An event's id and time.
type EventRef = (Text, Timestamp);

#[derive(Serialize, Deserialize)]
struct AbsenceState {
    open: Vec<(Text, EventRef)>,
    latest: Option<(Timestamp, Position)>,
}

#[derive(Serialize, Deserialize)]
struct InactivityState {
    last: EventRef,
    fired: bool,
}

#[derive(Serialize, Deserialize)]
struct BaselineState {
    last: Option<EventRef>,
    last_day: i32,
    fired: bool,
    sums: (u32, i64, i128),
    recent: Vec<i64>,
}

#[derive(Serialize, Deserialize)]
struct TailEvent {
    event: Event,
    fired: Vec<u32>,
}

/// Id, category, price, quantity.
type Product = (Text, Option<Text>, Option<f64>, Option<f64>);

/// Topic and offset.
type Position = (u8, i64);

#[derive(Serialize, Deserialize)]
struct Event {
    customer: Text,
    time: Timestamp,
    position: Position,
    id: Text,
    has_message_id: bool,
    name: EventName,
    known: bool,
    properties: Vec<(PropertyId, Property)>,
    products: Vec<Product>,
    traits: Option<Traits>,
    touchpoint: Option<Touchpoint>,
    traceparent: Option<Text>,
}

#[derive(Serialize, Deserialize)]
struct Traits {
    email: Option<Text>,
    phone: Option<Text>,
    push_token: Option<Text>,
    address: Option<Text>,
    timezone: Option<Text>,
    locale: Option<Text>,
    country: Option<Text>,
    consent: Vec<(Text, bool)>,
    attributes: Vec<(Text, Property)>,
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use crate::event::vocabulary::OWN;
    use crate::event::{EventName, Property, PropertyId};
    use crate::time::Timestamp;

    /// What the last build of version 1 packed of a customer with an order, and with two events beyond the watermark: a
    /// company's own, and one nobody knows.
    const GOLDEN: &str = "01ffffffffffffff1f010180fa818a95670180a8a8949567000180fa818a9567010f616e61406578616d706c652e636f\
        6d000000010d4575726f70652f4d616472696400000205656d61696c0180fa818a956703736d730080fa818a956701047469657202\
        04676f6c6400000180eef09095670180eef0909567000106746561706f74020180eef09095670180eef0909567000001d42f000180\
        eef09095670180eef09095670180eef0909567d42f01c2c0020000000001037465610000803f80b4b98d9567000000000000000000\
        01000180a8a894956700000000069d52c1e5b5aa6f48fef57af32affde71fd5f8723c1623b298c72b9c91fa95d181f7d9b46020361\
        6e6180e2df9795670008026d35013401024702044261746846020132000000000003616e61d0f1df979567000a026d3601ffff0301\
        000000000000";

    #[test]
    fn a_profile_of_version_1_is_read() {
        let byte = |at: usize| u8::from_str_radix(&GOLDEN[at..at + 2], 16);
        let bytes: Result<Vec<u8>, _> = (0..GOLDEN.len()).step_by(2).map(byte).collect();
        let customer = check(&bytes.expect("hexadecimal")).expect("a profile of version 1");
        let settled = &customer.profile.settled;
        let email = settled.identity.addresses.email.as_deref();
        assert_eq!(email, Some("ana@example.com"));
        assert_eq!(settled.consent.given("sms"), Some(false));
        assert_eq!(settled.orders.count, 1);
        assert_eq!(settled.orders.value.number(), 30.5);
        assert_eq!(settled.messages.opened, 1);
        assert_eq!((settled.messages.unanswered, settled.shares.count), (0, 0));
        assert_eq!(settled.seen.messages.len(), 6);
        let [booked, unknown] = customer.profile.tail.events() else {
            panic!("{:?}", customer.profile.tail);
        };
        assert_eq!(booked.event.name, EventName(OWN));
        assert_eq!(
            booked.event.properties[..],
            [
                (PropertyId(OWN), Property::Text("Bath".into())),
                (PropertyId::VERSION, Property::Text("2".into()))
            ]
        );
        assert_eq!(unknown.event.name, EventName::OTHER);
        assert_eq!(
            unknown.event.time,
            Timestamp::parse("2026-03-01T13:00:01Z").expect("a time")
        );
    }
}
