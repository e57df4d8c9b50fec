//! `moments check`: reads trigger files and says everything that is wrong with them.

use clap::Args;

use super::Shared;

/// Check trigger files; every error with file, line and what was expected.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    shared: Shared,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the files.
pub fn run(args: &Check) -> anyhow::Result<()> {
    let (_, _, plan) = args.shared.plan()?;
    for trigger in &plan.triggers {
        println!(
            "{}  {}  generation {}",
            trigger.name,
            trigger.kind.word(),
            trigger.generation
        );
    }
    println!(
        "{} triggers, revision {}: no errors",
        plan.triggers.len(),
        plan.revision
    );
    Ok(())
}
