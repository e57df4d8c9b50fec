//! Suppressed: she, or the address at which she would be written to, is on a list of the set.

use super::{Case, Gate, Verdict};
use crate::suppression::Suppression;
use crate::treatment::Reason;

pub(super) const GATE: Gate = Gate {
    reason: Reason::Suppressed,
    about: "She, or an address of hers, is on a suppression list of the set that counts for the channel.",
    ask,
    explain,
};

fn ask(case: &Case<'_>, _: &[&Case<'_>]) -> Verdict {
    match list(case) {
        Some(_) => Verdict::Refuse(Reason::Suppressed),
        None => Verdict::Pass,
    }
}

/// The first list that she is on.
fn list<'a>(case: &Case<'a>) -> Option<&'a Suppression> {
    let lists = case.plan.lists();
    let mut lists = lists.filter(|(list, _)| list.counts_for(case.channel()));
    let found = lists.find(|(list, brought)| list.names(case.scope.profile, *brought));
    found.map(|(list, _)| list)
}

fn explain(case: &Case<'_>) -> String {
    match list(case) {
        Some(list) => format!("she is on the list {}", list.name),
        None => "she is on no list".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::check::check;

    /// What a list says, of the customer `ana`; the customer; and what becomes of it on the site.
    #[rustfmt::skip]
    const TABLE: &[(&str, &str, &str)] = &[
        ("list: [ana, ben]", "", "suppressed"),
        ("list: [ben]", "", "treat onsite"),
        ("channels: [onsite, print]\nlist: [ana]", "", "suppressed"),
        ("channels: [print]\nlist: [ana]", "", "treat onsite"),
        ("by: email\nlist: [Ana@Example.com]", "email:ana@example.com", "suppressed"),
        ("by: email\nlist: [ana@example.com]", "", "treat onsite"),
        ("by: email\nhashed: sha256\nlist: [8E43ca37701228e74983efdbd0cff5c16b3b1e5d4e29a7c05626d4d25a018e11]", "email:Ana@Example.com", "suppressed"),
        ("hashed: sha256\nlist: |\n  24d4b96f58da6d4a8512313bbd02a28ebf0ca95dec6e4c86ef78ce7f01e788ac\n", "", "suppressed"),
        ("by: phone\nlist: [+34 600-11 22 33]", "phone:+34600112233", "suppressed"),
        // Consent is asked before.
        ("list: [ana]", "no:onsite", "no_consent"),
    ];

    #[test]
    fn who_is_on_a_list_is_sent_nothing() {
        for (list, customer, outcome) in TABLE.iter().copied() {
            let list = format!("\n===\nsuppression: robinson\n{list}");
            check("", &[&list], customer, "2026-03-02T10:00:00Z", outcome);
        }
    }
}
