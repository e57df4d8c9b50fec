//! A report as a page: one file that opens by itself.

use std::fmt::Write as _;

use super::journey::{Shown, counts};
use super::page::{Bar, bars, escaped, svg};
use super::text::{measured, name, percent, whereabouts};
use super::{Difference, Line, Report};

/// Columns of the table of figures.
const COLUMNS: [&str; 10] = [
    "",
    "moments",
    "treated",
    "held out",
    "delivered",
    "opened",
    "clicked",
    "converted",
    "value",
    "cost",
];

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let currency = match report.currency.as_str() {
        "" => "each customer's own currency".to_owned(),
        code => escaped(code),
    };
    let _ = write!(
        page,
        "<p class=\"note\">Amounts are in {currency}. A goal is credited to the last treatment before it. Intervals hold at any time of \
         looking, in {:.0} of 100 experiments.</p>",
        (1.0 - report.alpha) * 100.0
    );
    lifts(report, &mut page);
    cases(report, &mut page);
    kpis(report, &mut page);
    for line in report.triggers() {
        if let Some(journey) = &line.journey {
            funnel(&line.trigger, journey, &mut page);
        }
    }
    figures(report, &mut page);
    super::page::page("What it was worth", &page)
}

/// The lift of each trigger as a bar from low to high, with the difference as it was counted.
fn lifts(report: &Report, page: &mut String) {
    let lifts: Vec<(&Line, Difference)> = report
        .triggers()
        .filter_map(|line| Some((line, line.lift?)))
        .collect();
    page.push_str("<h2>Lift in conversion, treated against held out</h2>");
    if lifts.is_empty() {
        page.push_str("<p>No trigger has closed customers in both groups yet.</p>");
        return;
    }
    let ends = lifts.iter().flat_map(|(_, it)| [it.low, it.high, 0.0]);
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), it| {
        (low.min(it), high.max(it))
    });
    let x = |share: f64| 260.0 + (share - low) / (high - low).max(1e-9) * 500.0;
    let height = 30 * lifts.len() + 10;
    page.push_str(&svg("Lift by trigger", height));
    let _ = write!(
        page,
        "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{height}\" stroke=\"#8c959f\" stroke-dasharray=\"3 3\"/>",
        x(0.0)
    );
    for (row, (line, lift)) in lifts.iter().enumerate() {
        let y = 30 * row + 20;
        let colour = match lift {
            lift if lift.low > 0.0 => "#1a7f37",
            lift if lift.high < 0.0 => "#cf222e",
            _ => "#6e7781",
        };
        let _ = write!(
            page,
            "<text x=\"0\" y=\"{}\">{}</text><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" \
             stroke-width=\"4\"/><circle cx=\"{:.1}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/><text x=\"775\" y=\"{}\">{}</text>",
            y + 4,
            escaped(&line.trigger),
            x(lift.low),
            x(lift.high),
            x(lift.found),
            y + 4,
            percent(*lift)
        );
    }
    page.push_str("</svg>");
}

/// What was brought and what it cost.
fn cases(report: &Report, page: &mut String) {
    let mut rows = String::new();
    for line in &report.lines {
        let Some(case) = &line.business_case else {
            continue;
        };
        let Difference { found, low, high } = case.incremental;
        let back = case
            .return_on_cost
            .map_or_else(|| "-".to_owned(), |it| format!("{it:.2}"));
        let _ = write!(
            rows,
            "{}<td>{found:.2}</td><td>{low:.2} to {high:.2}</td><td>{:.2}</td><td>{:.2}</td><td>{back}</td></tr>",
            first_cell(line),
            case.cost,
            case.profit
        );
    }
    page.push_str("<h2>The business case</h2>");
    if rows.is_empty() {
        page.push_str(
            "<p>No goal says the most that one customer is worth (<code>at_most</code>), so there is no interval for value.</p>",
        );
        return;
    }
    let _ = write!(
        page,
        "<table><tr><th></th><th>margin beyond the hold-out</th><th>where it is</th><th>cost</th><th>profit</th><th>return</th></tr>\
         {rows}</table>"
    );
}

/// What triggers are measured by.
fn kpis(report: &Report, page: &mut String) {
    let measures = report.lines.iter();
    let mut measures = measures
        .filter_map(|line| Some((line, line.kpi.as_ref()?)))
        .peekable();
    if measures.peek().is_none() {
        return;
    }
    page.push_str("<h2>KPIs</h2><table><tr><th></th><th>KPI</th><th>so far</th></tr>");
    for (line, kpi) in measures {
        let _ = write!(
            page,
            "{}<td>{}</td><td>{}</td></tr>",
            first_cell(line),
            escaped(&kpi.name),
            escaped(&measured(kpi))
        );
    }
    page.push_str("</table>");
}

/// A bar for each step of a journey, as long as the share that came to it.
fn funnel(trigger: &str, journey: &Shown, page: &mut String) {
    let _ = write!(
        page,
        "<h2>The journey of {}</h2><p>{} entered, {}.</p>",
        escaped(trigger),
        journey.entered,
        escaped(&whereabouts(journey))
    );
    #[expect(clippy::cast_precision_loss, reason = "a bar has some hundred pixels")]
    let steps = journey.steps.iter().map(|step| Bar {
        name: &step.step,
        share: step.came as f64 / journey.entered.max(1) as f64,
        count: step.came,
        note: counts(step.ways.iter().map(|(way, n)| (way.as_str(), n))),
    });
    let steps: Vec<Bar<'_>> = steps.collect();
    page.push_str(&bars("Those who came to each step", &steps));
}

fn figures(report: &Report, page: &mut String) {
    page.push_str("<h2>Figures</h2><table><tr>");
    for column in COLUMNS {
        let _ = write!(page, "<th>{column}</th>");
    }
    page.push_str("</tr>");
    for line in &report.lines {
        let reacted = |word| line.reactions.get(word).copied().unwrap_or(0);
        let _ = write!(
            page,
            "{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{:.2}</td></tr>",
            first_cell(line),
            line.moments,
            line.treated,
            line.held_out,
            reacted("delivered"),
            reacted("opened"),
            reacted("clicked"),
            line.conversions,
            line.value,
            line.cost
        );
    }
    page.push_str(
        "</table><h2>Why moments were not treated</h2><table><tr><th></th><th>reasons</th></tr>",
    );
    for line in report.triggers().filter(|line| !line.refused.is_empty()) {
        let reasons = line.refused.iter();
        let reasons: Vec<String> = reasons.map(|(reason, n)| format!("{reason} {n}")).collect();
        let _ = write!(
            page,
            "{}<td>{}</td></tr>",
            first_cell(line),
            escaped(&reasons.join(", "))
        );
    }
    page.push_str("</table>");
}

/// The start of a row: a part of a trigger stands back.
fn first_cell(line: &Line) -> String {
    let is_part = line.treatment.is_some() || line.segment.is_some();
    let class = if is_part { " class=\"part\"" } else { "" };
    format!("<tr{class}><td>{}</td>", escaped(&name(line)))
}
