//! Tokens of OAUTHBEARER, fetched from an identity provider by client credentials (RFC 6749, 4.4).
//!
//! librdkafka does this itself only where it was built with libcurl. So its own properties (`sasl.oauthbearer.method = oidc` and those
//! beside it) are taken out of a client's configuration and wait in `sasl.oauthbearer.config`, which is what it hands to whoever brings
//! tokens: a context that is asked when one grows old, and [`let_in`] for a client's first, which nobody polls for.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::config::secret::holds_login;
use base64::Engine as _;
use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka_sys as sys;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// What says that tokens are fetched.
const METHOD: &str = "sasl.oauthbearer.method";
/// Where the settings of it wait.
const CONFIG: &str = "sasl.oauthbearer.config";
const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT: &str = "sasl.oauthbearer.client.id";
const SECRET: &str = "sasl.oauthbearer.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const CA: &str = "https.ca.location";
/// How long the identity provider may take: whoever waits for a token sends nothing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer: a token with some hundred claims.
const ANSWER_BYTES: u64 = 64 * 1024;
/// Where it is not said how long a token is good for.
const LIFE_S: u64 = 300;
/// However long one is said to be good for, another is asked for after a day.
const LIFE_S_MAX: u64 = 86_400;
/// For so long one that could not be fetched is not asked for again: who does not answer would hold up each client in turn.
const FAILED: Duration = Duration::from_secs(10);
/// Clients share a token for this part of its life; librdkafka asks for the next after four fifths.
const SHARED: f64 = 0.5;

/// The last one fetched, or why there was none, and by which settings.
static LAST: Mutex<Option<(Settings, Fetched)>> = Mutex::new(None);

/// What came of fetching a token.
type Fetched = Result<Token, (Instant, String)>;

/// How tokens are fetched.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    url: String,
    client: String,
    secret: String,
    scope: Option<String>,
    ca: Option<PathBuf>,
}

#[derive(Clone)]
struct Token {
    text: String,
    fetched: Instant,
    life: Duration,
    until_ms: i64,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    /// Seconds, a number; some write it as a text.
    expires_in: Option<Value>,
}

/// Moves what fetches tokens to where librdkafka leaves it to us, in a client that is configured to.
pub(super) fn adapt(client: &mut ClientConfig) {
    if client.get(METHOD) != Some("oidc") {
        return;
    }
    let mut said: BTreeMap<&str, String> = BTreeMap::new();
    for name in [METHOD, URL, CLIENT, SECRET, SCOPE, CA] {
        if let Some(value) = client.get(name) {
            said.insert(name, value.to_owned());
            client.remove(name);
        }
    }
    let mut take = |name| said.remove(name);
    let settings = Settings {
        url: take(URL).unwrap_or_default(),
        client: take(CLIENT).unwrap_or_default(),
        secret: take(SECRET).unwrap_or_default(),
        scope: take(SCOPE),
        ca: take(CA).map(PathBuf::from),
    };
    // Texts become JSON.
    let settings = serde_json::to_string(&settings).unwrap_or_default();
    client.set(CONFIG, settings);
}

/// What is wrong or missing for tokens to be fetched.
///
/// # Errors
/// The name of the property, and why.
pub(super) fn check(client: &ClientConfig) -> Result<(), (&'static str, &'static str)> {
    let Some(settings) = client.get(CONFIG).and_then(settings) else {
        return Ok(());
    };
    let needed = [
        (URL, &settings.url),
        (CLIENT, &settings.client),
        (SECRET, &settings.secret),
    ];
    match needed.iter().find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err((
            name,
            "is missing: sasl.oauthbearer.method is oidc, so tokens are fetched by it",
        )),
        None if holds_login(&settings.url) => Err((
            URL,
            "holds a password, and is shown in the log; use sasl.oauthbearer.client.secret",
        )),
        None => Ok(()),
    }
}

fn settings(text: &str) -> Option<Settings> {
    serde_json::from_str(text).ok()
}

/// A token, as a context brings it that librdkafka asks for one.
pub(crate) fn brought(config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
    let settings = config.and_then(settings);
    let settings =
        settings.ok_or("no token: set sasl.oauthbearer.method to oidc, and what goes with it")?;
    let token = token(&settings).inspect_err(|why| tracing::error!(target: "rdkafka", "{why}"))?;
    Ok(OAuthToken {
        token: token.text,
        principal_name: settings.client,
        lifetime_ms: token.until_ms,
    })
}

/// Gives a client that was just made its first token, where it needs one.
///
/// # Errors
/// Where none is to be had: why.
#[expect(unsafe_code, reason = "rdkafka gives tokens to whoever polls alone")]
pub(crate) fn let_in<C: ClientContext>(
    config: &ClientConfig,
    client: &Client<C>,
) -> KafkaResult<()> {
    let Some(settings) = config.get(CONFIG).and_then(settings) else {
        return Ok(());
    };
    let failed = |why: String| KafkaError::ClientCreation(why);
    let token = token(&settings).map_err(failed)?;
    let text = |text: String| CString::new(text).map_err(|error| failed(error.to_string()));
    let (value, principal) = (text(token.text)?, text(settings.client)?);
    let mut reason: [c_char; 256] = [0; 256];
    // SAFETY: the client and the texts outlive the call, which copies them; the length is the array's.
    let code = unsafe {
        sys::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.until_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            reason.as_mut_ptr(),
            reason.len(),
        )
    };
    match code {
        sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        code => Err(KafkaError::Global(code.into())),
    }
}

