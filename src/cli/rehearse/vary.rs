//! `moments rehearse --vary`: how much depends on a value of a trigger's file.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Context as _, bail};

use super::{Format, Once, Rehearse, several};
use crate::document::report::{Source, rendered};
use crate::document::suggest::{listed, or_meant};
use crate::document::yaml::{self, Node, Yaml};
use crate::rehearsal::summary::TriggerSummary;
use crate::trigger::set;

/// Values of one sitting: each is a rehearsal.
const VALUES_MAX: usize = 16;

/// A key of a trigger's file, and what it is to be.
#[derive(Clone, Debug)]
pub(super) struct Vary {
    trigger: String,
    path: Vec<String>,
    values: Vec<String>,
}

/// Reads `TRIGGER.KEY.KEY=A,B`.
pub(super) fn parse(text: &str) -> Result<Vary, String> {
    let expected =
        "expected TRIGGER.KEY=A,B, such as `abandoned-basket.policy.cap=1 in 7d,2 in 7d`";
    let (of, values) = text.split_once('=').ok_or(expected)?;
    let mut path = of.split('.').map(|part| part.trim().to_owned());
    let trigger = path.next().unwrap_or_default();
    let path: Vec<String> = path.collect();
    let values: Vec<String> = values.split(',').map(|it| it.trim().to_owned()).collect();
    let whole = path.iter().chain(&values).all(|part| !part.is_empty());
    if path.is_empty() || !whole || trigger.is_empty() || values.len() > VALUES_MAX {
        return Err(format!("{expected}; at most {VALUES_MAX} values"));
    }
    Ok(Vary {
        trigger,
        path,
        values,
    })
}

/// Rehearses each value and prints what it changes.
///
/// # Errors
/// Where a file cannot be read, no trigger has this key, or a value does not pass.
pub(super) fn run(args: &Rehearse, vary: &Vary) -> anyhow::Result<()> {
    let (mut config, basis) = args.shared.basis()?;
    args.heed(&mut config)?;
    let failed = |reports: Vec<_>| anyhow::Error::msg(rendered(&reports));
    let sources = set::sources(args.shared.path(&config)).map_err(failed)?;
    let (at, span) = place(&sources, vary)?;
    let plans = vary.values.iter().map(|value| {
        let mut sources = sources.clone();
        let mut text = sources[at].text().to_owned();
        text.replace_range(span.clone(), value);
        sources[at] = Source::new(sources[at].name(), text);
        let plan = set::compile(&sources, &basis).map_err(failed);
        plan.with_context(|| format!("with {value}"))
    });
    let plans = plans.collect::<anyhow::Result<Vec<_>>>()?;
    let found = several(
        (&config, &basis),
        plans,
        &args.events,
        (args.threads(), false),
    )?;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Json => {
            let values = vary.values.iter().zip(&found);
            let values: Vec<_> = values
                .map(|(value, it)| serde_json::json!({"value": value, "triggers": it.summary.triggers}))
                .collect();
            let key = format!("{}.{}", vary.trigger, vary.path.join("."));
            writeln!(out, "{}", serde_json::json!({"key": key, "values": values}))?;
        }
        Format::Text => out.write_all(text(vary, &found).as_bytes())?,
    }
    Ok(())
}

/// In which file the value of the key stands, and where.
fn place(sources: &[Source], vary: &Vary) -> anyhow::Result<(usize, std::ops::Range<usize>)> {
    let mut names = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let Some(root) = yaml::parse(source, &mut Vec::new()) else {
            continue;
        };
        match child(&root, "trigger").and_then(Node::text) {
            Some(name) if name == vary.trigger => return Ok((at, value(&root, vary)?)),
            Some(name) => names.push(name.to_owned()),
            None => {}
        }
    }
    let meant = or_meant(&vary.trigger, names.iter().map(String::as_str));
    bail!("no trigger is called `{}`{meant}", vary.trigger)
}

fn value(root: &Node, vary: &Vary) -> anyhow::Result<std::ops::Range<usize>> {
    let mut node = root;
    for (depth, key) in vary.path.iter().enumerate() {
        node = child(node, key).with_context(|| {
            let before = vary.path[..depth].iter().fold(vary.trigger.clone(), |path, it| path + "." + it);
            let known = match &node.value {
                Yaml::Map(entries) => listed(entries.iter().map(|(key, _)| key.text.as_str())),
                _ => "no keys".to_owned(),
            };
            format!("`{before}` has no `{key}`, but {known}; what is to be varied must stand in the file")
        })?;
    }
    Ok(node.span.clone())
}

/// The value of a key, or of a place in a list, counted from 0.
fn child<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Yaml::Map(entries) => {
            let found = entries.iter().find(|(known, _)| known.text == key);
            found.map(|(_, value)| value)
        }
        Yaml::List(items) => items.get(key.parse::<usize>().ok()?),
        Yaml::Scalar { .. } => None,
    }
}

fn text(vary: &Vary, found: &[Once]) -> String {
    let mut text = String::new();
    let key = format!("{}.{}", vary.trigger, vary.path.join("."));
    let width = vary.values.iter().map(String::len).chain([key.len()]).max();
    let width = width.unwrap_or(0);
    let _ = writeln!(
        text,
        "{key:width$}  {:>9}  {:>9}  {:>9}  {:>12}  refused",
        "moments", "customers", "treated", "by all"
    );
    for (value, it) in vary.values.iter().zip(found) {
        let triggers = &it.summary.triggers;
        let all: u64 = triggers.iter().map(|of| of.treatments).sum();
        let own = triggers.iter().find(|of| of.trigger == vary.trigger);
        let Some(own) = own else { continue };
        let _ = writeln!(
            text,
            "{value:width$}  {:>9}  {:>9}  {:>9}  {all:>12}  {}",
            own.moments,
            own.customers,
            own.treatments,
            refused(own)
        );
    }
    text
}

fn refused(of: &TriggerSummary) -> String {
    let refused = of.refused.iter();
    let refused: Vec<_> = refused
        .map(|(reason, n)| format!("{} {n}", reason.word()))
        .collect();
    refused.join(", ")
}
