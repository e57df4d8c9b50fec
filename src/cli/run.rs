//! `moments run`: events in, treatments out, until it is told to stop.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use super::Shared;
use crate::config::{Config, Log, LogFormat};
use crate::http;
use crate::runtime::{Runtime, control, topics, watch};
use crate::trigger::plan::Plan;
use crate::trigger::set::Basis;

/// Reads events from Kafka and publishes treatments, each once. Stops on SIGTERM and SIGINT, with everything committed.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    shared: Shared,
    /// Create the topics that are missing first, as `moments topics create` does.
    #[arg(long)]
    create_topics: bool,
}

/// Runs until a signal comes.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(args: &Run) -> anyhow::Result<()> {
    let (config, basis) = args.shared.basis()?;
    start_log(&config.log)?;
    let plan = Arc::new(triggers(&args.shared, &config, &basis)?);
    if args.create_topics {
        for line in topics::create(&config, &plan)? {
            tracing::info!("{line}");
        }
    }
    let found = topics::check(&config, &plan)?;
    for warning in &found.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(triggers = plan.triggers.len(), revision = %plan.revision, partitions = found.partitions, application = config.application.id, "starting");
    let (listen, advertised) = (config.http.listen, config.http.clone());
    let token = config.http.token()?;
    let watch = config.triggers.watch.then(|| config.clone());
    let runtime = Runtime::start(config, plan, basis.clone(), found)?;
    runtime.follow()?;
    if let Some(config) = watch {
        let path = args.shared.path(&config).to_owned();
        let thread = std::thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || watch::run(&config, &basis, &path))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let server = http::Server::bind(listen, token.as_deref(), runtime.tasks())
        .with_context(|| format!("http.listen = {listen}"))?;
    if let Some(address) = advertised.reached_at(server.address()?) {
        runtime.tasks().is_reached_at(address);
    }
    let served = std::thread::Builder::new().name("http".to_owned()).spawn({
        let stop = Arc::clone(&stop);
        move || serve(server, stop)
    })?;
    let result = runtime.run(&stop);
    // It ends by the signal; where the group failed there was none, and the process ends without it.
    if result.is_ok() {
        let _ = served.join();
    }
    tracing::info!("stopped");
    Ok(result?)
}

/// The triggers in force: those that were published last, else those in files.
fn triggers(shared: &Shared, config: &Config, basis: &Basis) -> anyhow::Result<Plan> {
    let Some(plan) = control::in_force(config, basis)? else {
        return shared.read(config, basis);
    };
    let configured = basis.policy.clone();
    for (field, published) in plan.policy.differing(&configured) {
        // What an operator did is no disagreement.
        if !["sending", "paused"].contains(&field.as_str()) {
            tracing::warn!(
                field = %format_args!("policy.{field}"),
                %published,
                "it was published otherwise than it is configured; `moments triggers apply` publishes the configured one"
            );
        }
    }
    tracing::info!(
        revision = %plan.revision,
        "triggers as they were published; `moments triggers apply` publishes others, files are not read"
    );
    Ok(plan)
}

/// Answers HTTP until a signal comes, and tells the rest to stop.
fn serve(server: http::Server, stop: Arc<AtomicBool>) {
    server.run(signalled(stop));
}

/// Waits for SIGTERM or SIGINT, and tells the rest to stop.
pub(super) async fn signalled(stop: Arc<AtomicBool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("no signal handlers; stop this process by SIGKILL, which loses nothing");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.store(true, Ordering::Relaxed);
}

pub(super) fn start_log(log: &Log) -> anyhow::Result<()> {
    let filter: Targets = log
        .level
        .parse()
        .with_context(|| format!("log.level = {:?}", log.level))?;
    let logs = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let filtered = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text => filtered.with(logs).init(),
        LogFormat::Json => filtered.with(logs.json()).init(),
    }
    Ok(())
}
