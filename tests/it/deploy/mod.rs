//! What `deploy/` ships for those who run it, held to the program and to the tools of its field.
//!
//! `./dev test` says in `MOMENTS_LINTERS` in which folder those tools are. Without it these tests are skipped, saying so;
//! with `CI=true` they fail.

mod breaks;
mod commands;
mod container;
mod dashboard;
mod manifests;
mod prometheus;
mod promql;

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A file or folder of the checkout.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A tool that `./dev test` brings, to be run at the top of the checkout. `None`: it is not here, and the test should return.
fn tool(name: &str) -> Option<Command> {
    let folder = env::var_os("MOMENTS_LINTERS").filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        let in_ci = env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(
            !in_ci,
            "MOMENTS_LINTERS is not set, and in CI no test may be skipped; use ./dev test"
        );
        say_skipped(&format!("no {name} (./dev test brings it)"));
        return None;
    };
    let mut command = Command::new(Path::new(&folder).join(name));
    command.current_dir(path(""));
    Some(command)
}

/// Past the capture of test output, so that it is seen although the test passes; `./dev test` counts these lines.
fn say_skipped(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Runs it, and gives what it wrote to both of its outputs.
///
/// # Panics
/// If it does not succeed.
#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}:\n{text}");
    text
}
