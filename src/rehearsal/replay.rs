//! Replay of a production journal: the flight recorder played back.
//!
//! Records are told apart by topic, partition and offset. A line of an events file is either what
//! `kcat -J` prints ([`Envelope`]), or, in a file named `TOPIC-PARTITION.jsonl`, the event itself,
//! its offset being its line counted from 0. The journal, too, may be what `kcat -J` prints.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::Arc;

use super::envelope::Envelope;
use super::work::{Hears, Work};
use super::{Observer, RehearsalSettings, Source, Summary};
use crate::engine::{Effect, Engine, Input, Keep, Neighbours, Transfer};
use crate::event::record::{Header, Origin};
use crate::event::{Event, Position};
use crate::runtime::task_of;
use crate::task::journal::{Line, LineError, Slice};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;

/// Why a journal cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line of the journal is none.
    #[error(
        "journal line {line}: {detail}; expected what the journal topic holds, one JSON object a line"
    )]
    Journal {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// A line of an events file names no record.
    #[error(
        "{file}, line {line}: {detail}; expected the output of `kcat -J`, or a file named TOPIC-PARTITION.jsonl"
    )]
    Events {
        /// The file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// The events do not hold what the journal took.
    #[error(
        "the journal took {topic}/{partition} up to offset {offset}, but the files end at {last}: add the missing file"
    )]
    Missing {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// The last offset the run took.
        offset: i64,
        /// The last offset the files have; -1 for none.
        last: i64,
    },
    /// Other triggers than production's.
    #[error(
        "journal line {line} was decided by revision {journal}, the triggers given are {given}: give the triggers of then; those that \
         were published with --published"
    )]
    Revision {
        /// Counted from 1.
        line: usize,
        /// Of the journal.
        journal: String,
        /// Of the triggers.
        given: String,
    },
}

/// One record of the events files.
struct Record {
    offset: i64,
    key: Option<Vec<u8>>,
    payload: Vec<u8>,
    headers: Vec<Header>,
    /// When the broker appended it, where the file says so.
    appended: Option<Timestamp>,
}

/// Counts what followed, and says it.
struct Told<'a, O> {
    summary: Summary,
    observer: &'a mut O,
}

impl<O: Observer> Hears for Told<'_, O> {
    fn effect(&mut self, effect: Effect) -> std::io::Result<()> {
        if let Effect::Decided(decision) = &effect {
            self.observer.decided(decision)?;
        }
        self.summary.effect(effect);
        Ok(())
    }
}

/// Replays `journal` over the records of `files` (name and lines of each), task by task as the
/// journal's lines come.
///
/// # Errors
/// Where something cannot be read, or the journal does not fit the events or the triggers.
pub fn replay<S: Source>(
    settings: &RehearsalSettings,
    files: Vec<(String, S)>,
    journal: impl BufRead,
    observer: &mut impl Observer,
) -> Result<Summary, ReplayError> {
    let records = read(files)?;
    let mut topics: Vec<&str> = records.keys().map(|(topic, _)| topic.as_str()).collect();
    topics.dedup();
    let summary = Summary::new(settings.plans().map(|plan| &**plan));
    let mut heard = Told { summary, observer };
    let mut engines: BTreeMap<i32, (Engine, Timestamp)> = BTreeMap::new();
    for (number, text) in (1..).zip(journal.lines()) {
        let read = journal_line(&text?).map_err(|detail| ReplayError::Journal {
            line: number,
            detail,
        })?;
        let Some(mut line) = read else { continue };
        let until = heard.observer.until();
        let is_past = |now| until.is_some_and(|until| until < now);
        line.steps.retain(|step| !is_past(step.now));
        if line.steps.is_empty() && is_past(line.now) {
            continue;
        }
        let plan = settings.plan_of(&line, number)?;
        let engine = engines
            .remove(&line.task)
            .map_or_else(|| Engine::new(Arc::clone(plan)), |(engine, _)| engine);
        let engine = engine.beside(line.between.as_ref().map(|between| Neighbours {
            own: line.task,
            tasks: between.tasks,
            of: task_of,
            talk: true,
        }));
        let engine = engine.sharing(line.task, line.tasks.unwrap_or(1));
        let mut work = Work::new(engine);
        work.now = line.now;
        let task = line.task;
        work.engine.begin(line.transaction);
        let keep = line.kept.map_or(Keep::NOBODY, Keep::from);
        let adopts = line.steps.iter().any(|step| step.adopt.is_some());
        if !adopts && !work.engine.works_by(&line.revision) {
            let mut from = Some(0);
            while let Some(first) = from {
                from = work.adopt(plan, first, &mut heard)?;
            }
        }
        play(
            settings, &records, &topics, plan, line, &mut work, &mut heard,
        )?;
        work.engine.checkpoint(keep);
        work.engine.committed();
        engines.insert(task, (work.engine, work.now));
    }
    let Told {
        mut summary,
        observer,
    } = heard;
    for (engine, now) in engines.values_mut() {
        let now = observer.until().map_or(*now, |until| until.max(*now));
        observer.ends(engine, now);
        let open = engine.ends();
        summary.end(engine, &open);
    }
    Ok(summary)
}

