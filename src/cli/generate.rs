//! `moments generate`: a shop's customers, made up, to files or Kafka, with what is true of them beside it.

use std::io::{self, IsTerminal};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::decode::{TIME_MAX, TIME_MIN};
use crate::population::files::{Files, Truths};
use crate::population::kafka::Sender;
use crate::population::{Population, PopulationSettings, Record, SHOPS, Shop, Window};
use crate::time::{DAY_MS, Timestamp};

/// Windows that wait to be written: the next is made meanwhile.
const WAITING: usize = 2;

/// Make up a shop's customers: events to files or Kafka, in order of time, and what is true of them.
#[derive(Debug, Args)]
pub struct Generate {
    /// How many customers the shop has at the beginning; others join.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    customers: u32,
    /// How many days.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// The first day, which begins at midnight UTC.
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2025-01-01", value_parser = start)]
    start: Timestamp,
    /// Another seed, other customers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What kind of shop: one where most buy once, or one for every day, where more happens.
    #[arg(long, value_name = "KIND", default_value = SHOPS[0].name, value_parser = PossibleValuesParser::new(SHOPS.map(|shop| shop.name)))]
    shop: String,
    /// A folder for a file a topic (cart.jsonl and so on), or - for all events on standard output.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "population",
        conflicts_with = "kafka"
    )]
    out: PathBuf,
    /// Gzip the events, in files or on standard output.
    #[arg(long, conflicts_with = "kafka")]
    gzip: bool,
    /// Send the events to this Kafka (host:port) instead, to the topics of the configuration.
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// Where what is true goes; beside the folder of events, unless it is said. Without a folder and without this it is not
    /// written.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The configuration: names of topics, properties of Kafka.
    #[arg(long, value_name = "FILE", env = "MOMENTS_CONFIG")]
    config: Option<PathBuf>,
    /// A field of the configuration, over file and environment: `topics.cart.name=baskets`.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = super::field)]
    set: Vec<(String, String)>,
    /// How many threads make events; all cores, unless it is said. It changes nothing but the speed.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

fn start(text: &str) -> Result<Timestamp, String> {
    let midnight = Timestamp::parse(&format!("{text}T00:00:00Z"));
    midnight.ok_or_else(|| format!("`{text}` is no date; expected one such as 2026-01-01"))
}

/// Runs the command.
///
/// # Errors
/// Where something cannot be written, or Kafka does not take it.
pub fn run(args: &Generate) -> anyhow::Result<()> {
    let started = Instant::now();
    let settings = settings(args)?;
    let mut sink = Sink::new(args)?;
    let truth = truth_path(args);
    let truths = truth.as_deref().map(Truths::create).transpose()?;
    let progress = progress(args.days)?;
    let mut writer = Writer {
        sink: &mut sink,
        truths,
        events: 0,
    };
    let population = write(Population::new(&settings), |window, day| {
        progress.set_position(u64::try_from(day).unwrap_or(0));
        window
            .records()
            .try_for_each(|record| writer.record(&record))
    })?;
    let Writer { truths, events, .. } = writer;
    sink.finish()?;
    if let Some(truths) = truths {
        truths.finish(population.people())?;
    }
    progress.finish_and_clear();
    say(
        args,
        truth.as_deref(),
        events,
        started.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn settings(args: &Generate) -> anyhow::Result<PopulationSettings> {
    let until = args.start.plus(args.days * DAY_MS);
    ensure!(
        args.start >= TIME_MIN && until <= TIME_MAX,
        "{} days from {} are not all from 1990 to 2099: no other time is taken for that of an event",
        args.days,
        args.start
    );
    Ok(PopulationSettings {
        seed: args.seed,
        customers: args.customers,
        shop: Shop::named(&args.shop).unwrap_or(SHOPS[0]),
        from: args.start,
        browsing_from: args.start,
        until,
        threads: args.threads.map_or_else(super::cores, NonZero::get),
    })
}

/// Gives each window, with how many days have passed, to `take`, while the next is made. Returns the people as they are then.
fn write(
    mut population: Population,
    mut take: impl FnMut(&Window, i64) -> anyhow::Result<()>,
) -> anyhow::Result<Population> {
    let from = population.told_until();
    thread::scope(|scope| {
        let (made, windows) = mpsc::sync_channel(WAITING);
        let making = scope.spawn(move || {
            while let Some(window) = population.next() {
                let day = (population.told_until().0 - from.0) / DAY_MS;
                // Whoever took them has given up, and says why.
                if made.send((window, day)).is_err() {
                    break;
                }
            }
            population
        });
        let taken = windows
            .iter()
            .try_for_each(|(window, day)| take(&window, day));
        drop(windows);
        let population = making
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.map(|()| population)
    })
}

/// Where events go.
enum Sink {
    Files(Files),
    Kafka(Sender),
}

impl Sink {
    fn new(args: &Generate) -> anyhow::Result<Self> {
        if let Some(bootstrap) = &args.kafka {
            let config = Config::load_with(args.config.as_deref(), std::env::vars(), &args.set);
            let mut config = config?;
            bootstrap.clone_into(&mut config.kafka.bootstrap);
            return Ok(Self::Kafka(Sender::new(&config)?));
        }
        Ok(Self::Files(if is_stdout(&args.out) {
            Files::to(Box::new(io::stdout()), args.gzip)
        } else {
            Files::in_folder(&args.out, args.gzip)?
        }))
    }

    fn event(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        match self {
            Self::Files(files) => files.event(record).context("writing events"),
            Self::Kafka(sender) => Ok(sender.event(record)?),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Files(files) => files.finish().context("writing events"),
            Self::Kafka(sender) => Ok(sender.finish()?),
        }
    }
}

struct Writer<'a> {
    sink: &'a mut Sink,
    truths: Option<Truths>,
    events: u64,
}

impl Writer<'_> {
    fn record(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        if record.topic.is_some() {
            self.events += 1;
            return self.sink.event(record);
        }
        match &mut self.truths {
            Some(truths) => truths.line(record.value).context("writing what is true"),
            None => Ok(()),
        }
    }
}

fn is_stdout(out: &Path) -> bool {
    out.as_os_str() == "-"
}

fn truth_path(args: &Generate) -> Option<PathBuf> {
    let has_folder = args.kafka.is_none() && !is_stdout(&args.out);
    let beside = || has_folder.then(|| Truths::beside(&args.out));
    args.truth.clone().or_else(beside)
}

/// A bar over the days, on a terminal.
fn progress(days: i64) -> anyhow::Result<ProgressBar> {
    if !io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} day {pos} of {len}  {eta} left")?;
    Ok(ProgressBar::new(u64::try_from(days).unwrap_or(0)).with_style(style))
}

/// What was made, on standard error: standard output may hold the events.
fn say(args: &Generate, truth: Option<&Path>, events: u64, seconds: f64) {
    let place = match &args.kafka {
        Some(bootstrap) => format!("Kafka at {bootstrap}"),
        None if is_stdout(&args.out) => "standard output".to_owned(),
        None => args.out.display().to_string(),
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let rate = events as f64 / seconds.max(1e-9);
    eprintln!(
        "{} events of {} days to {place}, in {seconds:.1} s ({rate:.0} a second)",
        HumanCount(events),
        args.days
    );
    if let Some(truth) = truth {
        eprintln!("what is true of the customers: {}", truth.display());
    }
}
