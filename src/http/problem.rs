//! Errors as RFC 9457 says: `application/problem+json`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, in the form of RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem; `about:blank`: the status says it.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened here, and what to do about it.
    detail: String,
    /// In how many seconds to ask again, where that helps.
    #[serde(skip)]
    #[schema(ignore)]
    after: Option<u32>,
    /// The partition that another process has.
    #[serde(skip)]
    #[schema(ignore)]
    elsewhere: Option<i32>,
}

/// An answer that another process has to give: the one with this partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere(pub i32);

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: detail.into(),
            after: None,
            elsewhere: None,
        }
    }

    /// The same, and in how many seconds to ask again: `Retry-After`.
    pub(crate) fn after(self, seconds: u32) -> Self {
        Self {
            after: Some(seconds),
            ..self
        }
    }

    /// There is too much to do.
    pub(crate) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).after(1)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    pub(crate) fn unknown(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not known", detail)
    }

    /// Another process has it.
    pub(super) fn elsewhere(partition: i32) -> Self {
        let detail = format!(
            "partition {partition} is not assigned to this process, and where the one that has it is reached is not known yet"
        );
        Self {
            elsewhere: Some(partition),
            ..Self::new(StatusCode::MISDIRECTED_REQUEST, "not here", detail)
        }
    }

    /// Kafka does not give what was asked for.
    pub(crate) fn upstream(error: &impl ToString) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            "Kafka does not answer as it should",
            error.to_string(),
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let after = self
            .after
            .map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = match after {
            Some(after) => (status, kind, after, body).into_response(),
            None => (status, kind, body).into_response(),
        };
        if let Some(partition) = self.elsewhere {
            response.extensions_mut().insert(Elsewhere(partition));
        }
        response
    }
}
