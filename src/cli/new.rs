//! `moments new`: begins a trigger from one that is shipped.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::demo::programmes::{DECLARED, SCENARIOS, SHIPPED};
use crate::document::suggest::{closest, listed};
use crate::trigger::definition::limits::NAME_BYTES;

/// Begin a trigger from a shipped programme: its file, its scenarios, and the facts and labels that it asks for.
#[derive(Debug, Args)]
pub struct New {
    /// Its name: lower-case letters, digits and hyphens.
    #[arg(value_parser = name)]
    name: String,
    /// The programme: docs/reference/programmes.md shows all of them.
    #[arg(long, value_name = "PROGRAMME")]
    like: String,
    /// The directory, which is made where there is none.
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = !text.is_empty() && text.len() <= NAME_BYTES && text.chars().all(fits);
    match is_name && !text.starts_with('-') {
        true => Ok(text.to_owned()),
        false => {
            Err("expected lower-case letters, digits and hyphens, such as my-basket".to_owned())
        }
    }
}

/// The name of a programme, by the path of its file.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file)
}

/// Runs the command.
///
/// # Errors
/// Where no programme is called so, or a file is there already or cannot be written.
pub fn run(args: &New) -> anyhow::Result<()> {
    let named = |files: &[(&'static str, &'static str)]| {
        let mut files = files.iter().copied();
        files.find(|(path, _)| stem(path) == args.like)
    };
    let (Some((_, trigger)), Some((_, scenarios))) = (named(SHIPPED), named(SCENARIOS)) else {
        let names = || SHIPPED.iter().map(|(path, _)| stem(path));
        let meant = closest(&args.like, names());
        let meant = meant.map_or_else(String::new, |it| format!(", did you mean `{it}`?"));
        bail!(
            "no programme is called `{}`{meant}; there are {}",
            args.like,
            listed(names())
        );
    };
    fs::create_dir_all(&args.dir).with_context(|| args.dir.display().to_string())?;
    let renamed = |text: &str| {
        let own = format!("trigger: {}", args.like);
        text.replace(&own, &format!("trigger: {}", args.name))
    };
    let mut files = vec![
        (format!("{}.yaml", args.name), renamed(trigger)),
        (format!("{}.test.yaml", args.name), renamed(scenarios)),
    ];
    for (path, text) in asked_for(trigger) {
        let file = path.rsplit('/').next().unwrap_or(path);
        // What another programme asked for is there already.
        if !args.dir.join(file).exists() {
            files.push((file.to_owned(), text.to_owned()));
        }
    }
    if let Some((file, _)) = files.iter().find(|(file, _)| args.dir.join(file).exists()) {
        bail!("{} is there already", args.dir.join(file).display());
    }
    for (file, text) in files {
        let path = args.dir.join(file);
        written(&path, &text).with_context(|| path.display().to_string())?;
        println!("{}", path.display());
    }
    Ok(())
}

fn written(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// The files of facts, labels and the like that a text asks for, and those that these ask for.
fn asked_for(trigger: &str) -> Vec<(&'static str, &'static str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    let mut texts = vec![trigger];
    while let Some(text) = texts.pop() {
        for (path, declared) in DECLARED {
            let is_asked = words(declared)
                .iter()
                .any(|word| text.contains(word.as_str()));
            if is_asked && !found.contains(&(*path, *declared)) {
                found.push((path, declared));
                texts.push(declared);
            }
        }
    }
    found
}

/// By what a file of facts, labels or the like is asked for.
fn words(declared: &str) -> Vec<String> {
    let first = declared.lines().find(|line| !line.starts_with('#'));
    match first.and_then(|line| line.split_once(": ")) {
        Some(("fact", name)) => vec![format!("facts.{name}")],
        Some(("model", name)) => vec![format!("models.{name}"), format!("model: {name}")],
        Some(("segment", name)) => vec![
            format!("\"{name}\" in profile.segments"),
            format!("enters: {name} "),
            format!("leaves: {name} "),
            format!("segment: {name},"),
        ],
        Some(("personas", name)) => vec![format!("profile.personas.{name}")],
        Some(("table", name)) => vec![format!("tables.{name}[")],
        Some(("labels", name)) => vec![format!("{name}.")],
        Some(("path", _)) => [
            "profile.stage",
            "profile.milestones",
            "overdue:",
            "reached:",
        ]
        .map(str::to_owned)
        .to_vec(),
        _ => Vec::new(),
    }
}
