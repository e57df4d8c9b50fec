//! Schemas of producers' own: what fits, what does not, and what is read.

use super::*;

/// An order with these properties, in a schema with these fields of its own.
fn order(properties: &Value) -> String {
    json!({"type": "record", "name": "Purchase", "fields": [
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "event", "type": "string"},
        {"name": "userId", "type": "bytes"},
        {"name": "properties", "type": {"type": "record", "name": "Anything", "fields": properties}},
    ]})
    .to_string()
}

/// What is read of an order whose properties are written so.
fn read(fields: &Value, properties: Vec<(&str, types::Value)>) -> Result<Decoded, Reject> {
    use types::Value as Avro;
    let text = order(fields);
    let properties = properties.into_iter();
    let properties = properties.map(|(name, value)| (name.to_owned(), value));
    let record = [
        ("timestamp", Avro::TimestampMillis(1_772_445_600_000)),
        ("event", Avro::String("Order Completed".to_owned())),
        ("userId", Avro::Bytes(b"ana".to_vec())),
        ("properties", Avro::Record(properties.collect())),
    ];
    let record = record.map(|(name, value)| (name.to_owned(), value));
    let schema = Schema::parse_str(&text).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let datum = writer.write_value_to_vec(Avro::Record(record.into()));
    decode(
        &decoder(&[(17, &text)]),
        "avro",
        &headed(17, &datum.unwrap()),
    )
}

#[test]
fn decimals_are_amounts() {
    let decimal = decimal(2);
    let fixed = json!({"type": "fixed", "name": "Amount", "size": 20, "logicalType": "decimal", "precision": 30,
        "scale": 3});
    let fields = json!([
        {"name": "total", "type": ["null", decimal]},
        {"name": "tax", "type": decimal},
        {"name": "shipping", "type": fixed},
        {"name": "discount", "type": ["null", "double", decimal]},
        {"name": "products", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "product_id", "type": "string"}, {"name": "price", "type": decimal}]}}},
    ]);
    let digits = |bytes: &[u8]| types::Value::Decimal(bytes.to_vec().into());
    let some = |branch, value| types::Value::Union(branch, Box::new(value));
    let line = types::Value::Record(vec![
        (
            "product_id".to_owned(),
            types::Value::String("p1".to_owned()),
        ),
        ("price".to_owned(), digits(&[0x0b, 0xb8])),
    ]);
    let decoded = read(
        &fields,
        vec![
            ("total", some(1, digits(&[0x0f, 0x9b]))),
            // These bytes are text too.
            ("tax", digits(b"12")),
            ("shipping", digits(&[0xff, 0x85])),
            ("discount", some(1, types::Value::Double(0.5))),
            ("products", types::Value::Array(vec![line])),
        ],
    )
    .unwrap();
    assert_eq!(decoded.defects, []);
    assert_eq!(decoded.event.customer, "ana");
    assert_eq!(decoded.event.products[0].price, Some(30.0));
    let id = |name: &str| Vocabulary::standard().property_named(name).unwrap();
    for (name, expected) in [
        ("total", 39.95),
        ("tax", 125.94),
        ("shipping", -0.123),
        ("discount", 0.5),
    ] {
        assert_eq!(decoded.event.number(id(name)), Some(expected), "{name}");
    }
}

#[test]
fn a_date_is_a_day() {
    let date = json!({"type": "int", "logicalType": "date"});
    let fields = json!([{"name": "promised_at", "type": ["null", date]}]);
    let days = types::Value::Union(1, Box::new(types::Value::Date(20_519)));
    let decoded = read(&fields, vec![("promised_at", days)]).unwrap();
    let promised = decoded.event.properties[0].1.clone();
    assert_eq!(promised, crate::event::Property::Date(20_519));
}

#[test]
fn what_is_no_number_is_a_defect() {
    let fields = json!([{"name": "total", "type": "double"}, {"name": "tax", "type": "float"}]);
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let tax = types::Value::Float(f32::INFINITY);
        let decoded = read(
            &fields,
            vec![("total", types::Value::Double(odd)), ("tax", tax)],
        );
        let decoded = decoded.unwrap();
        let names = decoded.defects.iter().map(|defect| defect.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["total", "tax"], "{odd}");
        assert!(decoded.event.properties.is_empty());
    }
}

#[test]
fn bytes_are_text_where_they_are_utf_8() {
    let fields =
        json!([{"name": "order_id", "type": "bytes"}, {"name": "coupon", "type": "bytes"}]);
    let bytes = |bytes: &[u8]| types::Value::Bytes(bytes.to_vec());
    let decoded = read(
        &fields,
        vec![("order_id", bytes(b"o-1")), ("coupon", bytes(b"\xff"))],
    )
    .unwrap();
    let names = decoded.defects.iter().map(|defect| defect.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["coupon"]);
    assert_eq!(decoded.event.text(PropertyId::ORDER_ID).unwrap(), "o-1");
}

/// A decimal as bytes with so many digits after its point.
fn decimal(scale: u32) -> Value {
    json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": scale})
}

fn logical(of: &str, name: &str) -> Value {
    json!({"type": of, "logicalType": name})
}

