//! The place on this host where an issuer sends the browser back to (RFC 8252 §7.3): it takes one answer, to one
//! sign-in, and refuses everything else.
//!
//! It reads as much HTTP as one form needs. Anybody on this host may connect, and any page in the browser can make it
//! connect, so what is read is bounded in size and time, and has to name this host and the sign-in's `state`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::page::Page;
use crate::id_token::printable;
use crate::oauth_error::OAuthError;
use crate::secret::Secret;
use crate::token::Fingerprint;

/// Both loopback addresses on one port. Where `localhost` leads to is up to the browser, and nobody else shall be
/// there.
#[derive(Debug)]
pub(super) struct Loopback {
    listeners: [Option<TcpListener>; 2],
    pub(super) port: u16,
}

/// Which request is the answer that is waited for.
#[derive(Debug)]
pub(super) struct Expected {
    /// The path of the redirect URI.
    pub(super) path: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Secret,
}

/// How the answer travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ResponseMode {
    /// In a form, so that the code is in no history and no log.
    FormPost,
    /// In the URL.
    Query,
}

/// The answer (RFC 6749 §4.1.2), and the browser that waits for a page.
#[derive(Debug)]
pub(super) struct Answer {
    /// The code, or the refusal.
    pub(super) outcome: Result<Secret, OAuthError>,
    /// Who says it is the issuer (RFC 9207).
    pub(super) issuer: Option<String>,
    page: oneshot::Sender<Page>,
    shown: oneshot::Receiver<()>,
}

/// A place that is being watched. Dropping it closes everything.
#[derive(Debug)]
pub(super) struct Watch {
    answers: mpsc::Receiver<Answer>,
    _tasks: JoinSet<()>,
}

