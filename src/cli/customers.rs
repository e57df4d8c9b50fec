//! `moments customers`: erasure and consent, as events on the topic of identify calls.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Configured, clock, instant};
use crate::admin::customers::{Customer, Said, say, wait};
use crate::admin::{Log, Sender};
use crate::time::{Timestamp, parse_duration};

/// Erase customers, and say what they consent to.
#[derive(Debug, Args)]
pub struct Customers {
    #[command(subcommand)]
    command: CustomersCommand,
}

#[derive(Debug, Subcommand)]
enum CustomersCommand {
    /// Remove customers and drop what is older: the event `Customer Erased`.
    Erase(Erase),
    /// Give consent for a channel, or take it back: an identify call.
    Consent(Consent),
}

#[derive(Debug, Args)]
struct Erase {
    /// Who: the ids that her events carry.
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Consent {
    /// Who: the id that her events carry.
    #[arg(value_name = "ID")]
    id: String,
    /// The channel: email, push, sms, ...
    #[arg(long)]
    channel: String,
    /// She agrees.
    #[arg(
        long,
        required_unless_present = "withdraw",
        conflicts_with = "withdraw"
    )]
    grant: bool,
    /// She does not agree any more.
    #[arg(long)]
    withdraw: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    configured: Configured,
    /// The id is an `anonymousId`.
    #[arg(long)]
    anonymous: bool,
    /// When it happened, RFC 3339; now without it.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Wait until the processor has committed it.
    #[arg(long)]
    wait: bool,
    /// For how long at most.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    timeout: i64,
}

/// Sends the events, and waits for them where asked to.
///
/// # Errors
/// Where Kafka does not take them, or the processor does not within the time.
pub fn run(args: &Customers) -> anyhow::Result<()> {
    match &args.command {
        CustomersCommand::Erase(erase) => erase.how.say(&erase.ids, &Said::Erased),
        CustomersCommand::Consent(consent) => {
            let said = Said::Consent {
                channel: consent.channel.clone(),
                given: consent.grant,
            };
            consent.how.say(std::slice::from_ref(&consent.id), &said)
        }
    }
}

impl How {
    fn say(&self, ids: &[String], said: &Said) -> anyhow::Result<()> {
        let config = self.configured.load()?;
        let sender = Sender::new(&config)?;
        let now = config.time.mode().reading(clock()).unwrap_or_else(clock);
        let at = self.at.unwrap_or(now);
        let mut placed = Vec::new();
        for id in ids {
            let customer = Customer {
                id: id.clone(),
                anonymous: self.anonymous,
            };
            let place = say(&config, &sender, &customer, said, at)?;
            println!(
                "{id}: sent, {}/{} offset {}",
                place.topic, place.partition, place.offset
            );
            placed.push((id, place));
        }
        if !self.wait {
            return Ok(());
        }
        let log = Log::new(&config)?;
        let limit = Duration::from_millis(self.timeout.unsigned_abs());
        for (id, place) in placed {
            if !wait(&log, &place, limit)? {
                anyhow::bail!(
                    "{id}: not committed within {} ms; it is in the topic, and will be when a process takes it",
                    self.timeout
                );
            }
            println!("{id}: committed");
        }
        Ok(())
    }
}
