//! `moments rehearse`: the triggers over files of past events, before they go live.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::Shared;
use crate::config::Config;
use crate::config::topics::Role;
use crate::document::report;
use crate::encode::Encoder;
use crate::population::score::{Score, Scorer};
use crate::rehearsal::files::Lines;
use crate::rehearsal::{
    self, Observer, Record, RehearsalSettings, Source, Summary, Taken, recording,
};
use crate::task::watermark::{TopicSettings, lateness};
use crate::time::Timestamp;
use crate::treatment::{Decision, Outcome};
use crate::trigger::plan::Plan;
use crate::trigger::published::Entry;
use crate::trigger::set::Basis;

/// Try triggers on past events, with the same engine and policy as live.
#[derive(Debug, Args)]
pub struct Rehearse {
    #[command(flatten)]
    shared: Shared,
    /// Replay a production journal over the events it took, byte for byte.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The sets of triggers that were published, as `moments triggers history --format json` prints them: for a journal that went from
    /// one to another.
    #[arg(long, value_name = "FILE", requires = "journal")]
    published: Option<PathBuf>,
    /// Write a JSON line for each decision, in order.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Score what triggers find by what `moments generate` wrote down as true.
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    truth: Option<PathBuf>,
    /// What is printed at the end.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Files of events, each a topic in its order of arrival. The topic is the file's name up to the
    /// first dot. Or a recording: records of several topics as `kcat -J` prints them.
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
    let published = match &args.published {
        Some(path) => published(path, &basis)?,
        None => Vec::new(),
    };
    let settings = settings(&config, &basis, Arc::new(plan), published)?;
    let progress = progress(&args.events)?;
    let out = args.out.as_deref().map(create).transpose()?;
    let mut writer = Writer {
        encoder: Encoder::json(config.publishing()),
        out,
        progress: progress.clone(),
        records: 0,
        scorer: Scorer::default(),
    };
    let mut summary = match &args.journal {
        Some(journal) => {
            let files = open(&args.events, &progress)?;
            let reader = File::open(journal).with_context(|| journal.display().to_string())?;
            rehearsal::replay(&settings, files, BufReader::new(reader), &mut writer)?
        }
        None => {
            let sources = sources(&args.events, &config, &progress)?;
            rehearsal::rehearse(&settings, sources, &mut writer)?
        }
    };
    progress.finish_and_clear();
    if let Some(out) = &mut writer.out {
        out.flush().context("writing the decisions")?;
    }
    summary.elapsed_seconds = started.elapsed().as_secs_f64();
    summary.scores = match &args.truth {
        Some(path) => scores(&writer.scorer, path, summary.until)?,
        None => Vec::new(),
    };
    print(args.format, &summary)
}

/// Rehearses files of events, and nothing more; the triggers, and what came of it.
///
/// # Errors
/// Where a file cannot be read, or the triggers do not pass.
pub(super) fn rehearsed(
    shared: &Shared,
    events: &[PathBuf],
) -> anyhow::Result<(Arc<Plan>, Summary)> {
    let (config, basis, plan) = shared.plan()?;
    let plan = Arc::new(plan);
    let settings = settings(&config, &basis, Arc::clone(&plan), Vec::new())?;
    let progress = progress(events)?;
    let sources = sources(events, &config, &progress)?;
    let mut writer = Writer {
        encoder: Encoder::json(config.publishing()),
        out: None,
        progress: progress.clone(),
        records: 0,
        scorer: Scorer::default(),
    };
    let summary = rehearsal::rehearse(&settings, sources, &mut writer)?;
    progress.finish_and_clear();
    Ok((plan, summary))
}

fn settings(
    config: &Config,
    basis: &Basis,
    plan: Arc<Plan>,
    published: Vec<Arc<Plan>>,
) -> anyhow::Result<RehearsalSettings> {
    let (decoder, schemas) = super::decoder(config, basis)?;
    Ok(RehearsalSettings {
        plan,
        published,
        decoder,
        schemas,
        clock: config.time.mode(),
        idle_delay_ms: config.time.idle_delay.ms,
    })
}

fn scores(scorer: &Scorer, path: &Path, until: Option<Timestamp>) -> anyhow::Result<Vec<Score>> {
    let mut lines = Lines::open(path, |_| ())?;
    let mut truths = Vec::new();
    while let Some(line) = lines.next()? {
        let number = truths.len() + 1;
        let truth = serde_json::from_slice(&line).with_context(|| {
            format!(
                "{}, line {number}: expected what `moments generate` writes",
                path.display()
            )
        })?;
        truths.push(truth);
    }
    Ok(scorer.scores(&truths, until.unwrap_or(Timestamp::MIN)))
}

/// The sets in a file of them, one JSON object a line: `number`, `set`.
fn published(path: &Path, basis: &Basis) -> anyhow::Result<Vec<Arc<Plan>>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let mut plans = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let at = || format!("{}, line {number}", path.display());
        let entry: Entry = serde_json::from_str(&line?).with_context(at)?;
        let plan = entry.set.compile(entry.number, basis);
        let plan = plan.map_err(|reports| anyhow::Error::msg(report::rendered(&reports)));
        plans.push(Arc::new(plan.with_context(at)?));
    }
    Ok(plans)
}

