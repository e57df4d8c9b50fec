//! `moments rehearse --compare`: what another set of triggers would have decided differently.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::{Format, Rehearse, create, several};
use crate::document::report::rendered;
use crate::rehearsal::compare::TriggerDifference;
use crate::trigger::set;

/// Rehearses both sets and prints what differs.
///
/// # Errors
/// Where a file cannot be read or written, or triggers of one of the sets do not pass.
pub(super) fn run(args: &Rehearse, other: &Path) -> anyhow::Result<()> {
    let (config, basis, plan) = args.plan()?;
    let another = set::load(other, &basis).map_err(|it| anyhow::Error::msg(rendered(&it)))?;
    let found = several(
        (&config, &basis),
        vec![plan, another],
        &args.events,
        (args.threads(), true),
    )?;
    let [one, another] = &found[..] else {
        anyhow::bail!("two sets are rehearsed");
    };
    if let Some(path) = &args.differences {
        let mut out = create(path)?;
        for difference in one.fates.differences(&another.fates) {
            serde_json::to_writer(&mut out, &difference)?;
            out.write_all(b"\n")?;
        }
        out.flush().with_context(|| path.display().to_string())?;
    }
    let compared = one.fates.compared(&another.fates);
    let measured = args.measured(&config)?;
    let sets = [one, another].map(|it| (&it.summary, &it.sends));
    args.write_page(&sets, measured.as_ref(), Some(&compared))?;
    let figures = [one, another].map(|it| &it.summary.figures);
    let expected = measured.map(|it| figures.map(|figures| it.expected(figures)));
    let events = one.summary.events;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Json => {
            let mut json = serde_json::json!({"events": events, "triggers": compared});
            if let Some(expected) = expected {
                json["expected"] = serde_json::to_value(expected)?;
            }
            writeln!(out, "{json}")?;
        }
        Format::Text => {
            out.write_all(text(events, &compared).as_bytes())?;
            for expected in expected.iter().flatten() {
                out.write_all(super::text::expected(expected).as_bytes())?;
            }
        }
    }
    Ok(())
}

fn text(events: u64, compared: &[TriggerDifference]) -> String {
    let mut text = String::new();
    let width = compared.iter().map(|it| it.trigger.len()).max();
    let width = width.unwrap_or(0).max(7);
    let _ = writeln!(
        text,
        "{events} events, by the one set and by the other\n\n{:width$}  {:>9}  {:>9}  {:>9}  {:>9}  {:>9}",
        "trigger", "moments", "", "treated", "", "the same"
    );
    for it in compared {
        let ([moments, others], [treated, of_others]) = (it.moments, it.treated);
        let _ = writeln!(
            text,
            "{:width$}  {moments:>9}  {others:>9}  {treated:>9}  {of_others:>9}  {:>9}",
            it.trigger, it.same
        );
    }
    for it in compared.iter().filter(|it| !it.changes.is_empty()) {
        let _ = writeln!(text, "\n{}", it.trigger);
        for change in &it.changes {
            let (from, to) = (&change.from, &change.to);
            let more = match change.customers > change.examples.len() {
                true => ", ...",
                false => "",
            };
            let examples = change.examples.join(", ");
            let _ = writeln!(
                text,
                "  {:>9}  {from} -> {to}, of {} customers: {examples}{more}",
                change.moments, change.customers
            );
        }
    }
    text
}
