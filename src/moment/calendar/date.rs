//! The days of a calendar.

use jiff::civil::{Date as Civil, Weekday};

use super::super::kind::capitalised;
use crate::event::Event;
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::table::rows;
use crate::time::{DAY_MS, Timestamp, WEEKDAYS, Zone, ordinal, weekday};
use crate::value::Value;

/// Which days.
#[derive(Debug)]
pub(super) enum Date {
    /// The month and day of a field of the profile, each year.
    Field {
        field: Expression,
        /// Whether an event may change it.
        written_by: fn(&Event) -> bool,
    },
    /// One day, once.
    Once(Civil),
    /// The same day each year.
    MonthDay { month: i8, day: i8 },
    /// The nth weekday or working day of a month, each year; or of every month.
    Nth {
        nth: i8,
        weekday: Days,
        month: Option<i8>,
    },
    /// Every day, or those of some weekdays, from Monday on.
    Daily { weekdays: [bool; 7] },
    /// A day of every month.
    OfMonth { day: i32 },
    /// A day of every quarter.
    OfQuarter { day: i32 },
    /// A day of every nth week, counted from one.
    OfWeek {
        every: i32,
        weekday: Weekday,
        /// The Monday of that one, in days since 1970-01-01.
        from: i32,
    },
}

/// Which days of a month are counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Days {
    /// Those of a weekday.
    Of(Weekday),
    /// Those from Monday to Friday.
    Working,
}

/// A customer's own date.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub date: Civil,
    pub time: Timestamp,
}

impl Date {
    /// It, for people.
    pub fn said(&self) -> String {
        let nth = |nth: i8| match nth {
            -1 => "last".to_owned(),
            nth if nth < 0 => format!("{} from last", ordinal(-i32::from(nth))),
            nth => ordinal(nth.into()),
        };
        match self {
            Self::Field { field, .. } => format!("on the day of `{}`, every year", field.source()),
            Self::Once(date) => format!("on {date}"),
            Self::MonthDay { month, day } => format!("on {day} {}, every year", month_name(*month)),
            Self::Nth {
                nth: n,
                weekday,
                month,
            } => {
                let of = match month {
                    Some(month) => format!("{}, every year", month_name(*month)),
                    None => "every month".to_owned(),
                };
                format!("on the {} {} of {of}", nth(*n), weekday.said())
            }
            Self::Daily { weekdays } => {
                let named = WEEKDAYS.iter().zip(weekdays);
                let named = named.filter(|(_, is_one)| **is_one);
                let named: Vec<String> = named.map(|(name, _)| capitalised(name)).collect();
                match named.len() {
                    7 => "on every day".to_owned(),
                    _ => format!("on every {}", named.join(", ")),
                }
            }
            Self::OfMonth { day } => format!("on the {} day of every month", ordinal(*day)),
            Self::OfQuarter { day } => format!("on the {} day of every quarter", ordinal(*day)),
            Self::OfWeek {
                every: 1, weekday, ..
            } => format!("on every {weekday:?}"),
            Self::OfWeek { every, weekday, .. } => {
                format!("on {weekday:?} of every {} week", ordinal(*every))
            }
        }
    }

    /// Whether an event may change it; none: it is the same for all.
    pub fn written_by(&self) -> Option<fn(&Event) -> bool> {
        match self {
            Self::Field { written_by, .. } => Some(*written_by),
            Self::Once(_)
            | Self::MonthDay { .. }
            | Self::Nth { .. }
            | Self::Daily { .. }
            | Self::OfMonth { .. }
            | Self::OfQuarter { .. }
            | Self::OfWeek { .. } => None,
        }
    }

    /// What her field says.
    pub fn time(&self, settled: &Settled) -> Option<Timestamp> {
        let Self::Field { field, .. } = self else {
            return None;
        };
        let scope = Scope::of(settled, Timestamp::MIN, &rows::NONE);
        match field.eval(&scope) {
            Value::Time(time) => Some(time),
            _ => None,
        }
    }

