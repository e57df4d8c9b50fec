//! The network between a process and the broker: a proxy of its connections that cuts, delays or throttles them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All passes.
    Whole,
    /// Nothing passes, and nobody gets a connection.
    Cut,
    /// Each piece comes so much later.
    Delayed(Duration),
    /// So many bytes pass each 10 ms, either way.
    Trickling(usize),
}

/// A port that leads to another.
#[derive(Debug)]
pub struct Wire {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: AtomicU16,
    state: Mutex<State>,
    /// How often it was cut: what was open before is not any more.
    cuts: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Wire {
    /// Leads nowhere yet. It ends with the tests.
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            to: AtomicU16::new(0),
            state: Mutex::new(State::Whole),
            cuts: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(client);
            }
        });
        Self { port, shared }
    }

    /// From now on it leads to this port.
    pub fn lead_to(&self, port: u16) {
        self.shared.to.store(port, Ordering::Relaxed);
    }

    /// From now on it is so.
    pub fn set(&self, state: State) {
        *lock(&self.shared.state) = state;
        if state == State::Cut {
            self.shared.cuts.fetch_add(1, Ordering::Relaxed);
            for stream in lock(&self.shared.open).drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let to = self.to.load(Ordering::Relaxed);
        if *lock(&self.state) == State::Cut {
            return;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else {
            return;
        };
        let pairs = [
            (client.try_clone(), server.try_clone()),
            (server.try_clone(), client.try_clone()),
        ];
        lock(&self.open).extend([client, server]);
        for pair in pairs {
            if let (Ok(from), Ok(to)) = pair {
                let shared = Arc::clone(self);
                thread::spawn(move || shared.pass(from, to));
            }
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        let cuts = self.cuts.load(Ordering::Relaxed);
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let mut rest = &buffer[..length];
            while !rest.is_empty() && self.cuts.load(Ordering::Relaxed) == cuts {
                let state = *lock(&self.state);
                let piece = match state {
                    State::Whole | State::Cut => rest.len(),
                    State::Delayed(by) => {
                        pause(by);
                        rest.len()
                    }
                    State::Trickling(bytes) => {
                        pause(Duration::from_millis(10));
                        bytes.min(rest.len())
                    }
                };
                if to.write_all(&rest[..piece]).is_err() {
                    return;
                }
                rest = &rest[piece..];
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// The time is what is tested.
pub fn pause(time: Duration) {
    let start = std::time::Instant::now();
    while start.elapsed() < time {
        thread::park_timeout(time.saturating_sub(start.elapsed()));
    }
}
