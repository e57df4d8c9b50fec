//! A profile as JSON: every field under the name that expressions use, what was sent, and what may yet come true.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::{Customer, Engine};
use crate::event::vocabulary;
use crate::profile::section::AsOf;
use crate::profile::{FIELDS, KEYED_FIELDS, Settled};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// A customer as of what her task has taken in; the last of it may not be committed yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Customer)]
pub struct Shown {
    /// Her id; another than the one that was asked for, where that one has become hers.
    customer: String,
    /// The address of the process that answered in the place of this one, as it has her task.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    /// The instant as of which she is shown, RFC 3339.
    now: String,
    /// The watermark up to which her events are settled, RFC 3339; none before there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    /// Every field that expressions may name, under its name; what is not known is left out.
    #[schema(value_type = Object)]
    profile: Value,
    /// When commands were sent to her, by trigger, as far as caps ask.
    sent: Vec<Sent>,
    /// Deadlines that come true if nothing more happens.
    open: Vec<Open>,
    /// Moments that came true and wait to be asked again.
    held: Vec<Held>,
    /// Journeys that she is inside.
    inside: Vec<Inside>,
    /// Her events beyond the watermark: unless what is settled was asked for alone, what is shown has them.
    unsettled_events: usize,
}

/// Commands of a trigger to a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sent {
    /// The trigger.
    pub(super) trigger: String,
    /// When, RFC 3339.
    pub(super) at: Vec<String>,
}

/// A deadline.
#[derive(Debug, Serialize, ToSchema)]
pub struct Open {
    /// The trigger.
    pub(super) trigger: String,
    /// When it comes true, RFC 3339.
    pub(super) due: String,
}

/// A journey that she is inside.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inside {
    /// The trigger.
    trigger: String,
    /// The step at which she stands; none: she leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// Since when, RFC 3339.
    since: String,
    /// When she goes on, or what is held back there is asked again, if nothing comes before; RFC 3339.
    due: String,
}

/// A moment that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct Held {
    /// The trigger.
    trigger: String,
    /// Why it waits: `quiet_hours`, `digested` for its digest to end, `outranked` for others to compete with, or `send_rate` for its turn.
    reason: String,
    /// When everything is asked again, RFC 3339; of one that waits for its turn, at the latest.
    until: String,
}

/// A customer as of `now`, settled up to a watermark; with the events beyond it, unless what is settled is to be shown alone.
pub(super) fn shown(
    plan: &Plan,
    customer: &Customer,
    (watermark, now): (Timestamp, Timestamp),
    only_settled: bool,
) -> Shown {
    let unsettled_events = customer.profile.tail.events().len();
    let known = (!only_settled).then(|| Engine::as_known(plan, customer, now));
    let customer = known.as_ref().unwrap_or(customer);
    let settled = &customer.profile.settled;
    let held = customer.waiting.iter().filter_map(|waits| {
        Some(Held {
            trigger: plan.by_key(waits.trigger)?.name.to_string(),
            reason: waits.why.reason().word().to_owned(),
            until: waits.until.to_string(),
        })
    });
    let inside = settled.journeys.open().iter().map(|place| Inside {
        trigger: place.trigger.to_string(),
        step: place.step.as_ref().map(ToString::to_string),
        since: place.since.to_string(),
        due: place.due().to_string(),
    });
    Shown {
        via: None,
        customer: settled.id.to_string(),
        now: now.to_string(),
        as_of: (watermark > Timestamp::MIN).then(|| watermark.to_string()),
        profile: fields(plan, settled, now),
        sent: sent(settled, plan),
        open: open(customer, plan),
        held: held.collect(),
        inside: inside.collect(),
        unsettled_events,
    }
}

/// The fields of a profile. What is not known is left out.
fn fields(plan: &Plan, profile: &Settled, now: Timestamp) -> Value {
    let home = &plan.home;
    let as_of = AsOf { now, home };
    // What a company declares to be a list of numbers is kept as it was written.
    let declared = |key: &str| vocabulary::attribute(&plan.attributes, key);
    let mut fields = Map::new();
    for field in FIELDS.iter() {
        put(
            &mut fields,
            field.path,
            (&(field.read)(profile, as_of)).into(),
        );
    }
    let mut by_path: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for keyed in KEYED_FIELDS.iter() {
        let mut members = Map::new();
        for key in (keyed.keys)(profile) {
            let value = (keyed.read)(profile, key, as_of);
            let value = match keyed.kind.or_else(|| declared(key)) {
                Some(kind) => value.declared(kind, &|| profile.identity.zone_or(home)),
                None => value,
            };
            let value = Value::from(&value);
            let value = match keyed.member {
                Some(member) => [(member.to_owned(), value)].into_iter().collect(),
                None => value,
            };
            members.insert(key.to_owned(), value);
        }
        match by_path.get_mut(keyed.path) {
            Some(known) => merge(known, members),
            None => drop(by_path.insert(keyed.path, members)),
        }
    }
    for (path, members) in by_path {
        put(&mut fields, path, Value::Object(members));
    }
    Value::Object(fields)
}

