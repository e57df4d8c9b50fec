//! Key performance indicators: what a trigger is measured by, as a name for figures that are counted all the same.
//!
//! An indicator is a term, or one term per another. Of several tasks the terms add up, and what is reckoned from them does not.

use super::{Credits, Customers, Figures, Reaction, Touch, WHOLE};
use crate::event::Text;
use crate::profile::ledger::Arm;

/// What a trigger is measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kpi {
    /// What people call it.
    pub name: Text,
    /// What is counted.
    pub of: Term,
    /// Per what; none: it is the count itself.
    pub per: Option<Term>,
}

/// A figure of a trigger, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Moments that came true.
    Moments,
    /// Commands sent.
    Treated,
    /// What they cost.
    Cost,
    /// Commands of which a sender reported something, or whose code was redeemed.
    Reacted(Reaction),
    /// Goals met, each credited to the last treatment before it.
    Conversions,
    /// What they were worth.
    Value,
    /// Treated customers whose first exposure is over.
    Customers,
    /// Of those, who met the goal in time.
    Converted,
}

/// The words for terms, in the order in which they are listed.
pub const WORDS: &[&str] = &[
    "moments",
    "treated",
    "cost",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "redeemed",
    "answered",
    "conversions",
    "value",
    "customers",
    "converted",
];

impl Term {
    /// The term of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let reaction = |it: &Reaction| it.word() == word;
        Some(match word {
            "moments" => Self::Moments,
            "treated" => Self::Treated,
            "cost" => Self::Cost,
            "conversions" => Self::Conversions,
            "value" => Self::Value,
            "customers" => Self::Customers,
            "converted" => Self::Converted,
            _ => Self::Reacted(Reaction::ALL.into_iter().find(reaction)?),
        })
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Moments => "moments",
            Self::Treated => "treated",
            Self::Cost => "cost",
            Self::Reacted(reaction) => reaction.word(),
            Self::Conversions => "conversions",
            Self::Value => "value",
            Self::Customers => "customers",
            Self::Converted => "converted",
        }
    }

    /// Whether it is counted only of a trigger with a goal.
    #[must_use]
    pub const fn needs_goal(self) -> bool {
        !matches!(self, Self::Moments | Self::Treated | Self::Cost)
    }

    /// What figures have of it.
    #[must_use]
    pub fn count(self, figures: &Figures) -> f64 {
        let last = || figures.credits.get(&Touch::Last);
        let treated = || figures.arms.get(&Arm::Treated);
        let customers = |count: fn(&Customers) -> u64| treated().map_or(0.0, |it| whole(count(it)));
        match self {
            Self::Moments => whole(figures.moments()),
            Self::Treated => whole(figures.treated),
            Self::Cost => figures.cost.number(),
            Self::Reacted(it) => whole(figures.reactions.get(&it).copied().unwrap_or(0)),
            Self::Conversions => last().map_or(0.0, Credits::goals),
            Self::Value => last().map_or(0.0, |it| it.value.number()),
            Self::Customers => customers(|it| it.count),
            Self::Converted => customers(|it| it.converted),
        }
    }
}

impl Credits {
    /// How many goals they are together.
    #[must_use]
    pub fn goals(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "millionths of no more than 2^33 goals"
        )]
        let goals = self.share as f64 / WHOLE as f64;
        goals
    }
}

impl Kpi {
    /// What it is, in the words for its terms: `converted / customers`.
    #[must_use]
    pub fn said(&self) -> String {
        match self.per {
            None => self.of.word().to_owned(),
            Some(per) => format!("{} / {}", self.of.word(), per.word()),
        }
    }

    /// What figures have of its terms.
    #[must_use]
    pub fn terms(&self, figures: &Figures) -> (f64, Option<f64>) {
        let per = self.per.map(|per| per.count(figures));
        (self.of.count(figures), per)
    }

    /// What its terms come to; none where there is nothing yet to measure by.
    #[must_use]
    pub fn value((of, per): (f64, Option<f64>)) -> Option<f64> {
        match per {
            None => Some(of),
            Some(per) => (per > 0.0).then(|| of / per),
        }
    }
}

fn whole(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Amount;

    #[test]
    fn each_word_is_a_term_and_counts_what_it_says() {
        let mut figures = Figures {
            treated: 40,
            cost: Amount::of(2.5),
            refused: [("capped".into(), 60)].into(),
            ..Figures::default()
        };
        for (n, reaction) in (1..).zip(Reaction::ALL) {
            figures.reactions.insert(reaction, n);
        }
        let credits = Credits {
            share: 7_500_000,
            value: Amount::of(90.0),
        };
        figures.credits.insert(Touch::Last, credits);
        let customers = Customers {
            count: 30,
            converted: 6,
            ..Customers::default()
        };
        figures.arms.insert(Arm::Treated, customers);
        let expected = [
            100.0, 40.0, 2.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 7.5, 90.0, 30.0, 6.0,
        ];
        assert_eq!(WORDS.len(), expected.len());
        for (word, count) in WORDS.iter().zip(expected) {
            let term = Term::of_word(word).expect(word);
            assert_eq!((term.word(), term.count(&figures)), (*word, count));
        }
        let kpi = Kpi {
            name: "recovered".into(),
            of: Term::Converted,
            per: Some(Term::Customers),
        };
        assert_eq!(kpi.said(), "converted / customers");
        assert_eq!(Kpi::value(kpi.terms(&figures)), Some(0.2));
        assert_eq!(Kpi::value(kpi.terms(&Figures::default())), None);
        let count = Kpi { per: None, ..kpi };
        assert_eq!(Kpi::value(count.terms(&Figures::default())), Some(0.0));
    }
}
