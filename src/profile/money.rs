//! Amounts.

/// An amount in minor units (hundredths) of the currency beside it.
pub type Minor = i64;

/// Amounts beyond this (10^12 major units) are held at it.
const AMOUNT_MAX: f64 = 1e12;

/// Minor units as major ones.
#[must_use]
pub fn major(minor: Minor) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "amounts stay far below 2^53 hundredths"
    )]
    let minor = minor as f64;
    minor / 100.0
}

/// Major units as minor ones, rounded.
pub(super) fn minor(major: f64) -> Minor {
    #[expect(clippy::cast_possible_truncation, reason = "held within AMOUNT_MAX")]
    let minor = (major.clamp(-AMOUNT_MAX, AMOUNT_MAX) * 100.0).round() as Minor;
    minor
}
