//! `moments schema`: what can be read by machines about what is read and written here.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::Shared;
use crate::json_schema::Kind;
use crate::reference::asyncapi;

/// Print a description for tools: the JSON Schema (draft 7) of files that people write, for an editor; or all topics.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what.
    #[arg(value_enum)]
    kind: What,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Files of a kind.
    Files(Kind),
    /// All topics, in and out.
    Asyncapi,
}

impl ValueEnum for What {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Files(Kind::Trigger),
            Self::Files(Kind::Fact),
            Self::Files(Kind::Model),
            Self::Files(Kind::Segment),
            Self::Files(Kind::Suppression),
            Self::Files(Kind::Referral),
            Self::Files(Kind::Table),
            Self::Files(Kind::Labels),
            Self::Files(Kind::Personas),
            Self::Files(Kind::Path),
            Self::Files(Kind::Scenario),
            Self::Files(Kind::Mapping),
            Self::Files(Kind::MappingTest),
            Self::Files(Kind::Config),
            Self::Files(Kind::Policy),
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
        What::Files(kind) => print!("{}", kind.text()),
        What::Asyncapi => {
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
