//! Referrals: a customer has a code of her own, a friend brings it, and both are told so, each once.
//!
//! What is declared says what the code looks like and which event of a friend counts; what happens then is an event of each of the two
//! ([`EventName::FRIEND_REFERRED`], [`EventName::REFERRAL_ACCEPTED`]), which triggers, facts and journeys take as any other. The way of
//! a code from one customer to the other is in `src/engine/referral.rs`.
//!
//! Deliberately absent: rewards. They are treatments.

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::yaml::{self, Node};
use crate::event::{CustomerId, Event, EventName, Property, PropertyId, Text, Type};
use crate::expression::{Expression, Scope, read};
use crate::moment::matcher::{self, Matcher};
use crate::profile::Settled;
use crate::profile::referrals::{self, TIMES_MAX};
use crate::table::rows::Rows;
use crate::time::Timestamp;
use crate::treatment::choice::{self, NAME_BYTES};
use crate::treatment::code::{self, Form, Key};
use crate::treatment::own_id;
use crate::value::Value;

/// The events that follow from a code: they bring none themselves.
const FOLLOWING: [EventName; 3] = [
    EventName::FRIEND_REFERRED,
    EventName::REFERRAL_ACCEPTED,
    EventName::REFERRAL_REFUSED,
];

/// The keys of the file of a referral.
pub const KEYS: Keys = Keys {
    of: "a referral",
    known: &[
        Known::required(
            "referral",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "bring-a-friend"),
            "Its name, once in a set: lower-case letters, digits and hyphens.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is for, in its author's words. For people.",
        ),
        Known::required(
            "code",
            Shape::Mapping(&CODE),
            "What the codes look like, of which each customer has one. Needs `[codes] key_file` in the configuration.",
        ),
        Known::required(
            "of",
            matcher::SHAPE,
            "What a friend does with the code of another: the event that counts.",
        ),
        Known::default(
            "with",
            "event.coupon",
            Shape::Expression,
            "Where that event says the code: a text of it, which may be several with commas.",
        ),
        Known::optional(
            "at_most",
            Shape::Form("^[0-9]{1,3}( in .+)?$", "10 in 30d"),
            "For how many friends a customer is told of it: `10` ever, or `10 in 30d`; at most 100.",
        ),
    ],
    later: &[],
};

/// The keys of its codes.
pub const CODE: Keys = Keys {
    of: "the codes of a referral",
    known: &[
        Known::required(
            "prefix",
            Shape::Form("^[A-Z0-9-]{1,16}$", "FRIEND-"),
            "What they begin with: capital letters, digits and `-`. What begins otherwise is no such code, and nobody is asked about it.",
        ),
        choice::LENGTH,
    ],
    later: &[],
};

/// A checked referral.
#[derive(Debug)]
pub struct Referral {
    /// Its name.
    pub name: Text,
    /// What codes look like.
    form: Form,
    /// What a friend does.
    pub of: Matcher,
    /// Where it says the code.
    with: Expression,
    /// For how many friends a customer is told of it.
    at_most: Option<AtMost>,
}

/// So many, ever or in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AtMost {
    count: usize,
    window_ms: Option<i64>,
}

/// Why a code that a friend brings counts for nobody, or not for whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It is nobody's: nobody was sent it, who was is erased, or it was not used for too long.
    UnknownCode,
    /// It is her own.
    OwnCode,
    /// Somebody referred her before.
    AlreadyReferred,
    /// She has ordered before, or has brought friends herself.
    AlreadyCustomer,
    /// Whose it is has brought as many as count.
    AtMost,
}

impl Refusal {
    /// Every one, in the order in which they are asked.
    pub const ALL: [Self; 5] = [
        Self::UnknownCode,
        Self::OwnCode,
        Self::AlreadyReferred,
        Self::AlreadyCustomer,
        Self::AtMost,
    ];

    /// The word for it, as `reason` of the event.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::UnknownCode => "unknown_code",
            Self::OwnCode => "own_code",
            Self::AlreadyReferred => "already_referred",
            Self::AlreadyCustomer => "already_customer",
            Self::AtMost => "at_most",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::UnknownCode => {
                "Nobody was sent the code, whose it was is erased, or nothing came of it for 400 days."
            }
            Self::OwnCode => "The code is her own.",
            Self::AlreadyReferred => "She came by the code of somebody before.",
            Self::AlreadyCustomer => "She has ordered before, or has brought friends herself.",
            Self::AtMost => {
                "The friend counts. Whose code it is has brought as many as are declared, and is told this instead of Friend Referred."
            }
        }
    }
}

