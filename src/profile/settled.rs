//! What her events up to the watermark say of a customer: the registry of families.

use std::sync::LazyLock;

use super::basket::Basket;
use super::browsing::Browsing;
use super::consent::Consents;
use super::contacts::Contacts;
use super::deliveries::Deliveries;
use super::derived::Derived;
use super::identity::Identity;
use super::journeys::Journeys;
use super::ledger::Ledger;
use super::messages::Messages;
use super::nps::Nps;
use super::orders::Orders;
use super::presence::Presence;
use super::reach::Reach;
use super::referrals::Referrals;
use super::reviews::Reviews;
use super::section::{AsOf, Local, Section};
use super::seen::Seen;
use super::segments::Segments;
use super::sent::Sent;
use super::sessions::Sessions;
use super::shares::Shares;
use super::support::Support;
use super::touchpoints::Touchpoints;
use super::wishlist::Wishlist;
use crate::event::{CustomerId, Event, EventName, PropertyId, Text, Type};
use crate::money::Currencies;
use crate::stored::{Inventory, Lazy, Part, StoredError};
use crate::time::Zone;
use crate::value::Value;

/// A line for each family. Who she is comes first: the others ask for her time zone.
macro_rules! sections {
    ($who:ident: $Who:ty, $($family:ident: $Family:ty,)*) => {
        /// Everything settled of one customer. A family that nobody touches stays bytes.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Settled {
            /// Whose; not stored, for it is the key.
            pub id: CustomerId,
            #[doc = "See [`super::identity`]."]
            pub $who: Lazy<$Who>,
            $(#[doc = concat!("See [`super::", stringify!($family), "`].")]
            pub $family: Lazy<$Family>,)*
        }

        impl Settled {
            /// Takes one event in, at a company with these currencies, where customers of whom no zone is known live at `home`.
            pub fn apply(&mut self, event: &Event, currencies: &Currencies, home: &Zone) {
                let Self { id: _, $who, $($family,)* } = self;
                if <$Who>::is_written_by(event) {
                    let (zone, address) = (&Default::default, &|_| None);
                    $who.apply(event, Local { zone, currencies, address });
                }
                let local = Local {
                    zone: &|| $who.zone_or(home),
                    currencies,
                    address: &|address| $who.addresses.hash(address),
                };
                $(if <$Family>::is_written_by(event) {
                    $family.apply(event, local);
                })*
            }

            /// Takes in what is settled of the same person under another id, family by family; one that holds nothing is passed over.
            /// What is declared of a company's own is taken in by whoever knows what that is.
            pub fn merge(&mut self, other: Self, currencies: &Currencies, home: &Zone) {
                let Self { id: _, $who, $($family,)* } = self;
                let zone = &Default::default;
                let address = &|_| None;
                merge($who, other.$who, Local { zone, currencies, address });
                let local = Local {
                    zone: &|| $who.zone_or(home),
                    currencies,
                    address: &|address| $who.addresses.hash(address),
                };
                $(merge($family, other.$family, local);)*
            }

            /// Writes every family that holds anything.
            pub fn write(&self, out: &mut Vec<u8>) {
                self.$who.write_any(<$Who>::TAG, out);
                $(self.$family.write_any(<$Family>::TAG, out);)*
            }

            /// Takes a part that was written; gives back what is no family.
            #[must_use]
            pub fn take(&mut self, part: Part) -> Option<Part> {
                match part.tag {
                    <$Who>::TAG => self.$who = Lazy::from_part(part),
                    $(<$Family>::TAG => self.$family = Lazy::from_part(part),)*
                    _ => return Some(part),
                }
                None
            }

            /// Whether every family can be read.
            ///
            /// # Errors
            /// What one of them says.
            pub fn check(&self) -> Result<(), StoredError> {
                self.$who.check()?;
                $(self.$family.check()?;)*
                Ok(())
            }

            /// Shows every family.
            pub fn inventory(shown: &mut impl Inventory) {
                shown.part::<$Who>(<$Who>::TAG);
                $(shown.part::<$Family>(<$Family>::TAG);)*
            }

            /// Whether an event may change what stands under a path, plain or keyed. A family that names no events may be
            /// changed by any. None: no family has the path.
            #[must_use]
            pub fn writer_of(path: &str) -> Option<fn(&Event) -> bool> {
                None.or_else(|| writer::<$Who>(path))
                    $(.or_else(|| writer::<$Family>(path)))*
            }

            /// What each family is stored under.
            pub const TAGS: &[u16] = &[<$Who>::TAG, $(<$Family>::TAG,)*];
        }

        /// Every plain field, sorted by path.
        pub static FIELDS: LazyLock<Vec<Field>> = LazyLock::new(|| {
            let mut fields = fields::<$Who>(|settled| &settled.$who);
            $(fields.extend(self::fields::<$Family>(|settled| &settled.$family));)*
            fields.sort_by_key(|field| field.path);
            fields
        });

        /// Every keyed field, sorted by path.
        pub static KEYED_FIELDS: LazyLock<Vec<KeyedField>> = LazyLock::new(|| {
            let mut fields = keyed_fields::<$Who>(|settled| &settled.$who);
            $(fields.extend(keyed_fields::<$Family>(|settled| &settled.$family));)*
            fields.sort_by_key(|field| (field.path, field.member));
            fields
        });
    };
}

