//! When somebody orders, and when she leaves for good.
//!
//! The model is BG/NBD: each customer orders at a rate of her own, gamma distributed over customers, and after each order but
//! the first leaves for good with a chance of her own, beta distributed over customers.
//! Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing
//! Science 24(2), 275-284. Regularity is that of BG/CNBD-k: times between orders are Erlang-k distributed with the same mean.
//! Reutterer, Platzer and Schröder (2021), Leveraging purchase regularity for predicting customer behavior the easy way,
//! International Journal of Research in Marketing 38(1), 194-215.

use rand_distr::{Beta, Gamma};

use super::dice::Dice;
use super::shop::Shop;

/// Nobody orders more seldom than this, days; the gamma distribution has a long tail of those who never would.
const EVERY_MAX: f64 = 3_650.0;
/// Nor more often.
const EVERY_MIN: f64 = 2.0;

/// How one customer buys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rhythm {
    /// Mean days between orders.
    pub every: f64,
    /// The Erlang shape k.
    pub regularity: u8,
    /// The chance to leave for good after an order.
    pub leaves: f64,
}

impl Rhythm {
    /// One customer's.
    pub fn drawn(shop: &Shop, dice: &mut Dice) -> Self {
        let rates = Gamma::new(shop.order_shape, 1.0 / shop.order_days);
        let leaving = Beta::new(shop.leave_a, shop.leave_b);
        let rate = dice.draw(rates.expect("a shop's parameters are above 0"));
        Self {
            every: (1.0 / rate).clamp(EVERY_MIN, EVERY_MAX),
            regularity: *dice.one(&shop.regularity),
            leaves: dice.draw(leaving.expect("a shop's parameters are above 0")),
        }
    }

    /// Days from one order to the next.
    pub fn gap(&self, dice: &mut Dice) -> f64 {
        let k = f64::from(self.regularity);
        let gaps = Gamma::new(k, self.every / k);
        dice.draw(gaps.expect("both are above 0"))
    }

    /// Whether she leaves after an order that is not her first.
    pub fn ends(&self, dice: &mut Dice) -> bool {
        dice.chance(self.leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shop::OCCASIONAL;
    use super::*;

    /// The expected number of repeat orders in `t` days of a customer chosen at random: formula 9 of the paper.
    fn expected(shop: &Shop, t: f64) -> f64 {
        let (r, alpha, a, b) = (
            shop.order_shape,
            shop.order_days,
            shop.leave_a,
            shop.leave_b,
        );
        // Gauss's hypergeometric function of (r, b; a + b - 1; t / (alpha + t)), as its series.
        let z = t / (alpha + t);
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 0..10_000 {
            let n = f64::from(n);
            term *= (r + n) * (b + n) / ((a + b - 1.0 + n) * (n + 1.0)) * z;
            sum += term;
        }
        let staying = libm::pow(alpha / (alpha + t), r);
        (a + b - 1.0) / (a - 1.0) * (1.0 - staying * sum)
    }

    #[test]
    fn orders_are_as_many_as_the_papers_formula_expects() {
        const CUSTOMERS: u32 = 200_000;
        let until = 39.0 * 7.0;
        let mut dice = Dice::new(5, 0);
        let mut orders = 0_u32;
        for _ in 0..CUSTOMERS {
            let rhythm = Rhythm::drawn(&OCCASIONAL, &mut dice);
            let mut at = rhythm.gap(&mut dice);
            while at <= until {
                orders += 1;
                if rhythm.ends(&mut dice) {
                    break;
                }
                at += rhythm.gap(&mut dice);
            }
        }
        let mean = f64::from(orders) / f64::from(CUSTOMERS);
        let expected = expected(&OCCASIONAL, until);
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
    }
}
