//! Absence: `after` was not followed by `of` within a time, or until one that it says itself.
//!
//! Comes true at anchor + within, when no `of` with the same `per` lies in (anchor, anchor + within];
//! an `of` exactly at the end is in time, and so is one at the anchor's own instant that comes after
//! it in the order of the log. With `from: last` each `after` moves the anchor, with
//! `from: first` it stays until fired or cancelled. The occurrence is (`per`, anchor).
//!
//! With `until` the deadline is a time that an expression on the anchor gives, and a duration after it, or before it where that is
//! negative. Of a date (what is of that type, or a time at 00:00 UTC) the deadline is the end of that day in her zone as it is known by
//! then, whose first instant after is in time. Where it gives none, or none after the anchor, the event is no anchor.
//!
//! A late `after`, older than something this trigger has already seen of the customer, opens
//! nothing and moves no anchor back: an `of` that was in time may have followed it.

use serde::{Deserialize, Serialize};

use super::kind::{
    AFTER_WATERMARK, CameTrue, Concerns, Described, EventRef, Evidence, Found, Kept, Missing,
    Moment, MomentKind, Telling,
};
use super::matcher::{self, Matcher};
use super::per::{Per, PerKeys, per};
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{DURATION_MAX_MS, Fields, Reader};
use crate::document::yaml::Node;
use crate::event::{Event, Position, Text, Type};
use crate::expression::{Expression, Scope, read};
use crate::profile::Settled;
use crate::stored::{Stored, StoredError};
use crate::table::rows::Rows;
use crate::time::{DAY_MS, Timestamp, Zone, duration_in_words, parse_duration};
use crate::value::Value;

/// Deadlines one trigger may have open for one customer: a wide basket, each product on its own.
/// What would open beyond is not opened, and counted.
pub const OPEN_MAX: usize = 32;

const KEYS: Keys = Keys {
    of: "`absence`",
    known: &[
        Known::required("of", matcher::SHAPE, "The events that do not come."),
        Known::required(
            "after",
            matcher::SHAPE,
            "The events that they were to follow: the anchor.",
        ),
        Known::optional(
            "within",
            Shape::Duration,
            "In what time. An `of` exactly at its end is in time. Either this or `until`.",
        ),
        Known::optional(
            "until",
            Shape::Expression,
            "Until when: a time or a date that the anchor or the profile says, such as `event.promised_at`; of a date, the end of that day in her zone.",
        ),
        Known::optional(
            "plus",
            Shape::Form(PLUS, "-3d"),
            "With `until`: so long after it, or before it where negative; of a date whole days are calendar days.",
        ),
        Known::default(
            "per",
            "customer",
            Shape::Expression,
            "`customer`, or an expression on both events: a deadline of its own for each product, cart, order.",
        ),
        Known::default(
            "from",
            "last",
            Shape::Words(FROM),
            "`last`: each further `after` moves the anchor. `first`: it stays until fired or cancelled.",
        ),
    ],
    later: &[],
};
const FROM: &[&str] = &["last", "first"];
const PLUS: &str = "^[+-]?[0-9]+ *(ms|s|m|min|h|d|w)( *[0-9]+ *(ms|s|m|min|h|d|w))*$";

/// The compiled form.
#[derive(Debug)]
pub struct Absence {
    /// What should have come.
    pub of: Matcher,
    /// What it should have followed.
    pub after: Matcher,
    /// By when.
    pub by: By,
    /// What both must share.
    pub per: Per,
    /// Which `after` counts when there are several.
    pub from: From,
    /// Where customers live of whom no zone is known.
    pub home: Zone,
}

/// By when it should have come.
#[derive(Debug)]
pub enum By {
    /// So many ms after the anchor; above 0.
    Within(i64),
    /// Until what an expression on the anchor gives, and so many ms after it.
    Until(Expression, i64),
}

/// Which `after` the time runs from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// The last: each moves the anchor.
    #[default]
    Last,
    /// The first: it stays until fired or cancelled.
    First,
}

