//! `--measured`: a report of what treatments have brought, from a file or of a process.

use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::rehearsal::expected::Measured;

/// How long a process is asked.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What a report may be, bytes: 4,096 rows of some KB.
const REPORT_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a report; `from`: a file, or where a process answers, with the token of the configuration where it has one.
///
/// # Errors
/// Where it cannot be read, or is none.
pub(super) fn read(from: &str, config: &Config) -> anyhow::Result<Measured> {
    let report = match from.starts_with("http://") || from.starts_with("https://") {
        true => asked(from, config.http.token()?.as_deref()).with_context(|| from.to_owned())?,
        false => std::fs::read(from).with_context(|| from.to_owned())?,
    };
    Measured::read(&report).with_context(|| {
        format!("{from}: expected a report, as `moments report --format json` writes it")
    })
}

fn asked(url: &str, token: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let config = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT));
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut response = request.call()?;
    let body = response.body_mut().with_config().limit(REPORT_BYTES);
    Ok(body.read_to_vec()?)
}
