//! What a rehearsal prints.

use std::io::{self, Write as _};

use indicatif::HumanCount;

use super::Format;
use crate::decode::EVENT_NAME;
use crate::population::score::Score;
use crate::rehearsal::Summary;
use crate::rehearsal::expected::Expected;
use crate::rehearsal::forecast::Forecast;
use crate::time::Timestamp;

/// Names of undeclared events that are said.
const SAID: usize = 10;

/// Prints what was counted.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn print(format: Format, summary: &Summary) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer(&mut out, summary)?;
            writeln!(out)?;
        }
        Format::Text => out.write_all(text(summary).as_bytes())?,
    }
    Ok(())
}

/// Who is no customer by herself any more.
fn removed(summary: &Summary) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if summary.erased > 0 || summary.expired > 0 {
        let _ = writeln!(
            text,
            "{} erased, {} events from before their erasure dropped, {} expired",
            summary.erased, summary.dropped_as_erased, summary.expired
        );
    }
    if summary.united > 0 || !summary.kept_apart.is_empty() {
        let apart: u64 = summary.kept_apart.values().sum();
        let _ = writeln!(
            text,
            "{} became one with who they were before, {apart} were kept apart",
            summary.united
        );
    }
    if !summary.referrals.is_empty() {
        let of = summary.referrals.iter();
        let of: Vec<String> = of
            .map(|(outcome, codes)| format!("{codes} {outcome}"))
            .collect();
        let _ = writeln!(text, "codes of others that were brought: {}", of.join(", "));
    }
    text
}

/// Events that came twice, or not in their time.
fn out_of_turn(summary: &Summary) -> String {
    if summary.duplicates == 0 && summary.late == 0 && summary.set_back == 0 {
        return String::new();
    }
    let back = match summary.set_back {
        0 => String::new(),
        back => format!(", {back} ahead of their own append and set back to it"),
    };
    format!(
        "{} duplicates, {} late{back}\n",
        summary.duplicates, summary.late
    )
}

fn text(summary: &Summary) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    let rate = summary.events as f64 / summary.elapsed_seconds.max(1e-9);
    let _ = writeln!(
        text,
        "{} events of {} customers, {} to {}, in {:.1} s ({:.0} a second)",
        HumanCount(summary.events),
        HumanCount(summary.customers as u64),
        time(summary.from),
        time(summary.until),
        summary.elapsed_seconds,
        rate
    );
    text.push_str(&out_of_turn(summary));
    text.push_str(&removed(summary));
    for (reason, count) in &summary.rejected {
        let are = if *count == 1 {
            "record is no event"
        } else {
            "records are no events"
        };
        let example = summary.rejected_examples.get(reason);
        let example = example.map_or(String::new(), |it| format!(", such as: {it}"));
        let _ = writeln!(text, "{count} {are}: {reason}{example}");
    }
    text.push_str(&unread(summary));
    let width = summary
        .triggers
        .iter()
        .map(|t| t.trigger.len())
        .max()
        .unwrap_or(0)
        .max(7);
    let _ = writeln!(
        text,
        "\n{:width$}  {:>9}  {:>9}  {:>9}  {:>9}  refused",
        "trigger", "moments", "customers", "treated", "open"
    );
    for trigger in &summary.triggers {
        let refused = trigger.refused.iter();
        let refused = refused.map(|(reason, n)| format!("{} {n}", reason.word()));
        let withdrawn = trigger.withdrawn.iter();
        let withdrawn = withdrawn.map(|(why, n)| format!("taken back {} {n}", why.word()));
        let refused: Vec<_> = refused.chain(withdrawn).collect();
        let _ = writeln!(
            text,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>9}{}{}",
            trigger.trigger,
            trigger.moments,
            trigger.customers,
            trigger.treatments,
            trigger.open,
            if refused.is_empty() { "" } else { "  " },
            refused.join(", ")
        );
    }
    for warning in &summary.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text.push_str(&scored(&summary.scores));
    text.push_str(&forecast(summary.forecast.as_deref().unwrap_or_default()));
    text.push_str(&expected(summary.expected.as_deref().unwrap_or_default()));
    text
}

/// What treatments may bring by what was measured.
pub(super) fn expected(triggers: &[Expected]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if triggers.is_empty() {
        return text;
    }
    let width = triggers.iter().map(|it| it.trigger.len()).max();
    let width = width.unwrap_or(0).max(15);
    let _ = writeln!(
        text,
        "\n{:width$}  {:>10}  {:>12}  {:>11}  {:>12}  {:>10}",
        "by the measured", "treatments", "not measured", "conversions", "value", "cost"
    );
    for it in triggers {
        let _ = writeln!(
            text,
            "{:width$}  {:>10}  {:>12}  {:>11.1}  {:>12.2}  {:>10.2}",
            it.trigger, it.treated, it.unmeasured, it.conversions, it.value, it.cost
        );
    }
    text
}

/// What would be sent when.
fn forecast(channels: &[Forecast]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if channels.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "\n{:12}  {:>10}  {:>10}  {:>24}  {:>26}   (UTC)",
        "channel", "treatments", "a day", "at most on a day", "at most in an hour"
    );
    for it in channels {
        let ((day, of_day), (hour, of_hour)) = (&it.busiest_day, &it.busiest_hour);
        let _ = writeln!(
            text,
            "{:12}  {:>10}  {:>10.1}  {:>24}  {:>26}",
            it.channel,
            it.treatments,
            it.daily_mean,
            format!("{of_day} on {day}"),
            format!("{of_hour} at {}h", hour.replace('T', " ")),
        );
    }
    text
}

/// What of events could not be read, with an example.
fn unread(summary: &Summary) -> String {
    let defects = summary.defects.iter();
    let defects = defects.filter(|(name, _)| name.as_str() != EVENT_NAME);
    let lines = defects.map(|(name, defect)| {
        let times = match defect.count {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        let (example, expected) = (&defect.example, defect.expected);
        format!("`{name}` cannot be read, {times}: {example}; expected {expected}\n")
    });
    lines.chain(undeclared(summary)).collect()
}

/// Names of events that nobody declared, the most frequent first.
fn undeclared(summary: &Summary) -> Option<String> {
    let names = &summary.undeclared_events;
    let mut names: Vec<_> = names.iter().map(|(name, count)| (*count, name)).collect();
    names.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let of: u64 = names.iter().map(|(count, _)| count).sum();
    let said = { names.iter().take(SAID) }.map(|(count, name)| format!("`{name}` {count}"));
    let said = said.collect::<Vec<_>>().join(", ");
    let more = match names.len().saturating_sub(SAID) {
        0 => String::new(),
        more => format!(", and {more} names more"),
    };
    (of > 0).then(|| {
        format!(
            "{of} events by a name that is neither known nor declared under [events]: {said}{more}\n"
        )
    })
}

/// How well triggers do: of their moments how many are right, and of what there is how much they found.
fn scored(scores: &[Score]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if scores.is_empty() {
        return text;
    }
    let percent = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    };
    let _ = writeln!(
        text,
        "\n{:17}  {:>9}  {:>9}  {:>9}  {:>9}  of",
        "by what is true", "right", "precision", "found", "recall"
    );
    for score in scores {
        let _ = writeln!(
            text,
            "{:17}  {:>9}  {:>9}  {:>9}  {:>9}  {} {}",
            score.trigger,
            score.right,
            percent(score.right, score.moments),
            score.found,
            percent(score.found, score.all),
            score.all,
            score.sought
        );
    }
    text
}
