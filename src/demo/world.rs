//! The demo's time, topics and configuration.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::config::topics::Source;
use crate::config::{Clock, Config, Span};
use crate::time::{DAY_MS, Timestamp};

/// A day lasts so many milliseconds on the wall, which makes a millisecond nearly a minute.
const DAY_ON_WALL_MS: f64 = 1_500.0;
/// How much slower or faster it may go than that. Faster, a broker that keeps 5 MiB could lose what nobody has read yet.
pub const SPEED_MIN: f64 = 0.01;
/// The other end.
pub const SPEED_MAX: f64 = 3.0;
/// How many days the real sessions last, and with them the demo where it ends by itself.
pub const DAYS: i64 = 28;
/// The shop has so many days of orders on file when the demo begins: longer than the half year after which somebody has lapsed.
pub const HISTORY_DAYS: i64 = 238;
/// Clicks are told from so many days before the first.
pub const BROWSING_DAYS: i64 = 4;
/// So long before the first day everything starts: to join a consumer group takes 3 s, and then all that the history made true is
/// decided.
pub const WARM_UP_MS: i64 = 7_000;
/// Customers a partition: of so many, the history stays below the 5 MiB that the embedded broker keeps.
const CUSTOMERS_A_PARTITION: u32 = 250;
/// The fewest partitions of a topic: enough to see tasks.
const PARTITIONS_MIN: u32 = 4;
/// The most: with more, small machines do little but commit.
const PARTITIONS_MAX: u32 = 16;
/// The most customers that follow from that.
pub const CUSTOMERS_MAX: u32 = CUSTOMERS_A_PARTITION * PARTITIONS_MAX;
/// The first day begins: a Monday, at midnight where the real sessions' shop is.
pub const BEGINS: Timestamp = Timestamp(1_772_402_400_000);
/// How long records of one time may take to come through the several topics, on the wall.
const LATENESS_ON_WALL_MS: i64 = 40;

/// How fast time goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// A day lasts so many milliseconds on the wall.
    pub day_on_wall_ms: i64,
}

impl Pace {
    /// So many times as fast as usual, held within [`SPEED_MIN`] and [`SPEED_MAX`].
    #[must_use]
    pub fn new(speed: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "500 to 150,000")]
        let day_on_wall_ms = (DAY_ON_WALL_MS / speed.clamp(SPEED_MIN, SPEED_MAX)) as i64;
        Self { day_on_wall_ms }
    }

    /// How much happens in so many milliseconds on the wall.
    #[must_use]
    pub fn event_ms(self, wall_ms: i64) -> i64 {
        wall_ms * DAY_MS / self.day_on_wall_ms
    }

    /// How many seconds the demo lasts where it ends by itself: the four weeks of the real sessions.
    #[must_use]
    pub fn seconds(self) -> u32 {
        u32::try_from(DAYS * self.day_on_wall_ms / 1000).unwrap_or(u32::MAX)
    }

    /// What happened until then is loaded before the clock starts.
    #[must_use]
    pub fn loaded_until(self) -> Timestamp {
        BEGINS.plus(-self.event_ms(WARM_UP_MS))
    }

    /// The first day begins when the wall's clock shows `at`.
    pub fn start_at(self, config: &mut Config, at: Timestamp) {
        let time = &mut config.time;
        time.clock = Clock::Accelerated;
        time.origin = BEGINS.to_string();
        time.start = at.to_string();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let factor = DAY_MS as f64 / self.day_on_wall_ms as f64;
        time.factor = factor;
    }
}

/// The configuration against brokers at `bootstrap`, with `prefix` before the names of topics and of the application, for so
/// many customers.
#[must_use]
pub fn config(bootstrap: &str, prefix: &str, customers: u32, pace: Pace) -> Config {
    let mut config = Config::default();
    config.application.id = format!("{prefix}moments");
    bootstrap.clone_into(&mut config.kafka.bootstrap);
    // The embedded broker wakes nobody for news, and a day is short.
    config
        .kafka
        .consumer
        .0
        .insert("fetch.wait.max.ms".to_owned(), "5".to_owned());
    config
        .kafka
        .producer
        .0
        .insert("linger.ms".to_owned(), "1".to_owned());
    let topics = &mut config.topics;
    let partitions = customers.div_ceil(CUSTOMERS_A_PARTITION);
    topics.partitions = partitions
        .clamp(PARTITIONS_MIN, PARTITIONS_MAX)
        .cast_signed();
    for name in [
        &mut topics.treatments,
        &mut topics.decisions,
        &mut topics.dead_letters,
        &mut topics.late_events,
        &mut topics.reports,
    ] {
        name.insert_str(0, prefix);
    }
    let sources: [(&mut Source, &str); 6] = [
        (&mut topics.cart, "cart"),
        (&mut topics.clickstream, "clickstream"),
        (&mut topics.outcomes, "outcomes"),
        (&mut topics.profile, "profile"),
        (&mut topics.purchase, "purchase"),
        (&mut topics.support, "support"),
    ];
    for (source, name) in sources {
        source.name = Some(format!("{prefix}{name}"));
        source.lateness = Span {
            ms: pace.event_ms(LATENESS_ON_WALL_MS),
        };
    }
    config.time.idle_delay = Span { ms: 1_000 };
    config.http.listen = free_address(config.http.listen);
    config
}

/// The usual port, or any that is free.
fn free_address(usual: SocketAddr) -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let bound = TcpListener::bind(usual).or_else(|_| TcpListener::bind(any));
    bound
        .and_then(|listener| listener.local_addr())
        .unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::super::otto;
    use super::*;

    #[test]
    fn real_sessions_keep_their_weekday_and_hour() {
        assert_eq!((BEGINS.0 - otto::BEGINS.0) % (7 * DAY_MS), 0);
        assert_eq!(BEGINS.to_string(), "2026-03-01T22:00:00.000Z");
    }

    #[test]
    fn the_clock_shows_the_first_day_when_it_starts() {
        let starts_at = Timestamp(1_000_000_000_000);
        for speed in [0.5, 1.0, 2.0] {
            let pace = Pace::new(speed);
            let mut config = config("127.0.0.1:9092", "demo-", 1000, pace);
            pace.start_at(&mut config, starts_at);
            let mode = config.time.mode();
            assert_eq!(mode.reading(starts_at), Some(BEGINS));
            assert_eq!(
                mode.reading(starts_at.plus(-WARM_UP_MS)),
                Some(pace.loaded_until())
            );
            assert_eq!(
                mode.reading(starts_at.plus(pace.day_on_wall_ms)),
                Some(BEGINS.plus(DAY_MS))
            );
        }
        assert_eq!(Pace::new(1.0).seconds(), 42);
    }
}
