//! The clock that the process goes by.
//!
//! It runs by the monotonic clock, so that whatever waits for it gets there, and is kept at the wall's, so that it dates rightly. What
//! must stay true: it never goes back, and never jumps with the wall. A step of the wall's clock by more than [`STEP_MS`] is said, and
//! followed only once it has stood for a while and the brokers bear it out: forwards at once (the machine slept), backwards at half
//! the speed. So an hour that the wall is ahead for some seconds moves nothing.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// What NTP corrects in one go, and more: followed at once.
const STEP_MS: i64 = 1_000;
/// How long another time must have stood before it is followed, where the brokers have it, too.
const PATIENCE_MS: i64 = 30_000;
/// The same where they have not been heard.
const PATIENCE_ALONE_MS: i64 = 600_000;
/// How long what a broker said of its clock is worth anything.
const WITNESS_MS: i64 = 60_000;

static CLOCK: LazyLock<Mutex<Clock>> = LazyLock::new(|| {
    let now = Now::read();
    Mutex::new(Clock::new(&now))
});
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What it shows.
pub(crate) fn clock() -> Timestamp {
    let now = Now::read();
    let (shown, said) = {
        let mut clock = lock();
        let shown = clock.read(&now);
        (shown, clock.said.take())
    };
    match said {
        Some(Said::Stepped(ms)) => tracing::error!(
            stepped_ms = ms,
            "this machine's clock was set; it is not followed until that has stood for a while: until then moments are dated as if it had gone on"
        ),
        Some(Said::Back) => tracing::warn!("this machine's clock is back where it should be"),
        Some(Said::Followed(ms)) => tracing::warn!(
            by_ms = ms,
            "this machine's clock has stood as it was set, and is followed"
        ),
        None => {}
    }
    Timestamp(shown)
}

/// A broker had this time just now, or later.
pub(super) fn heard(broker: Timestamp) {
    let now = Now::read();
    lock().heard(&now, broker.0);
}

/// How far the wall's clock is ahead of what is gone by, milliseconds.
pub(super) fn off_ms() -> i64 {
    let now = Now::read();
    lock().off_ms(&now)
}

fn lock() -> MutexGuard<'static, Clock> {
    CLOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both clocks, milliseconds: since the process began, and since 1970.
struct Now {
    monotonic: i64,
    wall: i64,
}

impl Now {
    fn read() -> Self {
        let ms = |ms: u128| i64::try_from(ms).unwrap_or(i64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            monotonic: ms(START.elapsed().as_millis()),
            wall: ms(wall.unwrap_or_default().as_millis()),
        }
    }
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// The wall's clock jumped by so many ms.
    Stepped(i64),
    /// It jumped back.
    Back,
    /// It is followed.
    Followed(i64),
}

#[derive(Debug)]
struct Clock {
    /// What is shown less the monotonic clock.
    base: i64,
    /// The monotonic clock when it was last read.
    read_at: i64,
    /// Since when the wall's clock is elsewhere.
    off_since: Option<i64>,
    /// It has stood there, and is approached.
    follows: bool,
    /// The latest time of a broker, and the monotonic clock then.
    witness: Option<(i64, i64)>,
    said: Option<Said>,
}

impl Clock {
    fn new(now: &Now) -> Self {
        Self {
            base: now.wall - now.monotonic,
            read_at: now.monotonic,
            off_since: None,
            follows: false,
            witness: None,
            said: None,
        }
    }

    fn off_ms(&self, now: &Now) -> i64 {
        now.wall - (self.base + now.monotonic)
    }

    fn heard(&mut self, now: &Now, broker: i64) {
        // What was fetched may have been appended long ago: the latest says most.
        if self.broker(now).is_none_or(|known| broker >= known) {
            self.witness = Some((broker, now.monotonic));
        }
    }

