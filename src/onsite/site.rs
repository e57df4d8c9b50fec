//! What those who read share with those who answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::board::Board;
use super::report::{Report, Reporter};
use crate::send::command::Command;
use crate::telemetry::onsite::Onsite as Telemetry;
use crate::time::Timestamp;

/// What readers and those who answer share.
pub(super) struct Site {
    board: Mutex<Board>,
    /// Topics whose end was not reached yet.
    behind: AtomicUsize,
    /// To the topic of outcomes.
    pub reporter: Reporter,
    /// What happens here, counted.
    pub telemetry: Telemetry,
    /// Streams at a time.
    pub streams: usize,
    /// The attributes that may be answered; empty: any.
    pub answers: Vec<String>,
}

impl Site {
    /// With the number of topics that are read, how many streams there may be, and which attributes may be answered.
    pub fn new(
        board: Board,
        topics: usize,
        reporter: Reporter,
        streams: usize,
        answers: Vec<String>,
    ) -> Self {
        Self {
            board: Mutex::new(board),
            behind: AtomicUsize::new(topics),
            reporter,
            telemetry: Telemetry::new(&Report::WORDS),
            streams,
            answers,
        }
    }

    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn treatment(&self, command: Command, now: Timestamp) {
        if self.board().treatment(command, now) {
            self.telemetry.made_way();
        }
    }

    pub fn tick(&self, now: Timestamp) {
        let mut board = self.board();
        board.tick(now);
        let (treatments, streams) = board.size();
        self.telemetry.size(treatments, streams);
    }

    pub fn reached_an_end(&self, topic: &str) {
        tracing::info!(topic, "read to its end");
        self.behind.fetch_sub(1, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.behind.load(Ordering::Acquire) == 0
    }
}