/// The open deadlines of one customer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AbsenceState {
    open: Vec<Open>,
    /// The latest event this trigger has seen of her, in the order of events.
    latest: Option<(Timestamp, Position)>,
    /// By `per`, when the last `of` came, as far as an anchor under another id of hers may still be open then.
    ended: Vec<(Text, Timestamp)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    per: Text,
    anchor: EventRef,
    /// Until when, where the anchor said it.
    until: Option<Until>,
}

/// Until when something lasts that ends at a time or a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// An instant.
    At(Timestamp),
    /// The end of a day (since 1970-01-01) in her zone, and so many ms after it.
    EndOf(i32, i64),
}

/// Version 2: what did not come was not remembered.
#[derive(Deserialize)]
struct StateV2 {
    open: Vec<Open>,
    latest: Option<(Timestamp, Position)>,
}

/// Version 1: of anchors that said nothing.
#[derive(Deserialize)]
struct StateV1 {
    open: Vec<(Text, EventRef)>,
    latest: Option<(Timestamp, Position)>,
}

impl Absence {
    fn arm(
        &self,
        state: &mut AbsenceState,
        event: &Event,
        until: Option<Until>,
        keys: PerKeys,
        stale: bool,
    ) -> u32 {
        let mut refused = 0;
        for per in keys {
            let anchor = EventRef::of(event);
            let full = state.open.len() >= OPEN_MAX;
            match state.open.iter_mut().find(|open| open.per == per) {
                Some(open) if self.from == From::Last && open.anchor.time <= event.time => {
                    (open.anchor, open.until) = (anchor, until);
                }
                Some(_) => {}
                None if stale => {}
                None if full => refused += 1,
                None => state.open.push(Open { per, anchor, until }),
            }
        }
        refused
    }

    /// Remembers that an `of` came. What came so long ago that it ends nothing that may be open is forgotten.
    fn end(&self, state: &mut AbsenceState, time: Timestamp, keys: &PerKeys) {
        let latest = time.max(state.latest.map_or(time, |(latest, _)| latest));
        if let By::Within(within_ms) = self.by {
            state.ended.retain(|(_, at)| at.plus(within_ms) > latest);
            if time.plus(within_ms) <= latest {
                return;
            }
        }
        for per in keys {
            let known = state.ended.iter().position(|(known, _)| known == per);
            let before = known.map(|at| state.ended.remove(at).1);
            let at = before.map_or(time, |before| before.max(time));
            state.ended.push((per.clone(), at));
        }
        let beyond = state.ended.len().saturating_sub(OPEN_MAX);
        state.ended.drain(..beyond);
    }

    /// Until when it lasts, as far as the event at hand says it; none: it is no anchor.
    fn until(&self, event: &Event, scope: &Scope<'_>) -> Option<Option<Until>> {
        let By::Until(at, plus_ms) = &self.by else {
            return Some(None);
        };
        let Value::Time(at) = at.eval(scope) else {
            return None;
        };
        let zone = scope.profile.identity.zone_or(&self.home);
        let until = Until::of(at, *plus_ms, &zone);
        (until.instant(&zone) > event.time).then_some(Some(until))
    }

    fn deadline(&self, open: &Open, settled: &Settled) -> Timestamp {
        match (&self.by, open.until) {
            (By::Within(within_ms), _) => open.anchor.time.plus(*within_ms),
            (By::Until(..), Some(until)) => until.instant(&settled.identity.zone_or(&self.home)),
            // It was armed before its trigger said `until`.
            (By::Until(..), None) => Timestamp::MAX,
        }
    }
}

