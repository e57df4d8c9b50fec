//! What triggers did and brought.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::report::{Report, folded};

/// A report of the tasks of this process.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskReport)]
pub struct Shown {
    /// The partitions whose customers it counts: those of the tasks here. Figures of several processes add up; shares do not.
    partitions: Vec<i32>,
    /// The revision of the triggers by whose goals it is reckoned.
    revision: String,
    /// What they did and brought.
    #[serde(flatten)]
    report: Report,
}

/// What triggers did and what came of it, by trigger, treatment and segment: of the customers of the tasks here, since the tasks began.
#[utoipa::path(get, path = "/api/v1/report", operation_id = "getReport", tag = "triggers", responses(
    (status = 200, body = Shown),
))]
pub(super) async fn whole(State(api): State<Api>) -> Json<Shown> {
    let plan = api.tasks.plan();
    let figures = api.tasks.figures().await;
    let partitions = figures.keys().copied().collect();
    let rows = folded(figures.into_values().flatten());
    Json(Shown {
        partitions,
        revision: plan.revision.to_string(),
        report: Report::new(&rows, &plan),
    })
}
