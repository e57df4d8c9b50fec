//! Delivers what the triggers decide: `moments send`, a process of its own beside `moments run`.
//!
//! Each channel has a consumer group, a thread that reads it and decides what is to be delivered ([`channel`], by its [`book`]), and
//! some that deliver, by e-mail ([`smtp`]) or by HTTP ([`web_hook`]), what templates make of commands ([`template`]); so a channel that
//! is slow holds up no other. What came of commands goes to the topic of outcomes in the transaction that says how far they are carried
//! out. What must stay true: a command that was delivered, and of which that is saved, is not delivered again; of the others at most as
//! many as are under way at a time can be delivered twice, by a crash, and a receiver knows them by their id.
//!
//! Deliberately absent: opens and clicks (whoever sees them reports them), and what asks a person to wait for a person.

pub mod attempt;
pub mod book;
mod channel;
pub mod command;
pub(crate) mod report;
mod session;
mod signs;
mod smtp;
pub mod template;
mod web_hook;
pub mod window;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use self::attempt::Carrier;
use self::book::End;
use self::channel::Channel;
pub use self::signs::Signs;
use self::smtp::Mailer;
use self::template::Templates;
use self::web_hook::Hook;
use crate::config::Config;
use crate::config::send::Delivery;
use crate::runtime::clients;
use crate::telemetry::sender::Sender as Telemetry;

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No channel is configured.
    #[error(
        "no channel is configured; say how one delivers: [send.channels.email.smtp] or [send.channels.push.web_hook], see docs/sending.md"
    )]
    NoChannels,
    /// A file is not what it should be.
    #[error("{}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Something that is configured does not fit.
    #[error("{0}")]
    Settings(String),
    /// No thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A mistake of ours.
    #[error("the thread of channel `{0}` has failed; what it had under way is delivered again")]
    Failed(String),
}

impl SendError {
    fn file(path: &Path, detail: impl std::fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// The metrics of a sender that is configured so.
#[must_use]
pub fn telemetry(config: &Config) -> Telemetry {
    let channels = config.send.channels.keys().map(String::as_str);
    Telemetry::new(channels, &End::ALL.map(End::word))
}

/// Tells, when it goes, that a channel has ended.
struct Ends(Sender<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        // Nobody listens any more where everything ends.
        let _ = self.0.send(());
    }
}

/// Delivers until `stop` is set; then what is under way is waited for, and saved.
///
/// # Errors
/// Where a file or setting is not what it should be, or a thread fails.
pub fn run(
    config: &Arc<Config>,
    telemetry: &Telemetry,
    stop: &Arc<AtomicBool>,
) -> Result<(), SendError> {
    let settings = &config.send;
    if settings.channels.is_empty() {
        return Err(SendError::NoChannels);
    }
    clients::check(config).map_err(SendError::Settings)?;
    let mut channels = Vec::new();
    for (name, delivery) in &settings.channels {
        let carrier: Arc<dyn Carrier> = match delivery {
            Delivery::Smtp(smtp) => Arc::new(Mailer::new(smtp, settings.parallel)?),
            Delivery::WebHook(hook) => Arc::new(Hook::new(hook, settings.parallel)?),
        };
        let templates = Templates::new(&settings.templates);
        channels.push(Channel::start(
            config,
            name,
            &carrier,
            (templates, telemetry.clone()),
        )?);
    }
    let (ended, ends) = mpsc::channel();
    let mut threads = Vec::new();
    for mut channel in channels {
        let (name, ends) = (channel.name().to_owned(), Ends(ended.clone()));
        let stop = Arc::clone(stop);
        let thread = thread::Builder::new().name(format!("send-{name}"));
        let thread = thread.spawn(move || {
            let _ends = ends;
            channel.run(&stop);
        })?;
        threads.push((name, thread));
    }
    // One ends where it is told to, or fails; then none is left to itself.
    let _ = ends.recv();
    stop.store(true, Ordering::Relaxed);
    let mut failed = None;
    for (name, thread) in threads {
        if thread.join().is_err() {
            failed = Some(SendError::Failed(name));
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A file's text, without the line end behind it.
fn read(path: &Path) -> Result<String, SendError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| SendError::file(path, error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
