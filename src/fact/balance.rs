//! A balance: what is earned by events, less what is spent by others, each earning a lot that expires by itself. What is kept, and
//! what takes from which lot, is [`Lots`](crate::measure::lots::Lots); here is what events say of it.

use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::Sayings;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::{Event, Text, Type};
use crate::expression::{Environment, Expression, Scope, read};
use crate::measure::lots::Movement;
use crate::measure::{Said, micros};
use crate::moment::matcher::{self, Matcher};
use crate::moment::per::Per;
use crate::time::{Timestamp, Zone, parse_duration};
use crate::value::Value;

/// The keys of `balance`.
pub const BALANCE: Keys = Keys {
    of: "`balance`",
    known: &[
        Known::required(
            "earned",
            Shape::Expression,
            "How much the events of `of` earn, such as `event.points`. Below 0 it is spent.",
        ),
        Known::optional(
            "order",
            Shape::Expression,
            "Which order earned it, such as `event.order_id`: by it `returned` finds what to take back.",
        ),
        Known::optional(
            "expires",
            Shape::Form(
                "^([0-9]+(ms|s|m|min|h|d|w|mo)( ?[0-9]+(ms|s|m|min|h|d|w))*|end of (next )?(month|quarter|year))$",
                "12mo",
            ),
            "When what is earned is gone: a length of time after it was (`365d`), calendar months after (`12mo`), or with a calendar period (`end of year`, `end of next quarter`), in the customer's time zone. Without it: never.",
        ),
        Known::optional(
            "spent",
            Shape::Mapping(&SPENT),
            "What takes from it, of the lot that expires first.",
        ),
        Known::optional(
            "returned",
            Shape::Mapping(&RETURNED),
            "What takes back what an order earned.",
        ),
    ],
    later: &[],
};
/// The keys of `spent`.
pub const SPENT: Keys = Keys {
    of: "`spent`",
    known: &[
        Known::required(
            "of",
            matcher::SHAPE,
            "The events by which something is spent.",
        ),
        Known::required(
            "amount",
            Shape::Expression,
            "How much, such as `event.points`. An event that says nothing above 0 spends nothing.",
        ),
    ],
    later: &[],
};
/// The keys of `returned`.
pub const RETURNED: Keys = Keys {
    of: "`returned`",
    known: &[
        Known::required(
            "of",
            matcher::SHAPE,
            "The events that take back an order, or a part of it.",
        ),
        Known::required(
            "order",
            Shape::Expression,
            "Which order, such as `event.order_id`.",
        ),
        Known::optional(
            "amount",
            Shape::Expression,
            "How much of what it earned; without it, all of it. An event that has no amount takes back all.",
        ),
    ],
    later: &[],
};
/// Calendar months after which something may expire: ten years, as the longest duration.
const MONTHS_MAX: i32 = 120;
const EXPIRES: &str = "a length of time such as 365d, calendar months such as 12mo (at most 120), or the end of a period such as `end of next year` (month, quarter, year)";

/// What events say of a balance, beside those that earn.
#[derive(Debug)]
pub struct Balance {
    earned: Expression,
    order: Option<Expression>,
    expires: Expires,
    spent: Option<(Matcher, Expression)>,
    returned: Option<Returned>,
    /// Where customers live of whom no zone is known.
    home: Zone,
}

#[derive(Debug)]
struct Returned {
    of: Matcher,
    order: Expression,
    amount: Option<Expression>,
}

/// When what was earned is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expires {
    Never,
    /// So many ms later.
    After(i64),
    /// So many calendar months later.
    Months(i32),
    /// With the calendar period of so many months, or so many periods after that.
    Period {
        months: i32,
        after: i32,
    },
}

impl Expires {
    fn read(text: &str) -> Option<Self> {
        if let Some(period) = text.strip_prefix("end of ") {
            let (after, period) = match period.strip_prefix("next ") {
                Some(period) => (1, period),
                None => (0, period),
            };
            let months = match period {
                "month" => 1,
                "quarter" => 3,
                "year" => 12,
                _ => return None,
            };
            return Some(Self::Period { months, after });
        }
        if let Some(months) = text.strip_suffix("mo") {
            let months = months.trim_end().parse().ok()?;
            return (1..=MONTHS_MAX)
                .contains(&months)
                .then_some(Self::Months(months));
        }
        let ms = parse_duration(text).ok()?;
        let longest = crate::document::reader::DURATION_MAX_MS;
        (1..=longest).contains(&ms).then_some(Self::After(ms))
    }

