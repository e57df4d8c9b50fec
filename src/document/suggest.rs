//! What was probably meant by a name that nobody knows.

/// The candidate nearest to `name` by edits, if it is near enough to be worth saying. Case counts
/// for nothing. Among equals, the first.
#[must_use]
pub fn closest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let name = name.to_lowercase();
    // A third of the letters wrong is a typo; more is another word.
    let bound = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of a message about a name that nobody knows: what was probably meant, or nothing.
#[must_use]
pub fn or_meant<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    let meant = closest(name, candidates);
    meant.map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

/// Names in a row for a message: `a`, `b` and `c`; beyond a dozen it says how many more.
#[must_use]
pub fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const SHOWN_MAX: usize = 12;
    let mut names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        names.truncate(SHOWN_MAX);
        names.push(format!("{more} more"));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// What was meant, by a message of serde about a name that nobody knows: it stands in backticks, and after it the known ones.
#[must_use]
pub fn meant(message: &str) -> Option<&str> {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with("unknown"))?;
    closest(unknown, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_recognised_and_another_word_is_not() {
        let names = ["email", "push", "audience", "Order Completed"];
        for (written, meant) in [
            ("emial", Some("email")),
            ("audiense", Some("audience")),
            ("order completed", Some("Order Completed")),
            ("Order Complete", Some("Order Completed")),
            ("budget", None),
            ("", None),
        ] {
            assert_eq!(closest(written, names), meant, "{written}");
        }
    }

    #[test]
    fn names_are_listed_as_a_sentence_does() {
        assert_eq!(listed(["a"]), "`a`");
        assert_eq!(listed(["a", "b", "c"]), "`a`, `b` and `c`");
        assert!(listed(["a"; 14]).ends_with("and 2 more"));
    }
}
