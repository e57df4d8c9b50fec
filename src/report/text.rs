//! A report as text.

use std::fmt::Write as _;

use super::journey::{Shown, counts};
use super::{Difference, Kpi, Line, Report};

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
    for line in report.triggers() {
        if let Some(kpi) = &line.kpi {
            let _ = writeln!(text, "{}: {} {}", line.trigger, kpi.name, measured(kpi));
        }
    }
    for line in report.triggers() {
        if let Some(journey) = &line.journey {
            funnel(&line.trigger, journey, &mut text);
        }
    }
    text
}

/// What a KPI comes to, and of what.
pub(super) fn measured(kpi: &Kpi) -> String {
    let value = kpi
        .value
        .map_or_else(|| "-".to_owned(), |it| format!("{it:.4}"));
    match kpi.per {
        None => format!("{} ({})", kpi.of, kpi.is),
        Some(per) => format!("{value} ({}, {} / {per})", kpi.is, kpi.of),
    }
}

/// How many came to each step, and went on from there.
fn funnel(trigger: &str, journey: &Shown, text: &mut String) {
    let _ = writeln!(
        text,
        "\njourney of {trigger}: {} entered, {}",
        journey.entered,
        whereabouts(journey)
    );
    let width = journey.steps.iter().map(|it| it.step.len()).max();
    let width = width.unwrap_or(0).max(4);
    for step in &journey.steps {
        let ways = counts(step.ways.iter().map(|(way, n)| (way.as_str(), n)));
        let line = format!("  {:width$}  {:>8}  {ways}", step.step, step.came);
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// How many are inside, and how many left and why.
pub(super) fn whereabouts(journey: &Shown) -> String {
    let left = counts(journey.left.iter().map(|(why, n)| (*why, n)));
    match left.as_str() {
        "" => format!("{} inside", journey.inside),
        left => format!("{} inside; left: {left}", journey.inside),
    }
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
