//! `moments topics create` and `moments topics check`.

use clap::{Args, Subcommand};

use super::Shared;
use crate::runtime::topics::{self, Found};

/// The topics that the configuration and the triggers name.
#[derive(Debug, Args)]
pub struct Topics {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// Create what is missing, with the right settings; what exists is left as it is.
    Create(Shared),
    /// Say what is wrong with them.
    Check(Shared),
}

/// Creates or checks.
///
/// # Errors
/// Where Kafka does not answer, or the topics are not fit.
pub fn run(args: &Topics) -> anyhow::Result<()> {
    match &args.command {
        TopicsCommand::Create(shared) => {
            let (config, _, plan) = shared.plan()?;
            for line in topics::create(&config, &plan)? {
                println!("{line}");
            }
        }
        TopicsCommand::Check(shared) => {
            let (config, _, plan) = shared.plan()?;
            let Found {
                partitions,
                warnings,
                ..
            } = topics::check(&config, &plan)?;
            for warning in warnings {
                println!("warning: {warning}");
            }
            println!("the topics are fit: {partitions} partitions");
        }
    }
    Ok(())
}
