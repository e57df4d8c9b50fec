//! A profile as JSON: every field under the name that expressions use, what was sent, and what may yet come true.

use serde_json::{Map, Value, json};

use crate::profile::Profile;
use crate::profile::schema::{FIELDS, KEYED_FIELDS};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// The profile as of `now`. What is not known is left out.
pub(super) fn shown(profile: &Profile, plan: &Plan, now: Timestamp) -> Value {
    let mut fields = Map::new();
    for field in FIELDS {
        put(
            &mut fields,
            field.path,
            (&(field.read)(profile, now)).into(),
        );
    }
    for keyed in KEYED_FIELDS {
        let keys: Vec<&str> = match keyed.path {
            "attributes" => profile
                .facts
                .attributes
                .iter()
                .map(|(name, _)| name.as_str())
                .collect(),
            _ => profile
                .facts
                .interests
                .iter()
                .map(|interest| interest.category.as_str())
                .collect(),
        };
        let members: Map<String, Value> = keys
            .into_iter()
            .map(|key| (key.to_owned(), (&(keyed.read)(profile, key, now)).into()))
            .collect();
        put(&mut fields, keyed.path, Value::Object(members));
    }
    let sent = profile
        .contacts
        .by_trigger
        .iter()
        .filter_map(|(key, times)| {
            let times: Vec<String> = times.iter().map(ToString::to_string).collect();
            Some(json!({"trigger": plan.by_key(*key)?.name.as_str(), "at": times}))
        });
    json!({
        "customer": profile.id.as_str(),
        "profile": fields,
        "sent": sent.collect::<Vec<_>>(),
        "open": open(profile, plan),
        "unsettled_events": profile.tail.len(),
    })
}

/// The deadlines that come true if nothing more happens.
fn open(profile: &Profile, plan: &Plan) -> Vec<Value> {
    let opened = profile.moments.iter().filter_map(|(key, state)| {
        let trigger = plan.by_key(*key)?;
        let due = trigger.kind.due(state, &profile.facts)?;
        Some(json!({"trigger": trigger.name.as_str(), "due": due.to_string()}))
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
    use crate::event::{Text, Vocabulary};
    use crate::trigger::plan::Policy;
    use std::sync::Arc;

    #[test]
    fn fields_stand_under_the_names_of_expressions() {
        let mut profile = Profile {
            id: Text::from("ana"),
            ..Profile::default()
        };
        profile.facts.addresses.email = Some("ana@example.com".into());
        profile.facts.viewed.push("p1".into());
        let plan = Plan::new(
            Arc::new(Vocabulary::standard()),
            Vec::new(),
            Policy::default(),
            "r1".into(),
        );
        let shown = shown(&profile, &plan, Timestamp(0));
        assert_eq!(shown["customer"], "ana");
        assert_eq!(shown["profile"]["addresses"]["email"], "ana@example.com");
        assert_eq!(shown["profile"]["viewed"], json!(["p1"]));
        assert_eq!(shown["profile"]["orders"]["count"], 0);
        assert_eq!(shown["profile"]["orders"].get("last"), None);
    }
}
