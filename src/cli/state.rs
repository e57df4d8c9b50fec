//! `moments state`: what to do where the state of a task cannot be read.

use clap::{Args, Subcommand};

use super::Configured;
use crate::admin::Log;
use crate::admin::dead_letters::Address;
use crate::admin::state::{Page, Which, find, quarantine};
use crate::config::Config;

/// Look after the state that tasks are restored from.
#[derive(Debug, Args)]
pub struct State {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Set a customer's page aside that cannot be read, so that its task goes on without it; says what is lost.
    Quarantine(Quarantine),
}

#[derive(Debug, Args)]
struct Quarantine {
    #[command(flatten)]
    which: Place,
    /// Where it stands in its partition of the changelog, as the task says it.
    #[arg(long, requires = "partition", value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,
    /// Only say what is wrong with it, and what would be lost.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    configured: Configured,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Whose: the id that her events carry.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Its partition of the changelog, which is the number of its task.
    #[arg(long, requires = "offset", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
}

/// Sets the page aside.
///
/// # Errors
/// Where it is not one to be set aside, or Kafka does not take it.
pub fn run(args: &State) -> anyhow::Result<()> {
    let StateCommand::Quarantine(args) = &args.command;
    let config = args.configured.load()?;
    let which = match (&args.which.customer, args.which.partition, args.offset) {
        (_, Some(partition), Some(offset)) => Which::Place(Address { partition, offset }),
        (customer, ..) => Which::Customer(customer.clone().unwrap_or_default()),
    };
    let log = Log::new(&config)?;
    let page = find(&log, &config, &which)?;
    print!("{}", described(&config, &page));
    if args.dry_run {
        println!("nothing was changed");
        return Ok(());
    }
    quarantine(&log, &config, &page)?;
    println!(
        "set aside: its bytes are a dead letter of {} now, and it is gone from {}. Start the process again that refused task {}.",
        config.topics.dead_letters,
        config.changelog(),
        page.address.partition
    );
    Ok(())
}

/// What it is, and what is lost with it.
fn described(config: &Config, page: &Page) -> String {
    let Page {
        address,
        customer,
        fault,
        record,
        ..
    } = page;
    format!(
        "customer {customer:?}, {} offset {address}, {} bytes of {}: {fault}\n\
         lost with it is everything that was known of her by then: her consent and her no, basket, orders and segments, what was sent \
         to her and what was to come, so that caps count afresh and what waited is not sent.\n\
         Until she is told of again she is a new customer: nothing is sent to her that needs consent; where consent is given by default \
         ({}) it is, though she may have said no. Send her identify call and her consent again (`moments customers consent`), and what \
         else matters of her past.\n\
         A replay of the journal from before this knows her still, and may decide otherwise of her.\n",
        config.changelog(),
        record.value.as_ref().map_or(0, Vec::len),
        record.appended,
        config.policy().consent_by_default.join(", "),
    )
}
