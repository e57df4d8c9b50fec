//! Plays events to the engine as if time ran by, and compares what it decided with what was expected.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Expected, Happening, Scenario, limits};
use crate::engine::{Effect, Engine, Input};
use crate::time::{DAY_MS, Timestamp};
use crate::treatment::{Decision, Outcome, Reason, Undone};
use crate::trigger::plan::Plan;

/// What is decided when a scenario's events arrive in their order, time running on to its `until` (or as long as
/// there are deadlines).
pub fn decisions(plan: &Arc<Plan>, scenario: &Scenario) -> Vec<Decision> {
    let mut engine = Engine::new(Arc::clone(plan));
    let mut effects = Vec::new();
    let mut now = Timestamp::MIN;
    for row in &scenario.rows {
        let told = Box::new(row.told.clone());
        engine.step(Input::Row(told), now, &mut effects);
    }
    for Happening {
        event, everybody, ..
    } in &scenario.events
    {
        if event.time > now {
            // Lateness is 0: what lies before this event has happened, what lies at it may not have.
            run_to(&mut engine, event.time.plus(-1), &mut effects);
            now = event.time;
        }
        let event = Box::new(event.clone());
        let input = match everybody {
            true => Input::Everybody(event),
            false => Input::Event(event),
        };
        engine.step(input, now, &mut effects);
    }
    let end = scenario
        .until
        .unwrap_or_else(|| now.plus(limits::DAYS_AFTER * DAY_MS));
    run_to(&mut engine, end.max(now), &mut effects);
    let decided = |effect| match effect {
        Effect::Decided(decision) => Some(*decision),
        _ => None,
    };
    effects.into_iter().filter_map(decided).collect()
}

/// Time runs on to `end`, and at each deadline in between the clock says so.
fn run_to(engine: &mut Engine, end: Timestamp, effects: &mut Vec<Effect>) {
    while let Some(look) = engine.next_look().filter(|look| *look < end) {
        let at = look.max(engine.watermark().plus(1));
        engine.step(Input::Watermark(at), at, effects);
    }
    engine.step(Input::Watermark(end), end, effects);
}

/// What was decided, as scenarios see it.
#[derive(Debug)]
pub struct Got {
    /// When the moment came true.
    pub at: Timestamp,
    /// Why it was refused, where it was.
    pub refusal: Option<Reason>,
    /// Why it was taken back, where that is what was decided.
    pub withdrawn: Option<Undone>,
    /// The decision as JSON.
    pub json: Json,
}

impl Got {
    /// Of a decision.
    pub fn of(decision: &Decision) -> Self {
        let (refusal, withdrawn) = match &decision.outcome {
            // In shadow everything is right but the sending: it is tested as if it were live.
            Outcome::Treat(_) | Outcome::Refuse(Reason::Shadow, Some(_)) => (None, None),
            Outcome::Refuse(reason, _) => (Some(*reason), None),
            Outcome::Withdraw(withdrawal) => (None, Some(withdrawal.reason)),
        };
        let json = serde_json::from_slice(&decision.to_json()).unwrap_or_default();
        Self {
            at: decision.moment_at,
            refusal,
            withdrawn,
            json,
        }
    }

    /// Whether it is a treatment, or takes one back.
    pub fn is_treatment(&self) -> bool {
        self.refusal.is_none()
    }

    /// The value that an expectation may name.
    pub fn value(&self, key: &str) -> &Json {
        match key {
            "customer" | "reason" | "trigger" => &self.json[key],
            "withdrawn" if self.withdrawn.is_none() => &Json::Null,
            "withdrawn" => &self.json["reason"],
            key => &self.json["treatment"][key],
        }
    }
}

/// How what was decided differs from an expectation: path, expected, got.
pub fn differences(expected: &Expected, got: &Got) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    if let Some(at) = expected.at.filter(|at| *at != got.at) {
        found.push(("at".to_owned(), at.to_string(), got.at.to_string()));
    }
    let says = |name: &str| expected.named.iter().any(|(key, _)| key == name);
    if let Some(why) = got.withdrawn.filter(|_| !says("withdrawn")) {
        found.push((
            "withdrawn".to_owned(),
            "no".to_owned(),
            why.word().to_owned(),
        ));
    }
    for (key, value) in &expected.named {
        compare(key, value, got.value(key), &mut found);
    }
    found
}

fn compare(path: &str, expected: &Json, got: &Json, found: &mut Vec<(String, String, String)>) {
    match (expected, got) {
        (Json::Object(expected), Json::Object(got)) => {
            for (key, value) in expected {
                compare(
                    &format!("{path}.{key}"),
                    value,
                    got.get(key).unwrap_or(&Json::Null),
                    found,
                );
            }
        }
        (Json::Number(a), Json::Number(b)) if a.as_f64() == b.as_f64() => {}
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{at}]"), a, b, found);
            }
        }
        // An instant is the same however it is written.
        (Json::String(a), Json::String(b)) if is_instant(a, b) => {}
        (a, b) if a == b => {}
        (a, b) => found.push((path.to_owned(), a.to_string(), b.to_string())),
    }
}

fn is_instant(a: &str, b: &str) -> bool {
    let instant = Timestamp::parse(a);
    instant.is_some() && instant == Timestamp::parse(b)
}
