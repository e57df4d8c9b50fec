//! `moments fit rfm`: the bounds of labels that part a company's own customers into thirds.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::super::{Configured, decoder, instant};
use super::for_rows;
use crate::engine::{Engine, Input};
use crate::event::Position;
use crate::event::record::Origin;
use crate::rehearsal::Source as _;
use crate::rehearsal::files::Lines;
use crate::time::{DAY_MS, Timestamp};
use crate::trigger::plan::Plan;

/// Find the bounds of recency, frequency and monetary value that part customers who bought into thirds; prints the file of the labels.
#[derive(Debug, Args)]
pub(super) struct Rfm {
    #[command(flatten)]
    configured: Configured,
    /// As of when recency is; by default the last purchase.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<Timestamp>,
    /// Other shares than thirds: how many of a hundred customers lie below the first bound, and how many below the second.
    #[arg(long, value_name = "LOW,HIGH", value_parser = shares, default_value = "33.33,66.67")]
    shares: [f64; 2],
    /// Past events, one JSON object a line, in order of arrival; or a CSV file whose head names the columns `customer_id`, `time`
    /// (RFC 3339 or a date) and `value`, a purchase a line.
    #[arg(required = true, value_name = "EVENTS.jsonl[.gz]|PURCHASES.csv")]
    files: Vec<PathBuf>,
}

/// What a customer bought.
#[derive(Clone, Copy)]
struct Bought {
    last: Timestamp,
    count: f64,
    value: f64,
}

fn shares(text: &str) -> Result<[f64; 2], String> {
    let parsed = text.split_once(',').and_then(|(low, high)| {
        let of = |text: &str| text.trim().parse::<f64>().ok();
        Some([of(low)?, of(high)?])
    });
    let fits = |it: &[f64; 2]| it[0] > 0.0 && it[0] < it[1] && it[1] < 100.0;
    parsed
        .filter(fits)
        .ok_or_else(|| "expected two shares of a hundred, such as 50,90".to_owned())
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read, or customers do not differ.
pub(super) fn run(args: &Rfm) -> anyhow::Result<()> {
    let bought = read(args)?;
    let Some(until) = args.until.or(bought.iter().map(|it| it.last).max()) else {
        bail!("no purchase was read");
    };
    let bought: Vec<_> = bought.into_iter().filter(|it| it.last <= until).collect();
    let parted = |what: &str, of: &dyn Fn(&Bought) -> f64| {
        let bounds = part(bought.iter().map(of).collect(), args.shares);
        bounds.with_context(|| format!("{} customers differ too little in {what}", bought.len()))
    };
    #[expect(clippy::cast_precision_loss, reason = "days of some years")]
    let [recent, medium] = parted("recency", &|it| {
        ((until.0 - it.last.0) as f64 / DAY_MS as f64)
            .ceil()
            .max(1.0)
    })?;
    let [regular, often] = parted("frequency", &|it| it.count)?;
    let [average, spender] = parted("what they spend", &|it| (it.value * 100.0).round() / 100.0)?;
    writeln!(
        io::stdout().lock(),
        "# Fitted by `moments fit rfm` to {} customers who bought, as of {until}.\n\
         labels: rfm\n\
         about: How lately she ordered, how often, and what she spends, among the others.\n\
         recency: {{ recent: {recent}d, medium: {medium}d }}\n\
         frequency: {{ regular: {regular}, often: {often} }}\n\
         monetary: {{ average: {average}, spender: {spender} }}",
        bought.len(),
    )?;
    Ok(())
}

/// The two values below which these shares of a hundred lie, or the next that part at all; none where nothing does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place among customers"
)]
fn part(mut values: Vec<f64>, shares: [f64; 2]) -> Option<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let above = |bound: f64| values.iter().copied().find(|it| *it > bound);
    let below = |share: f64| {
        let place = (values.len() as f64 * share / 100.0).round() as usize;
        values.get(place).copied()
    };
    let least = *values.first()?;
    let low = below(shares[0]).filter(|it| *it > least);
    let low = low.or_else(|| above(least))?;
    let high = below(shares[1]).filter(|it| *it > low);
    Some([low, high.or_else(|| above(low))?])
}

fn read(args: &Rfm) -> anyhow::Result<Vec<Bought>> {
    let mut found: BTreeMap<String, Bought> = BTreeMap::new();
    let (config, basis) = args.configured.shared().basis()?;
    let (decoder, _) = decoder(&config, &basis)?;
    let (vocabulary, nothing) = (Arc::clone(&basis.vocabulary), Default::default());
    let plan = Plan::new(
        vocabulary,
        Vec::new(),
        nothing,
        basis.policy.clone(),
        "".into(),
    );
    let mut engine = Engine::new(Arc::new(plan));
    let mut effects = Vec::new();
    let mut offset = 0;
    for path in &args.files {
        let mut lines = Lines::open(path, |_| {})?;
        let mut next = lines.next()?;
        let is_event = |line: &Vec<u8>| line.trim_ascii_start().starts_with(b"{");
        if !next.as_ref().is_none_or(is_event) {
            table(path, &mut found).with_context(|| path.display().to_string())?;
            continue;
        }
        while let Some(line) = next {
            let origin = Origin {
                topic: "fit",
                position: Position { topic: 0, offset },
                ..Origin::default()
            };
            // What is no event is no purchase.
            if let Ok(decoded) = decoder.decode(&line, &origin) {
                let event = Box::new(decoded.event);
                engine.step(Input::Event(event), Timestamp::MIN, &mut effects);
                effects.clear();
            }
            (offset, next) = (offset + 1, lines.next()?);
        }
    }
    engine.step(
        Input::Watermark(Timestamp::MAX),
        Timestamp::MIN,
        &mut effects,
    );
    for customer in engine.customers() {
        let profile = &customer.profile.settled;
        if let Some(last) = profile.orders.last {
            let bought = Bought {
                last,
                count: f64::from(profile.orders.count),
                value: profile.orders.value.number(),
            };
            found.insert(profile.id.to_string(), bought);
        }
    }
    Ok(found.into_values().collect())
}

fn table(path: &Path, found: &mut BTreeMap<String, Bought>) -> anyhow::Result<()> {
    for_rows(
        path,
        ["customer_id", "time", "value"],
        |[customer, time, value]| {
            let midnight = Timestamp::parse(&format!("{time}T00:00:00Z"));
            let time = midnight.map_or_else(|| instant(time), Ok);
            let time = time.map_err(anyhow::Error::msg)?;
            let value: f64 = value
                .parse()
                .with_context(|| format!("`{value}` is no number"))?;
            let bought = found.entry(customer.to_owned()).or_insert(Bought {
                last: time,
                count: 0.0,
                value: 0.0,
            });
            bought.last = bought.last.max(time);
            bought.count += 1.0;
            bought.value += value;
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_part_where_customers_differ() {
        let thirds = [33.33, 66.67];
        let nine = (1..=9).map(f64::from).collect();
        assert_eq!(part(nine, thirds), Some([4.0, 7.0]));
        // Most bought once: who bought twice is regular, and more often is often.
        let mostly_once = [vec![1.0; 20], vec![2.0, 2.0, 5.0]].concat();
        assert_eq!(part(mostly_once, thirds), Some([2.0, 5.0]));
        assert_eq!(part(vec![1.0, 1.0, 2.0], thirds), None);
        assert_eq!(part(Vec::new(), thirds), None);
    }
}
