//! `moments rehearse`: the triggers over files of past events, before they go live.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::num::NonZero;
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
use crate::document::suggest::{listed, or_meant};
use crate::encode::Encoder;
use crate::population::score::{Score, Scorer};
use crate::rehearsal::compare::{Fates, TriggerDifference};
use crate::rehearsal::expected::Measured;
use crate::rehearsal::files::Lines;
use crate::rehearsal::forecast::Sends;
use crate::rehearsal::html::{self, Rehearsed};
use crate::rehearsal::{
    self, Observer, Record, RehearsalSettings, Source, Summary, Taken, recording,
};
use crate::task::watermark::{TopicSettings, lateness};
use crate::time::{Timestamp, parse_duration};
use crate::treatment::{Decision, Outcome};
use crate::trigger::plan::Plan;
use crate::trigger::published::Entry;
use crate::trigger::set::Basis;

mod compare;
mod measured;
mod text;
mod vary;

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
    /// Rehearse another set of triggers as well, a file or a directory, and print what it would have decided differently.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["journal", "truth", "out"])]
    compare: Option<PathBuf>,
    /// Write a JSON line for each moment of which something else became.
    #[arg(long, value_name = "FILE", requires = "compare")]
    differences: Option<PathBuf>,
    /// Rehearse once for each value of a key of a trigger's file, such as `abandoned-basket.policy.cap=1 in 7d,2 in 7d`, and print how
    /// that changes what is sent.
    #[arg(long, value_name = "TRIGGER.KEY=A,B", value_parser = vary::parse, conflicts_with_all = ["journal", "truth", "out", "compare"])]
    vary: Option<vary::Vary>,
    /// Print what would be sent when: by channel, with the busiest day and hour.
    #[arg(long, conflicts_with = "journal")]
    forecast: bool,
    /// How late events may come, over the configuration: of a topic, or of all; such as `10m` or `purchase=1d`.
    #[arg(long, value_name = "[TOPIC=]SPAN", value_parser = lateness_of)]
    lateness: Vec<(Option<String>, i64)>,
    /// Print what treatments may bring by what they have brought: by the rates of a report, a file that `moments report --format json` wrote,
    /// or where a process answers, such as http://127.0.0.1:9464/api/v1/report.
    #[arg(long, value_name = "FILE|URL", conflicts_with_all = ["journal", "vary"])]
    measured: Option<String>,
    /// Write a page that opens by itself: what would be sent when, which caps are reached, what it may bring, and with `--compare` what
    /// differs.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["journal", "vary"])]
    html: Option<PathBuf>,
    /// How many threads share the customers; as many as there are cores, unless it is said. It changes nothing but the speed. Where send
    /// rates, an adaptive split or a referral bind customers together, it is one; of a journal, too.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
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
    if let Some(path) = &args.compare {
        return compare::run(args, path);
    }
    if let Some(vary) = &args.vary {
        return vary::run(args, vary);
    }
    let started = Instant::now();
    let (config, basis, plan) = args.plan()?;
    let measured = args.measured(&config)?;
    let published = match &args.published {
        Some(path) => published(path, &basis)?,
        None => Vec::new(),
    };
    let mut settings = settings(&config, &basis, Arc::new(plan), published)?;
    settings.threads = args.threads();
    let progress = progress(&args.events)?;
    let out = args.out.as_deref().map(create).transpose()?;
    let mut writer = Writer {
        encoder: Encoder::json(config.publishing()),
        out,
        shown: Shown::new(&progress),
        scorer: Scorer::default(),
        sends: Sends::default(),
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
    if args.forecast {
        summary.forecast = Some(writer.sends.forecast());
    }
    summary.expected = measured.as_ref().map(|it| it.expected(&summary.figures));
    args.write_page(&[(&summary, &writer.sends)], measured.as_ref(), None)?;
    text::print(args.format, &summary)
}

impl Rehearse {
    /// The triggers, and the configuration with what is said over it.
    fn plan(&self) -> anyhow::Result<(Config, Basis, Plan)> {
        let (mut config, basis, plan) = self.shared.plan()?;
        self.heed(&mut config)?;
        Ok((config, basis, plan))
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(super::cores, NonZero::get)
    }

