//! The clock of a rehearsal, and what it says of time: of the records alone, whoever works on them.

use crate::task::watermark::{ClockMode, TopicSettings, Unread, Watermarks};
use crate::time::Timestamp;

/// Where time stands when a record has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    /// What silence brought before it, where it did.
    pub silence: Option<Silence>,
    /// What the clock shows.
    pub now: Timestamp,
    /// Where the watermark is when the record was taken.
    pub watermark: Timestamp,
}

/// Nothing came: time moves all the same, and stops at each deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// Up to here.
    pub to: Timestamp,
    /// So long after a deadline, by the clock, silence leads time there, milliseconds.
    pub lag_ms: i64,
}

/// Runs from record to record.
pub(super) struct Clock {
    watermarks: Watermarks,
    idle_delay_ms: i64,
    is_event: bool,
    now: Timestamp,
}

impl Clock {
    /// Nothing has come yet.
    pub fn new(topics: Vec<TopicSettings>, mode: &ClockMode, idle_delay_ms: i64) -> Self {
        Self {
            watermarks: Watermarks::new(topics),
            idle_delay_ms,
            is_event: *mode == ClockMode::Event,
            now: Timestamp::MIN,
        }
    }

    /// An event arrives of the customer with this hash. Whatever else stands in the files has not arrived yet.
    pub fn arrives(
        &mut self,
        (topic, customer): (usize, u64),
        time: Timestamp,
        arrived: Timestamp,
    ) -> Tick {
        let silence = self.runs_to(arrived);
        self.watermarks.see(topic, customer, time, arrived);
        let now = match self.is_event {
            true => self.watermarks.shown(),
            false => Some(arrived),
        };
        self.now = self.now.max(now.unwrap_or(Timestamp::MIN));
        let watermark = self.watermarks.reached(|_| Unread::Nothing);
        self.watermarks.set_task(watermark);
        self.tick(silence)
    }

    /// The clock runs to where somebody looks on no more.
    pub fn stops_at(&mut self, until: Timestamp) -> Tick {
        let silence = self.runs_to(until);
        self.now = self.now.max(until);
        self.tick(silence)
    }

    /// Nothing comes any more: time moves to the largest event time that may be believed.
    pub fn ends(&mut self) -> Tick {
        let mut silence = None;
        match self.watermarks.last() {
            Some(last) if self.is_event => self.watermarks.set_task(last),
            Some(last) => silence = Some(self.silence(last.min(self.now))),
            None => {}
        }
        self.tick(silence)
    }

    /// The largest event time that may be believed; none: nothing came.
    pub fn last(&self) -> Option<Timestamp> {
        self.watermarks.last()
    }

    /// The clock runs to the arrival of the next record: what silence brings until then is decided on the way.
    fn runs_to(&mut self, arrived: Timestamp) -> Option<Silence> {
        let is_silent = !self.is_event && arrived > self.now.plus(self.idle_delay_ms);
        is_silent.then(|| {
            let (since, delay) = (self.now, self.idle_delay_ms);
            let silent = self
                .watermarks
                .idle(&ClockMode::Wall, arrived, since, delay);
            self.silence(silent)
        })
    }

    fn silence(&mut self, to: Timestamp) -> Silence {
        let (mode, delay) = (ClockMode::Wall, self.idle_delay_ms);
        let lag = self
            .watermarks
            .idle_due(&mode, Timestamp(0), self.now, delay);
        let to = to.max(self.watermarks.task());
        self.watermarks.set_task(to);
        Silence {
            to,
            lag_ms: lag.map_or(0, |lag| lag.0),
        }
    }

    fn tick(&self, silence: Option<Silence>) -> Tick {
        Tick {
            silence,
            now: self.now,
            watermark: self.watermarks.task(),
        }
    }
}
