//! What a treatment has brought beyond what would have come anyway, with intervals that stay valid while somebody looks.
//!
//! Customers are treated or held out by lot, and each counts once, when her goal counts no more. A confidence sequence covers the truth
//! at all times together with the probability that it says, so looking every day and stopping when it pleases does not cheat.
//!
//! Rates: for each arm the mixture of likelihood ratios over a Beta(1/2, 1/2), which is a martingale under the true rate; the rates
//! that it does not refute (Ville's inequality) are the sequence. Values: the empirical Bernstein sequence for values from 0 to a bound,
//! with the polynomial stitched boundary (Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
//! sequences", 2021, sections 3.2, 3.1 and theorem 4; every value is predicted as 0, which makes the variance a plain sum). A difference
//! lies between the differences of the ends of its arms, each arm taking half of the error.

use libm::{exp, lgamma, log, log2, pow, sqrt};

/// The error that is allowed for, unless somebody says otherwise: intervals cover the truth in 95 of 100 experiments.
pub const ALPHA: f64 = 0.05;

/// From and to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

/// How many customers did something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Customers.
    pub of: u64,
    /// Of those, who did.
    pub did: u64,
}

/// What customers brought, each between 0 and a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// Customers.
    pub of: u64,
    /// What they brought together.
    pub sum: f64,
    /// The squares of what each brought, together.
    pub squares: f64,
    /// The most that one brings; above 0.
    pub most: f64,
}

/// A number of customers as a real number.
fn real(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no company has 2^53 customers")]
    let real = count as f64;
    real
}

impl Rate {
    /// Their share; none of nobody.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| real(self.did) / real(self.of))
    }

    /// Where the true rate is, at all times together but with the probability `alpha`.
    #[must_use]
    pub fn sequence(self, alpha: f64) -> Interval {
        let Some(share) = self.share() else {
            return Interval {
                low: 0.0,
                high: 1.0,
            };
        };
        let (did, not) = (real(self.did), real(self.of - self.did));
        let beta = |a: f64, b: f64| lgamma(a) + lgamma(b) - lgamma(a + b);
        let mixed = beta(did + 0.5, not + 0.5) - beta(0.5, 0.5);
        let term = |count: f64, chance: f64| {
            if count > 0.0 {
                count * log(chance)
            } else {
                0.0
            }
        };
        let refutes = |rate: f64| mixed - term(did, rate) - term(not, 1.0 - rate) >= -log(alpha);
        // The evidence against a rate grows with its distance from the share.
        let edge = |outside: f64| {
            if !refutes(outside) {
                return outside;
            }
            let (mut within, mut beyond) = (share, outside);
            for _ in 0..60 {
                let middle = f64::midpoint(within, beyond);
                if refutes(middle) {
                    beyond = middle;
                } else {
                    within = middle;
                }
            }
            beyond
        };
        Interval {
            low: edge(0.0),
            high: edge(1.0),
        }
    }
}

impl Worth {
    /// What one brings; none of nobody.
    #[must_use]
    pub fn mean(self) -> Option<f64> {
        (self.of > 0).then(|| self.sum / real(self.of))
    }

    /// Where the true mean is, at all times together but with the probability `alpha`.
    #[must_use]
    pub fn sequence(self, alpha: f64) -> Interval {
        let Some(mean) = self.mean() else {
            return Interval {
                low: 0.0,
                high: self.most,
            };
        };
        let variance = self.squares / (self.most * self.most);
        let radius = self.most * stitched(variance, alpha / 2.0) / real(self.of);
        Interval {
            low: (mean - radius).max(0.0),
            high: (mean + radius).min(self.most),
        }
    }
}

/// The polynomial stitched boundary of a sub-gamma process of scale 1 at the intrinsic time `variance`, with eta 2, s 1.4 and m 1.
fn stitched(variance: f64, alpha: f64) -> f64 {
    /// The Riemann zeta of 1.4.
    const ZETA: f64 = 3.105_547_277_97;
    let time = variance.max(1.0);
    let rounds = log(ZETA * pow(log2(time) + 1.0, 1.4)) - log(alpha);
    let fourth = exp(log(2.0) / 4.0);
    let spread = (fourth + 1.0 / fourth) / sqrt(2.0);
    spread * sqrt(time * rounds) + f64::midpoint(sqrt(2.0), 1.0) * rounds
}

/// The difference of two, and where the true one is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lift {
    /// As it was counted.
    pub found: f64,
    /// Where the truth is, at all times together.
    pub interval: Interval,
}

