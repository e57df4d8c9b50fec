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
/// Clients share a token for this part of its life; librdkafka asks for the next after four fifths.
const SHARED: f64 = 0.5;

/// The last one fetched, and by which settings.
static LAST: Mutex<Option<(Settings, Token)>> = Mutex::new(None);

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
    expires_in: Option<u64>,
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
    if let Some((of, token)) = last.as_ref()
        && of == settings
        && token.fetched.elapsed() < token.life.mul_f64(SHARED)
    {
        return Ok(token.clone());
    }
    let token = fetched(settings).map_err(|why| {
        format!(
            "no token for OAUTHBEARER from {}: {why}: look at {URL}, {CLIENT} and {SECRET} in [kafka.properties]",
            settings.url
        )
    })?;
    *last = Some((settings.clone(), token.clone()));
    Ok(token)
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
    let life = Duration::from_secs(answer.expires_in.unwrap_or(LIFE_S));
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
}
