//! How `moments send` delivers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema_registry::Secret;
use super::{ConfigError, Span, Topics};
use crate::config::topics::Format;
use crate::treatment::is_channel;

/// The most that may be under way at a time: each is a thread.
const PARALLEL_MAX: usize = 256;

/// How `moments send` delivers what the triggers decide. What it does not name is somebody else's to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sending {
    /// Prefix of its consumer groups, `<group>-<channel>`, and of its transactional ids; `{id}` stands for the application's id.
    /// Default `{id}-send`.
    pub group: String,
    /// The folder of templates: `<channel>/<template>.jinja`, or `<template>.jinja` for every channel. Default `templates`.
    pub templates: PathBuf,
    /// Deliveries of a channel that are under way at a time; after a crash as many may be made again. 1 to 256. Default 8.
    pub parallel: usize,
    /// For how long one is tried again that does not succeed; never beyond the `valid_until` of its command. Default `1d`.
    pub give_up_after: Span,
    /// Address and port of `/metrics` and `/health/live`; empty: they are not served. Default empty.
    pub listen: String,
    /// The channels, each with how it delivers: `smtp` or `web_hook`. Default none.
    pub channels: BTreeMap<String, Delivery>,
}

/// How a channel delivers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// By e-mail, to the address `email` of the command.
    Smtp(Smtp),
    /// By HTTP.
    WebHook(WebHook),
}

/// The mail server that takes messages for delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Its name.
    pub host: String,
    /// Its port; 0: 587 with `starttls`, 465 with `tls`, 25 with `none`. Default 0.
    pub port: u16,
    /// `starttls`; `tls` from the first byte; or `none`. Default `starttls`.
    pub encryption: Encryption,
    /// Certificates to trust besides the system's, a file in PEM. Default empty.
    pub ca_file: PathBuf,
    /// For authentication. Default empty: none.
    pub user: String,
    /// Its password; or, better, in `password_file`. Default empty.
    pub password: Secret,
    /// The file that holds the password. Default empty.
    pub password_file: PathBuf,
    /// Whom messages are from: `Shop <shop@example.com>`.
    pub from: String,
    /// Where answers go. Default empty: to `from`.
    pub reply_to: String,
    /// How long the server may be silent. Default `30s`.
    pub timeout: Span,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// From the command STARTTLS on, without which nothing is sent.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// Who is told commands by HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebHook {
    /// Where they are posted to.
    pub url: String,
    /// The file that holds the secret with which they are signed: `whsec_` and 24 to 64 bytes in Base64.
    pub secret_file: PathBuf,
    /// Certificates to trust, a file in PEM. Empty: the system's. Default empty.
    pub ca_file: PathBuf,
    /// How long an answer may take altogether. Default `10s`.
    pub timeout: Span,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            group: "{id}-send".to_owned(),
            templates: PathBuf::from("templates"),
            parallel: 8,
            give_up_after: Span { ms: 86_400_000 },
            listen: String::new(),
            channels: BTreeMap::new(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 0,
            encryption: Encryption::default(),
            ca_file: PathBuf::new(),
            user: String::new(),
            password: Secret::default(),
            password_file: PathBuf::new(),
            from: String::new(),
            reply_to: String::new(),
            timeout: Span { ms: 30_000 },
        }
    }
}

impl Default for WebHook {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout: Span { ms: 10_000 },
        }
    }
}

