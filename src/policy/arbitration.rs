//! Outranked: of several moments of a customer at one instant, another was the more important.
//!
//! Where its channel has a window, a moment waits for that to end first, once: the first opens it, and those that come meanwhile
//! wait with it. Then they are asked at one instant.
//!
//! Between those that passed every gate before: the higher priority wins, then the higher expected value, then the name, then (two
//! moments of one trigger) the occurrence. Only a live trigger takes anybody's place, so one in shadow changes nothing for the
//! others, and is refused itself where it would have been outranked.

use std::cmp::Ordering;

use super::{Case, Gate, Open, Verdict, Why};
use crate::time::Timestamp;
use crate::treatment::Reason;
use crate::trigger::plan::Mode;
use crate::trigger::policy::Arbitration;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Outranked,
    about: "Another moment of hers was more important: at the same instant, where the policy says `arbitration = \"instant\"`, or within the channel's `arbitration_window`.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, standing: &[&Case<'_>]) -> Verdict {
    if let Some(until) = waits(case) {
        return Verdict::Hold {
            until: until.min(case.valid_until().plus(1)),
            why: Why::Window,
        };
    }
    let outranks = |other: &&Case<'_>| {
        other.trigger.mode != Mode::Shadow
            && waits(other).is_none()
            && competes(other, case)
            && rank(other, case) == Ordering::Less
    };
    match standing.iter().any(outranks) {
        true => Verdict::Refuse(Reason::Outranked),
        false => Verdict::Pass,
    }
}

/// Until when a moment waits for others.
fn waits(case: &Case<'_>) -> Option<Timestamp> {
    let window_ms = case.policy().arbitration_window.of(case.channel())?;
    if case.past().window.is_some() {
        return None;
    }
    let is_it = |it: &&Open<'_>| it.why == Why::Window && it.channel == case.channel();
    let mut open = case.open.iter().filter(is_it).map(|it| it.until);
    let end = open.find(|until| *until > case.decided_at());
    Some(end.unwrap_or_else(|| case.decided_at().plus(window_ms)))
}

/// Whether only one of two can be sent.
fn competes(a: &Case<'_>, b: &Case<'_>) -> bool {
    match a.policy().arbitration {
        Arbitration::Instant => true,
        Arbitration::None => {
            let same = || a.past().window == b.past().window;
            a.past().window.is_some() && same()
        }
    }
}

/// The more important is less, as it comes first.
fn rank(a: &Case<'_>, b: &Case<'_>) -> Ordering {
    let priority = |case: &Case<'_>| case.trigger.policy.priority;
    let more = priority(b).cmp(&priority(a));
    let value = || b.value().total_cmp(&a.value());
    let name = || a.trigger.name.cmp(&b.trigger.name);
    let occurrence = || a.moment.occurrence.cmp(&b.moment.occurrence);
    more.then_with(value).then_with(name).then_with(occurrence)
}

fn explain(case: &Case<'_>) -> String {
    let (priority, value) = (case.trigger.policy.priority, case.value());
    if let Some(until) = waits(case) {
        return format!("it waits for others by {} until {until}", case.channel());
    }
    match case.policy().arbitration {
        Arbitration::None if case.past().window.is_some() => {
            format!(
                "it competes with those that waited with it, with priority {priority} and value {value}"
            )
        }
        Arbitration::None => "it competes with no other".to_owned(),
        Arbitration::Instant => format!("it competes with priority {priority} and value {value}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    const ON: &str = "arbitration = 'instant'";

    /// What the triggers a, b, ... say, and what becomes of each, in the order of their priorities.
    #[rustfmt::skip]
    const TABLE: &[(&[&str], &str)] = &[
        (&[""], "treat onsite"),
        (&["policy: { priority: 60 }", "policy: { priority: 50 }"], "treat onsite, outranked"),
        (&["policy: { priority: 50 }", "policy: { priority: 60 }"], "treat onsite, outranked"),
        // Then the value, of which one that is not known is 0.
        (&["policy: { value: 1 }", "policy: { value: 2 }", ""], "outranked, treat onsite, outranked"),
        (&["policy: { value: profile.nps.score }", "policy: { value: 0.5 }"], "outranked, treat onsite"),
        (&["policy: { value: -1 }", "policy: { value: profile.nps.score }"], "outranked, treat onsite"),
        (&["policy: { priority: 60 }", "policy: { value: 9 }"], "treat onsite, outranked"),
        // Then the name.
        (&["", ""], "treat onsite, outranked"),
        // What was refused does not compete.
        (&["mode: off\npolicy: { priority: 60 }", ""], "off, treat onsite"),
        (&["treatments: [{ channel: email, template: x }]\npolicy: { priority: 60 }", ""], "no_consent, treat onsite"),
        (&["policy: { priority: 60, cap: once }", ""], "capped, treat onsite"),
        // One in shadow takes nobody's place, and loses its own.
        (&["mode: shadow\npolicy: { priority: 60 }", ""], "shadow, treat onsite"),
        (&["policy: { priority: 60 }", "mode: shadow"], "treat onsite, outranked"),
        (&["mode: shadow\npolicy: { priority: 60 }", "mode: shadow"], "shadow, shadow"),
    ];

    #[test]
    fn the_most_important_wins() {
        let customer = "sent:a:onsite@2026-03-01T10:00:00Z";
        for (triggers, outcome) in TABLE.iter().copied() {
            check(ON, triggers, customer, "2026-03-02T10:00:00Z", outcome);
        }
    }

    #[test]
    fn it_waits_for_others_where_the_channel_has_a_window() {
        let (customer, at) = ("", "2026-03-02T10:00:00Z");
        for (policy, trigger, outcome) in [
            (
                "arbitration_window = { onsite = '1h' }",
                "policy: { good_for: 1d }",
                "outranked until 2026-03-02T11:00:00.000Z",
            ),
            (
                "arbitration_window = { email = '1h' }",
                "policy: { good_for: 1d }",
                "treat onsite",
            ),
            // No longer than it makes sense.
            (
                "arbitration_window = { onsite = '1h' }",
                "policy: { good_for: 10m }",
                "outranked until 2026-03-02T10:10:00.001Z",
            ),
            // What is refused waits for nobody.
            (
                "arbitration_window = { onsite = '1h' }\ncaps = { all = '1 in 1d' }",
                "policy: { good_for: 1d }\nmode: off",
                "off",
            ),
        ] {
            check(policy, &[trigger], customer, at, outcome);
        }
    }

    #[test]
    fn without_a_word_each_is_decided_after_the_other() {
        let both = ["policy: { priority: 60 }", "policy: { priority: 50 }"];
        for policy in ["", "arbitration = 'none'"] {
            check(
                policy,
                &both,
                "",
                "2026-03-02T10:00:00Z",
                "treat onsite, treat onsite",
            );
        }
        let one = "caps = { all = '1 in 1d' }";
        check(
            one,
            &both,
            "",
            "2026-03-02T10:00:00Z",
            "treat onsite, capped",
        );
        // Those of one instant are all asked before any is sent.
        let both = format!("{ON}\n{one}");
        let two = ["policy: { priority: 60 }", "policy: { priority: 50 }"];
        check(
            &both,
            &two,
            "",
            "2026-03-02T10:00:00Z",
            "treat onsite, outranked",
        );
    }
}