impl RehearsalSettings {
    fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        std::iter::once(&self.plan).chain(&self.published)
    }

    fn plan_of(&self, line: &Line, number: usize) -> Result<&Arc<Plan>, ReplayError> {
        let mut plans = self.plans();
        let found = plans.find(|plan| plan.revision == line.revision);
        found.ok_or_else(|| {
            let given: Vec<&str> = self.plans().map(|plan| plan.revision.as_str()).collect();
            ReplayError::Revision {
                line: number,
                journal: line.revision.clone(),
                given: given.join(", "),
            }
        })
    }
}

type Records = BTreeMap<(String, i32), Vec<Record>>;

/// What another task told; its asks and promises tell of nobody.
fn told(record: &Record, work: &mut Work, heard: &mut impl Hears) -> std::io::Result<()> {
    match Transfer::unpack(&record.payload) {
        Ok(transfer) => work.step(Input::Transferred(Box::new(transfer)), heard),
        Err(_) => Ok(()),
    }
}

/// Something happened to a customer, or to some of everybody.
fn happened<O: Observer>(
    event: Event,
    everybody: Option<Slice>,
    work: &mut Work,
    heard: &mut Told<'_, O>,
) -> std::io::Result<()> {
    let Some(Slice { from, to }) = everybody else {
        heard.summary.event(&event);
        return work.step(Input::Event(Box::new(event)), heard);
    };
    let number = |it| usize::try_from(it).unwrap_or(usize::MAX);
    let slice = (number(from), Some(number(to)));
    work.everybody(&event, slice, heard).map(drop)
}

