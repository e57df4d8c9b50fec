//! What is in her baskets: one for each `cart_id`, the one that was changed last being *the* basket.

use serde::{Deserialize, Serialize};

use super::limits;
use super::section::{Field, KeyedField, Local, Section, field, keyed};
use crate::event::{Event, EventName, Line as Said, PropertyId, Text, Type};
use crate::money::{Amount, Currency};
use crate::stored::{Stored, StoredError};
use crate::time::Timestamp;
use crate::value::Value;

/// Baskets of one customer: one on each device she has, and another.
const CARTS_MAX: usize = 4;

/// Her baskets as the events since her orders leave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basket {
    /// By cart, the one that was changed last behind.
    pub carts: Vec<Cart>,
    /// When an order last emptied all of them; older additions are void.
    pub emptied: Option<Timestamp>,
}

/// One basket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// `cart_id`; none where the shop says none.
    pub id: Option<Text>,
    /// Lines, oldest first.
    pub lines: Vec<Line>,
    /// The currency of its prices: the company's, or else the first that was said.
    pub currency: Currency,
    /// Last change.
    pub changed: Option<Timestamp>,
    /// When an order last emptied it; older additions are void.
    pub emptied: Option<Timestamp>,
}

/// One line of a basket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product; empty where the shop says none.
    pub product: Text,
    /// Price of one, in the basket's currency; none where it is not known there.
    pub price: Option<Amount>,
    /// How many, or how much.
    pub quantity: Amount,
}

impl Cart {
    /// Value of all lines, rounded once.
    #[must_use]
    pub fn value(&self) -> Amount {
        let lines = self.lines.iter();
        let worth = lines.filter_map(|line| Some(line.price?.times(line.quantity)));
        let sum = worth.fold(Amount::ZERO, |sum, line| sum + line);
        sum.rounded(self.currency.places())
    }

    fn items(&self) -> f64 {
        let pieces = self.lines.iter().map(|line| line.quantity);
        pieces.fold(Amount::ZERO, |sum, line| sum + line).number()
    }

    fn products(&self) -> Value<'_> {
        let products = self.lines.iter().map(|line| line.product.as_str());
        Value::List(products.filter(|id| !id.is_empty()).collect())
    }

    /// Whether nothing was put in since an order emptied it.
    fn is_bought(&self) -> bool {
        self.emptied.is_some() && self.lines.is_empty()
    }

    fn line(&self, said: &Said<'_>) -> Option<usize> {
        let id = said.id.map_or("", Text::as_str);
        self.lines.iter().position(|line| line.product == id)
    }

    /// Puts something in, at a price in the basket's currency. Quantity 0 adds nothing; whether it did.
    fn add(&mut self, said: &Said<'_>, price: Option<Amount>) -> bool {
        let quantity = said.quantity.map_or(Amount::ONE, Amount::of);
        if quantity <= Amount::ZERO {
            return false;
        }
        self.put(said.id.cloned().unwrap_or_default(), price, quantity);
        true
    }

    fn put(&mut self, product: Text, price: Option<Amount>, quantity: Amount) {
        // Of products without an id, those at one price are one line.
        let same = |line: &&mut Line| {
            line.product == product && (!product.is_empty() || line.price == price)
        };
        if let Some(line) = self.lines.iter_mut().find(same) {
            line.quantity = line.quantity + quantity;
            line.price = price.or(line.price);
            return;
        }
        if self.lines.len() >= limits::BASKET_LINES {
            self.lines.remove(0);
        }
        self.lines.push(Line {
            product,
            price,
            quantity,
        });
    }

    /// Takes something out; without a quantity, the whole line goes.
    fn remove(&mut self, said: &Said<'_>) {
        let Some(at) = self.line(said) else { return };
        let line = &mut self.lines[at];
        line.quantity = match said.quantity.map(Amount::of) {
            Some(gone) => line.quantity - gone.max(Amount::ZERO),
            None => Amount::ZERO,
        };
        if line.quantity <= Amount::ZERO {
            self.lines.remove(at);
        }
    }

    /// Takes in what was put in under another id: what an order emptied since is not there any more.
    fn merge(&mut self, mut other: Self, local: Local<'_>) {
        self.void(other.emptied);
        other.void(self.emptied);
        if self.currency.is_unsaid() {
            self.currency.clone_from(&other.currency);
        }
        let rate = local.currencies.rate(&other.currency, &self.currency);
        for line in other.lines {
            let price = line.price.zip(rate).map(|(price, rate)| price.times(rate));
            self.put(line.product, price, line.quantity);
        }
        self.changed = self.changed.max(other.changed);
        self.emptied = self.emptied.max(other.emptied);
    }

    /// Empties it, if an order did so at a time after which it was not changed.
    fn void(&mut self, emptied: Option<Timestamp>) {
        if emptied.is_some() && self.changed <= emptied {
            self.lines.clear();
            (self.changed, self.emptied) = (emptied, emptied);
        }
    }

    /// The price that was said, in the basket's currency.
    fn price(&mut self, said: &Said<'_>, event: &Event, local: Local<'_>) -> Option<Amount> {
        let price = Amount::of(said.price?);
        let currency = event.text(PropertyId::CURRENCY);
        let currency = currency.and_then(|code| Currency::read(code));
        let currency = currency.unwrap_or_default();
        if self.currency.is_unsaid() {
            self.currency = local.currencies.main(&currency).clone();
        }
        let rate = local.currencies.rate(&currency, &self.currency)?;
        Some(price.times(rate))
    }
}

