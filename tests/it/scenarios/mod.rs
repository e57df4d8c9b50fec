//! Every sentence of the trigger language's meanings that can be put into a table: events in,
//! decisions out.

mod adoption;
mod bounds;
mod calendars;
mod deadlines;
mod erasure;
mod holding;
mod identity;
mod journeys;
mod policy;
mod predictions;
mod rates;
mod said;
mod seeding;
mod segment;
mod tables;
mod taken_back;
mod things;
mod thresholds;

use std::collections::BTreeMap;
use std::sync::Arc;

use moments::decode::{Decoded, Decoder, EVENT_NAME};
use moments::document::report::Source;
use moments::engine::{Effect, Engine, Input};
use moments::event::record::Origin;
use moments::event::{Event, Position, Vocabulary};
use moments::time::Timestamp;
use moments::treatment::Outcome;
use moments::trigger::plan::{Plan, Policy};
use moments::trigger::set::{self, Basis};

const LATENESS_MS: i64 = 60_000;

/// An engine for one trigger and one customer, driven by lines.
struct Bench {
    engine: Engine,
    decoder: Decoder,
    now: Timestamp,
    seen: Timestamp,
    offset: i64,
    effects: Vec<Effect>,
}

fn plan(trigger: &str, policy: Policy) -> Plan {
    let basis = Basis {
        vocabulary: Arc::new(Vocabulary::standard()),
        attributes: BTreeMap::new(),
        policy,
        mappings: Arc::default(),
    };
    // Behind a line of its own stand the files that it asks for.
    let files = format!("trigger: t\n{trigger}\n");
    let files = files.split("\n===\n");
    let sources: Vec<Source> = files
        .map(|text| Source::new("t.yaml", format!("{text}\n")))
        .collect();
    match set::compile(&sources, &basis) {
        Ok(plan) => plan,
        Err(reports) => panic!("{reports:?}"),
    }
}

/// A trigger that treats on the site, which needs no consent, at any time after.
fn onsite(moment: &str) -> String {
    format!(
        "moment: {{ {moment} }}\ntreatments: [{{ channel: onsite, template: x }}]\npolicy: {{ good_for: 1000d }}"
    )
}

impl Bench {
    fn new(trigger: &str, policy: Policy) -> Self {
        Self {
            engine: Engine::new(Arc::new(plan(trigger, policy))),
            decoder: Decoder::new(Arc::new(Vocabulary::standard()), Arc::default()),
            now: Timestamp::MIN,
            seen: Timestamp::MIN,
            offset: 0,
            effects: Vec::new(),
        }
    }

    /// `TIME Event Name {properties}`, `TIME identify {traits}`, `now TIME`, `until TIME`; `odd TIME ...` where something of it
    /// cannot be read. `#ID` at the end is the message's id, and `anonymousId=d1` before the name says whose it is, if it is not
    /// `ana`'s.
    fn line(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').expect("two words");
        let instant = |text: &str| Timestamp::parse(text).expect("an instant");
        match first {
            "now" => self.now = instant(rest),
            "until" => self.until(instant(rest)),
            "odd" => {
                let (time, rest) = rest.split_once(' ').expect("two words");
                let decoded = self.decoded(time, rest);
                assert_ne!(decoded.defects, [], "{rest}");
                self.take(decoded.event);
            }
            time => {
                let mut decoded = self.decoded(time, rest);
                // Names of events that nobody declared are some of the cases.
                decoded.defects.retain(|defect| defect.name != EVENT_NAME);
                assert_eq!(decoded.defects, [], "{rest}");
                self.take(decoded.event);
            }
        }
    }

