//! The demo: a broker, a shop's customers in accelerated time, the processor on the shipped triggers, and a screen.
//!
//! Everything is as in production but the broker (unless a real one is named), the customers and the clock: the runtime reads
//! topics and writes topics, and what is shown is read back from the decisions topic as any consumer would read it.

pub mod broker;
mod decided;
mod deeds;
mod feed;
mod otto;
mod picture;
pub mod population;
mod programmes;
mod screen;
mod show;
mod stories;
mod tally;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use crate::config::{Config, ConfigError};
use crate::http;
use crate::runtime::{Runtime, RuntimeError, clock, topics};
use crate::time::{DAY_MS, Timestamp};
use crate::trigger::report::rendered;
use crate::trigger::set::Basis;
use broker::Embedded;
use feed::{Feed, Merged};
use population::{Call, Population};
use programmes::Programmes;
use show::Show;

pub use world::CUSTOMERS_MAX;

/// How long the demo lasts where it ends by itself, seconds: the four weeks of the real sessions.
#[expect(clippy::cast_possible_truncation, reason = "42")]
pub const SECONDS: u32 = (world::DAYS * world::DAY_ON_WALL_MS / 1000) as u32;

/// What the demo is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Customers at the beginning, at most [`CUSTOMERS_MAX`].
    pub customers: u32,
    /// Another seed, other customers.
    pub seed: u64,
    /// When it ends by itself, seconds after the first day began; never, where there is none.
    pub seconds: Option<u32>,
    /// A real broker; else the embedded one.
    pub kafka: Option<String>,
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
    /// The real sessions, which are part of the program.
    #[error("the OTTO sessions: {0}")]
    Data(#[from] serde_json::Error),
    /// The terminal, a port or a thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the demo until it is over, or `stop`.
///
/// # Errors
/// What keeps it from starting, or ended it.
pub fn run(settings: &Settings, stop: &AtomicBool) -> Result<(), DemoError> {
    // On a broker that keeps what it is given, each demo has topics of its own.
    let prefix = settings
        .kafka
        .as_ref()
        .map_or(String::new(), |_| format!("demo-{}-", clock().0 / 1000));
    let mut config = world::config(
        settings.kafka.as_deref().unwrap_or_default(),
        &prefix,
        settings.customers,
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
        .create()?;
    let (telling, told) = mpsc::channel();
    let mut feed = Feed::new(producer, config.topics.clone(), calls(settings)?, telling);
    feed.load(world::loaded_until())?;
    world::start_at(&mut config, clock().plus(world::WARM_UP_MS));
    let show = Show::new(settings, &config, &programmes, told)?;
    play(&config, &programmes, feed, show, stop)
}

fn basis(config: &Config) -> Result<Basis, ConfigError> {
    Ok(Basis {
        vocabulary: Arc::new(config.vocabulary()?),
        attributes: config.attributes(),
        policy: config.policy(),
    })
}

/// Feeds, runs and shows, each on a thread of its own, until the show is over.
fn play(
    config: &Config,
    programmes: &Programmes,
    mut feed: Feed<impl Iterator<Item = Call> + Send>,
    mut show: Show<'_>,
    stop: &AtomicBool,
) -> Result<(), DemoError> {
    let plan = Arc::clone(&programmes.plan);
    let runtime = Runtime::start(config.clone(), plan, config.topics.partitions)?;
    let server = http::Server::bind(config.http.listen, runtime.tasks())?;
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
        ended.store(true, Ordering::Relaxed);
        drop(end_http);
        let fed = feeding.join();
        let processed = processing.join();
        shown?;
        fed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        processed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(())
    })
}

/// Everything that happens, in order of time.
fn calls(settings: &Settings) -> Result<impl Iterator<Item = Call> + Send + use<>, DemoError> {
    let people = Population::new(population::Settings {
        seed: settings.seed,
        customers: settings.customers,
        from: world::BEGINS.plus(-world::HISTORY_DAYS * DAY_MS),
        browsing_from: world::BEGINS.plus(-world::BROWSING_DAYS * DAY_MS),
    });
    let until = end(settings).unwrap_or(Timestamp::MAX);
    let otto = otto::calls(world::BEGINS)?;
    Ok(Merged::new(people, otto.into_iter()).take_while(move |call| call.at < until))
}

/// When the demo ends by its own clock.
fn end(settings: &Settings) -> Option<Timestamp> {
    let wall = i64::from(settings.seconds?) * 1000;
    Some(world::BEGINS.plus(wall * DAY_MS / world::DAY_ON_WALL_MS))
}

/// A client of the demo's own.
fn client(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.kafka.bootstrap)
        .set("client.id", "demo");
    client
}
