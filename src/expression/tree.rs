//! The checked expression, and how it is asked.

use std::sync::Arc;

use super::Expression;
use super::Scope;
use super::functions::Function;
use super::model::Model;
use super::operators::{Arithmetic, Order, equal};
use crate::event::{Event, EventName, Product, PropertyId, Text, Type};
use crate::measure::Spec;
use crate::measure::lots::Ahead;
use crate::profile::Settled;
use crate::profile::settled::{Read, ReadMember};
use crate::table::{Place, Table};
use crate::time::{Timestamp, Zone};
use crate::value::Value;

/// A node. The types of its parts were checked when it was made.
pub enum Tree {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    Time(Timestamp),
    Duration(i64),
    Texts(Box<[Text]>),
    Now,
    /// What is asked of the event, and where customers live of whom no zone is known, as below.
    Event(EventPart, Zone),
    Profile {
        read: &'static Read,
        whose: Whose,
    },
    Member(Box<Member>),
    /// What is declared to be measured; of which value of `per`, empty where it has none.
    Fact {
        spec: Box<Spec>,
        key: Key,
        whose: Whose,
    },
    /// What of a fact that is a balance expires, or when.
    Expiry {
        spec: Box<Spec>,
        key: Key,
        whose: Whose,
        of: Ahead,
    },
    /// The sum of what each of some conditions is worth that holds of the customer.
    Points {
        of: Box<[(Expression, f64)]>,
        whose: Whose,
    },
    /// A value of a row of a table, by a key.
    Lookup {
        table: Arc<Table>,
        column: usize,
        kind: Type,
        key: Box<Tree>,
        home: Zone,
    },
    /// The score of a declared model.
    Model(Box<Model>),
    Known(Box<Tree>),
    Not(Box<Tree>),
    Negative(Box<Tree>),
    And(Box<[Tree; 2]>),
    Or(Box<[Tree; 2]>),
    Choice(Box<[Tree; 3]>),
    Equal(Box<[Tree; 2]>),
    Order(Order, Box<[Tree; 2]>),
    Among(Box<Tree>, Box<[Tree]>),
    In(Box<[Tree; 2]>),
    Arithmetic(Arithmetic, Box<[Tree; 2]>),
    Call(Function, Box<[Tree]>, Zone),
}

/// What stands behind a key of the profile.
pub struct Member {
    pub read: &'static ReadMember,
    pub key: Key,
    pub kind: Type,
    pub whose: Whose,
    /// Where customers live of whom no zone is known.
    pub home: Zone,
}

/// By what a value is found where there are many.
#[derive(Clone)]
pub enum Key {
    /// As it is written.
    Said(Box<str>),
    /// What an expression comes to; where that is not known, there is no value.
    Asked(Arc<Tree>),
}

/// Which profile is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The customer as she is.
    Now,
    /// As she was before the event.
    Before,
}

/// What is asked of the event.
pub enum EventPart {
    /// Its name, by the names it may have.
    Name(Box<[(EventName, Box<str>)]>),
    Time,
    Id,
    /// The same text of each of its products: their ids, their categories.
    Products(PropertyId),
    /// A property, and its type.
    Property(PropertyId, Type),
    /// A property that, where the event lacks it, the product that is meant has.
    OfProduct(PropertyId),
}

