//! `moments send`: treatments delivered by e-mail and by web hook, until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context as _;
use clap::Args;

use super::Configured;
use super::run::{signalled, start_log};
use crate::send::{self, Signs};

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
    let telemetry = send::telemetry(&config);
    let signalled = signalled(Arc::clone(&stop));
    let thread = std::thread::Builder::new().name("signals".to_owned());
    if config.send.listen.is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread.spawn(move || runtime.block_on(signalled))?;
    } else {
        let (listen, most) = (&config.send.listen, config.http.connections);
        let signs = Signs::bind(listen, most, telemetry.clone());
        let signs = signs.with_context(|| format!("send.listen = {listen}"))?;
        thread.spawn(move || signs.run(signalled))?;
    }
    Ok(send::run(&config, &telemetry, &stop)?)
}
