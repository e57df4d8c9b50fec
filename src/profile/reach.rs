//! Which of her addresses messages do not reach, as the senders tell it.
//!
//! An address that bounced is of no use until she has another, or something was delivered there after all.

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::section::{Field, Local, Section, field};
use crate::event::{Event, EventName, Type};
use crate::stored::Stored;
use crate::time::Timestamp;
use crate::value::Value;

/// What the senders told of her addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// At most one for each address; none where nothing ever bounced.
    told: Vec<Told>,
}

/// What was told last of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    address: Address,
    /// Hash of what it was then, where that was known.
    hash: Option<u64>,
    at: Timestamp,
    /// It bounced.
    bounced: bool,
}

impl Reach {
    /// Whether an address bounced, and is still the same.
    #[must_use]
    pub fn has_bounced(&self, address: Address) -> bool {
        let mut told = self.told.iter();
        told.any(|it| it.address == address && it.bounced)
    }
}

/// The address that something bounced from.
#[must_use]
pub fn bounced(event: &Event) -> Option<Address> {
    match told(event.name) {
        Some((address, true)) => Some(address),
        _ => None,
    }
}

/// Of which address an event tells, and whether it bounced there.
fn told(name: EventName) -> Option<(Address, bool)> {
    match name {
        EventName::EMAIL_BOUNCED => Some((Address::Email, true)),
        EventName::EMAIL_DELIVERED | EventName::EMAIL_OPENED | EventName::EMAIL_LINK_CLICKED => {
            Some((Address::Email, false))
        }
        EventName::PUSH_NOTIFICATION_BOUNCED => Some((Address::PushToken, true)),
        EventName::PUSH_NOTIFICATION_RECEIVED | EventName::PUSH_NOTIFICATION_TAPPED => {
            Some((Address::PushToken, false))
        }
        _ => None,
    }
}

impl Stored for Reach {
    const VERSION: u8 = 1;
}

impl Section for Reach {
    const TAG: u16 = 30;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::EMAIL_BOUNCED,
        EventName::EMAIL_DELIVERED,
        EventName::EMAIL_OPENED,
        EventName::EMAIL_LINK_CLICKED,
        EventName::PUSH_NOTIFICATION_BOUNCED,
        EventName::PUSH_NOTIFICATION_RECEIVED,
        EventName::PUSH_NOTIFICATION_TAPPED,
    ];
    const FIELDS: &'static [Field<Self>] = &[field(
        "bounced",
        Type::TEXTS,
        "her addresses that bounced and are still the same: email, push_token",
        |p, _| {
            let bounced = p.told.iter().filter(|it| it.bounced);
            Value::List(bounced.map(|it| it.address.word()).collect())
        },
    )];

    fn is_written_by(event: &Event) -> bool {
        let says = event.traits.as_ref();
        says.is_some_and(|traits| traits.email.is_some() || traits.push_token.is_some())
            || Self::WRITTEN_BY.contains(&event.name)
    }

    fn apply(&mut self, event: &Event, local: Local<'_>) {
        // What was told of another address says nothing of this one.
        self.told
            .retain(|it| it.hash == (local.address)(it.address));
        let Some((address, bounced)) = told(event.name) else {
            return;
        };
        let now = Told {
            address,
            hash: (local.address)(address),
            at: event.time,
            bounced,
        };
        match self.told.iter_mut().find(|it| it.address == address) {
            Some(known) if known.at <= event.time => *known = now,
            // Where nothing ever bounced nothing needs to be kept.
            None if bounced => self.told.push(now),
            Some(_) | None => {}
        }
    }

    /// Of the addresses that are hers now; what was told last of each.
    fn merge(&mut self, other: Self, local: Local<'_>) {
        self.told.extend(other.told);
        self.told
            .retain(|it| it.hash == (local.address)(it.address));
        self.told.sort_by_key(|it| std::cmp::Reverse(it.at));
        let mut known = Vec::new();
        self.told.retain(|it| {
            let is_last = !known.contains(&it.address);
            known.push(it.address);
            is_last
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tests::told as event;

    /// What is told, at which minute, of an address with this hash; whether it has bounced then.
    type Row = (&'static str, i64, Option<u64>, bool);

    #[test]
    fn what_bounced_is_of_no_use_until_it_is_another_or_works() {
        let table: &[&[Row]] = &[
            &[
                ("Email Delivered", 1, Some(7), false),
                ("Email Bounced", 2, Some(7), true),
            ],
            &[
                ("Email Bounced", 2, Some(7), true),
                ("Email Opened", 3, Some(7), false),
            ],
            // Told late, it changes nothing.
            &[
                ("Email Bounced", 2, Some(7), true),
                ("Email Delivered", 1, Some(7), true),
                ("Email Delivered", 3, Some(7), false),
                ("Email Bounced", 2, Some(7), false),
                ("Email Bounced", 4, Some(7), true),
            ],
            // She has another.
            &[
                ("Email Bounced", 2, Some(7), true),
                ("Order Completed", 3, Some(8), true),
                ("Email Delivered", 4, Some(8), false),
            ],
            &[
                ("Email Bounced", 2, Some(7), true),
                ("Push Notification Tapped", 3, Some(8), false),
            ],
            // Nobody knows which it was.
            &[
                ("Email Bounced", 2, None, true),
                ("Push Notification Bounced", 3, None, true),
                ("Push Notification Bounced", 4, Some(8), false),
            ],
        ];
        for rows in table {
            let mut reach = Reach::default();
            for (name, minute, hash, expected) in *rows {
                let local = Local {
                    address: &|_| *hash,
                    ..Local::default()
                };
                let event = event(name, *minute, "{}");
                if Reach::is_written_by(&event) {
                    reach.apply(&event, local);
                }
                assert_eq!(
                    reach.has_bounced(Address::Email),
                    *expected,
                    "{rows:?} {name} {minute}"
                );
            }
        }
    }
}
