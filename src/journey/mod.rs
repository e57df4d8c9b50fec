//! Journeys: what is done about a moment in several steps, one after the other.
//!
//! A journey is its steps in the order of the file, each with the one that follows it: the next of its list, or of the list around
//! it; behind the last she leaves. Nothing leads back, so nobody goes in circles. Where a customer stands is kept with her
//! ([`crate::profile::journeys`]), by names of steps, so that a file can be edited while she is inside. What is here knows no
//! state: it says from a step how far she goes at an instant, and where she stays ([`Journey::walk`]).
//!
//! Deliberately absent: steps that change a profile, and journeys in journeys; other triggers may ask for `profile.journeys`.

pub mod keys;
pub mod lessons;
pub mod read;
mod said;
pub mod split;
pub mod wait;

use xxhash_rust::xxh3::xxh3_64;

use crate::event::Text;
use crate::expression::{Expression, Scope};
use crate::moment::Matcher;
use crate::profile::journeys::Journeys;
use crate::tally::funnel::{ELSE, Passage, THEN};
use crate::time::{Timestamp, Zone};
use crate::treatment::choice::TreatmentChoice;
use lessons::{Lessons, Way};
use split::Split;
use wait::Wait;

/// Bounds of a journey.
pub mod limits {
    /// Its steps, those of all branches together: each customer inside keeps which are still before her, 4 bytes each.
    pub const STEPS: usize = 64;
    /// A step's name: it stands in occurrences and decisions.
    pub const NAME_BYTES: usize = 64;
    /// Branches of one step, and ways of a split.
    pub const WAYS: usize = 16;
}

/// The steps of a trigger.
#[derive(Debug)]
pub struct Journey {
    steps: Vec<Step>,
    /// Whoever meets it leaves at once.
    pub until: Option<Expression>,
    /// Whether she enters again.
    pub re_enter: ReEnter,
    /// What one journey is about: she has one of each value at a time.
    pub per: Option<Expression>,
}

/// Whether who was inside before enters again; whoever is inside does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReEnter {
    /// Whenever it comes true.
    #[default]
    Always,
    /// Not before so many ms after she entered last.
    After(i64),
    /// Never.
    Never,
}

/// One step.
#[derive(Debug)]
struct Step {
    /// Once in a journey.
    name: Text,
    /// The hash of the name, by which customers remember it.
    key: u32,
    does: Does,
    /// What follows it; none: she leaves.
    next: Option<u16>,
}

/// What a step does.
#[derive(Debug)]
enum Does {
    /// A treatment goes to the gates: the first that fits.
    Send(Vec<TreatmentChoice>),
    /// Time passes.
    Wait(Wait),
    /// Something happens, or time passes: then she goes on at `then`, where that is said, else at what follows.
    WaitFor {
        of: Awaited,
        within_ms: i64,
        then: Option<u16>,
        otherwise: Option<u16>,
    },
    /// The first of which the condition holds, else what follows.
    Branch(Vec<(Expression, Option<u16>)>, Option<u16>),
    /// One of several, by lot.
    Split(Split),
    /// She leaves.
    Exit,
}

/// What is waited for.
#[derive(Debug)]
pub enum Awaited {
    /// An event.
    Event(Matcher),
    /// That a condition holds.
    Condition(Expression),
}

/// Where she stays, or goes.
#[derive(Debug)]
pub enum Stop<'j> {
    /// At a step that sends.
    Sends(At<'j>, &'j [TreatmentChoice]),
    /// At a step that lasts until this instant.
    Waits(At<'j>, Timestamp),
    /// Nowhere: she leaves.
    Leaves,
}

/// A step, for whoever stands there.
#[derive(Clone, Copy, Debug)]
pub struct At<'j> {
    journey: &'j Journey,
    step: u16,
}

