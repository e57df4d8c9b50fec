//! What is counted of triggers, their treatments and what came of them: figures that add up, over tasks and over time.
//!
//! Every figure is a sum of whole numbers or exact amounts, so it does not depend on the order in which it was counted. Lift is
//! reckoned from them where they are read ([`crate::lift`]).

pub mod funnel;
pub mod kpi;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{CustomerId, EventName, Text};
use crate::money::Amount;
use crate::profile::ledger::Arm;
use funnel::{Funnel, Passage};

/// Bounds of what is counted.
pub mod limits {
    /// Rows of a task: a hundred triggers with three treatments each, over ten segments. What would be one more is counted in the rows
    /// of its trigger that are there.
    pub const ROWS: usize = 4096;
    /// Segments of one customer by which she is counted, the first by name.
    pub const SEGMENTS: usize = 8;
}

/// One whole.
pub const WHOLE: i64 = 1_000_000;

/// What a row counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Of {
    /// The trigger.
    pub trigger: Text,
    /// And which generation of it.
    pub generation: u32,
    /// Of those, one treatment: `channel/template`.
    pub treatment: Option<Text>,
    /// Of those, the customers who were in a segment when it was decided.
    pub segment: Option<Text>,
}

/// What a sender reports of a command, or is known of it by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// It arrived.
    Delivered,
    /// It was looked at.
    Opened,
    /// Something in it was followed.
    Clicked,
    /// It did not arrive.
    Bounced,
    /// It was called spam.
    Complained,
    /// She wants no more of them.
    Unsubscribed,
    /// She ordered with the code of its offer.
    Redeemed,
    /// She answered what it asked.
    Answered,
}

/// How a goal is shared among the treatments that it may have followed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Touch {
    /// All to the last.
    Last,
    /// All to the first.
    First,
    /// The same to each.
    Linear,
}

/// Something that came of a treatment, or of a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whose.
    pub customer: CustomerId,
    /// Of which trigger, and which generation of it.
    pub trigger: (Text, u32),
    /// `channel/template`; none: of the trigger as a whole.
    pub treatment: Option<Text>,
    /// The segments that she was in when it was decided.
    pub segments: Vec<Text>,
    /// What came of it.
    pub change: Change,
}

/// What is added to figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A sender reported something of it, for the first time.
    Reacted(Reaction),
    /// A goal was met, or taken back.
    Credited {
        /// By this way of sharing.
        touch: Touch,
        /// Millionths of it; below 0: it is taken back.
        share: i64,
        /// What it was worth; below 0: that is taken back.
        value: Amount,
    },
    /// The goal of a customer's first exposure counts no more.
    Closed {
        /// Sent or withheld.
        arm: Arm,
        /// What she did until then.
        customer: One,
    },
    /// A customer did something in the journey.
    Passed(Passage),
}

/// What one customer did until her goal counted no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One {
    /// Whether she met it.
    pub converted: bool,
    /// What that was worth.
    pub value: Amount,
    /// The same, held at the most that the trigger says one is worth; none where it says none.
    pub bounded: Option<Amount>,
}

/// Rows of figures, each with what it counts.
pub type Rows = Vec<(Of, Figures)>;

/// Figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Commands sent.
    pub treated: u64,
    /// Moments refused, by reason.
    pub refused: BTreeMap<Text, u64>,
    /// Commands taken back.
    pub withdrawn: u64,
    /// What the commands cost.
    pub cost: Amount,
    /// Commands of which a sender reported something.
    pub reactions: BTreeMap<Reaction, u64>,
    /// Goals met, by how they are shared.
    pub credits: BTreeMap<Touch, Credits>,
    /// Customers whose goal counts no more, treated and held out.
    pub arms: BTreeMap<Arm, Customers>,
    /// What became of those who entered its journey: of whole triggers alone.
    pub journey: Funnel,
}

/// Goals met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credits {
    /// Millionths of a goal.
    pub share: i64,
    /// What they were worth, in the main currency.
    pub value: Amount,
}

/// Customers, each counted once: from her first exposure until its goal counted no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customers {
    /// How many.
    pub count: u64,
    /// Of those, who met the goal.
    pub converted: u64,
    /// What that was worth together.
    pub value: Amount,
    /// The same, each held at the most that one is worth, of those where that is said.
    pub bounded: Amount,
    /// The squares of these.
    pub squares: Amount,
    /// How many those are.
    pub bounded_count: u64,
}

