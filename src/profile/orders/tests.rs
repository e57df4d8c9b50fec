//! Tables: what is told of her orders, and what they come to.

use super::*;
use crate::money::Currencies;
use crate::profile::tests::told;
use crate::stored;

/// A word, when, and properties.
type Told = (&'static str, i64, &'static str);

/// Orders, their value, what was taken off again, how many that was of.
type Summed = (u32, f64, f64, u32);

fn currencies(json: &str) -> Currencies {
    serde_json::from_str(json).unwrap()
}

fn after(told_of: &[Told], currencies: &Currencies) -> Orders {
    let mut orders = Orders::default();
    let local = Local {
        currencies,
        ..Local::default()
    };
    for (name, minute, properties) in told_of {
        let name = match *name {
            "placed" => "Order Completed",
            "updated" => "Order Updated",
            "refunded" => "Order Refunded",
            "cancelled" => "Order Cancelled",
            other => other,
        };
        orders.apply(&told(name, *minute, properties), local);
        // What is kept says the same.
        let kept = postcard::to_allocvec(&orders).unwrap();
        assert_eq!(stored::read::<Orders>(2, &kept).as_ref(), Ok(&orders));
    }
    orders
}

fn check(told_of: &[Told], expected: Summed) {
    let orders = after(told_of, &Currencies::default());
    let (value, refunded) = (orders.value.number(), orders.refunded.number());
    let found = (orders.count, value, refunded, orders.undone);
    assert_eq!(found, expected, "{told_of:#?}");
}