impl Tree {
    /// Its value.
    pub fn eval<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        match self {
            Self::Null => Value::Null,
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text),
            Self::Time(time) => Value::Time(*time),
            Self::Duration(ms) => Value::Duration(*ms),
            Self::Texts(items) => Value::texts(items),
            Self::Now => Value::Time(scope.now),
            Self::Event(part, home) => part.asked(scope, home),
            Self::Profile { read, whose } => {
                let profile = whose.profile(scope);
                let as_of = scope.as_of(&Zone::Utc);
                known(profile.map_or(Value::Null, |profile| read(profile, as_of)))
            }
            Self::Member(member) => member.eval(scope),
            Self::Fact { spec, key, whose } => measured(spec, key, *whose, scope),
            Self::Expiry {
                spec,
                key,
                whose,
                of,
            } => expiry(spec, key, (*whose, *of), scope),
            Self::Points { of, whose } => {
                let profile = whose.profile(scope);
                profile.map_or(Value::Null, |profile| points(of, profile, scope))
            }
            Self::Lookup {
                table,
                column,
                kind,
                key,
                home,
            } => {
                let zone = || scope.zone(home);
                look_up((table, *column), &key.eval(scope), scope, &zone).declared(*kind, &zone)
            }
            Self::Model(model) => Value::number(model.score(scope)),
            Self::Negative(of) => match of.eval(scope) {
                Value::Number(number) => Value::Number(-number),
                Value::Duration(ms) => Value::Duration(ms.saturating_neg()),
                _ => Value::Null,
            },
            Self::Choice(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.holds(scope) {
                    yes.eval(scope)
                } else {
                    no.eval(scope)
                }
            }
            Self::Arithmetic(operator, parts) => {
                operator.apply(&parts[0].eval(scope), &parts[1].eval(scope))
            }
            Self::Call(function, arguments, home) => {
                function.call(|i| arguments[i].eval(scope), &|| scope.zone(home))
            }
            Self::Bool(_)
            | Self::Known(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Equal(_)
            | Self::Order(..)
            | Self::Among(..)
            | Self::In(_) => Value::Bool(self.holds(scope)),
        }
    }

    /// Whether it is true; what is not known is not.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::Bool(value) => *value,
            Self::Known(of) => !matches!(of.eval(scope), Value::Null),
            Self::Not(of) => !of.holds(scope),
            Self::And(parts) => parts[0].holds(scope) && parts[1].holds(scope),
            Self::Or(parts) => parts[0].holds(scope) || parts[1].holds(scope),
            Self::Equal(parts) => equal(&parts[0].eval(scope), &parts[1].eval(scope)),
            Self::Order(order, parts) => order.holds(&parts[0].eval(scope), &parts[1].eval(scope)),
            Self::Among(needle, items) => {
                let needle = needle.eval(scope);
                items.iter().any(|item| equal(&needle, &item.eval(scope)))
            }
            Self::In(parts) => match (parts[0].eval(scope), parts[1].eval(scope)) {
                (Value::Text(text), Value::List(items)) => items.contains(&text),
                (needle, Value::Items(_, items)) => items.contains(&needle),
                _ => false,
            },
            _ => matches!(self.eval(scope), Value::Bool(true)),
        }
    }
}

impl Member {
    fn eval<'a>(&'a self, scope: &Scope<'a>) -> Value<'a> {
        let value = self.key.find(scope, |key| {
            let profile = self.whose.profile(scope)?;
            Some((self.read)(profile, key, scope.as_of(&self.home)))
        });
        let value = value.unwrap_or(Value::Null);
        let value = value.declared(self.kind, &|| scope.zone(&self.home));
        // An attribute that was stored under an older declaration may have another type.
        if value.kind() == Some(self.kind) {
            known(value)
        } else {
            Value::Null
        }
    }
}

impl Key {
    /// What is found by it; nothing where it is not known.
    pub fn find<R>(&self, scope: &Scope<'_>, by: impl FnOnce(&str) -> Option<R>) -> Option<R> {
        match self {
            Self::Said(key) => by(key),
            Self::Asked(of) => by(&of.eval(scope).key()?),
        }
    }

    /// The expression that it follows from.
    pub fn asked(&self) -> Option<&Tree> {
        match self {
            Self::Said(_) => None,
            Self::Asked(of) => Some(of),
        }
    }
}

impl Whose {
    pub fn profile<'a>(self, scope: &Scope<'a>) -> Option<&'a Settled> {
        match self {
            Self::Now => Some(scope.profile),
            Self::Before => scope.previous,
        }
    }
}

