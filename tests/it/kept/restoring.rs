//! The kept changelog, restored into the engine: the same customers, and from there on the same decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use moments::config::Config;
use moments::decode::Decoder;
use moments::encode::Encoder;
use moments::engine::{Effect, Engine, Input};
use moments::event::Position;
use moments::event::record::Origin;
use moments::http;
use moments::task::journal::{Line, Step};
use moments::task::record::{self, TaskRecord};
use moments::time::Timestamp;
use moments::trigger::plan::Plan;
use moments::trigger::published::Published;
use moments::trigger::set::Basis;
use serde_json::Value;

use super::fixture::{
    CHANGELOG, CONTROL, DECISIONS, INPUTS, JOURNAL, Kept, Record, TREATMENTS, config,
};
use super::history::PARTITIONS;
use super::{lacks, without_baskets};
use moments::runtime::murmur2;

/// A task of the kept application.
struct Restored<'a> {
    kept: &'a Kept,
    partition: i32,
    engine: Engine,
    plans: BTreeMap<String, Arc<Plan>>,
    decoder: Decoder,
    encoder: Encoder,
    /// What was published: topic, key, value.
    published: Vec<(String, Vec<u8>, Vec<u8>)>,
}

/// Which changelog records there are still.
#[derive(Clone, Copy, Debug)]
enum Changelog {
    /// All.
    Whole,
    /// The last of each key.
    Compacted,
}

impl<'a> Restored<'a> {
    fn new(kept: &'a Kept, partition: i32, changelog: Changelog) -> Self {
        let config = config();
        let basis = basis(&config);
        let plans = plans(kept, &basis);
        let mut records: Vec<&Record> = kept
            .of(CHANGELOG)
            .filter(|it| it.record.partition == partition && kept.is_before_stop(it))
            .collect();
        if matches!(changelog, Changelog::Compacted) {
            let last: BTreeMap<_, _> = records.iter().map(|it| (&it.record.key, *it)).collect();
            records = last.into_values().collect();
            records.sort_by_key(|it| it.record.offset);
        }
        let is_own = |it: &&&Record| it.record.key.as_deref() == Some(record::KEY);
        let own = records.iter().rfind(is_own).expect("a task record");
        let value = own.record.value.as_deref().expect("no tombstone");
        let own = TaskRecord::unpack(value).expect("a task record that is still read");
        let plan = Arc::clone(&plans[&own.revision]);
        let mut engine = Engine::new(plan).salted(config.erasure_salt());
        for record in records.iter().filter(|it| !is_own(it)) {
            let key = record.record.key.as_deref().expect("a key");
            let restored = engine.restore(key, record.record.value.as_deref());
            restored.expect("a state that is still read");
        }
        engine.restored(own.watermark);
        let decoder = Decoder::new(basis.vocabulary, Arc::new(basis.attributes));
        Self {
            kept,
            partition,
            engine,
            plans,
            decoder,
            encoder: Encoder::json(config.publishing()),
            published: Vec::new(),
        }
    }

    /// Compares the customers of the task with what was said of them.
    fn compare(&self, when: &str, said: &BTreeMap<String, Value>) {
        let own = |id: &str| murmur2::partition(id.as_bytes(), PARTITIONS) == self.partition;
        for (id, expected) in said.iter().filter(|(id, _)| own(id)) {
            let customer = self.engine.customer(id);
            // What fades with time was shown before it began to.
            let shown = |customer| http::customer(&customer, self.engine.plan(), Timestamp(0));
            let found = customer.map_or(Value::Null, shown);
            if let Some(lacking) = lacks(expected, &found) {
                panic!("{id} {when}: {lacking}\nfound {found}");
            }
        }
    }

    /// Does what a line of the journal says was done.
    fn play(&mut self, line: Line) {
        let plan = Arc::clone(&self.plans[&line.revision]);
        let adopts = line.steps.iter().any(|step| step.adopt.is_some());
        if !adopts && !self.engine.works_by(&line.revision) {
            self.adopt(&plan, 0, line.now);
        }
        for step in line.steps {
            self.step(&plan, step);
        }
        self.engine.seal();
        self.engine.committed();
    }

