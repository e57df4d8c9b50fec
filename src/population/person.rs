//! One of the people: who she is, what she is used to, and what changes in her life.

use rand_distr::LogNormal;
use serde_json::json;

use super::World;
use super::calls::{Context, Teller};
use super::days;
use super::dice::Dice;
use super::rhythm::Rhythm;
use super::truth::{Instant, Truth};
use crate::config::InputKind;
use crate::event::Text;
use crate::time::{Timestamp, Zone};

const FIRST_NAMES: [&str; 32] = [
    "ana", "bea", "clara", "dolores", "elena", "fatima", "greta", "hanna", "ines", "julia",
    "klara", "lucia", "marta", "nora", "olga", "pilar", "rosa", "sara", "teresa", "vera", "amira",
    "chloe", "ingrid", "mei", "hugo", "leo", "mario", "tomas", "omar", "jonas", "paul", "sven",
];
/// Where people live, the more frequent more often.
pub(super) const HOMES: [Home; 8] = [
    home("Europe/Madrid", "ES", "es-ES", "+34", "Calle Mayor").of("madrid"),
    home("Europe/Madrid", "ES", "es-ES", "+34", "Gran Via").of("madrid"),
    home("Europe/Madrid", "ES", "ca-ES", "+34", "Carrer Nou").of("catalonia"),
    home("Europe/Berlin", "DE", "de-DE", "+49", "Hauptstrasse").of("berlin"),
    home("Europe/Berlin", "DE", "de-DE", "+49", "Gartenweg").of("brandenburg"),
    home("Europe/London", "GB", "en-GB", "+44", "High Street").of("london"),
    home("America/New_York", "US", "en-US", "+1", "Main Street").of("new-york"),
    home("Asia/Tokyo", "JP", "ja-JP", "+81", "Chuo-dori").of("tokyo"),
];
/// So many have no name: visitors who never sign up and never order.
const VISITORS: f64 = 0.08;
/// The spread of visits around the middle customer's: sigma of a lognormal distribution.
const VISIT_SPREAD: f64 = 0.6;
/// Something changes in the life of so many, sooner or later.
const TURNS: f64 = 0.35;

/// Sets the throws for what somebody does besides apart from those that decide all else.
const BESIDES: u64 = 0x6265_7369_6465_7300;

/// A place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    /// IANA time zone.
    pub zone: &'static str,
    country: &'static str,
    locale: &'static str,
    prefix: &'static str,
    street: &'static str,
    /// The part of the country.
    pub region: &'static str,
}

impl Home {
    const fn of(self, region: &'static str) -> Self {
        Self { region, ..self }
    }
}

const fn home(
    zone: &'static str,
    country: &'static str,
    locale: &'static str,
    prefix: &'static str,
    street: &'static str,
) -> Home {
    Home {
        zone,
        country,
        locale,
        prefix,
        street,
        region: "",
    }
}

/// A channel that needs consent, as a bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Channel {
    Email = 1,
    Push = 2,
    Sms = 4,
    Phone = 8,
    Print = 16,
    Ads = 32,
}

/// How many say yes to each channel when they sign up.
const CONSENT: [(Channel, &str, f64); 6] = [
    (Channel::Email, "email", 0.75),
    (Channel::Push, "push", 0.4),
    (Channel::Sms, "sms", 0.25),
    (Channel::Phone, "phone", 0.3),
    (Channel::Print, "print", 0.45),
    (Channel::Ads, "ad-audience", 0.2),
];

/// Of those who do not say yes to a channel, so many say no; the others were not asked.
const REFUSES: f64 = 0.6;
/// So many give a telephone number, and a postal address.
const GIVES_PHONE: f64 = 0.7;
const GIVES_ADDRESS: f64 = 0.8;

/// What changes in somebody's life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// Comes and buys more seldom.
    SlowsDown,
    /// Buys as often, for less.
    TurnsThrifty,
}

