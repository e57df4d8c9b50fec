//! `moments doctor`: what is wrong around an installation, and how to mend it.

use clap::Args;

use super::{Shared, decoder};
use crate::admin::doctor::{ABOUT, Finding, Health, examine};

/// Ask brokers, topics, rights, the group, clocks and the registry whether all is well, and say how to mend what is not. Changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 where nothing is to be mended, warnings or not; 1 otherwise."
)]
pub struct Doctor {
    #[command(flatten)]
    shared: Shared,
    /// The findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what was found.
///
/// # Errors
/// Where something is to be mended, or the configuration is none.
pub fn run(args: &Doctor) -> anyhow::Result<()> {
    let (config, basis) = args.shared.basis()?;
    let (_, schemas) = decoder(&config, &basis)?;
    // Where sets are published, files need not be there.
    let triggers = args.shared.read(&config, &basis);
    let findings = examine(&config, &basis, triggers.as_ref().ok(), &schemas);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        findings.iter().for_each(say);
    }
    let wrong = findings
        .iter()
        .filter(|finding| matches!(finding.health, Health::Problem | Health::Unasked))
        .count();
    match wrong {
        0 => Ok(()),
        _ => anyhow::bail!("{wrong} things to be mended, the first of them first"),
    }
}

fn say(finding: &Finding) {
    let width = ABOUT.iter().map(|about| about.len()).max().unwrap_or(0);
    let word = match finding.health {
        Health::Well => "well",
        Health::Warning => "warning",
        Health::Problem => "problem",
        Health::Unasked => "not asked",
    };
    println!("{:width$}  {word}: {}", finding.about, finding.found);
    if !finding.mend.is_empty() {
        println!("{:width$}  {}", "", finding.mend);
    }
}