    fn of(self, earned: Timestamp, zone: impl Fn() -> Zone) -> Timestamp {
        match self {
            Self::Never => Timestamp::MAX,
            Self::After(ms) => earned.plus(ms),
            Self::Months(months) => earned.months_on(months, &zone()),
            Self::Period { months, after } => earned.behind_period(months, after, &zone()),
        }
    }
}

impl Balance {
    /// Whether what is earned expires.
    #[must_use]
    pub fn expires(&self) -> bool {
        self.expires != Expires::Never
    }

    /// Which events change it, beside those that earn.
    pub fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        let spent = self.spent.as_ref().map(|(of, _)| of);
        spent
            .into_iter()
            .chain(self.returned.as_ref().map(|it| &it.of))
    }

    /// Every expression of it, but for those of its matchers.
    pub fn values(&self) -> impl Iterator<Item = &Expression> {
        let returned = self.returned.as_ref();
        let returned = returned.map(|it| [Some(&it.order), it.amount.as_ref()]);
        let spent = self.spent.as_ref().map(|(_, amount)| amount);
        let own = [Some(&self.earned), self.order.as_ref(), spent];
        own.into_iter()
            .chain(returned.into_iter().flatten())
            .flatten()
    }

    /// What tells one from another.
    pub(super) fn digested(&self, hasher: &mut Xxh3) {
        for of in self.matchers() {
            of.digested(hasher);
        }
        let mut words = format!("{:?}", self.expires);
        let place =
            |expression: Option<&Expression>| expression.map_or("-", Expression::source).to_owned();
        let spent = self.spent.as_ref().map(|(_, amount)| amount);
        let returned = self.returned.as_ref();
        for part in [
            Some(&self.earned),
            self.order.as_ref(),
            spent,
            returned.map(|it| &it.order),
            returned.and_then(|it| it.amount.as_ref()),
        ] {
            words.push('\n');
            words.push_str(&place(part));
        }
        hasher.update(words.as_bytes());
    }

    /// What an event does to it: what it takes back, what it spends, what it earns; `of`: what earns.
    pub(super) fn said(&self, of: &Matcher, per: &Per, scope: &Scope<'_>) -> Sayings {
        let Some(event) = scope.event else {
            return Sayings::new();
        };
        let mut sayings = Sayings::new();
        let mut say = |movement: &dyn Fn(&Scope<'_>) -> Option<Movement>| {
            let one = |scope: &Scope<'_>| -> Option<(Text, Said)> {
                Some((super::key(per, scope)?, Said::Moves(movement(scope)?)))
            };
            sayings.extend(scope.each(one));
        };
        if let Some(returned) = self.returned.as_ref().filter(|it| it.of.matches(scope)) {
            say(&|scope| returned.movement(scope));
        }
        if let Some((_, amount)) = self.spent.as_ref().filter(|(of, _)| of.matches(scope)) {
            say(&|scope| spent(counted(amount, scope)?));
        }
        if of.matches(scope) {
            say(&|scope| self.earned(event, scope));
        }
        sayings
    }

    fn earned(&self, event: &Event, scope: &Scope<'_>) -> Option<Movement> {
        let micros = counted(&self.earned, scope)?;
        if micros <= 0 {
            return spent(-micros);
        }
        let order = self.order.as_ref();
        Some(Movement::Earned {
            micros,
            expires: self.expires.of(event.time, || scope.zone(&self.home)),
            order: order.and_then(|order| hashed(order, scope)),
        })
    }
}

impl Returned {
    fn movement(&self, scope: &Scope<'_>) -> Option<Movement> {
        let amount = self.amount.as_ref();
        let micros = amount.and_then(|amount| counted(amount, scope));
        Some(Movement::Returned {
            order: hashed(&self.order, scope)?,
            micros: micros.map(|micros| micros.max(0)),
        })
    }
}

fn spent(micros: i64) -> Option<Movement> {
    (micros > 0).then_some(Movement::Spent { micros })
}

