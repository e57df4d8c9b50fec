//! What it was worth: the figures of triggers ([`crate::tally`]), with lift and the business case reckoned from them.
//!
//! A report is made of rows that add up over tasks, wherever they come from: a rehearsal, the tasks of a process, or several processes.

pub mod html;
pub mod journey;
pub mod page;
pub mod text;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::event::Text;
use crate::lift::{self, ALPHA, Lift, Rate, Worth};
use crate::money::Amount;
use crate::profile::ledger::Arm;
use crate::tally::{Customers, Figures, Of, Touch, kpi};
use crate::treatment::Reason;
use crate::trigger::plan::{Goal, Plan};

/// What triggers did and brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct Report {
    /// The currency of all amounts; empty where the company declares none: then each customer's are in her own.
    pub currency: String,
    /// How often an interval misses the truth at most, at whatever time it is looked at: 0.05.
    pub alpha: f64,
    /// A line for each trigger, each of its treatments, and both by segment; in that order, by name.
    pub lines: Vec<Line>,
}

/// What one trigger, or a part of it, did and brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct Line {
    /// The trigger.
    pub trigger: String,
    /// And which generation of it.
    pub generation: u32,
    /// Of those, one treatment: `channel/template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub treatment: Option<String>,
    /// Of those, the customers who were in a segment when it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// Moments that came true.
    pub moments: u64,
    /// Of those, treated.
    pub treated: u64,
    /// Commands taken back: said of whole triggers alone.
    pub withdrawn: u64,
    /// Of those that came true, held out by lot.
    pub held_out: u64,
    /// Of those, refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Commands of which a sender reported something: `delivered`, `opened`, `clicked`, `bounced`, `complained`, `unsubscribed`; or whose code she ordered with, `redeemed`.
    pub reactions: BTreeMap<&'static str, u64>,
    /// Goals met, each credited to the last treatment before it.
    pub conversions: f64,
    /// What they were worth.
    pub value: f64,
    /// The same, credited to the first treatment.
    pub first_touch: Credited,
    /// The same, credited in equal parts to all.
    pub linear: Credited,
    /// What the commands cost.
    pub cost: f64,
    /// Customers whose first exposure is over.
    pub customers: Arms,
    /// How much higher the share of those who met the goal is among the treated, and where the truth is; none before both arms have
    /// somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift: Option<Difference>,
    /// The same of what one customer brings, where the trigger says the most that one is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lift_in_value: Option<Difference>,
    /// What those who were treated brought beyond those who were not, less what was sold and what it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_case: Option<BusinessCase>,
    /// What people measure the trigger by, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kpi: Option<Kpi>,
    /// What became of those who entered the trigger's journey: said of whole triggers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journey: Option<journey::Shown>,
}

/// What people measure a trigger by, of it or of a part of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Kpi {
    /// What they call it.
    pub name: String,
    /// What it is, in the words for figures: `converted / customers`.
    pub is: String,
    /// What that comes to; none where there is nothing yet to measure by.
    pub value: Option<f64>,
    /// What is counted.
    pub of: f64,
    /// Per what; none where the count itself is what is measured. Both add up over processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<f64>,
}

/// What is credited by a way of sharing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Credited {
    /// Goals.
    pub conversions: f64,
    /// What they were worth.
    pub value: f64,
}

/// The two arms.
#[derive(Debug, Serialize, ToSchema)]
pub struct Arms {
    /// Those who were treated.
    pub treated: InArm,
    /// Those who would have been.
    pub held_out: InArm,
}

/// Customers of one arm, each counted once.
#[derive(Debug, Serialize, ToSchema)]
pub struct InArm {
    /// How many.
    pub customers: u64,
    /// Of those, who met the goal in time.
    pub converted: u64,
    /// Their share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What that was worth together.
    pub value: f64,
}

/// A difference, and where the true one is at all times together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// As it was counted.
    pub found: f64,
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

/// What treatments brought and cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct BusinessCase {
    /// The margin of what the treated customers brought beyond those held out.
    pub incremental: Difference,
    /// What the treatments cost.
    pub cost: f64,
    /// The margin less the cost.
    pub profit: f64,
    /// The margin for each unit of cost; none where it cost nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_on_cost: Option<f64>,
}

/// Rows that count the same become one.
#[must_use]
pub fn folded(rows: impl IntoIterator<Item = (Of, Figures)>) -> BTreeMap<Of, Figures> {
    let mut all: BTreeMap<Of, Figures> = BTreeMap::new();
    for (of, figures) in rows {
        all.entry(of).or_default().add(&figures);
    }
    all
}