impl Basket {
    /// The basket: the one that was changed last, of those that are not bought.
    fn last(&self) -> Option<&Cart> {
        let open = self.carts.iter().rev().find(|cart| !cart.is_bought());
        open.or(self.carts.last())
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        self.last().map_or(&[], |cart| &cart.lines)
    }

    fn named(&self, id: &str) -> Option<&Cart> {
        let mut carts = self.carts.iter();
        carts.find(|cart| cart.id.as_deref() == Some(id))
    }

    /// Whether there is a basket of that id, and it is not the one that was changed last.
    #[must_use]
    pub fn has_another(&self, id: &str) -> bool {
        let last = self.last().and_then(|cart| cart.id.as_deref());
        last != Some(id) && self.named(id).is_some_and(|cart| !cart.is_bought())
    }

    /// The same, as if the basket of that id were the one that was changed last.
    pub fn put_last(&mut self, id: &str) {
        if let Some(at) = self
            .carts
            .iter()
            .position(|it| it.id.as_deref() == Some(id))
        {
            self.carts[at..].rotate_left(1);
        }
    }

    /// Changes the basket that an event is about. One that is new takes the place of one that is bought, or was changed longest ago.
    fn change(&mut self, event: &Event, change: impl FnOnce(&mut Cart) -> bool) {
        let id = event.text(PropertyId::CART_ID);
        let at = match id {
            Some(id) => self.carts.iter().position(|it| it.id.as_ref() == Some(id)),
            // Where the shop does not say which, it is the last.
            None => self.carts.iter().rposition(|it| !it.is_bought()),
        };
        // What the shop began without an id may have got one.
        let at = at.or_else(|| {
            let mut carts = self.carts.iter();
            carts.rposition(|it| it.id.is_none() && !it.is_bought())
        });
        let mut cart = match at {
            Some(at) => self.carts.remove(at),
            None => Cart::default(),
        };
        let void = |emptied: Option<Timestamp>| emptied.is_some_and(|at| event.time < at);
        let changed = !void(self.emptied) && !void(cart.emptied) && change(&mut cart);
        if changed {
            cart.changed = cart.changed.max(Some(event.time));
            if id.is_some() {
                cart.id = id.cloned();
            }
        }
        match at {
            Some(at) if !changed => self.carts.insert(at, cart),
            None if !changed => {}
            _ => self.keep(cart),
        }
    }

    fn keep(&mut self, cart: Cart) {
        if self.carts.len() >= CARTS_MAX {
            let bought = self.carts.iter().position(Cart::is_bought);
            self.carts.remove(bought.unwrap_or(0));
        }
        // What comes late is not the last.
        let after = self.carts.partition_point(|it| it.changed <= cart.changed);
        self.carts.insert(after, cart);
    }

    fn add(&mut self, event: &Event, local: Local<'_>) {
        self.change(event, |cart| {
            let mut any = false;
            for said in event.lines() {
                let price = cart.price(&said, event, local);
                any |= cart.add(&said, price);
            }
            any
        });
    }

    fn remove(&mut self, event: &Event) {
        self.change(event, |cart| {
            event.lines().for_each(|said| cart.remove(&said));
            true
        });
    }

    /// An order empties the basket that it names, and one without an id; where it names none that is known, all. What was put in
    /// after it stays.
    fn order(&mut self, event: &Event) {
        let at = event.time;
        let named = event.text(PropertyId::CART_ID);
        let is_known = named.is_some_and(|id| self.named(id).is_some());
        if !is_known {
            self.emptied = self.emptied.max(Some(at));
        }
        for cart in &mut self.carts {
            let is_it = !is_known || cart.id.is_none() || cart.id.as_ref() == named;
            if is_it && cart.changed.is_none_or(|changed| changed <= at) {
                cart.lines.clear();
                cart.changed = Some(at);
            }
            if is_it {
                cart.emptied = cart.emptied.max(Some(at));
            }
        }
        if self.carts.is_empty() {
            let (changed, emptied) = (Some(at), Some(at));
            self.carts.push(Cart {
                changed,
                emptied,
                ..Cart::default()
            });
        }
        self.carts.sort_by_key(|cart| cart.changed);
    }
}

/// The basket as version 1 kept it: one, in hundredths and whole pieces.
#[derive(Serialize, Deserialize)]
struct BasketV1 {
    cart_id: Option<Text>,
    lines: Vec<(Text, i64, u32)>,
    changed: Option<Timestamp>,
    emptied: Option<Timestamp>,
}

