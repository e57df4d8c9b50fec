//! The naive reference of calendars: for each stretch of time in which a customer's zone and date are what they are, all days
//! are tried, and of each the quarters of hours at which clocks there show the time that is meant.
//!
//! Of jiff it takes what clocks show at an instant, and nothing of the way back: which instant is meant where clocks change is
//! found by looking. Clocks change by an hour in the zones that it is used with.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const QUARTER_MS: i64 = 900_000;
const DAY_MS: i64 = 86_400_000;

/// Which days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Days {
    /// The month and day of her own date, from the year of that date on.
    Own,
    MonthDay(i8, i8),
    /// The nth of a weekday (the last where negative) of a month; of every month where it is 0.
    Nth(i8, Weekday, i8),
    OfMonth(i32),
    OfQuarter(i32),
    /// The nth day from Monday to Friday (the last where negative) of every month.
    Working(i8),
    /// A weekday of every so many weeks, of which one has this Monday.
    Weeks(i64, Weekday, Date),
    Once(Date),
}

/// A calendar moment: which days, how many after them, at how many minutes of the day.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    pub days: Days,
    pub offset: i64,
    pub at: i64,
}

/// What an event of hers says, in order of time. Each makes her known.
#[derive(Clone, Debug)]
pub struct Said {
    pub time_ms: i64,
    pub zone: Option<String>,
    /// A date, ms since 1970.
    pub own: Option<i64>,
}

/// The moments up to `until_ms`: when, and the date.
pub fn moments(calendar: &Calendar, said: &[Said], until_ms: i64) -> Vec<(i64, String)> {
    let mut moments = Vec::new();
    let mut decided: Option<i64> = None;
    let (mut zone, mut own): (Option<String>, Option<i64>) = (None, None);
    // Since when they are what they are.
    let mut since = None;
    for (i, it) in said.iter().enumerate() {
        let (zone_before, own_before) = (zone.clone(), own);
        zone = it.zone.clone().or(zone);
        own = it.own.or(own);
        if since.is_none() || (&zone, own) != (&zone_before, own_before) {
            since = Some(it.time_ms);
        }
        let next = said.get(i + 1).map(|next| next.time_ms);
        let tz = zone.as_deref().map_or(TimeZone::UTC, |zone| {
            TimeZone::get(zone).expect("a zone that is known")
        });
        let from = it.time_ms;
        let to = next.map_or(until_ms + 1, |next| next.min(until_ms + 1));
        let first = date(from).saturating_sub((45 + calendar.offset.abs()).days());
        let last = date(to).saturating_add((45 + calendar.offset.abs()).days());
        let mut day = first;
        while day <= last {
            if is_meant(calendar.days, day, own, &tz, since.unwrap_or(from))
                && decided.is_none_or(|decided| period(calendar.days, day) > decided)
            {
                let local = day.saturating_add(calendar.offset.days()).at(0, 0, 0, 0);
                let at = instant(local.saturating_add(calendar.at.minutes()), &tz);
                if at >= from && at < to {
                    moments.push((at, day.to_string()));
                    decided = Some(period(calendar.days, day));
                }
            }
            day = day.tomorrow().expect("long before calendars end");
        }
    }
    moments
}

fn date(ms: i64) -> Date {
    clock(ms, &TimeZone::UTC).date()
}

fn clock(ms: i64, tz: &TimeZone) -> DateTime {
    let instant = Timestamp::from_millisecond(ms).expect("an instant");
    instant.to_zoned(tz.clone()).datetime()
}

/// When clocks show it for the first time; where they never do, when they show an hour more.
fn instant(local: DateTime, tz: &TimeZone) -> i64 {
    let near = local.to_zoned(TimeZone::UTC).expect("a time");
    let near = near.timestamp().as_millisecond();
    let quarters = || (-60..60).map(|quarter| near + quarter * QUARTER_MS);
    let shows = |local: DateTime| quarters().find(|ms| clock(*ms, tz) == local);
    shows(local)
        .or_else(|| shows(local.saturating_add(1.hour())))
        .expect("clocks change by an hour")
}

