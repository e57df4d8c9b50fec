//! `moments report`: what triggers did and brought, with lift and the business case.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::{Shared, rehearse};
use crate::report::{Report as Reported, html, text};

/// Report what triggers did and what came of it, over files of past events: refusals, reactions, conversions, lift against the hold-out,
/// cost and return. The same of a live process is at `/api/v1/report`.
#[derive(Debug, Args)]
pub struct Report {
    #[command(flatten)]
    shared: Shared,
    /// What is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where to, instead of the standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Files of events, as `moments rehearse` takes them.
    #[arg(required = true, value_name = "EVENTS.jsonl[.gz]")]
    events: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// As `/api/v1/report` answers.
    Json,
    /// A page that opens by itself.
    Html,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read or written, or the triggers do not pass.
pub fn run(args: &Report) -> anyhow::Result<()> {
    let (plan, summary) = rehearse::rehearsed(&args.shared, &args.events)?;
    let report = Reported::new(&summary.figures, &plan);
    let written = match args.format {
        Format::Text => text::text(&report),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
        Format::Html => html::page(&report),
    };
    match &args.out {
        Some(path) => std::fs::write(path, written)
            .with_context(|| format!("cannot write {}", path.display())),
        None => Ok(io::stdout().write_all(written.as_bytes())?),
    }
}