    fn step(&mut self, plan: &Arc<Plan>, step: Step) {
        for run in step.runs {
            let kept = self.kept;
            let partition = self.partition;
            let taken = kept
                .of(&run.0)
                .map(|it| &it.record)
                .filter(|it| it.partition == partition && (run.1..=run.2).contains(&it.offset));
            let topic = INPUTS.iter().position(|topic| *topic == run.0);
            for record in taken {
                let headers = record.headers.iter();
                let headers: Vec<_> = headers
                    .map(|(name, value)| (name.clone(), Some(value.clone())))
                    .collect();
                let origin = Origin {
                    topic: &run.0,
                    partition,
                    position: Position {
                        topic: topic
                            .and_then(|it| u8::try_from(it).ok())
                            .expect("an input"),
                        offset: record.offset,
                    },
                    key: record.key.as_deref(),
                    headers: &headers,
                    ..Origin::default()
                };
                let value = record.value.as_deref().unwrap_or_default();
                if let Ok(decoded) = self.decoder.decode(value, &origin) {
                    self.tell(Input::Event(Box::new(decoded.event)), step.now);
                }
            }
        }
        self.tell(Input::Watermark(step.watermark), step.now);
        if let Some(adoption) = step.adopt {
            let from = usize::try_from(adoption.from).expect("few");
            self.adopt(plan, from, step.now);
        }
    }

    fn adopt(&mut self, plan: &Arc<Plan>, from: usize, now: Timestamp) {
        let mut effects = Vec::new();
        let adopted = self.engine.adopt(plan, from, now, &mut effects);
        assert!(adopted.done, "these few go over at once");
        self.publish(effects);
    }

    fn tell(&mut self, input: Input, now: Timestamp) {
        let mut effects = Vec::new();
        self.engine.step(input, now, &mut effects);
        self.publish(effects);
    }

    fn publish(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Decided(decision) = effect else {
                continue;
            };
            let key = decision.customer.as_bytes().to_vec();
            let value = self.encoder.decision(&decision).0;
            self.published
                .push((DECISIONS.to_owned(), key.clone(), value));
            if let (Some(command), Some((value, _))) =
                (decision.command(), self.encoder.treatment(&decision))
            {
                let topic = format!("{TREATMENTS}{}", command.channel);
                self.published.push((topic, key, value));
            }
        }
    }
}

/// What triggers are checked against.
fn basis(config: &Config) -> Basis {
    Basis {
        vocabulary: Arc::new(config.vocabulary().expect("a vocabulary")),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: Arc::default(),
    }
}

/// The sets that were published, by revision.
fn plans(kept: &Kept, basis: &Basis) -> BTreeMap<String, Arc<Plan>> {
    let sets = kept.of(CONTROL).map(|it| &it.record);
    let plans = sets.map(|record| {
        let set = Published::parse(record.value.as_deref().unwrap_or_default());
        let set = set.expect("a set that is still read");
        let number = Published::number(record.offset);
        let plan = set
            .compile(number, basis)
            .expect("triggers that still pass");
        (plan.revision.to_string(), Arc::new(plan))
    });
    plans.collect()
}

/// What the kept build published of the task after the stop.
fn published_then(kept: &Kept, partition: i32, topic: &str) -> Vec<(String, String)> {
    let records = kept.of(topic).filter(|it| it.record.partition == partition);
    let records = records.filter(|it| !kept.is_before_stop(it));
    records
        .map(|it| (it.record.key_text(), without_baskets(&it.record.text())))
        .collect()
}

#[test]
fn customers_are_what_they_were_and_the_rest_of_the_history_is_decided_as_then() {
    let kept = Kept::load();
    for partition in 0..PARTITIONS {
        let mut task = Restored::new(&kept, partition, Changelog::Whole);
        task.compare("at the stop", &kept.told.stop.customers);
        let journal = kept.of(JOURNAL);
        let journal = journal.filter(|it| it.record.partition == partition);
        for record in journal.filter(|it| !kept.is_before_stop(it)) {
            task.play(serde_json::from_str(&record.record.text()).expect("a line"));
        }
        task.compare("at the end", &kept.told.end.customers);
        let topics = kept.topics().into_iter();
        for topic in topics.filter(|it| *it == DECISIONS || it.starts_with(TREATMENTS)) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let published = task.published.iter().filter(|it| it.0 == topic);
            let published = published.map(|it| (text(&it.1), without_baskets(&text(&it.2))));
            let published: Vec<_> = published.collect();
            assert_eq!(
                published,
                published_then(&kept, partition, topic),
                "{topic}"
            );
        }
    }
}

#[test]
fn a_compacted_changelog_says_the_same() {
    let kept = Kept::load();
    for partition in 0..PARTITIONS {
        let task = Restored::new(&kept, partition, Changelog::Compacted);
        task.compare("at the stop", &kept.told.stop.customers);
    }
}
