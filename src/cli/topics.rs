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
    /// Print the commands that give a user the rights that `run` needs, and `send` where it has channels, and no more.
    Acls(Acls),
}

/// The rights of a user.
#[derive(Debug, Args)]
struct Acls {
    #[command(flatten)]
    shared: Shared,
    /// The user, as brokers name it.
    #[arg(long, value_name = "PRINCIPAL", default_value = "User:moments")]
    principal: String,
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
        TopicsCommand::Acls(acls) => {
            let (config, _, plan) = acls.shared.plan()?;
            for line in topics::acls(&config, &plan, &acls.principal) {
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
