//! Tables: what a mapping makes of a record, and what is said of files that are none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::*;
use crate::decode::Decoder;
use crate::decode::shown;
use crate::document::reader::Declared;
use crate::document::report::{Report, Source};
use crate::event::Type;
use crate::event::Vocabulary;

fn load(text: &str) -> Result<Mapping, Vec<Report>> {
    let (vocabulary, attributes) = (Vocabulary::standard(), attributes());
    let declared = Declared::new(&vocabulary, &attributes);
    read(&Source::new("m.yaml", text.to_owned()), declared)
}

fn attributes() -> BTreeMap<String, Type> {
    BTreeMap::from([("tier".to_owned(), Type::Text)])
}

/// The event, or the word and the words of why there is none.
fn mapped(text: &str, record: &Json) -> String {
    let mapping = load(text)
        .unwrap_or_else(|reports| panic!("{}", crate::document::report::rendered(&reports)));
    let decoder = Decoder::new(Arc::default(), Arc::new(attributes()))
        .with_mappings(Arc::new(Mappings::one(mapping)));
    match decoder.decode(record.to_string().as_bytes(), &Origin::default()) {
        Ok(decoded) => shown::call(&decoded.event, decoder.vocabulary()).to_string(),
        Err(reject) => format!("{} {}: {reject}", reject.stage(), reject.word()),
    }
}

const WHOLE: &str = "
mapping: whole
name: kind
userId: [who.id, who.mail]
timestamp: { from: at, time: s }
traits: { tier: who.tier }
events:
  bought:
    - event: Order Refunded
      when: { sum: 0 }
      properties: { order_id: no }
    - event: Order Completed
      when: { test: null, state: [paid, done], who.robot: { not: true }, no: { known: true } }
      properties: { order_id: no, total: { from: sum, divide_by: 100 }, currency: { const: EUR } }
  seen: ignore
";

/// Amounts in the smallest unit of their currency, and what they come to.
#[test]
fn the_smallest_unit_is_that_of_the_currency() {
    const TEXT: &str = "mapping: m\nevent: Order Completed\nuserId: u\ntimestamp: t\n\
        properties: { currency: c, total: { from: n, minor_units: c } }\n\
        products: { from: l, product_id: p, price: { from: n, minor_units: $.c } }\n";
    for (code, amount, expected) in [
        (json!("eur"), json!(1999), Some("19.99")),
        (json!("JPY"), json!(1999), Some("1999")),
        (json!("KWD"), json!("1999"), Some("1.999")),
        (json!("USD"), json!(-5), Some("-0.05")),
        (json!("€"), json!(0), Some("0")),
        // One that nobody knows is taken to have cents.
        (json!("XQX"), json!(100), Some("1")),
        (json!(null), json!(1999), None),
        (json!("no currency"), json!(1999), None),
        (json!("EUR"), json!("much"), None),
    ] {
        let record = json!({"u": "ana", "t": 1_772_445_600_000_i64, "c": code, "n": amount, "l": [{"p": "p1", "n": amount}]});
        let said = mapped(TEXT, &record);
        let found = |name: &str| {
            let begin = said.find(name)? + name.len();
            said[begin..].split(['}', ',']).next().map(str::to_owned)
        };
        assert_eq!(found("\"total\":").as_deref(), expected, "{said}");
        assert_eq!(found("\"price\":").as_deref(), expected, "{said}");
        assert!(said.contains("Order Completed"), "{said}");
    }
}

