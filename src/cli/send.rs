//! `moments send`: treatments delivered by e-mail and by web hook, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::Configured;
use super::run::{signalled, start_log};
use crate::send;

/// Delivers treatments of the channels that the configuration names under `[send]`, and reports what came of them. Stops on
/// SIGTERM and SIGINT, when what is under way has ended.
#[derive(Debug, Args)]
pub struct Send {
    #[command(flatten)]
    configured: Configured,
}

/// Runs until a signal comes.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(args: &Send) -> anyhow::Result<()> {
    let config = Arc::new(args.configured.load()?);
    start_log(&config.log)?;
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn({
        let stop = Arc::clone(&stop);
        move || runtime.block_on(signalled(stop))
    })?;
    Ok(send::run(&config, &stop)?)
}
