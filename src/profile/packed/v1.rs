//! Profiles as version 1 packed them: without [`Facts::unanswered`] and [`Facts::shares`], and a company's own words with
//! places right behind ours.

use serde::Deserialize;

use crate::event::vocabulary::OWN;
use crate::event::{CustomerId, EventName, Property, PropertyId, Text};
use crate::moment::MomentState;
use crate::profile::facts::{
    Addresses, Basket, Consent, Deliveries, Interest, Messages, Orders, Sessions, Shares, Support,
    Touchpoints,
};
use crate::profile::{ContactsV1, MessageHash, TailEvent};
use crate::time::Timestamp;

/// How many events of ours there were; a company's own began here.
const EVENTS: u16 = EventName::DELIVERY_FAILED.0 + 1;
/// How many properties of ours there were.
const PROPERTIES: u16 = PropertyId::VERSION.0 + 1;

#[derive(Deserialize)]
pub struct Profile {
    pub facts: Facts,
    pub moments: Vec<(u32, MomentState)>,
    pub contacts: ContactsV1,
    pub seen: Vec<MessageHash>,
    pub tail: Vec<TailEvent>,
}

#[derive(Deserialize)]
pub struct Facts {
    pub known: bool,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    pub signed_up: Option<Timestamp>,
    pub identified: Option<Timestamp>,
    pub addresses: Addresses,
    pub timezone: Option<Text>,
    pub locale: Option<Text>,
    pub country: Option<Text>,
    pub consent: Vec<Consent>,
    pub attributes: Vec<(Text, Property)>,
    pub basket: Basket,
    pub wishlist: Vec<Text>,
    pub viewed: Vec<Text>,
    pub sessions: Sessions,
    pub touchpoints: Touchpoints,
    pub orders: Orders,
    pub interests: Vec<Interest>,
    pub support: Support,
    pub nps: Option<(u8, Timestamp)>,
    pub deliveries: Deliveries,
    pub messages: Messages,
}

impl From<Profile> for crate::profile::Profile {
    fn from(old: Profile) -> Self {
        let Profile {
            facts,
            moments,
            contacts,
            seen,
            mut tail,
        } = old;
        for tail in &mut tail {
            let event = &mut tail.event;
            if event.name != EventName::OTHER {
                event.name = EventName(place(event.name.0, EVENTS));
            }
            for (id, _) in &mut event.properties {
                *id = PropertyId(place(id.0, PROPERTIES));
            }
        }
        Self {
            id: CustomerId::default(),
            facts: facts.into(),
            moments,
            contacts: contacts.into(),
            seen,
            tail,
        }
    }
}

/// The place that a word has now.
fn place(old: u16, ours: u16) -> u16 {
    match old.checked_sub(ours) {
        Some(own) => OWN.saturating_add(own),
        None => old,
    }
}

impl From<Facts> for crate::profile::Facts {
    fn from(old: Facts) -> Self {
        Self {
            known: old.known,
            first_seen: old.first_seen,
            last_seen: old.last_seen,
            signed_up: old.signed_up,
            identified: old.identified,
            addresses: old.addresses,
            timezone: old.timezone,
            locale: old.locale,
            country: old.country,
            consent: old.consent,
            attributes: old.attributes,
            basket: old.basket,
            wishlist: old.wishlist,
            viewed: old.viewed,
            sessions: old.sessions,
            touchpoints: old.touchpoints,
            orders: old.orders,
            interests: old.interests,
            support: old.support,
            nps: old.nps,
            deliveries: old.deliveries,
            messages: old.messages,
            unanswered: 0,
            shares: Shares::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event::vocabulary::OWN;
    use crate::event::{EventName, Property, PropertyId};
    use crate::profile::packed::unpack;
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
        let profile = unpack(&bytes.expect("hexadecimal")).expect("a profile of version 1");
        let facts = &profile.facts;
        assert_eq!(facts.addresses.email.as_deref(), Some("ana@example.com"));
        assert_eq!(facts.consents("sms"), Some(false));
        assert_eq!((facts.orders.count, facts.orders.value), (1, 3050));
        assert_eq!(facts.messages.opened, 1);
        assert_eq!((facts.unanswered, facts.shares.count), (0, 0));
        assert_eq!(profile.seen.len(), 6);
        let [booked, unknown] = &profile.tail[..] else {
            panic!("{:?}", profile.tail);
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
