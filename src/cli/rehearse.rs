//! `moments rehearse`: the triggers over files of past events, before they go live.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{Shared, clock};
use crate::event::decode::Decoder;
use crate::rehearsal::files::Lines;
use crate::rehearsal::{self, Observer, Settings, Summary};
use crate::time::Timestamp;
use crate::treatment::Decision;

/// Try triggers on past events, with the same engine and policy as live.
#[derive(Debug, Args)]
pub struct Rehearse {
    #[command(flatten)]
    shared: Shared,
    /// Replay a production journal over the events it took, byte for byte.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Write a JSON line for each decision, in order.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What is printed at the end.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Files of events, each a topic in its order of arrival. The topic is the file's name up to the
    /// first dot.
    #[arg(required = true, value_name = "EVENTS.jsonl[.gz]")]
    events: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read or written, or the triggers do not pass.
pub fn run(args: &Rehearse) -> anyhow::Result<()> {
    let started = Instant::now();
    let (config, basis, plan) = args.shared.plan()?;
    let decoder = Decoder::new(Arc::clone(&basis.vocabulary), Arc::new(basis.attributes));
    let future = clock().plus(config.time.future_tolerance_ms());
    let settings = Settings {
        plan: Arc::new(plan),
        decoder,
        future,
    };
    let progress = progress(&args.events)?;
    let out = args.out.as_deref().map(create).transpose()?;
    let mut writer = Writer {
        out,
        progress: progress.clone(),
        records: 0,
    };
    let mut summary = match &args.journal {
        Some(journal) => {
            let files = open(&args.events, &progress)?;
            let reader = File::open(journal).with_context(|| journal.display().to_string())?;
            rehearsal::replay(&settings, files, BufReader::new(reader), &mut writer)?
        }
        None => {
            let mut files = open(&args.events, &progress)?;
            files.sort_by(|(a, _), (b, _)| topic(a).cmp(topic(b)));
            let sources = files
                .into_iter()
                .map(|(name, lines)| (config.topics.timing(topic(&name)), lines));
            rehearsal::rehearse(&settings, sources.collect(), &mut writer)?
        }
    };
    progress.finish_and_clear();
    if let Some(mut out) = writer.out {
        out.flush().context("writing the decisions")?;
    }
    summary.elapsed_seconds = started.elapsed().as_secs_f64();
    print(args.format, &summary)
}

/// The topic of a file: its name up to the first dot.
fn topic(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn open(paths: &[PathBuf], progress: &ProgressBar) -> io::Result<Vec<(String, Lines)>> {
    let open = |path: &PathBuf| {
        let progress = progress.clone();
        let lines = Lines::open(path, move |bytes| progress.inc(bytes))?;
        Ok((path.display().to_string(), lines))
    };
    paths.iter().map(open).collect()
}

/// A bar over the bytes of all files, on a terminal.
fn progress(paths: &[PathBuf]) -> anyhow::Result<ProgressBar> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let mut bytes = 0;
    for path in paths {
        bytes += std::fs::metadata(path)
            .with_context(|| path.display().to_string())?
            .len();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {msg}  {eta} left")?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

struct Writer {
    out: Option<BufWriter<File>>,
    progress: ProgressBar,
    records: u64,
}

impl Observer for Writer {
    fn record(&mut self) {
        self.records += 1;
        if self.records.is_multiple_of(100_000) {
            self.progress
                .set_message(format!("{} events", HumanCount(self.records)));
        }
    }

    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        out.write_all(&decision.to_json())?;
        out.write_all(b"\n")
    }
}

fn print(format: Format, summary: &Summary) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            serde_json::to_writer(&mut out, summary)?;
            writeln!(out)?;
        }
        Format::Text => out.write_all(text(summary).as_bytes())?,
    }
    Ok(())
}

fn text(summary: &Summary) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    let rate = summary.events as f64 / summary.elapsed_seconds.max(1e-9);
    let _ = writeln!(
        text,
        "{} events of {} customers, {} to {}, in {:.1} s ({:.0} a second)",
        HumanCount(summary.events),
        HumanCount(summary.customers as u64),
        time(summary.from),
        time(summary.until),
        summary.elapsed_seconds,
        rate
    );
    if summary.duplicates > 0 || summary.late > 0 {
        let _ = writeln!(
            text,
            "{} duplicates, {} late",
            summary.duplicates, summary.late
        );
    }
    if summary.erased > 0 || summary.expired > 0 {
        let _ = writeln!(
            text,
            "{} erased, {} events from before their erasure dropped, {} expired",
            summary.erased, summary.dropped_as_erased, summary.expired
        );
    }
    for (reason, count) in &summary.rejected {
        let are = if *count == 1 {
            "record is no event"
        } else {
            "records are no events"
        };
        let _ = writeln!(text, "{count} {are}: {reason}");
    }
    let width = summary
        .triggers
        .iter()
        .map(|t| t.trigger.len())
        .max()
        .unwrap_or(0)
        .max(7);
    let _ = writeln!(
        text,
        "\n{:width$}  {:>9}  {:>9}  {:>9}  {:>9}  refused",
        "trigger", "moments", "customers", "treated", "open"
    );
    for trigger in &summary.triggers {
        let refused: Vec<_> = trigger
            .refused
            .iter()
            .map(|(reason, n)| format!("{} {n}", reason.word()))
            .collect();
        let _ = writeln!(
            text,
            "{:width$}  {:>9}  {:>9}  {:>9}  {:>9}{}{}",
            trigger.trigger,
            trigger.moments,
            trigger.customers,
            trigger.treatments,
            trigger.open,
            if refused.is_empty() { "" } else { "  " },
            refused.join(", ")
        );
    }
    text
}
