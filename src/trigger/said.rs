//! A trigger in plain English sentences: when it comes true, for whom, what is done, within which limits, and what for.

use super::plan::{Mode, Trigger};
use super::policy::AtNight;
use crate::event::Text;
use crate::expression::Expression;
use crate::time::duration_in_words;
use crate::treatment::choice::{Fill, TreatmentChoice};
use crate::treatment::code::Coded;

/// Its sentences, in that order.
#[must_use]
pub fn sentences(trigger: &Trigger) -> Vec<String> {
    let mut said = vec![
        format!("It comes true {}.", trigger.kind.said()),
        audience(trigger),
    ];
    said.extend(treatments(trigger));
    said.push(limits(trigger));
    said.extend(standing(trigger));
    said.extend(goal(trigger));
    said.extend(kpi(trigger));
    said
}

/// A condition, its parts by themselves, and that they are true.
fn condition(condition: &Expression) -> String {
    let parts = condition.conjuncts();
    let parts: Vec<String> = parts.iter().map(|it| format!("`{}`", it.text)).collect();
    let are = if parts.len() == 1 { "is" } else { "are" };
    format!("{} {are} true", parts.join(" and "))
}

fn audience(trigger: &Trigger) -> String {
    match &trigger.audience {
        None => "It is for everybody.".to_owned(),
        Some(audience) => format!("It is for those of whom {}.", condition(audience)),
    }
}

fn treatments(trigger: &Trigger) -> Vec<String> {
    if let Some(journey) = &trigger.journey {
        return journey.said(|choices| sent(choices).join(" "));
    }
    match trigger.treatments.is_empty() {
        true => vec!["It sends nothing, and counts.".to_owned()],
        false => sent(&trigger.treatments),
    }
}

fn sent(all: &[TreatmentChoice]) -> Vec<String> {
    let said = all.iter().enumerate().map(|(place, choice)| {
        let what = format!("{} by {}{}", choice.template, choice.channel, offer(choice));
        match (&choice.condition, place) {
            (Some(it), 0) => format!("If {}, it sends {what}.", condition(it)),
            (Some(it), _) => format!("Else, if {}, it sends {what}.", condition(it)),
            (None, 0) => format!("It sends {what}."),
            (None, _) => format!("Else it sends {what}."),
        }
    });
    said.collect()
}

/// What is offered with it.
fn offer(choice: &TreatmentChoice) -> String {
    let part = |(name, fill): &(Text, Fill)| match fill {
        Fill::Constant(serde_json::Value::String(text)) => format!("{name} {text}"),
        Fill::Constant(value) => format!("{name} {value}"),
        Fill::Expression(of) => format!("{name} `{}`", of.source()),
    };
    let mut parts: Vec<String> = choice.offer.iter().map(part).collect();
    parts.extend(choice.code.as_ref().map(|code| match code {
        Coded::Own(form) => format!("a code of its own, {}...", form.prefix),
        Coded::Referral(name) => format!("her code of the referral {name}"),
    }));
    match parts.is_empty() {
        true => String::new(),
        false => format!(", with an offer of {}", parts.join(", ")),
    }
}

fn limits(trigger: &Trigger) -> String {
    let policy = &trigger.policy;
    let mut parts = vec![format!("Its priority is {}", policy.priority)];
    if let Some(caps) = policy.caps_said() {
        parts.push(format!("she is sent it at most {caps}"));
    }
    if let Some(digest_ms) = policy.digest_ms {
        let long = duration_in_words(digest_ms);
        parts.push(format!("what comes true within {long} is one message"));
    }
    parts.push(match policy.quiet_hours {
        AtNight::Hold => "in quiet hours it waits".to_owned(),
        AtNight::Drop => "in quiet hours it is dropped".to_owned(),
        AtNight::Ignore => "quiet hours do not concern it".to_owned(),
    });
    let good_for = duration_in_words(policy.good_for_ms);
    parts.push(format!("it makes sense for {good_for}"));
    if let Some(share) = policy.hold_out {
        parts.push(format!("{share} are held out"));
    }
    format!("{}.", parts.join("; "))
}

/// Where it is not simply in force.
fn standing(trigger: &Trigger) -> Option<String> {
    let from = trigger.from.map(|from| format!("from {from}"));
    let until = trigger.until.map(|until| format!("until {until}"));
    let dates: Vec<String> = from.into_iter().chain(until).collect();
    let mode = match trigger.mode {
        Mode::Live => None,
        Mode::Shadow => Some("It runs in shadow, and sends nothing".to_owned()),
        Mode::Off => Some("It is off".to_owned()),
    };
    let dates = (!dates.is_empty()).then(|| format!("It is in force {}", dates.join(" ")));
    let parts: Vec<String> = mode.into_iter().chain(dates).collect();
    (!parts.is_empty()).then(|| format!("{}.", parts.join(". ")))
}

fn goal(trigger: &Trigger) -> Option<String> {
    let goal = trigger.goal.as_ref()?;
    let worth = goal.value.as_ref();
    let worth = worth.map_or_else(String::new, |it| format!(", worth `{}`", it.source()));
    let within = duration_in_words(goal.within_ms);
    Some(format!(
        "Its goal is {} within {within}{worth}.",
        goal.of.said()
    ))
}

fn kpi(trigger: &Trigger) -> Option<String> {
    let kpi = trigger.kpi.as_ref()?;
    Some(format!("Its KPI is {}: {}.", kpi.name, kpi.said()))
}
