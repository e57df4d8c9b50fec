//! What the engine works with: checked, compiled triggers, found by event name.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::event::{Event, EventName, Text, Type, Vocabulary};
use crate::expression::Expression;
use crate::fact::Fact;
use crate::journey::Journey;
use crate::model::Declaration;
use crate::moment::{Concerns, Kind, Matcher, States, Unseen};
use crate::money::Amount;
use crate::profile::Settled;
use crate::referral::Referral;
use crate::segment::{Chosen, Concerned, Segment};
use crate::suppression::{Brought, Suppression};
use crate::table::Table;
use crate::table::rows::{Row, Rows};
use crate::tally::kpi::Kpi;
use crate::time::{Timestamp, Zone};
use crate::treatment::Command;
use crate::treatment::choice::TreatmentChoice;

pub use super::policy::Policy;
use super::policy::TriggerPolicy;

/// What an engine works with: all triggers of one revision, which the engines of all tasks share, and the rows of tables that came to
/// its own by topics.
#[derive(Clone, Debug)]
pub struct Plan {
    set: Arc<Compiled>,
    /// The rows that came by topics.
    pub rows: Rows,
    /// Of each list whose entries a topic brings, by its place among the lists, those that came.
    brought: BTreeMap<usize, Brought>,
}

impl Deref for Plan {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.set
    }
}

/// For who makes one, before any engine works with it.
impl DerefMut for Plan {
    fn deref_mut(&mut self) -> &mut Compiled {
        Arc::get_mut(&mut self.set).expect("no engine has it yet")
    }
}

/// All triggers of one revision.
#[derive(Debug)]
pub struct Compiled {
    /// The names that events and expressions are checked against.
    pub vocabulary: Arc<Vocabulary>,
    /// Highest priority first, then by name: the order in which moments of one instant are decided.
    pub triggers: Vec<Trigger>,
    /// What is measured, by name.
    pub facts: Vec<Fact>,
    /// What scores customers, by name.
    pub models: Vec<Declaration>,
    /// Where customers stand, each behind those that it asks for.
    pub segments: Vec<Segment>,
    /// Who is sent nothing, by name of the list.
    pub suppressions: Vec<Suppression>,
    /// By what customers bring friends, by name.
    pub referrals: Vec<Referral>,
    /// The company's own attributes, by name.
    pub attributes: BTreeMap<String, Type>,
    /// The tables that have their rows by topics, by name.
    pub tables: Vec<(Text, Arc<Table>)>,
    /// Whether a trigger asks when one is entered or left.
    pub watches_segments: bool,
    /// What is common to all triggers.
    pub policy: Policy,
    /// Where customers live of whom no zone is known.
    pub home: Zone,
    /// Digest (16 hex digits) of the definitions and the policy.
    pub revision: Text,
    /// Whether what a segment, a fact, or a trigger that speaks at once remembers of her asks for more than her events say.
    pub sees_beyond_events: bool,
    /// Whether a deadline of any trigger depends on the customer's time zone.
    pub counts_days: bool,
    /// The triggers that take an event.
    by_event: ByName,
    /// The facts that take an event.
    facts_by_event: ByName,
    /// The segments that an event may concern.
    concerned: Concerned,
    /// Hash of the texts of facts, models and segments.
    declared: u64,
    /// Whether any trigger has a journey.
    pub has_journeys: bool,
    /// Whether a journey has a split that goes by what its ways have brought.
    pub learns: bool,
    /// Whether any trigger has a goal.
    pub has_goals: bool,
    /// The triggers for whose goal an event may count.
    goals_by_event: ByName,
    /// By event name: the triggers that take what happened to everybody.
    by_broadcast: BTreeMap<EventName, Vec<u16>>,
    /// Key and index of each trigger, sorted.
    by_key: Vec<(u32, u16)>,
}

/// Who takes an event, by its name.
#[derive(Debug)]
struct ByName {
    listed: Vec<Vec<u16>>,
    /// Those that take events of any name.
    any: Vec<u16>,
}

impl ByName {
    fn new(vocabulary: &Vocabulary, concerned: impl Iterator<Item = Concerns>) -> Self {
        let mut listed = vec![Vec::new(); vocabulary.events_end()];
        let mut any = Vec::new();
        for (i, concerns) in (0u16..).zip(concerned) {
            if concerns.everybody {
                any.push(i);
                listed.iter_mut().for_each(|listed| listed.push(i));
                continue;
            }
            for name in concerns.events {
                let listed: &mut Vec<u16> = &mut listed[usize::from(name.0)];
                if listed.last() != Some(&i) {
                    listed.push(i);
                }
            }
        }
        Self { listed, any }
    }

