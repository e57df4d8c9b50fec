//! How long a `wait` lasts: reckoned once, when she comes to it.

use crate::expression::{Expression, Scope};
use crate::moment::absence::Until;
use crate::time::{Timestamp, Zone, weekday};
use crate::value::Value;

/// How long.
#[derive(Debug)]
pub enum Wait {
    /// So many ms; above 0.
    For(i64),
    /// Until a time or a date that an expression gives, so many ms after it; with a local time, at that on its day in her zone.
    Until {
        /// A time.
        date: Expression,
        /// Below 0: before it.
        shift_ms: i64,
        /// Ms after midnight.
        at_ms: Option<i64>,
    },
    /// Until a local time in her zone, on one of these weekdays of hers.
    Local {
        /// Ms after midnight.
        at_ms: i64,
        /// From Monday on.
        days: [bool; 7],
    },
}

impl Wait {
    /// When it ends for whoever comes to it at `now`; not after `now`: she goes on at once. None where the date is not known.
    #[must_use]
    pub fn until(&self, scope: &Scope<'_>, zone: &Zone) -> Option<Timestamp> {
        match self {
            Self::For(ms) => Some(scope.now.plus(*ms)),
            Self::Until {
                date,
                shift_ms,
                at_ms,
            } => {
                let Value::Time(date) = date.eval(scope) else {
                    return None;
                };
                let ends = Until::of(date, *shift_ms, zone).instant(zone);
                Some(match at_ms {
                    Some(at_ms) => {
                        // A day's end is the next day's beginning.
                        let is_of_a_day = Until::of(date, 0, zone).is_of_a_day();
                        let day = ends.plus(-i64::from(is_of_a_day)).day(zone);
                        Timestamp::at_local(day, *at_ms, zone)
                    }
                    None => ends,
                })
            }
            Self::Local { at_ms, days } => {
                let today = scope.now.day(zone);
                let on = (today..=today + 8).filter(|day| days[weekday(*day)]);
                let mut at = on.map(|day| Timestamp::at_local(day, *at_ms, zone));
                at.find(|at| *at >= scope.now)
            }
        }
    }
}
