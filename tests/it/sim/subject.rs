//! What is put into the simulation as a task's customers.

use moments::task::core::Core;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Packed states by customer.
pub type States = BTreeMap<Vec<u8>, Vec<u8>>;

/// A core, and how to speak to it and read it.
pub trait Subject: Core + Debug + Sized {
    /// Customers of a partition of these topics, none yet.
    fn fresh(topics: &[&str], partition: usize) -> Self;

    /// The triggers of a revision: told apart, but saying the same, unless they vary.
    fn plan(revision: &str, varies: bool) -> Self::Plan;

    /// The value of an event: `a` to `c` are what the history knows, `x` is one more, `e` happened to everybody.
    fn value(kind: char, customer: &str, time: i64) -> Vec<u8>;

    /// What is the same of a decision in every run over the same events.
    fn moment(decision: &[u8]) -> String;

    /// Whom an event erases as soon as it is seen, and up to when; what is decided of her until then depends on the run.
    fn erasure(_value: &[u8]) -> Option<(String, i64)> {
        None
    }

    /// Of whom a decision or a command is, and when its moment was; asked of those who erase.
    fn moment_at(_decision: &[u8]) -> (String, i64) {
        (String::new(), i64::MAX)
    }
    /// The revision that made a decision.
    fn revision(decision: &[u8]) -> String;

    /// The committed states, in words.
    fn committed_states(&self) -> BTreeMap<String, String>;

    /// What a replay of the journal must give, in words.
    fn replayed(states: &States) -> BTreeMap<String, String>;

    /// What is the same of the states in every run over the same events: with everything settled, in words.
    fn settled(states: &States) -> BTreeMap<String, String>;
}