    fn of(&self, name: EventName) -> impl Iterator<Item = usize> {
        let listed = self.listed.get(usize::from(name.0));
        listed.unwrap_or(&self.any).iter().map(|i| usize::from(*i))
    }
}

/// One checked trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Its name, unique in a set.
    pub name: Text,
    /// Changed by the author when everything should count afresh.
    pub generation: u32,
    /// Stable hash of name and generation, under which a profile keeps its state.
    pub key: u32,
    /// What comes true.
    pub kind: Kind,
    /// For whom; everybody where absent.
    pub audience: Option<Expression>,
    /// What is done: the first whose condition holds; none where it counts, or has a journey.
    pub treatments: Vec<TreatmentChoice>,
    /// What is done in several steps.
    pub journey: Option<Journey>,
    /// Within which limits.
    pub policy: TriggerPolicy,
    /// What its treatments are sent for.
    pub goal: Option<Goal>,
    /// What people measure it by.
    pub kpi: Option<Kpi>,
    /// Live, in shadow, or off.
    pub mode: Mode,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not at or after.
    pub until: Option<Timestamp>,
    /// Whether it decides what came true before it was adopted.
    pub backfill: bool,
    /// Hash of its definition's text.
    pub text: u64,
    /// Whether any of its expressions on the event asks for `previous`.
    pub uses_previous: bool,
}

impl Trigger {
    /// Everything that it may send.
    pub fn choices(&self) -> impl Iterator<Item = &TreatmentChoice> {
        let steps = self.journey.iter().flat_map(Journey::choices);
        self.treatments.iter().chain(steps)
    }

    /// Whether its journey has a split that goes by what its ways have brought.
    fn learns(&self) -> bool {
        self.journey.as_ref().is_some_and(Journey::learns)
    }
}

/// Whether a trigger sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Live,
    /// Everything but the sending.
    Shadow,
    /// Moments are recorded, nothing is decided.
    Off,
}

/// What treatments are sent for.
#[derive(Debug)]
pub struct Goal {
    /// The event that is hoped for.
    pub of: Matcher,
    /// How long after the decision it counts, ms; above 0.
    pub within_ms: i64,
    /// What it is worth, in the event's currency; where absent, an order is worth its value, and anything else nothing.
    pub value: Option<Expression>,
    /// The most that one customer is taken to be worth.
    pub at_most: Option<Amount>,
    /// The part of the value that is left when what was sold is paid for.
    pub margin: Amount,
}

impl Goal {
    /// Whether it asks for the profile before the event.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        let value = self.value.as_ref();
        self.of.uses_previous() || value.is_some_and(Expression::uses_previous)
    }

    /// Whether it is worth what the order is worth by which it is met.
    #[must_use]
    pub fn is_worth_the_order(&self) -> bool {
        let mut names = self.of.event_names().peekable();
        let is_of_orders =
            names.peek().is_some() && names.all(|it| it == EventName::ORDER_COMPLETED);
        self.value.is_none() && is_of_orders
    }
}

/// Whether what is remembered of a customer asks for more than her events say.
fn sees_beyond_events(triggers: &[Trigger], facts: &[Fact], segments: &[Segment]) -> bool {
    let immediate = triggers.iter().filter(|it| it.kind.is_immediate());
    let remembered = immediate.flat_map(|it| it.kind.expressions());
    let measured = facts.iter().flat_map(Fact::expressions);
    let stood = segments.iter().flat_map(Segment::conditions);
    let mut all = remembered.chain(measured).chain(stood.map(AsRef::as_ref));
    all.any(Expression::asks_beyond_events)
}

