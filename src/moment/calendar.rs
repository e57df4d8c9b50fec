//! Calendar: a date comes, for every customer who is known then.
//!
//! Comes true at a local time in her zone, of a date and so many calendar days before or after it; no event is needed. What is
//! known at that instant counts: her zone and her date as her events up to it say, an event at the instant itself included.
//! The occurrence is the date.
//!
//! - The date of a profile field is its month and day every year, and the date itself where it is still to come when it is
//!   learned. There is no type `date` yet: a time at 00:00 UTC is that date, any other time is the day that it is in her zone.
//! - 29 February falls on 28 February in other years, and a day that a month or a quarter lacks on its last.
//! - A local time that does not exist moves on by the gap, one that comes twice means the first.
//! - Who is first known after the instant is not meant. A period (year, month or quarter) is decided once, whatever becomes of
//!   her zone and her date, and none is gone back to; what another zone or date has moved into the past is passed over.

use jiff::civil::{Date as Civil, Weekday};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::kind::{
    AFTER_WATERMARK, Concerns, Described, Evidence, Found, Kept, Moment, MomentKind,
};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, Type};
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::time::{DAY_MS, Timestamp, Zone, parse_duration};
use crate::value::Value;

/// The most that an offset may be, in days: beyond a year it is another date.
const OFFSET_MAX: i32 = 366;

const KEYS: Keys = Keys {
    of: "`calendar`",
    known: &[
        Known::required(
            "date",
            Shape::Either(&[
                Shape::Form(MONTH_DAY, "12-24"),
                Shape::Expression,
                Shape::Mapping(&NTH),
                Shape::Mapping(&EVERY),
            ]),
            "A month and day; a field of the profile that is a time, such as `profile.attributes.birthday`: its month and day every year; `{ nth, weekday, month }`; or `{ every, day }`.",
        ),
        Known::default(
            "offset",
            "0d",
            Shape::Form("^[+-]?[0-9]{1,3}[dw]$", "-3d"),
            "So many calendar days after the date, or before it where negative.",
        ),
        Known::default(
            "at",
            "00:00",
            Shape::Form("^([01][0-9]|2[0-3]):[0-5][0-9]$", "09:00"),
            "The local time in her zone; UTC where none is known.",
        ),
    ],
    later: &[],
};
const MONTH_DAY: &str = "^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const NTH: Keys = Keys {
    of: "`date`",
    known: &[
        Known::required(
            "nth",
            Shape::Either(&[Shape::Whole(1, 4), Shape::Number(-4.0, -1.0)]),
            "Which of them: 1 to 4, or from the end, -1 being the last.",
        ),
        Known::required("weekday", Shape::Words(WEEKDAYS), "Which weekday."),
        Known::optional(
            "month",
            Shape::Words(MONTHS),
            "Of which month; without it, of every month.",
        ),
    ],
    later: &[],
};
const EVERY: Keys = Keys {
    of: "`date`",
    known: &[
        Known::required(
            "every",
            Shape::Words(PERIODS),
            "In every month, or every quarter.",
        ),
        Known::required(
            "day",
            Shape::Whole(1, 92),
            "Which of its days, from 1; one that it lacks is its last.",
        ),
    ],
    later: &[],
};
const WEEKDAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const PERIODS: &[&str] = &["month", "quarter"];

/// The compiled form.
#[derive(Debug)]
pub struct Calendar {
    date: Date,
    offset_days: i32,
    at_ms: i64,
    /// Digest of the definition: what another one has found says nothing of this one.
    digest: u64,
}

/// Which days.
#[derive(Debug)]
enum Date {
    /// The month and day of a field of the profile, each year.
    Field {
        field: Expression,
        /// Whether an event may change it.
        written_by: fn(&Event) -> bool,
    },
    /// The same day each year.
    MonthDay { month: i8, day: i8 },
    /// The nth weekday of a month, each year; or of every month.
    Nth {
        nth: i8,
        weekday: Weekday,
        month: Option<i8>,
    },
    /// A day of every month.
    OfMonth { day: i32 },
    /// A day of every quarter.
    OfQuarter { day: i32 },
}

