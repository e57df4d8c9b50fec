//! `moments check`: reads trigger files and says everything that is wrong with them.

use clap::Args;

use super::Shared;
use crate::trigger::plan::Trigger;

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
    let (_, basis, plan) = args.shared.plan()?;
    let name = |trigger: &Trigger| trigger.name.chars().count();
    let width = plan.triggers.iter().map(name).max().unwrap_or(0);
    for trigger in &plan.triggers {
        println!(
            "{:width$}  {:10}  priority {:3}  generation {}",
            trigger.name,
            trigger.kind.word(),
            trigger.priority,
            trigger.generation
        );
    }
    for (topic, mapping) in basis.mappings.iter() {
        println!("mapping {}, for topic {topic}", mapping.name);
    }
    let plural = if plan.triggers.len() == 1 { "" } else { "s" };
    println!(
        "{} trigger{plural}, revision {}: no errors",
        plan.triggers.len(),
        plan.revision
    );
    Ok(())
}
