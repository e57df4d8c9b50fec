//! What dates mean, and what is said of those that mean nothing.

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
    settled.apply(&event, &Currencies::default(), &Zone::Utc);
    let (mut state, mut found) = (None, Found::default());
    let scope = Scope {
        event: Some(&event),
        product: None,
        profile: &settled,
        previous: None,
        now: time,
        rows: &crate::table::rows::NONE,
    };
    kind.event(&mut Kept::New(&mut state), &scope, &mut found);
    let mut state = state.expect("it begins with her");
    let due = kind.due(&state, &settled);
    let moment = kind.fire(&mut state, &settled, &crate::table::rows::NONE);
    assert_eq!(due, moment.as_ref().map(|moment| moment.at), "{text}");
    let after = kind.due(&state, &settled);
    assert!(
        moment.is_none() || after.is_none() || after > due,
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
    // Weeks, each or every so many from one on, before it too.
    ("{ date: { every: week, weekday: monday } }", "2026-03-03T00:00:00Z", "", "", "2026-03-09 at 2026-03-09T00:00Z"),
    ("{ date: { every: week, weekday: sunday }, at: 18:00 }", "2026-03-08T17:00:00Z", MADRID, "", "2026-03-08 at 2026-03-08T17:00Z"),
    ("{ date: { every: week, weekday: sunday }, at: 18:00 }", "2026-03-08T17:00:00.001Z", MADRID, "", "2026-03-15 at 2026-03-15T17:00Z"),
    ("{ date: { every: week, nth: 2, weekday: tuesday, from: 2026-01-07 } }", "2026-01-06T00:00:01Z", "", "", "2026-01-20 at 2026-01-20T00:00Z"),
    ("{ date: { every: week, nth: 2, weekday: tuesday, from: 2026-01-07 } }", "2025-12-20T00:00:00Z", "", "", "2025-12-23 at 2025-12-23T00:00Z"),
    ("{ date: { every: week, nth: 3, weekday: friday, from: 2026-01-05 }, offset: -1d }", "2026-01-09T00:00:00Z", "", "", "2026-01-30 at 2026-01-29T00:00Z"),
    // Days, all or of some weekdays; clocks that are put forward, and a zone in which a day is left out.
    ("{ date: { every: day }, at: 09:00 }", "2026-03-28T08:00:00.001Z", MADRID, "", "2026-03-29 at 2026-03-29T07:00Z"),
    ("{ date: { every: day }, at: 09:00 }", "2026-03-29T07:00:00Z", MADRID, "", "2026-03-29 at 2026-03-29T07:00Z"),
    ("{ date: { every: day, weekdays: [monday, thursday] } }", "2026-03-06T00:00:00Z", "", "", "2026-03-09 at 2026-03-09T00:00Z"),
    ("{ date: { every: day, weekdays: [thursday] } }", "2026-03-05T00:00:00.001Z", "", "", "2026-03-12 at 2026-03-12T00:00Z"),
    ("{ date: { every: day, weekdays: [friday] }, offset: -1d }", "2026-03-06T00:00:00Z", "", "", "2026-03-13 at 2026-03-12T00:00Z"),
    ("{ date: { every: day, weekdays: [saturday] }, at: 01:00 }", "2026-03-06T11:00:00.001Z", "Pacific/Kiritimati", "", "2026-03-14 at 2026-03-13T11:00Z"),
    // Working days: the last of May is a Friday, as the 31st is a Sunday.
    ("{ date: { nth: -1, weekday: working-day } }", "2026-05-02T00:00:00Z", "", "", "2026-05-29 at 2026-05-29T00:00Z"),
    ("{ date: { nth: 1, weekday: working-day }, at: 09:00 }", "2026-07-31T10:00:00Z", MADRID, "", "2026-08-03 at 2026-08-03T07:00Z"),
    ("{ date: { nth: -1, weekday: working-day, month: december } }", "2026-01-02T00:00:00Z", "", "", "2026-12-31 at 2026-12-31T00:00Z"),
    // One day, once.
    ("{ date: 2026-06-30 }", "2026-01-02T00:00:00Z", MADRID, "", "2026-06-30 at 2026-06-29T22:00Z"),
    ("{ date: 2026-06-30, offset: -1w }", "2026-06-23T00:00:00Z", "", "", "2026-06-30 at 2026-06-23T00:00Z"),
    ("{ date: 2026-06-30 }", "2026-06-30T00:00:00.001Z", "", "", ""),
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
    ("{ date: 2026-02-30 }", "a month and day"),
    ("{ date: 2026-2-3 }", "a month and day"),
    ("{ date: profile.country }", "a date is a time"),
    ("{ date: profile.attributes.brithday }", "did you mean `birthday`"),
    ("{ date: profile.signed_up + duration(\"1d\") }", "a field of the profile alone"),
    ("{ date: now }", "a field of the profile alone"),
    ("{ date: { nth: 5, weekday: sunday } }", "1 to 4"),
    ("{ date: { nth: 0, weekday: sunday } }", "1 to 4"),
    ("{ date: { nth: 1, weekday: sunnday } }", "did you mean `sunday`"),
    ("{ date: { every: month, day: 32 } }", "from 1 to 31"),
    ("{ date: { every: year, day: 1 } }", "`day`, `month`, `quarter` and `week`"),
    ("{ date: { every: day, day: 1 } }", "`day` says nothing of every day"),
    ("{ date: { every: day, weekdays: monday } }", "a list of at least one weekday"),
    ("{ date: { every: day, weekdays: [] } }", "a list of at least one weekday"),
    ("{ date: { every: day, weekdays: [mondy] } }", "did you mean `monday`"),
    ("{ date: { every: week, weekdays: [monday] } }", "`weekdays` says nothing of every week"),
    ("{ date: { every: week, day: 1 } }", "`day` says nothing of every week"),
    ("{ date: { every: month, weekday: monday } }", "`weekday` says nothing of every month"),
    ("{ date: { every: week } }", "`weekday` is missing"),
    ("{ date: { every: week, nth: 2, weekday: monday } }", "which of the weeks is the first"),
    ("{ date: { every: week, nth: 2, weekday: monday, from: soon } }", "a date of the first week"),
    ("{ date: { every: week, weekday: working-day } }", "is not valid here"),
    ("{ date: { every: month } }", "`day` is missing"),
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
