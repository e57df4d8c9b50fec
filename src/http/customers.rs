//! Customers: profile, decisions, erasure.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::page::Page;
use super::problem::Problem;
use super::profile::Shown;
use super::{Api, Segment, WAITING, profile};
use crate::admin::customers::{Customer, Said, say};
use crate::admin::decisions::{self, Decisions};
use crate::admin::{AdminError, Log, Sender};
use crate::avro::wire;
use crate::encode::avro;
use crate::explain::{self, Explanation};
use crate::runtime::{self, Asked};
use crate::time::Timestamp;

/// Decisions in an explanation, at most.
const DECISIONS: usize = 50;

/// What is to be explained.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only of this trigger.
    trigger: Option<String>,
}

/// How much of a customer is to be shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HowMuch {
    /// Only what is settled, without her events beyond the watermark: `?settled`, or `?settled=true`.
    settled: Option<String>,
}

impl HowMuch {
    fn only_settled(&self) -> Result<bool, Problem> {
        match self.settled.as_deref() {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(other) => Err(Problem::bad_request(format!(
                "`settled` is `{other}`; expected `?settled`, `?settled=true` or `?settled=false`"
            ))),
        }
    }
}

/// A page of decisions.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionsPage {
    /// Newest first; each as it stands on the topic of decisions, in JSON also where that is in Avro.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// The piece of the topic's partition that was read for it.
    read: Piece,
    /// The address of the next page, which is older. A page without items may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A piece of a partition.
#[derive(Debug, Serialize, ToSchema)]
pub struct Piece {
    /// From this offset.
    from: i64,
    /// Up to this one, which was not read.
    until: i64,
}

/// How a customer is to be erased.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Erasure {
    /// When it happened, RFC 3339; now without it.
    at: Option<String>,
    /// The id is an `anonymousId`.
    anonymous: bool,
}

/// An event that was sent: it takes effect when the processor reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// The topic.
    topic: String,
    /// Its partition.
    partition: i32,
    /// The offset.
    offset: i64,
}

/// A customer as of what her task has taken in: as she is now, with her events beyond the watermark taken in as if they were settled,
/// and nothing decided by that; or with `settled`, what is settled alone.
#[utoipa::path(get, path = "/api/v1/customers/{id}", operation_id = "getCustomer", tag = "customers",
    params(("id" = String, Path, description = "Her `userId`, or `anonymousId`."), HowMuch),
    responses(
        (status = 200, body = Shown),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing is known of her."),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "The process that has her does not answer."),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another process has her, and where that is reached is not known yet."),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Her task has not restored its state."),
    ))]
pub(super) async fn one(
    State(api): State<Api>,
    Segment(id): Segment<String>,
    how_much: Result<Query<HowMuch>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let Query(how_much) = how_much.map_err(|error| Problem::bad_request(error.body_text()))?;
    let only_settled = how_much.only_settled()?;
    let found = api.known(&id).await?;
    let as_of = (found.watermark, api.now(found.watermark));
    let shown = profile::shown(&found.plan, &found.customer, as_of, only_settled);
    Ok(Json(shown))
}

/// Why something was decided for a customer, and why something was not: for each trigger what would have to be true, and what each gate
/// would say now. Of what was decided, the newest 50 of what a page of decisions reads.
#[utoipa::path(get, path = "/api/v1/customers/{id}/explain", operation_id = "explainCustomer", tag = "customers",
    params(("id" = String, Path, description = "Her `userId`, or `anonymousId`."), Which),
    responses(
        (status = 200, body = Explanation),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing is known of her, or of the trigger."),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another process has her, and where that is reached is not known yet."),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "Kafka does not answer."),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Her task has not restored its state."),
    ))]
pub(super) async fn explain(
    State(api): State<Api>,
    Segment(id): Segment<String>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Explanation>, Problem> {
    let Query(Which { trigger }) =
        which.map_err(|error| Problem::bad_request(error.body_text()))?;
    let plan = api.tasks.plan();
    let is_known = |name: &String| plan.triggers.iter().any(|it| it.name == name.as_str());
    if let Some(name) = trigger.as_ref().filter(|name| !is_known(name)) {
        return Err(Problem::unknown(format!("no trigger is called `{name}`")));
    }
    let name = trigger.as_deref();
    let mut explained = {
        // The plan of her task is held no longer than needed: it has the rows of tables.
        let found = api.known(&id).await?;
        let as_of = (found.watermark, api.now(found.watermark));
        explain::explained(&found.plan, &found.customer, as_of, name)
    };
    let whose = explained.customer.clone();
    let read = api
        .blocking(move |api| api.decisions(&whose, None, DECISIONS))
        .await?;
    let decided = read.found.iter().filter_map(|record| decision(record));
    let meant = decided.filter(|it| name.is_none_or(|name| it["trigger"] == name));
    explained.decided = meant.collect();
    Ok(Json(explained))
}

impl Api {
    /// What the clock shows, by which things are decided; never before this watermark.
    fn now(&self, watermark: Timestamp) -> Timestamp {
        let mode = self.tasks.config().time.mode();
        let now = mode.reading(runtime::clock());
        now.unwrap_or(watermark).max(watermark)
    }

    /// A customer of a task that runs here.
    async fn known(&self, id: &str) -> Result<Asked, Problem> {
        let partition = self.tasks.partition_of(id);
        match self.tasks.states().get(&partition) {
            None => return Err(Problem::elsewhere(partition)),
            Some(runtime::State::Restoring | runtime::State::Refused) => {
                let detail = format!(
                    "the task of partition {partition} has not restored its state; /api/v1/tasks/{partition} says how far it is"
                );
                let status = StatusCode::SERVICE_UNAVAILABLE;
                return Err(Problem::new(status, "not yet", detail));
            }
            Some(runtime::State::Running | runtime::State::Waiting) => {}
        }
        let found = self.tasks.customer(id).await;
        found.ok_or_else(|| {
            Problem::unknown("no event of this customer has come, or she was removed")
        })
    }
}

/// What was decided for a customer, newest first. Any process answers; a page reads at most 100,000 records of the topic.
#[utoipa::path(get, path = "/api/v1/customers/{id}/decisions", operation_id = "listDecisions", tag = "customers",
    params(("id" = String, Path, description = "Her `userId`, or `anonymousId`."), Page),
    responses(
        (status = 200, body = DecisionsPage),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read."),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "Kafka does not answer."),
    ))]
