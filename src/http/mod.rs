//! Signs of life and the API: metrics, health, customers, triggers, tasks.
//!
//! | path | answer |
//! |---|---|
//! | `/` | links, for people as a page |
//! | `/metrics` | every metric, as Prometheus reads it |
//! | `/health/live` | 200 as long as the process answers |
//! | `/health/ready` | 200 while brokers answer, the group has this process, every partition has an owner, and every task assigned here is restored and running, else 503 and what is not |
//! | `/openapi.json` | what `/api/v1/...` takes and gives, as OpenAPI 3.1 |
//! | `/customers/{id}` | as `/api/v1/customers/{id}` |
//!
//! Everything that is not 2xx is `application/problem+json`, but for `/health/ready`. It reads only, unless the configuration
//! says otherwise; whoever may reach the port may read profiles, unless there is a token ([`guard`]). What another process has, that one is
//! asked for ([`via`]). Deliberately absent: TLS (a proxy does it).

mod customers;
mod guard;
mod page;
mod problem;
mod profile;
mod report;
mod server;
mod signs;
mod tasks;
mod triggers;
mod via;

use std::future::Future;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};

pub(crate) use self::guard::Gate;
pub(crate) use self::problem::Problem;
pub(crate) use self::server::most;
use crate::admin::Log;
use crate::engine::Customer;
use crate::runtime::Tasks;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// What every operation may answer, but for those that are open to all.
const REFUSED: [(&str, &str); 5] = [
    ("401", "The token is missing, or wrong."),
    ("403", "A page of another origin may not ask."),
    ("421", "Asked by a name that is not of this process."),
    ("429", "Too many requests a second."),
    ("503", "Not answered in time, or too many wait already."),
];
/// Requests for what Kafka has to be asked, waiting and under way: with more, none would be answered in time.
const WAITING: usize = 16;
/// The largest body that is taken: an erasure is a few dozen bytes.
const BODY_BYTES: usize = 16 * 1024;

/// The document of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "moments",
        description = "Customers, decisions, triggers and tasks of one process of `moments`. Read-only, unless `http.write` is set.",
    ),
    paths(
        customers::one,
        customers::explain,
        customers::list_decisions,
        customers::erase,
        triggers::list,
        triggers::one,
        report::whole,
        tasks::list,
        tasks::one,
        signs::live,
        signs::ready,
        signs::useful,
    ),
    tags(
        (name = "customers", description = "What is known of a customer, and what was decided for her."),
        (name = "triggers", description = "The triggers, and what this process has decided by them."),
        (name = "tasks", description = "The tasks of this process, and how far they are."),
        (name = "signs", description = "Signs of life."),
    )
)]
struct Document;

/// The OpenAPI document, as it is served and kept in `docs/reference/openapi.json`.
#[must_use]
pub fn document() -> String {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer = bearer.description(Some("The token of `http.token_file`, where there is one."));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            if path.starts_with(guard::OPEN_TO_ALL) {
                continue;
            }
            let needed = SecurityRequirement::new::<_, _, String>("bearer", []);
            operation.security = Some(vec![SecurityRequirement::default(), needed]);
            for (status, description) in REFUSED {
                let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                let response = ResponseBuilder::new().description(description);
                let response = response.content("application/problem+json", problem);
                let responses = &mut operation.responses.responses;
                let response = response.build().into();
                responses.entry(status.to_owned()).or_insert(response);
            }
        }
    }
    // A document of our own types is JSON.
    document.to_pretty_json().unwrap_or_default() + "\n"
}

/// The body that `/api/v1/customers/{id}?settled` answers with for a profile, as of `now`.
///
/// # Panics
/// Never: what is shown is plain data.
#[must_use]
pub fn customer(customer: &Customer, plan: &Plan, now: Timestamp) -> Value {
    let shown = profile::shown(plan, customer, (Timestamp::MIN, now), true);
    serde_json::to_value(shown).expect("plain data into memory")
}

/// A server that has its port.
pub struct Server {
    listener: TcpListener,
    api: Api,
}

/// What handlers work with.
#[derive(Clone)]
struct Api {
    tasks: Tasks,
    gate: Gate,
    /// Kept from one reader to the next.
    log: Arc<Mutex<Option<Log>>>,
    /// For those who wait for Kafka.
    waiting: Arc<Semaphore>,
}

/// A part of the path.
pub(crate) struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let refused = |error: PathRejection| Problem::bad_request(error.body_text());
        path.map(|Path(value)| Self(value)).map_err(refused)
    }
}

impl Api {
    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Takes the port. Every path but `/health/...` asks for `token`, where there is one.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub fn bind(listen: SocketAddr, token: Option<&str>, tasks: Tasks) -> std::io::Result<Self> {
        let listener = self::listen(listen)?;
        let gate = Gate::new(token, &tasks.config().http.hosts, guard::RATE);
        let api = Api {
            tasks,
            gate,
            log: Arc::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
        };
        Ok(Self { listener, api })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` is ready. What goes wrong is logged: without it everything else works.
    pub fn run(self, stop: impl Future<Output = ()>) {
        let most = self.api.tasks.config().http.connections;
        serve(self.listener, &router(self.api), most, stop);
    }
}

/// Takes a port, and says so.
///
/// # Errors
/// Where it cannot be had.
pub(crate) fn listen(listen: impl ToSocketAddrs) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    tracing::info!(address = %listener.local_addr()?, "http");
    Ok(listener)
}

/// Answers until `stop` is ready, on so many connections at a time. What goes wrong is logged.
pub(crate) fn serve(
    listener: TcpListener,
    router: &Router,
    most: usize,
    stop: impl Future<Output = ()>,
) {
    if let Err(error) = server::run(listener, router, server::most(most), stop) {
        tracing::error!(%error, "http");
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(signs::index))
        .route("/metrics", get(signs::metrics))
        .route("/health/live", get(signs::live))
        .route("/health/ready", get(signs::ready))
        .route("/health/useful", get(signs::useful))
        .route("/openapi.json", get(openapi))
        .route("/customers/{id}", get(customers::one))
        .route("/api/v1/customers/{id}", get(customers::one))
        .route("/api/v1/customers/{id}/explain", get(customers::explain))
        .route(
            "/api/v1/customers/{id}/decisions",
            get(customers::list_decisions),
        )
        .route("/api/v1/customers/{id}/erasure", post(customers::erase))
        .route("/api/v1/triggers", get(triggers::list))
        .route("/api/v1/triggers/{name}", get(triggers::one))
        .route("/api/v1/report", get(report::whole))
        .route("/api/v1/tasks", get(tasks::list))
        .route("/api/v1/tasks/{partition}", get(tasks::one))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(api.clone(), via::owner))
        .layer(middleware::from_fn_with_state(api.clone(), guard::guarded))
        .with_state(api)
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::unknown(format!(
        "there is nothing at {}; `/` says what there is",
        uri.path()
    ))
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{} does not take {method}; `/openapi.json` says what it takes",
        uri.path()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail)
}

/// A part of a path as it stands in an address (RFC 3986: all but unreserved characters are encoded).
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}
