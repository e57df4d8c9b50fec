//! A profile as JSON: every field under the name that expressions use, what was sent, and what may yet come true.

use serde_json::{Map, Value};

use super::customers::{Open, Sent};
use crate::profile::Profile;
use crate::profile::schema::{FIELDS, KEYED_FIELDS};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// The fields of a profile as of `now`. What is not known is left out.
pub(super) fn fields(profile: &Profile, now: Timestamp) -> Value {
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
    Value::Object(fields)
}

/// What was sent, by trigger.
pub(super) fn sent(profile: &Profile, plan: &Plan) -> Vec<Sent> {
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
pub(super) fn open(profile: &Profile, plan: &Plan) -> Vec<Open> {
    let opened = profile.moments.iter().filter_map(|(key, state)| {
        let trigger = plan.by_key(*key)?;
        Some(Open {
            trigger: trigger.name.to_string(),
            due: trigger.kind.due(state, &profile.facts)?.to_string(),
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
    use crate::event::Text;
    use serde_json::json;

    #[test]
    fn fields_stand_under_the_names_of_expressions() {
        let mut profile = Profile {
            id: Text::from("ana"),
            ..Profile::default()
        };
        profile.facts.addresses.email = Some("ana@example.com".into());
        profile.facts.viewed.push("p1".into());
        let shown = fields(&profile, Timestamp(0));
        assert_eq!(shown["addresses"]["email"], "ana@example.com");
        assert_eq!(shown["viewed"], json!(["p1"]));
        assert_eq!(shown["orders"]["count"], 0);
        assert_eq!(shown["orders"].get("last"), None);
    }
}
