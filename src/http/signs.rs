//! Signs of life: links, metrics, health.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Api, tasks};
use crate::runtime;

/// Where something is, and what it is.
const LINKS: [(&str, &str); 7] = [
    (
        "/api/v1/triggers",
        "the triggers, and what this process has decided by them",
    ),
    (
        "/api/v1/tasks",
        "the tasks of this process, and how far they are",
    ),
    (
        "/openapi.json",
        "the API, as OpenAPI 3.1; customers are at /api/v1/customers/{id}",
    ),
    ("/metrics", "every metric, as Prometheus reads it"),
    ("/health/ready", "whether every task here is running"),
    (
        "/health/useful",
        "whether every task here gets on with what waits for it",
    ),
    ("/health/live", "whether the process answers"),
];

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// `live`.
    status: &'static str,
}

/// Whether every task here is running.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`; `waiting` for tasks; `not ready`, for the reasons.
    status: &'static str,
    /// Tasks assigned here.
    tasks: usize,
    /// Those that are not running.
    waiting: Vec<Waiting>,
    /// What else keeps it from being ready, in sentences.
    reasons: Vec<String>,
}

/// A task that is not running.
#[derive(Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// Its partition.
    task: i32,
    /// `restoring`, `waiting`, or `refused`.
    state: &'static str,
}

/// Whether every task here gets on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Useful {
    /// `useful`, or `not useful`, for the reasons.
    status: &'static str,
    /// Within how many seconds each task must move where something waits for it: `http.useful_within`.
    within_s: u64,
    /// Every task assigned here.
    tasks: Vec<GettingOn>,
    /// What keeps it from being useful, in sentences.
    reasons: Vec<String>,
}

/// How a task gets on.
#[derive(Debug, Serialize, ToSchema)]
pub struct GettingOn {
    /// Its partition.
    task: i32,
    /// `running`, `restoring`, `waiting`, or `refused`.
    state: &'static str,
    /// For how many seconds it has taken, restored and committed nothing though there is something to do.
    still_s: u64,
    /// Records that wait for it, as far as is known.
    waits: i64,
}

/// Links, for people as a page.
pub(super) async fn index(headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        let links =
            LINKS.map(|(path, about)| format!("<li><a href=\"{path}\">{path}</a>: {about}</li>\n"));
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><title>moments</title>\n<h1>moments</h1>\n<ul>\n{}</ul>\n",
            links.concat()
        );
        return Html(page).into_response();
    }
    let links = LINKS.map(|(path, about)| json!({"href": path, "about": about}));
    Json(json!({"name": "moments", "version": env!("CARGO_PKG_VERSION"), "links": links}))
        .into_response()
}

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    (
        [(header::CONTENT_TYPE, format)],
        api.tasks.telemetry().text(),
    )
        .into_response()
}

/// Whether the process answers.
#[utoipa::path(get, path = "/health/live", operation_id = "isLive", tag = "signs", responses((status = 200, body = Live)))]
pub(super) async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

/// Whether every task assigned here has moved within its bound, or has nothing to do.
#[utoipa::path(get, path = "/health/useful", operation_id = "isUseful", tag = "signs", responses(
    (status = 200, body = Useful),
    (status = 503, body = Useful, description = "A task stands still though something waits for it, or for a person."),
))]
pub(super) async fn useful(State(api): State<Api>) -> (StatusCode, Json<Useful>) {
    let within = api.tasks.config().http.useful_within.ms.unsigned_abs();
    let still = api.tasks.still();
    let states = api.tasks.states();
    let tasks: Vec<GettingOn> = states
        .iter()
        .map(|(task, state)| {
            let (still, waits) = still.get(task).copied().unwrap_or_default();
            GettingOn {
                task: *task,
                state: tasks::word(*state),
                still_s: still.as_secs(),
                waits,
            }
        })
        .collect();
    let is_still = |task: &&GettingOn| {
        let refused = task.state == tasks::word(runtime::State::Refused);
        refused || task.still_s * 1_000 > within
    };
    let mut reasons = api.tasks.reasons();
    reasons.extend(api.tasks.awaited());
    reasons.extend(tasks.iter().filter(is_still).map(|it| {
        format!(
            "task {} is {} and has not moved for {} s; {} records wait for it",
            it.task, it.state, it.still_s, it.waits
        )
    }));
    let (code, status) = match reasons.is_empty() {
        true => (StatusCode::OK, "useful"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not useful"),
    };
    let useful = Useful {
        status,
        within_s: within / 1_000,
        tasks,
        reasons,
    };
    (code, Json(useful))
}

/// Whether the group has this process, every partition an owner, and every task assigned here is restored and running.
#[utoipa::path(get, path = "/health/ready", operation_id = "isReady", tag = "signs", responses(
    (status = 200, body = Ready),
    (status = 503, body = Ready, description = "Not yet, or a task waits for a person."),
))]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<Ready>) {
    let states = api.tasks.states();
    let waiting: Vec<Waiting> = states
        .iter()
        .filter(|(_, state)| **state != runtime::State::Running)
        .map(|(partition, state)| Waiting {
            task: *partition,
            state: tasks::word(*state),
        })
        .collect();
    let reasons = api.tasks.reasons();
    let (code, status) = match (reasons.is_empty(), waiting.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        // A member beyond the number of partitions has none, and is ready to take over.
        (true, true) => (StatusCode::OK, "ready"),
        (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "waiting"),
    };
    let tasks = states.len();
    let ready = Ready {
        status,
        tasks,
        waiting,
        reasons,
    };
    (code, Json(ready))
}
