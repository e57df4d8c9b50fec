//! The naive reference: what each kind means, by sorting a customer's whole history and scanning it.
//!
//! It shares no code with the library and keeps no state, so it is slow and easy to believe. Where the text of a kind
//! leaves a choice, this is what it takes:
//! - "after" at one instant is by order: an `of` behind its anchor at the same time cancels.
//! - An event that is both `of` and `after` first cancels and is then an anchor itself.
//! - With `per`, an event without a key is as if it were not there.
//! - Sample deviations need two observations; with fewer, nothing departs from them. They are compared exactly, in
//!   integers, and an exact gap's bound is rounded up to the whole millisecond.
//! - A threshold compares the events up to one with those before it, both within the window that ends at it; what is not
//!   known is not there, and the mean of nothing is outside.
//! - A sequence begins with each event that is its first step, takes the next that fits for each step after, and ends at the first
//!   that makes it too long or must not lie between; then it begins with the next event, and where it was whole, behind it.
//! - A value's history is the events before it (`history_min` of them); the last m of a ratio include the event
//!   itself, and "the mean before" is over all events before those m.

pub mod calendar;
pub mod facts;

const DAY_MS: i64 = 86_400_000;

/// One event of a customer's history, which is sorted by (`time_ms`, `order`).
#[derive(Clone, Debug, PartialEq)]
pub struct RefEvent {
    pub time_ms: i64,
    /// Order among events at one instant: of topic, partition and offset.
    pub order: u64,
    pub name: String,
    pub id: String,
    /// What `per` groups by; empty when not known.
    pub key: String,
    /// What a value baseline measures, to four decimals.
    pub value: f64,
}

/// Which `after` an absence counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Last,
    First,
}

/// What a threshold measures of events: their number, their values or their keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    Count,
    Sum,
    Mean,
    DistinctKeys,
    /// Of values, each halving in so many ms.
    Score(i64),
}

/// Where inside is; to four decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Inside {
    AtLeast(f64),
    Above(f64),
    AtMost(f64),
    Below(f64),
}

/// A moment to look for; matchers are lists of event names.
#[derive(Clone, Debug)]
pub enum Definition {
    Absence {
        of: Vec<&'static str>,
        after: Vec<&'static str>,
        /// After the anchor; and with `value_ms` so many times its value later. Where it is not after the anchor, there is none.
        within_ms: i64,
        value_ms: i64,
        from: From,
        /// Group by the events' keys, or take the customer as a whole.
        per_key: bool,
    },
    Inactivity {
        of: Vec<&'static str>,
        for_ms: i64,
    },
    /// Gaps between distinct UTC days.
    GapByDay {
        of: Vec<&'static str>,
        history_min: usize,
        /// Not negative, to three decimals; so below, but for values.
        deviations: f64,
    },
    /// Gaps between events.
    GapExact {
        of: Vec<&'static str>,
        history_min: usize,
        deviations: f64,
    },
    /// A value above mean + `deviations` x sample standard deviation of those before; with negative
    /// `deviations` a value below that.
    ValueDeviations {
        of: Vec<&'static str>,
        history_min: usize,
        deviations: f64,
    },
    /// The mean of the last `last` values below `below` (to three decimals) times the mean of those before them.
    ValueRatio {
        of: Vec<&'static str>,
        history_min: usize,
        last: usize,
        below: f64,
    },
    Threshold {
        of: Vec<&'static str>,
        measured: Measured,
        /// None: ever.
        over_ms: Option<i64>,
        inside: Inside,
    },
    Sequence {
        /// What each event of it is one of.
        steps: Vec<Vec<&'static str>>,
        /// None: however long.
        within_ms: Option<i64>,
        without: Vec<&'static str>,
        /// Only events of one key belong together; one without a key is no step, and lies between whatever it is.
        same_key: bool,
    },
}

/// A moment: its occurrence (key and event) and when it came true.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefMoment {
    pub moment_at: i64,
    /// The `per` of an absence that has one.
    pub key: Option<String>,
    /// Time of that event.
    pub event_ms: i64,
    /// The anchor, the last event before a silence, or the event whose value departs.
    pub event: String,
}

