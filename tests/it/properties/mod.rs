//! Random histories: the engine is held equal to the naive reference, and to itself after restarts; who
//! was erased or has expired is held equal to one who never was.
//!
//! Times lie on small grids, so that events at one instant, exactly at a deadline and exactly at
//! midnight are frequent. A failure prints the smallest history that still fails, and the seed
//! (`PROPTEST_RNG_SEED` replays it); nothing is written beside the sources.

mod adaptive;
mod broadcasts;
mod calendars;
mod deadlines;
mod driver;
mod facts;
mod history;
mod hold_out;
mod identities;
mod immediate;
mod journeys;
mod late;
mod lives;
mod outcomes;
mod policies;
mod predictions;
mod rates;
mod referrals;
mod restore;
mod seeds;
mod segments;
mod standing;
mod sequences;
mod shared;
mod thresholds;

use proptest::test_runner::Config;

/// As many cases as fit into a few seconds of an unoptimised build.
fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}
