//! The demo: a broker, a shop's customers in accelerated time, the processor on the shipped triggers, and a screen.
//!
//! Everything is as in production but the broker (unless a real one is named), the customers and the clock: the runtime reads
//! topics and writes topics, and what is shown is read back from the decisions topic as any consumer would read it.

pub mod broker;
mod call;
mod decided;
mod deeds;
mod feed;
pub mod otto;
mod picture;
pub mod programmes;
mod record;
mod screen;
mod show;
mod stories;
mod svg;
mod tally;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use crate::config::{Config, ConfigError};
use crate::document::report::rendered;
use crate::http;
use crate::population::{self, EVERYDAY, Population};
use crate::runtime::{Runtime, RuntimeError, clock, topics};
use crate::time::{DAY_MS, Timestamp};
use crate::trigger::set::Basis;
use broker::Embedded;
use call::Call;
use feed::{Feed, Merged};
use programmes::Programmes;
use record::Recorder;
use show::Show;

pub use world::{CUSTOMERS_MAX, Pace, SPEED_MAX, SPEED_MIN};

/// What the demo is told.
#[derive(Clone, Debug)]
pub struct DemoSettings {
    /// Customers at the beginning, at most [`CUSTOMERS_MAX`].
    pub customers: u32,
    /// Another seed, other customers.
    pub seed: u64,
    /// When it ends by itself, seconds after the first day began; never, where there is none.
    pub seconds: Option<u32>,
    /// How fast time goes by.
    pub pace: Pace,
    /// A real broker; else the embedded one.
    pub kafka: Option<String>,
    /// Where every record is kept: events, decisions and the journal.
    pub record: Option<PathBuf>,
    /// Where the last picture is drawn.
    pub svg: Option<PathBuf>,
}

/// Why there is no demo, or no more.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Kafka.
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Topics on a real broker.
    #[error(transparent)]
    Topics(#[from] topics::TopicsError),
    /// The processor.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The configuration, which is the demo's own.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The triggers, which are part of the program.
    #[error("{0}")]
    Triggers(String),
    /// A decision that is none.
    #[error("what was decided cannot be read: {0}")]
    Decision(#[from] serde_json::Error),
    /// The terminal, a file, a port or a thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the demo until it is over, or `stop`.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(settings: &DemoSettings, stop: &AtomicBool) -> Result<(), DemoError> {
    // On a broker that keeps what it is given, each demo has topics of its own.
    let prefix = settings
        .kafka
        .as_ref()
        .map_or(String::new(), |_| format!("demo-{}-", clock().0 / 1000));
    let mut config = world::config(
        settings.kafka.as_deref().unwrap_or_default(),
        &prefix,
        settings.customers,
        settings.pace,
    );
    let programmes = Programmes::shipped(&basis(&config)?)
        .map_err(|reports| DemoError::Triggers(rendered(&reports)))?;
    let names = topics::wanted(&config, &programmes.plan)
        .into_iter()
        .map(|topic| topic.name)
        .collect();
    let embedded = match &settings.kafka {
        None => Some(Embedded::start(names, config.topics.partitions)?),
        Some(_) => {
            topics::create(&config, &programmes.plan)?;
            None
        }
    };
    if let Some(embedded) = &embedded {
        embedded.bootstrap().clone_into(&mut config.kafka.bootstrap);
    }
    let producer: BaseProducer = client(&config)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "1")
        // The history of a partition is to stay below what the embedded broker keeps.
        .set("compression.type", "lz4")
        .create()?;
    let recorder = settings
        .record
        .as_ref()
        .map(|path| Recorder::new(path, &config, &prefix))
        .transpose()?;
    let (telling, told) = mpsc::channel();
    let mut feed = Feed::new(producer, &config.topics, calls(settings)?, telling);
    feed.load(settings.pace.loaded_until())?;
    settings
        .pace
        .start_at(&mut config, clock().plus(world::WARM_UP_MS));
    let mut show = Show::new(settings, &config, &programmes, told)?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let recording = recorder.map(|recorder| scope.spawn(|| recorder.run(&ended)));
        let played = play(&config, &programmes, feed, &mut show, stop);
        ended.store(true, Ordering::Relaxed);
        let recorded = recording.map_or(Ok(()), |recording| {
            recording
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let now = played?;
        recorded?;
        show.end(now, settings)
    })
}

fn basis(config: &Config) -> Result<Basis, ConfigError> {
    Ok(Basis {
        vocabulary: Arc::new(config.vocabulary()?),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: Arc::default(),
    })
}

/// Feeds, runs and shows, each on a thread of its own, until the show is over. Returns when that was, by the demo's clock.
fn play(
    config: &Config,
    programmes: &Programmes,
    mut feed: Feed<impl Iterator<Item = Call> + Send>,
    show: &mut Show<'_>,
    stop: &AtomicBool,
) -> Result<Timestamp, DemoError> {
    let plan = Arc::clone(&programmes.plan);
    let runtime = Runtime::start(
        config.clone(),
        plan,
        Basis::default(),
        topics::Found {
            partitions: config.topics.partitions,
            ..topics::Found::default()
        },
    )?;
    let server = http::Server::bind(config.http.listen, None, runtime.tasks())?;
    let mode = config.time.mode();
    let now = || mode.reading(clock()).unwrap_or_default();
    let ended = AtomicBool::new(false);
    let (end_http, http_ended) = tokio::sync::oneshot::channel::<()>();
    thread::scope(|scope| {
        let processing = scope.spawn(|| runtime.run(&ended));
        let feeding = scope.spawn(|| feed.run(now, &ended));
        scope.spawn(|| {
            server.run(async {
                // Its other end is let go of when the show is over.
                let _ = http_ended.await;
            });
        });
        let shown = show.run(now, || {
            stop.load(Ordering::Relaxed) || feeding.is_finished() || processing.is_finished()
        });
        let last = now();
        ended.store(true, Ordering::Relaxed);
        drop(end_http);
        let fed = feeding.join();
        let processed = processing.join();
        shown?;
        fed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        processed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(last)
    })
}

/// Everything that happens, in order of time.
fn calls(settings: &DemoSettings) -> Result<impl Iterator<Item = Call> + Send + use<>, DemoError> {
    let people = Population::new(&population::PopulationSettings {
        seed: settings.seed,
        customers: settings.customers,
        shop: EVERYDAY,
        from: world::BEGINS.plus(-world::HISTORY_DAYS * DAY_MS),
        browsing_from: world::BEGINS.plus(-world::BROWSING_DAYS * DAY_MS),
        until: end(settings).unwrap_or(Timestamp::MAX),
        threads: 1,
    });
    let people = people.flat_map(|window| {
        let calls: Vec<_> = window
            .records()
            .filter_map(|record| Call::of(&record))
            .collect();
        calls
    });
    let until = end(settings).unwrap_or(Timestamp::MAX);
    let otto = otto::calls(world::BEGINS)?;
    Ok(Merged::new(people, otto.into_iter()).take_while(move |call| call.at < until))
}

/// When the demo ends by its own clock.
fn end(settings: &DemoSettings) -> Option<Timestamp> {
    let wall = i64::from(settings.seconds?) * 1000;
    Some(world::BEGINS.plus(settings.pace.event_ms(wall)))
}

/// A client of the demo's own.
fn client(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.kafka.bootstrap)
        .set("client.id", "demo");
    client
}