impl Referral {
    /// A customer's code; none without a key.
    #[must_use]
    pub fn code(&self, key: &Key, customer: &str) -> Option<Text> {
        key.code(own_id("referral", &self.name, customer), &self.form)
    }

    /// Whether a text looks like one of its codes, however it was typed.
    #[must_use]
    pub fn is_code(&self, text: &str) -> bool {
        let read = code::as_read(text);
        let behind = read.strip_prefix(code::as_read(&self.form.prefix).as_str());
        behind.is_some_and(|behind| u32::try_from(behind.len()) == Ok(self.form.length))
    }

    /// The code that an event of a friend brings: the first that looks like one; `rows`: what tables say. Nobody has looked at its
    /// condition yet.
    #[must_use]
    pub fn brought(&self, event: &Event, rows: &Rows) -> Option<Text> {
        if !self.of.may_match(event) || FOLLOWING.contains(&event.name) {
            return None;
        }
        let nobody = Settled::default();
        let scope = Scope::of_event(event, &nobody, None, rows);
        let Value::Text(codes) = self.with.eval(&scope) else {
            return None;
        };
        let mut codes = code::several(codes);
        let code = codes.find(|code| self.is_code(code))?;
        Some(code::as_read(code))
    }

    /// Why a code that is of a customer, `whose`, counts for nobody, if an event of a friend brings it who was this before.
    #[must_use]
    pub fn refuses(event: &Event, whose: Option<&CustomerId>, friend: &Settled) -> Option<Refusal> {
        let ordered = friend.orders.first;
        let has_ordered = ordered.is_some_and(|first| first <= event.time);
        match whose {
            None => Some(Refusal::UnknownCode),
            Some(whose) if *whose == event.customer => Some(Refusal::OwnCode),
            Some(_) if friend.referrals.accepted.is_some() => Some(Refusal::AlreadyReferred),
            Some(_) if has_ordered || friend.referrals.count > 0 => Some(Refusal::AlreadyCustomer),
            Some(_) => None,
        }
    }

    /// Whether a customer has brought as many friends by `at` as count.
    #[must_use]
    pub fn is_full(&self, customer: &Settled, at: Timestamp) -> bool {
        self.at_most.is_some_and(|most| {
            let times = customer.referrals.times(referrals::key(&self.name));
            let counts = |time: &&Timestamp| {
                let window = most.window_ms.map(|ms| at.0.saturating_sub(ms));
                window.is_none_or(|after| time.0 > after)
            };
            times.iter().filter(counts).count() >= most.count
        })
    }

    /// Whether its codes and those of another may look alike.
    #[must_use]
    pub fn is_mistaken_for(&self, other: &Self) -> bool {
        let [one, two] = [self, other].map(|it| code::as_read(&it.form.prefix));
        one.starts_with(two.as_str()) || two.starts_with(one.as_str())
    }
}

/// As what a code is known where it lies: no id of a customer has control characters.
#[must_use]
pub fn place(code: &str) -> CustomerId {
    compact_str::format_compact!("\0code\0{}", code::as_read(code))
}

/// An event that follows from one that brings a code: of this customer, at the same instant and place.
#[must_use]
pub fn following(
    event: &Event,
    customer: &CustomerId,
    name: EventName,
    said: [(PropertyId, Option<&str>); 3],
) -> Event {
    let text = |(id, text): (PropertyId, Option<&str>)| Some((id, Property::Text(text?.into())));
    let id = own_id(&format!("event {}", name.0), &event.id, &event.customer);
    Event {
        customer: customer.clone(),
        time: event.time,
        position: event.position,
        id: compact_str::format_compact!("{id}"),
        has_message_id: true,
        name,
        known: false,
        properties: said.into_iter().filter_map(text).collect(),
        products: Vec::new(),
        traits: None,
        touchpoint: None,
        traceparent: event.traceparent.clone(),
        formers: Vec::new(),
    }
}

/// Reads the file of a referral.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, declared: Declared<'_>) -> Result<Referral, Vec<Report>> {
    reader::file(source, declared, KEYS, referral)
}

