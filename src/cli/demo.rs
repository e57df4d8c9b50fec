//! `moments demo`: a shop in accelerated time, and what is made of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use crate::demo::{self, CUSTOMERS_MAX, SECONDS, Settings};

/// Watch a shop's events become treatments, on a broker in this process or on your own.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the four weeks of the demo, instead of going on until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Use this Kafka (host:port), in topics of the demo's own, instead of the broker in this process.
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// End after so many seconds; a day lasts one and a half.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=86_400))]
    seconds: Option<u32>,
    /// How many customers the shop has at the beginning.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(CUSTOMERS_MAX)))]
    customers: u32,
    /// Another seed, other customers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs until it is over, or Ctrl-C.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(args: &Demo) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop))?;
    let settings = Settings {
        customers: args.customers,
        seed: args.seed,
        seconds: args.seconds.or(args.once.then_some(SECONDS)),
        kafka: args.kafka.clone(),
    };
    Ok(demo::run(&settings, &stop)?)
}

/// Ctrl-C ends the demo in order, so that the terminal is given back.
fn stop_on_interrupt(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let interrupt = move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(interrupt)?;
    Ok(())
}
