//! What a site's backend asks and reports.
//!
//! | path | answer |
//! |---|---|
//! | GET `/v1/customers/{id}/treatments` | what may be shown to her now |
//! | GET `/v1/customers/{id}/treatments/stream` | the same as a stream of events, and what changes of it |
//! | POST `/v1/customers/{id}/treatments/{treatment}/shown` | 200: whoever asked shows it; 409: another one does |
//! | POST `.../clicked`, `.../dismissed`, `.../answered` | 202: the topic of outcomes has it |
//! | GET `/metrics`, `/health/live`, `/health/ready` | signs of life |

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_core::Stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::board::{Standing, Subject, Update, limits};
use super::report::Report;
use super::site::Site;
use crate::http::{Gate, Problem, Segment};
use crate::runtime;

/// The largest report: a form's answers are a few hundred bytes.
const BODY_BYTES: usize = 16 * 1024;
/// The longest name by which a page calls itself, and the longest address of a link.
const TEXT_BYTES: usize = 2_048;
/// Answers of a form, at most.
const ANSWERS: usize = 64;
/// A comment on a stream that is silent, so that nothing in between takes it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a page that lost its stream asks for it again.
const RETRY: Duration = Duration::from_secs(1);
/// In which what was written to the topic is read back: it takes some milliseconds.
const READ_BACK: Duration = Duration::from_secs(5);

/// Which treatments.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Which {
    /// Only of this channel.
    channel: Option<String>,
    /// What she was called before she was known: what was decided for her then is hers, too.
    anonymous_id: Option<String>,
}

/// Who shows a treatment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    /// What a page calls itself: the same when it asks again, another of each tab and device.
    by: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Click {
    /// Where it leads.
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    /// By attribute: a text, number or truth value, or a list of texts. Under `consent` what she says of channels.
    answers: Map<String, Value>,
}

/// What answers.
pub(super) fn router(site: Arc<Site>, gate: Gate) -> Router {
    let of_one = "/v1/customers/{id}/treatments/{treatment}";
    Router::new()
        .route("/v1/customers/{id}/treatments", get(list))
        .route("/v1/customers/{id}/treatments/stream", get(stream))
        .route(&format!("{of_one}/shown"), post(shown))
        .route(&format!("{of_one}/clicked"), post(clicked))
        .route(&format!("{of_one}/dismissed"), post(dismissed))
        .route(&format!("{of_one}/answered"), post(answered))
        .route("/metrics", get(metrics))
        .route("/health/live", get(|| async { "alive" }))
        .route("/health/ready", get(ready))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(gate, guarded))
        .with_state(site)
}

async fn guarded(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.admits(request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused,
    }
}

async fn nothing_here() -> Problem {
    Problem::unknown("there is nothing here; docs/onsite.md says what there is")
}

async fn not_so() -> Problem {
    let detail = "not by this method; docs/onsite.md says by which";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "not allowed", detail)
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, site.telemetry.text()).into_response()
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    match site.is_ready() {
        true => "ready".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "reading").into_response(),
    }
}

impl Site {
    /// Nothing is said before everything is known: what was shown would be shown again.
    fn knows_all(&self) -> Result<(), Problem> {
        match self.is_ready() {
            true => Ok(()),
            false => Err(Problem::busy(
                "it has begun, and still reads what was decided and shown",
            )),
        }
    }

    /// Who is asked for, once everything is known.
    fn asked(&self, id: String, query: Asked) -> Result<Whom, Problem> {
        self.knows_all()?;
        which(id, query)
    }

    /// A treatment of the customer with these ids: a page may name any.
    fn subject(&self, ids: &[String], treatment: &str) -> Result<(Uuid, Subject), Problem> {
        let id = Uuid::try_parse(treatment).map_err(|_| {
            Problem::bad_request(format!(
                "`{treatment}` is no id of a treatment, which is a UUID"
            ))
        })?;
        let subject = self.board().subject(id);
        let hers = subject.filter(|subject| ids.contains(&subject.customer));
        let unknown = || {
            Problem::unknown(
                "she has no such treatment, or it has ended; `anonymousId` names another id of hers",
            )
        };
        Ok((id, hers.ok_or_else(unknown)?))
    }