/// Takes up what is said of the same keys.
fn merge(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (known.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(value)) => known.extend(value),
            (_, value) => drop(known.insert(key, value)),
        }
    }
}

/// What was sent, by trigger.
fn sent(profile: &Settled, plan: &Plan) -> Vec<Sent> {
    let sent = profile.contacts.by_trigger.iter();
    let sent = sent.filter_map(|(key, times)| {
        Some(Sent {
            trigger: plan.by_key(*key)?.name.to_string(),
            at: times.iter().map(ToString::to_string).collect(),
        })
    });
    sent.collect()
}

/// The deadlines that come true if nothing more happens.
fn open(customer: &Customer, plan: &Plan) -> Vec<Open> {
    let opened = customer.states.iter().filter_map(|(key, state)| {
        let trigger = plan.by_key(key)?;
        Some(Open {
            trigger: trigger.name.to_string(),
            due: trigger
                .kind
                .due(state, &customer.profile.settled)?
                .to_string(),
        })
    });
    opened.collect()
}

fn put(into: &mut Map<String, Value>, path: &str, value: Value) {
    if value.is_null() {
        return;
    }
    match path.split_once('.') {
        None => drop(into.insert(path.to_owned(), value)),
        Some((group, rest)) => {
            let inner = into
                .entry(group)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::decode::Decoder;
    use crate::engine::Input;
    use crate::event::record::Origin;
    use crate::event::{Item, Property, Text, Type, Vocabulary};
    use crate::trigger::plan::Policy;
    use serde_json::json;

    fn plan() -> Plan {
        let nothing = (Vec::new(), Vec::new(), Vec::new());
        Plan::new(
            Arc::new(Vocabulary::standard()),
            Vec::new(),
            nothing,
            Policy::default(),
            Text::default(),
        )
    }

    #[test]
    fn fields_stand_under_the_names_of_expressions() {
        let mut profile = Settled {
            id: Text::from("ana"),
            ..Settled::default()
        };
        profile.identity.addresses.email = Some("ana@example.com".into());
        profile.browsing.viewed.push("p1".into());
        let sizes = Property::List(vec!["38".into(), "38.5".into()]);
        let lists = ["sizes", "worn"].map(|name| (Text::from(name), sizes.clone()));
        profile.identity.attributes.extend(lists);
        let mut plan = plan();
        let numbers = ("sizes".to_owned(), Type::List(Item::Number));
        plan.attributes = [numbers].into();
        let shown = fields(&plan, &profile, Timestamp(0));
        assert_eq!(shown["attributes"]["sizes"], json!([38, 38.5]));
        // What is declared no more is shown as it was written.
        assert_eq!(shown["attributes"]["worn"], json!(["38", "38.5"]));
        assert_eq!(shown["addresses"]["email"], "ana@example.com");
        assert_eq!(shown["viewed"], json!(["p1"]));
        assert_eq!(shown["orders"]["count"], 0);
        assert_eq!(shown["orders"].get("last"), None);
    }

    /// An order that is not settled yet is there, unless what is settled is asked for alone.
    #[test]
    fn she_is_shown_as_she_is_now() {
        let plan = plan();
        let decoder = Decoder::new(Arc::clone(&plan.vocabulary), Arc::default());
        let mut engine = Engine::new(Arc::new(plan));
        let order = r#"{"type":"track","event":"Order Completed","userId":"ana","timestamp":"2026-03-02T10:00:00Z","properties":{"order_id":"o1","total":30}}"#;
        let event = decoder.decode(order.as_bytes(), &Origin::default());
        let event = Box::new(event.expect("an event").event);
        let (now, mut effects) = (event.time, Vec::new());
        engine.step(Input::Event(event), now, &mut effects);
        let customer = engine.customer("ana").expect("she is known");
        let plan = engine.plan();
        for (only_settled, orders) in [(false, 1), (true, 0)] {
            let shown = shown(plan, &customer, (Timestamp::MIN, now), only_settled);
            assert_eq!(shown.profile["orders"]["count"], orders);
            assert_eq!(shown.unsettled_events, 1);
        }
    }
}
