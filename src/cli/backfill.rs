//! `moments backfill`: what history says of new triggers, told to the running processor.

mod told;
mod topics;

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use xxhash_rust::xxh3::Xxh3;

use self::told::{Left, Told};
use self::topics::Topic;
use super::rehearse::{self, Events};
use super::{Shared, instant};
use crate::admin::Log;
use crate::admin::seeding::Seeding;
use crate::config::Config;
use crate::document::suggest::or_meant;
use crate::engine::{Seeded, Transfer};
use crate::rehearsal::gather::Gatherer;
use crate::rehearsal::{Observer, Record, Source, Taken};
use crate::runtime::clock;
use crate::task::watermark::ClockMode;
use crate::time::{Timestamp, parse_duration};
use crate::treatment::Decision;
use crate::trigger::plan::{Mode, Plan};

/// Customers who are told at once: some hundred KB, and what a task takes in between two commits.
const CUSTOMERS: usize = 500;
/// Between two rounds, what is new comes to rest.
const PAUSE: Duration = Duration::from_millis(500);

/// Tell the running processor what history says of new triggers: it goes on as if they had been there from the start.
///
/// The history is read and folded, nothing is decided, and each customer's state of these triggers, with all declared facts and segments,
/// is sent to the task that has her. She goes on by it where its last event is her last that has settled. The processor must work by
/// the same triggers already. Nothing old is sent, unless a trigger says `backfill: true`. Run again after a stop, it goes on with those
/// who have not taken theirs.
#[derive(Debug, Args)]
pub struct Backfill {
    #[command(flatten)]
    shared: Shared,
    /// A new trigger; may be said several times.
    #[arg(long = "trigger", value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Read the topics that come in as well, to where they end, and on for whoever has done something meanwhile.
    #[arg(long)]
    topics: bool,
    /// Of the topics, what was appended at or after this time, RFC 3339: what is older stands in the files.
    #[arg(long, value_name = "TIME", value_parser = instant, requires = "topics")]
    since: Option<Timestamp>,
    /// Tell those, too, who have taken what an earlier run told them.
    #[arg(long)]
    afresh: bool,
    /// How often those are told again of whom more has settled, or less, than what they were told.
    #[arg(long, value_name = "N", default_value_t = 20)]
    rounds: u32,
    /// How long the processor may be silent.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    timeout: i64,
    /// Files of events, as `moments rehearse` reads them.
    #[arg(value_name = "EVENTS.jsonl[.gz]", required_unless_present = "topics")]
    events: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where a trigger is not there, the history cannot be read or is empty, or the processor does not take it.
pub fn run(args: &Backfill) -> anyhow::Result<()> {
    let (config, basis, mut plan) = args.shared.plan()?;
    let of = args.of(&plan)?;
    // What they would decide is no part of what they remember.
    plan.triggers.iter_mut().for_each(|it| it.mode = Mode::Off);
    let mut seeding = Seeding::new(&config)?;
    let mut settings = rehearse::settings(&config, &basis, plan.into(), Vec::new())?;
    settings.clock = ClockMode::Event;
    let progress = rehearse::progress(&args.events)?;
    let mut gatherer = Gatherer::new(&settings, args.sources(&config, &progress)?);
    let mut reading = Reading(rehearse::Shown::new(&progress));
    gatherer.read(&mut reading)?;
    progress.finish_and_clear();
    let summary = gatherer.summary();
    anyhow::ensure!(
        summary.events > 0,
        "there is no event in this history; `moments rehearse` over the same files says why records are none"
    );
    let before = match args.afresh {
        true => Default::default(),
        false => seeding.taken(of.run)?,
    };
    let mut told = Told::begins(summary, before.len());
    let ids = gatherer.engine().ids().into_iter();
    let ids = ids.filter(|id| !before.contains(id));
    let mut left: Vec<Left> = ids.map(Left::new).collect();
    for round in 0..=args.rounds {
        if round > 0 {
            if !left.iter().any(|it| it.may_change(args.topics)) {
                break;
            }
            std::thread::park_timeout(PAUSE);
            gatherer.read(&mut reading)?;
        }
        left = args.round((&of, &gatherer), &left, &mut seeding, &mut told)?;
    }
    told.ends(&left);
    Ok(())
}

/// Of which triggers is told, and what every answer says of it.
struct Of {
    keys: Vec<u32>,
    run: u64,
}

impl Backfill {
    fn of(&self, plan: &Plan) -> anyhow::Result<Of> {
        let mut keys = Vec::new();
        let mut hash = Xxh3::new();
        for name in &self.names {
            let Some(trigger) = plan.triggers.iter().find(|it| it.name == *name) else {
                let known = plan.triggers.iter().map(|it| it.name.as_str());
                let meant = or_meant(name, known);
                anyhow::bail!("there is no trigger `{name}` in the set{meant}");
            };
            keys.push(trigger.key);
        }
        keys.sort_unstable();
        keys.dedup();
        for trigger in keys.iter().filter_map(|key| plan.by_key(*key)) {
            hash.update(&trigger.key.to_le_bytes());
            hash.update(&plan.defined(trigger).to_le_bytes());
        }
        let run = hash.digest();
        Ok(Of { keys, run })
    }

