//! Support tickets and chats, each once by its own id.

use serde::{Deserialize, Serialize};

use super::section::{Field, Local, Section, ThingId, field, thing_id};
use crate::event::{Event, EventName, PropertyId, Type};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// Tickets and chats that are known again: the last so many.
const KNOWN_MAX: usize = 16;

/// Support tickets and chats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Support {
    /// Tickets opened.
    pub tickets: u32,
    /// Of those, solved.
    pub solved: u32,
    /// Chats.
    pub chats: u32,
    /// The last ticket or chat.
    pub last: Option<Timestamp>,
    /// The last of them that have an id, oldest first.
    known: Vec<Known>,
}

/// A ticket or a chat that is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    id: ThingId,
    /// When it was last opened or solved.
    at: Timestamp,
    /// Whether it was told that it was opened; it may come after that it was solved.
    is_opened: bool,
    is_solved: bool,
}

impl Known {
    fn counted(&self) -> (u32, u32) {
        let is_solved = self.is_opened && self.is_solved;
        (self.is_opened.into(), is_solved.into())
    }

    fn merge(&mut self, other: &Self) {
        self.is_opened |= other.is_opened;
        if other.at > self.at {
            (self.at, self.is_solved) = (other.at, other.is_solved);
        }
    }
}

impl Support {
    /// Whether a ticket is open, or a chat begun, that is told to be so.
    #[must_use]
    pub fn was_told(&self, event: &Event) -> bool {
        let knows = |id: ThingId, of: fn(&Known) -> bool| {
            self.known.iter().any(|known| known.id == id && of(known))
        };
        match event.name {
            EventName::LIVE_CHAT_CONVERSATION_STARTED => {
                let id = event.text(PropertyId::CONVERSATION_ID);
                id.is_some_and(|id| knows(thing_id(&format!("chat {id}")), |_| true))
            }
            _ => {
                let id = event.text(PropertyId::TICKET_ID);
                id.is_some_and(|id| knows(thing_id(id), |it| it.is_opened && !it.is_solved))
            }
        }
    }

    fn keep(&mut self, known: Known) {
        if self.known.len() >= KNOWN_MAX {
            self.known.remove(0);
        }
        self.known.push(known);
    }

    /// Whether tickets are open that were told without an id, or are not known again any more.
    fn are_open_without_id(&self) -> bool {
        let known = self.known.iter().filter(|it| it.is_opened && !it.is_solved);
        let open = self.tickets.saturating_sub(self.solved);
        usize::try_from(open).is_ok_and(|open| open > known.count())
    }

    /// What was told of a ticket, or of a chat; the younger counts. A ticket that is opened again is open. Whether it is another.
    fn tell(&mut self, id: ThingId, event: &Event, solves: bool) {
        let is_known = self.known.iter().any(|known| known.id == id);
        if solves && !is_known && self.are_open_without_id() {
            // It is one of those.
            self.solved = self.solved.saturating_add(1);
            self.keep(Known {
                id,
                at: event.time,
                is_opened: true,
                is_solved: true,
            });
            return;
        }
        let place = self.known.iter().position(|known| known.id == id);
        let place = place.unwrap_or_else(|| {
            self.keep(Known {
                id,
                at: Timestamp::MIN,
                is_opened: false,
                is_solved: false,
            });
            self.known.len() - 1
        });
        let known = &mut self.known[place];
        let before = known.counted();
        known.is_opened |= !solves;
        if event.time >= known.at {
            known.at = event.time;
            known.is_solved = solves;
        }
        let after = known.counted();
        self.tickets = (self.tickets + after.0).saturating_sub(before.0);
        self.solved = (self.solved + after.1).saturating_sub(before.1);
    }

    /// A chat that is told again is the same.
    fn chat(&mut self, event: &Event) {
        let id = event.text(PropertyId::CONVERSATION_ID);
        let id = id.map(|id| thing_id(&format!("chat {id}")));
        if let Some(id) = id {
            if self.known.iter().any(|known| known.id == id) {
                return;
            }
            self.keep(Known {
                id,
                at: event.time,
                is_opened: false,
                is_solved: false,
            });
        }
        self.chats = self.chats.saturating_add(1);
    }
}

/// As version 1 kept them: none is known again.
#[derive(Serialize, Deserialize)]
struct SupportV1 {
    tickets: u32,
    solved: u32,
    chats: u32,
    last: Option<Timestamp>,
}

impl Stored for Support {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        if version != 1 {
            return Err(StoredError::Damaged(format!(
                "there is no version {version} of support"
            )));
        }
        let old: SupportV1 = postcard::from_bytes(bytes)?;
        Ok(Self {
            tickets: old.tickets,
            solved: old.solved,
            chats: old.chats,
            last: old.last,
            known: Vec::new(),
        })
    }
}

