//! Tables: what is said of texts that are no expressions.

use super::*;

/// Text, the part that is meant, what is said, and what else is shown.
#[rustfmt::skip]
const ERRORS: &[(&str, &str, &str, &str)] = &[
    ("event.totl > 1", "totl", "`Order Completed` and `Product Added` has no property `totl`", "total"),
    ("event.products.price", "price", "there is no list of `price` of products", "`category`"),
    ("event.products.category.x", "category", "`event.products` has no fields", ""),
    ("profile.baskets[\"c1\"] > 1", "\"c1\"", "is a group of fields", "`value`"),
    ("profile.baskets[\"c1\"].vlaue > 1", "vlaue", "has no fields", "value"),
    ("event.score > 1", "score", "has no property `score`", "it is a property of `NPS Answered`"),
    ("profile.baskt.value > 1", "baskt.value", "the profile has no field `baskt.value`", "profile.basket.value"),
    ("profile.email == \"x\"", "email", "the profile has no field `email`", "profile.addresses.email"),
    ("profile.tier == \"x\"", "tier", "the profile has no field `tier`", "profile.attributes.tier"),
    ("profile.basket", "basket", "`profile.basket` is a group of fields", "`value`"),
    ("profile.interests > 1", "interests", "needs a key", "interests[\"...\"]"),
    ("profile.interests[event.products] > 1", "event.products", "the key in brackets is a text, number, bool or time", ""),
    ("profile.attributes[event.order_id]", "event.order_id", "no attribute `[event.order_id]` is declared", "tier"),
    ("profile.attributes.teir", "teir", "no attribute `teir` is declared", "tier"),
    ("\"gold\" in profile.segments", "\"gold\"", "no segment is called `gold`", ""),
    ("basket.value > 1", "basket", "nothing is called `basket` here", "profile.basket.value"),
    ("profile.country == ES", "ES", "nothing is called `ES` here", "\"ES\""),
    ("1 < event.order_id", "1 < event.order_id", "`<` stands between a number and a text", "two numbers"),
    ("event.order_id < \"b\"", "event.order_id < \"b\"", "texts have no order", "startsWith"),
    ("event.total == \"30\"", "event.total == \"30\"", "`==` stands between a number and a text", "one type"),
    ("event.total && true", "event.total", "`&&` takes a bool, and this is a number", "> 0"),
    ("event.coupon == \"\"", "\"\"", "empty text counts as not known", "has(x)"),
    ("event.total + \"a\"", "event.total + \"a\"", "`+` stands between a number and a text", "numbers"),
    ("null", "null", "`null` alone says nothing", ""),
    ("null < 1", "null < 1", "`<` stands between null and a number", ""),
    ("1 in [1, \"a\"]", "\"a\"", "`in` looks for a number here, and this is a text", ""),
    ("sise(event.products) > 1", "sise", "there is no function `sise`", "size"),
    ("\"a\" in profile.attributes.sizes", "\"a\" in profile.attributes.sizes", "`in` stands between a text and a list of numbers", "a value in a list of its type"),
    ("profile.attributes.sizes == profile.attributes.trips", "profile.attributes.sizes == profile.attributes.trips", "lists cannot be compared with `==`", "`\"x\" in list` or `size(list) == 0`"),
    ("size(1) > (2)", "1", "`size` takes a list or a text here, and this is a number", ""),
    ("size() > 1", "size()", "`size` is written `size(x)`", ""),
    ("now - duration(\"7 days\") > now", "\"7 days\"", "`7 days` is not a duration", ""),
    ("event.products.exists(p, p == \"x\")", "exists", "there is no function `exists`", ""),
    ("true ? 1 : \"a\"", "\"a\"", "both sides of `:` have one type", ""),
    ("now.year", "year", "`now` is a time and has no fields", ""),
    ("event.order_id == \"ö\" && event.prise > 1", "prise", "has no property `prise`", "price"),
    // syntax
    ("", "", "there is none", ""),
    ("event.total >", "", "the expression ends too early", ""),
    ("(event.total > 1", "", "the expression ends too early", ""),
    ("event.total = 1", "=", "not", "=="),
    ("event.total > 1 and true", "and", "`and` was not expected here", "&&"),
    ("event.order_id == \"ö\" and true", "and", "`and` was not expected here", "&&"),
    ("event.coupon == “A”", "“A", "that CEL does not know", "Some(\"\"\")"),
    ("now - event.time > 30d", "d", "`d` was not expected here", "duration(\"30d\")"),
    ("now - event.time > 2 d", "d", "`d` was not expected here", "an expression in CEL"),
    ("now - event.time > 30", "now - event.time > 30", "`>` stands between a duration and a number", "a duration is written `duration(\"7d\")`"),
    ("event.time + '1d' > now", "event.time + '1d'", "`+` stands between a time and a text", "duration"),
    ("event.time > '2026-03-02'", "event.time > '2026-03-02'", "`>` stands between a time and a text", "a time is written `timestamp("),
    ("if > 1", "if", "`if` is reserved in CEL", ""),
    ("{'a': 1}", "{'a': 1}", "maps are not part of this language", ""),
    ("\"\"\"a\"\"\" == event.id", "\"\"\"", "one pair of quotes", ""),
];

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, meant, message, hint) in ERRORS.iter().copied() {
        let error = asked(text).expect_err(text);
        let hints = format!("{:?} {:?}", error.expected, error.suggestion).replace("\\\"", "\"");
        assert!(error.message.contains(message), "{text}: {error:?}");
        assert!(hints.contains(hint), "{text}: {error:?}");
        assert_eq!(&text[error.span.clone()], meant, "{text}: {error:?}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
    let environment = Environment {
        vocabulary: &vocabulary,
        attributes: &attributes,
        derived: &crate::measure::NOTHING,
        events: None,
        each_product: false,
        previous: false,
    };
    for (text, message) in [
        ("event.total > 1", "`event` is not there"),
        (
            "previous.orders.count > 1",
            "`previous` is the profile before the event",
        ),
        (
            "profile.attributes.tier == \"x\"",
            "no attribute `tier` is declared",
        ),
    ] {
        let error = Expression::condition(text, &environment).unwrap_err();
        assert!(error.message.contains(message), "{text}: {error:?}");
    }
    let error = Expression::condition("profile.basket.value", &environment).unwrap_err();
    assert_eq!(error.message, "this is a number, and a condition is a bool");
    let plain = Environment {
        events: Some(&[EventName::ORDER_COMPLETED]),
        ..environment
    };
    let error = Expression::compile("event.product_id", &plain).unwrap_err();
    assert!(
        error
            .message
            .contains("`Order Completed` has no property `product_id`"),
        "{error:?}"
    );
}
