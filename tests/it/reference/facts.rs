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
}

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
    }
}
