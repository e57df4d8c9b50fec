//! What a rehearsal may expect of its treatments, by what the same ones have brought: rates of a report, times what would be sent.
//!
//! Goals are those of the last touch, as the report credits them. So it says what would be credited to a treatment, not what it would bring
//! beyond a hold-out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Text;
use crate::tally::{Figures, Of};

/// What treatments have brought, as a report tells it.
#[derive(Debug, Default)]
pub struct Measured {
    currency: String,
    /// By trigger and treatment; without one, of the trigger as a whole.
    rates: BTreeMap<(Text, Option<Text>), Rate>,
}

/// What came of commands.
#[derive(Clone, Copy, Debug)]
struct Rate {
    treated: f64,
    conversions: f64,
    value: f64,
}

/// A report, as far as it is asked.
#[derive(Deserialize)]
struct Report {
    currency: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    trigger: Text,
    treatment: Option<Text>,
    segment: Option<Text>,
    treated: u64,
    conversions: f64,
    value: f64,
}

/// What a trigger may bring.
#[derive(Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Its name.
    pub trigger: String,
    /// Treatments of it.
    pub treated: u64,
    /// Of those, of which nothing was measured: they are in no sum.
    pub unmeasured: u64,
    /// Goals that would be met after the others.
    pub conversions: f64,
    /// What these would be worth, in the currency of the report.
    pub value: f64,
    /// What all treatments cost.
    pub cost: f64,
}

impl Measured {
    /// A report as `moments report --format json` writes it, and `/api/v1/report` answers.
    ///
    /// # Errors
    /// Where it is none: with line and column.
    pub fn read(report: &[u8]) -> Result<Self, serde_json::Error> {
        let report: Report = serde_json::from_slice(report)?;
        let mut rates: BTreeMap<_, Rate> = BTreeMap::new();
        let whole = report.lines.into_iter().filter(|it| it.segment.is_none());
        for line in whole.filter(|it| it.treated > 0) {
            // Generations are one.
            let rate = rates.entry((line.trigger, line.treatment));
            let rate = rate.or_insert(Rate {
                treated: 0.0,
                conversions: 0.0,
                value: 0.0,
            });
            rate.treated += number(line.treated);
            rate.conversions += line.conversions;
            rate.value += line.value;
        }
        Ok(Self {
            currency: report.currency,
            rates,
        })
    }

    /// The currency of amounts; empty where there is none.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// What the treatments of a rehearsal may bring, by trigger, sorted by name: a treatment by its own rate, and where that was not
    /// measured by its trigger's.
    #[must_use]
    pub fn expected(&self, figures: &BTreeMap<Of, Figures>) -> Vec<Expected> {
        let mut all: BTreeMap<&Text, Expected> = BTreeMap::new();
        let parts = figures.iter().filter(|(of, _)| of.segment.is_none());
        for (of, figures) in parts.filter(|(_, it)| it.treated > 0) {
            let Some(treatment) = &of.treatment else {
                continue;
            };
            let expected = all.entry(&of.trigger).or_insert_with(|| Expected {
                trigger: of.trigger.to_string(),
                treated: 0,
                unmeasured: 0,
                conversions: 0.0,
                value: 0.0,
                cost: 0.0,
            });
            expected.treated += figures.treated;
            expected.cost += figures.cost.number();
            match self.rate(&of.trigger, treatment) {
                None => expected.unmeasured += figures.treated,
                Some(rate) => {
                    let times = number(figures.treated) / rate.treated;
                    expected.conversions += rate.conversions * times;
                    expected.value += rate.value * times;
                }
            }
        }
        all.into_values().collect()
    }

    fn rate(&self, trigger: &Text, treatment: &Text) -> Option<Rate> {
        let of = |treatment| self.rates.get(&(trigger.clone(), treatment));
        let rate = of(Some(treatment.clone())).or_else(|| of(None));
        rate.copied()
    }
}

fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^53 messages")]
    let count = count as f64;
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Amount;

    const REPORT: &str = r#"{"currency": "EUR", "alpha": 0.05, "lines": [
        {"trigger": "basket", "treatment": null, "treated": 400, "conversions": 30.0, "value": 900.0},
        {"trigger": "basket", "treatment": "email/a", "treated": 300, "conversions": 30.0, "value": 900.0},
        {"trigger": "basket", "treatment": "email/a", "segment": "gold", "treated": 100, "conversions": 99.0, "value": 9.0},
        {"trigger": "quiet", "treated": 0, "conversions": 0.0, "value": 0.0}]}"#;

    fn row(trigger: &str, treatment: Option<&str>, treated: u64) -> (Of, Figures) {
        let of = Of {
            trigger: trigger.into(),
            generation: 2,
            treatment: treatment.map(Text::from),
            segment: None,
        };
        let figures = Figures {
            treated,
            cost: Amount::of(0.5),
            ..Figures::default()
        };
        (of, figures)
    }

    #[test]
    fn a_treatment_goes_by_its_own_rate_and_else_by_its_triggers() {
        let measured = Measured::read(REPORT.as_bytes()).expect("a report");
        let figures = BTreeMap::from([
            row("basket", None, 1_000),
            row("basket", Some("email/a"), 600),
            row("basket", Some("push/b"), 400),
            row("quiet", Some("email/c"), 5),
        ]);
        let found = measured.expected(&figures);
        let expected =
            |trigger: &str, (treated, unmeasured), (conversions, value), cost| Expected {
                trigger: trigger.to_owned(),
                treated,
                unmeasured,
                conversions,
                value,
                cost,
            };
        assert_eq!(
            found,
            [
                // 600 of 300 with 30 goals, and 400 of 400 with 30.
                expected("basket", (1_000, 0), (90.0, 2_700.0), 1.0),
                expected("quiet", (5, 5), (0.0, 0.0), 0.5),
            ]
        );
        assert_eq!(measured.currency(), "EUR");
    }

    #[test]
    fn what_is_no_report_is_said_with_its_place() {
        let error =
            Measured::read(b"{\"currency\": \"EUR\",\n \"lines\": 3}").expect_err("no list");
        assert!(error.to_string().contains("line 2 column"), "{error}");
    }
}