impl From<BasketV1> for Basket {
    fn from(old: BasketV1) -> Self {
        let lines = old
            .lines
            .into_iter()
            .map(|(product, price, quantity)| Line {
                product,
                price: Some(Amount::of_hundredths(price)),
                quantity: Amount::of(quantity.into()),
            });
        let cart = Cart {
            id: old.cart_id,
            lines: lines.collect(),
            currency: Currency::default(),
            changed: old.changed,
            emptied: old.emptied,
        };
        Self {
            carts: vec![cart],
            emptied: old.emptied,
        }
    }
}

impl Stored for Basket {
    const VERSION: u8 = 2;

    fn upcast(version: u8, bytes: &[u8]) -> Result<Self, StoredError> {
        match version {
            1 => Ok(postcard::from_bytes::<BasketV1>(bytes)?.into()),
            _ => Err(StoredError::Damaged(format!(
                "there is no version {version} of a basket"
            ))),
        }
    }
}

impl Section for Basket {
    const TAG: u16 = 4;
    const WRITTEN_BY: &'static [EventName] = &[
        EventName::PRODUCT_ADDED,
        EventName::WISHLIST_PRODUCT_ADDED_TO_CART,
        EventName::PRODUCT_REMOVED,
        EventName::ORDER_COMPLETED,
    ];
    const FIELDS: &'static [Field<Self>] = &[
        field(
            "basket.cart_id",
            Type::Text,
            "id of the cart last changed",
            |p, _| {
                let open = p.last().filter(|cart| !cart.is_bought());
                Value::text(open.and_then(|cart| cart.id.as_ref()))
            },
        ),
        field(
            "basket.changed",
            Type::Time,
            "last change of the basket",
            |p, _| Value::time(p.last().and_then(|cart| cart.changed)),
        ),
        field(
            "basket.currency",
            Type::Text,
            "currency of basket.value: the company's reporting currency, or the first that was said",
            |p, _| Value::text(p.last().map(|cart| cart.currency.text())),
        ),
        field(
            "basket.items",
            Type::Number,
            "pieces in the basket",
            |p, _| Value::Number(p.last().map_or(0.0, Cart::items)),
        ),
        field(
            "basket.products",
            Type::TEXTS,
            "product ids in the basket, oldest first",
            |p, _| p.last().map_or(Value::List(Vec::new()), Cart::products),
        ),
        field(
            "basket.value",
            Type::Number,
            "value of the basket, major units of basket.currency; what has no price there is not in it",
            |p, _| Value::Number(p.last().map_or(0.0, |cart| cart.value().number())),
        ),
    ];
    const KEYED_FIELDS: &'static [KeyedField<Self>] = &[
        keyed(
            ("baskets", Some("changed")),
            Type::Time,
            "of her baskets by `cart_id`, the last four: last change",
            |p| p.carts.iter().filter_map(|it| it.id.as_deref()).collect(),
            |p, key, _| Value::time(p.named(key).and_then(|cart| cart.changed)),
        ),
        keyed(
            ("baskets", Some("items")),
            Type::Number,
            "of her baskets by `cart_id`: pieces in it",
            |p| p.carts.iter().filter_map(|it| it.id.as_deref()).collect(),
            |p, key, _| Value::Number(p.named(key).map_or(0.0, Cart::items)),
        ),
        keyed(
            ("baskets", Some("products")),
            Type::TEXTS,
            "of her baskets by `cart_id`: product ids in it, oldest first",
            |p| p.carts.iter().filter_map(|it| it.id.as_deref()).collect(),
            |p, key, _| {
                let named = p.named(key);
                named.map_or(Value::List(Vec::new()), Cart::products)
            },
        ),
        keyed(
            ("baskets", Some("value")),
            Type::Number,
            "of her baskets by `cart_id`: value, as basket.value",
            |p| p.carts.iter().filter_map(|it| it.id.as_deref()).collect(),
            |p, key, _| Value::Number(p.named(key).map_or(0.0, |cart| cart.value().number())),
        ),
    ];

    fn apply(&mut self, event: &Event, local: Local<'_>) {
        match event.name {
            EventName::PRODUCT_REMOVED => self.remove(event),
            EventName::ORDER_COMPLETED => self.order(event),
            _ => self.add(event, local),
        }
    }

    /// Cart by cart, and those without an id are one. What was put in before an order that emptied all is bought.
    fn merge(&mut self, other: Self, local: Local<'_>) {
        self.emptied = self.emptied.max(other.emptied);
        for cart in other.carts {
            match self.carts.iter().position(|it| it.id == cart.id) {
                Some(at) => {
                    let mut own = self.carts.remove(at);
                    own.merge(cart, local);
                    self.keep(own);
                }
                None => self.keep(cart),
            }
        }
        let emptied = self.emptied;
        self.carts.iter_mut().for_each(|cart| cart.void(emptied));
        self.carts.sort_by_key(|cart| cart.changed);
    }
}

#[cfg(test)]
mod tests;
