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
