//! The command line: one file a command.

mod backfill;
mod check;
mod completions;
mod customers;
mod dead_letters;
mod demo;
mod doctor;
mod explain;
mod fit;
mod generate;
mod man;
mod map;
mod new;
mod onsite;
mod rehearse;
mod render;
mod report;
mod run;
mod schema;
mod send;
mod show;
mod state;
mod test;
mod topics;
mod triggers;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::decode::Decoder;
use crate::document::reader::Declared;
use crate::document::report::rendered;
use crate::mapping::Mappings;
use crate::registry::Source;
use crate::runtime::{self, clock};
use crate::time::Timestamp;
use crate::trigger::plan::Plan;
use crate::trigger::set::{self, Basis};

/// Customer events from Kafka in, treatment commands out, each once.
#[derive(Debug, Parser)]
#[command(name = "moments", version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    Backfill(backfill::Backfill),
    Check(check::Check),
    Customers(customers::Customers),
    DeadLetters(dead_letters::DeadLetters),
    Demo(demo::Demo),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Fit(fit::Fit),
    Generate(generate::Generate),
    Map(map::Map),
    New(new::New),
    Onsite(onsite::Onsite),
    Rehearse(rehearse::Rehearse),
    Render(render::Render),
    Report(report::Report),
    Test(test::Test),
    Run(run::Run),
    Schema(schema::Schema),
    Send(send::Send),
    Show(show::Show),
    State(state::State),
    Topics(topics::Topics),
    Triggers(triggers::Triggers),
    Completions(completions::Completions),
    Man(man::Man),
}

/// What several commands ask for.
#[derive(Clone, Debug, Args)]
struct Shared {
    /// A trigger file, or a directory of them.
    #[arg(long, value_name = "PATH")]
    triggers: Option<PathBuf>,
    /// The configuration: own events and attributes, lateness, policy.
    #[arg(long, value_name = "FILE", env = "MOMENTS_CONFIG")]
    config: Option<PathBuf>,
    /// A field of the configuration, over file and environment: `kafka.bootstrap=broker:9092`.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    set: Vec<(String, String)>,
    /// A mapping file for a topic of foreign records, or for all that come in; over the configuration's.
    #[arg(long, value_name = "[TOPIC=]FILE", value_parser = mapping)]
    mapping: Vec<(Option<String>, PathBuf)>,
}

fn mapping(text: &str) -> Result<(Option<String>, PathBuf), String> {
    Ok(match text.split_once('=') {
        Some((topic, file)) => (Some(topic.trim().to_owned()), file.into()),
        None => (None, text.into()),
    })
}

/// What commands ask for that need no triggers.
#[derive(Debug, Args)]
struct Configured {
    /// The configuration: Kafka, topics, own events and attributes.
    #[arg(long, value_name = "FILE", env = "MOMENTS_CONFIG")]
    config: Option<PathBuf>,
    /// A field of the configuration, over file and environment: `kafka.bootstrap=broker:9092`.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = field)]
    set: Vec<(String, String)>,
}

impl Configured {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load_with(
            self.config.as_deref(),
            std::env::vars(),
            &self.set,
        )?)
    }
}

impl Configured {
    /// What reads the topics' records.
    fn decoder(&self, config: &Config) -> anyhow::Result<(Decoder, Source)> {
        decoder(config, &self.shared().basis()?.1)
    }

    /// The same, where nobody names triggers.
    fn shared(&self) -> Shared {
        Shared {
            triggers: None,
            config: self.config.clone(),
            set: self.set.clone(),
            mapping: Vec::new(),
        }
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| {
        format!("`{text}` is no time; expected RFC 3339, such as 2026-03-02T10:00:00Z")
    })
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected FIELD=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

impl Shared {
    /// The same, with triggers of their own.
    fn with_triggers(&self, path: PathBuf) -> Self {
        Self {
            triggers: Some(path),
            ..self.clone()
        }
    }

