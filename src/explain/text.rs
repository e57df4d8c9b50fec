//! An explanation for a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Explanation, GateSays, Stands};
use crate::moment::kind::capitalised;

/// As a page of text, with a line end.
#[must_use]
pub fn text(explained: &Explanation) -> String {
    let mut text = format!("{} at {}", explained.customer, explained.now);
    if let Some(as_of) = &explained.as_of {
        let _infallible = write!(text, ", settled up to {as_of}");
    }
    text.push('\n');
    if explained.unsettled_events > 0 {
        let _infallible = writeln!(
            text,
            "{} of her events are newer than that: they are taken into account, and nothing that waits is decided by them",
            explained.unsettled_events
        );
    }
    text.push_str("\ndecided\n");
    if explained.decided.is_empty() {
        text.push_str("  nothing\n");
    }
    for decision in &explained.decided {
        let _infallible = writeln!(text, "  {}", decided(decision));
    }
    if !explained.held.is_empty() {
        text.push_str("\nheld\n");
    }
    for held in &explained.held {
        let _infallible = writeln!(text, "  {}: {}", held.trigger, held.says);
    }
    for stands in &explained.triggers {
        text.push_str(&trigger(stands));
    }
    text
}

/// What was decided of a moment, as the topic of decisions has it, in a sentence with its evidence.
fn decided(decision: &Value) -> String {
    let word = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    let treatment = &decision["treatment"];
    let what = match (decision["decision"].as_str(), decision["reason"].as_str()) {
        (Some("treat"), _) => format!(
            "sent {} by {}",
            word(treatment, "template"),
            word(treatment, "channel")
        ),
        (Some("withdraw"), reason) => {
            format!("taken back, {}", reason.unwrap_or_default())
        }
        (_, reason) => format!("not sent, {}", reason.unwrap_or_default()),
    };
    let evidence = &decision["evidence"];
    let events = evidence["events"].as_array().into_iter().flatten();
    let events = events.map(|event| format!("{} at {}", word(event, "id"), word(event, "time")));
    let facts = evidence["facts"].as_object().into_iter().flatten();
    let facts = facts.map(|(name, value)| format!("{name} {value}"));
    let because: Vec<String> = events.chain(facts).collect();
    let because = match because.is_empty() {
        true => String::new(),
        false => format!(" (because of {})", because.join(", ")),
    };
    let decided_at = match word(decision, "decided_at") {
        at if at == word(decision, "moment_at") => String::new(),
        at => format!(", decided at {at}"),
    };
    format!(
        "{}  {}: {what}{decided_at}{because}",
        word(decision, "moment_at"),
        word(decision, "trigger")
    )
}

fn trigger(stands: &Stands) -> String {
    let mut text = format!("\n{}: {}\n", stands.trigger, stands.about.join(" "));
    for lacks in &stands.missing {
        let _infallible = writeln!(text, "  {}", lacks.says);
        for (name, value) in &lacks.by {
            if let Value::Object(_) | Value::Array(_) = value {
                let _infallible = writeln!(text, "    {name}: {value}");
            }
        }
    }
    text.push_str("  If it came true now:\n");
    let width = stands.gates.iter().map(|gate| gate.gate.len()).max();
    for gate in &stands.gates {
        let GateSays {
            gate,
            verdict,
            says,
            ..
        } = gate;
        let width = width.unwrap_or(0);
        let says = capitalised(says);
        let _infallible = writeln!(text, "    {gate:width$}  {verdict:7}  {says}.");
    }
    text
}
