//! Scenarios: unit tests of a trigger, in `*.test.yaml` beside it, that a marketer can read and write.
//!
//! ```yaml
//! - test: an order just in time cancels the reminder
//!   profile: { timezone: Europe/Madrid, consent: [email] }
//!   events: |
//!     2026-03-02T10:00:00Z  Product Added    { product_id: p1, price: 30.00, quantity: 1 }
//!     2026-03-02T10:30:00Z  Order Completed  { order_id: o1, total: 30.00 }
//!   expect: []
//! ```
//!
//! - The trigger is the one in the file of the same name (`abandoned-cart.yaml` beside
//!   `abandoned-cart.test.yaml`), or the one that `trigger:` names. It is alone but for those that `with:` names, and one in
//!   shadow is tested as if it were live.
//! - `anonymous: true` says that the customer is known by an anonymous id only.
//! - `policy` is what is to be otherwise in `[policy]` of the configuration: `{ quiet_hours: { default: 22:00-08:00 } }`.
//! - `held_out: true` says that she is held out; else nobody is, whatever the triggers say.
//! - `profile` is what an identify call says of the customer just before the first event.
//! - `events` are lines of time, name and properties, or a list of such lines, or of
//!   mappings `{ time, event, properties, context, id }`. They arrive in this order; where nothing is said of lateness, with one
//!   of 0. After the last, time runs on from deadline to deadline until `until`, or as long as there
//!   are deadlines, at most 400 days.
//! - `lateness: 10m` says that they come by a topic of which that much is allowed: they are taken, and time moves, as in a rehearsal
//!   of a file that holds them. `appended=2026-03-02T10:00:30Z` before a name (or as a key of a mapping) says when the broker
//!   appended it, where it stamps that itself: no event happens later.
//! - `everybody:` before a name (or `everybody: true` in a mapping) says that it happened to everybody, as a topic for everybody
//!   tells it: `2026-03-02T10:00:00Z  everybody: Price Dropped  { product_id: p1 }`.
//! - Ids before a name (or as keys of a mapping) say whose it is, where that is not the one customer: `2026-03-02T10:00:00Z
//!   anonymousId=d1 Product Viewed  { product_id: p1 }`, and then `userId=ana anonymousId=d1 Identify`, by which both become one;
//!   `userId=ana previousId=a1 Alias`.
//! - `rows: { catalogue: { p1: { price: 5 } } }` are those that topics of tables and of suppression lists have brought before, by topic
//!   and key.
//! - `expect` lists all treatments in order, each with the keys that are to be checked: `at` (when the
//!   moment came true), `channel`, `template`, `offer`, `data`, `valid_until`; and among them each that is
//!   taken back, with `withdrawn`, the reason. Of a mapping inside
//!   `offer` or `data`, only the keys that are written are checked.
//! - `refused`, where it is given, lists all refusals in order: `at`, `reason`.

mod arrive;
mod events;
pub mod mapping;
mod play;
mod rows;
mod shown;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::decode::Decoder;
use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::suggest::closest;
use crate::document::typed;
use crate::document::yaml::{self, Node, Yaml};
use crate::time::Timestamp;
use crate::treatment::code::Key;
use crate::treatment::{Reason, Undone};
use crate::trigger::definition::limits::NAME_BYTES;
use crate::trigger::plan::Plan;
use crate::trigger::policy::{Policy, Share};
use crate::trigger::set::{self, Basis};
pub use events::Happening;
use events::Told;
pub use rows::Row;

/// Bounds of a file of scenarios.
pub mod limits {
    /// Scenarios of one file: beyond this they belong to several triggers.
    pub const SCENARIOS: usize = 200;
    /// Triggers beside the one that a scenario is about.
    pub const WITH: usize = 20;
    /// How long after the last event deadlines are waited for, in days.
    pub const DAYS_AFTER: i64 = 400;
    /// Treatments or refusals of one scenario, for the schema.
    pub const EXPECTED: usize = 1000;
    /// A name that is expected, for the schema.
    pub const TEXT_BYTES: usize = 256;
}

