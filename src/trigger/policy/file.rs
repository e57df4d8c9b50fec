//! `policy.yaml`: what is common to all triggers, as a file of their set. What it says stands in the place of what the configuration
//! says.

use super::Policy;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::typed;
use crate::document::yaml::{self, Yaml};

/// The keys of the file.
pub const KEYS: Keys = Keys {
    of: "a policy file",
    known: &[
        Known::required(
            "policy",
            Shape::Typed("policy", Policy::schema),
            "What is common to all triggers of the set; what it does not say is as configured.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it is for, in its author's words. For people.",
        ),
    ],
    later: &[],
};

/// What is done to triggers while they run is no part of their set: it would come back with the next one.
const OPERATED: [&str; 2] = ["sending", "paused"];

/// Reads the file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    source: &Source,
    declared: Declared<'_>,
    configured: &Policy,
) -> Result<Policy, Vec<Report>> {
    reader::file(source, declared, KEYS, |reader, fields| {
        policy(reader, fields, configured)
    })
}

fn policy(reader: &mut Reader<'_>, fields: &Fields<'_>, configured: &Policy) -> Option<Policy> {
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it is for");
    }
    let node = reader.required(fields, "policy", "what is common to all triggers")?;
    if let Yaml::Map(entries) = &node.value {
        let operated = |text: &str| OPERATED.contains(&text);
        for (key, _) in entries.iter().filter(|(key, _)| operated(&key.text)) {
            let message = format!("`{}` is no part of a set of triggers", key.text);
            let expected = "`moments triggers`, or the configuration, to say it";
            reader.fails(&key.span, message, expected.to_owned());
        }
    }
    match configured.with(&node.json()) {
        Ok(policy) => Some(policy),
        Err(error) => {
            typed::fails(reader, node, &error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;
    use crate::trigger::policy::Sending;

    fn reading(text: &str, configured: &Policy) -> Result<Policy, String> {
        let source = Source::new("policy.yaml", text.to_owned());
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        let declared = Declared::new(&vocabulary, &attributes);
        read(&source, declared, configured).map_err(|reports| rendered(&reports))
    }

    #[test]
    fn what_it_says_stands_in_the_place_of_what_is_configured() {
        let configured = Policy {
            sending: Sending::Stopped,
            ..serde_json::from_str(r#"{"draw":"a","arbitration":"instant"}"#).unwrap()
        };
        let read = reading("policy: { draw: b, caps: { all: 1 a day } }", &configured).unwrap();
        assert_eq!(read.draw, "b");
        assert_eq!(
            (read.arbitration, read.sending),
            (configured.arbitration, Sending::Stopped)
        );
        assert_ne!(read.caps, configured.caps);
    }

    /// What is read, and what is said of it.
    const ERRORS: &[(&str, &str)] = &[
        ("policy: { draw: spring }", ""),
        ("policy: {}", ""),
        ("about: Ours.", "`policy` is missing"),
        ("policy: 3", "invalid type"),
        ("policy: { darw: spring }", "did you mean `draw`"),
        (
            "policy: { caps: { all: 1 per day } }",
            "`1 per day` is not valid here",
        ),
        ("policy: { send_rates: { print: 500 in 1d } }", ""),
        (
            "policy: { send_rates: { print: 500 a day } }",
            "`500 a day` is not valid here; expected `N in D`",
        ),
        ("policy: { sending: live }", "`sending` is no part of a set"),
        ("policy: { paused: [a] }", "`paused` is no part of a set"),
        (
            "policy: {}\nsegment: gold",
            "a policy file has no `segment`",
        ),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, expected) in ERRORS {
            let said = reading(text, &Policy::default()).err().unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}