    /// The configuration, and what it means for triggers.
    fn basis(&self) -> anyhow::Result<(Config, Basis)> {
        let config = Config::load_with(self.config.as_deref(), std::env::vars(), &self.set)?;
        let mut basis = basis(&config)?;
        basis.mappings = Arc::new(self.mappings(&config, &basis)?);
        Ok((config, basis))
    }

    /// The configuration, what it means for triggers, and the triggers.
    fn plan(&self) -> anyhow::Result<(Config, Basis, Plan)> {
        let (config, basis) = self.basis()?;
        let plan = self.read(&config, &basis)?;
        Ok((config, basis, plan))
    }

    /// Whether nobody has named triggers, and where they are looked for then there are none.
    fn has_no_triggers(&self, config: &Config) -> bool {
        let path = &config.triggers.path;
        let is_named = self.triggers.is_some() || *path != Config::default().triggers.path;
        !is_named && !path.exists()
    }

    /// Where the triggers are.
    fn path<'a>(&'a self, config: &'a Config) -> &'a Path {
        self.triggers.as_deref().unwrap_or(&config.triggers.path)
    }

    /// The triggers in files.
    fn read(&self, config: &Config, basis: &Basis) -> anyhow::Result<Plan> {
        let path = self.path(config);
        if self.triggers.is_none() && !path.exists() {
            anyhow::bail!(
                "there are no triggers at `{}`; name a file or a folder by --triggers, or by triggers.path in the configuration",
                path.display()
            );
        }
        set::load(path, basis).map_err(|reports| anyhow::Error::msg(rendered(&reports)))
    }

    /// The mappings of the configuration, and those given over them.
    fn mappings(&self, config: &Config, basis: &Basis) -> anyhow::Result<Mappings> {
        let configured = config
            .topics
            .mappings()
            .map(|(topic, path)| (Some(topic), path));
        let given = self
            .mapping
            .iter()
            .map(|(topic, path)| (topic.clone(), path.as_path()));
        let declared = Declared::new(&basis.vocabulary, &basis.attributes);
        Mappings::load(configured.chain(given), declared)
            .map_err(|reports| anyhow::Error::msg(rendered(&reports)))
    }
}

/// As many threads as there are cores.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// What reads the topics' records.
fn decoder(config: &Config, basis: &Basis) -> anyhow::Result<(Decoder, Source)> {
    let (vocabulary, mappings) = (Arc::clone(&basis.vocabulary), Arc::clone(&basis.mappings));
    Ok(runtime::decoder(config, vocabulary, mappings)?)
}

/// What a configuration means for triggers.
fn basis(config: &Config) -> anyhow::Result<Basis> {
    Ok(Basis {
        vocabulary: Arc::new(config.vocabulary()?),
        attributes: config.attributes(),
        policy: config.policy(),
        mappings: Arc::default(),
    })
}

/// Runs the command that was given.
///
/// # Errors
/// What went wrong, in words for whoever typed the command.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Commands::Backfill(args) => backfill::run(args),
        Commands::Check(args) => check::run(args),
        Commands::Customers(args) => customers::run(args),
        Commands::DeadLetters(args) => dead_letters::run(args),
        Commands::Demo(args) => demo::run(args),
        Commands::Doctor(args) => doctor::run(args),
        Commands::Explain(args) => explain::run(args),
        Commands::Fit(args) => fit::run(args),
        Commands::Generate(args) => generate::run(args),
        Commands::Map(args) => map::run(args),
        Commands::New(args) => new::run(args),
        Commands::Onsite(args) => onsite::run(args),
        Commands::Rehearse(args) => rehearse::run(args),
        Commands::Render(args) => render::run(args),
        Commands::Report(args) => report::run(args),
        Commands::Test(args) => test::run(args),
        Commands::Run(args) => run::run(args),
        Commands::Schema(args) => schema::run(args),
        Commands::Send(args) => send::run(args),
        Commands::Show(args) => show::run(args),
        Commands::State(args) => state::run(args),
        Commands::Topics(args) => topics::run(args),
        Commands::Triggers(args) => triggers::run(args),
        Commands::Completions(args) => completions::run(args),
        Commands::Man(args) => man::run(args),
    }
}