    /// What is said over the configuration.
    ///
    /// # Errors
    /// Where it is said of a topic that is not there.
    fn heed(&self, config: &mut Config) -> anyhow::Result<()> {
        config.topics.lateness_said.clone_from(&self.lateness);
        let lateness = self.lateness.iter().map(|(topic, _)| topic);
        let mapping = self.shared.mapping.iter().map(|(topic, _)| topic);
        let said = lateness.map(|topic| ("--lateness", topic));
        let said = said.chain(mapping.map(|topic| ("--mapping", topic)));
        let there = self.topics(config);
        for (option, topic) in said {
            if let Some(topic) = topic.as_ref().filter(|topic| !there.contains(*topic)) {
                let there = || there.iter().map(String::as_str);
                let meant = or_meant(topic, there());
                anyhow::bail!(
                    "{option} {topic}=...: no topic is called `{topic}`; expected one of {}{meant}",
                    listed(there())
                );
            }
        }
        Ok(())
    }

    /// The names of the topics that are configured, and of the files.
    fn topics(&self, config: &Config) -> BTreeSet<String> {
        let configured = config.topics.inputs().into_iter().map(|it| it.name);
        let files = self.events.iter().map(|path| path.display().to_string());
        let files = files.map(|name| topic(&name).to_owned());
        configured
            .chain(config.topics.copied().cloned())
            .chain(files)
            .collect()
    }

    /// What treatments have brought, where a report is given.
    fn measured(&self, config: &Config) -> anyhow::Result<Option<Measured>> {
        let from = self.measured.as_deref();
        from.map(|from| measured::read(from, config)).transpose()
    }

