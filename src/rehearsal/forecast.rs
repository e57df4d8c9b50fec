//! What would be sent when: treatments by channel, day and hour, as those who send them plan.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::Text;
use crate::time::{DAY_MS, Timestamp};
use crate::treatment::{Decision, Outcome};

const HOUR_MS: i64 = DAY_MS / 24;

/// Treatments by channel and hour.
#[derive(Debug, Default)]
pub struct Sends(BTreeMap<Text, BTreeMap<i64, u64>>);

/// What would go out on a channel. Days and hours are those of UTC.
#[derive(Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// The channel.
    pub channel: String,
    /// Treatments, those that were taken back later among them.
    pub treatments: u64,
    /// Days with at least one.
    pub days: usize,
    /// The mean of a day from the first with one to the last.
    pub daily_mean: f64,
    /// How many on each day, from the first with one to the last.
    pub by_day: Vec<(String, u64)>,
    /// The day with most of them, and how many.
    pub busiest_day: (String, u64),
    /// The hour with most of them, and how many.
    pub busiest_hour: (String, u64),
    /// How many in each hour of the day, from midnight on.
    pub by_hour_of_day: [u64; 24],
}

impl Sends {
    /// Takes a decision in.
    pub fn decided(&mut self, decision: &Decision) {
        if let Outcome::Treat(command) = &decision.outcome {
            let hour = decision.decided_at.0.div_euclid(HOUR_MS);
            let of = self.0.entry(command.channel.clone()).or_default();
            *of.entry(hour).or_default() += 1;
        }
    }

    /// By channel, sorted by name.
    #[must_use]
    pub fn forecast(&self) -> Vec<Forecast> {
        self.0
            .iter()
            .filter_map(|(channel, hours)| of(channel, hours))
            .collect()
    }
}

fn of(channel: &str, hours: &BTreeMap<i64, u64>) -> Option<Forecast> {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    let mut by_hour_of_day = [0; 24];
    for (hour, count) in hours {
        *days.entry(hour.div_euclid(24)).or_default() += count;
        by_hour_of_day[usize::try_from(hour.rem_euclid(24)).unwrap_or(0)] += count;
    }
    let treatments: u64 = hours.values().sum();
    let (first, last) = (days.keys().next()?, days.keys().next_back()?);
    // Of several the first.
    let most = |of: &BTreeMap<i64, u64>| {
        let most = of.iter().rev().max_by_key(|(_, count)| **count);
        most.map(|(at, count)| (*at, *count))
    };
    let ((day, of_day), (hour, of_hour)) = (most(&days)?, most(hours)?);
    let time = |ms: i64, length: usize| Timestamp(ms).to_string().chars().take(length).collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean that is shown")]
    let daily_mean = treatments as f64 / (last - first + 1) as f64;
    Some(Forecast {
        channel: channel.to_owned(),
        treatments,
        days: days.len(),
        daily_mean,
        by_day: (*first..=*last)
            .map(|day| (time(day * DAY_MS, 10), days.get(&day).copied().unwrap_or(0)))
            .collect(),
        busiest_day: (time(day * DAY_MS, 10), of_day),
        busiest_hour: (time(hour * HOUR_MS, 13), of_hour),
        by_hour_of_day,
    })
}