    async fn report(&self, id: Uuid, subject: &Subject, report: &Report) -> Result<(), Problem> {
        let events = report.events(id, subject, runtime::clock());
        let sent = self.reporter.send(&subject.customer, &events).await;
        sent.map_err(|error| Problem::upstream(&error))?;
        self.telemetry.reported(report.word());
        Ok(())
    }
}

/// A query that may be none.
type Asked = Result<Query<Which>, QueryRejection>;

/// The ids of a customer, and the channel that is asked for.
type Whom = (Vec<String>, Option<String>);

fn which(id: String, query: Asked) -> Result<Whom, Problem> {
    let Query(which) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let mut ids = vec![id];
    ids.extend(which.anonymous_id.filter(|other| *other != ids[0]));
    Ok((ids, which.channel))
}

fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    let read = body.map(|Json(body)| body);
    read.map_err(|error| Problem::bad_request(error.body_text()))
}

async fn list(
    State(site): State<Arc<Site>>,
    Segment(id): Segment<String>,
    query: Asked,
) -> Result<Response, Problem> {
    let (ids, channel) = site.asked(id, query)?;
    let board = site.board();
    let open = board.open(&ids, channel.as_deref(), runtime::clock());
    let open: Vec<Value> = open.map(|(_, page)| page.as_ref().clone()).collect();
    drop(board);
    let body = json!({ "treatments": open });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

async fn stream(
    State(site): State<Arc<Site>>,
    Segment(id): Segment<String>,
    query: Asked,
) -> Result<Response, Problem> {
    let (ids, channel) = site.asked(id, query)?;
    let mut board = site.board();
    if board.size().1 >= site.streams {
        let detail = format!("{} streams are open already", site.streams);
        return Err(Problem::busy(detail));
    }
    let watched = board.watch(&ids, channel.as_deref(), runtime::clock());
    drop(board);
    let (open, rest) = watched.ok_or_else(|| {
        let detail = format!("{} streams of hers are open", limits::STREAMS_OF_CUSTOMER);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many streams", detail).after(30)
    })?;
    let updates = Updates {
        begun: false,
        open: open.into(),
        rest,
    };
    let stream = Sse::new(updates).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx would gather it.
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, stream).into_response())
}

/// What a stream sends: first what may be shown, then what changes of it.
struct Updates {
    begun: bool,
    open: VecDeque<Update>,
    rest: mpsc::Receiver<Update>,
}

impl Stream for Updates {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.begun {
            self.begun = true;
            return Poll::Ready(Some(Ok(Event::default().retry(RETRY))));
        }
        let next = match self.open.pop_front() {
            Some(update) => Poll::Ready(Some(update)),
            None => self.rest.poll_recv(context),
        };
        next.map(|update| {
            update.map(|it| Ok(Event::default().event(it.event).data(it.data.to_string())))
        })
    }
}

