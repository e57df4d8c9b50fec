//! Child processes of tests: they end with their guard, and with the tests however these end.

use std::ffi::OsStr;
use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempPath;

use super::wait_until;

/// Lines of a child's output that are shown when its test fails: enough for a panic with its backtrace.
const LAST_WORDS: usize = 100;

/// A running child, normally `moments` itself.
///
/// Dropping it kills it (SIGKILL). If the test is panicking then, the end of its output is printed.
#[derive(Debug)]
pub struct ProcessGuard {
    name: String,
    child: Child,
    watcher: Child,
    log: TempPath,
}

impl ProcessGuard {
    /// Starts the `moments` binary of this build with `arguments`; `name` heads its output.
    pub fn moments(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moments"));
        command.args(arguments);
        Self::spawn(name, &mut command)
    }

    /// Starts any command; its standard output and error go to one file, its standard input is empty.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let log = tempfile::Builder::new()
            .prefix("moments-test-")
            .suffix(".log")
            .tempfile()
            .expect("a log file");
        let (log, path) = log.into_parts();
        let error_log = log.try_clone().expect("a second handle on the log");
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(error_log)
            .spawn()
            .expect("the command starts");
        let watcher = watch(child.id());
        Self {
            name: name.to_owned(),
            child,
            watcher,
            log: path,
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as the kernel kills: no handler runs, nothing is flushed. Returns when it is gone.
    pub fn kill9(&mut self) -> ExitStatus {
        self.dismiss_watcher();
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for")
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it has not stopped within `limit`.
    #[track_caller]
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        // The standard library sends no signal but SIGKILL; the shell's kill does.
        let kill = Command::new("sh")
            .args(["-c", "kill -TERM $0", &self.id().to_string()])
            .status();
        assert!(
            kill.is_ok_and(|status| status.success()),
            "{} was not there to be stopped",
            self.name
        );
        self.wait(limit)
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it has not ended within `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut ended = None;
        wait_until(&format!("{} to end", self.name), limit, || {
            ended = self.try_wait();
            ended.is_some()
        });
        ended.expect("waited for it")
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.try_wait().is_none()
    }

    /// All it has written so far, standard output and error as they came.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn try_wait(&mut self) -> Option<ExitStatus> {
        let ended = self.child.try_wait().expect("a child can be waited for");
        if ended.is_some() {
            self.dismiss_watcher();
        }
        ended
    }

    /// Once the child is gone its id may be another's, whom the watcher must not hit.
    fn dismiss_watcher(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
            eprintln!(
                "---- the end of what {} wrote ----\n{}\n----",
                self.name,
                last.join("\n")
            );
        }
    }
}

/// A small process that kills `id` when this one is gone, however it went: its standard input is a pipe from here.
fn watch(id: u32) -> Child {
    Command::new("sh")
        .args(["-c", "read -r _; kill -9 $0 2>/dev/null", &id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs")
}

/// What a command says: on its standard output where it succeeds, else on its standard error.
///
/// # Errors
/// The latter.
pub fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}
