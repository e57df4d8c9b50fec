//! What a fact comes to, by looking at all that happened up to an instant.

use super::RefEvent;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    DistinctKeys,
    /// Of values, each halving in so many ms.
    Score(i64),
    FirstTime,
    LastTime,
    PreviousTime,
    FirstKey,
    LastValue,
    /// So many last keys.
    Keys(usize),
    /// What is there of what orders earned: a basket spends 2, and a cart that is viewed takes back what its order earned.
    Balance(Life),
    /// What of it expires within so many ms.
    Expiring(Life, i64),
    /// When something of it does.
    NextExpiry(Life),
}

/// How long what is earned lives, ms; none: for ever.
pub type Life = Option<i64>;

/// What it comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Comes {
    Unknown,
    Number(f64),
    Time(i64),
    Text(String),
    Texts(Vec<String>),
}

/// A fact of the events of these names, of one key where there is one.
#[derive(Clone, Debug)]
pub struct Fact {
    pub of: Vec<&'static str>,
    pub measured: Measured,
    pub over_ms: Option<i64>,
    pub key: Option<&'static str>,
}

/// What it comes to at `at_ms`, by the sorted history up to then.
pub fn comes_to(fact: &Fact, history: &[&RefEvent], at_ms: i64) -> Comes {
    let needs_key = matches!(
        fact.measured,
        Measured::DistinctKeys | Measured::FirstKey | Measured::Keys(_)
    );
    let meant: Vec<&RefEvent> = history
        .iter()
        .copied()
        .filter(|event| fact.of.contains(&event.name.as_str()))
        .filter(|event| fact.key.is_none_or(|key| event.key == key))
        .filter(|event| !needs_key || !event.key.is_empty())
        .filter(|event| fact.over_ms.is_none_or(|over| at_ms - event.time_ms < over))
        .collect();
    let values = || meant.iter().map(|event| event.value);
    let n = meant.len() as f64;
    let time = |event: Option<&&RefEvent>| event.map_or(Comes::Unknown, |e| Comes::Time(e.time_ms));
    let number = |number: Option<f64>| number.map_or(Comes::Unknown, Comes::Number);
    match fact.measured {
        Measured::Count => Comes::Number(n),
        Measured::Sum => Comes::Number(values().sum()),
        Measured::Mean => number((n > 0.0).then(|| values().sum::<f64>() / n)),
        Measured::Min => number(values().reduce(f64::min)),
        Measured::Max => number(values().reduce(f64::max)),
        Measured::DistinctKeys => {
            let mut keys: Vec<&str> = meant.iter().map(|event| event.key.as_str()).collect();
            keys.sort_unstable();
            keys.dedup();
            Comes::Number(keys.len() as f64)
        }
        Measured::Score(half_life_ms) => {
            let faded = |event: &&RefEvent| {
                event.value / 2f64.powf((at_ms - event.time_ms) as f64 / half_life_ms as f64)
            };
            Comes::Number(meant.iter().map(faded).sum())
        }
        Measured::FirstTime => time(meant.first()),
        Measured::LastTime => time(meant.last()),
        Measured::PreviousTime => time(meant.iter().rev().nth(1)),
        Measured::FirstKey => match meant.first() {
            Some(first) => Comes::Text(first.key.clone()),
            None => Comes::Unknown,
        },
        Measured::LastValue => number(meant.last().map(|last| last.value)),
        Measured::Keys(most) => {
            let from = meant.len().saturating_sub(most);
            Comes::Texts(
                meant[from..]
                    .iter()
                    .map(|event| event.key.clone())
                    .collect(),
            )
        }
        Measured::Balance(life) => {
            let (coins, owed) = coins(life, &meant);
            Comes::Number((there(&coins, at_ms).count() as f64 - owed as f64) / 2.0)
        }
        Measured::Expiring(life, within_ms) => {
            let (coins, _) = coins(life, &meant);
            let soon = there(&coins, at_ms).filter(|coin| coin.gone_ms <= at_ms + within_ms);
            Comes::Number(soon.count() as f64 / 2.0)
        }
        Measured::NextExpiry(life) => {
            let (coins, _) = coins(life, &meant);
            let next = there(&coins, at_ms).map(|coin| coin.gone_ms).min();
            next.map_or(Comes::Unknown, Comes::Time)
        }
    }
}

/// Half a euro of a balance.
struct Coin<'h> {
    gone_ms: i64,
    order: &'h str,
    spent: bool,
}

fn there<'c>(coins: &'c [Coin<'_>], at_ms: i64) -> impl Iterator<Item = &'c Coin<'c>> {
    coins
        .iter()
        .filter(move |coin| !coin.spent && coin.gone_ms > at_ms)
}

/// What there is of a balance, coin by coin, and how many coins are owed.
fn coins<'h>(life: Life, history: &[&'h RefEvent]) -> (Vec<Coin<'h>>, usize) {
    let mut coins: Vec<Coin<'h>> = Vec::new();
    let mut owed = 0;
    for event in history {
        let now_ms = event.time_ms;
        let mut takes = 0;
        match event.name.as_str() {
            "Product Added" => takes = 4,
            "Cart Viewed" if !event.key.is_empty() => {
                let hers = |coin: &Coin<'_>| coin.order == event.key && coin.gone_ms > now_ms;
                takes = coins.iter().filter(|it| hers(it) && it.spent).count();
                coins.retain(|coin| !hers(coin));
            }
            "Order Completed" => {
                for _ in 0..(event.value * 2.0) as usize {
                    let pays = owed > 0;
                    owed -= usize::from(pays);
                    coins.push(Coin {
                        gone_ms: life.map_or(i64::MAX, |life| now_ms + life),
                        order: &event.key,
                        spent: pays,
                    });
                }
            }
            _ => {}
        }
        for _ in 0..takes {
            let can = coins
                .iter_mut()
                .filter(|coin| !coin.spent && coin.gone_ms > now_ms);
            match can.min_by_key(|coin| coin.gone_ms) {
                Some(coin) => coin.spent = true,
                None => owed += 1,
            }
        }
    }
    (coins, owed)
}