/// The moments of one customer whose time is not past `until_ms`, the final watermark, in the order of `moment_at`.
pub fn moments(definition: &Definition, events: &[RefEvent], until_ms: i64) -> Vec<RefMoment> {
    let mut moments = scan(definition, events);
    moments.retain(|moment| moment.moment_at <= until_ms);
    moments
}

/// How many deadlines are still armed when the history ends at `until_ms`.
pub fn open(definition: &Definition, events: &[RefEvent], until_ms: i64) -> usize {
    let moments = scan(definition, events);
    moments.iter().filter(|m| m.moment_at > until_ms).count()
}

fn scan(definition: &Definition, events: &[RefEvent]) -> Vec<RefMoment> {
    assert!(
        events.is_sorted_by_key(|event| (event.time_ms, event.order)),
        "a history is sorted by time and order"
    );
    let matching = |names: &[&str]| -> Vec<&RefEvent> {
        let matches = |event: &&RefEvent| names.contains(&event.name.as_str());
        events.iter().filter(matches).collect()
    };
    let mut moments = match definition {
        Definition::Absence { per_key: false, .. } => {
            absence(definition, &events.iter().collect::<Vec<_>>())
        }
        Definition::Absence { per_key: true, .. } => absence_per_key(definition, events),
        Definition::Inactivity { of, for_ms } => inactivity(&matching(of), *for_ms),
        Definition::GapByDay {
            of,
            history_min,
            deviations,
        } => gap_by_day(&matching(of), *history_min, *deviations),
        Definition::GapExact {
            of,
            history_min,
            deviations,
        } => gap_exact(&matching(of), *history_min, *deviations),
        Definition::ValueDeviations {
            of,
            history_min,
            deviations,
        } => value_deviations(&matching(of), *history_min, *deviations),
        Definition::ValueRatio {
            of,
            history_min,
            last,
            below,
        } => value_ratio(&matching(of), *history_min, *last, *below),
        Definition::Threshold {
            of,
            measured,
            over_ms,
            inside,
        } => threshold(&matching(of), *measured, *over_ms, *inside),
        Definition::Sequence { same_key, .. } => {
            let all: Vec<&RefEvent> = events.iter().collect();
            match same_key {
                true => keys(events)
                    .into_iter()
                    .flat_map(|key| sequence(definition, &all, Some(key)))
                    .collect(),
                false => sequence(definition, &all, None),
            }
        }
    };
    moments.sort();
    moments
}

fn moment(event: &RefEvent, moment_at: i64) -> RefMoment {
    RefMoment {
        moment_at,
        key: None,
        event_ms: event.time_ms,
        event: event.id.clone(),
    }
}

