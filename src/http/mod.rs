//! Signs of life, on loopback: metrics, health, and what is known of a customer.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | every metric, as Prometheus reads it |
//! | `/health/live` | 200 as long as the process answers |
//! | `/health/ready` | 200 once every task assigned here is restored and running, else 503 and what is not |
//! | `/customers/{id}` | the committed profile as JSON; 421 where another process has the customer; 404 where she is not known |
//!
//! It has no login: whoever may reach the port may read profiles. Deliberately absent: anything that changes something.

mod customer;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::runtime::{self, Tasks};

/// A server that has its port.
pub struct Server {
    listener: TcpListener,
    tasks: Tasks,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn bind(listen: SocketAddr, tasks: Tasks) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        tracing::info!(address = %listener.local_addr()?, "http");
        Ok(Self { listener, tasks })
    }

    /// Answers until `stop` is ready. What goes wrong is logged: without it everything else works.
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let served = runtime.and_then(|runtime| {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(self.listener)?;
                axum::serve(listener, router(self.tasks))
                    .with_graceful_shutdown(stop)
                    .await
            })
        });
        if let Err(error) = served {
            tracing::error!(%error, "http");
        }
    }
}

fn router(tasks: Tasks) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route(
            "/health/live",
            get(|| async { Json(json!({"status": "live"})) }),
        )
        .route("/health/ready", get(ready))
        .route("/customers/{id}", get(customer))
        .with_state(tasks)
}

async fn metrics(State(tasks): State<Tasks>) -> Response {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], tasks.telemetry().text()).into_response()
}

async fn ready(State(tasks): State<Tasks>) -> Response {
    let states = tasks.states();
    let waiting: Vec<Value> = states
        .iter()
        .filter(|(_, state)| **state != runtime::State::Running)
        .map(|(partition, state)| {
            let word = if *state == runtime::State::Refused {
                "refused"
            } else {
                "restoring"
            };
            json!({"task": partition, "state": word})
        })
        .collect();
    let (status, word) = match (states.is_empty(), waiting.is_empty()) {
        // A member beyond the number of partitions has none, and is ready to take over.
        (true, _) if !tasks.has_joined() => (StatusCode::SERVICE_UNAVAILABLE, "joining"),
        (_, true) => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "waiting"),
    };
    (
        status,
        Json(json!({"status": word, "tasks": states.len(), "waiting": waiting})),
    )
        .into_response()
}

async fn customer(State(tasks): State<Tasks>, Path(id): Path<String>) -> Response {
    let partition = tasks.partition_of(&id);
    if !tasks.states().contains_key(&partition) {
        let detail = format!(
            "she belongs to partition {partition}, which this process does not have; the members of the consumer group say which does"
        );
        return problem(StatusCode::MISDIRECTED_REQUEST, "not here", &detail);
    }
    match tasks.customer(&id).await {
        Some(profile) => {
            Json(customer::shown(&profile, &tasks.plan(), runtime::clock())).into_response()
        }
        None => problem(
            StatusCode::NOT_FOUND,
            "not known",
            "no event of this customer is committed",
        ),
    }
}

/// RFC 9457.
fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({"title": title, "status": status.as_u16(), "detail": detail});
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}