impl Reaction {
    /// Every reaction.
    pub const ALL: [Self; 8] = [
        Self::Delivered,
        Self::Opened,
        Self::Clicked,
        Self::Bounced,
        Self::Complained,
        Self::Unsubscribed,
        Self::Redeemed,
        Self::Answered,
    ];

    /// What an event that carries `treatment_id` reports: what is shown on a page has arrived and is looked at.
    #[must_use]
    pub fn of(name: EventName) -> &'static [Self] {
        match name {
            EventName::EMAIL_DELIVERED | EventName::PUSH_NOTIFICATION_RECEIVED => {
                &[Self::Delivered]
            }
            EventName::IN_APP_MESSAGE_VIEWED => &[Self::Delivered, Self::Opened],
            EventName::EMAIL_OPENED => &[Self::Opened],
            EventName::EMAIL_LINK_CLICKED
            | EventName::PUSH_NOTIFICATION_TAPPED
            | EventName::IN_APP_MESSAGE_CLICKED => &[Self::Clicked],
            EventName::EMAIL_BOUNCED | EventName::PUSH_NOTIFICATION_BOUNCED => &[Self::Bounced],
            EventName::EMAIL_MARKED_AS_SPAM => &[Self::Complained],
            EventName::UNSUBSCRIBED => &[Self::Unsubscribed],
            EventName::FORM_SUBMITTED | EventName::NPS_ANSWERED | EventName::QUIZ_COMPLETED => {
                &[Self::Answered]
            }
            _ => &[],
        }
    }

    /// The word for it in reports and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Unsubscribed => "unsubscribed",
            Self::Redeemed => "redeemed",
            Self::Answered => "answered",
        }
    }

    /// One bit.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Change {
    /// The word for it in metrics, and how often it counts there: a goal once, however it is shared.
    #[must_use]
    pub fn counted(&self) -> (&'static str, u64) {
        match self {
            Self::Reacted(reaction) => (reaction.word(), 1),
            Self::Credited { touch, share, .. } => {
                let counts = *touch == Touch::Last && *share != 0;
                let word = if *share < 0 {
                    "taken_back"
                } else {
                    "converted"
                };
                (word, u64::from(counts))
            }
            Self::Closed { .. } => ("closed", 1),
            Self::Passed(passage) => (passage.counted(), 1),
        }
    }
}

impl Figures {
    /// Moments, whatever was decided of them.
    #[must_use]
    pub fn moments(&self) -> u64 {
        self.treated + self.refused.values().sum::<u64>()
    }

    /// Adds what came of a treatment.
    pub fn take(&mut self, change: &Change) {
        match change {
            Change::Reacted(reaction) => *self.reactions.entry(*reaction).or_default() += 1,
            Change::Credited {
                touch,
                share,
                value,
            } => {
                let credits = self.credits.entry(*touch).or_default();
                credits.share += share;
                credits.value = credits.value + *value;
            }
            Change::Closed { arm, customer } => self.arms.entry(*arm).or_default().take(customer),
            Change::Passed(passage) => self.journey.take(passage),
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.treated += other.treated;
        self.withdrawn += other.withdrawn;
        self.cost = self.cost + other.cost;
        for (reason, count) in &other.refused {
            *self.refused.entry(reason.clone()).or_default() += count;
        }
        for (reaction, count) in &other.reactions {
            *self.reactions.entry(*reaction).or_default() += count;
        }
        for (touch, credits) in &other.credits {
            let mine = self.credits.entry(*touch).or_default();
            mine.share += credits.share;
            mine.value = mine.value + credits.value;
        }
        for (arm, customers) in &other.arms {
            let mine = self.arms.entry(*arm).or_default();
            mine.count += customers.count;
            mine.converted += customers.converted;
            mine.value = mine.value + customers.value;
            mine.bounded = mine.bounded + customers.bounded;
            mine.squares = mine.squares + customers.squares;
            mine.bounded_count += customers.bounded_count;
        }
        self.journey.add(&other.journey);
    }
}

impl Customers {
    fn take(&mut self, one: &One) {
        self.count += 1;
        self.converted += u64::from(one.converted);
        self.value = self.value + one.value;
        if let Some(bounded) = one.bounded {
            self.bounded_count += 1;
            self.bounded = self.bounded + bounded;
            self.squares = self.squares + bounded.times(bounded);
        }
    }
}
