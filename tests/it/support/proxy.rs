//! A TCP proxy in front of a service, to make it down, hung, slow or guarded.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What the proxy does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Passes it on.
    Open,
    /// Closes the connection, as if nobody were there.
    Down,
    /// Takes it and never answers.
    Hung,
    /// Passes it on after this time.
    Slow(Duration),
    /// Passes it on if it has this line; answers 401 otherwise.
    Guarded(String),
    /// Answers 404 with a page, as a proxy whose route is wrong does.
    Misrouted,
}

/// A proxy of one port. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: u16,
    mode: Mutex<Mode>,
    requests: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
}

impl Proxy {
    /// A proxy of a loopback port.
    pub fn new(to: u16, mode: Mode) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            to,
            mode: Mutex::new(mode),
            requests: AtomicUsize::new(0),
            open: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(client) = stream {
                    let shared = Arc::clone(&accepting);
                    thread::spawn(move || shared.serve(client));
                }
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on does this, to open connections too.
    pub fn set(&self, mode: Mode) {
        *self
            .shared
            .mode
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = mode;
        self.shared.cut();
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        self.mode
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn serve(&self, mut client: TcpStream) {
        let mode = self.mode();
        if mode == Mode::Down {
            return;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to)) else {
            return;
        };
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend(client.try_clone());
            open.extend(server.try_clone());
        }
        let (Ok(mut answers), Ok(mut back)) = (server.try_clone(), client.try_clone()) else {
            return;
        };
        thread::spawn(move || {
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        self.pass_on(&mut client, server);
        let _ = client.shutdown(Shutdown::Both);
    }

    /// Requests are small: each comes in one piece.
    fn pass_on(&self, client: &mut TcpStream, mut server: TcpStream) {
        let mut request = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = client.read(&mut request) {
            self.requests.fetch_add(1, Ordering::Relaxed);
            match self.mode() {
                Mode::Down => return,
                Mode::Hung => continue,
                Mode::Slow(delay) => wait(delay),
                Mode::Guarded(line) => {
                    let text = String::from_utf8_lossy(&request[..length]).to_lowercase();
                    if !text.contains(&line.to_lowercase()) {
                        let _ = answer(client, "401 Unauthorized");
                        return;
                    }
                }
                Mode::Misrouted => {
                    let _ = answer(client, "404 Not Found");
                    return;
                }
                Mode::Open => {}
            }
            if server.write_all(&request[..length]).is_err() {
                return;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    }
}

fn answer(client: &mut TcpStream, status: &str) -> std::io::Result<()> {
    let page = "<html>no</html>";
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )
}

/// The delay is the condition that is waited for.
fn wait(delay: Duration) {
    let start = Instant::now();
    while start.elapsed() < delay {
        thread::park_timeout(delay.saturating_sub(start.elapsed()));
    }
}
