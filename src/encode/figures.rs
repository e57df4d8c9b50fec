//! How the figures of a task are written for the topic of reports: a row a record, which replaces the one before it.

use serde_json::{Map, Value, json};

use crate::profile::ledger::Arm;
use crate::report::Credited;
use crate::tally::funnel::Funnel;
use crate::tally::{Customers, Figures, Of, Touch};
use crate::time::Timestamp;

/// The key of a row of a task: of one that is written again, the same.
#[must_use]
pub fn key(of: &Of, partition: i32) -> Vec<u8> {
    // As texts may hold anything, so that no two rows have one key.
    let key = json!([
        of.trigger,
        of.generation,
        of.treatment,
        of.segment,
        partition
    ]);
    key.to_string().into_bytes()
}

/// A row of a task, as it stands at `now`.
#[must_use]
pub fn value(of: &Of, figures: &Figures, partition: i32, now: Timestamp) -> Vec<u8> {
    let credited = |touch| Credited::of(figures, touch);
    let arm = |arm: Arm| customers(&figures.arms.get(&arm).cloned().unwrap_or_default());
    let reactions = figures.reactions.iter();
    let reactions =
        reactions.map(|(reaction, count)| (reaction.word().to_owned(), (*count).into()));
    let row = json!({
        "trigger": of.trigger,
        "generation": of.generation,
        "treatment": of.treatment,
        "segment": of.segment,
        "partition": partition,
        "as_of": now.to_string(),
        "moments": figures.moments(),
        "treated": figures.treated,
        "withdrawn": figures.withdrawn,
        "refused": figures.refused,
        "reactions": reactions.collect::<Map<String, Value>>(),
        "last_touch": credited(Touch::Last),
        "first_touch": credited(Touch::First),
        "linear": credited(Touch::Linear),
        "cost": figures.cost.number(),
        "customers": { "treated": arm(Arm::Treated), "held_out": arm(Arm::HeldOut) },
        "journey": journey(&figures.journey),
    });
    row.to_string().into_bytes()
}

/// Of rows without one, nothing.
fn journey(funnel: &Funnel) -> Value {
    if funnel.is_empty() {
        return Value::Null;
    }
    let left = funnel.left.iter();
    let left = left.map(|(why, count)| (why.word().to_owned(), (*count).into()));
    json!({
        "entered": funnel.entered,
        "steps": funnel.steps,
        "left": left.collect::<Map<String, Value>>(),
    })
}

fn customers(customers: &Customers) -> Value {
    json!({
        "customers": customers.count,
        "converted": customers.converted,
        "value": customers.value.number(),
        "bounded": {
            "customers": customers.bounded_count,
            "value": customers.bounded.number(),
            "squares": customers.squares.number(),
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::Text;
    use crate::money::Amount;
    use crate::tally::funnel::{Leaving, Passage};
    use crate::tally::{Credits, Reaction};

    #[test]
    fn a_row_is_written_whole() {
        let of = Of {
            trigger: "basket".into(),
            generation: 1,
            treatment: Some("email/reminder".into()),
            segment: None,
        };
        assert_eq!(key(&of, 3), br#"["basket",1,"email/reminder",null,3]"#);
        let mut journey = Funnel::default();
        let step: Text = "hello".into();
        for passage in [
            Passage::Enters,
            Passage::Comes { step: step.clone() },
            Passage::Goes {
                step,
                way: "sent".into(),
            },
            Passage::Leaves(Leaving::TakenOut),
        ] {
            journey.take(&passage);
        }
        let figures = Figures {
            journey,
            treated: 7,
            refused: BTreeMap::from([("held_out".into(), 2)]),
            reactions: BTreeMap::from([(Reaction::Opened, 3)]),
            credits: BTreeMap::from([(
                Touch::Linear,
                Credits {
                    share: 1_500_000,
                    value: Amount::of(12.5),
                },
            )]),
            arms: BTreeMap::from([(
                Arm::HeldOut,
                Customers {
                    count: 2,
                    converted: 1,
                    ..Customers::default()
                },
            )]),
            ..Figures::default()
        };
        let value = value(&of, &figures, 3, Timestamp(0));
        let value: Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(value["moments"], 9);
        assert_eq!(value["reactions"], json!({ "opened": 3 }));
        assert_eq!(
            value["linear"],
            json!({ "conversions": 1.5, "value": 12.5 })
        );
        assert_eq!(value["customers"]["held_out"]["converted"], 1);
        assert_eq!(
            value["journey"],
            json!({ "entered": 1, "steps": { "hello": { "came": 1, "ways": { "sent": 1 } } }, "left": { "taken_out": 1 } })
        );
        assert_eq!(value["as_of"], "1970-01-01T00:00:00.000Z");
    }
}