fn is_meant(days: Days, day: Date, own: Option<i64>, tz: &TimeZone, since: i64) -> bool {
    let last_of_month = day.last_of_month() == day;
    match days {
        Days::Own => own.is_some_and(|own| {
            let zone = if own % DAY_MS == 0 {
                &TimeZone::UTC
            } else {
                tz
            };
            let date = clock(own, zone).date();
            let itself = day.year() == date.year();
            let later = day.year() > date.year() || itself && own > since;
            later && same(day, date.month(), date.day())
        }),
        Days::MonthDay(month, date) => same(day, month, date),
        Days::Nth(nth, weekday, month) => {
            let counted = if nth > 0 {
                (day.day() - 1) / 7 + 1
            } else {
                (day.days_in_month() - day.day()) / 7 + 1
            };
            (month == 0 || day.month() == month) && day.weekday() == weekday && counted == nth.abs()
        }
        Days::Working(nth) => {
            let works = |day: Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
            let month =
                (1..=day.days_in_month()).map(|date| day.with().day(date).build().expect("a day"));
            let before = month.clone().filter(|it| works(*it) && *it < day).count();
            let after = month.filter(|it| works(*it) && *it > day).count();
            let counted = if nth > 0 { before } else { after };
            works(day) && counted == usize::from(nth.unsigned_abs()) - 1
        }
        Days::Weeks(every, weekday, _) => {
            day.weekday() == weekday && period(days, day) * every == weeks(days, day)
        }
        Days::Once(once) => day == once,
        Days::OfMonth(nth) => {
            i32::from(day.day()) == nth || last_of_month && i32::from(day.day()) < nth
        }
        Days::OfQuarter(nth) => {
            let (mut place, mut earlier) = (1, day);
            while let Ok(before) = earlier.yesterday()
                && quarter(before) == quarter(day)
            {
                (place, earlier) = (place + 1, before);
            }
            let last = quarter(day.tomorrow().expect("a day")) != quarter(day);
            place == nth || last && place < nth
        }
    }
}

/// How many weeks after the first a day is.
fn weeks(days: Days, day: Date) -> i64 {
    let Days::Weeks(_, _, monday) = days else {
        unreachable!("only weeks are counted");
    };
    let days = day.since(monday).expect("a span").get_days();
    i64::from(days).div_euclid(7)
}

fn quarter(day: Date) -> i8 {
    (day.month() - 1) / 3
}

/// The same month and day; 29 February on the 28th of other years.
fn same(day: Date, month: i8, date: i8) -> bool {
    let leap = date == 29 && month == 2 && !day.in_leap_year();
    day.month() == month && day.day() == if leap { 28 } else { date }
}

fn period(days: Days, day: Date) -> i64 {
    let year = i64::from(day.year());
    match days {
        Days::Own | Days::MonthDay(..) => year,
        Days::Nth(_, _, month) if month > 0 => year,
        Days::Weeks(every, ..) => weeks(days, day).div_euclid(every),
        Days::Once(_) => 0,
        Days::Nth(..) | Days::OfMonth(_) | Days::Working(_) => year * 12 + i64::from(day.month()),
        Days::OfQuarter(_) => year * 4 + i64::from(quarter(day)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(calendar: Calendar, said: &[(&str, &str)], expected: &[(&str, &str)]) {
        let ms = |text: &str| {
            let instant: Timestamp = text.parse().expect("an instant");
            instant.as_millisecond()
        };
        let said: Vec<_> = said
            .iter()
            .map(|(time, zone)| Said {
                time_ms: ms(time),
                zone: Some((*zone).to_owned()).filter(|zone| !zone.is_empty()),
                own: None,
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(time, date)| (ms(time), (*date).to_owned()))
            .collect();
        let found = moments(&calendar, &said, ms("2026-12-31T00:00:00Z"));
        assert_eq!(found, expected, "{calendar:?}");
    }

    #[test]
    fn days_and_clocks_are_found_by_looking() {
        let at = |days, at| Calendar {
            days,
            offset: 0,
            at,
        };
        let known = &[("2026-03-01T00:00:00Z", "Europe/Madrid")][..];
        // 02:30 is not there on the one day, and there twice on the other.
        let spring = at(Days::MonthDay(3, 29), 150);
        check(spring, known, &[("2026-03-29T01:30:00Z", "2026-03-29")]);
        let autumn = at(Days::MonthDay(10, 25), 150);
        check(autumn, known, &[("2026-10-25T00:30:00Z", "2026-10-25")]);
        let sunday = at(Days::Nth(2, Weekday::Sunday, 5), 0);
        check(sunday, known, &[("2026-05-09T22:00:00Z", "2026-05-10")]);
        let quarter = at(Days::OfQuarter(92), 0);
        let utc = &[("2026-03-31T00:00:00Z", "")][..];
        let quarters = [
            ("2026-03-31T00:00:00Z", "2026-03-31"),
            ("2026-06-30T00:00:00Z", "2026-06-30"),
            ("2026-09-30T00:00:00Z", "2026-09-30"),
            ("2026-12-31T00:00:00Z", "2026-12-31"),
        ];
        check(quarter, utc, &quarters);
        // Told in the east, she is not told again in the west.
        let moves = &[
            ("2026-05-01T00:00:00Z", "Asia/Tokyo"),
            ("2026-05-09T16:00:00Z", "America/New_York"),
        ][..];
        check(sunday, moves, &[("2026-05-09T15:00:00Z", "2026-05-10")]);
    }
}