impl Plan {
    /// Sorts the triggers and builds the index by event name.
    #[must_use]
    pub fn new(
        vocabulary: Arc<Vocabulary>,
        mut triggers: Vec<Trigger>,
        (facts, models, segments): (Vec<Fact>, Vec<Declaration>, Vec<Segment>),
        policy: Policy,
        revision: Text,
    ) -> Self {
        triggers.sort_by(|a, b| {
            b.policy
                .priority
                .cmp(&a.policy.priority)
                .then_with(|| a.name.cmp(&b.name))
        });
        let concerned = triggers.iter().map(|trigger| trigger.kind.concerns());
        let by_event = ByName::new(&vocabulary, concerned);
        let facts_by_event = ByName::new(&vocabulary, facts.iter().map(Fact::concerns));
        let concerned = Concerned::new(&segments, &facts);
        let mut hasher = Xxh3::new();
        let texts = facts.iter().map(|it| it.text);
        let texts = texts.chain(models.iter().map(|it| it.text));
        for text in texts.chain(segments.iter().map(|it| it.text)) {
            hasher.update(&text.to_le_bytes());
        }
        let declared = hasher.digest();
        let sees_beyond_events = sees_beyond_events(&triggers, &facts, &segments);
        let goals = triggers.iter().map(|trigger| {
            let goal = trigger.goal.as_ref();
            goal.map_or_else(Concerns::default, |goal| goal.of.concerns())
        });
        let goals_by_event = ByName::new(&vocabulary, goals);
        let mut by_broadcast: BTreeMap<EventName, Vec<u16>> = BTreeMap::new();
        let (mut counts_days, mut watches_segments) = (false, false);
        for (i, trigger) in (0u16..).zip(&triggers) {
            let concerns = trigger.kind.concerns();
            counts_days |= concerns.days;
            watches_segments |= concerns.segments;
            for name in concerns.broadcasts {
                let listed = by_broadcast.entry(name).or_default();
                if listed.last() != Some(&i) {
                    listed.push(i);
                }
            }
        }
        let mut by_key: Vec<_> = (0u16..)
            .zip(&triggers)
            .map(|(i, trigger)| (trigger.key, i))
            .collect();
        by_key.sort_unstable();
        Self::of(Compiled {
            counts_days,
            vocabulary,
            has_journeys: triggers.iter().any(|it| it.journey.is_some()),
            learns: triggers.iter().any(Trigger::learns),
            has_goals: triggers.iter().any(|it| it.goal.is_some()),
            triggers,
            facts,
            models,
            segments,
            suppressions: Vec::new(),
            referrals: Vec::new(),
            attributes: BTreeMap::new(),
            tables: Vec::new(),
            watches_segments,
            sees_beyond_events,
            home: policy.default_timezone.zone(),
            policy,
            revision,
            by_event,
            facts_by_event,
            concerned,
            declared,
            goals_by_event,
            by_broadcast,
            by_key,
        })
    }

    fn of(set: Compiled) -> Self {
        Self {
            set: Arc::new(set),
            rows: Rows::default(),
            brought: BTreeMap::new(),
        }
    }

    /// The same for an engine of its own, to which no row has come so far.
    #[must_use]
    pub fn without_rows(&self) -> Self {
        self.with_rows(Rows::default())
    }

    /// The same for an engine of its own, to which these rows have come so far.
    #[must_use]
    pub fn with_rows(&self, rows: Rows) -> Self {
        let lists = self.suppressions.iter().enumerate();
        let brought = lists.filter_map(|(place, list)| {
            let mut brought = Brought::default();
            let there = rows.all(list.topic()?);
            let there = there.filter(|(_, row)| row.latest().is_some());
            there.for_each(|(key, _)| brought.says(list.entry(key), true));
            Some((place, brought))
        });
        Self {
            set: Arc::clone(&self.set),
            brought: brought.collect(),
            rows,
        }
    }

    /// Puts a row in another's place, or takes it out; what was there.
    pub fn put_row(&mut self, topic: &Text, key: &Text, row: Option<Row>) -> Option<Row> {
        let is_on = |row: Option<&Row>| row.is_some_and(|row| row.latest().is_some());
        let is = is_on(row.as_ref());
        let before = self.rows.put(topic, key, row);
        if is != is_on(before.as_ref()) {
            let lists = self.set.suppressions.iter().enumerate();
            for (place, list) in lists.filter(|(_, list)| list.topic() == Some(topic)) {
                let brought = self.brought.entry(place).or_default();
                brought.says(list.entry(key), is);
            }
        }
        before
    }

    /// The suppression lists, each with what its topic has brought where it has one.
    pub fn lists(&self) -> impl Iterator<Item = (&Suppression, Option<&Brought>)> {
        let lists = self.suppressions.iter().enumerate();
        lists.map(|(place, list)| (list, self.brought.get(&place)))
    }

