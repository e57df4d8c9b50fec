//! A journey in plain English sentences, and all that it asks.

use super::{Awaited, Does, Journey, ReEnter, Wait};
use crate::expression::Expression;
use crate::moment::kind::capitalised;
use crate::time::{WEEKDAYS, duration_in_words};
use crate::treatment::choice::TreatmentChoice;

impl Journey {
    /// Its sentences, step by step; `sends` says what treatments are sent.
    #[must_use]
    pub fn said(&self, sends: impl Fn(&[TreatmentChoice]) -> String) -> Vec<String> {
        let steps = self.steps.iter().map(|step| {
            let name = &step.name;
            match &step.does {
                Does::Send(choices) => format!("Step `{name}`: {}", sends(choices)),
                Does::Wait(wait) => format!("Step `{name}`: it waits {}.", wait.said()),
                Does::WaitFor {
                    of,
                    within_ms,
                    then,
                    otherwise,
                } => {
                    let (of, long) = (of.said(), duration_in_words(*within_ms));
                    let (then, otherwise) = (self.goes(*then), self.goes(*otherwise));
                    format!(
                        "Step `{name}`: it waits {long} for {of}; where that comes {then}, else {otherwise}."
                    )
                }
                Does::Branch(branches, otherwise) => {
                    let branches = branches.iter().map(|(condition, then)| {
                        format!("if `{}`, {}", condition.source(), self.goes(*then))
                    });
                    let otherwise = format!("else {}", self.goes(*otherwise));
                    let ways: Vec<String> = branches.chain([otherwise]).collect();
                    format!("Step `{name}`: {}.", ways.join("; "))
                }
                Does::Split(split) if split.is_adaptive => {
                    let ways = split.ways.iter();
                    let ways = ways.map(|(way, _, first)| format!("{way}, where {}", self.goes(*first)));
                    let ways: Vec<String> = ways.collect();
                    format!(
                        "Step `{name}`: one of these, the more often the better it meets the goal: {}.",
                        ways.join("; ")
                    )
                }
                Does::Split(split) => {
                    let ways = split.ways.iter().map(|(way, weight, first)| {
                        format!("{way} with weight {weight}, where {}", self.goes(*first))
                    });
                    let ways: Vec<String> = ways.collect();
                    format!("Step `{name}`: by lot, {}.", ways.join("; "))
                }
                Does::Exit => format!("Step `{name}`: she leaves."),
            }
        });
        let mut said: Vec<String> = steps.collect();
        if let Some(until) = &self.until {
            said.push(format!("She leaves at once where `{}`.", until.source()));
        }
        said.push(match self.re_enter {
            ReEnter::Always => {
                "She enters again whenever it comes true and she is not inside.".to_owned()
            }
            ReEnter::After(ms) => format!(
                "She enters again no sooner than {} after she entered.",
                duration_in_words(ms)
            ),
            ReEnter::Never => "She enters once.".to_owned(),
        });
        said
    }

    /// Every expression of it, but for those of its treatments.
    #[must_use]
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut all: Vec<&Expression> = self.until.iter().chain(&self.per).collect();
        for step in &self.steps {
            match &step.does {
                Does::Wait(Wait::Until { date, .. }) => all.push(date),
                Does::WaitFor {
                    of: Awaited::Event(matcher),
                    ..
                } => all.extend(matcher.expressions()),
                Does::WaitFor {
                    of: Awaited::Condition(condition),
                    ..
                } => all.push(condition),
                Does::Branch(branches, _) => {
                    all.extend(branches.iter().map(|(condition, _)| condition));
                }
                Does::Send(_)
                | Does::Wait(Wait::For(_) | Wait::Local { .. })
                | Does::Split(_)
                | Does::Exit => {}
            }
        }
        all
    }

    fn goes(&self, step: Option<u16>) -> String {
        match self.at(step) {
            Some(at) => format!("it goes on at `{}`", at.name()),
            None => "she leaves".to_owned(),
        }
    }
}

impl Awaited {
    fn said(&self) -> String {
        match self {
            Self::Event(matcher) => matcher.said(),
            Self::Condition(condition) => format!("`{}` to be true", condition.source()),
        }
    }
}

impl Wait {
    fn said(&self) -> String {
        let local = |ms: i64| format!("{:02}:{:02}", ms / 3_600_000, ms / 60_000 % 60);
        match self {
            Self::For(ms) => duration_in_words(*ms),
            Self::Until {
                date,
                shift_ms,
                at_ms,
            } => {
                let long = duration_in_words(shift_ms.abs());
                let shift = match shift_ms {
                    0 => String::new(),
                    ..0 => format!("{long} before "),
                    1.. => format!("{long} after "),
                };
                let at = at_ms.map_or(String::new(), |ms| format!(", at {} of hers", local(ms)));
                format!("until {shift}`{}`{at}", date.source())
            }
            Self::Local { at_ms, days } => {
                let named = WEEKDAYS.iter().zip(days).filter(|(_, is_one)| **is_one);
                let named: Vec<String> = named.map(|(name, _)| capitalised(name)).collect();
                let on = match named.len() {
                    7 => String::new(),
                    _ => format!(" on {}", named.join(", ")),
                };
                format!("until {} of hers{on}", local(*at_ms))
            }
        }
    }
}
