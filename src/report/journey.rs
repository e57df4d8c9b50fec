//! A journey as a funnel, as a report tells it: its steps in the order of the file.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::event::Text;
use crate::journey::Journey;
use crate::tally::funnel::{Funnel, Passed};

/// What became of those who entered a journey. Who is held out goes through it and is sent nothing, and is not counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Funnel)]
pub struct Shown {
    /// How many entered; whoever enters again counts again.
    pub entered: u64,
    /// Of those, who have not left: they are inside, or were erased, expired, or became one with another id that was inside, too.
    pub inside: u64,
    /// How many left, by why: behind the last step (`end`), by the `goal`, by `until`, as nothing began it, as it turned out (`undone`), or as
    /// it is a journey no more (`taken_out`).
    pub left: BTreeMap<&'static str, u64>,
    /// In the order of the file; behind them those that an edit took out, by name.
    pub steps: Vec<Step>,
}

/// A step of a journey.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FunnelStep)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// How many came to it.
    pub came: u64,
    /// How many went on, by which way, where several lead on: of what is sent, `sent` or the reason for which it was refused; `then` and
    /// `else`; branches by their number, from 1; ways of a split by their names.
    pub ways: BTreeMap<String, u64>,
}

impl Shown {
    /// Of figures; `journey`: as it is now, where it is there.
    #[must_use]
    pub fn new(funnel: &Funnel, journey: Option<&Journey>) -> Self {
        let left = funnel.left.iter();
        let named = journey.into_iter().flat_map(Journey::names);
        let named: Vec<&str> = named.map(Text::as_str).collect();
        let known = named.iter().map(|name| (*name, funnel.steps.get(*name)));
        let others = funnel.steps.iter();
        let others = others.filter(|(name, _)| !named.contains(&name.as_str()));
        let others = others.map(|(name, passed)| (name.as_str(), Some(passed)));
        Self {
            entered: funnel.entered,
            inside: funnel.entered.saturating_sub(funnel.left.values().sum()),
            left: left.map(|(why, count)| (why.word(), *count)).collect(),
            steps: known
                .chain(others)
                .map(|(name, passed)| Step::new(name, passed))
                .collect(),
        }
    }
}

impl Step {
    fn new(name: &str, passed: Option<&Passed>) -> Self {
        let ways = passed.into_iter().flat_map(|it| &it.ways);
        Self {
            step: name.to_owned(),
            came: passed.map_or(0, |it| it.came),
            ways: ways.map(|(way, n)| (way.to_string(), *n)).collect(),
        }
    }
}

/// Counts by word, in a line: `goal 3, end 1`.
pub(super) fn counts<'c>(counts: impl IntoIterator<Item = (&'c str, &'c u64)>) -> String {
    let counts = counts.into_iter();
    let counts: Vec<String> = counts.map(|(word, n)| format!("{word} {n}")).collect();
    counts.join(", ")
}
