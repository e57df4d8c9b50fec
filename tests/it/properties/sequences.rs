//! Sequences: settled, they are the reference's whatever the order of arrival; at once, what ever was whole in the sorted history
//! so far.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::cases;
use super::deadlines::Cases;
use super::history::{Grid, history};
use crate::reference::Definition;

const MINUTE: i64 = 60_000;
const GRID: Grid = Grid {
    step_ms: MINUTE,
    steps: 40,
    lateness: 8,
};

type Row = (String, Definition, String);

/// The keys of a sequence; what each event of it is one of, within how many minutes, without what, whether of one key.
type Written<'a> = (
    &'a str,
    &'a [&'a [&'static str]],
    Option<i64>,
    &'a [&'static str],
    bool,
);

const ADDED: &[&str] = &["Product Added"];
const SEEN: &[&str] = &["Product Viewed"];
const CART: &[&str] = &["Cart Viewed"];
const ORDER: &[&str] = &["Order Completed"];
const LOOKED: &[&str] = &["Product Viewed", "Cart Viewed"];

#[rustfmt::skip]
const WRITTEN: &[Written<'_>] = &[
    ("steps: [Product Viewed, Product Added], within: 9m", &[SEEN, ADDED], Some(9), &[], false),
    ("steps: [Product Viewed, Product Added, Order Completed]", &[SEEN, ADDED, ORDER], None, &[], false),
    ("steps: [Product Viewed, Product Viewed, Product Added], within: 12m", &[SEEN, SEEN, ADDED], Some(12), &[], false),
    ("steps: [{ of: Product Viewed, times: 3 }], within: 14m", &[SEEN, SEEN, SEEN], Some(14), &[], false),
    ("steps: [{ of: [Product Viewed, Cart Viewed], times: 2 }, Cart Viewed, Order Completed], within: 25m", &[LOOKED, LOOKED, CART, ORDER], Some(25), &[], false),
    ("steps: [Product Viewed, Order Completed], within: 20m, without: Product Added", &[SEEN, ORDER], Some(20), ADDED, false),
    ("steps: [Product Viewed, Cart Viewed, Product Added], without: [Product Viewed, Cart Viewed]", &[SEEN, CART, ADDED], None, LOOKED, false),
    ("steps: [[Product Viewed, Cart Viewed], Cart Viewed], without: Product Viewed", &[LOOKED, CART], None, SEEN, false),
    ("steps: [Product Viewed, Product Added, Order Completed], same: event.product_id", &[SEEN, ADDED, ORDER], None, &[], true),
    ("steps: [{ of: Product Viewed, times: 2 }, Product Added], within: 20m, without: Order Completed, same: event.product_id", &[SEEN, SEEN, ADDED], Some(20), ORDER, true),
    ("steps: [Product Added, Cart Viewed], within: 10m, without: Product Added, same: event.cart_id", &[ADDED, CART], Some(10), ADDED, true),
];

fn rows(when: &str) -> Vec<Row> {
    let row = |(n, written): (usize, &Written<'_>)| {
        let &(text, steps, minutes, without, same_key) = written;
        let definition = Definition::Sequence {
            steps: steps.iter().map(|names| names.to_vec()).collect(),
            within_ms: minutes.map(|minutes| minutes * MINUTE),
            without: without.to_vec(),
            same_key,
        };
        let text = format!("sequence: {{ {text}, when: {when} }}");
        (format!("s{n}"), definition, text)
    };
    WRITTEN.iter().enumerate().map(row).collect()
}

static SETTLED: LazyLock<Cases> = LazyLock::new(|| Cases::new(rows("settled")));
static AT_ONCE: LazyLock<Cases> = LazyLock::new(|| Cases::new(rows("seen")));

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn settled_sequences_are_the_references(history in history(GRID, 60, 0..100)) {
        SETTLED.check(&history, GRID)?;
    }

    #[test]
    fn at_once_it_is_what_was_ever_whole(history in history(GRID, 40, 0..100)) {
        AT_ONCE.check_at_once(&history, GRID)?;
    }
}
