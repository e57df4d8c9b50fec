//! When time alone changes whether a condition holds.
//!
//! What an expression is asked about changes by events, and between them in two ways: in jumps, where an entry leaves the window of a
//! fact or a lot expires, which is known beforehand; and smoothly, as `now` goes on and what fades fades. Between two jumps every side of a comparison
//! goes one way, so the comparison changes at most once, and that instant is computed where its sides are [lines](super::line), and
//! else found by halving. So a condition has a deadline, to the
//! millisecond, and nobody has to look before it.

use std::cmp::Ordering;

use super::functions::Function;
use super::line::{Course, Line};
use super::model::Model;
use super::operators::Arithmetic;
use super::tree::Tree;
use super::{Expression, Scope};
use crate::event::Type;
use crate::time::{DAY_MS, Timestamp};
use crate::value::Value;

/// Beyond ten years nobody waits.
const FAR_MS: i64 = 3660 * DAY_MS;

impl Tree {
    /// The earliest instant after that of `scope` at which time alone may change whether it holds; before it, it cannot.
    pub(super) fn next_change(&self, scope: &Scope<'_>) -> Option<Timestamp> {
        match self {
            Self::And(parts) | Self::Or(parts) => {
                earliest(parts.iter().map(|part| part.next_change(scope)))
            }
            Self::Not(of) => of.next_change(scope),
            Self::Choice(parts) => earliest(parts.iter().map(|part| part.next_change(scope))),
            _ if !self.moves() => None,
            Self::Order(order, parts) => match Course::apart(&parts[0], &parts[1], scope) {
                Course::Unknown => None,
                Course::Line(line) => turns(line, scope.now, |apart| order.is(apart)),
                Course::Other => self.flips(scope, &|scope| self.holds(scope)),
            },
            Self::Equal(parts) => {
                let (a, b) = (&parts[0], &parts[1]);
                let less = self.flips(scope, &|scope| is_less(a, b, scope));
                let more = self.flips(scope, &|scope| is_less(b, a, scope));
                earliest([less, more])
            }
            Self::Among(needle, items) => earliest(items.iter().map(|item| {
                let less = self.flips(scope, &|scope| is_less(needle, item, scope));
                let more = self.flips(scope, &|scope| is_less(item, needle, scope));
                earliest([less, more])
            })),
            _ => self.flips(scope, &|scope| self.holds(scope)),
        }
    }

    /// Whether its value may change by time alone.
    pub(super) fn moves(&self) -> bool {
        match self {
            Self::Now | Self::Expiry { .. } => true,
            Self::Fact { spec, key, .. } => spec.moves() || key.asked().is_some_and(Self::moves),
            // What of the profile fades is a number with a key.
            Self::Member(member) => {
                member.kind == Type::Number || member.key.asked().is_some_and(Self::moves)
            }
            Self::Model(model) => inputs(model).any(Self::moves),
            _ => self.parts().any(Self::moves),
        }
    }

    /// A part of it of which it cannot be said when it changes; none: it can be said of all.
    pub(super) fn is_unforeseen(&self) -> bool {
        let goes_around = match self {
            Self::Arithmetic(Arithmetic::Remainder, _)
            | Self::Call(Function::Abs | Function::Hour | Function::Weekday, ..) => self.moves(),
            Self::Model(model) => {
                inputs(model).any(Self::is_unforeseen)
                    || self.moves() && !model.spec().formula.goes_one_way()
            }
            _ => false,
        };
        goes_around || self.parts().any(Self::is_unforeseen)
    }

