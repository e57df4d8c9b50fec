//! Files of tables, read.

use std::collections::BTreeMap;

use super::*;
use crate::document::report::rendered;
use crate::event::{Item, Vocabulary};
use crate::table::{Place, rows};
use crate::time::{Timestamp, Zone};
use crate::value::Value;

const COLUMNS: &str = "columns: { companion: text, price: number, sold: bool, until: date, from: time, tags: list, sizes: list of number }\n";

fn reading(rows: &str, csv: &str) -> Result<Named, String> {
    let text = format!("table: companions\nkey: product_id\n{COLUMNS}rows: {rows}\n");
    let source = Source::new("t.yaml", text);
    let data = Source::new("data/companions.csv", csv.to_owned());
    let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
    let declared = Declared::new(&vocabulary, &attributes);
    read(&source, declared, &[&data]).map_err(|reports| rendered(&reports))
}

#[test]
fn rows_stand_in_the_file_or_in_one_beside_it() {
    let inline = "{ p1: { companion: p9, price: 12.5, sold: true, until: 2026-03-02, from: \"2026-03-02T10:00:00Z\", tags: [a, b], sizes: [38, 40.5] }, p2: {} }";
    let heading = "product_id,companion,price,sold,until,from,tags,sizes,more";
    let line = "p1,p9,12.5,true,2026-03-02,2026-03-02T10:00:00Z,a|b,38|40.5,x";
    let comma = format!("{heading}\r\n{line}\r\n\r\np2,,,,,,,,\r\n");
    let semicolon = comma.replace(',', ";");
    for (rows, csv) in [
        (inline, ""),
        ("companions.csv", &comma),
        ("companions.csv", &semicolon),
    ] {
        let named = reading(rows, csv).unwrap();
        assert_eq!((named.name.as_str(), named.table.len()), ("companions", 2));
        let value = |key: &str, column: &str| {
            let (column, _) = named.table.column(column).unwrap();
            let at = Timestamp::MIN;
            let place = Place { key, column, at };
            named.table.value(&rows::NONE, place, &|| Zone::Utc)
        };
        assert_eq!(value("p1", "companion"), Value::Text("p9"));
        assert_eq!(value("p1", "price"), Value::Number(12.5));
        assert_eq!(value("p1", "sold"), Value::Bool(true));
        let end = Timestamp::parse("2026-03-02T23:59:59.999Z").unwrap();
        assert_eq!(value("p1", "until"), Value::Time(end));
        assert_eq!(value("p1", "tags"), Value::List(vec!["a", "b"]));
        let sizes = Type::List(Item::Number);
        let read = value("p1", "sizes").declared(sizes, &|| Zone::Utc);
        let numbers = vec![Value::Number(38.0), Value::Number(40.5)];
        assert_eq!(read, Value::Items(Item::Number, numbers));
        assert_eq!(value("p2", "companion"), Value::Null);
        assert_eq!(value("p3", "companion"), Value::Null);
    }
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    let heading = "product_id,companion,price,sold,until,from,tags,sizes\n";
    let of = |rows: &str| format!("{heading}{rows}");
    let cases = [
        (
            "companions.csv",
            of("p1,p9,dear,,,,,\n"),
            "`dear` in the column price",
        ),
        (
            "companions.csv",
            of("p1,,,,,,,\np1,,,,,,,\n"),
            "`p1` is the key of two rows",
        ),
        ("companions.csv", of(",,,,,,,\n"), "a row has no key"),
        ("companions.csv", of("p1,p9\n"), "2 fields"),
        (
            "companions.csv",
            "product_id,companion\n".to_owned(),
            "no column is headed `price`",
        ),
        (
            "others.csv",
            String::new(),
            "no file of the set is called `others.csv`",
        ),
        (
            "{ p1: { companoin: p9 } }",
            String::new(),
            "did you mean `companion`?",
        ),
        ("{ p1: { price: dear } }", String::new(), "a number"),
        ("{ p1: { price: [1] } }", String::new(), "a number"),
        (
            "{ p1: { sizes: [1, large] } }",
            String::new(),
            "a list of numbers",
        ),
        (
            "companions.csv",
            of("p1,,,,,,,1|large\n"),
            "`1|large` in the column sizes",
        ),
        ("{ p1: p9 }", String::new(), "a row, such as"),
        ("[p1]", String::new(), "a mapping of rows by key"),
    ];
    for (rows, csv, expected) in cases {
        let said = reading(rows, &csv).unwrap_err();
        assert!(said.contains(expected), "{rows}\n{csv}\n{said}");
    }
}
