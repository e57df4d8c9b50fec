//! Those who are sent to: a mail server, and a receiver of web hooks whose answers a test chooses.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::process::ProcessGuard;
use super::registry::{installed, say_skipped};
use super::wait_until;

/// How long a mail server may take to begin.
const LIMIT: Duration = Duration::from_secs(60);

/// A mail server. Dropping it ends it.
pub struct Mail {
    process: ProcessGuard,
    /// Its port, at `localhost`.
    pub port: u16,
}

impl Mail {
    /// One that takes messages as `mail.py` says; none where there is no Python for it, which is said.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let Some(python) = installed("MOMENTS_PYTHON") else {
            say_skipped("Python with a mail server");
            return None;
        };
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/mail.py");
        let mut command = Command::new(python);
        let process = ProcessGuard::spawn("mail.py", command.arg(script).args(arguments));
        let mut port = None;
        wait_until("the mail server's port", LIMIT, || {
            let output = process.output();
            port = output.lines().next().and_then(|line| line.parse().ok());
            port.is_some()
        });
        Some(Self {
            process,
            port: port.expect("waited for it"),
        })
    }

    /// The messages that it has taken, in order.
    pub fn messages(&self) -> Vec<Value> {
        let output = self.process.output();
        let lines = output.lines().skip(1);
        let messages = lines.filter_map(|line| serde_json::from_str(line).ok());
        messages.collect()
    }
}

/// A request that a hook was told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Told {
    /// The id of its command; nothing where it is none.
    pub fn id(&self) -> &str {
        self.headers.get("webhook-id").map_or("", String::as_str)
    }
}

/// What a hook does with a request.
pub enum Does {
    /// Answers with a status, and more lines of its head.
    Answers(u16, &'static str),
    /// Takes it and never answers.
    Hangs,
}

/// A receiver of web hooks.
pub struct Hook {
    /// Where it listens.
    pub url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Hook {
    /// One that does with a request what `does` says; how often it was told that command before, is the second argument.
    pub fn start(does: impl Fn(&Told, usize) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (known, does) = (Arc::clone(&told), Arc::new(does));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (known, does) = (Arc::clone(&known), Arc::clone(&does));
                thread::spawn(move || serve(&stream, &known, &*does));
            }
        });
        Self {
            url: format!("http://127.0.0.1:{port}/hook"),
            told,
        }
    }

    /// What it was told, in order.
    pub fn told(&self) -> Vec<Told> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often it was told each command.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for told in self.told() {
            *counts.entry(told.id().to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Answers on a connection until it ends.
fn serve(
    stream: &TcpStream,
    known: &Mutex<Vec<Told>>,
    does: &(impl Fn(&Told, usize) -> Does + ?Sized),
) {
    let mut reader = BufReader::new(stream);
    while let Some(told) = request(&mut reader) {
        let before = {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let before = known.iter().filter(|other| other.id() == told.id()).count();
            known.push(told.clone());
            before
        };
        match does(&told, before) {
            Does::Answers(status, more) => {
                let answer = format!("HTTP/1.1 {status} -\r\n{more}Content-Length: 0\r\n\r\n");
                if (&*stream).write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
            Does::Hangs => {
                // Until the other side gives up.
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<Told> {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|bytes| *bytes > 0)?;
    loop {
        line.clear();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|bytes| *bytes > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Told { headers, body })
}
