//! The triggers, and what this process has decided by them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::Page;
use super::problem::Problem;
use super::{Api, Segment};
use crate::time::format_duration;
use crate::trigger::plan::{Mode, Plan, Trigger};

/// A page of triggers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Triggers {
    /// The revision of the set.
    revision: String,
    /// The most important first.
    items: Vec<Shown>,
    /// The address of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A trigger, and what this process has decided by it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub struct Shown {
    /// Its name.
    name: String,
    /// Changed by the author when everything should count afresh.
    generation: u32,
    /// The kind of moment: `event`, `absence`, `inactivity`, `baseline`.
    kind: &'static str,
    /// `live`, `shadow` or `off`.
    mode: &'static str,
    /// Whether it is paused: it decides nothing for the time being.
    paused: bool,
    /// Decided first among moments of one instant.
    priority: i32,
    /// The events it names.
    events: Vec<String>,
    /// Whether it is for some customers only.
    has_audience: bool,
    /// What it may do, in the order in which it is asked.
    treatments: Vec<Treatment>,
    /// At most so many commands in a rolling window, such as `1 in 7d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<String>,
    /// How long after the moment a treatment makes sense.
    good_for: String,
    /// Not before, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Not at or after, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    /// The revision of the set.
    revision: String,
    /// Decided by this process since it began; other processes count their own.
    counts: Counts,
}

/// Something that a trigger may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Treatment {
    /// The channel.
    channel: String,
    /// The campaign tool's template.
    template: String,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counts {
    /// Moments that came true.
    moments: u64,
    /// Those that were treated.
    treatments: u64,
    /// Those that were not, by reason.
    refusals: BTreeMap<String, u64>,
}

/// The triggers, the most important first.
#[utoipa::path(get, path = "/api/v1/triggers", operation_id = "listTriggers", tag = "triggers", params(Page), responses(
    (status = 200, body = Triggers),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read."),
))]
pub(super) async fn list(State(api): State<Api>, page: Page) -> Result<Json<Triggers>, Problem> {
    let plan = api.tasks.plan();
    let begin = page
        .cursor()?
        .map_or(0, |cursor| usize::try_from(cursor).unwrap_or(usize::MAX));
    let rest = plan.triggers.get(begin..).unwrap_or_default();
    let items: Vec<Shown> = rest
        .iter()
        .take(page.limit())
        .map(|it| shown(&api, &plan, it))
        .collect();
    let end = begin.saturating_add(items.len());
    let next = (items.len() < rest.len())
        .then(|| page.at("/api/v1/triggers", i64::try_from(end).unwrap_or(i64::MAX)));
    Ok(Json(Triggers {
        revision: plan.revision.to_string(),
        items,
        next,
    }))
}

/// A trigger.
#[utoipa::path(get, path = "/api/v1/triggers/{name}", operation_id = "getTrigger", tag = "triggers",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, body = Shown),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none of this name."),
    ))]
pub(super) async fn one(
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<Shown>, Problem> {
    let plan = api.tasks.plan();
    let found = plan.triggers.iter().find(|trigger| trigger.name == name);
    let unknown = || {
        Problem::unknown(format!(
            "no trigger of revision {} is called `{name}`",
            plan.revision
        ))
    };
    found
        .map(|trigger| Json(shown(&api, &plan, trigger)))
        .ok_or_else(unknown)
}

fn shown(api: &Api, plan: &Plan, trigger: &Trigger) -> Shown {
    let names = trigger.kind.concerns().names().into_iter();
    let events = names.filter_map(|name| Some(plan.vocabulary.event(name)?.name.clone()));
    let mut events: Vec<String> = events.collect();
    events.sort();
    events.dedup();
    let treatments = trigger.choices().map(|choice| Treatment {
        channel: choice.channel.to_string(),
        template: choice.template.to_string(),
    });
    let decided = api.tasks.telemetry().decided(&trigger.name);
    Shown {
        name: trigger.name.to_string(),
        generation: trigger.generation,
        kind: trigger.kind.word(),
        mode: match trigger.mode {
            Mode::Live => "live",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        },
        paused: plan.policy.paused.contains(&trigger.name),
        priority: trigger.policy.priority,
        events,
        has_audience: trigger.audience.is_some(),
        treatments: treatments.collect(),
        cap: trigger.policy.caps_said(),
        good_for: format_duration(trigger.policy.good_for_ms),
        from: trigger.from.map(|time| time.to_string()),
        until: trigger.until.map(|time| time.to_string()),
        revision: plan.revision.to_string(),
        counts: Counts {
            moments: decided.moments,
            treatments: decided.treatments,
            refusals: decided.refusals,
        },
    }
}