impl EventPart {
    fn asked<'a>(&'a self, scope: &Scope<'a>, home: &Zone) -> Value<'a> {
        known(scope.event.map_or(Value::Null, |event| {
            self.read(event, scope.product, &|| scope.zone(home))
        }))
    }

    fn read<'a>(
        &'a self,
        event: &'a Event,
        product: Option<&'a Product>,
        zone: &dyn Fn() -> Zone,
    ) -> Value<'a> {
        match self {
            Self::Name(names) => {
                let found = names.iter().find(|(name, _)| *name == event.name);
                found.map_or(Value::Null, |(_, name)| Value::Text(name))
            }
            Self::Time => Value::Time(event.time),
            Self::Id => Value::Text(&event.id),
            Self::Products(id) => {
                let said = event.products.iter().map(|it| of_product(it, *id));
                let texts = said.filter_map(|said| match said {
                    Value::Text(text) if !text.is_empty() => Some(text),
                    _ => None,
                });
                Value::List(texts.collect())
            }
            Self::Property(id, kind) => {
                let value = event.property(*id);
                value.map_or(Value::Null, |value| {
                    Value::of(value, zone).declared(*kind, zone)
                })
            }
            Self::OfProduct(id) => match event.property(*id) {
                Some(value) => Value::of(value, zone),
                None => product.map_or(Value::Null, |product| of_product(product, *id)),
            },
        }
    }
}

/// Whether a product of a list has this property.
pub fn is_of_product(id: PropertyId) -> bool {
    let of_product = [
        PropertyId::PRODUCT_ID,
        PropertyId::SKU,
        PropertyId::CATEGORY,
        PropertyId::PRICE,
        PropertyId::QUANTITY,
    ];
    of_product.contains(&id)
}

fn of_product(product: &Product, id: PropertyId) -> Value<'_> {
    match id {
        PropertyId::PRODUCT_ID | PropertyId::SKU => Value::Text(&product.id),
        PropertyId::CATEGORY => Value::text(product.category.as_ref()),
        PropertyId::PRICE => Value::number(product.price),
        PropertyId::QUANTITY => Value::number(product.quantity),
        _ => Value::Null,
    }
}

fn measured<'a>(spec: &'a Spec, key: &'a Key, whose: Whose, scope: &Scope<'a>) -> Value<'a> {
    let value = key.find(scope, |key| {
        let profile = whose.profile(scope)?;
        Some(profile.derived.value(spec, key, scope.now))
    });
    known(value.unwrap_or(Value::Null))
}

fn expiry(
    spec: &Spec,
    key: &Key,
    (whose, of): (Whose, Ahead),
    scope: &Scope<'_>,
) -> Value<'static> {
    let value = key.find(scope, |key| {
        let lots = whose.profile(scope)?.derived.lots(spec, key);
        Some(lots.map_or_else(|| of.nothing(), |lots| lots.ahead(of, scope.now)))
    });
    value.unwrap_or(Value::Null)
}

/// What the conditions that hold of a customer are worth together.
fn points(of: &[(Expression, f64)], profile: &Settled, asked: &Scope<'_>) -> Value<'static> {
    let scope = Scope::of(profile, asked.now, asked.rows);
    let holding = of.iter().filter(|(condition, _)| condition.holds(&scope));
    Value::Number(holding.map(|(_, points)| points).sum())
}

fn look_up<'a>(
    (table, column): (&'a Table, usize),
    key: &Value<'_>,
    scope: &Scope<'a>,
    zone: &dyn Fn() -> Zone,
) -> Value<'a> {
    let at = scope.now;
    let value = |key| table.value(scope.rows, Place { key, column, at }, zone);
    known(match key {
        Value::Text(key) => value(key),
        Value::Number(key) => value(&key.to_string()),
        _ => Value::Null,
    })
}

/// A value from outside: empty text and numbers that are none are not known.
fn known(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Text("") => Value::Null,
        Value::Number(number) if !number.is_finite() => Value::Null,
        value => value,
    }
}