impl Loopback {
    /// Takes this port, or any that is free on both addresses. A host may have one address only.
    pub(super) async fn bind(port: Option<u16>) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            match Self::bind_both(port).await {
                Ok(loopback) => return Ok(loopback),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && port.is_none() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn bind_both(port: Option<u16>) -> io::Result<Self> {
        let listen = |address: IpAddr, port: u16| TcpListener::bind((address, port));
        let v4 = listen(Ipv4Addr::LOCALHOST.into(), port.unwrap_or(0)).await;
        let port = match &v4 {
            Ok(listener) => listener.local_addr()?.port(),
            Err(_) => port.unwrap_or(0),
        };
        let v6 = listen(Ipv6Addr::LOCALHOST.into(), port).await;
        match (v4, v6) {
            // Somebody else is on the other address: half of the browsers would give them the code.
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            (Err(error), Err(_)) => Err(error),
            (v4, v6) => {
                let listeners = [v4.ok(), v6.ok()];
                let first = listeners.iter().flatten().next().ok_or(io::ErrorKind::AddrNotAvailable)?;
                let port = first.local_addr()?.port();
                Ok(Self { listeners, port })
            }
        }
    }

    /// Whether 127.0.0.1 leads here; else only ::1 does.
    pub(super) fn has_v4(&self) -> bool {
        self.listeners[0].is_some()
    }

    /// Begins to take requests.
    pub(super) fn watch(self, expected: Expected) -> Watch {
        let (sender, answers) = mpsc::channel(1);
        let gate = Arc::new(Gate {
            hosts: ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", self.port)),
            expected,
            taken: AtomicBool::new(false),
            sender,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(self.listeners, gate));
        Watch { answers, _tasks: tasks }
    }
}

impl Watch {
    /// The answer, when it comes.
    pub(super) async fn answer(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }
}

impl Answer {
    /// Shows a page to the person, who has it when this returns (or has gone away).
    pub(super) async fn show(self, page: Page) {
        if self.page.send(page).is_ok() {
            // It is shown, or the connection broke, or the browser is too slow to wait for.
            drop(timeout(CLOSE, self.shown).await);
        }
    }
}

/// How often a free port is looked for.
const TRIES: u32 = 16;

/// The largest head and form that are read, in bytes: Microsoft's codes have some two thousand.
const LARGEST_HEAD: usize = 32 * 1024;
const LARGEST_FORM: usize = 64 * 1024;

/// How many fields a head may have.
const MOST_FIELDS: usize = 100;

/// How long a request may take to arrive. Browsers open connections in advance, which then say nothing.
const REQUEST: Duration = Duration::from_secs(10);

/// How long the other side may take to read a page and close.
const CLOSE: Duration = Duration::from_secs(2);

/// How many connections are served at once; more wait in the kernel, where the time above frees places.
const MOST_CONNECTIONS: usize = 64;

/// What decides about every request.
#[derive(Debug)]
struct Gate {
    hosts: [String; 3],
    expected: Expected,
    taken: AtomicBool,
    sender: mpsc::Sender<Answer>,
}

async fn serve(listeners: [Option<TcpListener>; 2], gate: Arc<Gate>) {
    let [v4, v6] = listeners;
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < MOST_CONNECTIONS;
        let accepted = tokio::select! {
            accepted = accept(v4.as_ref()), if room => accepted,
            accepted = accept(v6.as_ref()), if room => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok(stream) => drop(connections.spawn(connection(stream, Arc::clone(&gate)))),
            // Out of file descriptors, most likely: those of others come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    }
}

async fn connection(mut stream: TcpStream, gate: Arc<Gate>) {
    let verdict = match timeout(REQUEST, read(&mut stream)).await {
        Ok(Ok(request)) => gate.judge(&request),
        Ok(Err(why)) => Err(why),
        Err(_) => Err("The request did not come to its end."),
    };
    let (page, shown) = match verdict {
        Err(why) => (Page::refused(why), None),
        Ok((outcome, issuer)) => {
            let (page, page_to_show) = oneshot::channel();
            let (is_shown, shown) = oneshot::channel();
            let answer = Answer { outcome, issuer, page, shown };
            // The program may be gone, and then so are we.
            if gate.sender.send(answer).await.is_err() {
                return;
            }
            match page_to_show.await {
                Ok(page) => (page, Some(is_shown)),
                Err(_) => return,
            }
        }
    };
    drop(timeout(CLOSE, write(&mut stream, &page)).await);
    if let Some(shown) = shown {
        // Nobody may wait for it any more.
        shown.send(()).ok();
    }
}

/// A request, taken apart.
#[derive(Debug)]
struct Request {
    method: String,
    target: Zeroizing<String>,
    host: String,
    is_form: bool,
    form: Zeroizing<Vec<u8>>,
}

/// Reads a request. What is wrong with one that is none is for its sender to read.
async fn read(stream: &mut TcpStream) -> Result<Request, &'static str> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    loop {
        if let Some((mut request, head, length)) = head(&bytes)? {
            if head > LARGEST_HEAD {
                return Err(TOO_LARGE);
            }
            let end = head + length;
            while bytes.len() < end {
                more(stream, &mut bytes).await?;
            }
            request.form.extend_from_slice(&bytes[head..end]);
            return Ok(request);
        }
        if bytes.len() > LARGEST_HEAD {
            return Err(TOO_LARGE);
        }
        more(stream, &mut bytes).await?;
    }
}

const TOO_LARGE: &str = "The request is too large.";

/// The request whose head these bytes begin with, the length of the head and that of the form behind it; `None`
/// where the head has not ended yet.
fn head(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, &'static str> {
    const NO_HTTP: &str = "The request is not one that a browser makes.";
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(bytes).map_err(|_| NO_HTTP)? else {
        return Ok(None);
    };
    let only = |name: &str| {
        let mut values = parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(field), None) => std::str::from_utf8(field.value).map(Some).map_err(|_| NO_HTTP),
            // Two of them could be read in two ways.
            (Some(_), Some(_)) => Err(NO_HTTP),
        }
    };
    let length = match only("content-length")? {
        None => 0,
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| NO_HTTP)?
        }
        Some(_) => return Err(NO_HTTP),
    };
    if only("transfer-encoding")?.is_some() || length > LARGEST_FORM {
        return Err(TOO_LARGE);
    }
    let media_type = only("content-type")?.and_then(|value| value.split(';').next()).unwrap_or_default();
    let request = Request {
        method: parsed.method.ok_or(NO_HTTP)?.to_owned(),
        target: Zeroizing::new(parsed.path.ok_or(NO_HTTP)?.to_owned()),
        host: only("host")?.unwrap_or_default().to_owned(),
        is_form: media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"),
        form: Zeroizing::new(Vec::with_capacity(length)),
    };
    Ok(Some((request, head, length)))
}