#[test]
fn a_record_becomes_an_event() {
    let paid = json!({"kind": "bought", "who": {"id": 7, "tier": "gold"}, "at": 1_772_445_600, "state": "paid", "no": "o1", "sum": 1999});
    let with = |path: &str, value: Json| {
        let mut record = paid.clone();
        *record.pointer_mut(path).unwrap() = value;
        mapped(WHOLE, &record)
    };
    let whole = |who: &str| {
        format!(
            r#"{{"event":"Order Completed","properties":{{"currency":"EUR","order_id":"o1","total":19.99}},"timestamp":"2026-03-02T10:00:00.000Z","traits":{{"tier":"gold"}},"userId":"{who}"}}"#
        )
    };
    assert_eq!(mapped(WHOLE, &paid), whole("7"));
    assert_eq!(
        with("/who", json!({"mail": "a@b.c", "tier": "gold"})),
        whole("a@b.c")
    );
    assert_eq!(with("/state", json!("done")), whole("7"));
    assert!(with("/sum", json!(0)).contains("Order Refunded"));
    let unmapped = "map unmapped: the topic's mapping has no event `bought` that this record meets";
    for (path, value) in [
        ("/state", json!("open")),
        ("/no", Json::Null),
        ("/who", json!({"id": 7, "robot": true})),
    ] {
        assert_eq!(with(path, value), unmapped, "{path}");
    }
    for (path, value, expected) in [
        (
            "/kind",
            json!("seen"),
            "map ignored: `seen` means nothing here",
        ),
        (
            "/kind",
            json!("sold"),
            "map unmapped: the topic's mapping has no event `sold` that this record meets",
        ),
        (
            "/kind",
            json!({}),
            "map no_event_name: the topic's mapping finds no name of what happened",
        ),
        (
            "/who",
            Json::Null,
            "validate no_customer: neither `userId` nor `anonymousId` is given",
        ),
        (
            "/at",
            json!("now"),
            "map invalid_time: the time is `now`; expected seconds since 1970, as the topic's mapping says",
        ),
        (
            "/at",
            json!(3),
            "validate absurd_time: `timestamp` is 1970-01-01T00:00:03.000Z; expected a time from 1990 to 2099",
        ),
    ] {
        assert_eq!(with(path, value), expected, "{path}");
    }
    assert!(mapped(WHOLE, &json!([1])).starts_with("map no_event_name"));
}

#[test]
fn one_kind_of_record_needs_no_name() {
    let text = "mapping: one\nevent: NPS Answered\nunmapped: ignore\nwhen: { answered: true }\nuserId: { key: true }\n\
        anonymousId: { const: nobody }\ntimestamp: at\nproperties: { score: { from: score, default: 0 } }\n";
    let record = json!({"answered": true, "at": "2026-03-02T10:00:00Z"});
    assert_eq!(
        mapped(text, &record),
        r#"{"anonymousId":"nobody","event":"NPS Answered","properties":{"score":0},"timestamp":"2026-03-02T10:00:00.000Z"}"#
    );
    assert_eq!(
        mapped(text, &json!({"answered": false})),
        "map ignored: `` means nothing here"
    );
}

#[test]
fn what_is_copied_is_ours_and_what_is_set_is_not_copied() {
    let text = "mapping: copies\nnames: any_case\nname: event\nuserId: u\ntimestamp: t\nproperties_from: p\n\
        traits_from: [none, c.traits]\nproducts: { from: p.lines, price: cost }\nevents:\n  Order Completed:\n    \
        event: Order Completed\n    properties: { total: p.sum }\n";
    let record = json!({"event": "ORDER-completed", "u": "ana", "t": "2026-03-02T10:00:00Z",
        "p": {"Order ID": "o1", "total": 99, "own": 1, "tax": null, "lines": [{"productId": "p1", "price": 5, "Quantity": 2}, {"SKU": "s", "cost": 3}]},
        "c": {"traits": {"Tier": "gold", "age": 3}}});
    assert_eq!(
        mapped(text, &record),
        r#"{"event":"Order Completed","properties":{"order_id":"o1","products":[{"product_id":"p1","quantity":2},{"price":3,"product_id":"s"}]},"timestamp":"2026-03-02T10:00:00.000Z","traits":{"tier":"gold"},"userId":"ana"}"#
    );
}

#[test]
fn a_time_may_be_written_in_several_ways() {
    let text = "mapping: m\nevent: Signed Up\nuserId: u\n\
        timestamp: { from: t, time: [rfc3339, s, \"%d/%m/%Y %H:%M\"], zone: Europe/Madrid }";
    for time in [
        json!("2026-03-02T10:00:00Z"),
        json!(1_772_445_600),
        json!("1772445600"),
        json!("02/03/2026 11:00"),
    ] {
        assert_eq!(
            mapped(text, &json!({"u": "ana", "t": time})),
            r#"{"event":"Signed Up","timestamp":"2026-03-02T10:00:00.000Z","userId":"ana"}"#
        );
    }
    assert_eq!(
        mapped(text, &json!({"u": "ana", "t": "soon"})),
        "map invalid_time: the time is `soon`; expected RFC 3339, such as 2026-03-02T10:00:00Z, or seconds since 1970, \
         or the form `%d/%m/%Y %H:%M`, as the topic's mapping says"
    );
}