impl Until {
    /// A time, or where it is the end of a day in her zone or 00:00 UTC a date, and so many ms after it.
    #[must_use]
    pub fn of(at: Timestamp, plus_ms: i64, zone: &Zone) -> Self {
        let day = match at.0.rem_euclid(DAY_MS) {
            0 => at.0.div_euclid(DAY_MS),
            // What is of type `date` is the last instant of its day in her zone.
            _ => {
                let day = at.day(zone);
                if at != Timestamp::end_of_day(day, zone) {
                    return Self::At(at.plus(plus_ms));
                }
                day.into()
            }
        };
        let (days, rest_ms) = match plus_ms % DAY_MS {
            0 => (plus_ms / DAY_MS, 0),
            _ => (0, plus_ms),
        };
        let day = day + days;
        Self::EndOf(i32::try_from(day).unwrap_or(i32::MAX - 1), rest_ms)
    }

    /// Whether it ends with a day.
    #[must_use]
    pub fn is_of_a_day(self) -> bool {
        matches!(self, Self::EndOf(_, 0))
    }

    /// When that is for whoever lives in a zone.
    #[must_use]
    pub fn instant(self, zone: &Zone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::EndOf(day, plus_ms) => {
                Timestamp::start_of_day(day.saturating_add(1), zone).plus(plus_ms)
            }
        }
    }
}

impl Stored for AbsenceState {
    const VERSION: u8 = 3;

    /// Version 1 knew no other deadline than one so long after the anchor.
    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        let StateV2 { open, latest } = match version {
            1 => {
                let StateV1 { open, latest } = postcard::from_bytes(bytes)?;
                let open = open.into_iter().map(|(per, anchor)| Open {
                    per,
                    anchor,
                    until: None,
                });
                let open = open.collect();
                StateV2 { open, latest }
            }
            2 => postcard::from_bytes(bytes)?,
            _ => {
                let never = format!("there is no version {version} of it");
                return Err(StoredError::Damaged(never));
            }
        };
        Ok(Self {
            open,
            latest,
            ended: Vec::new(),
        })
    }
}

impl MomentKind for Absence {
    type State = AbsenceState;

    /// What is there is not absent, however often that is told.
    const TAKES_AGAIN: bool = true;

    const TAG: u16 = 2;
    const DESCRIBED: Described = Described {
        word: "absence",
        comes_true: "At the anchor (an `after`) + `within`, or at the time that the anchor says (`until`), when no `of` with the same `per` has come by then.",
        decided: AFTER_WATERMARK,
        occurrence: "the value of `per` and the time of the anchor",
        again: "after the next `after`",
        has_event: false,
    };
    const SHAPE: Shape = Shape::Mapping(&KEYS);

    fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let fields = reader.fields(node, KEYS)?;
        let of = matcher::required(reader, &fields, "of");
        let after = matcher::required(reader, &fields, "after");
        let by = by(reader, &fields, after.as_ref());
        let from = match fields.get("from") {
            None => Some(From::Last),
            Some(node) => reader.one_of(node, FROM).map(|word| match word {
                "first" => From::First,
                _ => From::Last,
            }),
        };
        let (of, after) = (of?, after?);
        let per = fields.get("per").map_or(Some(Per::Customer), |node| {
            per(reader, node, &[&of, &after])
        });
        Some(Self {
            of,
            after,
            by: by?,
            per: per?,
            from: from?,
            home: reader.declared.derived.home.clone(),
        })
    }

    fn concerns(&self) -> Concerns {
        Concerns {
            // The end of a day is her own.
            days: matches!(self.by, By::Until(..)),
            ..matcher::concerns([&self.of, &self.after])
        }
    }

    fn uses_previous(&self) -> bool {
        self.of.uses_previous() || self.after.uses_previous()
    }

    /// What goes beyond [`OPEN_MAX`] is counted.
    fn event(&self, state: &mut Kept<'_, AbsenceState>, scope: &Scope<'_>, found: &mut Found) {
        let Some(event) = scope.event else { return };
        let (of, after) = (self.of.matches(scope), self.after.matches(scope));
        if !of && !after {
            return;
        }
        let state = state.get_or_insert_default();
        let keys = self.per.keys(scope);
        if of {
            state.open.retain(|open| {
                let deadline = self.deadline(open, scope.profile);
                let in_time = open.anchor.time <= event.time && event.time <= deadline;
                !(in_time && keys.contains(&open.per))
            });
            self.end(state, event.time, &keys);
        }
        let stale = state.latest.is_some_and(|latest| event.order() < latest);
        if after && let Some(until) = self.until(event, scope) {
            // What was armed before its trigger said `until` has no deadline.
            let has_deadline = |open: &Open| open.until.is_some() == until.is_some();
            state.open.retain(has_deadline);
            found.refused = self.arm(state, event, until, keys, stale);
        }
        state.latest = state.latest.max(Some(event.order()));
    }

    fn looks_again(&self, event: &Event, _settled: &Settled) -> Option<Timestamp> {
        let anchors = self.after.may_match(event);
        anchors.then(|| match self.by {
            By::Within(within_ms) => event.time.plus(within_ms),
            By::Until(..) => event.time,
        })
    }

    fn due(&self, state: &AbsenceState, settled: &Settled) -> Option<Timestamp> {
        let open = state.open.iter();
        open.map(|open| self.deadline(open, settled)).min()
    }

    /// The first deadline is no longer open then.
    fn fire(&self, state: &mut AbsenceState, settled: &Settled, _rows: &Rows) -> Option<Moment> {
        let order = |open: &Open| (self.deadline(open, settled), open.per.clone());
        let first = (0..state.open.len()).min_by_key(|i| order(&state.open[*i]))?;
        let open = state.open.remove(first);
        // What comes late with the anchor's own time is older than what was decided.
        let decided = Position {
            topic: u8::MAX,
            offset: i64::MAX,
        };
        state.latest = state.latest.max(Some((open.anchor.time, decided)));
        let at = self.deadline(&open, settled);
        let occurrence = if open.per.is_empty() {
            compact_str::format_compact!("{}", open.anchor.time)
        } else {
            compact_str::format_compact!("{}@{}", open.per, open.anchor.time)
        };
        let facts = if open.per.is_empty() {
            Vec::new()
        } else {
            vec![("per", open.per.as_str().into())]
        };
        Some(Moment {
            at,
            occurrence,
            evidence: Evidence::of(vec![open.anchor], facts),
        })
    }

    /// An `of` that was in time; or, where the last anchor counts, another `after` that now is the anchor.
    fn undone(&self, state: Option<&AbsenceState>, past: CameTrue<'_>, scope: &Scope<'_>) -> bool {
        let Some(event) = scope.event.filter(|event| past.covers(event.time)) else {
            return false;
        };
        let per = past.per.unwrap_or_default();
        if self.of.matches(scope) {
            return self.per.keys(scope).iter().any(|key| key == per);
        }
        let mut open = state.iter().flat_map(|state| &state.open);
        self.from == From::Last
            && open.any(|open| open.per == per && open.anchor == EventRef::of(event))
    }

    /// An `of` under one id ends what is open under the other, too; where they are of one instant, it came behind. Of two anchors the
    /// one stays that `from` says.
    fn merge(&self, own: &mut AbsenceState, mut other: AbsenceState, both: &Settled) -> u32 {
        let ends = |ended: &[(Text, Timestamp)], open: &Open| {
            let in_time = |at: Timestamp| open.anchor.time <= at && at <= self.deadline(open, both);
            ended
                .iter()
                .any(|(per, at)| *per == open.per && in_time(*at))
        };
        // Where there is one deadline, whatever came later moved the anchor or ended it.
        let is_past = |latest: Option<(Timestamp, Position)>, open: &Open| {
            let moves = matches!((&self.per, self.from), (Per::Customer, From::Last));
            moves && latest.is_some_and(|(latest, _)| open.anchor.time < latest)
        };
        own.open
            .retain(|open| !ends(&other.ended, open) && !is_past(other.latest, open));
        other
            .open
            .retain(|open| !ends(&own.ended, open) && !is_past(own.latest, open));
        let mut refused = 0;
        for open in other.open {
            let full = own.open.len() >= OPEN_MAX;
            match own.open.iter_mut().find(|known| known.per == open.per) {
                Some(known) => {
                    let stays = match self.from {
                        From::Last => known.anchor.time >= open.anchor.time,
                        From::First => known.anchor.time <= open.anchor.time,
                    };
                    if !stays {
                        *known = open;
                    }
                }
                None if full => refused += 1,
                None => own.open.push(open),
            }
        }
        own.latest = own.latest.max(other.latest);
        for (per, at) in other.ended {
            self.end(own, at, &PerKeys::from_iter([per]));
        }
        refused
    }

    fn armed(&self, state: &AbsenceState, _settled: &Settled) -> usize {
        state.open.len()
    }

    fn said(&self) -> String {
        let (of, after) = (self.of.said(), self.after.said());
        let by = match &self.by {
            By::Within(within_ms) => format!("within {}", duration_in_words(*within_ms)),
            By::Until(until, 0) => format!("by `{}`", until.source()),
            By::Until(until, plus_ms) => {
                let side = if *plus_ms < 0 { "before" } else { "after" };
                let long = duration_in_words(plus_ms.abs());
                format!("by {long} {side} `{}`", until.source())
            }
        };
        let per = match &self.per {
            Per::Customer => String::new(),
            Per::Key(key) => format!(", for each `{}` by itself", key.source()),
        };
        let from = match self.from {
            From::Last => "",
            From::First => ", counted from the first",
        };
        format!("when no {of} follows {after} {by}{from}{per}")
    }

    fn explain(&self, state: Option<&AbsenceState>, scope: &Scope<'_>) -> Vec<Missing> {
        let (of, after) = (self.of.said(), self.after.said());
        let open = |open: &Open| {
            let due = self.deadline(open, scope.profile);
            let anchor = open.anchor.time;
            let per = match open.per.as_str() {
                "" => String::new(),
                per => format!(" for {per}"),
            };
            let says = format!(
                "It comes true{per} at {due}, unless {of} comes by then: {after} came at {anchor}."
            );
            let missing = Missing::due(due, says).by("anchor", anchor.to_string());
            match open.per.as_str() {
                "" => missing,
                per => missing.by("per", per),
            }
        };
        let mut all: Vec<Missing> = state.iter().flat_map(|it| &it.open).map(open).collect();
        all.sort_by_key(|missing| missing.due);
        match all.is_empty() {
            true => vec![Missing::event(format!(
                "Nothing is open: it waits for {after}."
            ))],
            false => all,
        }
    }

    fn expressions(&self) -> Vec<&Expression> {
        let until = match &self.by {
            By::Within(_) => None,
            By::Until(until, _) => Some(until),
        };
        let matchers = self.of.expressions().chain(self.after.expressions());
        matchers.chain(until).chain(self.per.expression()).collect()
    }

    fn told(&self, telling: &Telling<'_>) -> Option<String> {
        let by = match self.by {
            By::Within(within_ms) => format!("within {} of", (telling.long)(within_ms)),
            By::Until(..) => "by the time said in".to_owned(),
        };
        Some(format!(
            "no {} {by} {}{}",
            self.of.first(telling),
            self.after.first(telling),
            (telling.since)(" at %H:%M")
        ))
    }
}