fn keys(events: &[RefEvent]) -> Vec<&str> {
    let mut keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    keys.retain(|key| !key.is_empty());
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn absence_per_key(definition: &Definition, events: &[RefEvent]) -> Vec<RefMoment> {
    let mut moments = Vec::new();
    for key in keys(events) {
        let of_key: Vec<&RefEvent> = events.iter().filter(|event| event.key == key).collect();
        for moment in absence(definition, &of_key) {
            let key = Some(key.to_owned());
            moments.push(RefMoment { key, ..moment });
        }
    }
    moments
}

fn absence(definition: &Definition, events: &[&RefEvent]) -> Vec<RefMoment> {
    let Definition::Absence {
        of,
        after,
        within_ms,
        value_ms,
        from,
        ..
    } = definition
    else {
        unreachable!("only absences are scanned for absence");
    };
    let is_of = |event: &RefEvent| of.contains(&event.name.as_str());
    let lasts_ms = |event: &RefEvent| within_ms + (event.value * *value_ms as f64) as i64;
    let is_after = |event: &RefEvent| after.contains(&event.name.as_str()) && lasts_ms(event) > 0;
    let mut moments = Vec::new();
    let mut i = 0;
    while i < events.len() {
        if !is_after(events[i]) {
            i += 1;
            continue;
        }
        let deadline = events[i].time_ms + lasts_ms(events[i]);
        let in_time = events[i + 1..].iter().take_while(|e| e.time_ms <= deadline);
        let in_time: Vec<&RefEvent> = in_time.copied().collect();
        let ends = |event: &&RefEvent| is_of(event) || (*from == From::Last && is_after(event));
        if let Some(n) = in_time.iter().position(ends) {
            i += 1 + n;
        } else {
            moments.push(moment(events[i], deadline));
            i += 1 + in_time.len();
        }
    }
    moments
}

/// The last event before each silence that lasts until the deadline `after` gives; an event exactly then is in time.
fn silences(
    events: &[&RefEvent],
    deadline: impl Fn(&[&RefEvent]) -> Option<i64>,
) -> Vec<RefMoment> {
    let mut moments = Vec::new();
    for (i, last) in events.iter().enumerate() {
        let Some(deadline) = deadline(&events[..=i]) else {
            continue;
        };
        let next = events.get(i + 1);
        if next.is_none_or(|next| next.time_ms > deadline) {
            moments.push(moment(last, deadline));
        }
    }
    moments
}

fn inactivity(events: &[&RefEvent], for_ms: i64) -> Vec<RefMoment> {
    silences(events, |so_far| {
        so_far.last().map(|last| last.time_ms + for_ms)
    })
}

fn gap_by_day(events: &[&RefEvent], history_min: usize, deviations: f64) -> Vec<RefMoment> {
    silences(events, |so_far| {
        let mut days: Vec<i64> = so_far
            .iter()
            .map(|e| e.time_ms.div_euclid(DAY_MS))
            .collect();
        days.dedup();
        let gaps = differences(&days);
        if gaps.len() < history_min.max(2) {
            return None;
        }
        let silence = least(|days| above_bound(days, &gaps, deviations));
        days.last().map(|last| (last + silence) * DAY_MS)
    })
}

fn gap_exact(events: &[&RefEvent], history_min: usize, deviations: f64) -> Vec<RefMoment> {
    silences(events, |so_far| {
        let times: Vec<i64> = so_far.iter().map(|e| e.time_ms).collect();
        let gaps = differences(&times);
        if gaps.len() < history_min.max(2) {
            return None;
        }
        let silence = least(|ms| !below_bound(ms, &gaps, deviations));
        times.last().map(|last| last + silence)
    })
}

fn value_deviations(events: &[&RefEvent], history_min: usize, deviations: f64) -> Vec<RefMoment> {
    let values = values(events);
    let mut moments = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let before = &values[..i];
        let departs = if deviations < 0.0 {
            below_bound
        } else {
            above_bound
        };
        if before.len() >= history_min.max(2) && departs(values[i], before, deviations) {
            moments.push(moment(event, event.time_ms));
        }
    }
    moments
}

fn value_ratio(
    events: &[&RefEvent],
    history_min: usize,
    last: usize,
    below: f64,
) -> Vec<RefMoment> {
    let values = values(events);
    let mut moments = Vec::new();
    for (i, event) in events.iter().enumerate() {
        if i < history_min || i < last {
            continue;
        }
        let (before, recent) = values[..=i].split_at(i + 1 - last);
        // mean(recent) < below * mean(before), without a division.
        let recent_side = sum(recent) * before.len() as i128 * 1_000;
        let before_side = sum(before) * recent.len() as i128 * thousandths(below);
        if recent_side < before_side {
            moments.push(moment(event, event.time_ms));
        }
    }
    moments
}

fn threshold(
    events: &[&RefEvent],
    measured: Measured,
    over_ms: Option<i64>,
    inside: Inside,
) -> Vec<RefMoment> {
    let mut moments = Vec::new();
    for (i, event) in events.iter().enumerate() {
        let counted = |e: &&&RefEvent| measured != Measured::DistinctKeys || !e.key.is_empty();
        let in_window =
            |e: &&&RefEvent| over_ms.is_none_or(|over_ms| event.time_ms - e.time_ms < over_ms);
        let of = |events: &[&'_ RefEvent]| {
            let window: Vec<&RefEvent> = events
                .iter()
                .filter(counted)
                .filter(in_window)
                .copied()
                .collect();
            is_inside(&window, event.time_ms, measured, inside)
        };
        if !of(&events[..i]) && of(&events[..=i]) {
            moments.push(moment(event, event.time_ms));
        }
    }
    moments
}