fn referral(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Referral> {
    let name = reader.required(fields, "referral", "its name, such as bring-a-friend");
    let name =
        name.and_then(|node| reader.name(node, ("a referral", "bring-a-friend"), NAME_BYTES));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it is for");
    }
    let form = reader.required(
        fields,
        "code",
        "what codes look like, `{ prefix: FRIEND- }`",
    );
    let form = form.and_then(|node| form_of(reader, node));
    let of = matcher::required(reader, fields, "of");
    let with = of
        .as_ref()
        .and_then(|of| with(reader, fields, of, fields.get("with")));
    let at_most = fields.get("at_most");
    let at_most = at_most.map_or(Some(None), |node| at_most_of(reader, node).map(Some));
    Some(Referral {
        name: name?.into(),
        form: form?,
        of: of?,
        with: with?,
        at_most: at_most?,
    })
}

fn form_of(reader: &mut Reader<'_>, node: &Node) -> Option<Form> {
    let fields = reader.fields(node, CODE)?;
    let prefix = reader.required(&fields, "prefix", "what they begin with, such as FRIEND-")?;
    let form = choice::form(reader, &fields)?;
    if code::as_read(&form.prefix).is_empty() {
        reader.unexpected(prefix, "a capital letter or digit in it, such as FRIEND-");
        return None;
    }
    Some(form)
}

/// The expression that says the code.
fn with(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    of: &Matcher,
    node: Option<&Node>,
) -> Option<Expression> {
    let names: Vec<_> = of.event_names().collect();
    let environment = read::environment(reader.declared, Some(&names), false);
    let role = "the code";
    let Some(node) = node else {
        let usual = Expression::of_kind("event.coupon", &environment, Type::Text, role);
        if usual.is_err() {
            let (key, _) = fields.entry("of")?;
            let expected = "`with: event.` and the property that says it, or declare `coupon` of the event under [events] in the configuration";
            let message = "what `of` names has no `coupon` that could say the code";
            reader.fails(&key.span, message, expected.to_owned());
        }
        return usual.ok();
    };
    let with = read::of_kind(reader, node, &environment, Type::Text, role)?;
    if !with.uses_event() || !with.asks().is_empty() {
        let expected = "a text of the event alone, such as `event.coupon`";
        reader.unexpected(node, expected);
        return None;
    }
    Some(with)
}

