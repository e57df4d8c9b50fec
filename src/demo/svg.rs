//! A picture of the screen as SVG: what a terminal would show, cell by cell, to be looked at where there is none.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::text::{Line, Text};
use ratatui::widgets::Widget as _;

/// Of one character, in pixels. Monospaced fonts are about 0.6 times as wide as they are high.
const WIDTH: f64 = 7.8;
const HEIGHT: u16 = 17;
const FONT_SIZE: u16 = 13;
const MARGIN: u16 = 14;

/// Lines as they stand in so many columns and rows of a terminal.
#[must_use]
pub fn svg(lines: Vec<Line<'static>>, columns: u16, rows: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    Text::from(lines).render(buffer.area, &mut buffer);
    drawn(&buffer)
}

fn drawn(buffer: &Buffer) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let wide = f64::from(columns) * WIDTH + 2.0 * f64::from(MARGIN);
    let high = rows * HEIGHT + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide:.0} {high}\" width=\"{wide:.0}\" height=\"{high}\" \
         role=\"img\" aria-label=\"The demo in a terminal\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#16181d\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
         font-size=\"{FONT_SIZE}\">\n"
    );
    for row in 0..rows {
        let y = MARGIN + HEIGHT * row + FONT_SIZE;
        let cells: Vec<&Cell> = (0..columns).map(|column| &buffer[(column, row)]).collect();
        let mut column = 0;
        for run in cells.chunk_by(|a, b| (a.fg, a.modifier) == (b.fg, b.modifier)) {
            text(&mut svg, run, column, y);
            column += run.len();
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Cells of one style, from a column on. What stands apart is drawn apart, so that columns hold whatever font there is.
fn text(svg: &mut String, run: &[&Cell], column: usize, y: u16) {
    let weight = if run[0].modifier.contains(Modifier::BOLD) {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let fill = shade(run[0].fg);
    let mut from = 0;
    while from < run.len() {
        let rest = &run[from..];
        let is_blank = |cell: &&Cell| cell.symbol() == " ";
        let gap = rest.windows(2).position(|two| two.iter().all(is_blank));
        let cells = &rest[..gap.unwrap_or(rest.len())];
        let words: String = cells.iter().map(|cell| cell.symbol()).collect();
        let blanks = cells.iter().take_while(|cell| is_blank(cell)).count();
        let words = words.trim();
        if !words.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
            let (x, long) = (
                f64::from(MARGIN) + (column + from + blanks) as f64 * WIDTH,
                words.chars().count() as f64 * WIDTH,
            );
            let escaped = words.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{long:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
                 fill=\"{fill}\"{weight}>{escaped}</text>"
            );
        }
        from += cells.len() + 1;
    }
}

/// The colours of a dark terminal.
fn shade(color: Color) -> &'static str {
    match color {
        Color::DarkGray => "#8b919d",
        Color::Green => "#8fd18b",
        Color::Yellow => "#e3c070",
        Color::Cyan => "#7cc7d9",
        _ => "#dfe3ea",
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;
    use ratatui::text::Span;

    use super::*;

    #[test]
    fn it_draws_each_run_of_one_style_where_it_stands() {
        let lines = vec![
            Line::styled("a <b> & c", Style::new().add_modifier(Modifier::BOLD)),
            Line::from(vec![
                Span::raw("  10   20 "),
                Span::styled("treated", Style::new().fg(Color::Green)),
            ]),
        ];
        insta::assert_snapshot!(svg(lines, 20, 3));
    }
}
