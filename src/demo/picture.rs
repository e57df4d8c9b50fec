//! The picture that the screen draws: counts by trigger, and two stories, in as many rows and columns as there are.

use console::{Style, measure_text_width, truncate_str};

use super::programmes::Programmes;
use super::stories::{Line, Stories};
use super::tally::Tally;
use crate::time::{DAY_MS, Timestamp};

/// A story is no longer than this.
const STORY_ROWS: usize = 16;
/// Wider lines are hard to read.
pub const WIDTH_MAX: usize = 120;
/// Fewer rows than this have no room for two stories.
const LOW: usize = 36;
/// How long a story keeps its turn there, in event time: four seconds on the wall.
const TURN_MS: i64 = 3 * DAY_MS;
/// How wide the column of times is.
const TIMES: usize = 20;

/// All that is shown.
pub struct View<'a> {
    /// The triggers.
    pub programmes: &'a Programmes,
    /// What was decided.
    pub tally: &'a Tally,
    /// Who did what.
    pub stories: &'a Stories,
    /// When the demo's first day began.
    pub from: Timestamp,
    /// What its clock shows.
    pub now: Timestamp,
    /// How many days it will last, if it ends by itself.
    pub days: Option<i64>,
    /// Events sent so far.
    pub events: u64,
    /// Events a second, lately.
    pub rate: f64,
    /// Where to look for more: a word, and an address or a command.
    pub pointers: &'a [(&'static str, String)],
}

/// How it stands, in one line.
pub fn progress(view: &View<'_>) -> String {
    format!(
        "{}: {} events, {:.0} a second; {} moments, {} treated",
        calendar(view),
        grouped(view.events),
        view.rate,
        grouped(view.tally.moments()),
        grouped(view.tally.treated())
    )
}

fn calendar(view: &View<'_>) -> String {
    let now = shown(view.now, "%a %e %b %Y, %H:%M UTC");
    let day = (view.now.0 - view.from.0).div_euclid(DAY_MS) + 1;
    match view.days {
        _ if day < 1 => format!("{now}, before the first day"),
        Some(days) => format!("{now}, day {} of {days}", day.min(days)),
        None => format!("{now}, day {day}"),
    }
}

/// The whole picture in so many columns, and rows where those are short.
pub fn picture(view: &View<'_>, columns: usize, rows: usize) -> Vec<String> {
    let width = columns.clamp(40, WIDTH_MAX) - 1;
    let is_low = rows < LOW;
    let mut lines = head(view, width);
    lines.extend(table(view, width));
    let pointers = pointers(view, width, if is_low { 1 } else { view.pointers.len() });
    // One row stays free, so that the terminal does not scroll.
    let left = rows.saturating_sub(lines.len() + pointers.len() + 1);
    let seated: Vec<&str> = view.stories.seated().collect();
    // Where there is no room for all, they take turns.
    let turn = usize::try_from(view.now.0 / TURN_MS).unwrap_or(0);
    let shown = if is_low {
        seated.get(turn % seated.len().max(1)..).unwrap_or_default()
    } else {
        &seated
    };
    let shown = if is_low {
        &shown[..shown.len().min(1)]
    } else {
        shown
    };
    let each = (left / shown.len().max(1))
        .saturating_sub(1)
        .min(STORY_ROWS);
    for customer in shown.iter().filter(|_| each > 2) {
        lines.push(String::new());
        lines.extend(story(view, customer, each, width));
    }
    lines.extend(pointers);
    lines.truncate(rows.saturating_sub(1));
    lines
}

fn head(view: &View<'_>, width: usize) -> Vec<String> {
    let (bold, dim) = (Style::new().bold(), Style::new().dim());
    let left = bold.apply_to("moments, a demo").to_string();
    let right = calendar(view);
    let gap = width
        .saturating_sub(measure_text_width(&left) + measure_text_width(&right))
        .max(2);
    let counts = format!(
        "{} events of {} customers, {:.0} a second now",
        grouped(view.events),
        grouped(view.stories.customers() as u64),
        view.rate
    );
    vec![
        truncate_str(&format!("{left}{}{right}", " ".repeat(gap)), width, "…").into_owned(),
        dim.apply_to(truncate_str(&counts, width, "…")).to_string(),
        String::new(),
    ]
}

