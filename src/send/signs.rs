//! Signs of life of a sender: its metrics, and whether it answers.

use std::future::Future;
use std::net::TcpListener;

use axum::Router;
use axum::http::header;
use axum::routing::get;

use crate::http;
use crate::telemetry::sender::Sender as Telemetry;

/// `/metrics` and `/health/live`, on a port of their own.
pub struct Signs {
    listener: TcpListener,
    telemetry: Telemetry,
    connections: usize,
}

impl Signs {
    /// Takes the port, for so many connections at a time.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub fn bind(listen: &str, connections: usize, telemetry: Telemetry) -> std::io::Result<Self> {
        Ok(Self {
            listener: http::listen(listen)?,
            telemetry,
            connections,
        })
    }

    /// Answers until `stop` is ready.
    pub fn run(self, stop: impl Future<Output = ()>) {
        let telemetry = self.telemetry;
        let metrics = move || {
            let text = telemetry.text();
            async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
        };
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(|| async { "alive" }));
        http::serve(self.listener, &router, self.connections, stop);
    }
}
