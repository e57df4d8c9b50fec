//! Random schemas of producers'.

use std::collections::BTreeSet;

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

/// What a field of ours is.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Number,
    Truth,
    Time,
    /// Of the company's own, or of nobody.
    Own,
}

/// Fields of the records within a call, beside those that are records themselves.
const PROPERTIES: [(&str, Shape); 12] = [
    ("product_id", Shape::Text),
    ("category", Shape::Text),
    ("currency", Shape::Text),
    ("price", Shape::Number),
    ("quantity", Shape::Number),
    ("total", Shape::Number),
    ("promised_at", Shape::Time),
    ("from_background", Shape::Truth),
    ("tags", Shape::Own),
    ("gift", Shape::Own),
    ("since", Shape::Own),
    ("mystery", Shape::Own),
];
const PRODUCT: [(&str, Shape); 6] = [
    ("product_id", Shape::Text),
    ("sku", Shape::Text),
    ("category", Shape::Text),
    ("price", Shape::Number),
    ("quantity", Shape::Number),
    ("mystery", Shape::Own),
];
const TRAITS: [(&str, Shape); 9] = [
    ("email", Shape::Text),
    ("push_token", Shape::Text),
    ("timezone", Shape::Text),
    ("locale", Shape::Text),
    ("country", Shape::Text),
    ("language", Shape::Own),
    ("tier", Shape::Own),
    ("points", Shape::Own),
    ("mystery", Shape::Own),
];
const ADDRESS: [(&str, Shape); 4] = [
    ("street", Shape::Text),
    ("city", Shape::Text),
    ("country", Shape::Text),
    ("mystery", Shape::Own),
];
const CONTEXT: [(&str, Shape); 3] = [
    ("timezone", Shape::Text),
    ("locale", Shape::Text),
    ("mystery", Shape::Own),
];
const CAMPAIGN: [(&str, Shape); 3] = [
    ("source", Shape::Text),
    ("name", Shape::Text),
    ("mystery", Shape::Own),
];
const DEVICE: [(&str, Shape); 2] = [("token", Shape::Text), ("mystery", Shape::Own)];

/// Writes schemas, each type of a name of its own.
pub struct Author<'r> {
    rng: &'r mut Pcg64Mcg,
    types: usize,
    /// Types that another field may use again.
    known: Vec<Value>,
}

impl<'r> Author<'r> {
    pub fn new(rng: &'r mut Pcg64Mcg) -> Self {
        Self {
            rng,
            types: 0,
            known: Vec::new(),
        }
    }

    /// A cart's record, with its fields in any order.
    pub fn call(&mut self) -> Value {
        let mut fields = vec![
            json!({"name": "timestamp", "type": "long"}),
            self.field("event", Shape::Text),
            self.field("userId", Shape::Text),
        ];
        let others = [
            ("type", Shape::Text),
            ("anonymousId", Shape::Text),
            ("messageId", Shape::Text),
            ("mystery", Shape::Own),
        ];
        fields.extend(self.some_of(&others));
        if self.rng.random_bool(0.9) {
            let mut properties = self.some_of(&PROPERTIES);
            if self.rng.random_bool(0.6) {
                let items = self.some_of(&PRODUCT);
                let items = self.record(&items);
                let items = self.one_or_null(items);
                let list = self.one_or_null(json!({"type": "array", "items": items}));
                properties.push(json!({"name": "products", "type": list}));
            }
            fields.push(self.within("properties", properties));
        }
        if self.rng.random_bool(0.6) {
            let mut traits = self.some_of(&TRAITS);
            let address = self.some_of(&ADDRESS);
            traits.push(self.within("address", address));
            let consent = self.one_or_null(json!("boolean"));
            let consent = self.one_or_null(json!({"type": "map", "values": consent}));
            traits.push(json!({"name": "consent", "type": consent}));
            fields.push(self.within("traits", traits));
        }
        if self.rng.random_bool(0.6) {
            let mut context = self.some_of(&CONTEXT);
            for (name, of) in [("campaign", &CAMPAIGN[..]), ("device", &DEVICE)] {
                let of = self.some_of(of);
                context.push(self.within(name, of));
            }
            fields.push(self.within("context", context));
        }
        fields.shuffle(self.rng);
        let mut call = json!({"type": "record", "name": "Cart", "fields": fields});
        name_once(&mut call, &mut BTreeSet::new());
        call
    }

    /// A field that is a record, null, or either of two records.
    fn within(&mut self, name: &str, mut fields: Vec<Value>) -> Value {
        fields.shuffle(self.rng);
        let other = fields.split_last().map(|(_, fields)| fields.to_vec());
        let record = self.record(&fields);
        let mut of = match other {
            Some(other) if self.rng.random_bool(0.2) => {
                json!(["null", record, self.record(&other)])
            }
            _ => self.one_or_null(record),
        };
        if let Value::Array(branches) = &mut of {
            branches.shuffle(self.rng);
        }
        json!({"name": name, "type": of})
    }

