//! Reads back what was decided, hears what was done, and shows both.

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::decided::Decided;
use super::deeds::Told;
use super::picture::{View, picture};
use super::programmes::Programmes;
use super::screen::{Screen, Wish};
use super::stories::Stories;
use super::svg::svg;
use super::tally::Tally;
use super::world::{self, Pace};
use super::{DemoError, DemoSettings, broker, client, end, otto};
use crate::config::Config;
use crate::time::{DAY_MS, Timestamp};

/// Between two looks for news.
const TICK: Duration = Duration::from_millis(50);
/// Over how many ticks a rate is measured: two seconds.
const RATE_TICKS: usize = 40;
/// At the end the last decisions have so long to come, on the wall.
const LAST_ON_WALL_MS: i64 = 750;
/// What is drawn for whoever is not there: columns and rows of a terminal.
const DRAWN: (u16, u16) = (112, 58);

/// What is shown; a macro, for the screen is lent at the same time.
macro_rules! view {
    ($show:expr, $now:expr, $pointers:expr) => {
        View {
            programmes: $show.programmes,
            tally: &$show.tally,
            stories: &$show.stories,
            from: world::BEGINS,
            now: $now,
            days: $show
                .until
                .map(|until| (until.0 - world::BEGINS.0 + DAY_MS - 1) / DAY_MS),
            events: $show.events,
            rate: $show.rate(),
            pointers: $pointers,
        }
    };
}

/// The audience's side of the demo.
pub struct Show<'a> {
    programmes: &'a Programmes,
    config: &'a Config,
    decisions: BaseConsumer,
    told: Receiver<Told>,
    tally: Tally,
    stories: Stories,
    screen: Screen,
    until: Option<Timestamp>,
    events: u64,
    lately: VecDeque<(Instant, u64)>,
    is_real: bool,
    is_held: bool,
    pace: Pace,
}