impl Sending {
    pub(super) fn check(&self, topics: &Topics) -> Result<(), ConfigError> {
        if !(1..=PARALLEL_MAX).contains(&self.parallel) {
            let detail = format!("must be from 1 to {PARALLEL_MAX}");
            return Err(ConfigError::invalid("send.parallel", detail));
        }
        if self.give_up_after.ms < 1 {
            return Err(ConfigError::invalid(
                "send.give_up_after",
                "must be at least 1ms",
            ));
        }
        if !self.listen.is_empty() && self.listen.parse::<SocketAddr>().is_err() {
            let detail = "expected an address and a port, such as 127.0.0.1:9465";
            return Err(ConfigError::invalid("send.listen", detail));
        }
        for (channel, delivery) in &self.channels {
            let at = format!("send.channels.{channel}");
            if channel.is_empty() || !is_channel(channel) {
                let detail = "is no name of a channel; expected ASCII letters in lower case, digits, `-` or `_`";
                return Err(ConfigError::invalid(at, detail));
            }
            match delivery {
                Delivery::Smtp(smtp) => smtp.check(&format!("{at}.smtp"))?,
                Delivery::WebHook(hook) => hook.check(&format!("{at}.web_hook"))?,
            }
        }
        self.check_topics(topics)
    }

    /// What it reads is JSON, and what it reports is ours.
    fn check_topics(&self, topics: &Topics) -> Result<(), ConfigError> {
        if self.channels.is_empty() {
            return Ok(());
        }
        if topics.treatments_format == Format::Avro {
            let detail = "`moments send` reads commands in JSON; expected topics.treatments_format = \"json\"";
            return Err(ConfigError::invalid("send.channels", detail));
        }
        if !topics.outcomes.mapping.as_os_str().is_empty() {
            let detail = "topics.outcomes has a mapping, by which what `moments send` reports would be read; expected none";
            return Err(ConfigError::invalid("send.channels", detail));
        }
        Ok(())
    }
}

/// The name and the address of a mailbox: `Shop <shop@example.com>`, or an address alone.
///
/// # Errors
/// Where it is none, in words.
pub fn mailbox(text: &str) -> Result<(Option<&str>, Address), String> {
    let parts = text.trim().strip_suffix('>');
    let parts = parts.and_then(|parts| parts.rsplit_once('<'));
    let (name, address) = parts.map_or(("", text), |(name, address)| (name.trim(), address));
    let name = name.trim_matches('"').trim();
    let expected = "expected an address, or a name and one: Shop <shop@example.com>";
    let address = address.trim().parse::<Address>();
    let address =
        address.map_err(|error| format!("`{text}` is no mailbox: {error}; {expected}"))?;
    match name.contains(['<', '>', '\r', '\n']) {
        true => Err(format!("`{text}` is no mailbox; {expected}")),
        false => Ok((Some(name).filter(|name| !name.is_empty()), address)),
    }
}

impl Smtp {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let wrong = |field: &str, detail: String| {
            Err(ConfigError::invalid(format!("{at}.{field}"), detail))
        };
        if self.host.is_empty() {
            return wrong("host", "names no mail server".to_owned());
        }
        for (field, text) in [("from", &self.from), ("reply_to", &self.reply_to)] {
            if field == "reply_to" && text.is_empty() {
                continue;
            }
            if let Err(error) = mailbox(text) {
                return wrong(field, error);
            }
        }
        let has_password =
            !self.password.0.is_empty() || !self.password_file.as_os_str().is_empty();
        if has_password == self.user.is_empty() {
            return wrong("user", "user and password need each other".to_owned());
        }
        if self.timeout.ms < 1 {
            return wrong("timeout", "must be at least 1ms".to_owned());
        }
        Ok(())
    }

    /// How long the server may be silent.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.ms.unsigned_abs())
    }
}

impl WebHook {
    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let wrong =
            |field: &str, detail: &str| Err(ConfigError::invalid(format!("{at}.{field}"), detail));
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return wrong("url", "expected http://host/path or https://host/path");
        }
        if self.secret_file == Path::new("") {
            return wrong(
                "secret_file",
                "names no file; `echo whsec_$(openssl rand -base64 32)` makes what it holds",
            );
        }
        if self.timeout.ms < 1 {
            return wrong("timeout", "must be at least 1ms");
        }
        Ok(())
    }

    /// How long an answer may take altogether.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.ms.unsigned_abs())
    }
}
