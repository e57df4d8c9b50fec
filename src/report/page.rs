//! Pages that open by themselves: one file, without scripts and without anything from elsewhere. What it draws is SVG.

use std::fmt::Write as _;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}h3{font-size:1rem}table{border-collapse:collapse;width:100%}\
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #d8dee4;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}tr.part td{color:#57606a}\
.note{color:#57606a}svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#1b1f24}";
const COLOUR: &str = "#54aeff";

/// A page with a title around what it shows.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// A table: the heads of its columns, and its rows. The first cell of each is a name.
#[must_use]
pub fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = String::from("<table><tr>");
    for head in heads {
        let _ = write!(table, "<th>{}</th>", escaped(head));
    }
    table.push_str("</tr>");
    for row in rows {
        table.push_str("<tr>");
        for cell in row {
            let _ = write!(table, "<td>{}</td>", escaped(&cell));
        }
        table.push_str("</tr>");
    }
    table.push_str("</table>");
    table
}

/// A bar beside others: its name, its length as a share of the longest that may be, its number, and what is said behind it.
#[derive(Debug)]
pub struct Bar<'b> {
    /// What it is of.
    pub name: &'b str,
    /// From 0 to 1.
    pub share: f64,
    /// How many.
    pub count: u64,
    /// More of it.
    pub note: String,
}

/// Bars, one below the other; `label` says what they show.
#[must_use]
pub fn bars(label: &str, bars: &[Bar<'_>]) -> String {
    let mut drawn = svg(label, 30 * bars.len() + 10);
    for (row, bar) in bars.iter().enumerate() {
        let y = 30 * row + 20;
        let _ = write!(
            drawn,
            "<text x=\"0\" y=\"{0}\">{1}</text><rect x=\"260\" y=\"{2}\" width=\"{3:.1}\" height=\"18\" fill=\"{COLOUR}\"/>\
             <text x=\"575\" y=\"{0}\">{4}</text><text x=\"650\" y=\"{0}\">{5}</text>",
            y + 4,
            escaped(bar.name),
            y - 9,
            bar.share.clamp(0.0, 1.0) * 300.0,
            bar.count,
            escaped(&bar.note)
        );
    }
    drawn.push_str("</svg>");
    drawn
}

/// Columns, one beside the other, the first and the last with what they are of, and the highest with its number.
#[must_use]
pub fn columns(label: &str, counts: &[(String, u64)]) -> String {
    const HIGH: f64 = 120.0;
    let mut drawn = svg(label, 170);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is drawn has some hundred pixels"
    )]
    let (each, share) = (960.0 / counts.len().max(1) as f64, |count: u64| {
        count as f64 / most.max(1) as f64
    });
    let mut is_said = false;
    let mut x = 0.0;
    for (name, count) in counts {
        let (high, wide) = (share(*count) * HIGH, (each * 0.9).max(0.5));
        let top = 20.0 + HIGH - high;
        let _ = write!(
            drawn,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{COLOUR}\"><title>{}: {count}</title></rect>",
            escaped(name)
        );
        if *count == most && !std::mem::replace(&mut is_said, true) {
            let _ = write!(
                drawn,
                "<text x=\"{x:.1}\" y=\"14\">{count}, {}</text>",
                escaped(name)
            );
        }
        x += each;
    }
    if let ([(first, _), ..], [.., (last, _)]) = (counts, counts) {
        let _ = write!(
            drawn,
            "<text x=\"0\" y=\"160\">{}</text><text x=\"960\" y=\"160\" text-anchor=\"end\">{}</text>",
            escaped(first),
            escaped(last)
        );
    }
    drawn.push_str("</svg>");
    drawn
}

/// The start of a drawing, so many pixels high.
pub(super) fn svg(label: &str, height: usize) -> String {
    format!(
        "<svg viewBox=\"0 0 980 {height}\" role=\"img\" aria-label=\"{}\">",
        escaped(label)
    )
}

/// Text in a page.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_is_taken_for_the_page() {
        let evil = "<b>\"&\"</b>";
        let bar = Bar {
            name: evil,
            share: 2.0,
            count: 3,
            note: evil.to_owned(),
        };
        let body = [
            table(&[evil], [vec![evil.to_owned()]]),
            bars(evil, &[bar]),
            columns(evil, &[(evil.to_owned(), 1)]),
        ];
        let page = page(evil, &body.concat());
        assert!(!page.contains("<b>"), "{page}");
        assert!(
            page.contains("width=\"300.0\""),
            "no bar is longer than it may be: {page}"
        );
    }

    #[test]
    fn the_first_of_the_highest_columns_has_its_number() {
        let counts = [("mon", 1), ("tue", 4), ("wed", 4)];
        let counts = counts.map(|(day, count)| (day.to_owned(), count));
        let drawn = columns("days", &counts);
        assert!(
            drawn.contains(">4, tue</text>") && !drawn.contains(">4, wed</text>"),
            "{drawn}"
        );
        assert!(
            drawn.contains(">mon</text>") && drawn.contains(">wed</text>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("height=\"120.0\"") && drawn.contains("height=\"30.0\""),
            "{drawn}"
        );
    }
}