    fn parts(&self) -> impl Iterator<Item = &Self> {
        let none: &[Self] = &[];
        let (some, one, conditions): (_, _, &[(Expression, f64)]) = match self {
            Self::Null
            | Self::Bool(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::Time(_)
            | Self::Duration(_)
            | Self::Texts(_)
            | Self::Now
            | Self::Event(..)
            | Self::Profile { .. }
            | Self::Model(_) => (none, None, &[]),
            Self::Member(member) => (none, member.key.asked(), &[]),
            Self::Fact { key, .. } | Self::Expiry { key, .. } => (none, key.asked(), &[]),
            Self::Known(of) | Self::Not(of) | Self::Negative(of) | Self::Lookup { key: of, .. } => {
                (none, Some(&**of), &[])
            }
            Self::And(parts)
            | Self::Or(parts)
            | Self::Equal(parts)
            | Self::In(parts)
            | Self::Order(_, parts)
            | Self::Arithmetic(_, parts) => (&parts[..], None, &[]),
            Self::Choice(parts) => (&parts[..], None, &[]),
            Self::Among(needle, items) => (&items[..], Some(&**needle), &[]),
            Self::Call(_, arguments, _) => (&arguments[..], None, &[]),
            Self::Points { of, .. } => (none, None, of),
        };
        let conditions = conditions.iter().map(|(condition, _)| &condition.tree);
        some.iter().chain(one).chain(conditions)
    }

    /// The next jump of anything in it.
    fn next_jump(&self, scope: &Scope<'_>) -> Option<Timestamp> {
        let own = match self {
            Self::Fact { spec, key, whose } => {
                let derived = &whose.profile(scope)?.derived;
                key.find(scope, |key| derived.next_change(spec, key, scope.now))
            }
            Self::Expiry {
                spec,
                key,
                whose,
                of,
            } => {
                let derived = &whose.profile(scope)?.derived;
                key.find(scope, |key| {
                    derived.lots(spec, key)?.next_change(Some(*of), scope.now)
                })
            }
            Self::Choice(parts) => parts[0].next_change(scope),
            Self::Points { of, whose } => {
                let profile = whose.profile(scope)?;
                let scope = Scope { profile, ..*scope };
                earliest(
                    of.iter()
                        .map(|(condition, _)| condition.next_change(&scope)),
                )
            }
            Self::Model(model) => earliest(inputs(model).map(|input| input.next_jump(scope))),
            _ => None,
        };
        earliest(
            [own]
                .into_iter()
                .chain(self.parts().map(|part| part.next_jump(scope))),
        )
    }

    /// The next instant at which something jumps, or at which `asked` becomes another before that.
    fn flips(&self, scope: &Scope<'_>, asked: &dyn Fn(&Scope<'_>) -> bool) -> Option<Timestamp> {
        let at = |now: Timestamp| asked(&Scope { now, ..*scope });
        let jump = self.next_jump(scope);
        let far = scope.now.plus(FAR_MS);
        let (before, mut unlike) = (at(scope.now), jump.map_or(far, |jump| jump.plus(-1)));
        if at(unlike) == before {
            return jump;
        }
        let mut like = scope.now;
        while unlike.0 - like.0 > 1 {
            let middle = Timestamp(like.0 + (unlike.0 - like.0) / 2);
            match at(middle) == before {
                true => like = middle,
                false => unlike = middle,
            }
        }
        Some(unlike)
    }
}

fn inputs(model: &Model) -> impl Iterator<Item = &Tree> {
    model.inputs().iter().map(|input| &input.tree)
}

fn earliest(instants: impl IntoIterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    instants.into_iter().flatten().min()
}

/// When a line turns, as far as anybody waits.
fn turns(line: Line, now: Timestamp, holds: impl Fn(Ordering) -> bool) -> Option<Timestamp> {
    let far = now.plus(FAR_MS);
    line.turns(now, holds).filter(|turn| *turn <= far)
}

fn is_less(a: &Tree, b: &Tree, scope: &Scope<'_>) -> bool {
    match (a.eval(scope), b.eval(scope)) {
        (Value::Number(a), Value::Number(b)) => a < b,
        (Value::Time(a), Value::Time(b)) => a < b,
        (Value::Duration(a), Value::Duration(b)) => a < b,
        _ => false,
    }
}