/// Takes a record as the task did: of a customer, of everybody or a slice of them, or a row of a table.
fn take<O: Observer>(
    settings: &RehearsalSettings,
    (record, mut origin): (&Record, Origin<'_>),
    everybody: Option<Slice>,
    work: &mut Work,
    heard: &mut Told<'_, O>,
) -> std::io::Result<()> {
    let (decoder, taken) = (&settings.decoder, origin.topic);
    let copied = origin.of_everybody();
    if decoder.brings_rows(copied.topic) {
        match decoder.row(&record.payload, &copied) {
            Ok(told) => work.step(Input::Row(Box::new(told)), heard)?,
            Err(reject) => heard.summary.reject(&reject),
        }
        return Ok(());
    }
    if everybody.is_some() {
        origin = copied;
    }
    let loaded = settings.schemas.load_for(decoder, taken, &record.payload);
    loaded.map_err(std::io::Error::other)?;
    match decoder.decode(&record.payload, &origin) {
        Ok(decoded) => happened(decoded.event, everybody, work, heard)?,
        Err(reject) => heard.summary.reject(&reject),
    }
    Ok(())
}

fn play<O: Observer>(
    settings: &RehearsalSettings,
    records: &Records,
    topics: &[&str],
    plan: &Arc<Plan>,
    line: Line,
    work: &mut Work,
    heard: &mut Told<'_, O>,
) -> Result<(), ReplayError> {
    let between = line.between.as_ref().map(|between| between.topic.as_str());
    for step in line.steps {
        work.now = step.now;
        if let Some(adoption) = step.adopt {
            work.step(Input::Watermark(step.watermark), heard)?;
            let from = usize::try_from(adoption.from).unwrap_or(usize::MAX);
            work.adopt(plan, from, heard)?;
            continue;
        }
        for run in step.runs {
            let (topic, from, to) = (run.0, run.1, run.2);
            let index = topics
                .iter()
                .position(|known| *known == topic)
                .unwrap_or_default();
            let key = (topic, line.task);
            let all = records.get(&key).map_or(&[][..], Vec::as_slice);
            let last = all.last().map_or(-1, |record| record.offset);
            if last < to {
                return Err(ReplayError::Missing {
                    topic: key.0,
                    partition: line.task,
                    offset: to,
                    last,
                });
            }
            let first = all.partition_point(|record| record.offset < from);
            for record in all[first..].iter().take_while(|record| record.offset <= to) {
                heard.observer.record();
                if between == Some(key.0.as_str()) {
                    told(record, work, heard)?;
                    continue;
                }
                let position = Position {
                    topic: u8::try_from(index).unwrap_or(u8::MAX),
                    offset: record.offset,
                };
                let origin = Origin {
                    topic: &key.0,
                    partition: line.task,
                    position,
                    key: record.key.as_deref(),
                    headers: &record.headers,
                    appended: record.appended,
                    ..Origin::default()
                };
                take(settings, (record, origin), step.everybody, work, heard)?;
            }
        }
        work.step(Input::Watermark(step.watermark), heard)?;
        work.beyond(step.watermark, step.beyond, heard)?;
    }
    Ok(())
}

fn read<S: Source>(files: Vec<(String, S)>) -> Result<Records, ReplayError> {
    let mut records: Records = BTreeMap::new();
    for (name, mut source) in files {
        let named = named(&name);
        let mut line = 0;
        while let Some(text) = source.next()? {
            line += 1;
            let (topic, partition, record) = match (envelope(&text), &named) {
                (Ok(found), _) => found,
                (Err(_), Some((topic, partition))) => {
                    let record = Record {
                        offset: line - 1,
                        key: None,
                        payload: text,
                        headers: Vec::new(),
                        appended: None,
                    };
                    (topic.clone(), *partition, record)
                }
                (Err(detail), None) => {
                    let line = usize::try_from(line).unwrap_or_default();
                    return Err(ReplayError::Events {
                        file: name,
                        line,
                        detail,
                    });
                }
            };
            records.entry((topic, partition)).or_default().push(record);
        }
    }
    for list in records.values_mut() {
        list.sort_by_key(|record| record.offset);
    }
    Ok(records)
}

fn envelope(text: &[u8]) -> Result<(String, i32, Record), String> {
    let mut envelope = Envelope::read(text)?;
    let payload = envelope.value()?;
    let record = Record {
        offset: envelope.offset,
        key: envelope.key.take().map(String::into_bytes),
        payload,
        headers: envelope.headers(),
        appended: envelope.stamped(),
    };
    Ok((envelope.topic, envelope.partition, record))
}

/// A line of the journal, or of a recording that holds the journal among other records, which are passed over.
fn journal_line(text: &str) -> Result<Option<Line>, String> {
    match Envelope::read(text.as_bytes()) {
        Ok(mut envelope) => match Line::read(&envelope.value()?) {
            Ok(line) => Ok(Some(line)),
            Err(LineError::Broken(_)) => Ok(None),
            Err(error @ LineError::Newer(_)) => Err(error.to_string()),
        },
        Err(_) => Line::read(text.as_bytes())
            .map(Some)
            .map_err(|error| error.to_string()),
    }
}

/// Topic and partition of a file named `TOPIC-PARTITION.jsonl`, with or without `.gz`.
fn named(name: &str) -> Option<(String, i32)> {
    let stem = name.rsplit('/').next()?;
    let stem = stem.strip_suffix(".gz").unwrap_or(stem);
    let stem = stem.strip_suffix(".jsonl").unwrap_or(stem);
    let (topic, partition) = stem.rsplit_once('-')?;
    Some((topic.to_owned(), partition.parse().ok()?))
}
