//! Shows on pages what the triggers decide: `moments onsite`, a process of its own beside `moments run`.
//!
//! It reads the topics of its channels, and that of outcomes, from as far back as treatments are kept, and so knows what may be shown
//! to whom ([`board`]). The backend of a site asks for a customer's, or has them streamed to it, and reports what became of them
//! ([`api`]); that goes to the topic of outcomes ([`report`]), where the triggers read it, and every such process. Nothing is kept
//! here that the topics do not say: a process that starts is as good as any other once it has read them.
//!
//! Deliberately absent: what it looks like (a page has its own templates), and who may ask for which customer (the site's backend
//! knows who is logged in).

mod api;
pub mod board;
mod error;
mod read;
mod report;
mod site;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use self::board::Board;
pub use self::error::OnsiteError;
use self::read::{Holds, Reader};
use self::report::Reporter;
use self::site::Site;
use crate::config::Config;
use crate::http::{self, Gate};
use crate::runtime::{EndsProcess, clients};

/// Answers until `signalled` is ready.
///
/// # Errors
/// Where a setting does not fit, a topic is missing, or the port cannot be had.
pub fn run(config: &Config, signalled: impl Future<Output = ()>) -> Result<(), OnsiteError> {
    let settings = &config.onsite;
    settings.check_topics(&config.topics)?;
    clients::check(config).map_err(OnsiteError::Settings)?;
    let token = settings.token()?;
    let since = crate::runtime::clock().plus(-settings.keep.ms);
    let reporter = Reporter::new(config)?;
    let mut readers = Vec::new();
    for channel in &settings.channels {
        let topic = config.topics.treatments_of(channel);
        readers.push(Reader::new(config, &topic, Holds::Commands, since)?);
    }
    let outcomes = reporter.topic().to_owned();
    readers.push(Reader::new(config, &outcomes, Holds::Outcomes, since)?);
    let board = Board::new(settings.treatments, settings.keep.ms);
    // A stream is a connection; as many again ask and report.
    let connections = http::most(settings.streams.saturating_mul(2)).max(2);
    let (topics, answers) = (readers.len(), settings.answers.clone());
    let site = Site::new(board, topics, reporter, connections / 2, answers);
    let site = Arc::new(site);
    let wrong = |error| OnsiteError::Listen {
        listen: settings.listen.to_string(),
        error,
    };
    let listener = http::listen(settings.listen).map_err(wrong)?;
    let mut threads = Vec::new();
    // They read until the last answer is made: it may wait for what they read.
    let ended = Arc::new(AtomicBool::new(false));
    for reader in readers {
        let (site, ended) = (Arc::clone(&site), Arc::clone(&ended));
        let thread = thread::Builder::new().name("onsite-reader".to_owned());
        threads.push(thread.spawn(move || {
            let _guard = EndsProcess;
            reader.run(&site, &ended);
        })?);
    }
    let gate = Gate::new(
        token.as_deref(),
        &config.http.hosts,
        f64::from(settings.requests),
    );
    let router = api::router(Arc::clone(&site), gate);
    let ends = async {
        signalled.await;
        // Nobody waits for a stream to end by itself.
        site.board().close();
    };
    http::serve(listener, &router, connections, ends);
    ended.store(true, Ordering::Relaxed);
    for thread in threads {
        // One that panicked has said so.
        let _ = thread.join();
    }
    Ok(())
}