fn at_most_of(reader: &mut Reader<'_>, node: &Node) -> Option<AtMost> {
    let text = node.text().unwrap_or_default();
    let (count, window) = match text.split_once(" in ") {
        None => (text, None),
        Some((count, window)) => (count, Some(text.len() - window.len()..text.len())),
    };
    let count = count.trim().parse().ok();
    let Some(count) = count.filter(|count| (1..=TIMES_MAX).contains(count)) else {
        let expected = format!("`N`, or `N in D`, such as `10 in 30d`; N is from 1 to {TIMES_MAX}");
        reader.unexpected(node, expected);
        return None;
    };
    let window_ms = match window {
        None => None,
        Some(part) => Some(reader.duration_in(node, part)?),
    };
    Some(AtMost { count, window_ms })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;
    use crate::moment::kind::tests::said;
    use crate::table::rows::NONE;

    fn reading(text: &str) -> Result<Referral, String> {
        let source = Source::new("r.yaml", text.to_owned());
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let declared = Declared::new(&vocabulary, &attributes);
        read(&source, declared).map_err(|reports| rendered(&reports))
    }

    fn whole(rest: &str) -> String {
        format!(
            "referral: bring-a-friend\ncode: {{ prefix: FRIEND-, length: 8 }}\nof: Order Completed\n{rest}"
        )
    }

    fn order(coupon: &str) -> Event {
        let mut order = said(EventName::ORDER_COMPLETED, Timestamp(100));
        order.customer = "ben".into();
        let coupon = Property::Text(coupon.into());
        order.properties.push((PropertyId::COUPON, coupon));
        order
    }

    #[test]
    fn a_code_is_found_among_others_however_it_was_typed() {
        let referral = reading(&whole("")).unwrap();
        for (coupon, found) in [
            ("FRIEND-12345678", Some("FR1END12345678")),
            (" friend 1234 5678 ", Some("FR1END12345678")),
            ("HELLO-7Q2M9XKT,Friend-ABCDEFGH", Some("FR1ENDABCDEFGH")),
            ("FRIEND-1234567", None),
            ("FRIEND-123456789", None),
            ("HELLO-12345678", None),
            ("", None),
        ] {
            let brought = referral.brought(&order(coupon), &NONE);
            assert_eq!(brought.as_deref(), found, "{coupon}");
        }
        let mut other = order("FRIEND-12345678");
        other.name = EventName::REFERRAL_ACCEPTED;
        assert_eq!(referral.brought(&other, &NONE), None);
    }

    #[test]
    fn a_code_is_that_of_its_customer_and_referral() {
        let key = Key::new(&[7; 32]).unwrap();
        let one = reading(&whole("")).unwrap();
        let other = reading(&whole("").replace("bring-a-friend", "bring-two")).unwrap();
        let ana = one.code(&key, "ana").unwrap();
        assert!(one.is_code(&ana) && !ana.contains("ana"));
        assert_eq!(one.code(&key, "ana"), Some(ana.clone()));
        assert_ne!(one.code(&key, "ben"), Some(ana.clone()));
        assert_ne!(other.code(&key, "ana"), Some(ana));
        assert_eq!(one.code(&Key::default(), "ana"), None);
    }

    /// What of a friend is said of a code of whose, and what is refused.
    #[test]
    fn a_friend_is_new() {
        let event = order("FRIEND-12345678");
        let known = |name, at: i64| {
            let mut friend = Settled::default();
            let mut event = order("FRIEND-12345678");
            (event.name, event.time) = (name, Timestamp(at));
            friend.apply(&event, &Default::default(), &Default::default());
            friend
        };
        for (whose, friend, refused) in [
            (Some("ana"), Settled::default(), None),
            (None, Settled::default(), Some(Refusal::UnknownCode)),
            (Some("ben"), Settled::default(), Some(Refusal::OwnCode)),
            (
                Some("ana"),
                known(EventName::ORDER_COMPLETED, 99),
                Some(Refusal::AlreadyCustomer),
            ),
            (Some("ana"), known(EventName::ORDER_COMPLETED, 101), None),
            (Some("ana"), known(EventName::PRODUCT_VIEWED, 99), None),
            (
                Some("ana"),
                known(EventName::REFERRAL_ACCEPTED, 99),
                Some(Refusal::AlreadyReferred),
            ),
            (
                Some("ana"),
                known(EventName::FRIEND_REFERRED, 99),
                Some(Refusal::AlreadyCustomer),
            ),
        ] {
            let whose = whose.map(CustomerId::from);
            assert_eq!(Referral::refuses(&event, whose.as_ref(), &friend), refused);
        }
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\nabout: For friends.\nwith: event.coupon\nat_most: 10 in 30d", ""),
        ("referral: friends\ncode: { prefix: F }\nof: { name: Order Completed, where: event.total >= 30 }\nat_most: 3", ""),
        ("referral: Friends\ncode: { prefix: F }\nof: Order Completed", "is not a referral's name"),
        ("code: { prefix: F }\nof: Order Completed", "`referral` is missing"),
        ("referral: friends\nof: Order Completed", "`code` is missing"),
        ("referral: friends\ncode: { prefix: F }", "`of` is missing"),
        ("referral: friends\ncode: { length: 8 }\nof: Order Completed", "`prefix` is missing"),
        ("referral: friends\ncode: { prefix: '-' }\nof: Order Completed", "a capital letter or digit in it"),
        ("referral: friends\ncode: { prefix: friend }\nof: Order Completed", "at most 16 capital letters"),
        ("referral: friends\ncode: { prefix: F, length: 4 }\nof: Order Completed", "codes of 4 characters are too short"),
        ("referral: friends\ncode: { prefix: F }\nof: Order Complete", "did you mean `Order Completed`"),
        ("referral: friends\ncode: { prefix: F }\nof: Signed Up", "has no `coupon` that could say the code"),
        ("referral: friends\ncode: { prefix: F }\nof: Signed Up\nwith: event.plan", ""),
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\nwith: event.total", "a text"),
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\nwith: profile.country", "a text of the event alone"),
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\nat_most: 0", "N is from 1 to 100"),
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\nat_most: 1 in a while", "a duration such as"),
        ("referral: friends\ncode: { prefix: F }\nof: Order Completed\natmost: 1", "did you mean `at_most`"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading(text).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
