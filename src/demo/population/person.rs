//! One of the people: who she is, what she is used to, and when she comes by.

use serde_json::{Value, json};

use super::calls::{Call, Caller};
use super::catalogue::{ARTICLES, Article};
use super::days;
use super::dice::Dice;
use crate::config::InputKind;
use crate::time::{Timestamp, Zone};

const FIRST_NAMES: [&str; 24] = [
    "Ana", "Bea", "Clara", "Dolores", "Elena", "Fatima", "Greta", "Hanna", "Ines", "Julia",
    "Klara", "Lucia", "Marta", "Nora", "Olga", "Pilar", "Rosa", "Sara", "Teresa", "Vera", "Hugo",
    "Leo", "Mario", "Tomas",
];
/// Where people live, the more frequent more often.
const HOMES: [Home; 6] = [
    home("Europe/Madrid", "ES", "es-ES", "+34", "Calle Mayor"),
    home("Europe/Madrid", "ES", "es-ES", "+34", "Gran Via"),
    home("Europe/Madrid", "ES", "ca-ES", "+34", "Carrer Nou"),
    home("Europe/Berlin", "DE", "de-DE", "+49", "Hauptstrasse"),
    home("Europe/London", "GB", "en-GB", "+44", "High Street"),
    home("America/New_York", "US", "en-US", "+1", "Main Street"),
];
const HOUR_MS: f64 = 3_600_000.0;

/// Somebody, with what is still to come of her.
#[derive(Debug)]
pub struct Person {
    pub(super) caller: Caller,
    pub(super) dice: Dice,
    zone: Zone,
    home: Home,
    pub(super) habit: Habit,
    turn: Option<(Timestamp, Turn)>,
    pub(super) favourite: &'static Article,
    /// When she is due to order again, if she ever orders.
    pub(super) next_order: Option<Timestamp>,
    pub(super) orders: u32,
}

/// What somebody is used to. Days are means.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// Days between visits.
    pub visit_every: f64,
    /// Days between orders; those who never order have none.
    pub order_every: Option<f64>,
    /// How far orders stray from their rhythm, as a share of it.
    pub stray: f64,
    /// How often a visit without an order in mind leaves a basket behind.
    pub leaves_basket: f64,
    /// Whether she looks for what is cheap.
    pub thrifty: bool,
}

#[derive(Clone, Copy, Debug)]
struct Home {
    zone: &'static str,
    country: &'static str,
    locale: &'static str,
    prefix: &'static str,
    street: &'static str,
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
    }
}

/// What changes in somebody's life.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// Comes and buys less and less often.
    ThinsOut,
    /// Buys as often, for less.
    TurnsThrifty,
    /// Does not come any more.
    Leaves,
}

impl Person {
    /// The `number`-th of the people of a seed, who joins at `at`.
    #[must_use]
    pub fn new(seed: u64, number: u64, at: Timestamp, is_new: bool) -> Self {
        let mut dice = Dice::new(seed, number);
        let name = dice.one(&FIRST_NAMES).to_lowercase();
        let home = *dice.one(&HOMES);
        let kind = dice.unit();
        let known = kind < 0.92;
        let customer = if known {
            compact_str::format_compact!("{name}-{number}")
        } else {
            compact_str::format_compact!("visitor-{number}")
        };
        let habit = Habit::drawn(kind, &mut dice);
        let turn = Turn::drawn(&mut dice, at);
        let favourite = dice.one(&ARTICLES);
        let mut person = Self {
            caller: Caller::new(customer, known),
            zone: Zone::named(home.zone).unwrap_or_default(),
            home,
            habit,
            turn,
            favourite,
            next_order: None,
            orders: 0,
            dice,
        };
        // Whoever is on file is somewhere between two orders; who is new takes some days to trust.
        person.next_order = habit.order_every.map(|every| {
            let wait = if is_new {
                person.dice.waiting(6.0)
            } else {
                person.dice.between(0.0, every)
            };
            at.plus(days(wait))
        });
        person
    }

    /// What the shop learns of her when she joins: newly signed up, or from its files.
    pub fn introduce(&mut self, at: Timestamp, is_new: bool, calls: &mut Vec<Call>) {
        if !self.caller.known {
            return;
        }
        // Files are loaded within the first hour.
        let at = if is_new {
            at
        } else {
            at.plus(days(self.dice.between(0.0, 1.0 / 24.0)))
        };
        if is_new {
            let channel = *self.dice.one(&["site", "app", "store"]);
            calls.push(self.caller.track(
                at,
                InputKind::Profile,
                "Signed Up",
                json!({ "channel": channel }),
            ));
        }
        let traits = self.traits();
        calls.push(self.caller.identify(at, traits));
        if self.dice.chance(0.1) {
            let later = at.plus(days(self.dice.waiting(120.0)));
            calls.push(self.caller.track(
                later,
                InputKind::Outcomes,
                "Unsubscribed",
                json!({ "channel": "email" }),
            ));
        }
    }