    /// The number of the year, month, quarter, week or day that a date lies in.
    pub fn period(&self, date: Civil) -> i32 {
        let (year, month) = (i32::from(date.year()), i32::from(date.month()) - 1);
        match self {
            // Before it is over, and after.
            Self::Once(once) => i32::from(date > *once),
            Self::Daily { .. } => days(date),
            Self::OfWeek { every, from, .. } => (days(date) - from).div_euclid(7 * every),
            Self::Field { .. } | Self::MonthDay { .. } | Self::Nth { month: Some(_), .. } => year,
            Self::Nth { month: None, .. } | Self::OfMonth { .. } => year * 12 + month,
            Self::OfQuarter { .. } => year * 4 + month / 3,
        }
    }

    /// The date in a period; none where calendars end.
    pub fn of(&self, period: i32, own: Option<Own>) -> Option<Civil> {
        match self {
            Self::Field { .. } => {
                let own = own?.date;
                month_day(period, own.month(), own.day())
            }
            Self::MonthDay { month, day } => month_day(period, *month, *day),
            Self::Once(once) => (period == 0).then_some(*once),
            Self::Nth {
                nth,
                weekday,
                month: Some(month),
            } => weekday.nth_of(first_of(period, *month)?, *nth),
            Self::Nth {
                nth,
                weekday,
                month: None,
            } => weekday.nth_of(month_of(period)?, *nth),
            Self::OfWeek {
                every,
                weekday,
                from,
            } => {
                let monday = period.checked_mul(7 * every)?.checked_add(*from)?;
                civil(monday + i32::from(weekday.to_monday_zero_offset()))
            }
            Self::Daily { weekdays } => civil(period).filter(|_| weekdays[weekday(period)]),
            Self::OfMonth { day } => {
                let first = month_of(period)?;
                civil(days(first) + day.min(&first.days_in_month().into()) - 1)
            }
            Self::OfQuarter { day } => {
                let first = days(month_of(period * 3)?);
                let length = days(month_of(period * 3 + 3)?) - first;
                civil(first + day.min(&length) - 1)
            }
        }
    }
}

impl Days {
    fn said(self) -> String {
        match self {
            Self::Of(weekday) => format!("{weekday:?}"),
            Self::Working => "working day".to_owned(),
        }
    }

    /// The nth of a month, or from its end where negative, by its first day.
    fn nth_of(self, first: Civil, nth: i8) -> Option<Civil> {
        match self {
            Self::Of(weekday) => first.nth_weekday_of_month(nth, weekday).ok(),
            Self::Working => {
                let month = first.series(jiff::ToSpan::day(1));
                let month = month.take_while(|day| day.month() == first.month());
                let works = |day: &Civil| day.weekday().to_monday_zero_offset() < 5;
                let working: Vec<Civil> = month.filter(works).collect();
                let place = usize::from(nth.unsigned_abs());
                let place = match nth < 0 {
                    true => working.len().checked_sub(place)?,
                    false => place.checked_sub(1)?,
                };
                working.get(place).copied()
            }
        }
    }
}

/// The English name of a month, 1 to 12.
fn month_name(month: i8) -> String {
    let date = first_of(2000, month);
    date.map_or_else(String::new, |date| date.strftime("%B").to_string())
}

/// A month and day of a year; 29 February is the 28th where there is none.
fn month_day(year: i32, month: i8, day: i8) -> Option<Civil> {
    let first = first_of(year, month)?;
    first
        .with()
        .day(day.min(first.days_in_month()))
        .build()
        .ok()
}

fn first_of(year: i32, month: i8) -> Option<Civil> {
    Civil::new(i16::try_from(year).ok()?, month, 1).ok()
}

/// The first day of a month, counted from January of the year 0.
fn month_of(months: i32) -> Option<Civil> {
    let month = i8::try_from(months.rem_euclid(12)).ok()?;
    first_of(months.div_euclid(12), month + 1)
}

/// The date that a field means.
pub(super) fn own(time: Timestamp, zone: &Zone) -> Option<Own> {
    let is_date = time.0.rem_euclid(DAY_MS) == 0;
    let day = time.day(if is_date { &Zone::Utc } else { zone });
    let date = civil(day)?;
    Some(Own { date, time })
}

const EPOCH: Civil = Civil::constant(1970, 1, 1);

/// The date of a day counted from 1970-01-01.
pub(super) fn civil(day: i32) -> Option<Civil> {
    EPOCH
        .checked_add(jiff::Span::new().try_days(day).ok()?)
        .ok()
}

/// The inverse of [`civil`].
pub(super) fn days(date: Civil) -> i32 {
    date.since(EPOCH).map_or(0, |span| span.get_days())
}
