//! A report as text.

use std::fmt::Write as _;

use super::{Difference, Line, Report};

/// For a terminal: a line for each trigger, and below it its treatments and segments.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let names: Vec<String> = report.lines.iter().map(name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(7);
    let _ = writeln!(
        text,
        "{:width$}  {:>8}  {:>8}  {:>8}  {:>9}  {:>12}  {:>10}  {:>25}",
        "trigger",
        "moments",
        "treated",
        "held out",
        "converted",
        "value",
        "cost",
        "lift, 95 % at any time"
    );
    for (line, name) in report.lines.iter().zip(names) {
        let lift = line.lift.map_or_else(|| "-".to_owned(), percent);
        let _ = writeln!(
            text,
            "{name:width$}  {:>8}  {:>8}  {:>8}  {:>9}  {:>12.2}  {:>10.2}  {lift:>25}",
            line.moments, line.treated, line.held_out, line.conversions, line.value, line.cost
        );
    }
    for line in report.triggers() {
        if let Some(case) = &line.business_case {
            let Difference { found, low, high } = case.incremental;
            let _ = writeln!(
                text,
                "{}: {found:.2} {} of margin beyond the hold-out ({low:.2} to {high:.2}), {:.2} of cost",
                line.trigger, report.currency, case.cost
            );
        }
    }
    text
}

/// What a line counts.
pub(super) fn name(line: &Line) -> String {
    let mut name = match &line.treatment {
        None => line.trigger.clone(),
        Some(treatment) => format!("  {treatment}"),
    };
    if let Some(segment) = &line.segment {
        let _ = write!(name, " [{segment}]");
    }
    name
}

/// A difference of rates, in points of percent.
pub(super) fn percent(lift: Difference) -> String {
    let points = |share: f64| share * 100.0;
    format!(
        "{:+.2} % ({:+.2} to {:+.2})",
        points(lift.found),
        points(lift.low),
        points(lift.high)
    )
}