/// The keys of a scenario.
pub const SCENARIO: Keys = Keys {
    of: "a scenario",
    known: &[
        Known::required(
            "test",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it shows, in words.",
        ),
        Known::optional(
            "trigger",
            Shape::Text(NAME_BYTES),
            "The trigger it is about, where that is not the one in the file of the same name.",
        ),
        Known::optional(
            "with",
            Shape::List(&Shape::Text(NAME_BYTES), 1, limits::WITH),
            "Other triggers below the same directory that are live beside it: what is expected is then of all of them.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "More words. For people.",
        ),
        Known::default(
            "anonymous",
            "false",
            Shape::Bool,
            "Whether the customer is known by an anonymous id only.",
        ),
        Known::optional(
            "profile",
            Shape::Open(&events::PROFILE),
            "What an identify call said of the customer just before the first event; declared attributes too.",
        ),
        Known::optional(
            "policy",
            Shape::Typed("policy", Policy::schema),
            "Of the policy, what is to be otherwise than configured: `{ quiet_hours: { default: 22:00-08:00 } }`.",
        ),
        Known::default(
            "held_out",
            "false",
            Shape::Bool,
            "Whether she is one of those who are held out, of every trigger that holds any out. Without it nobody is, nor is anybody in the control group; unless `policy` says something of it here.",
        ),
        Known::optional(
            "rows",
            rows::SHAPE,
            "The rows that topics of tables and of suppression lists have brought before, by topic and key: `{ catalogue: { p1: { price: 5 } } }`.",
        ),
        Known::required(
            "events",
            events::SHAPE,
            "What happens, in order of arrival: lines of time, name and properties.",
        ),
        Known::optional(
            "lateness",
            Shape::Duration,
            "How late an event may come, as of a topic: what comes later is late. Then time moves as it does live, also where an event was `appended` at another time than it happened; without either, each event is taken as it comes, and time moves with it.",
        ),
        Known::optional(
            "until",
            Shape::Instant,
            "How long time runs on; without it, as long as there are deadlines, at most 400 days.",
        ),
        Known::required(
            "expect",
            Shape::List(&Shape::Mapping(&TREATMENT), 0, limits::EXPECTED),
            "All treatments, in order.",
        ),
        Known::optional(
            "refused",
            Shape::List(&Shape::Mapping(&REFUSAL), 0, limits::EXPECTED),
            "All refusals, in order; without it they are not checked.",
        ),
    ],
    later: &[],
};
const TREATMENT: Keys = Keys {
    of: "an expected treatment",
    known: &[
        Known::optional("at", Shape::Instant, "When the moment came true."),
        Known::optional("trigger", Shape::Text(NAME_BYTES), "Whose moment it was."),
        Known::optional(
            "customer",
            Shape::Text(limits::TEXT_BYTES),
            "The customer's id.",
        ),
        Known::optional("channel", Shape::Text(limits::TEXT_BYTES), "Its channel."),
        Known::optional("template", Shape::Text(limits::TEXT_BYTES), "Its template."),
        Known::optional(
            "offer",
            Shape::Values,
            "Of the offer, only what is written is checked; null: it is not there.",
        ),
        Known::optional(
            "data",
            Shape::Values,
            "Of the data, only what is written is checked; null: it is not there.",
        ),
        Known::optional(
            "valid_until",
            Shape::Instant,
            "Until when it may be carried out.",
        ),
        Known::optional(
            "withdrawn",
            Shape::Words(&WITHDRAWN),
            "That the treatment of that moment is taken back, and why.",
        ),
    ],
    later: &[],
};
const REFUSAL: Keys = Keys {
    of: "an expected refusal",
    known: &[
        Known::optional("at", Shape::Instant, "When the moment came true."),
        Known::optional("trigger", Shape::Text(NAME_BYTES), "Whose moment it was."),
        Known::optional(
            "customer",
            Shape::Text(limits::TEXT_BYTES),
            "The customer's id.",
        ),
        Known::optional("reason", Shape::Words(&REASONS), "Why it was refused."),
    ],
    later: &[],
};

/// The words for all reasons.
const REASONS: [&str; Reason::ALL.len()] = {
    let mut words = [""; Reason::ALL.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = Reason::ALL[i].word();
        i += 1;
    }
    words
};

/// The words for why something is taken back.
const WITHDRAWN: [&str; Undone::ALL.len()] = {
    let mut words = [""; Undone::ALL.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = Undone::ALL[i].word();
        i += 1;
    }
    words
};