    fn read(&mut self, now: &Now) -> i64 {
        let elapsed = (now.monotonic - self.read_at).max(0);
        self.read_at = self.read_at.max(now.monotonic);
        let off = self.off_ms(now);
        if off.abs() <= STEP_MS {
            if self.off_since.take().is_some() && !std::mem::take(&mut self.follows) {
                self.said = Some(Said::Back);
            }
            self.approach(off, elapsed);
        } else {
            let since = *self.off_since.get_or_insert_with(|| {
                self.said = Some(Said::Stepped(off));
                now.monotonic
            });
            if !self.follows && now.monotonic - since >= self.patience(now) {
                self.follows = true;
                self.said = Some(Said::Followed(off));
            }
            if self.follows {
                self.approach(off, elapsed);
            }
        }
        self.base + self.read_at
    }

    /// Forwards at once; backwards so that it still goes forwards.
    fn approach(&mut self, off: i64, elapsed: i64) {
        self.base += off.max(-(elapsed / 2));
    }

    /// What a broker's clock shows by now, where one was heard lately.
    fn broker(&self, now: &Now) -> Option<i64> {
        let (time, at) = self.witness?;
        let since = now.monotonic - at;
        (since <= WITNESS_MS).then_some(time + since)
    }

    /// A broker that has a time as late as the wall's bears it out, one that has none later than what is shown does so for a wall that
    /// was set back.
    fn patience(&self, now: &Now) -> i64 {
        match self.broker(now) {
            Some(broker) if (broker - now.wall).abs() <= 2 * STEP_MS => PATIENCE_MS,
            _ => PATIENCE_ALONE_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of a script: `+1000` both clocks run on; `wall+3600000`, `wall-500`: the wall is set; `heard`: a broker has the wall's
    /// time. After each, how far what is shown is from where it would be had nothing been set, and what is said.
    fn check(script: &str, expected: &str) {
        let mut now = Now {
            monotonic: 0,
            wall: 1_000_000_000,
        };
        let mut clock = Clock::new(&now);
        let mut seen = Vec::new();
        let mut shown = 0;
        for step in script.split(' ') {
            let number = |text: &str| text.parse::<i64>().expect("ms");
            if let Some(by) = step.strip_prefix("wall") {
                now.wall += number(by);
            } else if step == "heard" {
                clock.heard(&now, now.wall);
                continue;
            } else {
                now.monotonic += number(step);
                now.wall += number(step);
            }
            let read = clock.read(&now);
            assert!(read >= shown, "{script}: it goes back");
            shown = read;
            let said = clock
                .said
                .take()
                .map_or(String::new(), |said| format!(" {said:?}"));
            seen.push(format!("{}{said}", read - 1_000_000_000 - now.monotonic));
        }
        assert_eq!(seen.join(", "), expected, "{script}");
    }

    #[test]
    fn it_goes_on_whatever_the_wall_does() {
        for (script, expected) in [
            // As it is kept.
            ("+1000 wall+300 +1000", "0, 300, 300"),
            ("+1000 wall-300 +400 +1000", "0, 0, -200, -300"),
            // An hour ahead for some seconds.
            (
                "+1000 wall+3600000 heard +8000 wall-3600000 +1000",
                "0, 0 Stepped(3600000), 0, 0 Back, 0",
            ),
            // The machine slept, and the brokers know.
            (
                "wall+3600000 +20000 heard +10000 +1000",
                "0 Stepped(3600000), 0, 3600000 Followed(3600000), 3600000",
            ),
            // Nobody knows.
            (
                "wall+3600000 +30000 +569000 +1000",
                "0 Stepped(3600000), 0, 0, 3600000 Followed(3600000)",
            ),
            // It was wrong, and is put right: at half the speed.
            (
                "wall-10000 heard +30000 +2000 +2000 +20000",
                "0 Stepped(-10000), -10000 Followed(-10000), -10000, -10000, -10000",
            ),
            (
                "wall-60000 heard +30000 +2000 +200000",
                "0 Stepped(-60000), -15000 Followed(-60000), -16000, -60000",
            ),
            // Another time than the brokers'.
            ("heard wall+90000 +30000", "0 Stepped(90000), 0"),
        ] {
            check(script, expected);
        }
    }
}
