//! `moments demo`: a shop in accelerated time, and what is made of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::{self, CUSTOMERS_MAX, DemoSettings, Pace, SPEED_MAX, SPEED_MIN};

/// Watch a shop's events become treatments, on a broker in this process or on your own.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the four weeks of the demo, instead of going on until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Use this Kafka (host:port), in topics of the demo's own, instead of the broker in this process.
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// End after so many seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=86_400))]
    seconds: Option<u32>,
    /// How many customers the shop has at the beginning.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(CUSTOMERS_MAX)))]
    customers: u32,
    /// Another seed, other customers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many times as fast as usual time goes by; usually a day lasts a second and a half.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Keep every record in this file, as `kcat -J` writes them, for `moments rehearse`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Draw the last picture into this file.
    #[arg(long, value_name = "FILE", hide = true)]
    svg: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    let fits = speed.filter(|speed| (SPEED_MIN..=SPEED_MAX).contains(speed));
    fits.ok_or_else(|| format!("expected a number from {SPEED_MIN} to {SPEED_MAX}"))
}

/// Runs until it is over, or Ctrl-C.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(args: &Demo) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(Arc::clone(&stop))?;
    let pace = Pace::new(args.speed);
    let settings = DemoSettings {
        customers: args.customers,
        seed: args.seed,
        seconds: args.seconds.or(args.once.then(|| pace.seconds())),
        pace,
        kafka: args.kafka.clone(),
        record: args.record.clone(),
        svg: args.svg.clone(),
    };
    Ok(demo::run(&settings, &stop)?)
}

/// SIGINT and SIGTERM end the demo in order, so that the terminal is given back.
fn stop_on_interrupt(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = async {
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = term.recv() => Ok(()),
        }
    };
    let interrupt = move || {
        if runtime.block_on(asked).is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(interrupt)?;
    Ok(())
}
