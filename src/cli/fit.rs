//! `moments fit`: the parameters of a model, or the bounds of labels, that past events make most likely.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::{Configured, instant};
use crate::decode::Decoder;
use crate::event::Position;
use crate::event::record::Origin;
use crate::rehearsal::Source;
use crate::rehearsal::files::Lines;
use crate::score::bg_nbd::{BgNbd, Fit as Fitted, History};
use crate::time::{DAY_MS, Timestamp, Zone, parse_duration};

mod rfm;

/// Find the parameters of a model, or the bounds of labels, in past events.
#[derive(Debug, Args)]
pub struct Fit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Bgnbd(Bgnbd),
    Rfm(rfm::Rfm),
}

/// Find the parameters of `bg_nbd`, the probability that a customer is one still; prints the file of the model.
#[derive(Debug, Args)]
struct Bgnbd {
    #[command(flatten)]
    configured: Configured,
    /// The events that are purchases.
    #[arg(long, value_name = "NAME", default_value = "Order Completed")]
    event: String,
    /// The last day that is looked at; by default that of the last purchase.
    #[arg(long, value_name = "TIME", value_parser = day)]
    until: Option<i32>,
    /// The unit of time of the parameters.
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    unit: i64,
    /// The name of the model.
    #[arg(long, value_name = "NAME", default_value = "alive")]
    name: String,
    /// Past purchases: events, one JSON object a line, or a CSV file whose head names the columns `customer_id` and `time` (RFC 3339
    /// or a date).
    #[arg(required = true, value_name = "EVENTS.jsonl[.gz]|PURCHASES.csv")]
    files: Vec<PathBuf>,
}

/// The days on which each customer bought, in UTC.
type Purchases = BTreeMap<String, BTreeSet<i32>>;

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read, or says too little.
pub fn run(args: &Fit) -> anyhow::Result<()> {
    match &args.what {
        What::Bgnbd(args) => bgnbd(args),
        What::Rfm(args) => rfm::run(args),
    }
}

fn bgnbd(args: &Bgnbd) -> anyhow::Result<()> {
    let mut purchases = Purchases::new();
    for path in &args.files {
        read(args, path, &mut purchases)?;
    }
    let last = purchases.values().filter_map(|days| days.last()).max();
    let Some(until) = args.until.or(last.copied()) else {
        bail!("no purchase was read; `--event` names what is one");
    };
    #[expect(clippy::cast_precision_loss, reason = "a duration of at most years")]
    let unit_days = args.unit as f64 / DAY_MS as f64;
    let histories: Vec<History> = purchases
        .values()
        .filter_map(|days| History::of_days(days.iter().copied(), until, unit_days))
        .collect();
    let Some(fit) = BgNbd::fit(&histories) else {
        bail!(
            "{} customers bought by then, and none on a second day: there is nothing to fit to",
            histories.len()
        );
    };
    print(args, &fit, &histories)
}

fn print(args: &Bgnbd, fit: &Fitted, histories: &[History]) -> anyhow::Result<()> {
    let Fitted {
        model: BgNbd { r, alpha, a, b },
        log_likelihood,
    } = fit;
    let again = histories.iter().filter(|it| it.repeats > 0.0).count();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "# Fitted by `moments fit bgnbd` to {} customers, of whom {again} bought again; log-likelihood {log_likelihood:.1}.\n\
         model: {}\n\
         about: The probability that she is a customer still, by how often and how lately she bought.\n\
         bg_nbd: {{ r: {r:.4}, alpha: {alpha:.4}, a: {a:.4}, b: {b:.4}, unit: {} }}",
        histories.len(),
        args.name,
        duration(args.unit),
    )?;
    Ok(())
}

/// A duration as a file says it.
fn duration(ms: i64) -> String {
    match (ms % DAY_MS, ms % 3_600_000) {
        (0, _) => format!("{}d", ms / DAY_MS),
        (_, 0) => format!("{}h", ms / 3_600_000),
        _ => format!("{ms}ms"),
    }
}

fn read(args: &Bgnbd, path: &Path, purchases: &mut Purchases) -> anyhow::Result<()> {
    let mut lines = Lines::open(path, |_| {})?;
    let first = lines.next()?.unwrap_or_default();
    if first.trim_ascii_start().starts_with(b"{") {
        let (decoder, _) = args.configured.decoder(&args.configured.load()?)?;
        let mut next = Some(first);
        while let Some(line) = next {
            event(args, &decoder, &line, purchases);
            next = lines.next()?;
        }
        return Ok(());
    }
    table(path, purchases).with_context(|| path.display().to_string())
}

/// Takes a line of an event file; what is no event is no purchase.
fn event(args: &Bgnbd, decoder: &Decoder, line: &[u8], purchases: &mut Purchases) {
    let origin = Origin {
        topic: "fit",
        position: Position::default(),
        ..Origin::default()
    };
    let Ok(decoded) = decoder.decode(line, &origin) else {
        return;
    };
    let event = decoded.event;
    let spec = decoder.vocabulary().event(event.name);
    if spec.is_some_and(|spec| spec.name.as_str() == args.event) {
        let days = purchases.entry(event.customer.to_string()).or_default();
        days.insert(event.time.day(&Zone::Utc));
    }
}

fn table(path: &Path, purchases: &mut Purchases) -> anyhow::Result<()> {
    for_rows(path, ["customer_id", "time"], |[customer, time]| {
        let day = day(time).map_err(anyhow::Error::msg)?;
        if !customer.is_empty() {
            let days = purchases.entry(customer.to_owned()).or_default();
            days.insert(day);
        }
        Ok(())
    })
}

/// Takes the rows of a CSV file, of which the head names the columns.
fn for_rows<const N: usize>(
    path: &Path,
    columns: [&str; N],
    mut take: impl FnMut([&str; N]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut rows = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)?;
    let head = rows.headers()?.clone();
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(columns) {
        let found = head.iter().position(|cell| cell == name);
        *place = found.with_context(|| format!("the head has no column `{name}`"))?;
    }
    for row in rows.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let cells = places.map(|at| row.get(at).unwrap_or_default());
        take(cells).with_context(|| format!("line {line}"))?;
    }
    Ok(())
}

fn day(text: &str) -> Result<i32, String> {
    let date = Timestamp::parse(&format!("{text}T00:00:00Z"));
    let time = date.map_or_else(|| instant(text), Ok)?;
    Ok(time.day(&Zone::Utc))
}