/// One scenario.
#[derive(Debug)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// Its file.
    pub source: Source,
    /// Where its name stands.
    pub span: Range<usize>,
    /// The trigger it is about, where it says so.
    pub trigger: Option<(String, Range<usize>)>,
    /// The triggers beside it.
    pub with: Vec<(String, Range<usize>)>,
    /// The policy, where it is not the configured one.
    pub policy: Option<Policy>,
    /// Who is held out.
    pub arm: Arm,
    /// What topics of rows have brought before.
    pub rows: Vec<Row>,
    /// What happens, in order of arrival.
    pub events: Vec<Happening>,
    /// How late they may come, ms, where that is said.
    pub lateness_ms: Option<i64>,
    /// How long time runs on.
    pub until: Option<Timestamp>,
    /// The treatments.
    pub expect: Vec<Expected>,
    /// The refusals, where they are checked.
    pub refused: Option<Vec<Expected>>,
}

impl Scenario {
    /// Whether it says how its events come, and not only when they were.
    fn takes_time_from_topics(&self) -> bool {
        self.lateness_ms.is_some() || self.events.iter().any(|it| it.appended.is_some())
    }
}

/// Who is held out in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// Nobody.
    Treated,
    /// She, of every trigger that holds any out.
    HeldOut,
    /// Whoever is drawn.
    Drawn,
}

/// What a policy may say of it.
const SHARES: [&str; 3] = ["hold_out", "control_group", "draw"];

/// One expected treatment or refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// When the moment came true.
    pub at: Option<Timestamp>,
    /// The rest of what is checked, in the order written.
    pub named: Vec<(String, Json)>,
}

/// How a scenario went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it shows.
    pub test: String,
    /// Its file.
    pub file: String,
    /// The line of its name, from 1.
    pub line: usize,
    /// Expected and got, side by side, where they differ.
    pub failure: Option<String>,
}

/// Whether a path is that of a file of scenarios.
#[must_use]
pub fn is_scenario_file(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

/// Runs all scenarios of a file, or of a directory; beside a mapping, its [tests](scenario::mapping).
///
/// # Errors
/// Everything that is wrong with the files themselves, and with the triggers they are about.
pub fn run(path: &Path, basis: &Basis) -> Result<Vec<Outcome>, Vec<Report>> {
    // What is beside a file of this folder is in this folder.
    let here = Path::new(".").join(path);
    let path = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() && path.is_file() => &here,
        _ => path,
    };
    let paths = set::files(path, is_scenario_file).map_err(|report| vec![report])?;
    let root = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    let (shared, of_policy): (Vec<_>, Vec<_>) = shared(root)?
        .into_iter()
        .partition(|(_, source)| !set::is_policy(source));
    let of_policy: Vec<Source> = of_policy.into_iter().map(|(_, source)| source).collect();
    // What a scenario says of the policy stands in the place of what the set says; and codes are the same for everybody.
    let basis = &Basis {
        policy: Policy {
            code_key: Key::of_scenarios(),
            ..set::policy(&of_policy, basis)?
        },
        ..basis.clone()
    };
    let mut triggers = Triggers {
        root: root.to_owned(),
        basis,
        shared,
        plans: BTreeMap::new(),
    };
    let (mut outcomes, mut reports) = (Vec::new(), Vec::<Report>::new());
    if paths.is_empty() {
        reports.push(Report::nowhere(format!(
            "there is no *.test.yaml below {}",
            path.display()
        )));
    }
    for path in paths {
        let read = Source::load(&path).map_err(|report| vec![report]);
        let mapping = beside(&path).filter(|beside| crate::mapping::is_mapping_file(beside));
        if let Some(mapping) = mapping {
            match mapping::run(&path, &mapping, basis) {
                Ok(played) => outcomes.extend(played),
                Err(wrong) => reports.extend(wrong),
            }
            continue;
        }
        match read.and_then(|source| self::read(&source, basis)) {
            Ok(scenarios) => {
                for scenario in scenarios {
                    match triggers.of(&scenario, &path) {
                        Ok(plan) => outcomes.push(played(&scenario, &plan, basis)),
                        // What is wrong with a trigger is so in each of its scenarios.
                        Err(wrong) => wrong.into_iter().for_each(|report| {
                            let is_said = reports.iter().any(|said| said.is_like(&report));
                            reports.extend((!is_said).then_some(report));
                        }),
                    }
                }
            }
            Err(wrong) => reports.extend(wrong),
        }
    }
    if reports.is_empty() {
        Ok(outcomes)
    } else {
        Err(reports)
    }
}