fn table(view: &View<'_>, width: usize) -> Vec<String> {
    let (dim, good) = (Style::new().dim(), Style::new().green());
    let tally = view.tally;
    let name = tally
        .triggers
        .iter()
        .map(|count| count.trigger.len())
        .max()
        .unwrap_or(0)
        .max(7);
    let row = |trigger: &str, moments: &str, treated: &str, why: &str| {
        let treated = good.apply_to(format!("{treated:>8}"));
        let line = format!("{trigger:name$}  {moments:>8}  {treated}  {why}");
        truncate_str(&line, width, "…").into_owned()
    };
    let heading = format!(
        "{:name$}  {:>8}  {:>8}  not treated, because",
        "trigger", "moments", "treated"
    );
    let mut lines = vec![dim.apply_to(truncate_str(&heading, width, "…")).to_string()];
    for count in &tally.triggers {
        lines.push(row(
            &count.trigger,
            &grouped(count.moments),
            &grouped(count.treated),
            &count.why_not(),
        ));
    }
    let before = format!(
        "past: {}, of which {} in time",
        grouped(tally.before),
        grouped(tally.before_treated)
    );
    lines.push(row(
        "all",
        &grouped(tally.moments()),
        &grouped(tally.treated()),
        &dim.apply_to(before).to_string(),
    ));
    lines
}

/// The newest of a story that fits into so many rows, under the name of whose it is.
fn story(view: &View<'_>, customer: &str, rows: usize, width: usize) -> Vec<String> {
    let Some((who, chapters)) = view.stories.of(customer, view.programmes) else {
        return Vec::new();
    };
    let count = |chapter: &Vec<Line>| {
        chapter
            .iter()
            .map(|line| wrapped(words(line), width).len())
            .sum::<usize>()
    };
    let mut left = rows - 1;
    let mut from = chapters.len();
    while from > 0 && count(&chapters[from - 1]) <= left {
        from -= 1;
        left -= count(&chapters[from]);
    }
    let mut day = String::new();
    let mut shown: Vec<String> = vec![
        Style::new()
            .bold()
            .apply_to(truncate_str(&who, width, "…"))
            .to_string(),
    ];
    for line in chapters[from..].iter().flatten() {
        shown.extend(lines_of(line, &mut day, width));
    }
    shown
}

/// A line with its time, over as many rows as it needs.
fn lines_of(line: &Line, day: &mut String, width: usize) -> Vec<String> {
    let mut margin = " ".repeat(TIMES);
    if let Line::Did(at, _) | Line::Moment(at, ..) = line {
        let today = shown(*at, "%a %e %b");
        let date = if today == *day {
            " ".repeat(10)
        } else {
            today.clone()
        };
        *day = today;
        let times = format!("  {date} {}  ", shown(*at, "%H:%M"));
        margin = Style::new().dim().apply_to(times).to_string();
    }
    let style = match line {
        Line::Did(..) => Style::new(),
        Line::Moment(..) => Style::new().cyan(),
        Line::Sent(_) => Style::new().green(),
        Line::Refused(_) => Style::new().yellow(),
    };
    let margins = std::iter::once(margin).chain(std::iter::repeat(" ".repeat(TIMES)));
    let rows = wrapped(words(line), width).into_iter();
    margins
        .zip(rows)
        .map(|(margin, row)| format!("{margin}{}", style.apply_to(row)))
        .collect()
}

fn words(line: &Line) -> String {
    match line {
        Line::Did(_, words) => words.clone(),
        Line::Moment(_, trigger, why) => format!("* {trigger}: {why}"),
        Line::Sent(what) => format!("  → {what}"),
        Line::Refused(what) => format!("  × {what}"),
    }
}

/// Text in rows that fit beside the times, broken between words.
fn wrapped(text: String, width: usize) -> Vec<String> {
    let room = width.saturating_sub(TIMES).max(20);
    if measure_text_width(&text) <= room {
        return vec![text];
    }
    let mut rows = vec![String::new()];
    for (i, word) in text.split(' ').enumerate() {
        let row = rows
            .last_mut()
            .filter(|row| measure_text_width(row) + 1 + measure_text_width(word) <= room);
        match row {
            Some(row) => {
                if i > 0 {
                    row.push(' ');
                }
                row.push_str(word);
            }
            None => rows.push(format!("    {word}")),
        }
    }
    rows.iter()
        .map(|row| truncate_str(row, room, "…").into_owned())
        .collect()
}

fn pointers(view: &View<'_>, width: usize, count: usize) -> Vec<String> {
    let dim = Style::new().dim();
    let line = |(what, address): &(&str, String)| {
        let line = format!("{} {address}", dim.apply_to(format!("{what:>8}")));
        truncate_str(&line, width, "…").into_owned()
    };
    let shown = view.pointers.iter().take(count).map(line);
    std::iter::once(String::new()).chain(shown).collect()
}

/// A time in UTC, as strftime has it.
fn shown(at: Timestamp, format: &str) -> String {
    let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    instant.strftime(format).to_string()
}

/// 12345 as 12,345.
fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        let rows = wrapped(
            "  → e-mail: thank-you-gift-above, with gift with order above 43 EUR".to_owned(),
            60,
        );
        assert_eq!(
            rows,
            [
                "  → e-mail: thank-you-gift-above, with",
                "    gift with order above 43 EUR"
            ]
        );
        assert_eq!(wrapped("short".to_owned(), 60), ["short"]);
    }
}