/// Lists of lines of an order, each of which has a price.
fn lines(price: &Value) -> Value {
    json!({"type": "array", "items": {"type": "record", "name": "Line", "fields": [{"name": "price", "type": price}]}})
}

fn letters(count: usize) -> Vec<Value> {
    let letter = |i| json!({"type": "enum", "name": format!("E{i}"), "symbols": ["a"]});
    (0..count).map(letter).collect()
}

/// Why orders with properties of these fields cannot be read; empty: they can.
fn reason(fields: &Value, times: &[&str]) -> String {
    let times = times.iter().map(|name| (*name).to_owned()).collect();
    let schema = WriterSchema::parse(&order(fields), &times);
    schema.err().unwrap_or_default()
}

#[test]
fn what_says_the_same_in_other_types_fits() {
    let fixed = json!({"type": "fixed", "name": "X", "size": 2});
    let audit = json!({"type": "record", "name": "Audit", "fields": [
        {"name": "promised_at", "type": logical("long", "timestamp-micros")}]});
    for fields in [
        // A type that is used again is read by its name.
        json!([{"name": "recommended", "type": lines(&json!("double"))},
            {"name": "products", "type": {"type": "array", "items": "Line"}}]),
        json!([{"name": "order_id", "type": ["null", "int", "long", letters(1)[0]]}]),
        json!([{"name": "currency", "type": logical("string", "uuid")}]),
        json!([{"name": "delivered_at", "type": ["null", "long"]}, {"name": "reason", "type": "null"}]),
        // What is not read may be anything.
        json!([{"name": "own", "type": ["null", fixed, "boolean"]}, {"name": "audit", "type": audit}]),
    ] {
        assert_eq!(reason(&fields, &["promised_at"]), "", "{fields}");
    }
}

#[test]
fn what_would_be_lost_in_one_branch_does_not_fit() {
    let finer = json!({"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 4});
    let day = logical("int", "date");
    let cases = [
        (
            "price",
            json!(["null", "double", "bytes"]),
            "is bytes; expected double",
        ),
        (
            "price",
            json!(["double", {"type": "fixed", "name": "F", "size": 2}]),
            "is fixed; expected double",
        ),
        (
            "price",
            json!(["null", "string"]),
            "is string; expected double",
        ),
        (
            "price",
            json!(["null", decimal(2), finer]),
            "is decimal here and something else there",
        ),
        ("price", json!(letters(17)), "is a union of more than 16"),
        ("products", json!("string"), "is string; expected array"),
        (
            "products",
            lines(&json!("boolean")),
            ".price` is boolean; expected double",
        ),
        ("order_id", decimal(0), "is decimal; expected string"),
        (
            "promised_at",
            logical("int", "time-millis"),
            "is time-millis; expected timestamp-millis",
        ),
        (
            "promised_at",
            logical("long", "time-micros"),
            "is time-micros; expected timestamp-millis",
        ),
        (
            "promised_at",
            json!(["null", "int"]),
            "is int; expected timestamp-millis",
        ),
        (
            "promised_at",
            json!([day, "long"]),
            "is long here and something else there",
        ),
        (
            "renewal",
            logical("long", "timestamp-micros"),
            "is timestamp-micros; expected timestamp-millis",
        ),
    ];
    for (name, schema, expected) in cases {
        let fields = json!([{"name": name, "type": schema}]);
        let reason = reason(&fields, &["renewal"]);
        let place = format!("it cannot be read as our `Purchase`: `properties.{name}");
        assert!(
            reason.starts_with(&place) && reason.contains(expected),
            "{fields}: {reason}"
        );
    }
}

/// A cart whose fields each have the one before within them: `depth` types in the end, and no recursion.
fn chain(depth: usize) -> String {
    let within = |i: usize| {
        let inner = match i {
            0 => "int".to_owned(),
            _ => format!("R{}", i - 1),
        };
        json!({"name": format!("f{i}"), "type": ["null", {"type": "record", "name": format!("R{i}"),
            "fields": [{"name": "a", "type": inner}]}]})
    };
    let mut fields = vec![json!({"name": "timestamp", "type": "long"})];
    fields.extend((0..depth).map(within));
    json!({"type": "record", "name": "Cart", "fields": fields}).to_string()
}

#[test]
fn what_would_cost_more_than_its_bytes_is_refused() {
    let fixed = |size: u64| json!({"type": "fixed", "name": "F", "size": size});
    let own = |schema: Value| order(&json!([{"name": "own", "type": schema}]));
    let mut amount = fixed(1_048_577);
    amount["logicalType"] = json!("decimal");
    amount["precision"] = json!(4);
    for (text, expected) in [
        (own(fixed(1 << 62)), "`F` has 4611686018427387904 bytes"),
        (own(amount), "`F` has 1048577 bytes"),
        (own(fixed(1_048_576)), ""),
        (chain(5000), "more than 64 types within each other"),
        (chain(20), ""),
    ] {
        let reason = WriterSchema::parse(&text, &BTreeSet::new()).err();
        let reason = reason.unwrap_or_default();
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(reason.is_empty(), expected.is_empty(), "{reason}");
    }
}
