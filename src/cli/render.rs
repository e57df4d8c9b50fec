//! `moments render`: the message that a template makes of a command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::Configured;
use crate::send::command::Received;
use crate::send::template::Templates;

/// Show the message that `moments send` would make of a command.
#[derive(Debug, Args)]
pub struct Render {
    /// The template, as triggers name it; without it, that of the command.
    #[arg(value_name = "TEMPLATE")]
    template: Option<String>,
    /// A command as it stands on a topic of treatments, or a decision as `rehearse --out` writes it: a file of one JSON object, or
    /// the first line of several that is a command.
    #[arg(long, value_name = "FILE")]
    command: PathBuf,
    /// One part alone, to be opened in a browser, say.
    #[arg(long, value_enum)]
    part: Option<Part>,
    #[command(flatten)]
    configured: Configured,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    Subject,
    Text,
    Html,
}

/// Prints the message.
///
/// # Errors
/// Where there is no command or no template, or it cannot be filled.
pub fn run(args: &Render) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let path = args.command.display();
    let text = fs::read_to_string(&args.command).with_context(|| format!("{path}"))?;
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let read = |text: &str| Received::read(text.as_bytes());
    let whole = read(&text);
    let lined = lines().filter_map(|line| read(line).ok());
    let found = whole.as_ref().ok().cloned().into_iter().chain(lined);
    let found = found.into_iter().find_map(|received| match received {
        Received::Treatment(command) => Some(command),
        Received::Withdrawal(_) => None,
    });
    let Some(mut command) = found else {
        match whole {
            Err(error) => anyhow::bail!("{path}: {error}"),
            Ok(_) => anyhow::bail!("{path}: a withdrawal has no message; expected a command"),
        }
    };
    if let Some(template) = &args.template {
        command.template.clone_from(template);
    }
    let message = Templates::new(&config.send.templates).fill(&command)?;
    let shown = |part: Option<&String>| part.map(String::as_str).unwrap_or_default().to_owned();
    match args.part {
        Some(Part::Subject) => println!("{}", shown(message.subject.as_ref())),
        Some(Part::Text) => println!("{}", shown(message.text.as_ref())),
        Some(Part::Html) => println!("{}", shown(message.html.as_ref())),
        None => {
            let parts = [
                ("subject", &message.subject),
                ("text", &message.text),
                ("html", &message.html),
            ];
            for (name, part) in parts {
                if let Some(part) = part {
                    println!("--- {name} ---\n{part}");
                }
            }
        }
    }
    Ok(())
}
