//! One foreign event to one of ours.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::condition::Condition;
use super::counted;
use super::path::Path;
use super::scope::Scope;
use super::time::Format;
use super::value::{Convert, Value};
use crate::event::record::Reject;
use crate::event::{Text, limits};

/// What makes one event of ours.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub(super) event: String,
    /// All of them hold.
    pub(super) when: Vec<Condition>,
    /// How each field is found.
    pub(super) fields: Fields,
}

/// How the fields of a call are found.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub user_id: Option<Value>,
    pub anonymous_id: Option<Value>,
    pub previous_id: Option<Value>,
    pub message_id: Option<Value>,
    pub timestamp: Option<Value>,
    /// What is copied by our names, and what is set.
    pub properties: Object,
    pub products: Option<Products>,
    pub traits: Object,
    pub consent: Vec<(String, Value)>,
    pub campaign: Vec<(String, Value)>,
    /// An object that is taken over as it is.
    pub context_from: Vec<Path>,
}

/// An object of ours: first copied, then set.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    /// The first of them that is an object with something in it is copied, as far as its fields are ours.
    pub from: Vec<Path>,
    /// By name.
    pub set: Vec<(String, Value)>,
    /// What of it is ours. For products: what a field that is not set is called.
    pub names: Arc<Names>,
}

/// Names of ours that a foreign object may use too.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    any_case: bool,
    by_count: HashMap<Text, String>,
}

/// A list of products.
#[derive(Clone, Debug)]
pub(super) struct Products {
    /// The first of them that has something in it: a list, or an object as a list of one.
    pub from: Vec<Path>,
    /// Each of its items: copied as far as its fields are ours, then set.
    pub item: Object,
}

impl Rule {
    pub(super) fn holds(&self, scope: &Scope<'_>) -> bool {
        self.when.iter().all(|condition| condition.holds(scope))
    }

    /// The call that a producer of ours would have written.
    pub(super) fn call(&self, scope: &Scope<'_>) -> Result<Json, Reject> {
        let fields = &self.fields;
        let mut call = Map::new();
        call.insert("event".to_owned(), self.event.as_str().into());
        for (name, value) in [
            ("userId", &fields.user_id),
            ("anonymousId", &fields.anonymous_id),
            ("previousId", &fields.previous_id),
            ("messageId", &fields.message_id),
        ] {
            put(&mut call, name, value.as_ref(), scope);
        }
        if let Some(timestamp) = &fields.timestamp {
            let found = timestamp.of(scope).map_err(|found| Reject::ForeignTime {
                found: found.0,
                expected: match &timestamp.convert {
                    Convert::Time(formats) => {
                        let described: Vec<_> = formats.iter().map(Format::described).collect();
                        described.join(", or ")
                    }
                    _ => String::new(),
                },
            })?;
            if let Some(found) = found {
                call.insert("timestamp".to_owned(), found.into_owned());
            }
        }
        let mut properties = fields.properties.of(scope);
        if let Some(products) = &fields.products {
            let found = products.of(scope);
            found.and_then(|found| properties.insert("products".to_owned(), found));
        }
        let mut traits = fields.traits.of(scope);
        let consent = consent(&fields.consent, scope);
        if !consent.is_empty() {
            traits.insert("consent".to_owned(), consent.into());
        }
        let mut context = object_at(&fields.context_from, scope)
            .cloned()
            .unwrap_or_default();
        let campaign = object(&fields.campaign, scope);
        if !campaign.is_empty() {
            context.insert("campaign".to_owned(), campaign.into());
        }
        for (name, object) in [
            ("properties", properties),
            ("traits", traits),
            ("context", context),
        ] {
            if !object.is_empty() {
                call.insert(name.to_owned(), object.into());
            }
        }
        Ok(Json::Object(call))
    }
}

impl Object {
    fn of(&self, scope: &Scope<'_>) -> Map<String, Json> {
        let mut object = Map::new();
        if let Some(from) = object_at(&self.from, scope) {
            for (name, value) in from.iter().filter(|(_, value)| scope.is_known(value)) {
                if let Some(name) = self.names.ours(name)
                    && !object.contains_key(name)
                {
                    object.insert(name.to_owned(), value.clone());
                }
            }
        }
        for (name, value) in &self.set {
            put(&mut object, name, Some(value), scope);
        }
        object
    }
}

impl Names {
    pub(super) fn new<'n>(names: impl IntoIterator<Item = &'n str>, any_case: bool) -> Self {
        let names = names.into_iter();
        Self {
            any_case,
            by_count: names
                .map(|name| (counted(name, any_case), name.to_owned()))
                .collect(),
        }
    }

    /// Our name for one of a foreign object.
    fn ours(&self, name: &str) -> Option<&str> {
        let name = counted(name, self.any_case);
        self.by_count.get(&name).map(String::as_str)
    }
}

impl Products {
    fn of(&self, scope: &Scope<'_>) -> Option<Json> {
        let found = self.from.iter().filter_map(|path| scope.find(path));
        let mut lists = found.map(|found| match found {
            Json::Array(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        });
        let items = lists.find(|items| !items.is_empty())?;
        // One more than are kept, so that the decoder says that some are not.
        let items = items.iter().take(limits::PRODUCTS + 1);
        let product = |item: &Json| {
            let scope = Scope { item, ..*scope };
            Json::Object(self.item.of(&scope))
        };
        Some(items.map(product).collect())
    }
}

/// The first of some places where an object stands with something in it.
fn object_at<'r>(from: &[Path], scope: &Scope<'r>) -> Option<&'r Map<String, Json>> {
    let mut objects = from.iter().filter_map(|path| scope.find(path)?.as_object());
    objects.find(|object| !object.is_empty())
}

/// What is said of consent. A word that a table does not have is read as it stands, and is a no where it cannot be.
fn consent(fields: &[(String, Value)], scope: &Scope<'_>) -> Map<String, Json> {
    let said = fields.iter().filter_map(|(channel, value)| {
        let said = value
            .or_as_it_is(scope)
            .unwrap_or_else(|found| Some(Cow::Owned(Json::String(found.0))));
        Some((channel.clone(), said?.into_owned()))
    });
    said.collect()
}

/// Sets a field where it is known. One that cannot be converted becomes what no type of ours reads, so that it counts as a
/// defect under its own name.
fn put(object: &mut Map<String, Json>, name: &str, value: Option<&Value>, scope: &Scope<'_>) {
    let Some(value) = value else { return };
    match value.of(scope) {
        Ok(Some(found)) => drop(object.insert(name.to_owned(), found.into_owned())),
        Ok(None) => {}
        Err(_) => drop(object.insert(name.to_owned(), Json::Object(Map::new()))),
    }
}

fn object(fields: &[(String, Value)], scope: &Scope<'_>) -> Map<String, Json> {
    let mut object = Map::new();
    for (name, value) in fields {
        put(&mut object, name, Some(value), scope);
    }
    object
}