async fn more(stream: &mut TcpStream, bytes: &mut Zeroizing<Vec<u8>>) -> Result<(), &'static str> {
    match stream.read_buf(&mut **bytes).await {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err("The request did not come to its end."),
    }
}

/// Writes a page, and reads what the other side still sends: closing before it is read would make the kernel take
/// the page back.
async fn write(stream: &mut TcpStream, page: &Page) -> io::Result<()> {
    stream.write_all(page.response().as_bytes()).await?;
    stream.shutdown().await?;
    let mut left = [0; 4096];
    while stream.read(&mut left).await? > 0 {}
    Ok(())
}

type Verdict = Result<(Result<Secret, OAuthError>, Option<String>), &'static str>;

impl Gate {
    fn judge(&self, request: &Request) -> Verdict {
        let Expected { path, mode, state } = &self.expected;
        // A page elsewhere whose name was made to lead here (DNS rebinding) names itself.
        if !self.hosts.iter().any(|host| host.eq_ignore_ascii_case(&request.host)) {
            return Err("The request is for another host.");
        }
        let (target, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if target != path {
            return Err("There is nothing at this address.");
        }
        let is_post = request.method == "POST" && request.is_form;
        let pairs = match request.method.as_str() {
            "POST" if is_post => &request.form[..],
            "GET" => query.as_bytes(),
            _ => return Err("The request is not one that an issuer makes."),
        };
        let parameters = Parameters::read(pairs)?;
        // Compared by their hashes, whose first difference tells nothing about that of the texts.
        let given = parameters.state.as_deref().map(|state| Fingerprint::of(state));
        if given != Some(Fingerprint::of(state.expose())) {
            return Err("The answer belongs to another sign-in, or to none.");
        }
        let outcome = match (parameters.code, parameters.error) {
            (Some(code), None) if is_post == (*mode == ResponseMode::FormPost) => Ok(code),
            (Some(_), None) => return Err("The issuer's answer came in another form than was asked for."),
            (None, Some(error)) => Err(error),
            (Some(_), Some(_)) | (None, None) => return Err("The answer is neither a code nor a refusal."),
        };
        if self.taken.swap(true, Ordering::SeqCst) {
            return Err("This sign-in has been answered already.");
        }
        Ok((outcome, parameters.issuer))
    }
}

/// The parameters of an answer (RFC 6749 §4.1.2, RFC 9207), none of them twice.
#[derive(Default)]
struct Parameters {
    code: Option<Secret>,
    error: Option<OAuthError>,
    state: Option<Zeroizing<String>>,
    issuer: Option<String>,
}

impl Parameters {
    fn read(pairs: &[u8]) -> Result<Self, &'static str> {
        let mut found = Self::default();
        let [mut error, mut description, mut suberror]: [Option<String>; 3] = Default::default();
        for (name, value) in form_urlencoded::parse(pairs) {
            let is_new = match &*name {
                "code" => found.code.replace(Secret::new(value)).is_none(),
                "state" => found.state.replace(Zeroizing::new(value.into_owned())).is_none(),
                "iss" => found.issuer.replace(value.into_owned()).is_none(),
                "error" => error.replace(printable(&value)).is_none(),
                "error_description" => description.replace(shown(&value)).is_none(),
                "error_subcode" => suberror.replace(printable(&value)).is_none(),
                _ => true,
            };
            if !is_new {
                return Err("The answer says something twice.");
            }
        }
        found.error = error.filter(|error| !error.is_empty()).map(|error| OAuthError {
            error,
            description,
            suberror,
            claims: None,
            assertion: None,
        });
        found.code = found.code.filter(|code| !code.expose().is_empty());
        Ok(found)
    }
}

/// How many letters of an issuer's explanation are kept.
const LONGEST_TEXT: usize = 2000;

fn shown(text: &str) -> String {
    printable(text).chars().take(LONGEST_TEXT).collect()
}
