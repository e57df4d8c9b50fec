//! The thread that asks the registry for schemas, so that no task waits for it.
//!
//! Each id is asked for by itself, and again with a growing pause while the registry does not answer: one that is down is not
//! stormed, and one id that makes it fail holds no other back.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::avro::{SCHEMAS_MAX, Verdict};
use crate::event::record::SchemaId;
use crate::registry::{Loaded, SchemasError, Source};
use crate::telemetry::Telemetry;

/// The first pause after a failure, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// An id whose schema the registry does not have, or not whole, is asked for again after this time, for the case that it has it
/// then.
const AGAIN: Duration = Duration::from_secs(60);

/// An id that is wanted and not had yet.
struct Wanted {
    since: Instant,
    next: Instant,
    pause: Duration,
}

struct Fetcher<F> {
    source: Source,
    telemetry: Telemetry,
    had: F,
    wanted: BTreeMap<SchemaId, Wanted>,
    /// What is known for a time: forgotten then.
    passing: BTreeMap<SchemaId, Instant>,
}

/// Starts the thread that is `asked`. `had` is called whenever more is known. Without a registry there is nothing to do.
///
/// # Errors
/// Where there are no more threads.
pub fn start(
    source: &Source,
    telemetry: Telemetry,
    asked: Receiver<SchemaId>,
    had: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    if source.registry().is_none() {
        return Ok(());
    }
    let mut fetcher = Fetcher {
        source: source.clone(),
        telemetry,
        had,
        wanted: BTreeMap::new(),
        passing: BTreeMap::new(),
    };
    let thread = std::thread::Builder::new().name("schemas".to_owned());
    thread.spawn(move || fetcher.run(&asked)).map(drop)
}

impl<F: Fn()> Fetcher<F> {
    fn run(&mut self, asked: &Receiver<SchemaId>) {
        loop {
            let due = self.wanted.values().map(|wanted| wanted.next);
            let due = due.chain(self.passing.values().copied()).min();
            let wait = due.map_or(PAUSE_MAX, |due| {
                due.saturating_duration_since(Instant::now())
            });
            match asked.recv_timeout(wait) {
                Ok(id) => self.want(id),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Ok(id) = asked.try_recv() {
                self.want(id);
            }
            self.forget();
            self.ask();
            self.telemetry.schemas_awaited(self.wanted.len());
        }
    }

    /// What was known for a time is not known any more.
    fn forget(&mut self) {
        let now = Instant::now();
        let schemas = self.source.schemas();
        self.passing.retain(|id, until| {
            let stays = now < *until;
            if !stays {
                schemas.forget(*id);
            }
            stays
        });
    }

    fn want(&mut self, id: SchemaId) {
        if self.source.schemas().get(id).is_some() {
            // Had meanwhile: whoever asks looked before that.
            (self.had)();
            return;
        }
        let now = Instant::now();
        self.wanted.entry(id).or_insert(Wanted {
            since: now,
            next: now,
            pause: PAUSE,
        });
    }

    /// Asks for what is due.
    fn ask(&mut self) {
        self.telemetry.schemas_awaited(self.wanted.len());
        let now = Instant::now();
        let due = self.wanted.iter().filter(|(_, wanted)| wanted.next <= now);
        let due: Vec<SchemaId> = due.map(|(id, _)| *id).collect();
        for id in due {
            match self.source.load(id) {
                Ok(loaded) => self.answered(id, loaded.as_ref()),
                Err(error) => self.failed(id, &error),
            }
        }
    }

    fn answered(&mut self, id: SchemaId, loaded: Option<&Loaded>) {
        if let Some(Loaded { passing: true, .. }) = loaded {
            self.passing.insert(id, Instant::now() + AGAIN);
        }
        // Ids that nobody has may be many, but no more of them are known than that.
        while self.passing.len() > SCHEMAS_MAX {
            let Some((id, _)) = self.passing.pop_first() else {
                break;
            };
            self.source.schemas().forget(id);
        }
        if let Some(trouble) = loaded.and_then(|loaded| loaded.trouble.as_ref()) {
            tracing::warn!(id, trouble);
        }
        let Some(wanted) = self.wanted.remove(&id) else {
            return;
        };
        let waited_ms = wanted.since.elapsed().as_millis();
        let word = match self.source.schemas().get(id) {
            Some(Verdict::Readable(_)) => {
                tracing::info!(id, waited_ms, "a schema came from the registry");
                "found"
            }
            Some(Verdict::Refused(reason)) => {
                tracing::error!(id, waited_ms, %reason, "a schema came that cannot be read; its records are dead letters");
                "refused"
            }
            _ => {
                tracing::error!(
                    id,
                    waited_ms,
                    "the registry has no schema of this id; its records are dead letters"
                );
                "unknown"
            }
        };
        self.telemetry.schema_asked(word);
        (self.had)();
    }

    fn failed(&mut self, id: SchemaId, error: &SchemasError) {
        let Some(wanted) = self.wanted.get_mut(&id) else {
            return;
        };
        let waited_s = wanted.since.elapsed().as_secs();
        tracing::warn!(id, waited_s, %error, "a schema is not to be had; what needs it waits");
        wanted.next = Instant::now() + wanted.pause;
        wanted.pause = (wanted.pause * 2).min(PAUSE_MAX);
        self.telemetry.schema_asked("failed");
    }
}