pub(super) async fn list_decisions(
    State(api): State<Api>,
    Segment(id): Segment<String>,
    page: Page,
) -> Result<Json<DecisionsPage>, Problem> {
    let (below, limit) = (page.cursor()?, page.limit());
    let customer = id.clone();
    let read = api
        .blocking(move |api| api.decisions(&customer, below, limit))
        .await?;
    let items = read.found.iter().filter_map(|record| decision(record));
    let path = format!("/api/v1/customers/{}/decisions", super::encoded(&id));
    Ok(Json(DecisionsPage {
        items: items.collect(),
        read: Piece {
            from: read.from,
            until: read.until,
        },
        next: read.next.map(|below| page.at(&path, below)),
    }))
}

/// Erases a customer: sends the event `Customer Erased`. Only with `http.write`.
#[utoipa::path(post, path = "/api/v1/customers/{id}/erasure", operation_id = "eraseCustomer", tag = "customers",
    params(("id" = String, Path, description = "Her `userId`, or `anonymousId`.")),
    request_body = Erasure,
    responses(
        (status = 202, body = Accepted),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body or the id cannot be read."),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Nothing may be changed here."),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "Kafka does not answer."),
    ))]
pub(super) async fn erase(
    State(api): State<Api>,
    Segment(id): Segment<String>,
    body: Result<Json<Erasure>, JsonRejection>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    if !api.tasks.config().http.write {
        let detail = "nothing may be changed over HTTP; `http.write = true` in the configuration allows it, and `moments customers erase` does the same";
        return Err(Problem::new(StatusCode::FORBIDDEN, "read-only", detail));
    }
    let Json(erasure) = body.map_err(|error| Problem::bad_request(error.body_text()))?;
    let at = erasure.at.as_deref().map(|text| {
        let expected = || {
            Problem::bad_request(format!(
                "at is `{text}`; expected RFC 3339, such as 2026-03-02T10:00:00Z"
            ))
        };
        Timestamp::parse(text).ok_or_else(expected)
    });
    let at = at.transpose()?;
    let customer = Customer {
        id,
        anonymous: erasure.anonymous,
    };
    let accepted = api.blocking(move |api| api.erase(&customer, at)).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn decision(record: &[u8]) -> Option<Value> {
    match record {
        [wire::MAGIC, ..] => avro::decision_json(record),
        json => serde_json::from_slice(json).ok(),
    }
}

impl Api {
    /// Does what waits for Kafka aside, one after the other.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, AdminError> + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            let detail = format!("{WAITING} others wait for Kafka already");
            return Err(Problem::busy(detail));
        };
        let api = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Kept until it is done, whether somebody still waits for it or not.
            let _place = place;
            work(&api)
        });
        let done = done.await;
        done.map_err(|error| Problem::upstream(&error))?
            .map_err(|error| match error {
                AdminError::Refused(detail) => Problem::bad_request(detail),
                error => Problem::upstream(&error),
            })
    }

    fn decisions(
        &self,
        customer: &str,
        below: Option<i64>,
        limit: usize,
    ) -> Result<Decisions, AdminError> {
        let config = self.tasks.config();
        let mut kept = self.log();
        let log = match kept.take() {
            Some(log) => log,
            None => Log::new(config)?,
        };
        let read = decisions::read(&log, config, customer, below, limit)?;
        // After an error another is made.
        *kept = Some(log);
        Ok(read)
    }

    fn erase(&self, customer: &Customer, at: Option<Timestamp>) -> Result<Accepted, AdminError> {
        let config = self.tasks.config();
        let now = runtime::clock();
        let now = config.time.mode().reading(now).unwrap_or(now);
        let sender = Sender::new(config)?;
        let placed = say(config, &sender, customer, &Said::Erased, at.unwrap_or(now))?;
        Ok(Accepted {
            topic: placed.topic,
            partition: placed.partition,
            offset: placed.offset,
        })
    }
}