/// Where a calendar stands with one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarState {
    /// Of the definition that `next` follows from.
    digest: u64,
    /// Of her zone and her date, as `next` follows from them.
    basis: u64,
    /// What lies before it is past: she was not known, or it was decided or passed over.
    since: Timestamp,
    /// The date that was decided last, in days since 1970-01-01.
    decided: Option<i32>,
    next: Option<Next>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Next {
    at: Timestamp,
    /// The date, in days since 1970-01-01.
    day: i32,
}

/// A customer's own date.
#[derive(Clone, Copy, Debug)]
struct Own {
    date: Civil,
    time: Timestamp,
}

impl Stored for CalendarState {
    const VERSION: u8 = 1;
}

impl MomentKind for Calendar {
    type State = CalendarState;

    const TAG: u16 = 6;
    const DESCRIBED: Described = Described {
        word: "calendar",
        comes_true: "At a local time in the customer's zone, on a date or so many days from it, for everybody who is known then. No event is needed.",
        decided: AFTER_WATERMARK,
        occurrence: "the date",
        again: "in the next year, month or quarter",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        calendar(reader, &fields)
    }

    fn concerns(&self) -> Concerns {
        Concerns {
            days: true,
            everybody: true,
            ..Concerns::default()
        }
    }

    fn uses_previous(&self) -> bool {
        false
    }

    /// From her last event on: with what lay before it, nobody would write to her now.
    fn begin(&self, settled: &Settled, decided: Option<Timestamp>) -> Option<CalendarState> {
        let since = settled.presence.last_seen?;
        Some(self.begun(settled, since, decided.map(|date| date.day(&Zone::Utc))))
    }

    /// Only what may change her zone or her date is looked at.
    fn event(&self, state: &mut Kept<'_, CalendarState>, scope: &Scope<'_>, _found: &mut Found) {
        let Some(event) = scope.event else { return };
        let Some(known) = state.get() else {
            state.get_or_insert_with(|| self.begun(scope.profile, event.time, None));
            return;
        };
        if known.digest == self.digest && !self.may_change(event) {
            return;
        }
        let Some(own) = state.get_mut() else { return };
        let basis = self.basis(scope.profile);
        if own.basis != basis {
            own.since = own.since.max(event.time);
        } else if own.digest == self.digest {
            return;
        }
        own.next = self.next(own.since, own.decided, scope.profile);
        (own.digest, own.basis) = (self.digest, basis);
    }

    /// One that may give her a date: of those that are the same for all, her first. Another zone is looked at for all kinds.
    fn looks_again(&self, event: &Event, settled: &Settled) -> Option<Timestamp> {
        let gives_date = match self.date {
            Date::Field { written_by, .. } => written_by(event),
            Date::MonthDay { .. }
            | Date::Nth { .. }
            | Date::OfMonth { .. }
            | Date::OfQuarter { .. } => settled.presence.last_seen.is_none(),
        };
        gives_date.then_some(event.time)
    }

    fn due(&self, state: &CalendarState, settled: &Settled) -> Option<Timestamp> {
        self.known(state, settled).map(|next| next.at)
    }

    fn fire(&self, state: &mut CalendarState, settled: &Settled) -> Option<Moment> {
        let Next { at, day } = self.known(state, settled)?;
        *state = self.begun(settled, at, Some(day));
        let date = civil(day)?.to_string();
        Some(Moment {
            at,
            occurrence: date.as_str().into(),
            evidence: Evidence::of(Vec::new(), vec![("date", date.into())]),
        })
    }

    /// The date, as its midnight in UTC.
    fn last_decided(state: &CalendarState) -> Option<Timestamp> {
        let midnight = |day| Timestamp(i64::from(day) * DAY_MS);
        state.decided.map(midnight)
    }
}

impl Calendar {
    fn begun(&self, settled: &Settled, since: Timestamp, decided: Option<i32>) -> CalendarState {
        CalendarState {
            digest: self.digest,
            basis: self.basis(settled),
            since,
            decided,
            next: self.next(since, decided, settled),
        }
    }

