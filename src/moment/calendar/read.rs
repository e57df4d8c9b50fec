//! What a trigger file says of a calendar.

use jiff::civil::{Date as Civil, Weekday};
use xxhash_rust::xxh3::xxh3_64;

use super::Calendar;
use super::date::{Date, Days, civil, days};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{Node, Yaml};
use crate::event::Type;
use crate::expression::read;
use crate::profile::Settled;
use crate::time::{DAY_MS, WEEKDAYS, Zone, parse_duration};

/// The most that an offset may be, in days: beyond a year it is another date.
const OFFSET_MAX: i32 = 366;

pub(super) const KEYS: Keys = Keys {
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
            "A month and day, each year; a date, once; a field of the profile that is a time or a date, such as `profile.attributes.birthday`: its month and day every year; `{ nth, weekday, month }`; `{ every, day }`; `{ every: week, weekday }`; or `{ every: day, weekdays }`.",
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
            "The local time in her zone; in the `default_timezone` of the policy where none is known.",
        ),
    ],
    later: &[],
};
const MONTH_DAY: &str = "^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const NTH: Keys = Keys {
    of: "`date`",
    known: &[
        Known::required(
            "nth",
            Shape::Either(&[Shape::Whole(1, 4), Shape::Number(-4.0, -1.0)]),
            "Which of them: 1 to 4, or from the end, -1 being the last.",
        ),
        Known::required(
            "weekday",
            Shape::Words(NTH_DAYS),
            "Which weekday; or `working-day`, any from Monday to Friday.",
        ),
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
            "In every month, quarter or week, or on every day.",
        ),
        Known::optional(
            "day",
            Shape::Whole(1, 92),
            "Of a month or a quarter: which of its days, from 1; one that it lacks is its last.",
        ),
        Known::optional(
            "weekday",
            Shape::Words(WEEKDAYS),
            "Of a week: on which day.",
        ),
        Known::default(
            "nth",
            "1",
            Shape::Whole(1, WEEKS_MAX),
            "Of weeks: every so many, counted from that of `from`.",
        ),
        Known::optional(
            "from",
            Shape::Form("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-01-05"),
            "A day of the first week.",
        ),
        Known::optional(
            "weekdays",
            Shape::List(&Shape::Words(WEEKDAYS), 1, 7),
            "Of days: those of these weekdays alone.",
        ),
    ],
    later: &[],
};
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
const PERIODS: &[&str] = &["day", "month", "quarter", "week"];
const WORKING_DAY: &str = "working-day";
const NTH_DAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    WORKING_DAY,
];
/// Weeks that a calendar passes over at most, and one: a year of them.
const WEEKS_MAX: u32 = 53;
/// The Monday from which weeks are counted where nothing is said.
const FIRST_MONDAY: i32 = 4;

/// Reads its keys.
pub(super) fn calendar(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Calendar> {
    const DATE: &str = "`12-24`, `2026-06-30`, `profile.attributes.birthday`, `{ nth: 2, weekday: sunday, month: may }`, `{ every: month, day: 1 }` or `{ every: week, weekday: monday }`";
    let node = reader.required(fields, "date", DATE);
    let date = node.and_then(|node| match &node.value {
        Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == "every") => {
            every(reader, node)
        }
        Yaml::Map(_) => nth(reader, node),
        _ => day_of_year(reader, node),
    });
    let offset = fields.get("offset");
    let offset_days = offset.map_or(Some(0), |node| offset_of(reader, node));
    let at = fields.get("at");
    let at_ms = at.map_or(Some(0), |node| reader.time_of_day(node));
    let (date, offset_days, at_ms) = (date?, offset_days?, at_ms?);
    let said = match &date {
        Date::Field { field, .. } => field.source().to_owned(),
        other => format!("{other:?}"),
    };
    let home = reader.declared.derived.home.clone();
    let at_home = match &home {
        Zone::Utc => String::new(),
        Zone::Local(zone) => format!(" {}", zone.iana_name().unwrap_or_default()),
    };
    Some(Calendar {
        digest: xxh3_64(format!("{said} {offset_days} {at_ms}{at_home}").as_bytes()),
        home,
        date,
        offset_days,
        at_ms,
    })
}

