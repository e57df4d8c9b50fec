//! Expected and got, side by side.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::play::{Got, differences};
use super::{Expected, Scenario};
use crate::time::Timestamp;

/// What differs, for a person to read; `None` where nothing does.
pub fn difference(scenario: &Scenario, treated: &[Got], refused: &[Got]) -> Option<String> {
    let mut text = String::new();
    // Where there are several triggers, whose it is.
    let got = |got: &Got| match scenario.with.is_empty() {
        true => got_row(got),
        false => format!("{}  {}", got_row(got), word(got, "trigger")),
    };
    let mut fails = side_by_side(&mut text, "treatments", &scenario.expect, treated, got);
    if let Some(expected) = &scenario.refused {
        fails |= side_by_side(&mut text, "refusals", expected, refused, got);
    } else if !refused.is_empty() {
        line(&mut text, "refused, which is not checked here:");
        for refused in refused {
            line(&mut text, &format!("    {}", got(refused)));
        }
    }
    fails.then_some(text)
}

/// A row for each expectation and decision; whether one differs.
fn side_by_side(
    text: &mut String,
    what: &str,
    expected: &[Expected],
    got: &[Got],
    row: impl Fn(&Got) -> String,
) -> bool {
    let rows = expected.len().max(got.len());
    let left: Vec<String> = (0..rows)
        .map(|i| expected.get(i).map_or("nothing".to_owned(), expected_row))
        .collect();
    let width = left
        .iter()
        .map(|row| row.chars().count())
        .max()
        .unwrap_or(0)
        .max("expected".len());
    line(text, &format!("{what}:"));
    if rows == 0 {
        line(text, "    none, as expected");
        return false;
    }
    line(text, &format!("    {:width$}   got", "expected"));
    let mut fails = false;
    for (i, left) in left.iter().enumerate() {
        let differs = match (expected.get(i), got.get(i)) {
            (Some(expected), Some(got)) => differences(expected, got),
            _ => vec![],
        };
        let wrong = !differs.is_empty() || expected.len() <= i || got.len() <= i;
        let right = got.get(i).map_or("nothing".to_owned(), &row);
        line(
            text,
            &format!(
                "  {} {left:width$}   {right}",
                if wrong { '✗' } else { ' ' }
            ),
        );
        for (path, expected, got) in differs {
            line(
                text,
                &format!("        {path}: expected {expected}, got {got}"),
            );
        }
        fails |= wrong;
    }
    fails
}

fn expected_row(expected: &Expected) -> String {
    let at = expected.at.map(time);
    let rest = expected.named.iter().map(|(key, value)| match value {
        Json::String(word) => word.clone(),
        value => format!("{key} {value}"),
    });
    at.into_iter().chain(rest).collect::<Vec<_>>().join("  ")
}

fn got_row(got: &Got) -> String {
    match (got.refusal, got.withdrawn) {
        (Some(reason), _) => format!("{}  {}", time(got.at), reason.word()),
        (None, Some(why)) => {
            let channel = word(got, "channel");
            format!("{}  {channel}  withdrawn: {}", time(got.at), why.word())
        }
        (None, None) => format!(
            "{}  {}  {}",
            time(got.at),
            word(got, "channel"),
            word(got, "template")
        ),
    }
}

fn word(got: &Got, key: &str) -> String {
    got.value(key).as_str().unwrap_or_default().to_owned()
}

/// An instant as scenarios write it: without milliseconds where there are none.
fn time(at: Timestamp) -> String {
    at.to_string().replace(".000Z", "Z")
}

fn line(text: &mut String, line: &str) {
    let _infallible = writeln!(text, "{}", line.trim_end());
}