/// Plays a scenario against a trigger and compares.
fn played(scenario: &Scenario, plan: &Arc<Plan>, basis: &Basis) -> Outcome {
    let decisions = match scenario.takes_time_from_topics() {
        true => arrive::decisions(plan, scenario, basis),
        false => play::decisions(plan, scenario),
    };
    let (treated, refused): (Vec<_>, Vec<_>) = decisions
        .iter()
        .map(play::Got::of)
        .partition(play::Got::is_treatment);
    let line = Report::at(&scenario.source, scenario.span.clone(), "")
        .position()
        .map_or(0, |(_, line, _)| line);
    Outcome {
        test: scenario.name.clone(),
        file: scenario.source.name().to_owned(),
        line,
        failure: shown::difference(scenario, &treated, &refused),
    }
}

/// The triggers that scenarios are about.
struct Triggers<'a> {
    root: PathBuf,
    basis: &'a Basis,
    /// Facts, models and segments, in files below the root: every trigger may ask for them.
    shared: Vec<(PathBuf, Source)>,
    /// By files, and policy as JSON.
    plans: BTreeMap<(Vec<PathBuf>, String, Arm), Arc<Plan>>,
}

impl Triggers<'_> {
    /// The one that a scenario in the file of this path is about, and those beside it.
    fn of(&mut self, scenario: &Scenario, path: &Path) -> Result<Arc<Plan>, Vec<Report>> {
        let policy = scenario.policy.as_ref().unwrap_or(&self.basis.policy);
        let mut paths = vec![match &scenario.trigger {
            Some(trigger) => self.named(trigger, scenario)?,
            None => beside(path).ok_or_else(|| {
                let message = "there is no trigger file of the same name beside this one";
                let report = Report::at(&scenario.source, scenario.span.clone(), message);
                let expected =
                    "such a file, or `trigger:` with the name of one below the same directory";
                vec![report.expected(expected.to_owned())]
            })?,
        }];
        for trigger in &scenario.with {
            let path = self.named(trigger, scenario)?;
            if paths.contains(&path) {
                let (name, span) = trigger;
                let message = format!("`{name}` is here already");
                let report = Report::at(&scenario.source, span.clone(), message);
                return Err(vec![report]);
            }
            paths.push(path);
        }
        self.plan(paths, policy, scenario.arm)
    }

    /// The file of the trigger of this name.
    fn named(
        &mut self,
        (name, span): &(String, Range<usize>),
        scenario: &Scenario,
    ) -> Result<PathBuf, Vec<Report>> {
        let mut names = Vec::new();
        for path in set::files(&self.root, set::is_trigger_file).map_err(|report| vec![report])? {
            // A file that another scenario is about is told there, if it is wrong.
            let Ok(plan) = self.plan(vec![path.clone()], &self.basis.policy, Arm::Drawn) else {
                continue;
            };
            if plan.triggers.iter().any(|trigger| trigger.name == *name) {
                return Ok(path);
            }
            names.extend(plan.triggers.iter().map(|trigger| trigger.name.to_string()));
        }
        let suggestion = closest(name, names.iter().map(String::as_str)).map(str::to_owned);
        let message = format!(
            "no trigger is called `{name}` below {}",
            self.root.display()
        );
        Err(vec![
            Report::at(&scenario.source, span.clone(), message).suggest(suggestion),
        ])
    }

    fn plan(
        &mut self,
        paths: Vec<PathBuf>,
        policy: &Policy,
        arm: Arm,
    ) -> Result<Arc<Plan>, Vec<Report>> {
        let key = (paths, serde_json::json!(policy).to_string(), arm);
        if let Some(plan) = self.plans.get(&key) {
            return Ok(Arc::clone(plan));
        }
        let sources: Result<Vec<Source>, Report> =
            key.0.iter().map(|path| Source::load(path)).collect();
        let mut sources = sources.map_err(|report| vec![report])?;
        let shared = self.shared.iter();
        let shared = shared.filter(|(path, _)| !key.0.contains(path));
        sources.extend(shared.map(|(_, source)| source.clone()));
        let basis = Basis {
            policy: policy.clone(),
            ..self.basis.clone()
        };
        let plan = Arc::new(drawn(set::compile(&sources, &basis)?, arm));
        self.plans.insert(key, Arc::clone(&plan));
        Ok(plan)
    }
}

