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

    /// Goes on from a step to where she stays, and `takes` ways of adaptive splits, by the keys of the step and of the way. No step is
    /// met twice, as nothing leads back.
    #[must_use]
    pub fn walk<'j>(
        &'j self,
        from: Option<At<'j>>,
        walk: &Walk<'_>,
        takes: &mut Vec<(u32, u32)>,
    ) -> Stop<'j> {
        let mut next = from;
        while let Some(at) = next {
            next = match &at.own().does {
                Does::Send(_) if walk.sent.contains(&at.key()) => at.next(),
                Does::Send(choices) => return Stop::Sends(at, choices),
                Does::Wait(wait) => match wait.until(&walk.scope, walk.zone) {
                    Some(until) if until > walk.scope.now => return Stop::Waits(at, until),
                    Some(_) => at.next(),
                    None => None,
                },
                Does::WaitFor { within_ms, .. } => match at.is_met(&walk.scope) {
                    true => at.came(),
                    false => return Stop::Waits(at, walk.scope.now.plus(*within_ms)),
                },
                Does::Branch(branches, otherwise) => {
                    let mut branches = branches.iter();
                    let fits = branches.find(|(condition, _)| condition.holds(&walk.scope));
                    self.at(fits.map_or(*otherwise, |(_, then)| *then))
                }
                Does::Split(split) if split.is_adaptive => {
                    let step = at.key();
                    let known = |way| {
                        let lessons = walk.lessons;
                        lessons.map_or_else(Default::default, |(lessons, trigger)| {
                            lessons.of(Way { trigger, step, way })
                        })
                    };
                    let learnt = split.learnt(&at.own().name, walk.lot, known);
                    takes.extend(learnt.map(|(way, _)| (step, way)));
                    self.at(learnt.and_then(|(_, first)| first))
                }
                Does::Split(split) => self.at(split.way(&at.own().name, walk.lot)),
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
