//! The binary: parses the command line, runs it, says what went wrong.

use std::process::ExitCode;

use clap::Parser;
use moments::cli::{self, Cli};

/// Profiles are many small allocations, made and dropped all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
