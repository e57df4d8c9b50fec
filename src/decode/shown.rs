//! An event as a producer of our own format would write it: for people and for tests.

use serde_json::{Map, Value as Json, json};

use crate::event::{
    Event, EventName, OTHER_CHANNELS, Product, Property, Text, Touchpoint, Traits, Vocabulary,
};
use crate::time::show_day;
use crate::value::Value;

/// The call; what is not known is not there, and an event that the vocabulary does not have has no name.
#[must_use]
pub fn call(event: &Event, vocabulary: &Vocabulary) -> Json {
    let mut call = Map::new();
    let mut put = |name: &str, value: Json| {
        if !value.is_null() {
            call.insert(name.to_owned(), value);
        }
    };
    let name = Some(event.name).filter(|name| *name != EventName::OTHER);
    let spec = name.and_then(|name| vocabulary.event(name));
    put(
        "event",
        spec.map_or(Json::Null, |spec| spec.name.as_str().into()),
    );
    let id = if event.known { "userId" } else { "anonymousId" };
    put(id, event.customer.as_str().into());
    for former in &event.formers {
        let name = match former.is_alias {
            true => "previousId",
            false => "anonymousId",
        };
        put(name, former.id.as_str().into());
    }
    if event.has_message_id {
        put("messageId", event.id.as_str().into());
    }
    put("timestamp", event.time.to_string().into());
    let mut properties: Map<String, Json> = event
        .properties
        .iter()
        .map(|(id, value)| (vocabulary.property(*id).name.clone(), of(value)))
        .collect();
    if !event.products.is_empty() {
        let products = event.products.iter().map(product).collect();
        properties.insert("products".to_owned(), products);
    }
    put("properties", object(properties));
    put("traits", event.traits.as_deref().map_or(Json::Null, traits));
    put(
        "context",
        event.touchpoint.as_deref().map_or(Json::Null, context),
    );
    Json::Object(call)
}

fn of(property: &Property) -> Json {
    match property {
        Property::Date(day) => show_day(*day).into(),
        other => Json::from(&Value::of(other, &Default::default)),
    }
}

fn object(map: Map<String, Json>) -> Json {
    if map.is_empty() {
        Json::Null
    } else {
        Json::Object(map)
    }
}

fn product(product: &Product) -> Json {
    let number = |value: Option<f64>| Json::from(&Value::number(value));
    let fields = [
        ("product_id", Json::from(&Value::text(Some(&product.id)))),
        (
            "category",
            Json::from(&Value::text(product.category.as_ref())),
        ),
        ("price", number(product.price)),
        ("quantity", number(product.quantity)),
    ];
    let known = fields.into_iter().filter(|(_, value)| !value.is_null());
    Json::Object(
        known
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn traits(traits: &Traits) -> Json {
    let own = [
        ("email", &traits.email),
        ("phone", &traits.phone),
        ("push_token", &traits.push_token),
        ("address", &traits.address),
        ("timezone", &traits.timezone),
        ("locale", &traits.locale),
        ("country", &traits.country),
    ];
    let own = own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.as_deref()?))));
    let attributes = traits
        .attributes
        .iter()
        .map(|(name, value)| (name.to_string(), of(value)));
    let mut map: Map<String, Json> = own.chain(attributes).collect();
    if !traits.consent.is_empty() {
        map.insert("consent".to_owned(), consent(&traits.consent));
    }
    object(map)
}

/// By channel; where it says all there is to say, as a list.
fn consent(said: &[(Text, bool)]) -> Json {
    if said.iter().all(|(channel, _)| channel != OTHER_CHANNELS) {
        let by_channel = said.iter();
        return by_channel
            .map(|(channel, given)| (channel.to_string(), Json::from(*given)))
            .collect();
    }
    let named = said.iter().filter(|(channel, _)| channel != OTHER_CHANNELS);
    let named = named.map(|(channel, given)| match given {
        true => channel.to_string(),
        false => format!("!{channel}"),
    });
    named.collect::<Vec<_>>().into()
}

fn context(touchpoint: &Touchpoint) -> Json {
    let fields = [
        ("source", &touchpoint.source),
        ("medium", &touchpoint.medium),
        ("name", &touchpoint.campaign),
    ];
    let known = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Json::from(value.as_deref()?))));
    match object(known.collect()) {
        Json::Null => Json::Null,
        campaign => json!({ "campaign": campaign }),
    }
}