fn counted(of: &Expression, scope: &Scope<'_>) -> Option<i64> {
    match of.eval(scope) {
        Value::Number(number) => micros(number),
        _ => None,
    }
}

fn hashed(of: &Expression, scope: &Scope<'_>) -> Option<u64> {
    Some(xxh3_64(of.eval(scope).key()?.as_bytes()))
}

/// Reads `balance`; `of`: the events that earn.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, of: &Matcher) -> Option<Balance> {
    let fields = reader.fields(node, BALANCE)?;
    let earned = reader.required(
        &fields,
        "earned",
        "how much is earned, such as event.points",
    );
    let earned = earned.and_then(|node| amount(reader, node, of, "what is earned"));
    let order = fields.get("order").map(|node| order(reader, node, of));
    let expires = fields.get("expires");
    let expires = expires.map_or(Some(Expires::Never), |node| expires_by(reader, node));
    let spent = fields.get("spent").map(|node| spent_by(reader, node));
    let returned = fields.get("returned").map(|node| returned_by(reader, node));
    if let (None, Some((key, _))) = (&order, fields.entry("returned")) {
        let message = "what an order earned is taken back, and no order is said to earn";
        let expected = "`order` beside `earned`, such as `order: event.order_id`".to_owned();
        reader.fails(&key.span, message, expected);
        return None;
    }
    Some(Balance {
        earned: earned?,
        order: whole(order)?,
        expires: expires?,
        spent: whole(spent)?,
        returned: whole(returned)?,
        home: reader.declared.derived.home.clone(),
    })
}

/// What may be absent, but not wrong.
#[expect(clippy::option_option, reason = "absent, wrong and there are three")]
fn whole<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(part) => part.map(Some),
    }
}

fn spent_by(reader: &mut Reader<'_>, node: &Node) -> Option<(Matcher, Expression)> {
    let fields = reader.fields(node, SPENT)?;
    let of = matcher::required(reader, &fields, "of")?;
    let amount_of =
        reader.required(&fields, "amount", "how much is spent, such as event.points")?;
    let amount = amount(reader, amount_of, &of, "what is spent")?;
    Some((of, amount))
}

fn returned_by(reader: &mut Reader<'_>, node: &Node) -> Option<Returned> {
    let fields = reader.fields(node, RETURNED)?;
    let of = matcher::required(reader, &fields, "of")?;
    let order_of = reader.required(&fields, "order", "which order, such as event.order_id");
    let order = order_of.and_then(|node| order(reader, node, &of));
    let amount_of = fields.get("amount");
    let amount = amount_of.map(|node| amount(reader, node, &of, "what is taken back"));
    Some(Returned {
        order: order?,
        amount: whole(amount)?,
        of,
    })
}

fn expires_by(reader: &mut Reader<'_>, node: &Node) -> Option<Expires> {
    let text = reader.text(node, EXPIRES)?;
    let expires = Expires::read(text);
    if expires.is_none() {
        reader.unexpected(node, EXPIRES);
    }
    expires
}

fn amount(reader: &mut Reader<'_>, node: &Node, of: &Matcher, role: &str) -> Option<Expression> {
    of_events(reader, of, |reader, environment| {
        read::of_kind(reader, node, environment, Type::Number, role)
    })
}

fn order(reader: &mut Reader<'_>, node: &Node, of: &Matcher) -> Option<Expression> {
    let compiled = of_events(reader, of, |reader, environment| {
        let text = read::text(reader, node)?;
        read::compiled(reader, node, 0, Expression::compile(text, environment))
    })?;
    if matches!(compiled.kind(), Type::List(_) | Type::Duration | Type::Bool) {
        reader.unexpected(
            node,
            "what tells one order from another, such as `event.order_id`",
        );
        return None;
    }
    Some(compiled)
}

fn of_events<T>(
    reader: &mut Reader<'_>,
    of: &Matcher,
    read: impl FnOnce(&mut Reader<'_>, &Environment<'_>) -> Option<T>,
) -> Option<T> {
    let names: SmallVec<[_; 4]> = of.event_names().collect();
    let environment = read::environment_of_products(reader.declared, &names);
    read(reader, &environment)
}
