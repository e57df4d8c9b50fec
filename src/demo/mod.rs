//! The demo: so far its customers, made up and real.

pub mod otto;
pub mod population;
