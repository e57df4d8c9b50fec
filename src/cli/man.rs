//! `moments man`: manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Cli;

/// Write manual pages, one for each command, into a folder: `moments man /usr/local/share/man/man1`.
#[derive(Debug, Args)]
pub struct Man {
    /// The folder; it is made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes them.
///
/// # Errors
/// Where the folder cannot be made or written to.
pub fn run(args: &Man) -> anyhow::Result<()> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .with_context(|| format!("writing manual pages to {}", folder.display()))
}