async fn shown(
    State(site): State<Arc<Site>>,
    Segment((customer, treatment)): Segment<(String, String)>,
    query: Asked,
    by: Result<Json<By>, JsonRejection>,
) -> Result<Response, Problem> {
    site.knows_all()?;
    let By { by } = body(by)?;
    if by.is_empty() || by.len() > TEXT_BYTES {
        let detail = format!("`by` has {} bytes; expected 1 to {TEXT_BYTES}", by.len());
        return Err(Problem::bad_request(detail));
    }
    let (ids, _) = which(customer, query)?;
    let (id, subject) = site.subject(&ids, &treatment)?;
    let report = Report::Shown(by.clone());
    let mut standing = subject.standing.clone();
    if standing == Standing::Open {
        if runtime::clock() > subject.valid_until {
            site.telemetry.refused(report.word());
            return Err(gone("it is good no more"));
        }
        // Before it is written: it may be read back sooner than the brokers say that they have it.
        let read_back = site.board().wait(id);
        site.report(id, &subject, &report).await?;
        if tokio::time::timeout(READ_BACK, read_back).await.is_err() {
            let detail = "it is written that it is shown, and not read back in time; ask again with the same `by`";
            return Err(Problem::busy(detail));
        }
        let known = site.board().subject(id);
        standing = known.map_or(Standing::Withdrawn, |it| it.standing);
    }
    let refused = match standing {
        Standing::Shown(other) if other == by => {
            return Ok(Json(json!({ "shown": id })).into_response());
        }
        Standing::Shown(_) => {
            let detail = "another page shows it, or has shown it";
            Problem::new(StatusCode::CONFLICT, "shown elsewhere", detail)
        }
        Standing::Dismissed => gone("she wanted it gone"),
        Standing::Withdrawn | Standing::Open => gone("it was taken back"),
    };
    site.telemetry.refused(report.word());
    Err(refused)
}

fn gone(detail: &str) -> Problem {
    Problem::new(StatusCode::GONE, "not to be shown", detail)
}

async fn clicked(
    State(site): State<Arc<Site>>,
    Segment(of): Segment<(String, String)>,
    query: Asked,
    click: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let click = click.map_err(|error| Problem::bad_request(error.body_text()))?;
    let url = match click.as_ref() {
        b"" => None,
        click => {
            let click: Click = serde_json::from_slice(click).map_err(|error| {
                Problem::bad_request(format!(
                    "{error}; expected {{\"url\": \"...\"}}, or nothing"
                ))
            })?;
            click.url
        }
    };
    if let Some(long) = url.as_ref().filter(|url| url.len() > TEXT_BYTES) {
        let detail = format!(
            "`url` has {} bytes; expected {TEXT_BYTES} at most",
            long.len()
        );
        return Err(Problem::bad_request(detail));
    }
    accepted(&site, (of, query), &Report::Clicked(url)).await
}

async fn dismissed(
    State(site): State<Arc<Site>>,
    Segment(of): Segment<(String, String)>,
    query: Asked,
) -> Result<StatusCode, Problem> {
    accepted(&site, (of, query), &Report::Dismissed).await
}

async fn answered(
    State(site): State<Arc<Site>>,
    Segment(of): Segment<(String, String)>,
    query: Asked,
    answers: Result<Json<Answers>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Answers { answers } = body(answers)?;
    if answers.is_empty() || answers.len() > ANSWERS {
        let detail = format!("{} answers; expected 1 to {ANSWERS}", answers.len());
        return Err(Problem::bad_request(detail));
    }
    if let Some((name, value)) = answers.iter().find(|(name, value)| !is_answer(name, value)) {
        let detail = format!(
            "`{name}` is {value}; expected a text, a number, true or false, or a list of texts; of `consent` truth values by channel"
        );
        return Err(Problem::bad_request(detail));
    }
    let may = |name: &str| site.answers.is_empty() || site.answers.iter().any(|it| it == name);
    if let Some(name) = answers.keys().find(|name| *name != "consent" && !may(name)) {
        let detail = format!("`{name}` may not be answered; onsite.answers says what may");
        return Err(Problem::bad_request(detail));
    }
    accepted(&site, (of, query), &Report::Answered(answers)).await
}

fn is_answer(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(channels) => name == "consent" && channels.values().all(Value::is_boolean),
        // Said of no channel it would be said of all.
        _ if name == "consent" => false,
        Value::Array(list) => list.iter().all(Value::is_string),
        value => !value.is_null(),
    }
}

async fn accepted(
    site: &Site,
    ((customer, treatment), query): ((String, String), Asked),
    report: &Report,
) -> Result<StatusCode, Problem> {
    let (ids, _) = site.asked(customer, query)?;
    let (id, subject) = site.subject(&ids, &treatment)?;
    site.report(id, &subject, report).await?;
    Ok(StatusCode::ACCEPTED)
}