/// The token that all clients of these settings share, or another.
fn token(settings: &Settings) -> Result<Token, String> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let known = last.as_ref().filter(|(of, _)| of == settings);
    match known.map(|(_, fetched)| fetched) {
        Some(Ok(token)) if token.fetched.elapsed() < token.life.mul_f64(SHARED) => {
            return Ok(token.clone());
        }
        Some(Err((at, why))) if at.elapsed() < FAILED => return Err(why.clone()),
        _ => {}
    }
    let fetched = fetched(settings).map_err(|why| {
        format!(
            "no token for OAUTHBEARER from {}: {why}: look at {URL}, {CLIENT} and {SECRET} in [kafka.properties]",
            settings.url
        )
    });
    let noted = fetched.clone().map_err(|why| (Instant::now(), why));
    *last = Some((settings.clone(), noted));
    fetched
}

/// How long a token is good for.
fn life(said: Option<&Value>) -> Duration {
    let seconds = said.and_then(|said| match said {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    // A number that is none, or below nothing, says nothing.
    let seconds = seconds.filter(|seconds: &f64| *seconds >= 0.0);
    let life = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    let life = life.unwrap_or(Duration::from_secs(LIFE_S));
    life.min(Duration::from_secs(LIFE_S_MAX))
}

fn fetched(settings: &Settings) -> Result<Token, String> {
    let said = |error: ureq::Error| error.to_string();
    let login = format!("{}:{}", settings.client, settings.secret);
    let login = base64::engine::general_purpose::STANDARD.encode(login);
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(settings.scope.as_deref().map(|scope| ("scope", scope)));
    let mut response = agent(settings)?
        .post(&settings.url)
        .header("Authorization", format!("Basic {login}"))
        .header("Accept", "application/json")
        .send_form(form)
        .map_err(said)?;
    if !response.status().is_success() {
        return Err(format!("it answers {}", response.status()));
    }
    let body = response.body_mut().with_config().limit(ANSWER_BYTES);
    let answer = body.read_json::<Answer>();
    // What it did send may be a token.
    let answer = answer.map_err(|_| "its answer has no `access_token`".to_owned())?;
    let life = life(answer.expires_in.as_ref());
    let until = SystemTime::now() + life;
    let until_ms = until
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Token {
        text: answer.access_token,
        fetched: Instant::now(),
        life,
        until_ms: i64::try_from(until_ms.as_millis()).unwrap_or(i64::MAX),
    })
}

fn agent(settings: &Settings) -> Result<Agent, String> {
    let roots = match &settings.ca {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let pem =
                std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let items = parse_pem(&pem).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            });
            let found: Vec<Certificate<'static>> = items.collect();
            RootCerts::new_with_certs(&found)
        }
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::NativeTls)
        .root_certs(roots)
        .build();
    let agent = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .user_agent(concat!("moments/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    Ok(agent.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    fn client(properties: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        for (name, value) in properties {
            client.set(*name, *value);
        }
        adapt(&mut client);
        client
    }

    #[test]
    fn only_what_fetches_tokens_is_moved() {
        let plain = [("sasl.mechanism", "PLAIN"), ("https.ca.location", "/ca")];
        let untouched = client(&plain);
        assert!(
            plain
                .iter()
                .all(|(name, value)| untouched.get(name) == Some(*value))
        );
        assert_eq!(check(&untouched), Ok(()));
        let all = [
            (METHOD, "oidc"),
            (URL, "https://id/token"),
            (CLIENT, "moments"),
            (SECRET, "s"),
        ];
        let moved = client(&all);
        assert!(all.iter().all(|(name, _)| moved.get(name).is_none()));
        assert_eq!(check(&moved), Ok(()));
        assert!(moved.create_native_config().is_ok());
        let wrong = |properties: &[_]| check(&client(properties)).expect_err("wrong").0;
        assert_eq!(wrong(&all[..3]), SECRET);
        assert_eq!(wrong(&all[..1]), URL);
        let login = [(URL, "https://me:pass@id/token")];
        assert_eq!(wrong(&[&all[..1], &login, &all[2..]].concat()), URL);
    }

    #[test]
    fn a_life_is_a_number_or_a_text_and_a_day_at_most() {
        for (said, expected) in [
            ("3600", 3_600),
            ("\"3600\"", 3_600),
            ("59.0", 59),
            ("18446744073709551615", LIFE_S_MAX),
            ("1e300", LIFE_S_MAX),
            ("-1", LIFE_S),
            ("\"soon\"", LIFE_S),
            ("null", LIFE_S),
        ] {
            let said: Value = serde_json::from_str(said).unwrap();
            assert_eq!(life(Some(&said)), Duration::from_secs(expected), "{said}");
        }
        assert_eq!(life(None), Duration::from_secs(LIFE_S));
    }

    #[test]
    fn one_that_could_not_be_fetched_is_not_asked_for_again_at_once() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let settings = Settings {
            url: format!("http://{}/token", listener.local_addr().unwrap()),
            client: "moments".to_owned(),
            secret: "s".to_owned(),
            scope: None,
            ca: None,
        };
        let asked = std::thread::spawn(move || {
            drop(listener.accept());
            listener
        });
        let why = token(&settings).map(|_| ()).unwrap_err();
        let listener = asked.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(token(&settings).map(|_| ()), Err(why));
        assert!(listener.accept().is_err(), "it was asked again");
    }
}
