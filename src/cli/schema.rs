//! `moments schema`: what can be read by machines about what is read and written here.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::Shared;
use crate::reference::asyncapi;
use crate::schema;

/// Print a description for tools: the JSON Schema (draft 7) of files that people write, for an editor; or all topics.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what.
    #[arg(value_enum)]
    kind: Kind,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Files of a kind.
    Files(schema::Kind),
    /// All topics, in and out.
    Asyncapi,
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Files(schema::Kind::Trigger),
            Self::Files(schema::Kind::Scenario),
            Self::Files(schema::Kind::Mapping),
            Self::Files(schema::Kind::Config),
            Self::Files(schema::Kind::Policy),
            Self::Asyncapi,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Files(kind) => kind.to_possible_value(),
            Self::Asyncapi => Some(
                PossibleValue::new("asyncapi")
                    .help("All topics, in and out: an AsyncAPI 3 document in YAML"),
            ),
        }
    }
}

/// Prints it.
///
/// # Errors
/// Where the configuration or a mapping does not pass.
pub fn run(args: &Schema) -> anyhow::Result<()> {
    match args.kind {
        Kind::Files(kind) => print!("{}", kind.text()),
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