/// The files below a directory that are none of a trigger: those of what triggers have in common.
fn shared(root: &Path) -> Result<Vec<(PathBuf, Source)>, Vec<Report>> {
    let paths = set::files(root, set::is_set_file).map_err(|report| vec![report])?;
    let read = paths.into_iter().filter_map(|path| {
        // What cannot be read is told where it is asked for.
        let source = Source::load(&path).ok()?;
        (set::is_shared(&source) || set::is_policy(&source)).then_some((path, source))
    });
    Ok(read.collect())
}

/// The same triggers, holding out whom a scenario says.
fn drawn(mut plan: Plan, arm: Arm) -> Plan {
    if arm == Arm::Drawn {
        return plan;
    }
    plan.policy.control_group = Share::NOBODY;
    let common = plan.policy.hold_out;
    for trigger in &mut plan.triggers {
        let own = trigger.policy.hold_out.unwrap_or(common);
        trigger.policy.hold_out = Some(match arm {
            Arm::HeldOut if !own.is_nobody() => Share::EVERYBODY,
            Arm::HeldOut | Arm::Treated | Arm::Drawn => Share::NOBODY,
        });
    }
    plan
}

/// The trigger file of the same name.
fn beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".test.yaml")
        .or_else(|| name.strip_suffix(".test.yml"))?;
    ["yaml", "yml"]
        .map(|ending| path.with_file_name(format!("{stem}.{ending}")))
        .into_iter()
        .find(|path| path.exists())
}

/// Reads a file of scenarios.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(source: &Source, basis: &Basis) -> Result<Vec<Scenario>, Vec<Report>> {
    let declared = Declared::new(&basis.vocabulary, &basis.attributes);
    let decoder = Decoder::new(
        Arc::clone(&basis.vocabulary),
        Arc::new(basis.attributes.clone()),
    );
    let source = &quoted(source);
    let mut reader = Reader::new(source, declared);
    let mut scenarios = Vec::new();
    let root = yaml::parse(source, &mut reader.reports);
    match root.as_ref().map(|root| (root, &root.value)) {
        Some((_, Yaml::List(items))) if (1..=limits::SCENARIOS).contains(&items.len()) => {
            for item in items {
                if let Some(fields) = reader.fields(item, SCENARIO) {
                    scenarios.extend(scenario(&mut reader, &fields, &decoder, basis));
                }
            }
        }
        Some((root, _)) => reader.unexpected(
            root,
            format!(
                "a list of 1 to {} scenarios, each with `test`",
                limits::SCENARIOS
            ),
        ),
        None => {}
    }
    if reader.reports.is_empty() {
        Ok(scenarios)
    } else {
        Err(reader.reports)
    }
}

/// A list of event lines, as one writes it without thinking of YAML, to which `{ price: 3 }` within a
/// plain line is a mistake: each line gets its quotes.
fn quoted(source: &Source) -> Source {
    let line = |line: &str| -> String {
        let item = line.trim_start().strip_prefix("- ").map(str::trim_start);
        let word = item.and_then(|item| item.split_whitespace().next());
        match (item, word) {
            (Some(item), Some(word))
                if Timestamp::parse(word).is_some() && item.len() > word.len() =>
            {
                let indent = &line[..line.len() - item.len()];
                format!("{indent}'{}'", item.trim_end().replace('\'', "''"))
            }
            _ => line.to_owned(),
        }
    };
    let lines: Vec<_> = source.text().split('\n').map(line).collect();
    Source::new(source.name(), lines.join("\n"))
}

