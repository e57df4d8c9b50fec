//! `moments check`: reads trigger files and mappings and says everything that is wrong with them.

use std::path::PathBuf;

use clap::Args;

use super::{Shared, clock};
use crate::config::Config;
use crate::document::report;
use crate::document::suggest::or_meant;
use crate::event::Text;
use crate::trigger::plan::{Plan, Trigger};
use crate::trigger::set::{self, Basis};
use crate::trigger::warnings::warnings;

/// Check trigger files and mappings; every error with file, line and what was expected.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    shared: Shared,
    /// The same as `--triggers`, as `moments test` takes it.
    #[arg(value_name = "PATH", conflicts_with = "triggers")]
    path: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the files.
pub fn run(args: &Check) -> anyhow::Result<()> {
    let shared = &match &args.path {
        Some(path) => args.shared.with_triggers(path.clone()),
        None => args.shared.clone(),
    };
    let (config, basis) = shared.basis()?;
    if !shared.mapping.is_empty() && shared.has_no_triggers(&config) {
        say_mappings(&basis);
        println!("no triggers: no errors");
        return Ok(());
    }
    let plan = shared.read(&config, &basis)?;
    say(&plan, &basis);
    let sources = set::sources(shared.path(&config))
        .map_err(|reports| anyhow::Error::msg(report::rendered(&reports)))?;
    let mut warned = warnings(&sources, &plan);
    if config.topics.everybody.is_empty() {
        let broadcasts = plan
            .triggers
            .iter()
            .filter(|it| it.kind.word() == "broadcast");
        warned.extend(broadcasts.map(|trigger| {
            format!(
                "{}: it never comes true: no topic for everybody is declared ([topics.everybody.NAME])",
                trigger.name
            )
        }));
    }
    warned.extend(unfed(&plan, &config));
    let over = |trigger: &&Trigger| trigger.until.is_some_and(|until| until <= clock());
    let over = plan.triggers.iter().filter(over).filter_map(|trigger| {
        let until = trigger.until?;
        Some(format!("{}: it is over since {until}", trigger.name))
    });
    warned.extend(over);
    for warning in warned {
        println!("warning: {warning}");
    }
    Ok(())
}

/// The tables and lists whose rows come by a topic that the configuration does not have.
fn unfed(plan: &Plan, config: &Config) -> Vec<String> {
    let tables = plan.tables.iter();
    let tables = tables.filter_map(|(name, table)| Some((name, table.topic()?)));
    let lists = plan.suppressions.iter();
    let lists = lists.filter_map(|list| Some((&list.name, list.topic()?)));
    let known = &config.topics.tables;
    let unknown = tables
        .chain(lists)
        .filter(|(_, topic)| !known.contains(topic.as_str()));
    let warning = |(name, topic): (&Text, &Text)| {
        let meant = or_meant(topic, known.iter().map(String::as_str));
        format!(
            "{name}: nothing comes: `topics.tables` in the configuration does not have the topic `{topic}`{meant}"
        )
    };
    unknown.map(warning).collect()
}

fn say(plan: &Plan, basis: &Basis) {
    let name = |trigger: &Trigger| trigger.name.chars().count();
    let width = plan.triggers.iter().map(name).max().unwrap_or(0);
    for trigger in &plan.triggers {
        println!(
            "{:width$}  {:10}  priority {:3}  generation {}",
            trigger.name,
            trigger.kind.word(),
            trigger.policy.priority,
            trigger.generation
        );
    }
    say_mappings(basis);
    let plural = if plan.triggers.len() == 1 { "" } else { "s" };
    println!(
        "{} trigger{plural}, revision {}: no errors",
        plan.triggers.len(),
        plan.revision
    );
}

fn say_mappings(basis: &Basis) {
    for (topic, mapping) in basis.mappings.iter() {
        println!("mapping {}, for topic {topic}", mapping.name);
    }
}