    /// Whether both are of the same compilation.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.set, &other.set)
    }

    /// Its tables have their rows by topics, by name: what is remembered of a customer asks for more than her events say then.
    pub fn has_tables(&mut self, tables: Vec<(Text, Arc<Table>)>) {
        self.sees_beyond_events |= !tables.is_empty();
        self.tables = tables;
    }

    /// The same, where its expressions ask what was declared by these texts besides, by their hashes.
    #[must_use]
    pub fn asking(mut self, texts: impl Iterator<Item = u64>) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(&self.declared.to_le_bytes());
        for text in texts {
            hasher.update(&text.to_le_bytes());
        }
        self.declared = hasher.digest();
        self
    }
}

impl Compiled {
    /// The triggers that take this event, most important first: those that name it, and those that concern everybody.
    pub fn naming(&self, name: EventName) -> impl Iterator<Item = &Trigger> {
        self.by_event.of(name).map(|i| &self.triggers[i])
    }

    /// The facts that take an event of this name.
    pub fn measuring(&self, name: EventName) -> impl Iterator<Item = &Fact> {
        self.facts_by_event.of(name).map(|i| &self.facts[i])
    }

    /// The segments, by number, that an event may move her into or out of, but by where else she stands.
    #[must_use]
    pub fn concerning(&self, event: &Event) -> Chosen {
        self.concerned.by(event, self.facts_by_event.of(event.name))
    }

    /// The triggers for whose goal an event of this name may count.
    pub fn with_goal(&self, name: EventName) -> impl Iterator<Item = &Trigger> {
        self.goals_by_event.of(name).map(|i| &self.triggers[i])
    }

    /// Hash of all that says what a trigger means: what was sent by another meaning is not asked again by this one.
    #[must_use]
    pub fn defined(&self, trigger: &Trigger) -> u64 {
        trigger.text ^ self.declared
    }

    /// Where a customer lives: in a zone of her own, else in that of all of whom nothing is known.
    #[must_use]
    pub fn zone(&self, settled: &Settled) -> Zone {
        settled.identity.zone_or(&self.home)
    }

    /// The referral and the code, as it is read, that an event brings; `rows`: what tables say.
    #[must_use]
    pub fn brought(&self, event: &Event, rows: &Rows) -> Option<(&Referral, Text)> {
        let mut referrals = self.referrals.iter();
        referrals.find_map(|it| Some((it, it.brought(event, rows)?)))
    }

    /// The referral whose code of a customer her command has.
    #[must_use]
    pub fn referred_by(&self, customer: &str, command: &Command) -> Option<&Referral> {
        let code = command.code().filter(|_| !self.referrals.is_empty())?;
        let key = &self.policy.code_key;
        let mut referrals = self.referrals.iter().filter(|it| it.is_code(code));
        referrals.find(|it| it.code(key, customer).as_deref() == Some(code))
    }

    /// Whether an event of this name may make something true when it is seen.
    #[must_use]
    pub fn speaks_at_once(&self, name: EventName) -> bool {
        self.naming(name).any(|trigger| trigger.kind.is_immediate())
    }

    /// Whether an event that nobody has taken in may make something true when it is seen; `states`: of what is settled.
    #[must_use]
    pub fn may_speak(&self, states: &States, unseen: Unseen<'_>) -> bool {
        let naming = self.naming(unseen.event.name);
        let mut immediate = naming.filter(|trigger| trigger.kind.is_immediate());
        immediate.any(|it| it.kind.may_come_true(states.get(it.key), unseen))
    }

    /// The triggers that take what of this name happened to everybody, most important first.
    pub fn broadcast(&self, name: EventName) -> impl Iterator<Item = &Trigger> {
        let listed = self.by_broadcast.get(&name).into_iter().flatten();
        listed.map(|i| &self.triggers[usize::from(*i)])
    }

    /// The trigger whose state a profile keeps under `key`.
    #[must_use]
    pub fn by_key(&self, key: u32) -> Option<&Trigger> {
        self.rank(key).map(|rank| &self.triggers[rank])
    }

    /// Whether what is decided of one customer at an instant may depend on others: by send rates, and by adaptive splits.
    #[must_use]
    pub fn joins_customers(&self) -> bool {
        self.learns || !self.policy.send_rates.is_empty()
    }

    /// Whether customers may be shared out, but for those who are said to be one, and each part worked on by itself: nothing of one comes
    /// to another, as the code of a friend does.
    #[must_use]
    pub fn parts_customers(&self) -> bool {
        !self.joins_customers() && self.referrals.is_empty()
    }

    /// Where a trigger stands among the others, the most important being 0.
    #[must_use]
    pub fn rank(&self, key: u32) -> Option<usize> {
        let at = self
            .by_key
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()?;
        Some(usize::from(self.by_key[at].1))
    }
}