sections! {
    identity: Identity,
    presence: Presence,
    consent: Consents,
    reach: Reach,
    basket: Basket,
    wishlist: Wishlist,
    browsing: Browsing,
    sessions: Sessions,
    touchpoints: Touchpoints,
    orders: Orders,
    support: Support,
    nps: Nps,
    deliveries: Deliveries,
    messages: Messages,
    shares: Shares,
    reviews: Reviews,
    referrals: Referrals,
    derived: Derived,
    segments: Segments,
    contacts: Contacts,
    ledger: Ledger,
    sent: Sent,
    journeys: Journeys,
    seen: Seen,
}

/// Reads one field of a profile.
pub type Read = dyn for<'a> Fn(&'a Settled, AsOf<'_>) -> Value<'a> + Send + Sync;

/// Reads the member of a key.
pub type ReadMember = dyn for<'a> Fn(&'a Settled, &str, AsOf<'_>) -> Value<'a> + Send + Sync;

/// The keys that a customer has.
pub type ReadKeys = dyn for<'a> Fn(&'a Settled) -> Vec<&'a str> + Send + Sync;

/// One field that expressions may name as `profile.PATH`, of whatever family.
pub struct Field {
    /// Path after `profile.`
    pub path: &'static str,
    /// Type.
    pub kind: Type,
    /// What it is, with its unit.
    pub about: &'static str,
    /// How it is read.
    pub read: Box<Read>,
}

/// One family of fields with a key of the author's choice.
pub struct KeyedField {
    /// Path after `profile.`
    pub path: &'static str,
    /// What stands behind the key, where that has fields: `profile.PATH["key"].MEMBER`.
    pub member: Option<&'static str>,
    /// Type of every member; `None` where each key has its own, declared in the configuration.
    pub kind: Option<Type>,
    /// What it is, with its unit.
    pub about: &'static str,
    /// The keys that she has.
    pub keys: Box<ReadKeys>,
    /// How the member of a key is read.
    pub read: Box<ReadMember>,
}

/// The fields of a family, read through the whole.
fn fields<S: Section>(of: for<'a> fn(&'a Settled) -> &'a S) -> Vec<Field> {
    let fields = S::FIELDS.iter().map(|field| Field {
        path: field.path,
        kind: field.kind,
        about: field.about,
        read: Box::new(move |settled, as_of| (field.read)(of(settled), as_of)),
    });
    fields.collect()
}

fn keyed_fields<S: Section>(of: for<'a> fn(&'a Settled) -> &'a S) -> Vec<KeyedField> {
    let fields = S::KEYED_FIELDS.iter().map(|field| KeyedField {
        path: field.path,
        member: field.member,
        kind: field.kind,
        about: field.about,
        keys: Box::new(move |settled| (field.keys)(of(settled))),
        read: Box::new(move |settled, key, as_of| (field.read)(of(settled), key, as_of)),
    });
    fields.collect()
}

