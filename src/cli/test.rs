//! `moments test`: plays the scenarios that stand beside triggers.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::basis;
use crate::config::Config;
use crate::document::report;
use crate::scenario::{self, Outcome};

/// Play the scenarios (*.test.yaml) beside triggers, and say where one goes another way than expected.
#[derive(Debug, Args)]
pub struct Test {
    /// A file of scenarios, or a directory; without it, the triggers of the configuration.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// The configuration: own events and attributes, policy.
    #[arg(long, value_name = "FILE", env = "MOMENTS_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where a file is wrong, or a scenario fails.
pub fn run(args: &Test) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref())?;
    let basis = basis(&config)?;
    let path = args.path.as_ref().unwrap_or(&config.triggers.path);
    let outcomes = scenario::run(path, &basis)
        .map_err(|reports| anyhow::Error::msg(report::rendered(&reports)))?;
    print!("{}", text(&outcomes));
    match outcomes.iter().filter(|o| o.failure.is_some()).count() {
        0 => Ok(()),
        1 => bail!("a scenario failed"),
        failed => bail!("{failed} scenarios failed"),
    }
}

/// A heading for each file, a line for each scenario, what differs below it, and the count.
fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        let _infallible = writeln!(text, "{line}");
    };
    let mut file = None;
    for outcome in outcomes {
        if file.replace(&outcome.file) != Some(&outcome.file) {
            line(&outcome.file);
        }
        match &outcome.failure {
            None => line(&format!("  ok      {}", outcome.test)),
            Some(difference) => {
                line(&format!(
                    "  FAILED  {}  (line {})",
                    outcome.test, outcome.line
                ));
                difference
                    .lines()
                    .for_each(|difference| line(&format!("      {difference}")));
            }
        }
    }
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    line(&format!(
        "{} passed, {failed} failed",
        outcomes.len() - failed
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_stand_below_their_scenario() {
        let outcome = |test: &str, failure: Option<&str>| Outcome {
            test: test.to_owned(),
            file: "basket.test.yaml".to_owned(),
            line: 7,
            failure: failure.map(str::to_owned),
        };
        let outcomes = [
            outcome("reminds", None),
            outcome("just in time", Some("treatments:\n  ✗ nothing   email\n")),
        ];
        insta::assert_snapshot!(text(&outcomes), @r"
        basket.test.yaml
          ok      reminds
          FAILED  just in time  (line 7)
              treatments:
                ✗ nothing   email
        1 passed, 1 failed
        ");
    }
}
