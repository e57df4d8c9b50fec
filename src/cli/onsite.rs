//! `moments onsite`: treatments shown on pages, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::Configured;
use super::run::{signalled, start_log};
use crate::onsite;

/// Answers the backends of sites, over HTTP: what may be shown to a customer now, as a list or as a stream; and takes what pages report
/// of it. Stops on SIGTERM and SIGINT.
#[derive(Debug, Args)]
pub struct Onsite {
    #[command(flatten)]
    configured: Configured,
}

/// Runs until a signal comes.
///
/// # Errors
/// What keeps it from starting.
pub fn run(args: &Onsite) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    start_log(&config.log)?;
    let stop = Arc::new(AtomicBool::new(false));
    Ok(onsite::run(&config, signalled(stop))?)
}
