//! Takes connections, so many at a time, and ends those that keep it waiting.
//!
//! What must stay true: whoever is slow, or many, takes nothing from Kafka's connections, and does not keep a probe out; and a stop
//! waits for nobody longer than [`STOP`].

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_io_timeout::TimeoutStream;

/// For the head of a request, and for the next on a connection that is kept.
const HEAD: Duration = Duration::from_secs(10);
/// In which some of an answer must be taken.
const WRITE: Duration = Duration::from_secs(10);
/// How long a stop waits for answers that are under way.
const STOP: Duration = Duration::from_secs(5);
/// A connection on which nothing was asked for so long makes way for others.
const IDLE: Duration = Duration::from_secs(1);
/// Between two looks for one that makes way.
const LOOK: Duration = Duration::from_millis(50);
/// After a connection could not be taken, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);
/// The head of a request and its answer are a few hundred bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

/// Answers until `stop` is ready.
///
/// # Errors
/// Where there is no runtime, or the port is not one.
pub(super) fn run(
    listener: TcpListener,
    router: &Router,
    most: usize,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        serve(&listener, router, most, stop).await;
        Ok(())
    });
    // Whoever still reads a topic is not waited for.
    runtime.shutdown_background();
    served
}

/// Since when a connection is idle; none while an answer is being made on it.
type Idle = Arc<Mutex<Option<Instant>>>;

/// A connection.
struct Open {
    idle: Idle,
    task: AbortHandle,
}

async fn serve(
    listener: &tokio::net::TcpListener,
    router: &Router,
    most: usize,
    stop: impl Future<Output = ()>,
) {
    let (places, graceful) = (Arc::new(Semaphore::new(most)), GracefulShutdown::new());
    let mut open: Vec<Open> = Vec::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection can be taken over HTTP");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            place = place(&places, &mut open) => place,
            () = &mut stop => break,
        };
        let idle = Arc::new(Mutex::new(Some(Instant::now())));
        let connection = graceful.watch(connection(stream, peer, router, &idle));
        let task = tokio::spawn(async move {
            // What goes wrong with a connection is its client's to see.
            let _ = connection.await;
            drop(place);
        });
        let task = task.abort_handle();
        open.push(Open { idle, task });
    }
    if tokio::time::timeout(STOP, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("HTTP connections that did not end in time are cut");
    }
}

/// A place for one more. Where there is none, of those that ask nothing the one that has asked nothing for longest makes way.
async fn place(places: &Arc<Semaphore>, open: &mut Vec<Open>) -> OwnedSemaphorePermit {
    loop {
        open.retain(|it| !it.task.is_finished());
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return place;
        }
        let since = |(place, it): (usize, &Open)| Some((set(&it.idle, |idle| *idle)?, place));
        let longest = open.iter().enumerate().filter_map(since).min();
        if let Some((_, idle)) = longest.filter(|(since, _)| since.elapsed() >= IDLE) {
            open.swap_remove(idle).task.abort();
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Says of the connection that an answer is being made on it, until all of it is taken.
async fn answering(State(idle): State<Idle>, request: Request, next: Next) -> Response {
    set(&idle, |idle| *idle = None);
    let answered = Answered(idle);
    let response = next.run(request).await;
    response.map(|body| Body::new(Answer { body, answered }))
}

fn set<T>(idle: &Idle, by: impl FnOnce(&mut Option<Instant>) -> T) -> T {
    by(&mut idle.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Says that it is over.
struct Answered(Idle);

impl Drop for Answered {
    fn drop(&mut self) {
        set(&self.0, |idle| *idle = Some(Instant::now()));
    }
}

/// The body of an answer, which may be a stream that lasts.
struct Answer {
    body: Body,
    #[expect(dead_code, reason = "its end is what counts")]
    answered: Answered,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Served = http1::Connection<
    TokioIo<std::pin::Pin<Box<TimeoutStream<TcpStream>>>>,
    TowerToHyperService<Router>,
>;

fn connection(stream: TcpStream, peer: SocketAddr, router: &Router, idle: &Idle) -> Served {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE));
    let service = router
        .clone()
        .layer(Extension(Peer(peer)))
        .layer(middleware::from_fn_with_state(Arc::clone(idle), answering));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(service),
        )
}

/// How many connections there may be: what is configured, but no more than a quarter of the file descriptors, as Kafka's and the
/// files of the process need the rest.
pub(crate) fn most(configured: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let quarter = limit.current.map_or(usize::MAX, |limit| {
        usize::try_from(limit / 4).unwrap_or(usize::MAX)
    });
    configured.min(quarter).max(1)
}