/// What is asked of whoever goes on.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a> {
    /// Conditions are asked of it; its `now` is the instant.
    pub scope: Scope<'a>,
    /// Where she lives.
    pub zone: &'a Zone,
    /// What lots are drawn by, beside the step: the draw, the trigger, the customer.
    pub lot: [&'a str; 3],
    /// Steps that were sent before, by key: none is twice.
    pub sent: &'a [u32],
    /// What was learnt of the ways of adaptive splits, of this trigger; none: nothing.
    pub lessons: Option<(&'a Lessons, u32)>,
    /// She came to the first of these steps before, and has stood there.
    pub has_come: bool,
}

/// What somebody passes who goes on.
#[derive(Debug, Default)]
pub struct Trail {
    /// Steps, and ways that lead on from them.
    pub passages: Vec<Passage>,
    /// Ways of adaptive splits, by the keys of the step and of the way.
    pub takes: Vec<(u32, u32)>,
}

/// The key of a step's name: the low 32 bits of its XXH3 hash.
#[must_use]
pub fn key(name: &str) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let low = xxh3_64(name.as_bytes()) as u32;
    low
}

impl Journey {
    /// Its first step.
    #[must_use]
    pub fn first(&self) -> Option<At<'_>> {
        self.at(Some(0))
    }

    /// The step of a key, where there still is one.
    #[must_use]
    pub fn step(&self, key: u32) -> Option<At<'_>> {
        let step = self.steps.iter().position(|step| step.key == key)?;
        self.at(u16::try_from(step).ok())
    }

    /// The names of its steps, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.steps.iter().map(|step| &step.name)
    }

    /// Every treatment of every step.
    pub fn choices(&self) -> impl Iterator<Item = &TreatmentChoice> {
        let sent = self.steps.iter().filter_map(|step| match &step.does {
            Does::Send(choices) => Some(choices),
            _ => None,
        });
        sent.flatten()
    }

    /// Whether it has an adaptive split.
    #[must_use]
    pub fn learns(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(&step.does, Does::Split(split) if split.is_adaptive))
    }

    /// Whether an event that is waited for is told from others by the profile before it.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        self.steps.iter().any(|step| match &step.does {
            Does::WaitFor {
                of: Awaited::Event(matcher),
                ..
            } => matcher.uses_previous(),
            _ => false,
        })
    }

    /// What a journey is about that begins here; none where nothing tells it from another of hers.
    #[must_use]
    pub fn about(&self, scope: &Scope<'_>) -> Option<Text> {
        let per = self.per.as_ref()?;
        per.eval(scope).key()
    }

    /// Whether an event is about a journey of hers: it is unless it says that it is about another.
    #[must_use]
    pub fn concerns(&self, about: Option<&Text>, scope: &Scope<'_>) -> bool {
        self.about(scope).is_none_or(|own| Some(&own) == about)
    }

    /// Whether she may enter at an instant.
    #[must_use]
    pub fn admits(
        &self,
        (journeys, key): (&Journeys, u32),
        about: Option<&Text>,
        at: Timestamp,
    ) -> bool {
        let last = journeys.entered(key, about);
        !journeys.is_inside(key, about)
            && match self.re_enter {
                ReEnter::Always => true,
                ReEnter::After(ms) => last.is_none_or(|last| last.plus(ms) <= at),
                ReEnter::Never => last.is_none(),
            }
    }

    /// Goes on from a step to where she stays, and leaves a trail. No step is met twice, as nothing leads back.
    #[must_use]
    pub fn walk<'j>(
        &'j self,
        from: Option<At<'j>>,
        walk: &Walk<'_>,
        trail: &mut Trail,
    ) -> Stop<'j> {
        let (mut next, mut has_come) = (from, walk.has_come);
        while let Some(at) = next {
            let is_sent = walk.sent.contains(&at.key());
            if !std::mem::take(&mut has_come) && !is_sent {
                trail.comes(at);
            }
            next = match &at.own().does {
                Does::Send(_) if is_sent => at.next(),
                Does::Send(choices) => return Stop::Sends(at, choices),
                Does::Wait(wait) => match wait.until(&walk.scope, walk.zone) {
                    Some(until) if until > walk.scope.now => return Stop::Waits(at, until),
                    Some(_) => at.next(),
                    None => None,
                },
                Does::WaitFor { within_ms, .. } => match at.is_met(&walk.scope) {
                    true => {
                        trail.goes(at, THEN);
                        at.came()
                    }
                    false => return Stop::Waits(at, walk.scope.now.plus(*within_ms)),
                },
                Does::Branch(branches, otherwise) => {
                    let mut numbered = (1..).zip(branches);
                    let fits = numbered.find(|(_, (condition, _))| condition.holds(&walk.scope));
                    match fits {
                        Some((number, (_, then))) => {
                            trail.goes(at, &format!("{number}"));
                            self.at(*then)
                        }
                        None => {
                            trail.goes(at, ELSE);
                            self.at(*otherwise)
                        }
                    }
                }
                Does::Split(split) if split.is_adaptive => {
                    let step = at.key();
                    let known = |way| {
                        let lessons = walk.lessons;
                        lessons.map_or_else(Default::default, |(lessons, trigger)| {
                            lessons.of(Way { trigger, step, way })
                        })
                    };
                    let goes = split.learnt(&at.own().name, walk.lot, known);
                    trail.takes.extend(goes.map(|(way, _)| (step, key(way))));
                    self.at(trail.goes_one_of(at, goes))
                }
                Does::Split(split) => {
                    let goes = split.way(&at.own().name, walk.lot);
                    self.at(trail.goes_one_of(at, goes))
                }
                Does::Exit => None,
            };
        }
        Stop::Leaves
    }

    fn at(&self, step: Option<u16>) -> Option<At<'_>> {
        let step = step.filter(|step| usize::from(*step) < self.steps.len())?;
        Some(At {
            journey: self,
            step,
        })
    }
}

