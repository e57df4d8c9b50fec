//! Whoever is asked for a customer or a task answers: where another process has it, that one is asked, and the answer says so in `via`.
//!
//! A member of the group tells the others where it is reached by its client id, so nothing else has to be kept. A request that was
//! handed on is not handed on again.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::Api;
use super::problem::{Elsewhere, Problem};

/// Whoever sends it has been asked itself.
const HANDED_ON: &str = "moments-handed-on";
/// The other process answers from memory.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is passed on: a profile with every list full is a tenth of it.
const ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Asks the process that has it, where this one does not and knows who has.
pub(super) async fn owner(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let response = next.run(request).await;
    let elsewhere = response.extensions().get::<Elsewhere>();
    let elsewhere = elsewhere.filter(|_| !headers.contains_key(HANDED_ON));
    let Some(address) = elsewhere.and_then(|it| api.tasks.owner(it.0)) else {
        return response;
    };
    let asked = address.clone();
    let answered = api.blocking(move |_| Ok(ask(&asked, &uri, &headers)));
    match answered.await {
        Ok(Ok((status, body))) => passed_on(status, body, &address),
        Ok(Err(error)) => {
            let detail = format!("{address} has it, and does not answer: {error}");
            let title = "another process does not answer";
            Problem::new(StatusCode::BAD_GATEWAY, title, detail).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

fn ask(address: &str, uri: &Uri, headers: &HeaderMap) -> Result<(StatusCode, Value), ureq::Error> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .build();
    let agent: ureq::Agent = config.into();
    let mut request = agent
        .get(format!("http://{address}{uri}"))
        .header(HANDED_ON, "1");
    if let Some(token) = headers.get(header::AUTHORIZATION) {
        request = request.header(header::AUTHORIZATION, token);
    }
    let (parts, mut body) = request.call()?.into_parts();
    let body = body.with_config().limit(ANSWER_BYTES).read_json()?;
    Ok((parts.status, body))
}

fn passed_on(status: StatusCode, mut body: Value, address: &str) -> Response {
    if let Some(object) = body.as_object_mut() {
        object.insert("via".to_owned(), address.into());
    }
    let kind = match status.is_success() {
        true => "application/json",
        false => "application/problem+json",
    };
    let via = format!("1.1 {address}");
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::VIA, via)];
    (status, headers, body.to_string()).into_response()
}
