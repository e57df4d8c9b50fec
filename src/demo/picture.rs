//! The picture that the screen draws: counts by trigger, and two stories, in as many rows and columns as there are.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::programmes::Programmes;
use super::stories::{self, Stories};
use super::tally::{Count, Tally};
use crate::time::{DAY_MS, Timestamp};

/// A story is no longer than this.
const STORY_ROWS: usize = 16;
/// It has at least so many rows, if it is shown.
const STORY_ROWS_MIN: usize = 8;
/// Wider lines are hard to read.
pub const WIDTH_MAX: usize = 120;
/// Fewer rows than this have no room for two stories.
const LOW: usize = 36;
/// Fewer triggers than this are not worth a table.
const TRIGGERS_MIN: usize = 5;
/// How long a story keeps its turn there, in event time: four seconds on the wall.
const TURN_MS: i64 = 3 * DAY_MS;
/// How wide the column of times is.
const TIMES: usize = 20;
/// How wide the longest bar is.
const BAR: usize = 16;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().fg(Color::DarkGray);
const SENT: Style = Style::new().fg(Color::Green);
const REFUSED: Style = Style::new().fg(Color::Yellow);
const MOMENT: Style = Style::new().fg(Color::Cyan);

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
pub fn picture(view: &View<'_>, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let width = columns.clamp(40, WIDTH_MAX);
    let is_low = rows < LOW;
    let pointers = pointers(view, if is_low { 1 } else { view.pointers.len() });
    let shown = seated(view, is_low);
    let mut lines = head(view, width);
    let stories = shown.len() * (STORY_ROWS_MIN + 1);
    let taken = lines.len() + pointers.len() + stories + 3;
    lines.extend(table(view, rows.saturating_sub(taken).max(TRIGGERS_MIN)));
    let left = rows.saturating_sub(lines.len() + pointers.len());
    let each = (left / shown.len().max(1))
        .saturating_sub(1)
        .min(STORY_ROWS);
    for customer in shown.iter().filter(|_| each > 2) {
        lines.push(Line::default());
        lines.extend(story(view, customer, each, width));
    }
    lines.extend(pointers);
    lines.truncate(rows);
    lines
}

/// Whose stories are shown: where there is no room for all, they take turns.
fn seated<'a>(view: &View<'a>, is_low: bool) -> Vec<&'a str> {
    let mut seated: Vec<&str> = view.stories.seated().collect();
    if is_low && !seated.is_empty() {
        let turn = usize::try_from(view.now.0 / TURN_MS).unwrap_or(0) % seated.len();
        seated = vec![seated[turn]];
    }
    seated
}