fn writer<S: Section>(path: &str) -> Option<fn(&Event) -> bool> {
    let plain = S::FIELDS.iter().any(|field| field.path == path);
    let mut keyed = S::KEYED_FIELDS.iter();
    let below = |field: &super::section::KeyedField<S>| {
        let key = path.strip_prefix(field.path);
        key.is_some_and(|key| key.starts_with(['.', '[']))
    };
    if !plain && !keyed.any(below) {
        return None;
    }
    Some(S::may_be_written_by)
}

fn merge<S: Section>(own: &mut Lazy<S>, other: Lazy<S>, local: Local<'_>) {
    let nothing = S::default();
    if **own == nothing {
        *own = other;
    } else if *other != nothing {
        own.merge(other.into_inner(), local);
    }
}

impl Settled {
    /// Whether what an event is about was told before: an order, a refund, a ticket, a chat, a parcel or a review of the same id. It
    /// is one all the same.
    #[must_use]
    pub fn was_told(&self, event: &Event) -> bool {
        match event.name {
            EventName::ORDER_COMPLETED | EventName::ORDER_REFUNDED => self.orders.was_told(event),
            EventName::SUPPORT_TICKET_OPENED | EventName::LIVE_CHAT_CONVERSATION_STARTED => {
                self.support.was_told(event)
            }
            EventName::ORDER_DELIVERED => self.deliveries.was_told(event),
            EventName::PRODUCT_REVIEWED => self.reviews.was_told(event),
            _ => false,
        }
    }

    /// The id of its own that the thing has which an event is about, where [`Settled::was_told`] goes by one: two events of one name
    /// and of one such id tell of one thing.
    #[must_use]
    pub fn thing_of(event: &Event) -> Option<&Text> {
        let id = |id: PropertyId| event.text(id);
        match event.name {
            EventName::ORDER_COMPLETED => id(PropertyId::ORDER_ID),
            EventName::ORDER_REFUNDED => id(PropertyId::REFUND_ID),
            EventName::SUPPORT_TICKET_OPENED => id(PropertyId::TICKET_ID),
            EventName::LIVE_CHAT_CONVERSATION_STARTED => id(PropertyId::CONVERSATION_ID),
            EventName::ORDER_DELIVERED => {
                id(PropertyId::PARCEL_ID).or_else(|| id(PropertyId::ORDER_ID))
            }
            EventName::PRODUCT_REVIEWED => id(PropertyId::REVIEW_ID),
            _ => None,
        }
    }

    /// A copy of what her events say alone.
    #[must_use]
    pub fn facts(&mut self) -> Self {
        let mut own = Self::default();
        self.swap_sent(&mut own);
        let facts = self.clone();
        self.swap_sent(&mut own);
        facts
    }

    /// Exchanges what her events do not say by themselves: what was sent to her and what came of it, where she stands in journeys,
    /// and which messages were seen.
    pub fn swap_sent(&mut self, other: &mut Self) {
        use std::mem::swap;
        swap(&mut self.contacts, &mut other.contacts);
        swap(&mut self.ledger, &mut other.ledger);
        swap(&mut self.sent, &mut other.sent);
        swap(&mut self.journeys, &mut other.journeys);
        swap(&mut self.seen, &mut other.seen);
    }

    /// A new customer of the same id, as far as facts go: what [`Settled::swap_sent`] exchanges stays.
    pub fn forget_facts(&mut self) {
        let mut new = Self {
            id: std::mem::take(&mut self.id),
            ..Self::default()
        };
        new.swap_sent(self);
        *self = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_families_share_a_tag_or_a_path() {
        let mut settled = Settled::default();
        settled.presence.known = true;
        let mut out = Vec::new();
        settled.write(&mut out);
        let parts = Part::all(out[..].into()).unwrap();
        assert_eq!(parts.iter().map(|it| it.tag).collect::<Vec<_>>(), [1]);
        let paths: BTreeSet<_> = FIELDS.iter().map(|field| field.path).collect();
        assert_eq!(paths.len(), FIELDS.len());
        let tags: BTreeSet<u16> = Settled::TAGS.iter().copied().collect();
        assert_eq!(tags.len(), Settled::TAGS.len());
        // Below those of the tail and the states.
        assert!(tags.iter().all(|tag| (1..64).contains(tag)));
    }
}
