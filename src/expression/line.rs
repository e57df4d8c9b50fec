//! Times and durations that stand, or go on with `now`: when one passes another is computed, and not looked for.

use std::cmp::Ordering;

use super::Scope;
use super::operators::Arithmetic;
use super::tree::Tree;
use crate::time::Timestamp;
use crate::value::Value;

/// What a time or a duration is at an instant: `at + slope * now`, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    at: i128,
    slope: i128,
}

/// What an expression is, as time goes on and nothing else happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Not known, and it will not be.
    Unknown,
    /// A line.
    Line(Line),
    /// Anything else.
    Other,
}

impl Course {
    /// How far one thing is ahead of another.
    pub fn apart(ahead: &Tree, of: &Tree, scope: &Scope<'_>) -> Self {
        let ahead = Self::of(ahead, scope);
        ahead.plus(Self::of(of, scope), -1)
    }

    fn of(tree: &Tree, scope: &Scope<'_>) -> Self {
        let stands = |at: i64| {
            Self::Line(Line {
                at: at.into(),
                slope: 0,
            })
        };
        match tree {
            Tree::Now => Self::Line(Line { at: 0, slope: 1 }),
            Tree::Arithmetic(Arithmetic::Add, parts) => {
                Self::of(&parts[0], scope).plus(Self::of(&parts[1], scope), 1)
            }
            Tree::Arithmetic(Arithmetic::Subtract, parts) => {
                Self::apart(&parts[0], &parts[1], scope)
            }
            _ if tree.moves() => Self::Other,
            _ => match tree.eval(scope) {
                Value::Time(at) => stands(at.0),
                Value::Duration(ms) => stands(ms),
                Value::Null => Self::Unknown,
                _ => Self::Other,
            },
        }
    }

    fn plus(self, other: Self, times: i128) -> Self {
        match (self, other) {
            (Self::Line(a), Self::Line(b)) => Self::Line(Line {
                at: a.at + times * b.at,
                slope: a.slope + times * b.slope,
            }),
            (Self::Unknown, Self::Unknown | Self::Line(_)) | (Self::Line(_), Self::Unknown) => {
                Self::Unknown
            }
            _ => Self::Other,
        }
    }
}

impl Line {
    /// The first instant after `now` at which it stands otherwise to 0, as far as `holds` tells that apart.
    pub fn turns(self, now: Timestamp, holds: impl Fn(Ordering) -> bool) -> Option<Timestamp> {
        if self.slope == 0 {
            return None;
        }
        let at = |instant: i128| holds((self.at + self.slope * instant).cmp(&0));
        let now = i128::from(now.0);
        let before = at(now);
        // It is below, at and above 0, or the other way round, each but for the second for ever.
        let zero = (-self.at).div_euclid(self.slope);
        let turn = (zero..=zero + 2).find(|instant| *instant > now && at(*instant) != before)?;
        i64::try_from(turn).ok().map(Timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_turns_when_it_is_seen_to_have_turned() {
        let holds: [fn(Ordering) -> bool; 4] = [
            Ordering::is_lt,
            Ordering::is_le,
            Ordering::is_gt,
            Ordering::is_ge,
        ];
        for slope in -2i128..=2 {
            for (at, now) in (-9i128..=9).flat_map(|at| (-9i64..=9).map(move |now| (at, now))) {
                let line = Line { at, slope };
                for holds in holds {
                    let seen = |instant: i64| holds((at + slope * i128::from(instant)).cmp(&0));
                    let expected = (now + 1..30).find(|instant| seen(*instant) != seen(now));
                    let turns = line.turns(Timestamp(now), holds);
                    assert_eq!(turns, expected.map(Timestamp), "{line:?} at {now}");
                }
            }
        }
    }
}