fn head(view: &View<'_>, width: usize) -> Vec<Line<'static>> {
    let left = "moments, a demo";
    let right = calendar(view);
    let gap = width.saturating_sub(left.len() + right.len()).max(2);
    let counts = format!(
        "{} events of {} customers, {:.0} a second now",
        grouped(view.events),
        grouped(view.stories.customers() as u64),
        view.rate
    );
    vec![
        Line::from(vec![
            Span::styled(left, BOLD),
            Span::raw(" ".repeat(gap)),
            Span::raw(right),
        ]),
        Line::styled(counts, DIM),
        Line::default(),
    ]
}

/// Counts by trigger: as many rows as there is room for, the busiest ones, in the order of their priority.
fn table(view: &View<'_>, rows: usize) -> Vec<Line<'static>> {
    let tally = view.tally;
    let mut counts: Vec<&Count> = tally.triggers.iter().collect();
    if counts.len() > rows {
        let mut moments: Vec<u64> = counts.iter().map(|count| count.moments).collect();
        moments.sort_unstable_by(|a, b| b.cmp(a));
        let least = moments[rows - 2];
        counts.retain(|count| count.moments >= least);
        counts.truncate(rows - 1);
    }
    let name = tally.triggers.iter().map(|count| count.trigger.len());
    let name = name.max().unwrap_or(0).max(7);
    let most = counts
        .iter()
        .map(|count| count.moments)
        .max()
        .unwrap_or(0)
        .max(1);
    let heading = format!(
        "{:name$}  {:>8}  {:>8}  {:BAR$}  not treated, because",
        "trigger", "moments", "treated", ""
    );
    let mut lines = vec![Line::styled(heading, DIM)];
    lines.extend(counts.iter().map(|count| row(count, name, most)));
    if counts.len() < tally.triggers.len() {
        let others = format!("and {} more", tally.triggers.len() - counts.len());
        lines.push(Line::styled(others, DIM));
    }
    let past = format!(
        "  past: {}, of which {} in time",
        grouped(tally.before),
        grouped(tally.before_treated)
    );
    lines.push(Line::from(vec![
        Span::raw(format!(
            "{:name$}  {:>8}  ",
            "all",
            grouped(tally.moments())
        )),
        Span::styled(format!("{:>8}", grouped(tally.treated())), SENT),
        Span::styled(past, DIM),
    ]));
    lines
}

fn row(count: &Count, name: usize, most: u64) -> Line<'static> {
    let long = |n: u64| usize::try_from(n * BAR as u64 / most).unwrap_or(0);
    // A sliver for what there is at all.
    let whole = long(count.moments).max(usize::from(count.moments > 0));
    let treated = long(count.treated)
        .max(usize::from(count.treated > 0))
        .min(whole);
    Line::from(vec![
        Span::raw(format!(
            "{:name$}  {:>8}  ",
            count.trigger,
            grouped(count.moments)
        )),
        Span::styled(format!("{:>8}  ", grouped(count.treated)), SENT),
        Span::styled("█".repeat(treated), SENT),
        Span::styled("░".repeat(whole - treated), REFUSED),
        Span::raw(" ".repeat(BAR - whole + 2)),
        Span::styled(count.why_not(), DIM),
    ])
}

/// The newest of a story that fits into so many rows, under the name of whose it is.
fn story(view: &View<'_>, customer: &str, rows: usize, width: usize) -> Vec<Line<'static>> {
    let Some((who, chapters)) = view.stories.of(customer, view.programmes) else {
        return Vec::new();
    };
    let count = |chapter: &Vec<stories::Line>| {
        let rows = chapter.iter().map(|line| wrapped(words(line), width).len());
        rows.sum::<usize>()
    };
    let mut left = rows - 1;
    let mut from = chapters.len();
    while from > 0 && count(&chapters[from - 1]) <= left {
        from -= 1;
        left -= count(&chapters[from]);
    }
    let mut day = String::new();
    let mut shown = vec![Line::styled(who, BOLD)];
    for line in chapters[from..].iter().flatten() {
        shown.extend(lines_of(line, &mut day, width));
    }
    shown
}

/// A line with its time, over as many rows as it needs.
fn lines_of(line: &stories::Line, day: &mut String, width: usize) -> Vec<Line<'static>> {
    let mut margin = " ".repeat(TIMES);
    if let stories::Line::Did(at, _) | stories::Line::Moment(at, ..) = line {
        let today = shown(*at, "%a %e %b");
        let date = if today == *day {
            " ".repeat(10)
        } else {
            today.clone()
        };
        *day = today;
        margin = format!("  {date} {}  ", shown(*at, "%H:%M"));
    }
    let style = match line {
        stories::Line::Did(..) => PLAIN,
        stories::Line::Moment(..) => MOMENT,
        stories::Line::Sent(_) => SENT,
        stories::Line::Refused(_) => REFUSED,
    };
    let margins = std::iter::once(margin).chain(std::iter::repeat(" ".repeat(TIMES)));
    let rows = wrapped(words(line), width).into_iter();
    margins
        .zip(rows)
        .map(|(margin, row)| Line::from(vec![Span::styled(margin, DIM), Span::styled(row, style)]))
        .collect()
}

fn words(line: &stories::Line) -> String {
    match line {
        stories::Line::Did(_, words) => words.clone(),
        stories::Line::Moment(_, trigger, why) => format!("* {trigger}: {why}"),
        stories::Line::Sent(what) => format!("  → {what}"),
        stories::Line::Refused(what) => format!("  × {what}"),
    }
}

/// Text in rows that fit beside the times, broken between words.
fn wrapped(text: String, width: usize) -> Vec<String> {
    let wide = |text: &str| Span::raw(text).width();
    let room = width.saturating_sub(TIMES).max(20);
    if wide(&text) <= room {
        return vec![text];
    }
    let mut rows = vec![String::new()];
    for (i, word) in text.split(' ').enumerate() {
        let row = rows
            .last_mut()
            .filter(|row| wide(row) + 1 + wide(word) <= room);
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
    rows
}

fn pointers(view: &View<'_>, count: usize) -> Vec<Line<'static>> {
    let line = |(what, address): &(&str, String)| {
        Line::from(vec![
            Span::styled(format!("{what:>8} "), DIM),
            Span::raw(address.clone()),
        ])
    };
    let shown = view.pointers.iter().take(count).map(line);
    std::iter::once(Line::default()).chain(shown).collect()
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