/// Somebody, with what is still to come of her.
#[derive(Debug)]
pub(super) struct Person {
    pub dice: Dice,
    /// For what she does besides.
    pub besides: Dice,
    pub number: u64,
    pub made: u32,
    name: u8,
    pub home: u8,
    pub known: bool,
    pub consent: u8,
    /// Mostly on the app rather than the site.
    pub app: bool,
    pub thrifty: bool,
    /// Her favourite category.
    pub taste: u8,
    pub rhythm: Rhythm,
    /// Mean days between visits.
    pub visit_every: f64,
    /// How often a visit without an order in mind leaves a basket behind.
    pub leaves_basket: f64,
    joined: Timestamp,
    turn: Option<(Timestamp, Turn)>,
    pub next_visit: Option<Timestamp>,
    pub next_letter: Option<Timestamp>,
    /// When she is due to order again.
    pub next_order: Option<Timestamp>,
    pub last_order: Option<Timestamp>,
    pub order_before: Option<Timestamp>,
    pub orders: u32,
    pub carts: u32,
    /// What her basket holds, hundredths.
    pub basket: u32,
    pub lapsed: Option<Timestamp>,
    /// When she stops coming by, having lapsed.
    pub gone: Timestamp,
    /// Not before this does she come again.
    pub busy_until: Timestamp,
}

impl Person {
    /// The `number`-th of the people of a seed, who joins at `at`: newly, or from the shop's files.
    pub fn new(world: &World, number: u64, at: Timestamp, is_new: bool) -> Self {
        let mut dice = Dice::new(world.seed, number);
        let rhythm = Rhythm::drawn(&world.shop, &mut dice);
        let spread = LogNormal::new(0.0, VISIT_SPREAD).expect("the spread is finite");
        let known = !dice.chance(VISITORS);
        let mut person = Self {
            number,
            made: 0,
            name: u8::try_from(dice.whole(0, 31)).unwrap_or(0),
            home: u8::try_from(dice.whole(0, 7)).unwrap_or(0),
            known,
            consent: 0,
            app: dice.chance(0.35),
            thrifty: dice.chance(0.15),
            taste: world.catalogue.category(&mut dice),
            rhythm,
            visit_every: (world.shop.visit_days * dice.draw(spread)).min(365.0),
            leaves_basket: dice.between(0.1, 0.3),
            joined: at,
            turn: None,
            next_visit: None,
            next_letter: None,
            next_order: None,
            last_order: None,
            order_before: None,
            orders: 0,
            carts: 1,
            basket: 0,
            lapsed: None,
            gone: Timestamp::MAX,
            busy_until: at,
            dice,
            besides: Dice::new(world.seed ^ BESIDES, number),
        };
        person.turn = person.turn_after(at);
        if known {
            person.next_order = Some(at.plus(person.first_wait(world, is_new)));
        }
        person
    }

    /// Milliseconds to the first order: soon after signing up, for most; somewhere between two for whoever is on file.
    fn first_wait(&mut self, world: &World, is_new: bool) -> i64 {
        let gap = self.rhythm.gap(&mut self.dice);
        days(if !is_new {
            gap * self.dice.unit()
        } else if self.dice.chance(world.shop.first_order) {
            self.dice.waiting(5.0)
        } else {
            gap
        })
    }

    fn turn_after(&mut self, at: Timestamp) -> Option<(Timestamp, Turn)> {
        let turn = if self.dice.chance(0.5) {
            Turn::SlowsDown
        } else {
            Turn::TurnsThrifty
        };
        let when = at.plus(days(30.0 + self.dice.waiting(250.0)));
        self.dice.chance(TURNS).then_some((when, turn))
    }

    /// Her id, and the record's key.
    pub fn customer(&self) -> Text {
        let (name, number) = (FIRST_NAMES[usize::from(self.name)], self.number);
        if self.known {
            compact_str::format_compact!("{name}-{number}")
        } else {
            compact_str::format_compact!("visitor-{number}")
        }
    }

