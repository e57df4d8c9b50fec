//! What a trigger needs of the data: the events and properties that it names, and what it asks of a customer.

use std::collections::BTreeSet;

use super::plan::Trigger;
use crate::event::{EventName, Vocabulary};
use crate::expression::Expression;
use crate::journey::Journey;
use crate::treatment::choice::Fill;

/// What it needs, each in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Events by name; `any event` where it goes by all that she does.
    pub events: BTreeSet<String>,
    /// Properties of events, as expressions name them: `event.total`.
    pub properties: BTreeSet<String>,
    /// What is asked of a customer: `profile.basket.value`, `facts.views`, `models.likely`.
    pub of_customer: BTreeSet<String>,
}

/// What a trigger needs.
#[must_use]
pub fn needs(trigger: &Trigger, vocabulary: &Vocabulary) -> Needs {
    let mut needs = Needs::default();
    let concerns = trigger.kind.concerns();
    let goal = trigger.goal.as_ref();
    let mut names: Vec<EventName> = goal
        .into_iter()
        .flat_map(|it| it.of.event_names())
        .collect();
    match concerns.everybody {
        true => drop(needs.events.insert("any event".to_owned())),
        false => names.extend(concerns.names()),
    }
    let names = names.into_iter().filter_map(|name| vocabulary.event(name));
    needs.events.extend(names.map(|event| event.name.clone()));
    for name in expressions(trigger).into_iter().flat_map(Expression::names) {
        let (root, rest) = name.split_once('.').unwrap_or((name, ""));
        match root {
            "event" => drop(needs.properties.insert(name.to_owned())),
            "previous" if rest.starts_with("facts.") => {
                needs.of_customer.insert(rest.to_owned());
            }
            "previous" => drop(needs.of_customer.insert(format!("profile.{rest}"))),
            "now" => {}
            _ => drop(needs.of_customer.insert(name.to_owned())),
        }
    }
    needs
}

/// Every expression of a trigger.
fn expressions(trigger: &Trigger) -> Vec<&Expression> {
    let mut all = trigger.kind.expressions();
    all.extend(&trigger.audience);
    all.extend(trigger.journey.iter().flat_map(Journey::expressions));
    for choice in trigger.choices() {
        all.extend(&choice.condition);
        for (_, fill) in choice.offer.iter().chain(&choice.data) {
            if let Fill::Expression(of) = fill {
                all.push(of);
            }
        }
    }
    all.extend(&trigger.policy.value);
    all.extend(&trigger.policy.cap_per);
    if let Some(goal) = &trigger.goal {
        all.extend(goal.of.expressions());
        all.extend(&goal.value);
    }
    all
}
