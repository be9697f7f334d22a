//! A proxy in front of an S3 server that fails on purpose, one request at a time.
//!
//! Each request gets a connection of its own to the server. What happens to it is decided by its
//! first line: it goes through, is answered with 503, is cut, waits, or arrives with a wrong bit.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::Duration,
};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is answered with 503 and never reaches the server.
    Busy,
    /// It is answered with 403 and never reaches the server.
    Refused,
    /// The connection ends after so many bytes of its body.
    CutRequest(u64),
    /// The server has done it, and the connection ends after so many bytes of the answer.
    CutAnswer(u64),
    /// A bit of its body is wrong when it arrives.
    Flip,
    /// It is held back for so long.
    Late(Duration),
}

/// A request's method, path with query, and the length of its body.
pub struct Asked {
    /// `GET`, `PUT` or `DELETE`.
    pub method: String,
    /// The path, without the query that carries the signature.
    pub path: String,
    /// The length of its body.
    pub length: u64,
}

type Plan = Box<dyn FnMut(&Asked) -> Fault + Send>;

struct Shared {
    server: String,
    plan: Mutex<Plan>,
    stop: AtomicBool,
    faults: AtomicU64,
    requests: AtomicU64,
    writes: AtomicU64,
}

/// A running proxy. It ends when this is dropped.
pub struct S3Proxy {
    address: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl S3Proxy {
    /// Starts a proxy to the server at this address; `plan` is asked for each request.
    pub fn start(server: String, plan: impl FnMut(&Asked) -> Fault + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let shared = Arc::new(Shared {
            server,
            plan: Mutex::new(Box::new(plan)),
            stop: AtomicBool::new(false),
            faults: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if serving.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), serving) = (client, Arc::clone(&serving)) else { continue };
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(serve(client, &serving)));
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Returns its address: host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns how many requests did not go through as they were.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }

    /// Returns how many requests have come.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Returns how many requests to write have come.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl Drop for S3Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the one who waits for connections.
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// One request; its answer ends the connection.
fn serve(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut answers = client.try_clone()?;
    let mut requests = BufReader::new(client);
    let mut head = String::new();
    let mut asked = Asked { method: String::new(), path: String::new(), length: 0 };
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_lowercase();
        if head.is_empty() {
            let mut words = line.split_whitespace();
            words.next().unwrap_or_default().clone_into(&mut asked.method);
            let path = words.next().unwrap_or_default();
            path.split('?').next().unwrap_or_default().clone_into(&mut asked.path);
        } else if let Some(length) = lower.strip_prefix("content-length:") {
            asked.length = length.trim().parse().unwrap_or(0);
        } else if lower.starts_with("connection:") {
            continue;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    head.push_str("connection: close\r\n\r\n");
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if asked.method == "PUT" {
        shared.writes.fetch_add(1, Ordering::SeqCst);
    }
    let fault = (shared.plan.lock().unwrap_or_else(PoisonError::into_inner))(&asked);
    if fault != Fault::None {
        shared.faults.fetch_add(1, Ordering::SeqCst);
    }
    let mut body = requests.take(asked.length);
    let refusal = match fault {
        Fault::Busy => Some(("503 Service Unavailable", "SlowDown")),
        Fault::Refused => Some(("403 Forbidden", "AccessDenied")),
        _ => None,
    };
    if let Some((status, code)) = refusal {
        io::copy(&mut body, &mut io::sink())?;
        let text = format!("<Error><Code>{code}</Code><Message>On purpose.</Message></Error>");
        let length = text.len();
        return write!(
            answers,
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
    }
    if let Fault::Late(pause) = fault {
        sleep(pause);
    }
    let mut server = TcpStream::connect(&shared.server)?;
    server.write_all(head.as_bytes())?;
    if let Fault::CutRequest(bytes) = fault {
        io::copy(&mut body.take(bytes), &mut server)?;
        server.shutdown(Shutdown::Both)?;
        return answers.shutdown(Shutdown::Both);
    }
    let mut content = Vec::new();
    body.read_to_end(&mut content)?;
    if let (Fault::Flip, Some(byte)) = (fault, content.last_mut()) {
        *byte ^= 1;
    }
    server.write_all(&content)?;
    match fault {
        Fault::CutAnswer(bytes) => io::copy(&mut server.take(bytes), &mut answers)?,
        _ => io::copy(&mut server, &mut answers)?,
    };
    answers.shutdown(Shutdown::Both)
}
