//! `moments triggers`: what is in force, and changing it while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use similar::TextDiff;

use super::{Shared, clock};
use crate::config::Config;
use crate::document::report::{self, Report};
use crate::event::Text;
use crate::runtime::control::{Control, Newest};
use crate::runtime::topics;
use crate::trigger::plan::{Mode, Plan};
use crate::trigger::policy::{Policy, Sending};
use crate::trigger::published::Published;
use crate::trigger::set::Basis;

/// How often a change is made again that somebody else overtook.
const ATTEMPTS: usize = 20;
const OVERTAKEN: &str = "others keep publishing; nothing was changed: look at `moments triggers history`, and try again";

/// The triggers in force: list them, compare them, publish others. Every process takes them up between two transactions.
#[derive(Debug, Args)]
pub struct Triggers {
    #[command(subcommand)]
    command: TriggersCommand,
}

#[derive(Debug, Subcommand)]
enum TriggersCommand {
    /// Check a directory of triggers, and publish it as the set that every process goes by.
    Apply(Apply),
    /// What is in force.
    List {
        #[command(flatten)]
        shared: Shared,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// How a directory of triggers differs from what is in force.
    Diff {
        #[command(flatten)]
        shared: Shared,
        /// The directory; triggers.path of the configuration where it is not given.
        dir: Option<PathBuf>,
    },
    /// Let triggers decide nothing for a while: their moments are recorded, refused with the reason `off`.
    Pause(Named),
    /// Let paused triggers decide again.
    Resume(Named),
    /// Send nothing at all: every moment is still decided and recorded, refused with the reason `sending_stopped`.
    StopAllSending(Shared),
    /// Send again. What was refused meanwhile stays refused.
    ResumeAllSending(Shared),
    /// Every set that was published, oldest first; as JSON for `moments rehearse --published`.
    History {
        #[command(flatten)]
        shared: Shared,
        /// How it is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, Args)]
struct Apply {
    #[command(flatten)]
    shared: Shared,
    /// Publish although triggers that are in force are not in it. Customers lose what those know of them.
    #[arg(long)]
    remove: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// The directory; triggers.path of the configuration where it is not given.
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Named {
    #[command(flatten)]
    shared: Shared,
    /// Names of triggers.
    #[arg(required = true)]
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
///
/// # Errors
/// Where Kafka does not answer, triggers do not pass, or there is nothing of the name.
pub fn run(args: &Triggers) -> anyhow::Result<()> {
    match &args.command {
        TriggersCommand::Apply(args) => apply(args),
        TriggersCommand::List { shared, format } => list(shared, *format),
        TriggersCommand::Diff { shared, dir } => diff(shared, dir.as_ref()),
        TriggersCommand::Pause(named) => pause(named, true),
        TriggersCommand::Resume(named) => pause(named, false),
        TriggersCommand::StopAllSending(shared) => stop(shared, true),
        TriggersCommand::ResumeAllSending(shared) => stop(shared, false),
        TriggersCommand::History { shared, format } => history(shared, *format),
    }
}

fn apply(args: &Apply) -> anyhow::Result<()> {
    let (config, basis) = args.shared.basis()?;
    let control = Control::new(&config)?;
    for _ in 0..ATTEMPTS {
        if apply_to(&newest(&control)?, args, &control, &config, &basis)? {
            return Ok(());
        }
    }
    bail!(OVERTAKEN)
}

/// Whether all is done: not where somebody else published meanwhile.
fn apply_to(
    newest: &Newest,
    args: &Apply,
    control: &Control,
    config: &Config,
    basis: &Basis,
) -> anyhow::Result<bool> {
    let before = newest.entry.as_ref();
    let mut set = gathered(&args.shared, args.dir.as_ref(), config, basis)?;
    set.policy = carried_over(basis, before.map(|entry| entry.set.policy.clone()));
    let plan = set.compile(newest.head + 1, basis).map_err(rendered)?;
    if let Some(entry) = before {
        if entry.set.files == set.files && entry.set.policy == set.policy {
            println!("set {} says the same already; nothing to do", entry.number);
            return Ok(true);
        }
        let lost = entry.lost(&plan, basis);
        if !lost.is_empty() && !args.remove {
            bail!(
                "in force, but not in the directory: {}. Customers would lose what these know of them, open baskets say; \
                 give --remove where that is meant",
                lost.join(", ")
            );
        }
    }
    print_diff(before.map(|entry| &entry.set), &set)?;
    if args.dry_run {
        println!("nothing was published");
        return Ok(true);
    }
    for line in topics::create(config, &plan)? {
        if line.contains(": created") {
            println!("{line}");
        }
    }
    publish(control, config, &set, newest.head)
}

/// What an operator did stays as it is: what is paused and stopped. The rest is as configured.
fn carried_over(basis: &Basis, before: Option<Policy>) -> Policy {
    let configured = basis.policy.clone().published();
    match before {
        Some(before) => Policy {
            sending: before.sending,
            paused: before.paused,
            ..configured
        },
        None => configured,
    }
}

fn list(shared: &Shared, format: Format) -> anyhow::Result<()> {
    let (config, basis) = shared.basis()?;
    let Some(entry) = newest(&Control::new(&config)?)?.entry else {
        bail!(
            "nothing was published: every process goes by its own files; `moments triggers apply DIR` publishes"
        );
    };
    let plan = entry.set.compile(entry.number, &basis).map_err(rendered)?;
    let out = &mut io::stdout().lock();
    if format == Format::Json {
        let triggers: Vec<serde_json::Value> = plan
            .triggers
            .iter()
            .map(|trigger| {
                serde_json::json!({"trigger": trigger.name, "generation": trigger.generation, "kind": trigger.kind.word(),
                    "priority": trigger.policy.priority, "mode": mode(&plan, &trigger.name, trigger.mode)})
            })
            .collect();
        let all = serde_json::json!({"revision": plan.revision, "published_at": entry.set.at, "what": entry.set.what,
            "sending_stopped": plan.policy.is_stopped(), "triggers": triggers});
        writeln!(out, "{all}")?;
        return Ok(());
    }
    let width = plan.triggers.iter().map(|it| it.name.len()).max();
    for trigger in &plan.triggers {
        writeln!(
            out,
            "{:width$}  {:10}  priority {:3}  generation {}  {}",
            trigger.name,
            trigger.kind.word(),
            trigger.policy.priority,
            trigger.generation,
            mode(&plan, &trigger.name, trigger.mode),
            width = width.unwrap_or(0),
        )?;
    }
    writeln!(
        out,
        "revision {}, published {} ({})",
        plan.revision, entry.set.at, entry.set.what
    )?;
    if plan.policy.is_stopped() {
        writeln!(out, "ALL SENDING IS STOPPED")?;
    }
    Ok(())
}

fn mode(plan: &Plan, name: &Text, mode: Mode) -> &'static str {
    match mode {
        _ if plan.policy.paused.contains(name) => "paused",
        Mode::Live => "live",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    }
}

fn diff(shared: &Shared, dir: Option<&PathBuf>) -> anyhow::Result<()> {
    let (config, basis) = shared.basis()?;
    let newest = newest(&Control::new(&config)?)?;
    let set = gathered(shared, dir, &config, &basis)?;
    print_diff(newest.entry.as_ref().map(|entry| &entry.set), &set)
}

/// File by file, as `diff -u` says it.
fn print_diff(before: Option<&Published>, after: &Published) -> anyhow::Result<()> {
    fn texts(set: &Published) -> BTreeMap<&str, &str> {
        let files = set.files.iter();
        files
            .map(|file| (file.name.as_str(), file.text.as_str()))
            .collect()
    }
    let (old, new) = (before.map(texts).unwrap_or_default(), texts(after));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let out = &mut io::stdout().lock();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (None, Some(_)) => writeln!(out, "new: {name}")?,
            (Some(_), None) => writeln!(out, "removed: {name}")?,
            (old, new) => {
                let (old, new) = (old.copied().unwrap_or(""), new.copied().unwrap_or(""));
                let diff = TextDiff::from_lines(old, new);
                write!(out, "{}", diff.unified_diff().header(name, name))?;
            }
        }
    }
    Ok(())
}

fn pause(named: &Named, paused: bool) -> anyhow::Result<()> {
    let word = if paused { "pause" } else { "resume" };
    let what = format!("{word} {}", named.names.join(" "));
    change(&named.shared, &what, |plan, policy| {
        for name in &named.names {
            let known = plan.triggers.iter().any(|trigger| trigger.name == *name);
            if paused && !known {
                bail!("no trigger in force is called {name}; `moments triggers list` shows them");
            }
            if !paused && !policy.paused.iter().any(|it| it == name) {
                bail!("{name} is not paused");
            }
            policy.paused.retain(|it| it != name);
            if paused {
                policy.paused.push(name.into());
            }
        }
        policy.paused.sort();
        Ok(())
    })?;
    Ok(())
}

fn stop(shared: &Shared, stopped: bool) -> anyhow::Result<()> {
    let what = if stopped {
        "stop-all-sending"
    } else {
        "resume-all-sending"
    };
    let config = change(shared, what, |_, policy| {
        policy.sending = if stopped {
            Sending::Stopped
        } else {
            Sending::Live
        };
        Ok(())
    })?;
    if !stopped && config.policy().is_stopped() {
        println!(
            "the configuration says policy.sending = \"stopped\": nothing is sent before that is changed as well, and the \
             processes are started again"
        );
    }
    Ok(())
}

/// Publishes the same triggers with another policy. Where nothing was published yet, the files are what every process goes by.
/// Gives the configuration.
fn change(
    shared: &Shared,
    what: &str,
    change: impl Fn(&Plan, &mut Policy) -> anyhow::Result<()>,
) -> anyhow::Result<Config> {
    let (config, basis) = shared.basis()?;
    let control = Control::new(&config)?;
    for _ in 0..ATTEMPTS {
        let Newest { entry, head, .. } = newest(&control)?;
        let published = entry.is_some();
        let before = match entry {
            Some(entry) => entry.set,
            None => gathered(shared, None, &config, &basis)?,
        };
        let mut policy = before.policy.clone();
        change(
            &before.compile(head + 1, &basis).map_err(rendered)?,
            &mut policy,
        )?;
        if policy == before.policy && published {
            println!("that is so already; nothing to do");
            return Ok(config);
        }
        let set = before.with(clock(), what.to_owned(), policy);
        if publish(&control, &config, &set, head)? {
            return Ok(config);
        }
    }
    bail!(OVERTAKEN)
}

/// Whether it was: not where somebody else published meanwhile.
fn publish(control: &Control, config: &Config, set: &Published, head: u64) -> anyhow::Result<bool> {
    let Some(number) = control.publish(config, set, head)? else {
        println!("somebody else published at the same moment; looking again");
        return Ok(false);
    };
    println!("published as set {number}: every process takes it up between two transactions");
    Ok(true)
}

fn history(shared: &Shared, format: Format) -> anyhow::Result<()> {
    let (config, _) = shared.basis()?;
    let out = &mut io::stdout().lock();
    for entry in Control::new(&config)?.all()? {
        match format {
            Format::Json => writeln!(out, "{}", serde_json::to_string(&entry)?)?,
            Format::Text => writeln!(
                out,
                "{:6}  {}  {:3} files  {}",
                entry.number,
                entry.set.at,
                entry.set.files.len(),
                entry.set.what
            )?,
        }
    }
    Ok(())
}

/// What was published last; what cannot be read is said.
fn newest(control: &Control) -> anyhow::Result<Newest> {
    let newest = control.newest()?;
    for error in &newest.passed_over {
        eprintln!("warning: {error}");
    }
    Ok(newest)
}

fn gathered(
    shared: &Shared,
    dir: Option<&PathBuf>,
    config: &Config,
    basis: &Basis,
) -> anyhow::Result<Published> {
    let path = dir.map_or_else(|| shared.path(config), PathBuf::as_path);
    let set = Published::gather(path, clock(), basis.policy.clone());
    set.map_err(rendered)
        .with_context(|| path.display().to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn rendered(reports: Vec<Report>) -> anyhow::Error {
    anyhow::Error::msg(report::rendered(&reports))
}
