//! A step of a journey, as the gates see it.

use crate::treatment::choice::TreatmentChoice;

/// A step of a journey that is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Sends<'a> {
    /// What may be sent.
    pub choices: &'a [TreatmentChoice],
    /// Whether she is held out of the journey: it was drawn when she entered.
    pub held_out: bool,
}
