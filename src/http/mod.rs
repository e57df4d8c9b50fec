//! Signs of life and the API: metrics, health, customers, triggers, tasks.
//!
//! | path | answer |
//! |---|---|
//! | `/` | links, for people as a page |
//! | `/metrics` | every metric, as Prometheus reads it |
//! | `/health/live` | 200 as long as the process answers |
//! | `/health/ready` | 200 once every task assigned here is restored and running, else 503 and what is not |
//! | `/openapi.json` | what `/api/v1/...` takes and gives, as OpenAPI 3.1 |
//! | `/customers/{id}` | as `/api/v1/customers/{id}` |
//!
//! Everything that is not 2xx is `application/problem+json`, but for `/health/ready`. It reads only, unless the configuration
//! says otherwise; whoever may reach the port may read profiles, unless there is a token. Deliberately absent: TLS (a proxy
//! does it), and asking other processes.

mod customers;
mod page;
mod problem;
mod profile;
mod signs;
mod tasks;
mod triggers;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use self::problem::Problem;
use crate::admin::Log;
use crate::engine::Customer;
use crate::runtime::Tasks;
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Probes send no token.
const OPEN_TO_ALL: &str = "/health/";

/// The document of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "moments",
        description = "Customers, decisions, triggers and tasks of one process of `moments`. Read-only, unless `http.write` is set.",
    ),
    paths(
        customers::one,
        customers::list_decisions,
        customers::erase,
        triggers::list,
        triggers::one,
        tasks::list,
        tasks::one,
        signs::live,
        signs::ready,
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
            if path.starts_with(OPEN_TO_ALL) {
                continue;
            }
            let needed = SecurityRequirement::new::<_, _, String>("bearer", []);
            operation.security = Some(vec![SecurityRequirement::default(), needed]);
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let response = ResponseBuilder::new().description("The token is missing, or wrong.");
            let response = response.content("application/problem+json", problem);
            let responses = &mut operation.responses.responses;
            responses.insert("401".to_owned(), response.build().into());
        }
    }
    // A document of our own types is JSON.
    document.to_pretty_json().unwrap_or_default() + "\n"
}

/// The body that `/api/v1/customers/{id}` answers with for a profile, as of `now`.
///
/// # Panics
/// Never: what is shown is plain data.
#[must_use]
pub fn customer(customer: &Customer, plan: &Plan, now: Timestamp) -> Value {
    let shown = profile::shown(customer, Timestamp::MIN, plan, now);
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
    /// The digest of the token that is asked for.
    token: Option<[u8; 32]>,
    /// Kept from one reader to the next.
    log: Arc<Mutex<Option<Log>>>,
}

/// A part of the path.
struct Segment<T>(T);

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
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        tracing::info!(address = %listener.local_addr()?, "http");
        let api = Api {
            tasks,
            token: token.map(|token| Sha256::digest(token).into()),
            log: Arc::default(),
        };
        Ok(Self { listener, api })
    }

    /// Answers until `stop` is ready. What goes wrong is logged: without it everything else works.
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = runtime.and_then(|runtime| {
            let served = runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                axum::serve(listener, router(self.api))
                    .with_graceful_shutdown(stop)
                    .await
            });
            // Whoever still reads a topic is not waited for.
            runtime.shutdown_background();
            served
        });
        if let Err(error) = served {
            tracing::error!(%error, "http");
        }
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/", get(signs::index))
        .route("/metrics", get(signs::metrics))
        .route("/health/live", get(signs::live))
        .route("/health/ready", get(signs::ready))
        .route("/openapi.json", get(openapi))
        .route("/customers/{id}", get(customers::one))
        .route("/api/v1/customers/{id}", get(customers::one))
        .route(
            "/api/v1/customers/{id}/decisions",
            get(customers::list_decisions),
        )
        .route("/api/v1/customers/{id}/erasure", post(customers::erase))
        .route("/api/v1/triggers", get(triggers::list))
        .route("/api/v1/triggers/{name}", get(triggers::one))
        .route("/api/v1/tasks", get(tasks::list))
        .route("/api/v1/tasks/{partition}", get(tasks::one))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn_with_state(api.clone(), authorised))
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

/// Asks for the token. Digests are compared, so that the time it takes says nothing of it.
async fn authorised(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(token) = api.token else {
        return next.run(request).await;
    };
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let fits = given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given.trim())) == token);
    if fits || request.uri().path().starts_with(OPEN_TO_ALL) {
        return next.run(request).await;
    }
    let detail = "send the token of `http.token_file`: `Authorization: Bearer ...`";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "not authorised", detail);
    ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
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