const O1: Told = ("placed", 0, r#"{"order_id":"o1","total":30}"#);

#[test]
fn an_order_told_twice_is_one_of_the_later_content() {
    for (told_of, expected) in [
        (&[O1, O1][..], (1, 30.0, 0.0, 0)),
        (
            &[O1, ("placed", 5, r#"{"order_id":"o1","total":25}"#)],
            (1, 25.0, 0.0, 0),
        ),
        // What is older than what is known of it says nothing new.
        (
            &[O1, ("placed", -5, r#"{"order_id":"o1","total":25}"#)],
            (1, 30.0, 0.0, 0),
        ),
        // Nor does what says no amount.
        (
            &[O1, ("placed", 5, r#"{"order_id":"o1"}"#)],
            (1, 30.0, 0.0, 0),
        ),
        (
            &[O1, ("updated", 5, r#"{"order_id":"o1","total":40}"#)],
            (1, 40.0, 0.0, 0),
        ),
        (
            &[("updated", 5, r#"{"order_id":"o1","total":40}"#)],
            (0, 0.0, 0.0, 0),
        ),
        (
            &[("updated", 5, r#"{"order_id":"o1","total":40}"#), O1],
            (1, 40.0, 0.0, 0),
        ),
        (
            &[O1, ("placed", 5, r#"{"order_id":"o2","total":20}"#)],
            (2, 50.0, 0.0, 0),
        ),
        (
            &[
                O1,
                ("placed", 5, r#"{"order_id":1,"total":20}"#),
                ("placed", 6, r#"{"order_id":"1","total":20}"#),
            ],
            (2, 50.0, 0.0, 0),
        ),
        // Without an id each is another.
        (
            &[
                ("placed", 0, r#"{"total":30}"#),
                ("placed", 0, r#"{"total":30}"#),
            ],
            (2, 60.0, 0.0, 0),
        ),
    ] {
        check(told_of, expected);
    }
    let orders = after(
        &[O1, ("placed", 5, r#"{"order_id":"o1","total":25}"#)],
        &Currencies::default(),
    );
    assert_eq!(
        (orders.last, orders.first),
        (Some(told("Identify", 0, "{}").time), orders.last)
    );
}

const CANCELLED: Told = ("cancelled", 11, r#"{"order_id":"o1","total":30}"#);

/// What is told, and how many orders there are then, their value, what was taken off, of how many.
const TAKEN_OFF: &[(&[Told], Summed)] = &[
    (&[O1, CANCELLED], (1, 0.0, 30.0, 1)),
    (&[O1, CANCELLED, CANCELLED], (1, 0.0, 30.0, 1)),
    (
        &[
            O1,
            ("refunded", 10, r#"{"order_id":"o1","total":30}"#),
            CANCELLED,
        ],
        (1, 0.0, 30.0, 1),
    ),
    (
        &[
            O1,
            CANCELLED,
            ("refunded", 10, r#"{"order_id":"o1","total":30}"#),
        ],
        (1, 0.0, 30.0, 1),
    ),
    // In parts, and no more than was paid.
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o1","total":10}"#)],
        (1, 20.0, 10.0, 1),
    ),
    (
        &[
            O1,
            ("refunded", 10, r#"{"order_id":"o1","total":10}"#),
            ("refunded", 10, r#"{"order_id":"o1","total":12}"#),
        ],
        (1, 8.0, 22.0, 1),
    ),
    (
        &[
            O1,
            ("refunded", 10, r#"{"order_id":"o1","total":20}"#),
            ("refunded", 10, r#"{"order_id":"o1","total":20}"#),
        ],
        (1, 0.0, 30.0, 1),
    ),
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o1","total":99}"#)],
        (1, 0.0, 30.0, 1),
    ),
    // A refund is itself by its own id.
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10}"#,
            ),
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10}"#,
            ),
        ],
        (1, 20.0, 10.0, 1),
    ),
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10}"#,
            ),
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":12}"#,
            ),
        ],
        (1, 18.0, 12.0, 1),
    ),
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10}"#,
            ),
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r2","total":10}"#,
            ),
        ],
        (1, 10.0, 20.0, 1),
    ),
    // Without an amount it is whole; below zero it is the same.
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o1"}"#)],
        (1, 0.0, 30.0, 1),
    ),
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o1","total":"all"}"#)],
        (1, 0.0, 30.0, 1),
    ),
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o1","total":-10}"#)],
        (1, 20.0, 10.0, 1),
    ),
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","products":[{"product_id":"p","price":4.5,"quantity":2}]}"#,
            ),
        ],
        (1, 21.0, 9.0, 1),
    ),
    // One that failed is none, nor is one that has not happened yet.
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","total":10,"status":"failed"}"#,
            ),
        ],
        (1, 30.0, 0.0, 0),
    ),
    (
        &[
            O1,
            ("refunded", 10, r#"{"order_id":"o1","status":"Pending"}"#),
        ],
        (1, 30.0, 0.0, 0),
    ),
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10,"status":"pending"}"#,
            ),
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10,"status":"success"}"#,
            ),
        ],
        (1, 20.0, 10.0, 1),
    ),
    (
        &[
            O1,
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10}"#,
            ),
            (
                "refunded",
                10,
                r#"{"order_id":"o1","refund_id":"r1","total":10,"status":"failure"}"#,
            ),
        ],
        (1, 30.0, 0.0, 0),
    ),
    // It is told before its order is.
    (
        &[("refunded", 10, r#"{"order_id":"o1","total":10}"#), O1],
        (1, 20.0, 10.0, 1),
    ),
    (&[CANCELLED, O1], (1, 0.0, 30.0, 1)),
    // Of an order that was never told nothing is taken off others.
    (
        &[O1, ("refunded", 10, r#"{"order_id":"o9","total":10}"#)],
        (1, 30.0, 0.0, 1),
    ),
    // Where no order is named, it is the last.
    (
        &[
            O1,
            ("placed", 5, r#"{"order_id":"o2","total":20}"#),
            ("refunded", 10, "{}"),
        ],
        (2, 30.0, 20.0, 1),
    ),
    (
        &[
            ("placed", 0, r#"{"total":30}"#),
            ("refunded", 10, r#"{"total":10}"#),
            ("refunded", 10, r#"{"total":10}"#),
        ],
        (1, 10.0, 20.0, 1),
    ),
];

#[test]
fn what_is_taken_off_again_is_taken_off_once() {
    for (told_of, expected) in TAKEN_OFF {
        check(told_of, *expected);
    }
}

#[test]
fn an_order_is_worth_its_total_else_its_revenue_else_its_lines() {
    for (properties, value) in [
        (
            r#"{"total":30,"revenue":25,"products":[{"price":1}]}"#,
            30.0,
        ),
        (r#"{"revenue":25,"products":[{"price":1}]}"#, 25.0),
        (r#"{"total":"thirty","revenue":"25.00"}"#, 25.0),
        (r#"{"products":[{"price":60,"quantity":0.35}]}"#, 21.0),
        (r#"{"products":[{"price":60,"quantity":1.5}]}"#, 90.0),
        (r#"{"products":[{"price":0.0045,"quantity":10000}]}"#, 45.0),
        (
            r#"{"currency":"KWD","products":[{"price":1.234,"quantity":2}]}"#,
            2.468,
        ),
        (r#"{"currency":"JPY","products":[{"price":99.5}]}"#, 100.0),
        // A discount is a line, too; the sum is rounded once.
        (
            r#"{"products":[{"price":30},{"price":-10.5,"quantity":1},{"product_id":"gift"}]}"#,
            19.5,
        ),
        (
            r#"{"products":[{"price":0.004},{"price":0.004},{"price":0.004}]}"#,
            0.01,
        ),
        (r#"{"total":-5}"#, -5.0),
        (r#"{"value":7}"#, 7.0),
        ("{}", 0.0),
    ] {
        let orders = after(&[("placed", 0, properties)], &Currencies::default());
        assert_eq!(orders.value.number(), value, "{properties}");
    }
}

#[test]
fn amounts_of_different_currencies_are_never_added() {
    let eur = (
        "placed",
        0,
        r#"{"order_id":"o1","total":300,"currency":"EUR"}"#,
    );
    let usd = (
        "placed",
        1,
        r#"{"order_id":"o2","total":300,"currency":"usd"}"#,
    );
    let unsaid = ("placed", 2, r#"{"order_id":"o3","total":10}"#);
    let back = (
        "refunded",
        3,
        r#"{"order_id":"o2","total":100,"currency":"USD"}"#,
    );
    let declared = r#"{"reporting":"EUR","rates":{"USD":0.9}}"#;
    // Their value, in what currency, how many have no rate, and the totals by currency.
    for (told_of, declared, value, main, unrated, totals) in [
        (&[eur, usd][..], "{}", 300.0, "EUR", 1, "EUR 300 USD 300"),
        (
            &[eur, usd, unsaid],
            "{}",
            310.0,
            "EUR",
            1,
            "EUR 310 USD 300",
        ),
        (
            &[unsaid, usd, eur],
            "{}",
            310.0,
            "USD",
            1,
            "USD 310 EUR 300",
        ),
        (&[eur, usd, back], "{}", 300.0, "EUR", 1, "EUR 300 USD 200"),
        (&[eur, usd], declared, 570.0, "EUR", 0, "EUR 300 USD 300"),
        (&[usd, unsaid], declared, 280.0, "EUR", 0, "USD 300 EUR 10"),
        (
            &[eur, usd, back],
            declared,
            480.0,
            "EUR",
            0,
            "EUR 300 USD 200",
        ),
        (&[eur], r#"{"reporting":"GBP"}"#, 0.0, "GBP", 1, "EUR 300"),
    ] {
        let orders = after(told_of, &currencies(declared));
        let shown = orders.totals.iter();
        let shown: Vec<_> = shown
            .map(|(it, sum)| format!("{} {}", it.code(), sum.number()))
            .collect();
        let found = (
            orders.value.number(),
            orders.currency.code(),
            orders.unrated,
        );
        assert_eq!(
            (found, shown.join(" ").as_str()),
            ((value, main, unrated), totals),
            "{told_of:?} {declared}"
        );
    }
}

#[test]
fn other_currencies_of_the_company_hold_from_the_next_order_on() {
    let mut orders = after(
        &[(
            "placed",
            0,
            r#"{"order_id":"o1","total":300,"currency":"EUR"}"#,
        )],
        &Currencies::default(),
    );
    let declared = currencies(r#"{"reporting":"USD","rates":{"EUR":"1.1"}}"#);
    let local = Local {
        currencies: &declared,
        ..Local::default()
    };
    let more = told(
        "Order Completed",
        1,
        r#"{"order_id":"o2","total":10,"currency":"USD"}"#,
    );
    orders.apply(&more, local);
    assert_eq!(
        (orders.value.number(), orders.currency.code()),
        (340.0, "USD")
    );
    let back = told("Order Cancelled", 2, r#"{"order_id":"o1"}"#);
    orders.apply(&back, local);
    assert_eq!(
        (orders.value.number(), orders.refunded.number()),
        (10.0, 330.0)
    );
}

#[test]
fn what_is_kept_is_bounded_and_totals_go_on() {
    let mut orders = Orders::default();
    for n in 0..100 {
        let properties = format!(r#"{{"order_id":"o{n}","total":1,"currency":"C{n}"}}"#);
        orders.apply(&told("Order Completed", n, &properties), Local::default());
        for refund in 0..20 {
            let properties =
                format!(r#"{{"order_id":"o{n}","refund_id":"{refund}","total":0.01}}"#);
            orders.apply(&told("Order Refunded", n, &properties), Local::default());
        }
    }
    assert_eq!(
        (orders.count, orders.known.len(), orders.totals.len()),
        (100, KNOWN_MAX, CURRENCIES_MAX)
    );
    assert!(
        orders
            .known
            .iter()
            .all(|order| order.refunds.len() <= REFUNDS_MAX)
    );
    assert_eq!((orders.value.number(), orders.undone), (0.8, 100));
}

/// What the last build of version 1 kept.
#[test]
fn orders_of_version_1_are_read() {
    let old = OrdersV1 {
        count: 2,
        value: 5050,
        currency: Some("eur".into()),
        first: Some(Timestamp(1)),
        last: Some(Timestamp(2)),
        recent: vec![(Timestamp(1), 3050), (Timestamp(2), 2000)],
        rhythm: Rhythm::default(),
        undone: 0,
    };
    let bytes = postcard::to_allocvec(&old).unwrap();
    let orders = stored::read::<Orders>(1, &bytes).unwrap();
    assert_eq!(
        (orders.value.number(), orders.currency.code()),
        (50.5, "EUR")
    );
    assert_eq!(orders.latest().map(|it| it.value.number()), Some(20.0));
}