/// Of one key, where there is one.
fn sequence(definition: &Definition, events: &[&RefEvent], key: Option<&str>) -> Vec<RefMoment> {
    let Definition::Sequence {
        steps,
        within_ms,
        without,
        ..
    } = definition
    else {
        unreachable!("only sequences are scanned for sequences");
    };
    let is_step = |event: &RefEvent, done: usize| {
        key.is_none_or(|key| event.key == key) && steps[done].contains(&event.name.as_str())
    };
    let lies_between = |event: &RefEvent| {
        let meant = key.is_none_or(|key| event.key == key || event.key.is_empty());
        meant && without.contains(&event.name.as_str())
    };
    let mut moments = Vec::new();
    let mut first = 0;
    while first < events.len() {
        let mut done = 0;
        let mut whole = None;
        for (at, event) in events.iter().enumerate().skip(first) {
            let lasts_ms = event.time_ms - events[first].time_ms;
            if within_ms.is_some_and(|within_ms| lasts_ms > within_ms) {
                break;
            }
            done += usize::from(is_step(event, done));
            if done == steps.len() {
                whole = Some(at);
                break;
            }
            if done == 0 || at > first && lies_between(event) {
                break;
            }
        }
        first = match whole {
            Some(last) => {
                moments.push(moment(events[last], events[last].time_ms));
                last + 1
            }
            None => first + 1,
        };
    }
    moments
}

fn is_inside(window: &[&RefEvent], at_ms: i64, measured: Measured, inside: Inside) -> bool {
    if let Measured::Score(half_life_ms) = measured {
        let faded =
            |e: &&RefEvent| e.value / 2f64.powf((at_ms - e.time_ms) as f64 / half_life_ms as f64);
        let score: f64 = window.iter().map(faded).sum();
        return match inside {
            Inside::AtLeast(bound) => score >= bound,
            Inside::Above(bound) => score > bound,
            Inside::AtMost(bound) => score <= bound,
            Inside::Below(bound) => score < bound,
        };
    }
    let (n, total) = (window.len() as i128, sum(&values(window)));
    let mut keys: Vec<&str> = window.iter().map(|e| e.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    // As so many ten-thousandths, divided by so many.
    let (parts, of) = match measured {
        Measured::Count => (n * 10_000, 1),
        Measured::DistinctKeys => (keys.len() as i128 * 10_000, 1),
        Measured::Mean if n == 0 => return false,
        Measured::Mean => (total, n),
        Measured::Sum | Measured::Score(_) => (total, 1),
    };
    let bound = |bound: f64| (bound * 10_000.0).round() as i128 * of;
    match inside {
        Inside::AtLeast(b) => parts >= bound(b),
        Inside::Above(b) => parts > bound(b),
        Inside::AtMost(b) => parts <= bound(b),
        Inside::Below(b) => parts < bound(b),
    }
}

fn values(events: &[&RefEvent]) -> Vec<i64> {
    let parts = |event: &&RefEvent| (event.value * 10_000.0).round() as i64;
    events.iter().map(parts).collect()
}

fn differences(numbers: &[i64]) -> Vec<i64> {
    numbers.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn sum(numbers: &[i64]) -> i128 {
    numbers.iter().map(|&number| i128::from(number)).sum()
}

fn thousandths(number: f64) -> i128 {
    (number * 1_000.0).round() as i128
}

/// `x` > mean + k x sample standard deviation of `history`.
fn above_bound(x: i64, history: &[i64], k: f64) -> bool {
    let (distance, spread) = squares(x, history, k);
    distance > spread
}

/// `x` < mean + k x sample standard deviation of `history`.
fn below_bound(x: i64, history: &[i64], k: f64) -> bool {
    let (distance, spread) = squares(x, history, k);
    distance < spread
}

/// (x - mean) and k x sd, each times n and squared with its sign, over one denominator: exact.
fn squares(x: i64, history: &[i64], k: f64) -> (i128, i128) {
    let n = history.len() as i128;
    let total = sum(history);
    let deviations: i128 = history
        .iter()
        .map(|&h| (n * i128::from(h) - total).pow(2))
        .sum();
    let distance = n * i128::from(x) - total;
    let distance = distance * distance.abs() * (n - 1) * 1_000_000;
    let k = thousandths(k);
    (distance, deviations * k * k.abs())
}

/// The least whole number from 0 for which `holds`, which goes on holding once it does.
fn least(holds: impl Fn(i64) -> bool) -> i64 {
    let mut high = 1;
    while !holds(high) {
        high *= 2;
    }
    let mut low = 0;
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests;