/// How much higher the rate of those who were treated is.
#[must_use]
pub fn of_rates(treated: Rate, held_out: Rate, alpha: f64) -> Option<Lift> {
    let found = treated.share()? - held_out.share()?;
    let arms = (
        treated.sequence(alpha / 2.0),
        held_out.sequence(alpha / 2.0),
    );
    Some(Lift {
        found,
        interval: difference(arms),
    })
}

/// How much more those who were treated bring, each.
#[must_use]
pub fn of_worth(treated: Worth, held_out: Worth, alpha: f64) -> Option<Lift> {
    let found = treated.mean()? - held_out.mean()?;
    let arms = (
        treated.sequence(alpha / 2.0),
        held_out.sequence(alpha / 2.0),
    );
    Some(Lift {
        found,
        interval: difference(arms),
    })
}

fn difference((one, other): (Interval, Interval)) -> Interval {
    Interval {
        low: one.low - other.high,
        high: one.high - other.low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    /// Of so many experiments of `days` days, in how many the truth was left at the end of any day; and the mean width at the end.
    fn left(runs: u64, truth: (f64, f64)) -> (u64, f64) {
        let (days, a_day, held_out) = (60, 40, 0.1);
        let (mut left, mut width) = (0, 0.0);
        for seed in 0..runs {
            let mut chance = Pcg64Mcg::seed_from_u64(seed);
            let mut draw = || f64::from(chance.next_u32()) / f64::from(u32::MAX);
            let mut arms = [Rate::default(); 2];
            let (mut missed, mut last) = (false, 0.0);
            for _ in 0..days {
                for _ in 0..a_day {
                    let held = draw() < held_out;
                    let arm = &mut arms[usize::from(held)];
                    arm.of += 1;
                    arm.did += u64::from(draw() < if held { truth.1 } else { truth.0 });
                }
                if let Some(Lift { interval, .. }) = of_rates(arms[0], arms[1], ALPHA) {
                    let difference = truth.0 - truth.1;
                    missed |= difference < interval.low || difference > interval.high;
                    last = interval.high - interval.low;
                }
            }
            left += u64::from(missed);
            width += last;
        }
        (left, width / real(runs))
    }

    #[test]
    fn who_looks_every_day_is_not_cheated() {
        for truth in [(0.10, 0.10), (0.12, 0.08), (0.02, 0.01)] {
            let (left, width) = left(1_000, truth);
            // 5 % are allowed.
            assert!(left <= 50, "{left} of 1,000 left {truth:?}");
            // That of a fixed horizon, for 2,160 and 240 customers: looking all the time costs no more than twice and a half of it.
            let variance = |rate: f64, of: f64| rate * (1.0 - rate) / of;
            let fixed = 2.0 * 1.96 * sqrt(variance(truth.0, 2_160.0) + variance(truth.1, 240.0));
            assert!(width < 2.5 * fixed + 0.02, "{width} against {fixed}");
        }
    }

    #[test]
    fn values_are_covered_too() {
        let mut left = 0;
        for seed in 0..1_000 {
            let mut chance = Pcg64Mcg::seed_from_u64(seed);
            let mut draw = || f64::from(chance.next_u32()) / f64::from(u32::MAX);
            let mut arm = Worth {
                most: 200.0,
                ..Worth::default()
            };
            let mut missed = false;
            for _ in 0..60 {
                for _ in 0..40 {
                    let value = if draw() < 0.1 { 100.0 * draw() } else { 0.0 };
                    arm.of += 1;
                    arm.sum += value;
                    arm.squares += value * value;
                }
                let Interval { low, high } = arm.sequence(ALPHA);
                missed |= low > 5.0 || high < 5.0;
            }
            left += u64::from(missed);
        }
        assert!(left <= 50, "{left} of 1,000");
    }

    #[test]
    fn nobody_says_nothing() {
        assert_eq!(
            of_rates(Rate { of: 5, did: 2 }, Rate::default(), ALPHA),
            None
        );
        let Interval { low, high } = Rate::default().sequence(ALPHA);
        assert_eq!((low, high), (0.0, 1.0));
        // Of 100 of whom none did, more than 6 % are refuted.
        let none = Rate { of: 100, did: 0 }.sequence(ALPHA);
        assert!(
            none.low == 0.0 && (0.03..0.07).contains(&none.high),
            "{none:?}"
        );
    }
}
