//! Digest: moments of one trigger are gathered for a time, and become one command.
//!
//! The first opens it, and all that come until it ends wait with it. Then each is asked everything again. Of those that are left the
//! first carries the others: it goes on alone, through quiet hours and caps, and they share its fate; what is sent is one command
//! with the data of all.

use super::{Case, Gate, Verdict, Why};
use crate::time::Timestamp;
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Digested,
    about: "It was gathered into the digest of the trigger (`digest`), and the decision of an earlier moment is that of all.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, standing: &[&Case<'_>]) -> Verdict {
    let Some(digest_ms) = case.trigger.policy.digest_ms else {
        return Verdict::Pass;
    };
    if !case.past().digest {
        let until = open(case).unwrap_or_else(|| case.decided_at().plus(digest_ms));
        return Verdict::Hold {
            until: until.min(case.valid_until().plus(1)),
            why: Why::Digest,
        };
    }
    let others = standing.iter().filter(|other| is_of_the_same(other, case));
    let first = others.min_by_key(|other| place(other));
    if first.is_none_or(|first| place(first) == place(case)) {
        case.carries.set(true);
        return Verdict::Pass;
    }
    Verdict::Refuse(Reason::Digested)
}

/// When the digest ends that is open.
fn open(case: &Case<'_>) -> Option<Timestamp> {
    let open = case.open.iter();
    let mut ends = open.filter(|it| it.trigger == case.trigger.key && it.why == Why::Digest);
    let end = ends.find(|it| it.until > case.decided_at());
    end.map(|it| it.until)
}

fn is_of_the_same(other: &Case<'_>, case: &Case<'_>) -> bool {
    other.trigger.key == case.trigger.key && other.past().digest
}

fn place<'c>(case: &'c Case<'_>) -> (Timestamp, &'c str) {
    (case.moment.at, &case.moment.occurrence)
}

/// What was gathered waits where what carries it does.
pub(super) fn follow(cases: &[Case<'_>]) {
    for case in cases {
        if let Some(carrier) = carrier(case, cases)
            && let hold @ Verdict::Hold { .. } = carrier.verdict.get()
        {
            case.verdict.set(hold);
        }
    }
}

/// What carries a moment that was gathered.
pub(super) fn carrier<'c, 'a>(case: &Case<'a>, cases: &'c [Case<'a>]) -> Option<&'c Case<'a>> {
    let is_gathered = case.verdict.get() == Verdict::Refuse(Reason::Digested);
    let mut carriers = cases.iter().filter(|other| other.carries.get());
    let carrier = carriers.find(|other| other.trigger.key == case.trigger.key);
    carrier.filter(|_| is_gathered)
}

/// What a moment carries, itself among it, in order of time; none: it is none of a digest.
pub(super) fn gathered<'c, 'a>(case: &'c Case<'a>, cases: &'c [Case<'a>]) -> Vec<&'c Case<'a>> {
    if !case.carries.get() {
        return Vec::new();
    }
    let digested = Verdict::Refuse(Reason::Digested);
    let others = cases.iter().filter(|it| is_of_the_same(it, case));
    let others = others.filter(|it| it.verdict.get() == digested);
    let mut all: Vec<&Case<'a>> = [case].into_iter().chain(others).collect();
    all.sort_by_key(|case| place(case));
    all
}

fn explain(case: &Case<'_>) -> String {
    match case.trigger.policy.digest_ms {
        None => "it is gathered with no other".to_owned(),
        Some(_) if case.past().digest => "what was gathered goes".to_owned(),
        Some(_) => match open(case) {
            Some(until) => format!("it is gathered with others until {until}"),
            None => "it is the first of a digest".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    #[test]
    fn the_first_opens_a_digest() {
        let at = "2026-03-02T10:00:00Z";
        for (trigger, outcome) in [
            (
                "policy: { digest: 1d }",
                "digested until 2026-03-03T10:00:00.000Z",
            ),
            // What does not go for another reason opens none.
            (
                "audience: profile.nps.score > 6\npolicy: { digest: 1d }",
                "audience",
            ),
            // In the night nothing is sent yet.
            (
                "policy: { digest: 1d, quiet_hours: drop }",
                "digested until 2026-03-03T10:00:00.000Z",
            ),
            (
                "policy: { digest: 1d, cap: once }",
                "digested until 2026-03-03T10:00:00.000Z",
            ),
            // It makes sense so long after its digest, and no longer.
            (
                "policy: { digest: 1d, good_for: 1h }",
                "digested until 2026-03-03T10:00:00.000Z",
            ),
        ] {
            let policy = "quiet_hours = { default = '09:00-11:00' }";
            check(policy, &[trigger], "", at, outcome);
        }
        let late = "2026-03-02T10:00:00Z decided 2026-03-03T00:00:00Z";
        let trigger = "policy: { digest: 1d, good_for: 1h }";
        check(
            "",
            &[trigger],
            "",
            late,
            "digested until 2026-03-03T11:00:00.001Z",
        );
    }
}