/// The topic of a file: its name up to the first dot.
fn topic(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
}

/// What is rehearsed: each file a topic, or a recording of several.
fn sources(
    paths: &[PathBuf],
    config: &Config,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<(Taken, Events)>> {
    let inputs: Vec<_> = config
        .topics
        .inputs()
        .into_iter()
        .map(|it| it.name)
        .chain(config.topics.everybody.keys().cloned())
        .collect();
    let mut sources = Vec::new();
    for path in paths {
        let first = Lines::open(path, |_| ())?.next()?;
        let progress = progress.clone();
        let lines = Lines::open(path, move |bytes| progress.inc(bytes))?;
        let name = path.display().to_string();
        if first.is_some_and(|line| recording::is_one(&line)) {
            let partitions = recording::read(lines, &inputs).with_context(|| name)?;
            sources.extend(
                partitions.into_iter().map(|(topic, partition, values)| {
                    (topic, partition, Events::Partition(values))
                }),
            );
        } else {
            sources.push((topic(&name).to_owned(), 0, Events::File(lines)));
        }
    }
    sources.sort_by(|(a, i, _), (b, j, _)| (a, i).cmp(&(b, j)));
    // Live, all topics are there, whether there is a file of each or not.
    let live = lateness(&config.topics.settings());
    let timed = sources.into_iter().map(|(topic, _, events)| {
        let timing = config.topics.timing(&topic);
        let taken = Taken {
            settings: TopicSettings {
                lateness_ms: timing.lateness_ms.max(live),
                ..timing
            },
            everybody: config.topics.role(&topic) == Role::Everybody,
        };
        (taken, events)
    });
    Ok(timed.collect())
}

/// Where the events of a topic come from.
enum Events {
    File(Lines),
    Partition(recording::Partition),
}

impl Source for Events {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File(lines) => lines.next(),
            Self::Partition(partition) => partition.next(),
        }
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::File(lines) => lines.next_record(),
            Self::Partition(partition) => partition.next_record(),
        }
    }
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
    encoder: Encoder,
    out: Option<BufWriter<File>>,
    progress: ProgressBar,
    records: u64,
    scorer: Scorer,
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
        if !matches!(decision.outcome, Outcome::Withdraw(_)) {
            self.scorer
                .moment(&decision.trigger, &decision.customer, decision.moment_at);
        }
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        out.write_all(&self.encoder.decision(decision).0)?;
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

/// Who is no customer by herself any more.
fn removed(summary: &Summary) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if summary.erased > 0 || summary.expired > 0 {
        let _ = writeln!(
            text,
            "{} erased, {} events from before their erasure dropped, {} expired",
            summary.erased, summary.dropped_as_erased, summary.expired
        );
    }
    if summary.united > 0 || !summary.kept_apart.is_empty() {
        let apart: u64 = summary.kept_apart.values().sum();
        let _ = writeln!(
            text,
            "{} became one with who they were before, {apart} were kept apart",
            summary.united
        );
    }
    text
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
    text.push_str(&removed(summary));
    for (reason, count) in &summary.rejected {
        let are = if *count == 1 {
            "record is no event"
        } else {
            "records are no events"
        };
        let _ = writeln!(text, "{count} {are}: {reason}");
    }
    text.push_str(&unread(summary));
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
        let refused = trigger.refused.iter();
        let refused = refused.map(|(reason, n)| format!("{} {n}", reason.word()));
        let withdrawn = trigger.withdrawn.iter();
        let withdrawn = withdrawn.map(|(why, n)| format!("taken back {} {n}", why.word()));
        let refused: Vec<_> = refused.chain(withdrawn).collect();
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
    text.push_str(&scored(&summary.scores));
    text
}

/// What of events could not be read, with an example.
fn unread(summary: &Summary) -> String {
    let lines = summary.defects.iter().map(|(name, defect)| {
        let times = match defect.count {
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        let (example, expected) = (&defect.example, defect.expected);
        format!("`{name}` cannot be read, {times}: {example}; expected {expected}\n")
    });
    lines.collect()
}

/// How well triggers do: of their moments how many are right, and of what there is how much they found.
fn scored(scores: &[Score]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if scores.is_empty() {
        return text;
    }
    let percent = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", part as f64 * 100.0 / whole as f64),
    };
    let _ = writeln!(
        text,
        "\n{:17}  {:>9}  {:>9}  {:>9}  {:>9}  of",
        "by what is true", "right", "precision", "found", "recall"
    );
    for score in scores {
        let _ = writeln!(
            text,
            "{:17}  {:>9}  {:>9}  {:>9}  {:>9}  {} {}",
            score.trigger,
            score.right,
            percent(score.right, score.moments),
            score.found,
            percent(score.found, score.all),
            score.all,
            score.sought
        );
    }
    text
}
