//! A customer as those see her who speak at once: what is settled, and her tail.
//!
//! It follows from the rest of her, and whoever is asked again and again within a visit is seen on from where she was seen last: so
//! it is kept [aside](Aside) for as long as nothing but events in their turn has changed her.

use std::fmt;

use crate::moment::States;
use crate::profile::Settled;
use crate::trigger::plan::Plan;

/// What is settled of her, and so much of her tail.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Facts alone: what was sent to her is [exchanged](Settled::swap_sent) while somebody looks.
    pub settled: Settled,
    /// Of the triggers that speak at once.
    pub states: States,
    /// How many events of her tail are in it.
    pub covers: usize,
}

impl Ahead {
    /// Before the tail.
    pub fn of(plan: &Plan, settled: &mut Settled, states: &States) -> Self {
        let speaks = |key| {
            let trigger = plan.by_key(key);
            trigger.is_some_and(|trigger| trigger.kind.is_immediate())
        };
        Self {
            settled: settled.facts(),
            states: states.only(speaks),
            covers: 0,
        }
    }
}

/// How she was seen last, which is no part of her but follows from her: a copy of her has none, and it makes nobody another.
#[derive(Default)]
pub(super) struct Aside(Option<Box<Ahead>>);

impl Aside {
    /// What is kept, if anything; it is not kept any more.
    pub fn take(&mut self) -> Option<Box<Ahead>> {
        self.0.take()
    }

    /// Keeps it.
    pub fn keep(&mut self, view: Box<Ahead>) {
        self.0 = Some(view);
    }

    /// Keeps it, where it is beyond so many events of her tail, which are settled.
    pub fn keep_beyond(&mut self, settled: usize, view: Option<Box<Ahead>>) {
        if let Some(mut view) = view.filter(|view| view.covers > settled) {
            view.covers -= settled;
            self.keep(view);
        }
    }

    /// It follows no more.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

impl Clone for Aside {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Aside {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
