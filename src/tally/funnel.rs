//! Journeys as funnels: how many entered, how many came to each step and which way they went on from there, and why they left.
//!
//! Who is held out goes through all steps and is sent nothing, and is not counted. Of those who entered, whoever has not left is inside
//! still, or gone: erased, expired, or one with another id who was inside, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Text;

/// Bounds of a funnel: names of steps and ways that an edit took out stay.
pub mod limits {
    /// Steps: those of a journey as long as may be, edited throughout three times.
    pub const STEPS: usize = 256;
    /// Ways of a step: all reasons for which a treatment is refused, or all ways of a split, edited throughout three times.
    pub const WAYS: usize = 64;
}

/// The way of what was sent.
pub const SENT: &str = "sent";
/// The way of whom something came that was waited for, or of whom a condition held.
pub const THEN: &str = "then";
/// The way of all others.
pub const ELSE: &str = "else";

/// What somebody does in a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passage {
    /// She enters it.
    Enters,
    /// She comes to a step.
    Comes {
        /// Its name.
        step: Text,
    },
    /// She goes on from a step that several ways lead on from.
    Goes {
        /// Its name.
        step: Text,
        /// Which way.
        way: Text,
    },
    /// She leaves it.
    Leaves(Leaving),
}

/// Why somebody leaves a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// She is behind the last step, or at one that says so.
    End,
    /// She met the goal.
    Goal,
    /// She meets the condition of `until`.
    Until,
    /// Nothing began it, as it turned out.
    Undone,
    /// It is a journey no more.
    TakenOut,
}

/// What became of those who entered a journey and are not held out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funnel {
    /// How many entered; whoever enters again counts again.
    pub entered: u64,
    /// By name.
    pub steps: BTreeMap<Text, Passed>,
    /// How many left, by why.
    pub left: BTreeMap<Leaving, u64>,
}

/// What became of those who came to a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// How many came.
    pub came: u64,
    /// How many went on, by which way, where several lead on: of what is sent, `sent` or why it was refused; `then` and `else`; branches by
    /// their number, from 1; ways of a split by their names.
    pub ways: BTreeMap<Text, u64>,
}

impl Leaving {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::End,
        Self::Goal,
        Self::Until,
        Self::Undone,
        Self::TakenOut,
    ];

    /// The word for it in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Goal => "goal",
            Self::Until => "until",
            Self::Undone => "undone",
            Self::TakenOut => "taken_out",
        }
    }

    /// The word for it in metrics.
    #[must_use]
    pub const fn counted(self) -> &'static str {
        match self {
            Self::End => "left_end",
            Self::Goal => "left_goal",
            Self::Until => "left_until",
            Self::Undone => "left_undone",
            Self::TakenOut => "left_taken_out",
        }
    }
}

impl Passage {
    /// The word for it in metrics, where all steps are together.
    #[must_use]
    pub const fn counted(&self) -> &'static str {
        match self {
            Self::Enters => "entered",
            Self::Comes { .. } => "step",
            Self::Goes { .. } => "went_on",
            Self::Leaves(why) => why.counted(),
        }
    }
}

impl Funnel {
    /// Whether nobody entered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entered == 0 && self.steps.is_empty() && self.left.is_empty()
    }

    /// Adds what somebody does.
    pub fn take(&mut self, passage: &Passage) {
        match passage {
            Passage::Enters => self.entered += 1,
            Passage::Comes { step } => {
                if let Some(passed) = self.step(step) {
                    passed.came += 1;
                }
            }
            Passage::Goes { step, way } => {
                if let Some(passed) = self.step(step) {
                    passed.goes(way, 1);
                }
            }
            Passage::Leaves(why) => *self.left.entry(*why).or_default() += 1,
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.entered += other.entered;
        for (why, count) in &other.left {
            *self.left.entry(*why).or_default() += count;
        }
        for (step, passed) in &other.steps {
            let Some(mine) = self.step(step) else {
                continue;
            };
            mine.came += passed.came;
            for (way, count) in &passed.ways {
                mine.goes(way, *count);
            }
        }
    }

    /// The figures of a step, where there is room.
    fn step(&mut self, step: &Text) -> Option<&mut Passed> {
        let is_full = self.steps.len() >= limits::STEPS;
        if is_full && !self.steps.contains_key(step) {
            return None;
        }
        Some(self.steps.entry(step.clone()).or_default())
    }
}

impl Passed {
    fn goes(&mut self, way: &Text, count: u64) {
        if self.ways.len() < limits::WAYS || self.ways.contains_key(way) {
            *self.ways.entry(way.clone()).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comes(step: usize) -> Passage {
        Passage::Comes {
            step: compact_str::format_compact!("s{step}"),
        }
    }

    #[test]
    fn funnels_of_tasks_add_up() {
        let passages = [
            Passage::Enters,
            comes(1),
            Passage::Goes {
                step: "s1".into(),
                way: SENT.into(),
            },
            Passage::Leaves(Leaving::Goal),
            Passage::Enters,
            comes(1),
            comes(2),
            Passage::Leaves(Leaving::End),
        ];
        let mut together = Funnel::default();
        passages.iter().for_each(|it| together.take(it));
        for at in 0..passages.len() {
            let (mut one, mut other) = (Funnel::default(), Funnel::default());
            passages[..at].iter().for_each(|it| one.take(it));
            passages[at..].iter().for_each(|it| other.take(it));
            one.add(&other);
            assert_eq!(one, together);
        }
        assert_eq!((together.entered, together.steps["s1"].came), (2, 2));
        assert_eq!(together.steps["s1"].ways, [(SENT.into(), 1)].into());
        assert_eq!(together.left[&Leaving::Goal], 1);
    }

    #[test]
    fn what_edits_leave_behind_is_bounded() {
        let mut funnel = Funnel::default();
        for step in 0..2 * limits::STEPS {
            funnel.take(&comes(step));
        }
        assert_eq!(funnel.steps.len(), limits::STEPS);
        funnel.take(&comes(0));
        assert_eq!(funnel.steps["s0"].came, 2, "what is known is counted on");
        for way in 0..2 * limits::WAYS {
            let way = compact_str::format_compact!("w{way}");
            let step = "s0".into();
            funnel.take(&Passage::Goes { step, way });
        }
        assert_eq!(funnel.steps["s0"].ways.len(), limits::WAYS);
    }
}
