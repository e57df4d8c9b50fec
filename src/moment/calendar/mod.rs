//! Calendar: a date comes, for every customer who is known then.
//!
//! Comes true at a local time in her zone, or in that of the policy where none is known, of a date and so many calendar days before or after it; no event is needed. What is
//! known at that instant counts: her zone and her date as her events up to it say, an event at the instant itself included.
//! The occurrence is the date.
//!
//! - The date of a profile field is its month and day every year, and the date itself where it is still to come when it is
//!   learned. A time at 00:00 UTC is that date, any other time is the day that it is in her zone.
//! - 29 February falls on 28 February in other years, and a day that a month or a quarter lacks on its last.
//! - A local time that does not exist moves on by the gap, one that comes twice means the first.
//! - Who is first known after the instant is not meant. A period (year, month, quarter, week or day) is decided once, whatever becomes of
//!   her zone and her date, and none is gone back to; what another zone or date has moved into the past is passed over.

mod date;
mod read;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::kind::{
    AFTER_WATERMARK, Concerns, Described, Evidence, Found, Kept, Missing, Moment, MomentKind,
};
use crate::document::keys::Shape;
use crate::document::reader::Reader;
use crate::document::yaml::Node;
use crate::event::Event;
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::stored::Stored;
use crate::table::rows::Rows;
use crate::time::{DAY_MS, Timestamp, Zone, duration_in_words};
use date::{Date, civil, days, own};

/// The compiled form.
#[derive(Debug)]
pub struct Calendar {
    date: Date,
    offset_days: i32,
    at_ms: i64,
    /// Where customers live of whom no zone is known.
    home: Zone,
    /// Digest of the definition: what another one has found says nothing of this one.
    digest: u64,
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
        again: "in the next year, month, quarter or week, or on the next day",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&read::KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, read::KEYS)?;
        read::calendar(reader, &fields)
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
        let gives_date = match self.date.written_by() {
            Some(written_by) => written_by(event),
            None => settled.presence.last_seen.is_none(),
        };
        gives_date.then_some(event.time)
    }

    fn due(&self, state: &CalendarState, settled: &Settled) -> Option<Timestamp> {
        self.known(state, settled).map(|next| next.at)
    }

    fn fire(&self, state: &mut CalendarState, settled: &Settled, _rows: &Rows) -> Option<Moment> {
        let Next { at, day } = self.known(state, settled)?;
        *state = self.begun(settled, at, Some(day));
        let date = civil(day)?.to_string();
        Some(Moment {
            at,
            occurrence: date.as_str().into(),
            evidence: Evidence::of(Vec::new(), vec![("date", date.into())]),
        })
    }

    /// What was decided under either id is decided; the rest follows from the date and the zone that are hers now.
    fn merge(&self, own: &mut CalendarState, other: CalendarState, both: &Settled) -> u32 {
        let basis = self.basis(both);
        let since = match (own.basis == basis, other.basis == basis) {
            (true, _) => own.since,
            (false, true) => other.since,
            (false, false) => own.since.max(other.since),
        };
        let decided = own.decided.max(other.decided);
        *own = self.begun(both, since, decided);
        0
    }

    fn said(&self) -> String {
        let minutes = self.at_ms / 60_000;
        let at = format!("at {:02}:{:02} her time", minutes / 60, minutes % 60);
        let date = self.date.said();
        let (days, side) = match self.offset_days {
            0 => return format!("{at} {date}"),
            days if days < 0 => (-days, "before"),
            days => (days, "after"),
        };
        let long = duration_in_words(i64::from(days) * DAY_MS);
        format!("{at}, {long} {side} the day that is {date}")
    }

    fn explain(&self, state: Option<&CalendarState>, scope: &Scope<'_>) -> Vec<Missing> {
        let Some(state) = state else {
            let says = "It begins with her first event.".to_owned();
            return vec![Missing::event(says)];
        };
        let missing = match self.known(state, scope.profile) {
            Some(Next { at, day }) => {
                let date = civil(day).map_or_else(String::new, |date| date.to_string());
                let says = format!("It comes true at {at}, for {date}.");
                Missing::due(at, says).by("date", date)
            }
            None => Missing::event(match &self.date {
                Date::Field { field, .. } if self.date.time(scope.profile).is_none() => {
                    format!("`{}` is not known of her.", field.source())
                }
                _ => "Its day is past.".to_owned(),
            }),
        };
        let decided = state.decided.and_then(civil);
        vec![match decided {
            Some(date) => missing.by("decided", date.to_string()),
            None => missing,
        }]
    }

    fn expressions(&self) -> Vec<&Expression> {
        match &self.date {
            Date::Field { field, .. } => vec![field],
            Date::Once(_)
            | Date::MonthDay { .. }
            | Date::Nth { .. }
            | Date::Daily { .. }
            | Date::OfMonth { .. }
            | Date::OfQuarter { .. }
            | Date::OfWeek { .. } => Vec::new(),
        }
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
        let written_by = self.date.written_by();
        event.traits.is_some() || written_by.is_some_and(|written_by| written_by(event))
    }

    /// Digest of what she says herself: her zone, and her date.
    fn basis(&self, settled: &Settled) -> u64 {
        let zone = settled.identity.timezone.as_deref().unwrap_or_default();
        let time = self.date.time(settled);
        xxh3_64(format!("{zone} {time:?}").as_bytes())
    }

    /// The first at or after `since`, of the periods after the one that was decided last.
    fn next(&self, since: Timestamp, decided: Option<i32>, settled: &Settled) -> Option<Next> {
        let zone = settled.identity.zone_or(&self.home);
        let own = match self.date.written_by() {
            Some(_) => Some(own(self.date.time(settled)?, &zone)?),
            None => None,
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
        // The first may be the date itself, passed over; of weekdays one lies among nine days, today and yesterday left aside.
        (first..first + 10).find_map(|period| {
            let date = self.date.of(period, own)?;
            let itself = own.is_some_and(|own| own.date.year() == date.year() && own.time <= since);
            let day = days(date);
            let at = Timestamp::at_local(day + self.offset_days, self.at_ms, &zone);
            (!itself && at >= since).then_some(Next { at, day })
        })
    }
}

#[cfg(test)]
mod tests;