    fn record(&mut self, fields: &[Value]) -> Value {
        json!({"type": "record", "name": self.name(), "fields": fields})
    }

    fn name(&mut self) -> String {
        self.types += 1;
        format!("T{}", self.types)
    }

    fn some_of(&mut self, fields: &[(&str, Shape)]) -> Vec<Value> {
        let mut some: Vec<Value> = Vec::new();
        for (name, shape) in fields {
            if self.rng.random_bool(0.7) {
                some.push(self.field(name, *shape));
            }
        }
        some.shuffle(self.rng);
        some
    }

    fn field(&mut self, name: &str, shape: Shape) -> Value {
        let of = self.of_shape(shape, 2);
        let of = self.one_or_null(of);
        json!({"name": name, "type": of})
    }

    fn one_or_null(&mut self, of: Value) -> Value {
        match self.rng.random_range(0..4) {
            0 if of != "null" && !of.is_array() => json!(["null", of]),
            1 if of != "null" && !of.is_array() => json!([of, "null"]),
            _ => of,
        }
    }

    fn of_shape(&mut self, shape: Shape, depth: usize) -> Value {
        let logical = |of: &str, name: &str| json!({"type": of, "logicalType": name});
        let decimal =
            json!({"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2});
        let choices = match shape {
            Shape::Text => vec![
                json!("string"),
                json!("string"),
                json!("bytes"),
                json!("long"),
                json!("int"),
                logical("string", "uuid"),
                self.letters(),
                json!(["string", "long", "null"]),
            ],
            Shape::Number => vec![
                json!("double"),
                json!("float"),
                json!("int"),
                json!("long"),
                decimal.clone(),
                self.fixed(Some(3)),
                json!(["double", "null", decimal]),
            ],
            Shape::Truth => vec![json!("boolean")],
            Shape::Time => vec![
                json!("long"),
                logical("long", "timestamp-millis"),
                logical("int", "date"),
            ],
            Shape::Own => return self.own(depth),
        };
        choices.choose(self.rng).unwrap().clone()
    }

    /// Anything.
    fn own(&mut self, depth: usize) -> Value {
        if let Some(known) = self.known.choose(self.rng)
            && self.rng.random_bool(0.2)
        {
            return known.clone();
        }
        let kinds = [Shape::Text, Shape::Number, Shape::Truth, Shape::Time];
        let kind = *kinds.choose(self.rng).unwrap();
        match self.rng.random_range(0..if depth == 0 { 5 } else { 9 }) {
            0 => self.fixed(None),
            1 => json!({"type": "int", "logicalType": "time-millis"}),
            2 => json!({"type": "long", "logicalType": "timestamp-micros"}),
            3 | 4 => self.of_shape(kind, depth),
            5 => {
                let fields = [("a", Shape::Own), ("b", kind)].map(|(name, shape)| {
                    let of = self.of_shape(shape, depth - 1);
                    json!({"name": name, "type": of})
                });
                let record = self.record(&fields);
                self.known.push(record.clone());
                record
            }
            6 => json!({"type": "map", "values": self.own(depth - 1)}),
            _ => {
                let items = self.of_shape(kind, depth - 1);
                let items = self.one_or_null(items);
                json!({"type": "array", "items": items})
            }
        }
    }

    fn letters(&mut self) -> Value {
        json!({"type": "enum", "name": self.name(), "symbols": ["spring", "north", "track"]})
    }

    fn fixed(&mut self, scale: Option<u32>) -> Value {
        let size = self.rng.random_range(1..9);
        let mut fixed = json!({"type": "fixed", "name": self.name(), "size": size});
        if let Some(scale) = scale {
            fixed["size"] = json!(8);
            fixed["logicalType"] = json!("decimal");
            fixed["precision"] = json!(12);
            fixed["scale"] = json!(scale);
        }
        fixed
    }
}

/// A type is defined where it stands first, and named wherever it stands again.
fn name_once(schema: &mut Value, seen: &mut BTreeSet<String>) {
    if let Value::Array(branches) = schema {
        branches.iter_mut().for_each(|it| name_once(it, seen));
    }
    if let Some(name) = schema["name"].as_str() {
        let name = name.to_owned();
        if !seen.insert(name.clone()) {
            *schema = json!(name);
            return;
        }
    }
    for within in ["items", "values"] {
        if let Some(within) = schema.get_mut(within) {
            name_once(within, seen);
        }
    }
    let fields = schema.get_mut("fields").and_then(Value::as_array_mut);
    for field in fields.into_iter().flatten() {
        name_once(&mut field["type"], seen);
    }
}