    pub fn zone<'a>(&self, world: &'a World) -> &'a Zone {
        &world.zones[usize::from(self.home)]
    }

    pub fn agrees(&self, channel: Channel) -> bool {
        self.consent & channel as u8 != 0
    }

    /// When she does something next, unless she is gone for good.
    pub fn due(&self) -> Option<Timestamp> {
        match (self.next_visit, self.next_letter) {
            (Some(visit), Some(letter)) => Some(visit.min(letter)),
            (visit, letter) => visit.or(letter),
        }
    }

    /// Does what is due.
    pub fn act(&mut self, world: &World, tell: &mut Teller<'_>) {
        match (self.next_visit, self.next_letter) {
            (visit, Some(letter)) if visit.is_none_or(|visit| letter < visit) => {
                self.letter(letter, world, tell);
            }
            (Some(visit), _) => {
                self.turns(visit, tell);
                self.visit(visit, world, tell);
            }
            (None, _) => {}
        }
    }

    /// What the shop learns of her when she joins. Its files are loaded within the first day.
    pub fn introduce(&mut self, at: Timestamp, is_new: bool, world: &World, tell: &mut Teller<'_>) {
        self.joined = at;
        self.next_visit = Some(if is_new {
            at.plus(days(self.dice.between(1.0, 5.0) / 1440.0))
        } else {
            self.another_day(at, world)
        });
        if !self.known {
            return;
        }
        for (channel, _, share) in CONSENT {
            if self.dice.chance(share) {
                self.consent |= channel as u8;
            }
        }
        let at = if is_new {
            at
        } else {
            at.plus(days(self.dice.unit()))
        };
        if is_new {
            let channel = *self.dice.one(&["site", "app", "store"]);
            let door = *self
                .dice
                .one(&["account", "newsletter", "loyalty", "guest"]);
            let context = self.campaign();
            let of = json!({ "channel": channel, "type": door });
            tell.track_from(at, InputKind::Profile, "Signed Up", &of, context);
        }
        self.identify(at.plus(i64::from(is_new) * 1000), tell);
        self.next_letter = self
            .agrees(Channel::Email)
            .then(|| world.letter_after(at, &mut self.dice));
    }

    fn identify(&mut self, at: Timestamp, tell: &mut Teller<'_>) {
        let Home {
            zone,
            country,
            locale,
            prefix,
            street,
            ..
        } = HOMES[usize::from(self.home)];
        let number = self.dice.whole(100_000_000, 999_999_999);
        let mut consent = serde_json::Map::new();
        for (channel, name, _) in CONSENT {
            // Whoever said no was asked; some never were.
            if self.agrees(channel) || self.dice.chance(REFUSES) {
                consent.insert(name.to_owned(), self.agrees(channel).into());
            }
        }
        let mut traits = json!({
            "email": format!("{}@example.com", tell.customer),
            "push_token": format!("token-{number:x}"),
            "timezone": zone,
            "locale": locale,
            "country": country,
            "consent": consent,
        });
        if self.dice.chance(GIVES_PHONE) {
            traits["phone"] = format!("{prefix}{number}").into();
        }
        if self.dice.chance(GIVES_ADDRESS) {
            let street = format!("{street} {}", number % 90 + 1);
            traits["address"] = json!({ "street": street, "country": country });
        }
        self.tells_of_herself(&mut traits);
        tell.identify(at, &traits);
    }

    /// What has changed in her life by now.
    fn turns(&mut self, now: Timestamp, tell: &mut Teller<'_>) {
        let Some((_, turn)) = self.turn.take_if(|(at, _)| *at <= now) else {
            return;
        };
        // Visitors never order, and who has lapsed does not change any more.
        let Some(due) = self.next_order else { return };
        let (customer, at) = (tell.customer.clone(), Instant(now));
        match turn {
            Turn::TurnsThrifty => {
                self.thrifty = true;
                tell.truth(now, &Truth::TurnedThrifty { customer, at });
            }
            Turn::SlowsDown => {
                let factor = self.dice.between(2.5, 5.0);
                self.visit_every *= factor;
                self.rhythm.every *= factor;
                self.next_order = Some(due.plus(days(self.rhythm.every * 0.7)));
                tell.truth(
                    now,
                    &Truth::SlowedDown {
                        customer,
                        at,
                        factor,
                    },
                );
            }
        }
    }

    /// Where she was sent from, now and then.
    pub fn campaign(&mut self) -> Option<Context> {
        const CAMPAIGNS: [Context; 4] = [
            Context::new("google", "cpc", "home"),
            Context::new("google", "organic", "search"),
            Context::new("instagram", "social", "spring"),
            Context::new("partner", "referral", "magazine"),
        ];
        let context = *self.dice.one(&CAMPAIGNS);
        self.dice.chance(0.25).then_some(context)
    }

    /// How she is at `now`, up to which all is told; none where she has not joined yet.
    ///
    /// A visit that began before may end later. So the last order, and no other, may be still to come.
    pub fn summary(&self, now: Timestamp) -> Option<Truth> {
        let (orders, last_order, lapsed, next_order) = match self.last_order {
            Some(at) if at >= now => (self.orders - 1, self.order_before, None, Some(at)),
            _ => (self.orders, self.last_order, self.lapsed, self.next_order),
        };
        (self.joined < now).then(|| Truth::Customer {
            customer: self.customer(),
            joined: Instant(self.joined),
            orders,
            order_every_days: self.known.then_some(self.rhythm.every),
            regularity: self.rhythm.regularity,
            leaves: self.rhythm.leaves,
            last_order: last_order.map(Instant),
            lapsed_at: lapsed.map(Instant),
            next_order: next_order.map(Instant),
        })
    }
}