/// A date such as 2026-06-30.
fn date_of(text: &str) -> Option<Civil> {
    text.parse().ok().filter(|_| text.len() == 10)
}

/// A month and day, a date, or a field of the profile.
fn day_of_year(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    let text = read::text(reader, node)?;
    if text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_digit())
    {
        if let Some(once) = date_of(text) {
            return Some(Date::Once(once));
        }
        let numbers = text.split_once('-').filter(|_| text.len() == 5);
        let numbers = numbers.and_then(|(month, day)| month.parse().ok().zip(day.parse().ok()));
        // In a leap year every month has the days it can have.
        let date = numbers.and_then(|(month, day)| Civil::new(2000, month, day).ok());
        if date.is_none() {
            reader.unexpected(
                node,
                "a month and day, such as `12-24`, or a date, such as `2026-06-30`",
            );
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
    let weekday = weekday.and_then(|node| match node.text() {
        Some(WORKING_DAY) => Some(Days::Working),
        _ => {
            let place = place(reader, node, NTH_DAYS)?;
            Weekday::from_monday_one_offset(place).ok().map(Days::Of)
        }
    });
    let month = fields.get("month");
    let month = month.map_or(Some(None), |node| place(reader, node, MONTHS).map(Some));
    Some(Date::Nth {
        nth: nth?,
        weekday: weekday?,
        month: month?,
    })
}

fn every(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    let fields = reader.fields(node, EVERY)?;
    let period = reader.required(&fields, "every", "day, month, quarter or week")?;
    let period = reader.one_of(period, PERIODS)?;
    let (own, expected): (&[&str], _) = match period {
        "week" => (
            &["weekday", "nth", "from"],
            "`weekday`, and with `nth` and `from` every so many weeks",
        ),
        "day" => (&["weekdays"], "`weekdays`, on which alone"),
        _ => (&["day"], "`day`, which of its days"),
    };
    for (key, _) in fields.entries() {
        if key.text != "every" && !own.contains(&key.text.as_str()) {
            let message = format!("`{}` says nothing of every {period}", key.text);
            reader.fails(&key.span, message, expected.to_owned());
        }
    }
    match period {
        "week" => return week(reader, &fields),
        "day" => {
            let weekdays = fields.get("weekdays");
            let weekdays = weekdays.map_or(Some([true; 7]), |node| reader.weekdays(node))?;
            return Some(Date::Daily { weekdays });
        }
        _ => {}
    }
    let day = reader.required(&fields, "day", "which of its days, from 1")?;
    let of_month = period == "month";
    let day = reader.whole(day, 1..=if of_month { 31 } else { 92 })?;
    let day = i32::try_from(day).ok()?;
    Some(if of_month {
        Date::OfMonth { day }
    } else {
        Date::OfQuarter { day }
    })
}

fn week(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<Date> {
    let weekday = reader.required(fields, "weekday", "on which day, such as monday");
    let weekday = weekday.and_then(|node| place(reader, node, WEEKDAYS));
    let every = fields.get("nth");
    let every = every.map_or(Some(1), |node| reader.whole(node, 1..=WEEKS_MAX));
    let from = fields.get("from").map(|node| {
        let from = node.text().and_then(date_of);
        if from.is_none() {
            reader.unexpected(node, "a date of the first week, such as 2026-01-05");
        }
        from
    });
    if from.is_none() && every.is_some_and(|every| every > 1) {
        let expected = "`from`, a day of the first week, such as 2026-01-05";
        let message = "which of the weeks is the first is not said";
        reader.fails(&fields.node.span, message, expected.to_owned());
        return None;
    }
    let monday = |date: Civil| days(date) - i32::from(date.weekday().to_monday_zero_offset());
    Some(Date::OfWeek {
        every: i32::try_from(every?).ok()?,
        weekday: Weekday::from_monday_one_offset(weekday?).ok()?,
        from: match from {
            Some(from) => monday(from?),
            None => monday(civil(FIRST_MONDAY)?),
        },
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