    fn sources(
        &self,
        config: &Config,
        progress: &ProgressBar,
    ) -> anyhow::Result<Vec<(Taken, History)>> {
        let files = rehearse::sources(&self.events, config, progress)?.into_iter();
        let mut sources: Vec<_> = files
            .map(|(taken, events)| (taken, History::File(events)))
            .collect();
        if self.topics {
            let log = Rc::new(Log::new(config)?);
            let inputs = config.topics.inputs().into_iter().map(|it| it.name);
            for name in inputs.chain(config.topics.copied().cloned()) {
                for topic in Topic::all(&log, &name, self.since)? {
                    sources.push((rehearse::taken(config, &name), History::Topic(topic)));
                }
            }
        }
        Ok(sources)
    }

    /// Tells those who are left, some at a time; who is left then.
    fn round(
        &self,
        (of, gatherer): (&Of, &Gatherer<'_, History>),
        left: &[Left],
        seeding: &mut Seeding,
        told: &mut Told,
    ) -> anyhow::Result<Vec<Left>> {
        let patience = Duration::from_millis(self.timeout.unsigned_abs());
        let mut still = Vec::new();
        for some in left.chunks(CUSTOMERS) {
            let mut seeds: Vec<Transfer> = Vec::new();
            for it in some {
                let sent = (of.run, clock());
                match gatherer.engine().seed(&it.id, &of.keys, it.until, sent) {
                    Some(seed) => seeds.push(seed),
                    // It has come less far than history.
                    None => still.push(Left::new(it.id.clone())),
                }
            }
            if seeds.is_empty() {
                continue;
            }
            seeding.send(&seeds)?;
            let answers = seeding.answers(of.run, seeds.len(), patience)?;
            anyhow::ensure!(
                answers.iter().any(|it| it.seeded != Seeded::Defined),
                "the processor does not work by these triggers, or by others of these names; publish this set (`moments triggers apply`), \
                 or start the processor with it, and try again"
            );
            told.answered(answers, &mut still);
        }
        Ok(still)
    }
}

/// What is read: a file, or a partition of a topic.
enum History {
    File(Events),
    Topic(Topic),
}

impl Source for History {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::File(events) => events.next(),
            Self::Topic(topic) => topic.next(),
        }
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::File(events) => events.next_record(),
            Self::Topic(topic) => topic.next_record(),
        }
    }

    fn goes_on(&mut self) {
        match self {
            Self::File(events) => events.goes_on(),
            Self::Topic(topic) => topic.goes_on(),
        }
    }
}

/// How far it is.
struct Reading(rehearse::Shown);

impl Observer for Reading {
    fn record(&mut self) {
        self.0.record();
    }

    fn decided(&mut self, _decision: &Decision) -> io::Result<()> {
        Ok(())
    }
}