#[test]
fn what_stands_for_null_is_not_known_wherever_it_stands() {
    let text = "mapping: m\nevent: Order Completed\nnull_values: [(not set), none]\n\
        when: { no: { known: true }, test: null }\nuserId: [u, a]\ntimestamp: t\n\
        messageId: [{ join: [m, no] }, no]\nproperties: { order_id: no }\nproperties_from: p\nproducts: items";
    let record = json!({
        "u": "(not set)", "a": "ana", "t": 1_772_445_600_000_i64, "m": "none", "no": "o1", "test": "none",
        "p": {"currency": "(not set)", "coupon": "(not set) yet"},
        "items": [{"product_id": "(not set)", "price": 3}],
    });
    assert_eq!(
        mapped(text, &record),
        r#"{"event":"Order Completed","messageId":"o1","properties":{"coupon":"(not set) yet","order_id":"o1","products":[{"price":3}]},"timestamp":"2026-03-02T10:00:00.000Z","userId":"ana"}"#
    );
}

#[test]
fn the_first_object_and_the_first_list_with_something_in_them_count() {
    let text = |products: &str| {
        format!(
            "mapping: m\nevent: Order Completed\nuserId: u\ntimestamp: t\n\
             properties_from: [p, q]\ntraits_from: [p, r]\nproducts: {products}"
        )
    };
    let record = json!({
        "u": "ana", "t": 1_772_445_600_000_i64, "p": {}, "q": {"order_id": "o1"}, "r": {"tier": "gold"},
        "items": [], "more": [{"product_id": "p1"}],
    });
    for (products, expected) in [
        ("[items, more]", r#","products":[{"product_id":"p1"}]"#),
        ("items", ""),
    ] {
        assert_eq!(
            mapped(&text(products), &record),
            format!(
                r#"{{"event":"Order Completed","properties":{{"order_id":"o1"{expected}}},"timestamp":"2026-03-02T10:00:00.000Z","traits":{{"tier":"gold"}},"userId":"ana"}}"#
            )
        );
    }
}

#[test]
fn what_cannot_be_read_is_not_missing_besides() {
    for wrong in ["time: [s, sec]", "divide_by: 3", "default: soon"] {
        let text = format!(
            "mapping: m\nevent: Order Completed\nuserId: u\ntimestamp: {{ from: t, {wrong} }}\n"
        );
        let reports = load(&text).expect_err(&text);
        let all = crate::document::report::rendered(&reports);
        assert_eq!(reports.len(), 1, "{all}");
    }
}

/// What stands in the file, what is meant, what is said, and what else is shown.
#[rustfmt::skip]
const ERRORS: &[(&str, &str, &str, &str)] = &[
    ("event: Order Complted\nuserId: u\ntimestamp: t", "Order Complted", "no event is called `Order Complted`", "Order Completed"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { totl: x }", "totl", "we have no property `totl`", "total"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { score: x }", "score", "no event of this mapping has a property `score`", "Order Completed"),
    ("name: n\nuserId: u\ntimestamp: t\nevents: { a: { event: Order Completed, properties: { score: x } } }", "score", "`Order Completed` has no property `score`", "one of"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\ntraits: { teir: x }", "teir", "we have no trait or attribute `teir`", "tier"),
    ("event: Order Completed\ntimestamp: t", "", "nothing says whose event it is of `Order Completed`", "anonymousId"),
    ("event: Order Completed\nuserId: u", "", "nothing says when it happened of `Order Completed`", "timestamp"),
    ("event: Order Completed\nuserId: a..b\ntimestamp: t", ".", "a field's name is missing here", "customer.id"),
    ("event: Order Completed\nuserId: { from: u, divide_by: 10 }\ntimestamp: t", "divide_by", "`divide_by` gives a number, and `userId` is a text", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { total: { from: x, time: s } }", "time", "`time` gives a time, and `total` is a number", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { total: { const: free } }", "free", "`free` is not valid here: `total` is a number", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { total: { from: x, minor_units: c, divide_by: 100 } }", "c", "a value is converted in one way", "minor_units"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { coupon: { from: x, minor_units: c } }", "minor_units", "`minor_units` gives a number, and `coupon` is a text", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproperties: { total: { from: x, divide_by: 0 } }", "0", "`0` is not valid here", "above 0"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nconsent: { email: { from: x, table: { yes: maybe } } }", "maybe", "`maybe` is not valid here: `email` is a bool", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: sec }", "sec", "no format is called `sec`", "s"),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: \"%d/%m/%Y %H:%M\" }", "\"%d/%m/%Y %H:%M\"", "the pattern has no offset (`%z`), so it needs `zone`", "zone"),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: \"%d/%m/%Y %H:%M\", zone: Madrid }", "Madrid", "`Madrid` is no IANA time zone", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, zone: Europe/Madrid }", "zone", "`zone` belongs to `time`", ""),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: [s, sec] }", "sec", "no format is called `sec`", "s"),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: [s, ms], zone: Europe/Madrid }", "Europe/Madrid", "`Europe/Madrid` is not valid here", "no `zone`"),
    ("event: Order Completed\nuserId: u\ntimestamp: { from: t, time: [] }", "[]", "a list is not valid here", "a list of 1 to 16"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nnull_values: [{ a: b }]", "{ a: b }", "a mapping is not valid here", "a text"),
    ("event: Order Completed\nuserId: { from: u, header: h }\ntimestamp: t", "h", "a value comes from one place", "one of"),
    ("event: Order Completed\nuserId: { default: u }\ntimestamp: t", "", "it says nothing of where the value comes from", "`from`"),
    ("event: Order Completed\nuserId: { key: yes }\ntimestamp: t", "yes", "`yes` is not valid here", "key: true"),
    ("event: Order Completed\nuserid: u\ntimestamp: t", "userid", "a mapping has no `userid`", "userId"),
    ("event: Order Completed\nuserId: u\ntimestamp: t\nproducts: { form: x }", "form", "products has no `form`", "from"),
    ("event: Order Completed\nname: n\nuserId: u\ntimestamp: t", "n", "`n` is not valid here", "no `name`"),
    ("userId: u\ntimestamp: t\nevents: { a: Order Completed }", "", "`name` is missing", "foreign event"),
    ("userId: u\ntimestamp: t", "", "it says no event", "`event`"),
    ("name: n\nuserId: u\ntimestamp: t\nunmapped: drop\nevents: { a: Order Completed }", "drop", "`drop` is not valid here", "dead-letter"),
    ("name: n\nnames: any_case\nuserId: u\ntimestamp: t\nevents: { a b: Order Completed, a-b: ignore }", "a-b", "`a-b` counts as the same name as another here", ""),
    ("name: n\nnames: any_case\nevents: { a: ignore }", "", "`names: any_case` takes events that are not listed", "timestamp"),
    ("name: n\nwhen: { a: 1 }\nuserId: u\ntimestamp: t\nevents: { a: Order Completed }", "when", "`when` belongs to an event", ""),
    ("event: Order Completed\nwhen: { a: { is: 1 } }\nuserId: u\ntimestamp: t", "is", "a condition has no `is`", "not"),
];

#[test]
fn what_is_no_mapping_is_told_with_its_place() {
    for (text, meant, message, more) in ERRORS.iter().copied() {
        let text = format!("mapping: m\n{text}\n");
        let reports = load(&text).expect_err(&text);
        let found = reports
            .iter()
            .find(|report| report.to_string().contains(message));
        let all = crate::document::report::rendered(&reports);
        let report = found.unwrap_or_else(|| panic!("{text}\n{all}"));
        assert!(report.position().is_some(), "{text}");
        if !meant.is_empty() {
            assert_eq!(report.meant(), Some(meant), "{text}\n{all}");
        }
        assert!(report.rendered().contains(more), "{text}\n{all}");
    }
}
