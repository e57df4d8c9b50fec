//! `moments schema`: what can be read by machines about what is read and written here.

use clap::{Args, ValueEnum};

use super::Shared;
use crate::reference::asyncapi;

/// Print a description for tools, made from the code and the configuration.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what.
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// All topics, in and out: an AsyncAPI 3 document in YAML.
    Asyncapi,
}

/// Prints it.
///
/// # Errors
/// Where the configuration or a mapping does not pass.
pub fn run(args: &Schema) -> anyhow::Result<()> {
    match args.kind {
        Kind::Asyncapi => {
            let (config, basis) = args.shared.basis()?;
            let text = asyncapi::yaml(&asyncapi::Basis {
                config: &config,
                vocabulary: &basis.vocabulary,
                attributes: &basis.attributes,
                mappings: &basis.mappings,
            })?;
            print!("{text}");
        }
    }
    Ok(())
}