    fn traits(&mut self) -> Value {
        let Home {
            zone,
            country,
            locale,
            prefix,
            street,
        } = self.home;
        let customer = &self.caller.customer;
        let number = self.dice.whole(100_000_000, 999_999_999);
        json!({
            "email": format!("{customer}@example.com"),
            "phone": format!("{prefix}{number}"),
            "push_token": format!("token-{number:x}"),
            "address": { "street": format!("{street} {}", number % 90 + 1), "country": country },
            "timezone": zone,
            "locale": locale,
            "consent": {
                "email": self.dice.chance(0.8),
                "push": self.dice.chance(0.45),
                "sms": self.dice.chance(0.25),
                "phone": self.dice.chance(0.3),
                "print": self.dice.chance(0.5),
            },
        })
    }

    /// When she comes by first. Who signs up is there already.
    pub fn first_visit(&mut self, at: Timestamp, is_new: bool) -> Timestamp {
        if is_new {
            return at.plus(days(self.dice.between(1.0, 5.0) / 1440.0));
        }
        self.next_visit(at)
    }

    /// When she comes by next: on a later day, and not after the day on which she is due to order.
    pub(super) fn next_visit(&mut self, after: Timestamp) -> Timestamp {
        let today = after.day(&self.zone);
        #[expect(clippy::cast_possible_truncation, reason = "a few years of days")]
        let wait = self.dice.waiting(self.habit.visit_every).ceil().max(1.0) as i32;
        let due = self.next_order.map_or(i32::MAX, |due| due.day(&self.zone));
        let day = (today + wait).min(due.max(today + 1));
        let hour = match self.dice.unit() {
            share if share < 0.6 => self.dice.around(20.2, 1.2),
            share if share < 0.85 => self.dice.around(13.2, 0.9),
            _ => self.dice.between(7.5, 22.5),
        };
        self.on(day, hour)
    }

    /// An hour of a day where she lives.
    fn on(&self, day: i32, hour: f64) -> Timestamp {
        #[expect(clippy::cast_possible_truncation, reason = "within a day")]
        let ms = (hour.clamp(6.0, 23.9) * HOUR_MS) as i64;
        Timestamp::start_of_day(day, &self.zone).plus(ms)
    }

    /// Some days later, when parcels are brought and people answer letters.
    pub(super) fn by_day(&mut self, after: Timestamp, wait: f64) -> Timestamp {
        let day = after.plus(days(wait)).day(&self.zone);
        let hour = self.dice.between(9.0, 19.0);
        self.on(day, hour).max(after.plus(days(0.1)))
    }

    /// What has changed in her life by now. False: she is gone.
    pub(super) fn goes_on(&mut self, now: Timestamp) -> bool {
        let Some((_, turn)) = self.turn.take_if(|(at, _)| *at <= now) else {
            return true;
        };
        match turn {
            Turn::Leaves => return false,
            Turn::TurnsThrifty => self.habit.thrifty = true,
            Turn::ThinsOut => {
                let slower = self.dice.between(2.5, 5.0);
                self.habit.visit_every *= slower;
                self.habit.order_every = self.habit.order_every.map(|every| every * slower);
                self.next_order = self.next_order.map(|due| {
                    let every = self.habit.order_every.unwrap_or_default();
                    due.plus(days(every * 0.7))
                });
            }
        }
        true
    }

    /// Where she was sent from, now and then.
    pub(super) fn campaign(&mut self) -> Option<Value> {
        const CAMPAIGNS: [(&str, &str, &str); 4] = [
            ("newsletter", "email", "spring"),
            ("google", "cpc", "home"),
            ("instagram", "social", "spring"),
            ("partner", "referral", "magazine"),
        ];
        let (source, medium, name) = *self.dice.one(&CAMPAIGNS);
        let sent = self.dice.chance(0.25);
        sent.then(|| json!({ "campaign": { "source": source, "medium": medium, "name": name } }))
    }
}

impl Habit {
    /// The habits of a kind, drawn between 0 and 1: regulars, occasional customers, lookers, visitors without a name.
    fn drawn(kind: f64, dice: &mut Dice) -> Self {
        let (visit_every, order_every, stray, leaves_basket) = match kind {
            kind if kind < 0.42 => (
                dice.between(2.0, 5.0),
                Some(dice.between(5.0, 16.0)),
                0.12,
                0.15,
            ),
            kind if kind < 0.72 => (
                dice.between(4.0, 12.0),
                Some(dice.between(25.0, 75.0)),
                0.45,
                0.2,
            ),
            kind if kind < 0.92 => (
                dice.between(2.0, 7.0),
                Some(dice.between(80.0, 200.0)),
                0.5,
                0.3,
            ),
            _ => (dice.between(4.0, 15.0), None, 0.0, 0.15),
        };
        Self {
            visit_every,
            order_every,
            stray,
            leaves_basket,
            thrifty: dice.chance(0.15),
        }
    }
}

impl Turn {
    /// What will happen to somebody who joins at `at`, and when.
    fn drawn(dice: &mut Dice, at: Timestamp) -> Option<(Timestamp, Self)> {
        let turn = match dice.unit() {
            share if share < 0.3 => Self::ThinsOut,
            share if share < 0.5 => Self::TurnsThrifty,
            share if share < 0.85 => Self::Leaves,
            _ => return None,
        };
        Some((at.plus(days(30.0 + dice.waiting(200.0))), turn))
    }
}