impl<'a> Show<'a> {
    /// Ready to begin; says on the screen what is about to be seen.
    ///
    /// # Errors
    /// Where the decisions cannot be read, or nothing be shown.
    pub fn new(
        settings: &DemoSettings,
        config: &'a Config,
        programmes: &'a Programmes,
        told: Receiver<Told>,
    ) -> Result<Self, DemoError> {
        let decisions: BaseConsumer = client(config)
            .set("group.id", "demo-screen")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "20")
            .create()?;
        let mut partitions = TopicPartitionList::new();
        for partition in 0..config.topics.partitions {
            partitions.add_partition_offset(
                &config.topics.decisions,
                partition,
                Offset::Beginning,
            )?;
        }
        decisions.assign(&partitions)?;
        let show = Self {
            programmes,
            config,
            decisions,
            told,
            tally: Tally::new(&programmes.plan, world::BEGINS),
            stories: Stories::new(world::BEGINS),
            screen: Screen::new(),
            until: end(settings),
            events: 0,
            lately: VecDeque::new(),
            is_real: settings.kafka.is_some(),
            is_held: false,
            pace: settings.pace,
        };
        show.screen.say(&show.programme(settings))?;
        Ok(show)
    }

    /// Shows until it is over by the demo's clock, or `over` says so; then the whole, once more.
    ///
    /// # Errors
    /// Where a decision cannot be read, or nothing be shown.
    pub fn run(
        &mut self,
        now: impl Fn() -> Timestamp,
        over: impl Fn() -> bool,
    ) -> Result<(), DemoError> {
        let last = self.until.map_or(Timestamp::MAX, |until| {
            until.plus(self.pace.event_ms(LAST_ON_WALL_MS))
        });
        while now() < last && !over() {
            self.listen()?;
            if !self.heed(now()) {
                break;
            }
            let pointers = self.pointers();
            self.screen
                .show(&view!(self, now(), &pointers), self.is_held)?;
            thread::park_timeout(TICK);
        }
        Ok(())
    }

    /// Shows the whole, to stay; draws it, too, where somebody asked for a drawing.
    ///
    /// # Errors
    /// Where nothing can be shown or drawn.
    pub fn end(&mut self, now: Timestamp, settings: &DemoSettings) -> Result<(), DemoError> {
        let now = now.min(self.until.unwrap_or(Timestamp::MAX));
        self.stories.seat_best();
        let mut pointers = self.pointers();
        if let Some(path) = &settings.svg {
            let (columns, rows) = DRAWN;
            let view = view!(self, now, &pointers);
            let lines = picture(&view, columns.into(), rows.into());
            fs::write(path, svg(lines, columns, rows))?;
        }
        // What was embedded here is gone when this is read, and so is HTTP.
        pointers.retain(|(what, _)| self.is_real && *what != "browser");
        self.screen.end(&view!(self, now, &pointers))?;
        self.screen.say(&self.epilogue(settings))?;
        Ok(())
    }

    /// Does what somebody at the keyboard wishes. False: to end.
    fn heed(&mut self, now: Timestamp) -> bool {
        for wish in self.screen.wishes() {
            match wish {
                Wish::Quit => return false,
                Wish::Hold => self.is_held = !self.is_held,
                Wish::Another => self.stories.seat_another(now),
            }
        }
        true
    }

    /// Takes in what was done and what was decided since it listened last.
    fn listen(&mut self) -> Result<(), DemoError> {
        for told in self.told.try_iter() {
            self.events += 1;
            self.stories.told(told);
        }
        // An error here is news of a connection, which librdkafka mends by itself.
        while let Some(record) = self.decisions.poll(Duration::ZERO) {
            if let Ok(Some(payload)) = record.as_ref().map(Message::payload) {
                let decided = Decided::read(payload)?;
                self.tally.add(&decided);
                self.stories.decided(decided);
            }
        }
        self.lately.push_back((Instant::now(), self.events));
        if self.lately.len() > RATE_TICKS {
            self.lately.pop_front();
        }
        Ok(())
    }

    fn rate(&self) -> f64 {
        let (Some((since, before)), Some((until, after))) =
            (self.lately.front(), self.lately.back())
        else {
            return 0.0;
        };
        #[expect(clippy::cast_precision_loss, reason = "events of two seconds")]
        let events = (after - before) as f64;
        events / until.duration_since(*since).as_secs_f64().max(0.001)
    }

    /// Where to look for more, while it runs.
    fn pointers(&self) -> Vec<(&'static str, String)> {
        let http = self.config.http.listen;
        let customer = self.stories.seated().next();
        let paths = customer.map_or("/metrics".to_owned(), |id| {
            format!("/customers/{id}  or /metrics")
        });
        let kcat = |topic: &str| {
            format!(
                "kcat -b {} -C -t {topic} -o end",
                self.config.kafka.bootstrap
            )
        };
        let topics = &self.config.topics;
        vec![
            ("browser", format!("http://{http}{paths}")),
            ("kcat", kcat(&topics.treatments_of("email"))),
            ("", kcat(&topics.decisions)),
        ]
    }

    /// What is about to be seen, and what of it is real.
    fn programme(&self, settings: &DemoSettings) -> String {
        let bootstrap = &self.config.kafka.bootstrap;
        let broker = match self.prefix() {
            Some(prefix) => format!("Kafka at {bootstrap}, in topics named {prefix}*"),
            None => format!("an embedded broker at {bootstrap}"),
        };
        let day = settings.pace.day_on_wall_ms;
        let day = format!("{}.{} s", day / 1000, day % 1000 / 100);
        let lasts = settings
            .seconds
            .map_or("it goes on until Ctrl-C".to_owned(), |s| {
                format!("it ends after {s} s")
            });
        let mut text = format!(
            "Events become treatments, on {broker}.\n\
             A day lasts {day}, and {lasts}. Seed {}.\n\
             {} customers are made up; the shop has {} weeks of their orders on file.\n\
             20 are real: {},\n\
             four weeks of 2022 moved to 2026; their prices and consent are made up.\n",
            settings.seed,
            settings.customers,
            world::HISTORY_DAYS / 7,
            otto::ATTRIBUTION,
        );
        if !self.screen.is_terminal() {
            let pointers: Vec<_> = self
                .pointers()
                .into_iter()
                .map(|(_, address)| format!("  {address}\n"))
                .collect();
            text.push_str(&format!("Look while it runs:\n{}", pointers.concat()));
        }
        text
    }

    /// What is worth knowing when it is over.
    fn epilogue(&self, settings: &DemoSettings) -> String {
        let kept = settings.record.as_ref().map_or(String::new(), |path| {
            let file = path.display();
            format!(
                "\nIts records are in {file}. Try other triggers on them: moments rehearse {file}\n"
            )
        });
        match self.prefix() {
            Some(prefix) => format!("{kept}\nIts topics stay on the broker, named {prefix}*."),
            None => format!(
                "{kept}\nUnlike Kafka (./dev demo --kafka), the embedded broker\n  {}",
                broker::LIMITS.join("\n  ")
            ),
        }
    }

    /// What names of topics begin with on a broker that keeps them.
    fn prefix(&self) -> Option<&str> {
        self.is_real
            .then(|| self.config.topics.decisions.trim_end_matches("decisions"))
    }
}