    fn decoded(&mut self, time: &str, rest: &str) -> Decoded {
        let (rest, id) = rest.rsplit_once('#').unwrap_or((rest, ""));
        let (whose, rest) = whose(rest);
        let (name, said) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        let said = if said.trim().is_empty() { "{}" } else { said };
        let name = name.trim();
        let (kind, field, topic) = match name {
            "identify" => ("identify", "traits", 3),
            "alias" => ("alias", "traits", 3),
            _ if name.starts_with("Order") => ("track", "properties", 4),
            "Product Added" | "Cart Viewed" => ("track", "properties", 0),
            _ => ("track", "properties", 1),
        };
        let text = format!(
            r#"{{"type":"{kind}","event":"{name}",{whose},"messageId":"{id}","timestamp":"{time}","{field}":{said}}}"#
        );
        self.offset += 1;
        let position = Position {
            topic,
            offset: self.offset,
        };
        let origin = Origin {
            topic: "t",
            position,
            ..Origin::default()
        };
        let decoded = self.decoder.decode(text.as_bytes(), &origin);
        decoded.unwrap_or_else(|reject| panic!("{text}: {reject}"))
    }

    /// One event, and as far as it moves time.
    fn take(&mut self, event: Event) {
        self.seen = self.seen.max(event.time);
        self.now = self.now.max(event.time);
        self.step(Input::Event(Box::new(event)));
        self.step(Input::Watermark(self.seen.plus(-LATENESS_MS - 1)));
    }

    fn until(&mut self, time: Timestamp) {
        self.now = self.now.max(time);
        self.step(Input::Watermark(time));
    }

    fn step(&mut self, input: Input) {
        self.engine.step(input, self.now, &mut self.effects);
    }

    /// Decisions as `TIME [OCCURRENCE] treat` or `... REASON`; the occurrence where it has a `per`.
    fn decisions(&self) -> Vec<String> {
        let shown = |effect: &Effect| {
            let Effect::Decided(decision) = effect else {
                return None;
            };
            let word = match &decision.outcome {
                Outcome::Treat(_) => "treat",
                Outcome::Refuse(reason, _) => reason.word(),
                Outcome::Withdraw(withdrawal) => {
                    let at = decision.moment_at.to_string().replace(".000Z", "Z");
                    return Some(format!("{at} back: {}", withdrawal.reason.word()));
                }
            };
            let at = decision.moment_at.to_string().replace(".000Z", "Z");
            let per = decision.occurrence.split_once('@');
            let per = per.map_or(String::new(), |(key, _)| format!("{key} "));
            let whose = match decision.customer.as_str() {
                "ana" => String::new(),
                another => format!("{another} "),
            };
            Some(format!("{at} {whose}{per}{word}"))
        };
        self.effects.iter().filter_map(shown).collect()
    }
}

/// The fields that say whose an event is, and the rest of its line.
fn whose(mut rest: &str) -> (String, &str) {
    let mut fields = Vec::new();
    while let Some((word, behind)) = rest.split_once(' ')
        && let Some((field, id)) = word.split_once('=')
    {
        fields.push(format!(r#""{field}":"{id}""#));
        rest = behind;
    }
    if fields.is_empty() {
        fields.push(r#""userId":"ana""#.to_owned());
    }
    (fields.join(","), rest)
}

/// What is decided of one customer.
fn decisions(trigger: &str, policy: &Policy, lines: &[&str]) -> Vec<String> {
    let mut bench = Bench::new(trigger, policy.clone());
    for line in lines {
        bench.line(line);
    }
    bench.decisions()
}

/// Holds what is decided of one customer, by an engine that goes on and by one that is restored
/// after every line.
fn check_with(trigger: &str, policy: &Policy, lines: &[&str], expected: &[&str]) {
    let mut bench = Bench::new(trigger, policy.clone());
    let mut restored = Bench::new(trigger, policy.clone());
    let mut changelog = BTreeMap::new();
    for line in lines {
        bench.line(line);
        restored.line(line);
        changelog.extend(restored.engine.seal());
        let mut engine = Engine::new(Arc::clone(restored.engine.plan()));
        for (key, value) in &changelog {
            let read = engine.restore(key, value.as_deref());
            read.expect("what it packed itself");
        }
        engine.restored(restored.engine.watermark());
        restored.engine = engine;
    }
    assert_eq!(bench.decisions(), expected, "{trigger}\n{lines:#?}");
    let after = restored.decisions();
    assert_eq!(after, expected, "restored: {trigger}\n{lines:#?}");
}

fn check(trigger: &str, lines: &[&str], expected: &[&str]) {
    check_with(trigger, &Policy::for_everybody(), lines, expected);
}
