//! Lists in pages: `limit` and `cursor` in the query, `next` in the answer.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;

/// Entries of a page without `limit`.
const LIMIT: usize = 50;
/// Entries of a page at most: what a person can look through, and a process makes in passing.
const LIMIT_MAX: usize = 500;

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// Entries at most, 1 to 500; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Where the page begins, as `next` of the page before gave it.
    cursor: Option<String>,
}

impl Page {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT)
    }

    /// The cursor as a number, where there is one.
    pub(super) fn cursor(&self) -> Result<Option<i64>, Problem> {
        let Some(text) = &self.cursor else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number >= 0);
        let expected = || {
            Problem::bad_request(format!(
                "cursor `{text}` is none that a page gave as `next`"
            ))
        };
        number.map(Some).ok_or_else(expected)
    }

    /// The address of the page that begins at `cursor`.
    pub(super) fn at(&self, path: &str, cursor: i64) -> String {
        format!("{path}?limit={}&cursor={cursor}", self.limit())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        let Query(page) =
            query.map_err(|error: QueryRejection| Problem::bad_request(error.body_text()))?;
        if !(1..=LIMIT_MAX).contains(&page.limit()) {
            return Err(Problem::bad_request(format!(
                "limit is {}; expected 1 to {LIMIT_MAX}",
                page.limit()
            )));
        }
        Ok(page)
    }
}
