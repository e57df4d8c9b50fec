//! `moments dead-letters`: what was no event, listed, looked into, mended and sent again.

mod print;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use self::print::{described, line, shown};
use super::{Configured, instant};
use crate::admin::Log;
use crate::admin::dead_letters::{self, Address, Filter, Letter, Mended};
use crate::time::Timestamp;

/// What was no event: list it, look into it, mend it and send it again.
#[derive(Debug, Args)]
pub struct DeadLetters {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// List letters, oldest first.
    List(List),
    /// Show a letter: what is wrong, where it came from, headers and value.
    Show(Show),
    /// Send records again to the topics they came from, each letter once.
    Replay(Replay),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    configured: Configured,
    #[command(flatten)]
    which: Which,
    /// At most so many, the last ones.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Those that were sent again, too.
    #[arg(long)]
    replayed: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    configured: Configured,
    /// Which: PARTITION:OFFSET, as `list` prints it.
    #[arg(value_name = "LETTER")]
    letter: Address,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    configured: Configured,
    /// Which: PARTITION:OFFSET, as `list` prints it.
    #[arg(value_name = "LETTER", required_unless_present = "all")]
    letters: Vec<Address>,
    /// All that fit the conditions, and were not sent again before.
    #[arg(long, conflicts_with = "letters")]
    all: bool,
    #[command(flatten)]
    which: Which,
    /// At most so many, the oldest ones.
    #[arg(long)]
    limit: Option<usize>,
    /// Open each value in $VISUAL or $EDITOR first.
    #[arg(long, conflicts_with = "payload")]
    edit: bool,
    /// Send the content of this file instead of the value of the one letter.
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    payload: Option<PathBuf>,
    /// Send it with this key, which must be the customer's id.
    #[arg(long, conflicts_with = "all")]
    key: Option<String>,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Send what would be a dead letter again, too.
    #[arg(long)]
    force: bool,
    /// Send again what was sent again before.
    #[arg(long)]
    again: bool,
}

#[derive(Debug, Args)]
struct Which {
    /// Those that came from this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Those refused for this reason: `bad_json`, `no_time`, ...
    #[arg(long)]
    reason: Option<String>,
    /// Those refused at this stage: `decode`, `validate`.
    #[arg(long)]
    stage: Option<String>,
    /// Those set aside at or after this time, RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Which {
    fn filter(&self) -> Filter {
        Filter {
            topic: self.topic.clone(),
            reason: self.reason.clone(),
            stage: self.stage.clone(),
            since: self.since,
            ..Filter::default()
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Where Kafka does not answer, or what is asked for cannot be.
pub fn run(args: &DeadLetters) -> anyhow::Result<()> {
    match &args.command {
        DeadLettersCommand::List(args) => list(args),
        DeadLettersCommand::Show(args) => show(args),
        DeadLettersCommand::Replay(args) => replay(args),
    }
}

fn list(args: &List) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let filter = Filter {
        replayed: args.replayed,
        ..args.which.filter()
    };
    let letters = dead_letters::list(&Log::new(&config)?, &config, &filter, args.limit)?;
    let mut text = String::new();
    for letter in &letters {
        // Writing to a string does not fail.
        let _ = match args.format {
            Format::Json => writeln!(text, "{}", shown(letter)),
            Format::Text => writeln!(text, "{}", line(letter)),
        };
    }
    if args.format == Format::Text && letters.is_empty() {
        text.push_str("no dead letters\n");
    }
    print(&text)
}

fn show(args: &Show) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    let letter = dead_letters::find(&Log::new(&config)?, &config, args.letter)?;
    print(&match args.format {
        Format::Json => format!("{}\n", shown(&letter)),
        Format::Text => described(&letter),
    })
}

fn replay(args: &Replay) -> anyhow::Result<()> {
    let config = args.configured.load()?;
    if args.letters.len() != 1 && (args.payload.is_some() || args.key.is_some()) {
        anyhow::bail!(
            "--payload and --key are for one letter; {} are named",
            args.letters.len()
        );
    }
    let log = Log::new(&config)?;
    let filter = Filter {
        addresses: (!args.all).then(|| args.letters.clone()),
        replayed: args.again,
        ..args.which.filter()
    };
    let mut letters = dead_letters::list(&log, &config, &filter, usize::MAX)?;
    if let Some(limit) = args.limit
        && letters.len() > limit
    {
        println!("{} more are left for the next time", letters.len() - limit);
        letters.truncate(limit);
    }
    for missing in args
        .letters
        .iter()
        .filter(|it| letters.iter().all(|letter| letter.address != **it))
    {
        println!("{missing}: not there, or sent again before (--again sends it once more)");
    }
    let (decoder, schemas) = args.configured.decoder(&config)?;
    let (mut records, mut unfit) = (Vec::new(), 0);
    for letter in letters {
        let mended = args.mended(&letter)?;
        match letter.mended(&config, (&decoder, &schemas), &mended, args.force) {
            Ok(record) => {
                println!("{}: to {}", letter.address, record.topic);
                records.push((letter, record));
            }
            Err(error) => {
                println!("{}: not sent: {error}", letter.address);
                unfit += 1;
            }
        }
    }
    let sent = match args.dry_run {
        true => 0,
        false if records.is_empty() => 0,
        false => dead_letters::replay(&log, &config, &records, args.again)?,
    };
    let dry = if args.dry_run {
        ", as this was a dry run"
    } else {
        ""
    };
    println!("{sent} sent again{dry}; {unfit} not fit");
    Ok(())
}

impl Replay {
    fn mended(&self, letter: &Letter) -> anyhow::Result<Mended> {
        let value = match &self.payload {
            Some(path) => Some(std::fs::read(path).with_context(|| path.display().to_string())?),
            None if self.edit => Some(edited(letter)?),
            None => None,
        };
        let key = self.key.clone().map(String::into_bytes);
        Ok(Mended { value, key })
    }
}

/// The value of a letter after somebody has edited it.
fn edited(letter: &Letter) -> anyhow::Result<Vec<u8>> {
    let editor = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR"));
    let editor = editor.context("--edit needs $VISUAL or $EDITOR")?;
    let dir = std::env::temp_dir();
    let name = format!(
        "moments-letter-{}-{}-{}.json",
        std::process::id(),
        letter.address.partition,
        letter.address.offset
    );
    let path = dir.join(name);
    let result = edit(
        &editor,
        &path,
        letter.record.value.as_deref().unwrap_or_default(),
    );
    let removed = std::fs::remove_file(&path);
    let value = result?;
    removed.with_context(|| path.display().to_string())?;
    Ok(value)
}

fn edit(editor: &str, path: &Path, value: &[u8]) -> anyhow::Result<Vec<u8>> {
    let shown = || path.display().to_string();
    // Others on the machine are not to read customers' events.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(value))
        .with_context(shown)?;
    // An editor is a command with arguments: `code --wait`.
    let status = Process::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .with_context(|| editor.to_owned())?;
    anyhow::ensure!(
        status.success(),
        "{editor} ended with {status}: nothing is sent"
    );
    let mut edited = std::fs::read(path).with_context(shown)?;
    // Editors end the last line.
    if edited.ends_with(b"\n") && !value.ends_with(b"\n") {
        edited.pop();
    }
    Ok(edited)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
