//! `moments show`: says a trigger back in sentences, with what comes next for an example customer.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::{Shared, clock, instant, rehearse};
use crate::decode::Decoder;
use crate::document::report::rendered;
use crate::engine::{Engine, Input};
use crate::event::record::Origin;
use crate::explain;
use crate::rehearsal::{self, Observer};
use crate::time::Timestamp;
use crate::treatment::Decision;
use crate::trigger::plan::Plan;
use crate::trigger::said;
use crate::trigger::set::{self, Basis};

/// Who an example is.
const EXAMPLE: &str = "example";
/// Customers of an example who are shown: with more, it is none.
const SHOWN_MAX: usize = 10;

/// Say a trigger back in plain sentences: when it comes true, for whom, what is sent, within which limits, and what for.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    shared: Shared,
    /// The trigger's name.
    trigger: String,
    /// An example customer, by her traits as JSON: what comes next for her, who did nothing else.
    #[arg(long = "for", value_name = "TRAITS", value_parser = traits, conflicts_with = "events")]
    example: Option<Value>,
    /// Events of example customers, as `moments rehearse` takes them: what comes next for each, at the end of them.
    #[arg(long, value_name = "EVENTS.jsonl[.gz]")]
    events: Vec<PathBuf>,
    /// As of when, RFC 3339; without it, now, or the end of the events.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
}

fn traits(text: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(
            "expected an object of traits, such as {\"timezone\": \"Europe/Madrid\"}".to_owned(),
        ),
    }
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read, the triggers do not pass, or none is called so.
pub fn run(args: &Show) -> anyhow::Result<()> {
    let (config, basis) = args.shared.basis()?;
    let sources = set::sources(args.shared.path(&config));
    let sources = sources.map_err(|reports| anyhow::Error::msg(rendered(&reports)))?;
    let read = set::read(&sources, &basis);
    let read = read.map_err(|reports| anyhow::Error::msg(rendered(&reports)))?;
    let mut triggers = read.triggers.iter();
    let Some((definition, _)) = triggers.find(|(it, _)| it.trigger.name == args.trigger.as_str())
    else {
        bail!(
            "no trigger is called `{}`; `moments check` lists them",
            args.trigger
        );
    };
    match definition.stage {
        Some(stage) => println!("{} ({stage})", args.trigger),
        None => println!("{}", args.trigger),
    }
    if let Some(about) = &definition.about {
        println!("{}", about.trim());
    }
    println!();
    for sentence in said::sentences(&definition.trigger) {
        println!("{sentence}");
    }
    if args.example.is_none() && args.events.is_empty() {
        return Ok(());
    }
    let plan =
        Arc::new(set::compile(&sources, &basis).map_err(|it| anyhow::Error::msg(rendered(&it)))?);
    let mut said = match &args.example {
        Some(traits) => example(args, &basis, &plan, traits)?,
        None => {
            let settings = rehearse::settings(&config, &basis, Arc::clone(&plan), Vec::new())?;
            let sources = rehearse::sources(&args.events, &config, &ProgressBar::hidden())?;
            let mut looks = Looks {
                args,
                said: Vec::new(),
            };
            rehearsal::rehearse(&settings, sources, &mut looks)?;
            looks.said
        }
    };
    if said.len() > SHOWN_MAX {
        bail!(
            "{} customers are no example; at most {SHOWN_MAX} are shown",
            said.len()
        );
    }
    said.sort();
    for said in said {
        println!("\n{said}");
    }
    Ok(())
}

/// What comes next for somebody of whom nothing but traits is known.
fn example(
    args: &Show,
    basis: &Basis,
    plan: &Arc<Plan>,
    traits: &Value,
) -> anyhow::Result<Vec<String>> {
    let now = args.at.unwrap_or_else(clock);
    let identify = json!({"type": "identify", "userId": EXAMPLE, "traits": traits, "timestamp": now.to_string()});
    let decoder = Decoder::new(
        Arc::clone(&basis.vocabulary),
        Arc::new(basis.attributes.clone()),
    );
    let decoded = decoder.decode(identify.to_string().as_bytes(), &Origin::default());
    let decoded = decoded.map_err(anyhow::Error::new)?;
    if let Some(defect) = decoded.defects.first() {
        bail!(
            "`{}` cannot be read: {}; expected {}",
            defect.name,
            defect.found,
            defect.expected
        );
    }
    let (mut engine, mut effects) = (Engine::new(Arc::clone(plan)), Vec::new());
    engine.step(Input::Event(Box::new(decoded.event)), now, &mut effects);
    engine.step(Input::Watermark(now), now, &mut effects);
    Ok(next(&engine, &args.trigger, now))
}

/// What comes next for each customer.
fn next(engine: &Engine, trigger: &str, now: Timestamp) -> Vec<String> {
    let said = engine.customers().map(|customer| {
        let as_of = (engine.watermark(), now);
        let explained = explain::explained(engine.plan(), &customer, as_of, Some(trigger));
        let missing = explained.triggers.iter().flat_map(|it| &it.missing);
        let missing: Vec<String> = missing.map(|lacks| format!("  {}", lacks.says)).collect();
        format!("{} at {now}:\n{}", explained.customer, missing.join("\n"))
    });
    said.collect()
}

/// Looks on until the end.
struct Looks<'a> {
    args: &'a Show,
    said: Vec<String>,
}

impl Observer for Looks<'_> {
    fn decided(&mut self, _decision: &Decision) -> io::Result<()> {
        Ok(())
    }

    fn until(&self) -> Option<Timestamp> {
        self.args.at
    }

    fn ends(&mut self, engine: &Engine, now: Timestamp) {
        self.said = next(engine, &self.args.trigger, now);
    }
}
