//! Delivers by HTTP: the command in JSON, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! What is signed is id, time and body, so that nobody can make one up, change one, or play one again much later; the id is that of the
//! command, by which the receiver knows one that comes twice.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::fmt::rfc2822;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use uuid::Uuid;

use super::SendError;
use super::attempt::{Attempt, Carrier};
use super::command::Command;
use super::template::Message;
use crate::config::send::WebHook;
use crate::runtime::clock;
use crate::time::Timestamp;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes that a secret may have.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// What is read of an answer.
const ANSWER_BYTES: u64 = 64 * 1024;

/// A receiver of commands.
pub struct Hook {
    agent: Agent,
    url: String,
    secret: Secret,
}

/// With what requests are signed.
struct Secret(Vec<u8>);

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    command: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Parts<'a>>,
}

#[derive(Serialize)]
struct Parts<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
}

/// What a receiver may say besides its status.
#[derive(Default, Deserialize)]
struct Answer {
    outcome: Option<String>,
}

impl Hook {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// Where a file cannot be read, or is not what it should be.
    pub fn new(hook: &WebHook, parallel: usize) -> Result<Self, SendError> {
        let roots = match hook.ca_file == Path::new("") {
            true => RootCerts::PlatformVerifier,
            false => certificates(&hook.ca_file)?,
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(roots)
            .build();
        let agent = Agent::config_builder()
            .timeout_global(Some(hook.timeout()))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(parallel)
            .user_agent(concat!("moments/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(Self {
            agent: agent.into(),
            url: hook.url.clone(),
            secret: Secret::read(&hook.secret_file)?,
        })
    }
}

impl Carrier for Hook {
    fn deliver(&self, command: &Command, message: Option<&Message>) -> Attempt {
        let body = Body {
            command: &command.whole,
            message: message.map(|message| Parts {
                subject: message.subject.as_deref(),
                text: message.text.as_deref(),
                html: message.html.as_deref(),
            }),
        };
        let body = crate::treatment::json(&body);
        let now = clock();
        let at = now.0.div_euclid(1_000);
        let id = command.id.to_string();
        let sent = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &id)
            .header("webhook-id", &id)
            .header("webhook-timestamp", at.to_string())
            .header(
                "webhook-signature",
                self.secret.signature(command.id, at, &body),
            )
            .send(&body[..]);
        match sent {
            Err(error) => Attempt::Later(error.to_string(), None),
            Ok(mut response) => {
                let read = response
                    .body_mut()
                    .with_config()
                    .limit(ANSWER_BYTES)
                    .read_to_vec();
                // What it says besides does not matter where the status has come.
                let answer = serde_json::from_slice(&read.unwrap_or_default()).unwrap_or_default();
                judged(
                    response.status(),
                    retry_after(response.headers(), now),
                    &answer,
                )
            }
        }
    }

    fn needs_message(&self) -> bool {
        false
    }
}

/// What an answer means for the command.
fn judged(status: StatusCode, asked: Option<Duration>, answer: &Answer) -> Attempt {
    let why = format!("the receiver answers {status}");
    let is_told = status.is_success() || status.is_client_error();
    if answer.outcome.as_deref() == Some("bounced") && is_told {
        return Attempt::Bounced(why);
    }
    match status.as_u16() {
        200..=299 => Attempt::Delivered,
        // Of these nothing is the command's fault: who we are, and where it is posted to, somebody has to mend.
        401 | 403 | 404 | 408 | 425 | 429 => Attempt::Later(why, asked),
        400..=499 => Attempt::Refused(why),
        _ => Attempt::Later(why, asked),
    }
}

/// After how long the receiver wants to be asked again: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    Some(Duration::from_millis(
        u64::try_from(date - now.0).unwrap_or_default(),
    ))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Secret {
    fn read(path: &Path) -> Result<Self, SendError> {
        let expected = || {
            SendError::file(
                path,
                "expected `whsec_` and 24 to 64 bytes in Base64; `echo whsec_$(openssl rand -base64 32)` makes one",
            )
        };
        let text = super::read(path)?;
        let bytes = text.strip_prefix(PREFIX).ok_or_else(expected)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| expected())?;
        match SECRET_BYTES.contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(expected()),
        }
    }

    /// Of a body, posted under this id at this time, seconds since 1970.
    fn signature(&self, id: Uuid, at: i64, body: &[u8]) -> String {
        self.signed(&id.to_string(), at, body)
    }

    fn signed(&self, id: &str, at: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key");
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

fn certificates(path: &Path) -> Result<RootCerts, SendError> {
    let wrong = |detail: String| SendError::file(path, detail);
    let text = super::read(path)?;
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(text.as_bytes()) {
        match item.map_err(|error| wrong(error.to_string()))? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => continue,
        }
    }
    match found.is_empty() {
        true => Err(wrong("holds no certificate in PEM".to_owned())),
        false => Ok(RootCerts::new_with_certs(&found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_signed_as_the_standard_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        // The standard's own example.
        let signed = secret.signed(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for wrong in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_?"] {
            std::fs::write(&path, wrong).unwrap();
            let error = Secret::read(&path).unwrap_err().to_string();
            assert!(error.contains("openssl rand"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_answer_says_what_becomes_of_the_command() {
        let word = |status: u16, outcome: Option<&str>| {
            let answer = Answer {
                outcome: outcome.map(str::to_owned),
            };
            match judged(StatusCode::from_u16(status).unwrap(), None, &answer) {
                Attempt::Delivered => "delivered",
                Attempt::Bounced(_) => "bounced",
                Attempt::Refused(_) => "refused",
                Attempt::Later(..) => "later",
            }
        };
        for (status, outcome, expected) in [
            (200, None, "delivered"),
            (202, Some("delivered"), "delivered"),
            (200, Some("bounced"), "bounced"),
            (422, Some("bounced"), "bounced"),
            (500, Some("bounced"), "later"),
            (302, None, "later"),
            (302, Some("bounced"), "later"),
            (400, None, "refused"),
            (410, None, "refused"),
            (401, None, "later"),
            (403, None, "later"),
            (404, None, "later"),
            (408, None, "later"),
            (429, None, "later"),
            (503, None, "later"),
        ] {
            assert_eq!(word(status, outcome), expected, "{status} {outcome:?}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-03-02T10:00:00Z").unwrap();
        let after = |text: &str| {
            let headers = HeaderMap::from_iter([(
                ureq::http::HeaderName::from_static("retry-after"),
                text.parse().unwrap(),
            )]);
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        let date = "Mon, 02 Mar 2026 10:00:30 GMT";
        assert_eq!(after(date), Some(Duration::from_secs(30)));
        assert_eq!(after("Mon, 02 Mar 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
