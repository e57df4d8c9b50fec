//! Tables: what expressions say.

mod errors;

use std::collections::BTreeMap;

use super::*;
use crate::event::{Item, Position, Property, PropertyId, Text};
use crate::money::Amount;
use crate::profile::basket::{Cart, Line};
use crate::profile::browsing::Interest;

const NAMES: &[EventName] = &[EventName::ORDER_COMPLETED, EventName::PRODUCT_ADDED];

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn attributes() -> BTreeMap<String, Type> {
    [
        ("tier", Type::Text),
        ("vip", Type::Bool),
        ("visits", Type::Number),
        ("sizes", Type::List(Item::Number)),
        ("trips", Type::List(Item::Date)),
        ("answers", Type::List(Item::Bool)),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into()
}

fn event() -> Event {
    Event {
        customer: "c1".into(),
        time: at("2026-03-02T23:30:00Z"),
        position: Position::default(),
        id: "m1".into(),
        has_message_id: true,
        name: EventName::ORDER_COMPLETED,
        known: true,
        properties: [
            (PropertyId::TOTAL, Property::Number(30.0)),
            (PropertyId::ORDER_ID, Property::Text("ö1".into())),
            (PropertyId::COUPON, Property::Text("".into())),
        ]
        .into_iter()
        .collect(),
        products: vec![
            Product {
                id: "p1".into(),
                price: Some(3.5),
                category: Some("hats".into()),
                ..Product::default()
            },
            Product::default(),
        ],
        traits: None,
        touchpoint: None,
        traceparent: None,
        formers: Vec::new(),
    }
}

fn profile() -> Settled {
    let mut profile = Settled::default();
    let facts = &mut profile;
    facts.identity.timezone = Some("Europe/Madrid".into());
    facts.identity.country = Some("ES".into());
    facts.basket.carts.push(Cart {
        id: Some("c1".into()),
        lines: vec![Line {
            product: "p1".into(),
            price: Some(Amount::of(10.5)),
            quantity: Amount::of(2.0),
        }],
        ..Cart::default()
    });
    facts.wishlist.products = vec!["w1".into(), "w2".into()];
    facts.orders.count = 3;
    facts.orders.last = Some(at("2026-03-01T22:30:00Z"));
    facts.identity.attributes = vec![
        ("tier".into(), Property::Text("gold".into())),
        ("visits".into(), Property::Text("old".into())),
        (
            "sizes".into(),
            Property::List(vec!["38".into(), "40.5".into(), "old".into()]),
        ),
        (
            "trips".into(),
            Property::List(vec!["2026-03-02".into(), "2026-03-01T22:30:00Z".into()]),
        ),
    ];
    facts.browsing.interests = vec![Interest {
        category: "shoes".into(),
        score: 2.0,
        at: at("2026-03-02T23:30:00Z"),
    }];
    profile
}

/// The value of a text, as JSON, or the error.
fn asked(text: &str) -> Result<String, ExpressionError> {
    let (vocabulary, attributes) = (Vocabulary::standard(), attributes());
    let environment = Environment {
        vocabulary: &vocabulary,
        attributes: &attributes,
        derived: &crate::measure::NOTHING,
        events: Some(NAMES),
        each_product: true,
        previous: true,
    };
    let expression = Expression::compile(text, &environment)?;
    let (event, profile, previous) = (event(), profile(), Settled::default());
    let scope = Scope {
        event: Some(&event),
        product: event.products.first(),
        profile: &profile,
        previous: Some(&previous),
        now: at("2026-03-03T00:00:00Z"),
        rows: &crate::table::rows::NONE,
    };
    let value = expression.eval(&scope);
    assert_eq!(
        expression.holds(&scope),
        value == Value::Bool(true),
        "{text}"
    );
    if let Some(kind) = value.kind() {
        assert_eq!(kind, expression.kind(), "{text}");
    }
    Ok(serde_json::Value::from(&value).to_string())
}

/// Text and value, as JSON.
#[rustfmt::skip]
const VALUES: &[(&str, &str)] = &[
    // lists of other things than texts; a day is its end in her zone
    ("profile.attributes.sizes", "[38,40.5]"),
    ("40.5 in profile.attributes.sizes", "true"),
    ("39 in profile.attributes.sizes", "false"),
    ("size(profile.attributes.sizes)", "2"),
    ("profile.attributes.trips", "[\"2026-03-02T22:59:59.999Z\",\"2026-03-01T22:30:00.000Z\"]"),
    ("profile.last_order in profile.attributes.trips", "true"),
    ("profile.last_order in previous.attributes.trips", "false"),
    ("true in profile.attributes.answers", "false"),
    ("has(profile.attributes.answers)", "false"),
    // literals and arithmetic
    ("1 + 2 * 3 - 4.5", "2.5"),
    ("-(7 % 4)", "-3"),
    ("0x10 + 1u", "17"),
    // Decimal fractions are what was written.
    ("100.1 - 50.1", "50"),
    ("0.1 + 0.2", "0.3"),
    ("0.7 * 3", "2.1"),
    ("0.3 / 3", "0.1"),
    ("5.99 / 59.9 == 0.1", "true"),
    ("1000000.1 - 999999.9", "0.2"),
    ("1 / 3", "0.3333333333333333"),
    ("1e300 * 1e-300", "1"),
    ("1e-12 + 0.5", "0.500000000001"),
    ("0 / 0", "null"),
    ("0.5 / 0", "null"),
    ("1 / 0", "null"),
    ("1 % 0", "null"),
    ("1e308 * 10", "null"),
    ("\"a\" == 'a'", "true"),
    ("true ? 1 : 2", "1"),
    ("profile.attributes.vip ? 1 : 2", "2"),
    ("false ? null : 2", "2"),
    ("[\"a\", \"b\"]", r#"["a","b"]"#),
    // events
    ("event.total", "30"),
    ("event[\"total\"]", "30"),
    ("event.order_id", "\"ö1\""),
    ("event.event", "\"Order Completed\""),
    // The property, which it does not have.
    ("event.name", "null"),
    ("event.id", "\"m1\""),
    ("event.time", "\"2026-03-02T23:30:00.000Z\""),
    ("event.products", r#"["p1"]"#),
    ("event.products.product_id", r#"["p1"]"#),
    ("\"hats\" in event.products.category", "true"),
    ("size(event.products.category)", "1"),
    ("event.product_id", "\"p1\""),
    ("event.price * 2", "7"),
    ("event.category", "\"hats\""),
    ("event.coupon", "null"),
    // the profile
    ("profile.basket.value", "21"),
    ("profile.baskets[\"c1\"].value", "21"),
    ("profile.baskets.c1.products", r#"["p1"]"#),
    ("profile.baskets[\"c2\"].value", "0"),
    ("profile.baskets[profile.basket.cart_id].value", "21"),
    ("profile.interests[profile.attributes.visits]", "null"),
    ("profile.orders.values[\"EUR\"]", "0"),
    ("profile.country == \"ES\"", "true"),
    ("profile.attributes.tier", "\"gold\""),
    ("profile.attributes[\"tier\"]", "\"gold\""),
    ("profile.attributes.visits", "null"),
    ("profile.interests[\"hats\"]", "0"),
    ("\"w2\" in profile.wishlist.products", "true"),
    ("\"w3\" in profile.wishlist.products", "false"),
    ("event.product_id in profile.basket.products", "true"),
    ("event.total in [10, 20 + 10]", "true"),
    ("profile.country in [\"FR\", \"ES\"]", "true"),
    ("previous.orders.count", "0"),
    ("previous.last_order", "null"),
    // time
    ("now - event.time == duration(\"30m\")", "true"),
    ("now - duration(\"1d\") < event.time", "true"),
    ("duration(\"1d\") + event.time > now", "true"),
    ("(now - profile.last_order) / duration(\"1h\")", "25.5"),
    ("duration(\"1d\") * 2 - duration(\"24h\")", "86400000"),
    ("timestamp(\"2026-03-03T01:00:00+01:00\") == now", "true"),
    ("days_between(profile.last_order, event.time)", "2"),
    ("days_between(now, event.time)", "0"),
    ("hour(timestamp(\"2026-03-29T00:59:59Z\"))", "1"),
    ("hour(timestamp(\"2026-03-29T01:00:00Z\"))", "3"),
    ("hour(profile.attributes.visits == 1 ? now : previous.last_order)", "null"),
    ("weekday(timestamp(\"2026-03-01T22:59:59Z\"))", "\"sunday\""),
    ("weekday(timestamp(\"2026-03-01T23:00:00Z\")) in [\"monday\", \"friday\"]", "true"),
    ("days_between(previous.last_order, event.time) > 60", "false"),
    // functions
    ("size(profile.wishlist.products)", "2"),
    ("size(event.order_id)", "2"),
    ("max(event.total, 31) - min(1, 2)", "30"),
    ("round(abs(-2.5))", "3"),
    ("event.order_id.startsWith(\"ö\") && event.order_id.endsWith(\"1\")", "true"),
    ("profile.attributes.tier.contains(\"ol\")", "true"),
];

#[test]
fn values() {
    for (text, value) in VALUES.iter().copied() {
        assert_eq!(asked(text).as_deref(), Ok(value), "{text}");
    }
}

/// Text and whether it holds; tax, shipping, coupon and vip are not known.
#[rustfmt::skip]
const UNKNOWN: &[(&str, bool)] = &[
    ("has(event.total)", true),
    ("has(event.coupon)", false),
    ("has(profile.interests[\"shoes\"])", true),
    ("has(event.tax + 1)", false),
    ("event.coupon == null", true),
    ("null != event.total", true),
    ("null == null", true),
    ("event.tax < 5", false),
    ("event.tax >= 5", false),
    ("!(event.tax < 5)", true),
    ("event.tax == 5", false),
    ("event.tax != 5", true),
    ("event.tax == event.shipping", false),
    ("event.tax != event.shipping", true),
    ("event.coupon in [\"X\"]", false),
    ("!(event.coupon in [\"X\"])", true),
    ("!(event.coupon in profile.wishlist.products)", true),
    ("profile.attributes.vip || false", false),
    ("!profile.attributes.vip", true),
    ("profile.attributes.vip || event.total > 1", true),
    ("profile.attributes.vip && event.total > 1", false),
    ("event.coupon.startsWith(\"X\")", false),
    ("size(event.coupon) == 0", false),
    ("max(event.tax, 1) == 1", false),
];

#[test]
fn what_is_not_known() {
    for (text, holds) in UNKNOWN.iter().copied() {
        assert_eq!(
            asked(text).as_deref(),
            Ok(holds.to_string().as_str()),
            "{text}"
        );
    }
}

#[test]
fn it_knows_what_it_asks() {
    let (vocabulary, attributes) = (Vocabulary::standard(), attributes());
    let environment = Environment {
        vocabulary: &vocabulary,
        attributes: &attributes,
        derived: &crate::measure::NOTHING,
        events: Some(NAMES),
        each_product: false,
        previous: true,
    };
    for (text, uses) in [
        ("event.total > 1", (true, false)),
        ("event.total > 1 && previous.known", (true, true)),
        ("profile.known", (false, false)),
    ] {
        let expression = Expression::compile(text, &environment).unwrap();
        assert_eq!(
            (expression.uses_event(), expression.uses_previous()),
            uses,
            "{text}"
        );
        assert_eq!(expression.source(), text);
    }
}

#[test]
fn size_is_bounded_and_the_stack_survives() {
    let bounded = [
        format!("{}1", "1 + ".repeat(4000)),
        format!("{}1", "1+".repeat(600)),
        format!("{}1{} > 0", "(".repeat(30), ")".repeat(30)),
        format!("r\"\\\" == {}1", "(".repeat(1000)),
    ];
    for text in bounded {
        assert!(asked(&text).is_err(), "{}", &text[..40]);
    }
    let deepest = [
        format!("{}1", "1+".repeat(255)),
        format!("{}1", "true ? 1 : ".repeat(80)),
        format!("{}true", "!".repeat(500)),
        format!("profile{}", ".a".repeat(250)),
        format!("{}1{}", "(".repeat(24), ")".repeat(24)),
        format!("{}true", "true && ".repeat(160)),
        format!("{}1{}", "[".repeat(24), "]".repeat(24)),
    ];
    for text in deepest {
        let _either = asked(&text);
    }
}

proptest::proptest! {
    /// Whatever a file holds, it is an expression or it is an error with a place in the text.
    #[test]
    fn no_text_is_a_crash(parts in proptest::collection::vec(proptest::sample::select(PIECES), 0..24), spaced: bool) {
        let text = parts.join(if spaced { " " } else { "" });
        if let Err(error) = asked(&text) {
            proptest::prop_assert!(text.get(error.span.clone()).is_some(), "{error:?}");
        }
    }
}

const PIECES: &[&str] = &[
    "event",
    ".",
    "total",
    "profile",
    "basket",
    "value",
    "now",
    "1",
    "2.5",
    "\"a\"",
    "'",
    "\"",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "?",
    ":",
    ",",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "in",
    "has",
    "size",
    "duration",
    "ö",
    "€",
    "\\",
    "`",
    "null",
    "true",
    "r\"",
    "b\"x\"",
    "\n",
    "0x",
    "1e",
    ".?",
    "[?",
    "previous",
    "attributes",
    "days_between",
    "99999999999999999999",
    "#",
    "$",
    "//",
    "in(",
    "and",
    "=",
];

#[test]
fn the_reference_is_whole() {
    assert!(FUNCTIONS.is_sorted_by_key(|doc| doc.name));
    for doc in FUNCTIONS {
        assert!(doc.call.contains(doc.name) && !doc.about.is_empty());
    }
    assert!(OPERATORS.iter().all(|doc| !doc.about.is_empty()));
    assert_eq!(Text::from("a"), "a");
}
