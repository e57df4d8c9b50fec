//! `moments explain`: why something was decided for a customer, and why something was not, over files of past events.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::{Shared, instant, rehearse};
use crate::engine::Engine;
use crate::explain::{self, Explanation};
use crate::rehearsal::{self, Observer};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;

/// Say of a customer what was decided, when and why; and for each trigger why not now, and what would have to be true. The same of a
/// live process is at `/api/v1/customers/{id}/explain`.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    shared: Shared,
    /// Who: the id that her events carry.
    #[arg(long, value_name = "ID")]
    customer: String,
    /// Only of this trigger.
    #[arg(long, value_name = "NAME")]
    trigger: Option<String>,
    /// As of when, RFC 3339; without it, of the end of the events.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Over a production journal and the events it took, as `moments rehearse` replays it.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// The sets of triggers that were published, as `moments triggers history --format json` prints them.
    #[arg(long, value_name = "FILE", requires = "journal")]
    published: Option<PathBuf>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Files of events, as `moments rehearse` takes them.
    #[arg(required = true, value_name = "EVENTS.jsonl[.gz]")]
    events: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For a terminal.
    Text,
    /// As `/api/v1/customers/{id}/explain` answers.
    Json,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read, the triggers do not pass, or nothing is known of the customer or the trigger.
pub fn run(args: &Explain) -> anyhow::Result<()> {
    let (config, basis, plan) = args.shared.plan()?;
    let plan = Arc::new(plan);
    let is_known = |name: &String| plan.triggers.iter().any(|it| it.name == name.as_str());
    if let Some(name) = args.trigger.as_ref().filter(|name| !is_known(name)) {
        bail!("no trigger is called `{name}`; `moments check` lists them");
    }
    let published = match &args.published {
        Some(path) => rehearse::published(path, &basis)?,
        None => Vec::new(),
    };
    let settings = rehearse::settings(&config, &basis, Arc::clone(&plan), published)?;
    let mut looks = Looks {
        args,
        plan,
        decided: Vec::new(),
        found: None,
    };
    let hidden = ProgressBar::hidden();
    match &args.journal {
        Some(journal) => {
            let files = rehearse::open(&args.events, &hidden)?;
            let reader = File::open(journal).with_context(|| journal.display().to_string())?;
            rehearsal::replay(&settings, files, BufReader::new(reader), &mut looks)?;
        }
        None => {
            let sources = rehearse::sources(&args.events, &config, &hidden)?;
            rehearsal::rehearse(&settings, sources, &mut looks)?;
        }
    }
    let Some(mut explained) = looks.found else {
        bail!("no event of `{}` stands in these files", args.customer);
    };
    looks.decided.reverse();
    explained.decided = looks.decided;
    let written = match args.output {
        Output::Text => explain::text::text(&explained),
        Output::Json => serde_json::to_string_pretty(&explained)? + "\n",
    };
    Ok(io::stdout().write_all(written.as_bytes())?)
}

/// Looks on for what concerns one customer.
struct Looks<'a> {
    args: &'a Explain,
    plan: Arc<Plan>,
    decided: Vec<serde_json::Value>,
    found: Option<Explanation>,
}

impl Observer for Looks<'_> {
    fn decided(&mut self, decision: &Decision) -> io::Result<()> {
        let trigger = self.args.trigger.as_deref();
        let is_meant = decision.customer == self.args.customer.as_str()
            && trigger.is_none_or(|name| decision.trigger == name);
        if is_meant {
            self.decided
                .push(serde_json::from_slice(&decision.to_json())?);
        }
        Ok(())
    }

    fn until(&self) -> Option<Timestamp> {
        self.args.at
    }

    fn ends(&mut self, engine: &Engine, now: Timestamp) {
        if let Some(customer) = engine.customer(&self.args.customer) {
            let as_of = (engine.watermark(), now);
            let name = self.args.trigger.as_deref();
            self.found = Some(explain::explained(&self.plan, &customer, as_of, name));
        }
    }
}