    /// What was found is kept: this is asked at every event. Another definition finds its own.
    fn known(&self, state: &CalendarState, settled: &Settled) -> Option<Next> {
        if state.digest == self.digest {
            return state.next;
        }
        self.next(state.since, state.decided, settled)
    }

    fn may_change(&self, event: &Event) -> bool {
        event.traits.is_some() || self.date.may_change(event)
    }

    /// Digest of what she says herself: her zone, and her date.
    fn basis(&self, settled: &Settled) -> u64 {
        let zone = settled.identity.timezone.as_deref().unwrap_or_default();
        let time = self.date.time(settled);
        xxh3_64(format!("{zone} {time:?}").as_bytes())
    }

    /// The first at or after `since`, of the periods after the one that was decided last.
    fn next(&self, since: Timestamp, decided: Option<i32>, settled: &Settled) -> Option<Next> {
        let zone = settled.identity.zone();
        let own = match self.date {
            Date::Field { .. } => Some(own(self.date.time(settled)?, &zone)?),
            Date::MonthDay { .. }
            | Date::Nth { .. }
            | Date::OfMonth { .. }
            | Date::OfQuarter { .. } => None,
        };
        // A day of slack, for a clock that is set back at midnight.
        let today = since.day(&zone).checked_sub(self.offset_days + 1)?;
        let mut first = self.date.period(civil(today)?);
        if let Some(decided) = decided {
            first = first.max(self.date.period(civil(decided)?) + 1);
        }
        if let Some(own) = own {
            first = first.max(own.date.year().into());
        }
        // The third is after today for certain; the first may be the date itself, passed over.
        (first..first + 4).find_map(|period| {
            let date = self.date.of(period, own)?;
            let itself = own.is_some_and(|own| own.date.year() == date.year() && own.time <= since);
            let day = days(date);
            let at = Timestamp::at_local(day + self.offset_days, self.at_ms, &zone);
            (!itself && at >= since).then_some(Next { at, day })
        })
    }
}

impl Date {
    fn may_change(&self, event: &Event) -> bool {
        match self {
            Self::Field { written_by, .. } => written_by(event),
            Self::MonthDay { .. }
            | Self::Nth { .. }
            | Self::OfMonth { .. }
            | Self::OfQuarter { .. } => false,
        }
    }

    /// What her field says.
    fn time(&self, settled: &Settled) -> Option<Timestamp> {
        let Self::Field { field, .. } = self else {
            return None;
        };
        let scope = Scope {
            event: None,
            product: None,
            profile: settled,
            previous: None,
            now: Timestamp::MIN,
        };
        match field.eval(&scope) {
            Value::Time(time) => Some(time),
            _ => None,
        }
    }

    /// The number of the year, month or quarter that a date lies in.
    fn period(&self, date: Civil) -> i32 {
        let (year, month) = (i32::from(date.year()), i32::from(date.month()) - 1);
        match self {
            Self::Field { .. } | Self::MonthDay { .. } | Self::Nth { month: Some(_), .. } => year,
            Self::Nth { month: None, .. } | Self::OfMonth { .. } => year * 12 + month,
            Self::OfQuarter { .. } => year * 4 + month / 3,
        }
    }

