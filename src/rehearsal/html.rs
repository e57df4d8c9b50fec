//! A rehearsal as a page: one file that opens by itself ([`crate::report::page`]).

use std::fmt::Write as _;

use super::Summary;
use super::compare::TriggerDifference;
use super::expected::Expected;
use super::forecast::Forecast;
use super::summary::TriggerSummary;
use crate::report::page::{self, Bar, bars, columns, escaped, table};
use crate::time::Timestamp;
use crate::treatment::Reason;

/// A set of triggers that was rehearsed.
#[derive(Debug)]
pub struct Rehearsed<'r> {
    /// What it is called.
    pub title: &'r str,
    /// What was counted.
    pub summary: &'r Summary,
    /// What would be sent when, by channel.
    pub forecast: Vec<Forecast>,
    /// What that may bring, with the currency of its amounts; none where nothing was measured.
    pub expected: Option<(String, Vec<Expected>)>,
}

/// The page of one set, or of two and what differs: of which differences it names the customers that it is given.
#[must_use]
pub fn page(sets: &[Rehearsed<'_>], differences: Option<&[TriggerDifference]>) -> String {
    let mut body = String::new();
    if let Some(first) = sets.first() {
        let Summary {
            events, customers, ..
        } = first.summary;
        let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let (from, until) = (time(first.summary.from), time(first.summary.until));
        let _ = write!(
            body,
            "<p class=\"note\">{events} events of {customers} customers, {from} to {until}. Days and hours are those of UTC.</p>"
        );
    }
    if let Some(differences) = differences {
        compared(differences, &mut body);
    }
    for set in sets {
        if sets.len() > 1 {
            let _ = write!(body, "<h2>By {}</h2>", escaped(set.title));
        }
        sent(&set.forecast, &mut body);
        if let Some((currency, expected)) = &set.expected {
            brought(currency, expected, &mut body);
        }
        caps(&set.summary.triggers, &mut body);
        triggers(&set.summary.triggers, &mut body);
    }
    page::page("A rehearsal", &body)
}

/// What would be sent, by channel, day and hour.
fn sent(forecast: &[Forecast], body: &mut String) {
    body.push_str("<h2>What would be sent when</h2>");
    if forecast.is_empty() {
        body.push_str("<p>Nothing.</p>");
    }
    for channel in forecast {
        let name = escaped(&channel.channel);
        let ((day, of_day), (hour, of_hour)) = (&channel.busiest_day, &channel.busiest_hour);
        let _ = write!(
            body,
            "<h3>{name}</h3><p>{} treatments, {:.1} a day; at most {of_day} on a day, {day}, and {of_hour} in an hour, {}h.</p>",
            channel.treatments,
            channel.daily_mean,
            hour.replace('T', " ")
        );
        body.push_str(&columns("Treatments by day", &channel.by_day));
        let hours = channel.by_hour_of_day.iter().enumerate();
        let hours: Vec<_> = hours
            .map(|(hour, n)| (format!("{hour:02}:00"), *n))
            .collect();
        body.push_str(&columns("Treatments by hour of the day", &hours));
    }
}

/// What treatments may bring by what was measured.
fn brought(currency: &str, expected: &[Expected], body: &mut String) {
    let currency = match currency {
        "" => "each customer's own currency",
        code => code,
    };
    let _ = write!(
        body,
        "<h2>What it may bring</h2><p class=\"note\">By the rates that were measured, credited to the last treatment; amounts are in {}. \
         Treatments of which nothing was measured are in no sum.</p>",
        escaped(currency)
    );
    let rows = expected.iter().map(|it| {
        vec![
            it.trigger.clone(),
            it.treated.to_string(),
            it.unmeasured.to_string(),
            format!("{:.1}", it.conversions),
            format!("{:.2}", it.value),
            format!("{:.2}", it.cost),
        ]
    });
    let heads = [
        "",
        "treatments",
        "not measured",
        "conversions",
        "value",
        "cost",
    ];
    body.push_str(&table(&heads, rows));
}

/// Of which moments a cap was reached, as a share of all.
fn caps(triggers: &[TriggerSummary], body: &mut String) {
    let capped = |it: &TriggerSummary| it.refused.get(&Reason::Capped).copied().unwrap_or(0);
    let reached = triggers.iter().filter(|it| capped(it) > 0);
    #[expect(clippy::cast_precision_loss, reason = "a bar has some hundred pixels")]
    let drawn: Vec<Bar<'_>> = reached
        .map(|it| Bar {
            name: &it.trigger,
            share: capped(it) as f64 / it.moments.max(1) as f64,
            count: capped(it),
            note: format!("of {} moments", it.moments),
        })
        .collect();
    body.push_str("<h2>Caps that were reached</h2>");
    match drawn.is_empty() {
        true => body.push_str("<p>None.</p>"),
        false => body.push_str(&bars("Moments that a cap refused", &drawn)),
    }
}

/// What became of the moments of each trigger.
fn triggers(triggers: &[TriggerSummary], body: &mut String) {
    body.push_str("<h2>What became of moments</h2>");
    let rows = triggers.iter().map(|it| {
        let refused = it.refused.iter();
        let refused = refused.map(|(reason, n)| format!("{} {n}", reason.word()));
        let withdrawn = it.withdrawn.iter();
        let withdrawn = withdrawn.map(|(why, n)| format!("taken back {} {n}", why.word()));
        let others: Vec<String> = refused.chain(withdrawn).collect();
        vec![
            it.trigger.clone(),
            it.moments.to_string(),
            it.customers.to_string(),
            it.treatments.to_string(),
            it.open.to_string(),
            others.join(", "),
        ]
    });
    let heads = ["", "moments", "customers", "treated", "open", "refused"];
    body.push_str(&table(&heads, rows));
}

/// What differs between two sets.
fn compared(differences: &[TriggerDifference], body: &mut String) {
    body.push_str("<h2>What differs</h2>");
    let rows = differences.iter().map(|it| {
        let ([moments, others], [treated, of_others]) = (it.moments, it.treated);
        let numbers = [moments, others, treated, of_others, it.same];
        let numbers = numbers.iter().map(u64::to_string);
        std::iter::once(it.trigger.clone()).chain(numbers).collect()
    });
    let heads = [
        "",
        "moments",
        "by the other",
        "treated",
        "by the other",
        "the same",
    ];
    body.push_str(&table(&heads, rows));
    let changes = differences.iter().flat_map(|it| {
        it.changes.iter().map(|change| {
            let more = match change.customers > change.examples.len() {
                true => ", ...",
                false => "",
            };
            vec![
                it.trigger.clone(),
                change.from.clone(),
                change.to.clone(),
                change.moments.to_string(),
                format!("{}{more}", change.examples.join(", ")),
            ]
        })
    });
    let changes: Vec<Vec<String>> = changes.collect();
    if !changes.is_empty() {
        body.push_str(&table(
            &["", "became", "becomes", "moments", "of customers"],
            changes,
        ));
    }
}