impl Report {
    /// Of rows, by what the triggers of `plan` say of their goals.
    #[must_use]
    pub fn new(rows: &BTreeMap<Of, Figures>, plan: &Plan) -> Self {
        let reporting = plan.policy.currencies.reporting.as_ref();
        Self {
            currency: reporting.map_or_else(String::new, |it| it.code().to_owned()),
            alpha: ALPHA,
            lines: rows
                .iter()
                .map(|(of, it)| Line::new(of, it, plan))
                .collect(),
        }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines of whole triggers.
    pub fn triggers(&self) -> impl Iterator<Item = &Line> {
        let whole = |line: &&Line| line.treatment.is_none() && line.segment.is_none();
        self.lines.iter().filter(whole)
    }
}

impl Line {
    fn new(of: &Of, figures: &Figures, plan: &Plan) -> Self {
        let trigger = plan.triggers.iter().find(|it| it.name == of.trigger);
        let goal = trigger.and_then(|it| it.goal.as_ref());
        let arm = |arm: Arm| figures.arms.get(&arm).cloned().unwrap_or_default();
        let arms = (arm(Arm::Treated), arm(Arm::HeldOut));
        let lift = lift::of_rates(rate(&arms.0), rate(&arms.1), ALPHA);
        let lift_in_value = goal.and_then(|goal| in_value(&arms, goal));
        let refused = |word: &str| figures.refused.get(word).copied().unwrap_or(0);
        let credited = |touch| Credited::of(figures, touch);
        let last = credited(Touch::Last);
        let owned = |text: &Text| text.to_string();
        let walked = (!figures.journey.is_empty()).then(|| {
            let now = trigger.and_then(|it| it.journey.as_ref());
            journey::Shown::new(&figures.journey, now)
        });
        Self {
            trigger: owned(&of.trigger),
            generation: of.generation,
            treatment: of.treatment.as_ref().map(owned),
            segment: of.segment.as_ref().map(owned),
            moments: figures.moments(),
            treated: figures.treated,
            withdrawn: figures.withdrawn,
            held_out: refused(Reason::HeldOut.word()),
            refused: figures
                .refused
                .iter()
                .map(|(reason, count)| (owned(reason), *count))
                .collect(),
            reactions: figures
                .reactions
                .iter()
                .map(|(reaction, count)| (reaction.word(), *count))
                .collect(),
            conversions: last.conversions,
            value: last.value,
            first_touch: credited(Touch::First),
            linear: credited(Touch::Linear),
            cost: figures.cost.number(),
            customers: Arms {
                treated: InArm::of(&arms.0),
                held_out: InArm::of(&arms.1),
            },
            business_case: lift_in_value.zip(goal).map(|(lift, goal)| {
                BusinessCase::new(lift, arms.0.bounded_count, goal, figures.cost)
            }),
            kpi: trigger
                .and_then(|it| it.kpi.as_ref())
                .map(|it| Kpi::new(it, figures)),
            journey: walked,
            lift: lift.map(Difference::of),
            lift_in_value: lift_in_value.map(Difference::of),
        }
    }
}

fn rate(customers: &Customers) -> Rate {
    Rate {
        of: customers.count,
        did: customers.converted,
    }
}

fn in_value((treated, held_out): &(Customers, Customers), goal: &Goal) -> Option<Lift> {
    let most = goal.at_most?.number();
    let worth = |customers: &Customers| Worth {
        of: customers.bounded_count,
        sum: customers.bounded.number(),
        squares: customers.squares.number(),
        most,
    };
    lift::of_worth(worth(treated), worth(held_out), ALPHA)
}

impl Credited {
    /// What figures have by a way of sharing.
    #[must_use]
    pub fn of(figures: &Figures, touch: Touch) -> Self {
        let credits = figures.credits.get(&touch).cloned().unwrap_or_default();
        Self {
            conversions: credits.goals(),
            value: credits.value.number(),
        }
    }
}

impl Kpi {
    fn new(kpi: &kpi::Kpi, figures: &Figures) -> Self {
        let (of, per) = kpi.terms(figures);
        Self {
            name: kpi.name.to_string(),
            is: kpi.said(),
            value: kpi::Kpi::value((of, per)),
            of,
            per,
        }
    }
}

impl InArm {
    fn of(customers: &Customers) -> Self {
        Self {
            customers: customers.count,
            converted: customers.converted,
            rate: rate(customers).share(),
            value: customers.value.number(),
        }
    }
}

impl Difference {
    fn of(lift: Lift) -> Self {
        Self {
            found: lift.found,
            low: lift.interval.low,
            high: lift.interval.high,
        }
    }
}

impl BusinessCase {
    fn new(lift: Lift, treated: u64, goal: &Goal, cost: Amount) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no company has 2^53 customers")]
        let each = treated as f64 * goal.margin.number();
        let incremental = Difference {
            found: lift.found * each,
            low: lift.interval.low * each,
            high: lift.interval.high * each,
        };
        let cost = cost.number();
        Self {
            incremental,
            cost,
            profit: incremental.found - cost,
            return_on_cost: (cost > 0.0).then(|| incremental.found / cost),
        }
    }
}