    /// The date in a period; none where calendars end.
    fn of(&self, period: i32, own: Option<Own>) -> Option<Civil> {
        match self {
            Self::Field { .. } => {
                let own = own?.date;
                month_day(period, own.month(), own.day())
            }
            Self::MonthDay { month, day } => month_day(period, *month, *day),
            Self::Nth {
                nth,
                weekday,
                month: Some(month),
            } => first_of(period, *month)?
                .nth_weekday_of_month(*nth, *weekday)
                .ok(),
            Self::Nth {
                nth,
                weekday,
                month: None,
            } => month_of(period)?.nth_weekday_of_month(*nth, *weekday).ok(),
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
fn own(time: Timestamp, zone: &Zone) -> Option<Own> {
    let is_date = time.0.rem_euclid(DAY_MS) == 0;
    let day = time.day(if is_date { &Zone::Utc } else { zone });
    let date = civil(day)?;
    Some(Own { date, time })
}

const EPOCH: Civil = Civil::constant(1970, 1, 1);

/// The date of a day counted from 1970-01-01.
fn civil(day: i32) -> Option<Civil> {
    EPOCH
        .checked_add(jiff::Span::new().try_days(day).ok()?)
        .ok()
}

/// The inverse of [`civil`].
fn days(date: Civil) -> i32 {
    date.since(EPOCH).map_or(0, |span| span.get_days())
}

/// Reads its keys.
fn calendar(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Calendar> {
    const DATE: &str = "`12-24`, `profile.attributes.birthday`, `{ nth: 2, weekday: sunday, month: may }` or `{ every: month, day: 1 }`";
    let node = reader.required(fields, "date", DATE);
    let date = node.and_then(|node| match &node.value {
        Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "nth") => nth(reader, node),
        Yaml::Map(_) => every(reader, node),
        _ => day_of_year(reader, node),
    });
    let offset = fields.get("offset");
    let offset_days = offset.map_or(Some(0), |node| offset_of(reader, node));
    let at = fields.get("at");
    let at_ms = at.map_or(Some(0), |node| time_of_day(reader, node));
    let (date, offset_days, at_ms) = (date?, offset_days?, at_ms?);
    let said = match &date {
        Date::Field { field, .. } => field.source().to_owned(),
        other => format!("{other:?}"),
    };
    Some(Calendar {
        digest: xxh3_64(format!("{said} {offset_days} {at_ms}").as_bytes()),
        date,
        offset_days,
        at_ms,
    })
}

/// A month and day, or a field of the profile.
fn day_of_year(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    let text = read::text(reader, node)?;
    if text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit())
    {
        let numbers = text.split_once('-').filter(|_| text.len() == 5);
        let numbers = numbers.and_then(|(month, day)| month.parse().ok().zip(day.parse().ok()));
        // In a leap year every month has the days it can have.
        let date = numbers.and_then(|(month, day)| Civil::new(2000, month, day).ok());
        if date.is_none() {
            reader.unexpected(node, "a month and day, such as `12-24`");
        }
        return date.map(|date| Date::MonthDay {
            month: date.month(),
            day: date.day(),
        });
    }
    let path = text.strip_prefix("profile.").unwrap_or_default();
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_.[]\"'-".contains(c);
    let writer = Some(path).filter(|path| path.chars().all(is_path));
    let writer = writer.and_then(Settled::writer_of);
    let environment = read::environment(reader.declared, None, false);
    let field = read::of_kind(reader, node, &environment, Type::Time, "a date")?;
    if writer.is_none() {
        reader.unexpected(
            node,
            "a field of the profile alone, such as `profile.attributes.birthday`",
        );
    }
    Some(Date::Field {
        field,
        written_by: writer?,
    })
}

fn nth(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    const EXPECTED: &str = "1 to 4, or -1 to -4 from the end";
    let fields = reader.fields(node, NTH)?;
    let nth = reader.required(&fields, "nth", EXPECTED).and_then(|node| {
        let number = node.text().and_then(|text| text.parse::<i8>().ok());
        let number = number.filter(|number| (1..=4).contains(&number.abs()));
        if number.is_none() {
            reader.unexpected(node, EXPECTED);
        }
        number
    });
    let weekday = reader.required(&fields, "weekday", "such as sunday");
    let weekday = weekday.and_then(|node| place(reader, node, WEEKDAYS));
    let month = fields.get("month");
    let month = month.map_or(Some(None), |node| place(reader, node, MONTHS).map(Some));
    Some(Date::Nth {
        nth: nth?,
        weekday: Weekday::from_monday_one_offset(weekday?).ok()?,
        month: month?,
    })
}

fn every(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    let fields = reader.fields(node, EVERY)?;
    let period = reader.required(&fields, "every", "month or quarter");
    let period = period.and_then(|node| place(reader, node, PERIODS));
    let day = reader.required(&fields, "day", "which of its days, from 1")?;
    let of_month = period? == 1;
    let day = reader.whole(day, 1..=if of_month { 31 } else { 92 })?;
    let day = i32::try_from(day).ok()?;
    Some(if of_month {
        Date::OfMonth { day }
    } else {
        Date::OfQuarter { day }
    })
}

/// The place of a word among others, from 1.
fn place(reader: &mut Reader<'_>, node: &Node, words: &'static [&'static str]) -> Option<i8> {
    let word = reader.one_of(node, words)?;
    let place = words.iter().position(|known| *known == word)?;
    i8::try_from(place + 1).ok()
}

fn offset_of(reader: &mut Reader<'_>, node: &Node) -> Option<i32> {
    let text = node.text().unwrap_or_default();
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole = parse_duration(length).ok();
    let whole = whole.filter(|ms| ms % DAY_MS == 0 && !length.starts_with(['-', '+']));
    let days = whole.and_then(|ms| i32::try_from(ms / DAY_MS).ok());
    let days = days.filter(|days| *days <= OFFSET_MAX);
    if days.is_none() {
        let expected = format!("whole days, such as -3d, at most {OFFSET_MAX}");
        reader.unexpected(node, expected);
    }
    Some(sign * days?)
}

fn time_of_day(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let parts = node.text().and_then(|text| text.split_once(':'));
    let two = |text: &str, below: i64| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number < below)
    };
    let found = parts.and_then(|(hour, minute)| two(hour, 24).zip(two(minute, 60)));
    if found.is_none() {
        reader.unexpected(node, "a local time, such as \"09:00\"");
    }
    found.map(|(hour, minute)| (hour * 60 + minute) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventName, Property, Traits};
    use crate::moment::kind::tests::{reading, said};
    use crate::money::Currencies;

    /// She is known from `from` on, in a zone, with a birthday; `text` comes true next at.
    fn next(text: &str, from: &str, zone: &str, birthday: &str) -> String {
        let kind: Calendar = reading(text).unwrap_or_else(|reports| panic!("{text}: {reports}"));
        let mut settled = Settled::default();
        let time = Timestamp::parse(from).expect("a time");
        let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let birthday = Timestamp::parse(birthday);
        let traits = Traits {
            timezone: named(zone).map(Into::into),
            attributes: birthday
                .map(|it| ("birthday".into(), Property::Time(it)))
                .into_iter()
                .collect(),
            ..Traits::default()
        };
        let event = Event {
            traits: Some(Box::new(traits)),
            ..said(EventName::IDENTIFY, time)
        };
        settled.apply(&event, &Currencies::default());
        let (mut state, mut found) = (None, Found::default());
        let scope = Scope {
            event: Some(&event),
            product: None,
            profile: &settled,
            previous: None,
            now: time,
        };
        kind.event(&mut Kept::New(&mut state), &scope, &mut found);
        let mut state = state.expect("it begins with her");
        let due = kind.due(&state, &settled);
        let moment = kind.fire(&mut state, &settled);
        assert_eq!(due, moment.as_ref().map(|moment| moment.at), "{text}");
        let after = kind.due(&state, &settled);
        assert!(
            moment.is_none() || after > due,
            "{text}: a later one follows"
        );
        let shown = |moment: Moment| {
            let at = moment.at.to_string().replace(":00.000Z", "Z");
            format!("{} at {at}", moment.occurrence)
        };
        moment.map_or_else(String::new, shown)
    }

    const MADRID: &str = "Europe/Madrid";
    const YORK: &str = "America/New_York";

    /// What, from when on she is known, her zone, her birthday; the date and the instant of the next.
    #[rustfmt::skip]
    const MEANS: &[(&str, &str, &str, &str, &str)] = &[
        ("{ date: 12-24 }", "2026-03-02T10:00:00Z", "", "", "2026-12-24 at 2026-12-24T00:00Z"),
        ("{ date: 12-24, at: \"09:00\" }", "2026-03-02T10:00:00Z", MADRID, "", "2026-12-24 at 2026-12-24T08:00Z"),
        ("{ date: 12-24, offset: -3d, at: 09:30 }", "2026-03-02T10:00:00Z", YORK, "", "2026-12-24 at 2026-12-21T14:30Z"),
        ("{ date: 12-24, offset: 2w }", "2026-03-02T10:00:00Z", "", "", "2026-12-24 at 2027-01-07T00:00Z"),
        // Exactly then she is known; a millisecond later, it is the next year's.
        ("{ date: 12-24 }", "2026-12-24T00:00:00Z", "", "", "2026-12-24 at 2026-12-24T00:00Z"),
        ("{ date: 12-24 }", "2026-12-24T00:00:00.001Z", "", "", "2027-12-24 at 2027-12-24T00:00Z"),
        // The year before, and the year after, by the offset.
        ("{ date: 01-02, offset: -3d }", "2026-12-01T00:00:00Z", "", "", "2027-01-02 at 2026-12-30T00:00Z"),
        ("{ date: 12-30, offset: 5d }", "2027-01-01T00:00:00Z", "", "", "2026-12-30 at 2027-01-04T00:00Z"),
        // The day before in the west, already the next in the east.
        ("{ date: 01-01 }", "2026-01-01T03:00:00Z", YORK, "", "2026-01-01 at 2026-01-01T05:00Z"),
        ("{ date: 01-01 }", "2025-12-31T16:00:00Z", "Asia/Tokyo", "", "2027-01-01 at 2026-12-31T15:00Z"),
        // Leap days.
        ("{ date: 02-29 }", "2026-01-01T00:00:00Z", "", "", "2026-02-28 at 2026-02-28T00:00Z"),
        ("{ date: 02-29 }", "2028-01-01T00:00:00Z", "", "", "2028-02-29 at 2028-02-29T00:00Z"),
        ("{ date: profile.attributes.birthday, offset: 1d }", "2026-01-01T00:00:00Z", "", "2000-02-29T00:00:00Z", "2026-02-28 at 2026-03-01T00:00Z"),
        // A birthday is the day in UTC where it is a midnight, else the day in her zone.
        ("{ date: profile.attributes.birthday }", "2026-01-01T00:00:00Z", YORK, "1990-05-03T00:00:00Z", "2026-05-03 at 2026-05-03T04:00Z"),
        ("{ date: profile.attributes.birthday }", "2026-01-01T00:00:00Z", YORK, "1990-05-03T01:00:00Z", "2026-05-02 at 2026-05-02T04:00Z"),
        ("{ date: profile.attributes.birthday }", "2026-01-01T00:00:00Z", YORK, "", ""),
        // One that is still to come is meant itself, one that is past is not.
        ("{ date: profile.attributes.birthday, offset: -30d }", "2026-01-01T00:00:00Z", "", "2028-05-03T00:00:00Z", "2028-05-03 at 2028-04-03T00:00Z"),
        ("{ date: profile.attributes.birthday, at: 12:00 }", "2026-05-03T09:00:00Z", "", "2026-05-03T08:00:00Z", "2027-05-03 at 2027-05-03T12:00Z"),
        ("{ date: profile.attributes.birthday, at: 12:00 }", "2026-05-03T07:00:00Z", "", "2026-05-03T08:00:00Z", "2026-05-03 at 2026-05-03T12:00Z"),
        // Weekdays: mother's day, Black Friday's eve, the last Friday of a month.
        ("{ date: { nth: 2, weekday: sunday, month: may } }", "2026-01-01T00:00:00Z", "", "", "2026-05-10 at 2026-05-10T00:00Z"),
        ("{ date: { nth: 4, weekday: thursday, month: november } }", "2026-11-26T00:00:01Z", "", "", "2027-11-25 at 2027-11-25T00:00Z"),
        ("{ date: { nth: -1, weekday: friday } }", "2026-03-27T12:00:00Z", "", "", "2026-04-24 at 2026-04-24T00:00Z"),
        ("{ date: { nth: 1, weekday: monday } }", "2026-06-01T00:00:00Z", "", "", "2026-06-01 at 2026-06-01T00:00Z"),
        // Days of months and quarters; one that is not there is the last.
        ("{ date: { every: month, day: 1 } }", "2026-03-02T00:00:00Z", "", "", "2026-04-01 at 2026-04-01T00:00Z"),
        ("{ date: { every: month, day: 31 } }", "2026-04-02T00:00:00Z", "", "", "2026-04-30 at 2026-04-30T00:00Z"),
        ("{ date: { every: month, day: 30 } }", "2026-02-02T00:00:00Z", "", "", "2026-02-28 at 2026-02-28T00:00Z"),
        ("{ date: { every: month, day: 1 }, offset: -1d }", "2026-12-02T00:00:00Z", "", "", "2027-01-01 at 2026-12-31T00:00Z"),
        ("{ date: { every: quarter, day: 1 } }", "2026-02-02T00:00:00Z", "", "", "2026-04-01 at 2026-04-01T00:00Z"),
        ("{ date: { every: quarter, day: 92 } }", "2026-01-01T00:00:00Z", "", "", "2026-03-31 at 2026-03-31T00:00Z"),
        ("{ date: { every: quarter, day: 46 } }", "2026-12-01T00:00:00Z", "", "", "2027-02-15 at 2027-02-15T00:00Z"),
        // Local times that do not exist, and that come twice.
        ("{ date: 03-29, at: 02:30 }", "2026-01-01T00:00:00Z", MADRID, "", "2026-03-29 at 2026-03-29T01:30Z"),
        ("{ date: 03-29, at: 03:00 }", "2026-01-01T00:00:00Z", MADRID, "", "2026-03-29 at 2026-03-29T01:00Z"),
        ("{ date: 10-25, at: 02:30 }", "2026-01-01T00:00:00Z", MADRID, "", "2026-10-25 at 2026-10-25T00:30Z"),
        ("{ date: 11-01, at: 01:30 }", "2026-01-01T00:00:00Z", YORK, "", "2026-11-01 at 2026-11-01T05:30Z"),
        ("{ date: 11-01, at: 01:30 }", "2026-11-01T05:45:00Z", YORK, "", "2027-11-01 at 2027-11-01T05:30Z"),
    ];

    #[test]
    fn it_comes_true_at_her_local_time() {
        for (text, from, zone, birthday, expected) in MEANS {
            let found = next(text, from, zone, birthday);
            assert_eq!(found, *expected, "{text} {from} {zone} {birthday}");
        }
    }

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("{ date: profile.signed_up }", ""),
        ("{ date: 'profile.attributes[\"birthday\"]' }", ""),
        ("{ date: 2-3 }", "a month and day"),
        ("{ date: 02-30 }", "a month and day"),
        ("{ date: 2026-02-03 }", "a month and day"),
        ("{ date: profile.country }", "a date is a time"),
        ("{ date: profile.attributes.brithday }", "did you mean `birthday`"),
        ("{ date: profile.signed_up + duration(\"1d\") }", "a field of the profile alone"),
        ("{ date: now }", "a field of the profile alone"),
        ("{ date: { nth: 5, weekday: sunday } }", "1 to 4"),
        ("{ date: { nth: 0, weekday: sunday } }", "1 to 4"),
        ("{ date: { nth: 1, weekday: sunnday } }", "did you mean `sunday`"),
        ("{ date: { every: month, day: 32 } }", "from 1 to 31"),
        ("{ date: { every: year, day: 1 } }", "`month` and `quarter`"),
        ("{ date: 12-24, offset: 12h }", "whole days"),
        ("{ date: 12-24, offset: 400d }", "at most 366"),
        ("{ date: 12-24, offset: --3d }", "whole days"),
        ("{ date: 12-24, at: 9:00 }", "a local time"),
        ("{ date: 12-24, at: \"24:00\" }", "a local time"),
        ("{ at: 09:00 }", "`date` is missing"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading::<Calendar>(text).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