/// Reads `within`, or `until` and `plus`.
fn by(reader: &mut Reader<'_>, fields: &Fields<'_>, after: Option<&Matcher>) -> Option<By> {
    let Some(node) = fields.get("until") else {
        if let Some((key, _)) = fields.entry("plus") {
            let expected = "`until`, a time that the anchor says".to_owned();
            reader.fails(&key.span, "`plus` without `until`", expected);
        }
        let within = reader.required(fields, "within", "in what time, such as 30m; or `until`");
        return within
            .and_then(|node| reader.duration(node))
            .map(By::Within);
    };
    if let Some((key, _)) = fields.entry("within") {
        let expected = "one of both".to_owned();
        reader.fails(
            &key.span,
            "`within` and `until` are two deadlines",
            expected,
        );
    }
    // What the anchor says is not known where the anchor is not.
    let names: Vec<_> = after?.event_names().collect();
    let environment = read::environment(reader.declared, Some(&names), false);
    let until = read::of_kind(
        reader,
        node,
        &environment,
        Type::Time,
        "until when it lasts",
    );
    let plus_ms = fields
        .get("plus")
        .map_or(Some(0), |node| signed(reader, node));
    Some(By::Until(until?, plus_ms?))
}

/// A duration that may be negative.
fn signed(reader: &mut Reader<'_>, node: &Node) -> Option<i64> {
    let text = node.text().unwrap_or_default();
    let (sign, long) = match text.strip_prefix('-') {
        Some(long) => (-1, long),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let ms = parse_duration(long)
        .ok()
        .filter(|ms| *ms <= DURATION_MAX_MS);
    if ms.is_none() {
        reader.unexpected(node, "a duration such as 2h or -3d, at most ten years");
    }
    ms.map(|ms| sign * ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::kind::tests::reading;

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("after: Order Shipped, within: 3d", ""),
        ("after: Order Shipped, until: event.promised_at", ""),
        ("after: Order Shipped, until: event.promised_at, plus: -3d", ""),
        ("after: Order Shipped, until: 'event.promised_at + duration(\"2h\")', plus: 1d 12h", ""),
        ("after: Identify, until: profile.attributes.birthday", ""),
        ("after: Order Shipped", "`within` is missing"),
        ("after: Order Shipped, within: 3d, until: event.promised_at", "`within` and `until` are two deadlines"),
        ("after: Order Shipped, within: 3d, plus: 1d", "`plus` without `until`"),
        ("after: Order Shipped, until: event.carrier", "until when it lasts is a time"),
        ("after: Order Shipped, until: event.promised", "has no property `promised`"),
        ("after: Order Shipped, until: event.promised_at, plus: soon", "is not valid here"),
        ("after: Order Shipped, until: event.promised_at, plus: --3d", "is not valid here"),
        ("after: Order Shipped, until: previous.last_order", "`previous` is the profile before"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let read = reading::<Absence>(&format!("{{ of: Order Delivered, {text} }}"));
            let said = read.err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn what_an_anchor_says_is_an_instant_or_the_end_of_a_day() {
        let day = DAY_MS * 20_000;
        for (at, plus_ms, expected) in [
            (day + 1, 0, Until::At(Timestamp(day + 1))),
            (day + 1, -DAY_MS, Until::At(Timestamp(day + 1 - DAY_MS))),
            (day, 0, Until::EndOf(20_000, 0)),
            (day, -3 * DAY_MS, Until::EndOf(19_997, 0)),
            (day, DAY_MS + 1, Until::EndOf(20_000, DAY_MS + 1)),
            // The end of a day in Madrid, which is two hours ahead in October, and what is no end of a day there.
            (day - 7_200_000 - 1, 0, Until::EndOf(19_999, 0)),
            (day - 7_200_000 - 1, 2 * DAY_MS, Until::EndOf(20_001, 0)),
            (day - 1, 0, Until::At(Timestamp(day - 1))),
        ] {
            let madrid = Zone::named("Europe/Madrid").expect("a zone");
            assert_eq!(Until::of(Timestamp(at), plus_ms, &madrid), expected);
        }
    }

    #[test]
    fn a_state_of_version_1_has_no_deadline_of_its_own() {
        let anchor = EventRef::at(Timestamp(7));
        let old = postcard::to_allocvec(&(
            vec![(Text::from("p1"), anchor.clone())],
            None::<(Timestamp, Position)>,
        ));
        let state: AbsenceState =
            crate::stored::read(1, &old.expect("plain data")).expect("it is read");
        let open = Open {
            per: "p1".into(),
            anchor,
            until: None,
        };
        assert_eq!(state.open, [open]);
    }
}
