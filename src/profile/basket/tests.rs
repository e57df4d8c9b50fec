//! Tables: what is put in and taken out, and what is in her baskets then.

use super::*;
use crate::money::Currencies;
use crate::profile::section::AsOf;
use crate::profile::tests::told;
use crate::stored;
use crate::time::Zone;

/// What is told: a word, when, and properties.
type Told<'a> = (&'a str, i64, &'a str);

fn after(told_of: &[Told<'_>], currencies: &Currencies) -> Basket {
    let mut basket = Basket::default();
    let local = Local {
        currencies,
        ..Local::default()
    };
    for (word, minute, properties) in told_of {
        let name = match *word {
            "in" => "Product Added",
            "out" => "Product Removed",
            _ => "Order Completed",
        };
        basket.apply(&told(name, *minute, properties), local);
        let kept = postcard::to_allocvec(&basket).unwrap();
        assert_eq!(stored::read::<Basket>(2, &kept).as_ref(), Ok(&basket));
    }
    basket
}

/// A basket as `CART: PRODUCT*QUANTITY ... = VALUE`, the last changed one first.
fn shown(basket: &Basket) -> String {
    let carts = basket.carts.iter().rev().filter(|cart| !cart.is_bought());
    let carts = carts.map(|cart| {
        let lines = cart.lines.iter();
        let lines = lines.map(|line| format!("{}*{}", line.product, line.quantity.number()));
        let lines: Vec<_> = lines.collect();
        let id = cart.id.as_deref().unwrap_or("-");
        format!("{id}: {} = {}", lines.join(" "), cart.value().number())
    });
    carts.collect::<Vec<_>>().join("; ")
}

fn check(told_of: &[Told<'_>], expected: &str) {
    let basket = after(told_of, &Currencies::default());
    assert_eq!(shown(&basket), expected, "{told_of:#?}");
}

const TEA: Told<'_> = ("in", 0, r#"{"cart_id":"c1","product_id":"tea","price":30}"#);
const CUP: Told<'_> = (
    "in",
    1,
    r#"{"cart_id":"c2","product_id":"cup","price":5,"quantity":2}"#,
);

#[test]
fn each_cart_has_a_basket_of_its_own() {
    for (told_of, expected) in [
        (&[TEA][..], "c1: tea*1 = 30"),
        (&[TEA, CUP], "c2: cup*2 = 10; c1: tea*1 = 30"),
        // The last changed one is the basket.
        (
            &[
                TEA,
                CUP,
                ("in", 2, r#"{"cart_id":"c1","product_id":"pot","price":9}"#),
            ],
            "c1: tea*1 pot*1 = 39; c2: cup*2 = 10",
        ),
        (
            &[
                TEA,
                CUP,
                ("out", 2, r#"{"cart_id":"c1","product_id":"tea"}"#),
            ],
            "c1:  = 0; c2: cup*2 = 10",
        ),
        // What comes late is not the last.
        (&[CUP, TEA], "c2: cup*2 = 10; c1: tea*1 = 30"),
        // Without a cart it is the last, and what was begun without one may get one.
        (
            &[TEA, ("in", 1, r#"{"product_id":"pot","price":9}"#)],
            "c1: tea*1 pot*1 = 39",
        ),
        (
            &[("in", 0, r#"{"product_id":"pot","price":9}"#), CUP],
            "c2: pot*1 cup*2 = 19",
        ),
    ] {
        check(told_of, expected);
    }
}

#[test]
fn an_order_empties_the_basket_that_it_names() {
    for (told_of, expected) in [
        (
            &[TEA, CUP, ("order", 2, r#"{"cart_id":"c1"}"#)][..],
            "c2: cup*2 = 10",
        ),
        (
            &[TEA, CUP, ("order", 2, r#"{"cart_id":"c2"}"#)],
            "c1: tea*1 = 30",
        ),
        // Where it names none that is known, all.
        (&[TEA, CUP, ("order", 2, "{}")], ""),
        (&[TEA, CUP, ("order", 2, r#"{"cart_id":"c9"}"#)], ""),
        // What was put in after it stays, what is older is void.
        (&[TEA, CUP, ("order", 0, "{}")], "c2: cup*2 = 10"),
        (&[("order", 2, "{}"), TEA], ""),
        (
            &[
                CUP,
                ("order", 2, r#"{"cart_id":"c2"}"#),
                ("in", 1, r#"{"cart_id":"c2","product_id":"pot"}"#),
            ],
            "",
        ),
        (
            &[
                CUP,
                ("order", 2, r#"{"cart_id":"c2"}"#),
                ("in", 3, r#"{"cart_id":"c2","product_id":"pot"}"#),
            ],
            "c2: pot*1 = 0",
        ),
    ] {
        check(told_of, expected);
    }
    let bought = after(&[TEA, ("order", 2, "{}")], &Currencies::default());
    let read = |path: &str| {
        let field = Basket::FIELDS
            .iter()
            .find(|field| field.path == path)
            .unwrap();
        (field.read)(
            &bought,
            AsOf {
                now: Timestamp(0),
                home: &Zone::Utc,
            },
        )
    };
    assert_eq!(read("basket.cart_id"), Value::Null);
    assert_eq!(read("basket.items"), Value::Number(0.0));
    assert_eq!(
        read("basket.changed"),
        Value::Time(told("Identify", 2, "{}").time)
    );
}

/// What is told, and her baskets then.
const PUT_IN: &[(&[Told<'_>], &str)] = &[
    (&[TEA, TEA], "c1: tea*2 = 60"),
    (
        &[TEA, ("in", 1, r#"{"product_id":"tea","price":25}"#)],
        "c1: tea*2 = 50",
    ),
    (
        &[TEA, ("in", 1, r#"{"product_id":"tea"}"#)],
        "c1: tea*2 = 60",
    ),
    // A list of products is each of them.
    (
        &[(
            "in",
            0,
            r#"{"products":[{"product_id":"a","price":1},{"sku":"b","price":2,"quantity":2}]}"#,
        )],
        "-: a*1 b*2 = 5",
    ),
    (
        &[
            TEA,
            CUP,
            (
                "out",
                2,
                r#"{"cart_id":"c2","products":[{"product_id":"cup","quantity":1}]}"#,
            ),
        ],
        "c2: cup*1 = 5; c1: tea*1 = 30",
    ),
    // Quantity 0 adds nothing, and takes nothing out.
    (
        &[
            TEA,
            (
                "in",
                1,
                r#"{"cart_id":"c2","product_id":"pot","quantity":0}"#,
            ),
        ],
        "c1: tea*1 = 30",
    ),
    (
        &[TEA, ("in", 1, r#"{"product_id":"tea","quantity":0}"#)],
        "c1: tea*1 = 30",
    ),
    (
        &[TEA, ("out", 1, r#"{"product_id":"tea","quantity":0}"#)],
        "c1: tea*1 = 30",
    ),
    (
        &[TEA, ("in", 1, r#"{"product_id":"tea","quantity":-1}"#)],
        "c1: tea*1 = 30",
    ),
    // By weight, by the metre, by the thousand.
    (
        &[(
            "in",
            0,
            r#"{"product_id":"tea","price":60,"quantity":0.35}"#,
        )],
        "-: tea*0.35 = 21",
    ),
    (
        &[(
            "in",
            0,
            r#"{"product_id":"rope","price":60,"quantity":1.5}"#,
        )],
        "-: rope*1.5 = 90",
    ),
    (
        &[(
            "in",
            0,
            r#"{"product_id":"screw","price":0.0045,"quantity":10000}"#,
        )],
        "-: screw*10000 = 45",
    ),
    (
        &[(
            "in",
            0,
            r#"{"product_id":"oud","price":1.234,"quantity":2,"currency":"kwd"}"#,
        )],
        "-: oud*2 = 2.468",
    ),
    (
        &[TEA, ("out", 1, r#"{"product_id":"tea","quantity":0.25}"#)],
        "c1: tea*0.75 = 22.5",
    ),
    // A product without an id is worth something all the same.
    (
        &[
            ("in", 0, r#"{"price":12}"#),
            ("in", 1, r#"{"price":12}"#),
            ("in", 2, r#"{"price":3}"#),
        ],
        "-: *2 *1 = 27",
    ),
    (&[("in", 0, "{}")], ""),
    // A discount in the basket.
    (
        &[TEA, ("in", 1, r#"{"product_id":"ten-off","price":-10}"#)],
        "c1: tea*1 ten-off*1 = 20",
    ),
];

#[test]
fn what_is_put_in_counts_as_it_is_said() {
    for (told_of, expected) in PUT_IN {
        check(told_of, expected);
    }
}

#[test]
fn prices_in_another_currency_are_not_added() {
    let usd = (
        "in",
        2,
        r#"{"cart_id":"c1","product_id":"mug","price":10,"currency":"USD"}"#,
    );
    let eur = (
        "in",
        1,
        r#"{"cart_id":"c1","product_id":"tea","price":30,"currency":"EUR"}"#,
    );
    for (declared, value, currency) in [
        ("{}", 30.0, "EUR"),
        (r#"{"reporting":"EUR","rates":{"USD":0.9}}"#, 39.0, "EUR"),
        (r#"{"reporting":"USD"}"#, 10.0, "USD"),
    ] {
        let declared: Currencies = serde_json::from_str(declared).unwrap();
        let basket = after(&[eur, usd], &declared);
        let cart = basket.last().unwrap();
        let found = (cart.value().number(), cart.currency.code(), cart.items());
        assert_eq!(found, (value, currency, 2.0), "{declared:?}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut basket = Basket::default();
    for n in 0..100 {
        for product in 0..40 {
            let said = format!(r#"{{"cart_id":"c{n}","product_id":"p{product}","price":1}}"#);
            basket.apply(&told("Product Added", n, &said), Local::default());
        }
    }
    assert_eq!(basket.carts.len(), CARTS_MAX);
    assert!(
        basket
            .carts
            .iter()
            .all(|cart| cart.lines.len() == limits::BASKET_LINES)
    );
    assert!(basket.has_another("c97") && !basket.has_another("c99") && !basket.has_another("c1"));
    basket.put_last("c97");
    assert_eq!(
        basket.last().and_then(|cart| cart.id.as_deref()),
        Some("c97")
    );
}

/// What the last build of version 1 kept.
#[test]
fn a_basket_of_version_1_is_read() {
    let old = BasketV1 {
        cart_id: Some("c1".into()),
        lines: vec![("tea".into(), 3050, 2)],
        changed: Some(Timestamp(2)),
        emptied: Some(Timestamp(1)),
    };
    let bytes = postcard::to_allocvec(&old).unwrap();
    let basket = stored::read::<Basket>(1, &bytes).unwrap();
    assert_eq!(shown(&basket), "c1: tea*2 = 61");
}