fn scenario(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    decoder: &Decoder,
    basis: &Basis,
) -> Option<Scenario> {
    let named = reader.required(fields, "test", "what it shows");
    let name = named.and_then(|node| reader.text(node, "what it shows"));
    let trigger = fields.get("trigger").map(|node| {
        reader
            .text(node, "a trigger's name")
            .map(|text| (text, node))
    });
    let with = fields.get("with").map(|node| names(reader, node));
    let events = reader.required(fields, "events", events::EXPECTED);
    let anonymous = fields.get("anonymous");
    let anonymous = anonymous.map_or(Some(false), |node| {
        reader
            .one_of(node, &["true", "false"])
            .map(|word| word == "true")
    });
    let told = Told {
        anonymous: anonymous?,
        profile: fields.get("profile"),
    };
    let events = events.and_then(|node| events::read(reader, node, told, decoder));
    let rows = fields.get("rows");
    let rows = rows.map(|node| rows::read(reader, node, decoder));
    let held_out = fields.get("held_out");
    let held_out = held_out.map_or(Some(false), |node| reader.boolean(node));
    let of_shares = |node: &Node| matches!(&node.value, Yaml::Map(said) if said.iter().any(|(key, _)| SHARES.contains(&key.text.as_str())));
    let arm = match (held_out?, fields.get("policy").is_some_and(of_shares)) {
        (true, _) => Arm::HeldOut,
        (false, true) => Arm::Drawn,
        (false, false) => Arm::Treated,
    };
    let policy = fields.get("policy").map(|node| {
        let read = basis.policy.with(&node.json());
        read.map_err(|error| typed::fails(reader, node, &error))
            .ok()
    });
    let lateness = fields
        .get("lateness")
        .map(|node| reader.duration_or_nothing(node));
    let until = fields.get("until").map(|node| reader.instant(node));
    let expect = match fields.entry("expect") {
        Some((_, node)) => expected(reader, node, TREATMENT),
        None => {
            reader.required(fields, "expect", "the list of treatments, `[]` for none");
            None
        }
    };
    let refused = fields
        .get("refused")
        .map(|node| expected(reader, node, REFUSAL));
    Some(Scenario {
        name: name?.to_owned(),
        source: reader.source.clone(),
        span: named?.span.clone(),
        trigger: if_said(trigger)?.map(|(text, node)| (text.to_owned(), node.span.clone())),
        with: if_said(with)?.unwrap_or_default(),
        policy: if_said(policy)?,
        arm,
        rows: if_said(rows)?.unwrap_or_default(),
        events: events?,
        lateness_ms: if_said(lateness)?,
        until: until.flatten(),
        expect: expect?,
        refused: if_said(refused)?,
    })
}

/// What a key says that need not be there; none where it cannot be read.
#[expect(
    clippy::option_option,
    reason = "whether it is there, and what it says"
)]
fn if_said<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(said) => said.map(Some),
        None => Some(None),
    }
}

/// Names of triggers, and where they stand.
fn names(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, Range<usize>)>> {
    let Yaml::List(items) = &node.value else {
        reader.unexpected(node, "a list of names of triggers");
        return None;
    };
    if !(1..=limits::WITH).contains(&items.len()) {
        reader.unexpected(node, format!("1 to {} names of triggers", limits::WITH));
        return None;
    }
    let name = |node: &Node| {
        let name = reader.text(node, "a trigger's name")?;
        Some((name.to_owned(), node.span.clone()))
    };
    items.iter().map(name).collect()
}

fn expected(reader: &mut Reader<'_>, node: &Node, keys: Keys) -> Option<Vec<Expected>> {
    let Yaml::List(items) = &node.value else {
        reader.unexpected(node, "a list, `[]` for none");
        return None;
    };
    let read: Vec<_> = items
        .iter()
        .map(|item| expectation(reader, item, keys))
        .collect();
    read.into_iter().collect()
}

fn expectation(reader: &mut Reader<'_>, node: &Node, keys: Keys) -> Option<Expected> {
    let fields = reader.fields(node, keys)?;
    let mut expected = Expected {
        at: None,
        named: Vec::new(),
    };
    for (key, value) in fields.entries() {
        match key.text.as_str() {
            "at" => expected.at = Some(reader.instant(value)?),
            "valid_until" => {
                let until = reader.instant(value)?.to_string();
                expected.named.push((key.text.clone(), until.into()));
            }
            "withdrawn" => {
                let word = reader.one_of(value, &WITHDRAWN)?.to_owned();
                expected.named.push((key.text.clone(), word.into()));
            }
            "reason" => {
                let word = reader.one_of(value, &REASONS)?.to_owned();
                expected.named.push((key.text.clone(), word.into()));
            }
            _ => expected.named.push((key.text.clone(), value.json())),
        }
    }
    Some(expected)
}

#[cfg(test)]
mod tests;
