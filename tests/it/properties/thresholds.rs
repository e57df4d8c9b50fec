//! Thresholds: settled, they are the reference's whatever the order of arrival; at once, what was ever crossed in the sorted
//! history so far.

use std::sync::LazyLock;

use proptest::prelude::*;

use moments::time::DAY_MS;

use super::cases;
use super::deadlines::Cases;
use super::history::{Grid, history};
use crate::reference::{Definition, Inside, Measured};

const STEP: i64 = DAY_MS / 4;
const GRID: Grid = Grid {
    step_ms: STEP,
    steps: 60,
    lateness: 12,
};

type Row = (String, Definition, String);

fn crosses(inside: Inside) -> String {
    match inside {
        Inside::AtLeast(bound) => format!("{{ at_least: {bound} }}"),
        Inside::Above(bound) => format!("{{ above: {bound} }}"),
        Inside::AtMost(bound) => format!("{{ at_most: {bound} }}"),
        Inside::Below(bound) => format!("{{ below: {bound} }}"),
    }
}

/// Each measure, on each side that it can cross, within a window whose edge lies on the grid and ever.
fn rows(when: &str) -> Vec<Row> {
    use Inside::{Above, AtLeast, AtMost, Below};
    let orders = &["Order Completed"][..];
    let baskets = &["Product Added", "Cart Viewed"][..];
    let measured = [
        (
            orders,
            "count",
            Measured::Count,
            &[AtLeast(2.0), Above(2.0)][..],
        ),
        (
            orders,
            "{ sum: event.total }",
            Measured::Sum,
            &[AtLeast(4.0), Above(4.0), AtMost(1.0)],
        ),
        (
            orders,
            "{ mean: event.total }",
            Measured::Mean,
            &[AtLeast(3.0), Above(3.0), AtMost(2.5), Below(2.5)],
        ),
        (
            baskets,
            "{ distinct: event.cart_id }",
            Measured::DistinctKeys,
            &[AtLeast(2.0), AtLeast(3.0)],
        ),
        // Halving each step, a score is a sum of halves and exact.
        (
            orders,
            "{ score: { weight: event.total, half_life: 6h } }",
            Measured::Score(STEP),
            &[AtLeast(4.0), Above(4.0)],
        ),
        (
            orders,
            "{ score: { weight: event.total, half_life: 42h } }",
            Measured::Score(7 * STEP),
            &[Above(4.3), Below(0.37)],
        ),
    ];
    let mut rows = Vec::new();
    for (n, (of, text, measured, sides)) in measured.into_iter().enumerate() {
        for (s, inside) in sides.iter().copied().enumerate() {
            let crosses = crosses(inside);
            for over in [None, Some(8)] {
                if over.is_some() && matches!(measured, Measured::Score(_)) {
                    continue;
                }
                let (name, window) = match over {
                    Some(steps) => (format!("t{n}-{s}-over"), format!("over: {}h, ", 6 * steps)),
                    None => (format!("t{n}-{s}"), String::new()),
                };
                let definition = Definition::Threshold {
                    of: of.to_vec(),
                    measured,
                    over_ms: over.map(|steps: i64| steps * STEP),
                    inside,
                };
                let text = format!(
                    "threshold: {{ of: {of:?}, measure: {text}, {window}crosses: {crosses}, when: {when} }}"
                );
                rows.push((name, definition, text));
            }
        }
    }
    rows
}

static SETTLED: LazyLock<Cases> = LazyLock::new(|| Cases::new(rows("settled")));
static SEEN: LazyLock<Cases> = LazyLock::new(|| Cases::new(rows("seen")));

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn settled_thresholds_are_the_references(history in history(GRID, 50, 0..100)) {
        SETTLED.check(&history, GRID)?;
    }

    #[test]
    fn at_once_it_is_what_was_ever_crossed(history in history(GRID, 40, 0..100)) {
        SEEN.check_at_once(&history, GRID)?;
    }
}
