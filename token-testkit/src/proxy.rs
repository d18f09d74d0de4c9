//! A TCP proxy that stands in the way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// A proxy before a server on loopback: it passes everything on until it is told otherwise. It has a thread of its own,
/// needs no runtime, and ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// Where a connection is cut when something is asked over it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// The server never sees the request.
    BeforeRequest,
    /// The server has done what was asked, and nobody hears of it.
    BeforeAnswer,
}

#[derive(Debug)]
struct State {
    to: SocketAddr,
    delay_micros: AtomicU64,
    black_hole: AtomicBool,
    connections: AtomicUsize,
    cut_next: Mutex<Option<Cut>>,
    cut: watch::Sender<()>,
}

impl Proxy {
    /// A proxy before this server, on a free port.
    pub fn start(to: SocketAddr) -> Self {
        let (cut, _) = watch::channel(());
        let state = Arc::new(State {
            to,
            delay_micros: AtomicU64::new(0),
            black_hole: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            cut_next: Mutex::new(None),
            cut,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("the machine has threads left");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(listen(listener, Arc::clone(&state)));
        Self { address, state, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps everything back for this long, in each direction: what is asked takes twice as much longer.
    pub fn delay(&self, delay: Duration) {
        self.state.delay_micros.store(delay.as_micros() as u64, Ordering::SeqCst);
    }

    /// Ends every connection that stands.
    pub fn cut(&self) {
        self.state.cut.send_replace(());
    }

    /// Ends the connection over which something is asked next.
    pub fn cut_next(&self, cut: Cut) {
        *self.state.cut_next.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut);
    }

    /// Takes connections and everything that comes over them, and passes nothing on. When that is over, connections
    /// that stood meanwhile are ended.
    pub fn black_hole(&self, on: bool) {
        self.state.black_hole.store(on, Ordering::SeqCst);
        if !on {
            self.cut();
        }
    }

    /// How many connections were made to it so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not the waiting kind: it would panic in an async test.
            runtime.shutdown_background();
        }
    }
}

async fn listen(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                state.connections.fetch_add(1, Ordering::SeqCst);
                let cut = state.cut.subscribe();
                tokio::spawn(connection(client, Arc::clone(&state), cut));
            }
            // Out of file descriptors: those of clients that leave come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(client: TcpStream, state: Arc<State>, mut cut: watch::Receiver<()>) {
    let Ok(server) = TcpStream::connect(state.to).await else { return };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Told over the answers' side that the next one is not to be passed on.
    let last_answer = AtomicBool::new(false);
    let requests = || {
        let cut = state.cut_next.lock().unwrap_or_else(PoisonError::into_inner).take();
        last_answer.fetch_or(cut == Some(Cut::BeforeAnswer), Ordering::SeqCst);
        cut != Some(Cut::BeforeRequest)
    };
    let answers = || !last_answer.load(Ordering::SeqCst);
    tokio::select! {
        () = pass(from_client, to_server, &state, requests) => {}
        () = pass(from_server, to_client, &state, answers) => {}
        _ = cut.changed() => {}
    }
}

/// Passes on what comes from one side, until it ends or `go_on` says no.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, go_on: impl Fn() -> bool) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from.read(&mut buffer).await.unwrap_or(0);
            if length == 0 || !go_on() {
                return;
            }
            if state.black_hole.load(Ordering::SeqCst) {
                continue;
            }
            let due = Instant::now() + Duration::from_micros(state.delay_micros.load(Ordering::SeqCst));
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}
