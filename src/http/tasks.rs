//! The tasks of this process, and how far they are.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::{Api, Segment};
use crate::runtime;

/// The tasks that are assigned to this process.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    /// By partition.
    items: Vec<Shown>,
}

/// A task: partition p of every topic that comes in, and its customers. As of its last commit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct Shown {
    /// The partition.
    partition: i32,
    /// `restoring`; `running`; `waiting` for triggers as new as its state; or `refused`: it waits for a person.
    state: &'static str,
    /// Transactions committed over its life, in whatever process.
    transactions: u64,
    /// The revision of the triggers in the last of them.
    revision: String,
    /// Nothing at or before this event time is still expected, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    watermark: Option<String>,
    /// The clock reading of the last commit, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    /// By topic that comes in.
    topics: Vec<Topic>,
    /// Records that are not committed, of all topics together.
    lag: i64,
    /// Customers known.
    customers: usize,
    /// Bytes of their packed profiles.
    bytes: usize,
    /// Erasures that still drop what is older.
    erasures: usize,
    /// While the state is read: how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    restoring: Option<Restoring>,
}

/// How far a task is in a topic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Topic {
    /// Its name.
    topic: String,
    /// The offset to read on from; absent where nothing was read yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    /// Records that are not committed, of the end as it was some seconds ago.
    lag: i64,
}

/// How far the reading of the state is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Restoring {
    /// The changelog offset reached.
    offset: i64,
    /// The one to be reached.
    until: i64,
}

/// The tasks that are assigned to this process.
#[utoipa::path(get, path = "/api/v1/tasks", operation_id = "listTasks", tag = "tasks", responses((status = 200, body = Tasks)))]
pub(super) async fn list(State(api): State<Api>) -> Json<Tasks> {
    let mut items = Vec::new();
    for (partition, state) in api.tasks.states() {
        items.extend(shown(&api, partition, state).await);
    }
    Json(Tasks { items })
}

/// A task.
#[utoipa::path(get, path = "/api/v1/tasks/{partition}", operation_id = "getTask", tag = "tasks",
    params(("partition" = i32, Path, description = "The partition.")),
    responses(
        (status = 200, body = Shown),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The partition is no number."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such partition."),
        (status = 502, body = Problem, content_type = "application/problem+json", description = "The process that has it does not answer."),
        (status = 421, body = Problem, content_type = "application/problem+json", description = "Another process has it, and where that is reached is not known yet."),
    ))]
pub(super) async fn one(
    State(api): State<Api>,
    Segment(partition): Segment<i32>,
) -> Result<Json<Shown>, Problem> {
    let partitions = api.tasks.partitions();
    if !(0..partitions).contains(&partition) {
        return Err(Problem::unknown(format!(
            "the topics have {partitions} partitions, counted from 0"
        )));
    }
    let state = api.tasks.states().get(&partition).copied();
    let state = state.ok_or_else(|| Problem::elsewhere(partition))?;
    let found = shown(&api, partition, state).await;
    found.map(Json).ok_or_else(|| Problem::elsewhere(partition))
}

async fn shown(api: &Api, partition: i32, state: runtime::State) -> Option<Shown> {
    let view = api.tasks.view(partition).await?;
    let topics: Vec<Topic> = view
        .topics
        .into_iter()
        .map(|it| Topic {
            topic: it.topic,
            offset: it.offset,
            lag: it.lag,
        })
        .collect();
    Some(Shown {
        partition,
        state: word(state),
        transactions: view.transactions,
        revision: view.revision,
        watermark: view.watermark.map(|time| time.to_string()),
        now: view.now.map(|time| time.to_string()),
        lag: topics.iter().map(|topic| topic.lag).sum(),
        topics,
        customers: view.customers,
        bytes: view.bytes,
        erasures: view.erasures,
        restoring: view
            .restoring
            .map(|(offset, until)| Restoring { offset, until }),
    })
}

/// A state in one word.
pub(super) fn word(state: runtime::State) -> &'static str {
    match state {
        runtime::State::Restoring => "restoring",
        runtime::State::Waiting => "waiting",
        runtime::State::Running => "running",
        runtime::State::Refused => "refused",
    }
}