impl Section for Support {
    const TAG: u16 = 10;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::SUPPORT_TICKET_OPENED,
        EventName::SUPPORT_TICKET_SOLVED,
        EventName::LIVE_CHAT_CONVERSATION_STARTED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "support.chats",
            Type::Number,
            "live chats, each `conversation_id` once",
            |p, _| Value::Number(p.chats.into()),
        ),
        field("support.last", Type::Time, "last ticket or chat", |p, _| {
            Value::time(p.last)
        }),
        field(
            "support.open",
            Type::Number,
            "tickets opened and not solved",
            |p, _| Value::Number(p.tickets.saturating_sub(p.solved).into()),
        ),
        field(
            "support.tickets",
            Type::Number,
            "tickets opened, each `ticket_id` once",
            |p, _| Value::Number(p.tickets.into()),
        ),
    ];

    /// Without an id each is another.
    fn apply(&mut self, event: &Event, _local: Local<'_>) {
        let solves = event.name == EventName::SUPPORT_TICKET_SOLVED;
        let ticket = event.text(PropertyId::TICKET_ID);
        match (event.name, ticket) {
            (EventName::LIVE_CHAT_CONVERSATION_STARTED, _) => self.chat(event),
            (_, Some(id)) => self.tell(thing_id(id), event, solves),
            (EventName::SUPPORT_TICKET_SOLVED, None) => {
                self.solved = self.solved.saturating_add(1);
            }
            _ => self.tickets = self.tickets.saturating_add(1),
        }
        if !solves {
            self.last = self.last.max(Some(event.time));
        }
    }

    /// A ticket or a chat that is known under both ids is one.
    fn merge(&mut self, other: Self, _local: Local<'_>) {
        self.tickets = self.tickets.saturating_add(other.tickets);
        self.solved = self.solved.saturating_add(other.solved);
        self.chats = self.chats.saturating_add(other.chats);
        self.last = self.last.max(other.last);
        for known in other.known {
            let Some(own) = self.known.iter_mut().find(|own| own.id == known.id) else {
                self.known.push(known);
                continue;
            };
            if !own.is_opened && !own.is_solved && !known.is_opened && !known.is_solved {
                self.chats = self.chats.saturating_sub(1);
                continue;
            }
            let before = [own.counted(), known.counted()];
            own.merge(&known);
            let after = own.counted();
            let less = |count: u32, before: [u32; 2], after: u32| {
                (count + after).saturating_sub(before[0] + before[1])
            };
            self.tickets = less(self.tickets, before.map(|it| it.0), after.0);
            self.solved = less(self.solved, before.map(|it| it.1), after.1);
        }
        let spare = self.known.len().saturating_sub(KNOWN_MAX);
        self.known.drain(..spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tests::told;

    #[test]
    fn a_ticket_is_itself_by_its_id() {
        let mut support = Support::default();
        // What is told, of which ticket, when; then tickets, open, chats.
        for (name, id, minute, tickets, open, chats) in [
            ("Support Ticket Opened", "t1", 1, 1, 1, 0),
            ("Support Ticket Opened", "t1", 2, 1, 1, 0),
            ("Support Ticket Opened", "t2", 3, 2, 2, 0),
            ("Support Ticket Solved", "t1", 4, 2, 1, 0),
            ("Support Ticket Solved", "t1", 4, 2, 1, 0),
            // What is older says nothing new.
            ("Support Ticket Opened", "t1", 2, 2, 1, 0),
            ("Support Ticket Opened", "t1", 5, 2, 2, 0),
            // The end comes before the beginning.
            ("Support Ticket Solved", "t3", 7, 2, 2, 0),
            ("Support Ticket Opened", "t3", 6, 3, 2, 0),
            ("Live Chat Conversation Started", "c1", 8, 3, 2, 1),
            ("Live Chat Conversation Started", "c1", 9, 3, 2, 1),
            // Without an id each is another.
            ("Support Ticket Opened", "", 10, 4, 3, 1),
            ("Support Ticket Opened", "", 10, 5, 4, 1),
            ("Support Ticket Solved", "", 11, 5, 3, 1),
            // One of those that were told without an id.
            ("Support Ticket Solved", "t9", 12, 5, 2, 1),
            ("Support Ticket Solved", "t9", 12, 5, 2, 1),
        ] {
            let field = match name.starts_with("Live") {
                true => "conversation_id",
                false => "ticket_id",
            };
            let event = told(name, minute, &format!(r#"{{"{field}":"{id}"}}"#));
            support.apply(&event, Local::default());
            let found = (
                support.tickets,
                support.tickets - support.solved,
                support.chats,
            );
            assert_eq!(found, (tickets, open, chats), "{name} {id} {minute}");
        }
    }
}
