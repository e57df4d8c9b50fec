//! Day and night, and the week: when people come by, where they live.

use super::days;
use super::person::Person;
use super::{World, dice::Dice};
use crate::time::{Timestamp, weekday};

const HOUR_MS: f64 = 3_600_000.0;
/// How busy a shop is on each day of the week, Monday first, as a share of the busiest.
const WEEK: [f64; 7] = [0.9, 0.8, 0.8, 0.8, 0.75, 0.7, 1.0];

impl Person {
    /// When she comes by next: on a later day, and not after the day on which she is due to order.
    pub(super) fn another_day(&mut self, after: Timestamp, world: &World) -> Timestamp {
        let zone = self.zone(world);
        let today = after.day(zone);
        let due = self.next_order.map_or(i32::MAX, |due| due.day(zone));
        #[expect(clippy::cast_possible_truncation, reason = "a few years of days")]
        let wait = self.dice.waiting(self.visit_every).ceil().max(1.0) as i32;
        let mut day = (today + wait).min(due.max(today + 1));
        while self.dice.chance(1.0 - WEEK[weekday(day)]) {
            day += 1;
        }
        let hour = visiting_hour(&mut self.dice);
        on(day, hour, world, self).max(self.busy_until)
    }

    /// When she comes for the first time: at the next hour that suits her.
    pub(super) fn first_hour(&mut self, after: Timestamp, world: &World) -> Timestamp {
        let today = after.day(self.zone(world));
        let hour = visiting_hour(&mut self.dice);
        let at = on(today, hour, world, self);
        if at >= after {
            at
        } else {
            on(today + 1, hour, world, self)
        }
    }

    /// Some days later, when parcels are brought and people answer letters.
    pub(super) fn by_day(&mut self, after: Timestamp, wait: f64, world: &World) -> Timestamp {
        let day = after.plus(days(wait)).day(self.zone(world));
        let hour = self.dice.between(9.0, 19.0);
        on(day, hour, world, self).max(after.plus(days(0.1)))
    }
}

/// An hour of a day where she lives.
fn on(day: i32, hour: f64, world: &World, person: &Person) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "within a day")]
    let ms = (hour.clamp(6.0, 23.5) * HOUR_MS) as i64;
    Timestamp::start_of_day(day, person.zone(world)).plus(ms)
}

/// In the evening mostly, at lunch often, else at any hour of the day.
fn visiting_hour(dice: &mut Dice) -> f64 {
    let around = |mean: f64, deviation: f64, dice: &mut Dice| {
        mean + deviation * dice.draw(rand_distr::StandardNormal)
    };
    match dice.unit() {
        share if share < 0.6 => around(20.2, 1.2, dice),
        share if share < 0.85 => around(13.2, 0.9, dice),
        _ => dice.between(7.5, 22.5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_weekday_of_the_calendar() {
        // 2026-03-02 was a Monday.
        let monday = Timestamp::parse("2026-03-02T12:00:00Z").expect("a time");
        assert_eq!(weekday(monday.day(&crate::time::Zone::Utc)), 0);
    }
}
