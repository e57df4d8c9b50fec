//! `moments completions`: what a shell needs to complete the command line.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

/// Print the completions of a shell: `source <(moments completions bash)`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Where standard output cannot be written to.
pub fn run(args: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "moments", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