impl Trail {
    fn comes(&mut self, at: At<'_>) {
        let step = at.name().clone();
        self.passages.push(Passage::Comes { step });
    }

    fn goes(&mut self, at: At<'_>, way: &str) {
        self.passages.push(at.goes(way));
    }

    /// The first step of a way of a split.
    fn goes_one_of(&mut self, at: At<'_>, way: Option<(&Text, Option<u16>)>) -> Option<u16> {
        let (name, first) = way?;
        self.goes(at, name);
        first
    }
}

impl<'j> At<'j> {
    fn own(self) -> &'j Step {
        &self.journey.steps[usize::from(self.step)]
    }

    /// The step's name.
    #[must_use]
    pub fn name(self) -> &'j Text {
        &self.own().name
    }

    /// The step's key.
    #[must_use]
    pub fn key(self) -> u32 {
        self.own().key
    }

    /// She goes on from it by a way.
    #[must_use]
    pub fn goes(self, way: &str) -> Passage {
        Passage::Goes {
            step: self.name().clone(),
            way: way.into(),
        }
    }

    /// She goes on from where she waits: `came` is what she waited for, or time is over. None where one way leads on.
    #[must_use]
    pub fn waited(self, came: bool) -> Option<Passage> {
        let forks = matches!(self.own().does, Does::WaitFor { .. });
        forks.then(|| self.goes(if came { THEN } else { ELSE }))
    }

    /// What follows it; of a wait, when its time is over.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        match &self.own().does {
            Does::WaitFor { otherwise, .. } => self.journey.at(*otherwise),
            _ => self.journey.at(self.own().next),
        }
    }

    /// What follows it when what is waited for came.
    #[must_use]
    pub fn came(self) -> Option<Self> {
        match &self.own().does {
            Does::WaitFor { then, .. } => self.journey.at(*then),
            _ => self.next(),
        }
    }

    /// The keys of the steps that follow it, for whoever stands at one that is taken out.
    #[must_use]
    pub fn way(self) -> Vec<u32> {
        let next = |at: &Self| at.journey.at(at.own().next);
        let way = std::iter::successors(next(&self), next);
        way.map(Self::key).collect()
    }

    /// Whether a condition that is waited for holds.
    #[must_use]
    pub fn is_met(self, scope: &Scope<'_>) -> bool {
        self.awaited().is_some_and(|it| it.holds(scope))
    }

    /// The condition that is waited for.
    #[must_use]
    pub fn awaited(self) -> Option<&'j Expression> {
        match &self.own().does {
            Does::WaitFor {
                of: Awaited::Condition(condition),
                ..
            } => Some(condition),
            _ => None,
        }
    }

    /// Whether the event of `scope` is one that is waited for.
    #[must_use]
    pub fn takes(self, scope: &Scope<'_>) -> bool {
        match &self.own().does {
            Does::WaitFor {
                of: Awaited::Event(matcher),
                ..
            } => matcher.matches(scope),
            _ => false,
        }
    }
}