    /// Writes the page, where one is asked for, of one set, or of two and what differs.
    fn write_page(
        &self,
        sets: &[(&Summary, &Sends)],
        measured: Option<&Measured>,
        differences: Option<&[TriggerDifference]>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.html else {
            return Ok(());
        };
        let expected = |it: &Measured, summary: &Summary| {
            (it.currency().to_owned(), it.expected(&summary.figures))
        };
        let titles = ["the one set", "the other set"];
        let sets = titles.into_iter().zip(sets);
        let sets: Vec<Rehearsed<'_>> = sets
            .map(|(title, (summary, sends))| Rehearsed {
                title,
                summary,
                forecast: sends.forecast(),
                expected: measured.map(|it| expected(it, summary)),
            })
            .collect();
        std::fs::write(path, html::page(&sets, differences))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

fn lateness_of(text: &str) -> Result<(Option<String>, i64), String> {
    let (topic, span) = match text.split_once('=') {
        Some((topic, span)) => (Some(topic.trim().to_owned()), span),
        None => (None, text),
    };
    parse_duration(span).map(|lateness_ms| (topic, lateness_ms))
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
    let (of, progress) = ((&config, &basis), progress(events)?);
    let how = (super::cores(), false);
    let once = once(of, Arc::clone(&plan), events, &progress, how)?;
    Ok((plan, once.summary))
}

/// A set of triggers, rehearsed.
struct Once {
    summary: Summary,
    /// None, where it is not compared.
    fates: Fates,
    sends: Sends,
}

/// What is noted while a set is rehearsed.
struct Noted {
    shown: Shown,
    /// Where it is compared with another.
    fates: Option<Fates>,
    sends: Sends,
}

impl Observer for Noted {
    fn record(&mut self) {
        self.shown.record();
    }

    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        if let Some(fates) = &mut self.fates {
            fates.decided(decision);
        }
        self.sends.decided(decision);
        Ok(())
    }
}

fn once(
    (config, basis): (&Config, &Basis),
    plan: Arc<Plan>,
    events: &[PathBuf],
    progress: &ProgressBar,
    (threads, is_compared): (usize, bool),
) -> anyhow::Result<Once> {
    let started = Instant::now();
    let mut settings = settings(config, basis, plan, Vec::new())?;
    settings.threads = threads;
    let sources = sources(events, config, progress)?;
    let mut noted = Noted {
        shown: Shown::new(progress),
        fates: is_compared.then(Fates::default),
        sends: Sends::default(),
    };
    let mut summary = rehearsal::rehearse(&settings, sources, &mut noted)?;
    progress.finish_and_clear();
    summary.elapsed_seconds = started.elapsed().as_secs_f64();
    Ok(Once {
        summary,
        fates: noted.fates.unwrap_or_default(),
        sends: noted.sends,
    })
}

/// Rehearses several sets over the same events, two at a time, which share the threads; in their order.
fn several(
    of: (&Config, &Basis),
    plans: Vec<Plan>,
    events: &[PathBuf],
    (threads, is_compared): (usize, bool),
) -> anyhow::Result<Vec<Once>> {
    let how = (threads.div_ceil(2), is_compared);
    let mut plans = plans.into_iter().map(Arc::new);
    let mut found = Vec::new();
    let progress = progress(events)?;
    while let Some(first) = plans.next() {
        let (second, hidden) = (plans.next(), ProgressBar::hidden());
        let (first, second) = std::thread::scope(|scope| {
            let other = second.map(|plan| scope.spawn(|| once(of, plan, events, &hidden, how)));
            let first = once(of, first, events, &progress, how);
            (first, other.map(std::thread::ScopedJoinHandle::join))
        });
        found.push(first?);
        if let Some(second) = second {
            found.push(second.map_err(|_| anyhow::anyhow!("a rehearsal panicked"))??);
        }
    }
    Ok(found)
}

/// What a rehearsal is told by a configuration.
///
/// # Errors
/// Where schemas cannot be read.
pub(super) fn settings(
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
        threads: 1,
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
///
/// # Errors
/// Where it cannot be read, or a set does not pass.
pub(super) fn published(path: &Path, basis: &Basis) -> anyhow::Result<Vec<Arc<Plan>>> {
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
///
/// # Errors
/// Where one cannot be read.
pub(super) fn sources(
    paths: &[PathBuf],
    config: &Config,
    progress: &ProgressBar,
) -> anyhow::Result<Vec<(Taken, Events)>> {
    let inputs: Vec<_> = config
        .topics
        .inputs()
        .into_iter()
        .map(|it| it.name)
        .chain(config.topics.copied().cloned())
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
    let sources = sources.into_iter();
    let timed = sources.map(|(topic, _, events)| (taken(config, &topic), events));
    Ok(timed.collect())
}

/// How a topic is taken.
pub(super) fn taken(config: &Config, topic: &str) -> Taken {
    // Live, all topics are there, whether there is a file of each or not.
    let live = lateness(&config.topics.settings());
    let timing = config.topics.timing(topic);
    Taken {
        settings: TopicSettings {
            lateness_ms: timing.lateness_ms.max(live),
            ..timing
        },
        everybody: config.topics.role(topic) == Role::Everybody,
    }
}

/// Where the events of a topic come from.
pub(super) enum Events {
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

/// Files of events as a replay takes them, each with its name.
///
/// # Errors
/// Where one cannot be opened.
pub(super) fn open(paths: &[PathBuf], progress: &ProgressBar) -> io::Result<Vec<(String, Lines)>> {
    let open = |path: &PathBuf| {
        let progress = progress.clone();
        let lines = Lines::open(path, move |bytes| progress.inc(bytes))?;
        Ok((path.display().to_string(), lines))
    };
    paths.iter().map(open).collect()
}

/// A bar over the bytes of all files, on a terminal.
pub(super) fn progress(paths: &[PathBuf]) -> anyhow::Result<ProgressBar> {
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

/// How far it is, on a terminal.
pub(super) struct Shown {
    bar: ProgressBar,
    records: u64,
}

impl Shown {
    /// Nothing is read yet.
    pub(super) fn new(bar: &ProgressBar) -> Self {
        Self {
            bar: bar.clone(),
            records: 0,
        }
    }

    /// A record was read.
    pub(super) fn record(&mut self) {
        self.records += 1;
        if self.records.is_multiple_of(100_000) {
            let said = format!("{} events", HumanCount(self.records));
            self.bar.set_message(said);
        }
    }
}

struct Writer {
    encoder: Encoder,
    out: Option<BufWriter<File>>,
    shown: Shown,
    scorer: Scorer,
    sends: Sends,
}

impl Observer for Writer {
    fn record(&mut self) {
        self.shown.record();
    }

    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        // A step of a journey follows from the moment that began it.
        let is_step = decision.evidence.fact("step").is_some();
        if !is_step && !matches!(decision.outcome, Outcome::Withdraw(_)) {
            self.scorer
                .moment(&decision.trigger, &decision.customer, decision.moment_at);
        }
        self.sends.decided(decision);
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        out.write_all(&self.encoder.decision(decision).0)?;
        out.write_all(b"\n")
    }
}
