//! The few formulas that several rooms need.

/// Sample standard deviation (n - 1) from exact sums: sqrt((n Q - S^2) / (n (n - 1))).
#[must_use]
pub fn deviation(n: u32, sum: i64, squares: i128) -> Option<f64> {
    if n < 2 {
        return None;
    }
    let n = i128::from(n);
    let spread = n
        .saturating_mul(squares)
        .saturating_sub(i128::from(sum).saturating_mul(i128::from(sum)));
    #[expect(clippy::cast_precision_loss, reason = "the root is inexact anyway")]
    let variance = spread.max(0) as f64 / (n * (n - 1)) as f64;
    Some(variance.sqrt())
}

/// A number drawn from the beta distribution with shapes of at least 1, as the share of one of two gamma numbers in both; `uniform` gives
/// numbers between 0 and 1, both excluded. The same for the same numbers on every machine.
pub fn beta(a: f64, b: f64, uniform: &mut impl FnMut() -> f64) -> f64 {
    let (a, b) = (gamma(a, uniform), gamma(b, uniform));
    a / (a + b)
}

/// One of the gamma distribution with a shape of at least 1: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
fn gamma(shape: f64, uniform: &mut impl FnMut() -> f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // A normal number: Box and Muller.
        let radius = (-2.0 * libm::log(uniform())).sqrt();
        let x = radius * libm::cos(std::f64::consts::TAU * uniform());
        let v = 1.0 + c * x;
        let v = v * v * v;
        if v > 0.0 && libm::log(uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// A score `elapsed_ms` later, where it halves every `half_life_ms`: score * 2^(-elapsed / half-life), the same on every machine.
#[must_use]
pub fn half_life(score: f32, elapsed_ms: i64, half_life_ms: i64) -> f32 {
    if elapsed_ms == 0 {
        return score;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a score is no account"
    )]
    let halves = (elapsed_ms as f64 / half_life_ms as f64) as f32;
    score * libm::exp2f(-halves)
}

/// As [`half_life`], to the last digit that a double has.
#[must_use]
pub fn faded(score: f64, elapsed_ms: i64, half_life_ms: i64) -> f64 {
    if elapsed_ms == 0 {
        return score;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a time between events stays below 2^53 ms"
    )]
    let halves = elapsed_ms as f64 / half_life_ms as f64;
    score * libm::exp2(-halves)
}
