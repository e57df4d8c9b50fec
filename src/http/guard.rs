//! Who may ask, how often, and for how long.
//!
//! A page that somebody has open in a browser can send requests to whatever her machine reaches, and by a name that it has made lead
//! there read the answers, too. It cannot choose what the browser says of it: `Host` is the name that it asked for, `Origin` where it
//! came from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::Api;
use super::problem::Problem;
use super::server::Peer;

/// Probes send no token.
pub(super) const OPEN_TO_ALL: &str = "/health/";
/// What asks for customers, who are somebody's data: it is written down who asked.
const AUDITED: [&str; 2] = ["/customers/", "/api/v1/customers/"];
/// In which a request, its body included, is answered.
const REQUEST: Duration = Duration::from_secs(30);
/// Requests a second, of those who send the token, and as many of those who do not, who take nothing from them: more than people and probes ask, and a few percent of a core.
pub(super) const RATE: f64 = 200.0;

/// Who may ask, and how often. Clones share it.
#[derive(Clone)]
pub(crate) struct Gate {
    /// The digest of the token that is asked for.
    token: Option<[u8; 32]>,
    /// By which names it may be asked where there is no token.
    hosts: Arc<[String]>,
    rate: Arc<Mutex<Rate>>,
    /// Of those without the token.
    strangers: Arc<Mutex<Rate>>,
}

/// Requests that may be answered: they come back at the rate, up to twice that.
#[derive(Debug)]
struct Rate {
    a_second: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    fn new(a_second: f64, now: Instant) -> Self {
        Self {
            a_second,
            left: 2.0 * a_second,
            at: now,
        }
    }

    /// Whether one more may be answered.
    fn take(&mut self, now: Instant) -> bool {
        let back = now.duration_since(self.at).as_secs_f64() * self.a_second;
        (self.left, self.at) = ((self.left + back).min(2.0 * self.a_second), now);
        let fits = self.left >= 1.0;
        if fits {
            self.left -= 1.0;
        }
        fits
    }
}

/// Lets through who may ask, and answers in time.
pub(super) async fn guarded(State(api): State<Api>, request: Request, next: Next) -> Response {
    if let Err(problem) = api.gate.admits(request.headers(), request.uri()) {
        return problem;
    }
    let path = request.uri().path();
    if api.tasks.is_short_of_memory() && !is_sign(path) {
        let detail = "memory is near its ceiling; only /metrics and /health are answered until there is some again";
        return Problem::busy(detail).into_response();
    }
    let audited = AUDITED.iter().any(|of| path.starts_with(of));
    let said = audited.then(|| {
        let peer = request
            .extensions()
            .get::<Peer>()
            .map(|peer| peer.0.to_string());
        (
            request.method().clone(),
            path.to_owned(),
            peer.unwrap_or_default(),
        )
    });
    let answered = tokio::time::timeout(REQUEST, next.run(request)).await;
    let response = answered.unwrap_or_else(|_| {
        let detail = format!("not answered within {} s", REQUEST.as_secs());
        Problem::busy(detail).into_response()
    });
    if let Some((method, path, peer)) = said {
        let status = response.status().as_u16();
        tracing::info!(target: "audit", %method, path, peer, status, "customers were asked for");
    }
    response
}

/// What says how the process is.
fn is_sign(path: &str) -> bool {
    path == "/metrics" || path.starts_with(OPEN_TO_ALL)
}

impl Gate {
    /// Asks for `token` where there is one, and else for one of these names; so many requests a second are answered.
    pub fn new(token: Option<&str>, hosts: &[String], a_second: f64) -> Self {
        let rate = || Arc::new(Mutex::new(Rate::new(a_second, Instant::now())));
        Self {
            token: token.map(|token| Sha256::digest(token).into()),
            hosts: hosts.into(),
            rate: rate(),
            strangers: rate(),
        }
    }

    /// Whether a request is answered; else what is said instead.
    #[expect(clippy::result_large_err, reason = "a response, once a request")]
    pub fn admits(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Response> {
        let is_open = uri.path().starts_with(OPEN_TO_ALL);
        let is_stranger = self.token.is_some_and(|token| !has_token(headers, token));
        let rate = match is_stranger {
            true => &self.strangers,
            false => &self.rate,
        };
        let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_open && !rate.take(Instant::now()) {
            let most = rate.a_second;
            let detail = format!("more than {most} requests a second; ask again in a second");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests", detail);
            return Err(problem.after(1).into_response());
        }
        drop(rate);
        let host = host(headers, uri);
        if let Some(origin) = headers.get(header::ORIGIN) {
            let own = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"));
            if own.is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host)) {
                let detail = "a page of another origin may not ask here";
                return Err(
                    Problem::new(StatusCode::FORBIDDEN, "not from here", detail).into_response()
                );
            }
        }
        if self.token.is_none() {
            return match is_known(host, &self.hosts) {
                true => Ok(()),
                false => {
                    let detail = format!(
                        "`{host}` is no name of this process: ask by address or as localhost, or name it in `http.hosts`"
                    );
                    let status = StatusCode::MISDIRECTED_REQUEST;
                    Err(Problem::new(status, "not by this name", detail).into_response())
                }
            };
        }
        if is_open || !is_stranger {
            return Ok(());
        }
        let detail = "send the token of this server, which its `token_file` holds: `Authorization: Bearer ...`";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "not authorised", detail);
        Err(([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response())
    }
}

/// Digests are compared, so that the time it takes says nothing of the token.
fn has_token(headers: &HeaderMap, token: [u8; 32]) -> bool {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    given.is_some_and(|given| <[u8; 32]>::from(Sha256::digest(given.trim())) == token)
}

/// The name, and the port where one is said, by which a request was made.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let said = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    uri.authority()
        .map(axum::http::uri::Authority::as_str)
        .or(said)
        .unwrap_or_default()
}

/// Whether a name is this machine's whoever says so: an address is nobody's to lead elsewhere.
fn is_known(host: &str, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_lead_here_are_known() {
        let hosts = ["moments.internal".to_owned()];
        for (host, known) in [
            ("localhost", true),
            ("LocalHost:9464", true),
            ("127.0.0.1:9464", true),
            ("10.1.2.3", true),
            ("[::1]:9464", true),
            ("[::1]", true),
            ("moments.internal:9464", true),
            ("evil.example", false),
            ("evil.example:9464", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:9464", false),
            ("moments.internal.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_known(host, &hosts), known, "{host}");
        }
    }

    #[test]
    fn a_burst_is_answered_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(RATE, start);
        let answered = |rate: &mut Rate, now| (0..1_000).filter(|_| rate.take(now)).count();
        assert_eq!(answered(&mut rate, start), 400);
        assert_eq!(answered(&mut rate, start + Duration::from_millis(500)), 100);
        assert_eq!(answered(&mut rate, start + Duration::from_secs(60)), 400);
    }
}
