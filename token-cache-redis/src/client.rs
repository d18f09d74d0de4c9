//! The connection to the server. No other file knows the driver.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{AsyncStream, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, ProtocolVersion, RedisConnectionInfo, RedisError,
    RedisResult, Value,
};
use token_core::CacheErrorKind::{Corrupt, Denied, Full, Unavailable, Unsuitable};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::entry::Field;
use crate::fault::Fault;
use crate::options::{Address, Login, Place};
use crate::tls;

/// How long connecting may take: name, TCP, TLS and greeting together. Somebody waits for a token, and SDKs give up
/// on a token command after ten seconds; but a small machine that starts two hundred builds at once keeps each of
/// them, and a server of its own, from the processor for two.
const CONNECT: Duration = Duration::from_secs(5);

/// Where nobody is, another try comes this much later, as long as connecting may take: a server that is started again
/// is back in a moment, and would otherwise fail everybody who comes meanwhile.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// How long a command may wait for its answer. A server that syncs every write to a slow disk, far away, takes some
/// hundred milliseconds. For the rest see [`CONNECT`]: who gives up on a busy machine makes a failure of a delay.
const ANSWER: Duration = Duration::from_secs(5);

/// An idle connection is looked after from time to time, more often than what stands between (firewalls, load
/// balancers: four minutes is common) forgets it.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// How many names the server looks at for one answer of a scan.
const SCAN: usize = 1000;

/// One connection for everybody, made when it is first needed, and again when it is gone.
pub(crate) struct Client {
    place: Place,
    login: Login,
    tls: OnceCell<Arc<rustls::ClientConfig>>,
    attempt: Mutex<Attempt>,
}

/// All who need a connection wait for the same one, and learn together why there is none.
type Attempt = Arc<OnceCell<Result<Arc<Live>, Fault>>>;

/// A connection that stands, as far as we know.
struct Live {
    connection: MultiplexedConnection,
    /// Reads and writes until the connection ends.
    driver: AbortHandle,
    /// It did not answer, or not as Redis does; nobody sends anything more over it.
    given_up: AtomicBool,
}

/// How far connecting has come, for whoever asks what took so long.
#[derive(Default)]
struct Stage(AtomicU8);

/// A script that the server keeps, and is given again when it does not know it.
pub(crate) struct Script(redis::Script);

/// Whether a command may be sent a second time where the connection ended before its answer came.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Again {
    /// It takes effect once, however often it is sent.
    Yes,
    /// Only its caller can find out whether it took effect.
    No,
}

/// What a list sees of an entry.
pub(crate) enum Head {
    /// `v` and `d`, and a body is there.
    Whole(Vec<u8>, Vec<u8>),
    /// Anything else: gone meanwhile, damaged, or changed between two questions.
    Unclear,
}

impl Client {
    pub(crate) fn new(place: Place, login: Login) -> Self {
        Self { place, login, tls: OnceCell::new(), attempt: Mutex::default() }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The fields of an entry.
    pub(crate) async fn fields(&self, name: &str) -> Result<[Field; 3], Fault> {
        let mut command = Cmd::new();
        command.arg("HMGET").arg(name).arg("v").arg("b").arg("d");
        self.query(&command).await
    }

    /// Runs a script, whose answer is a list of texts.
    pub(crate) async fn run(
        &self,
        Script(script): &Script,
        again: Again,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(*key);
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let invocation = &invocation;
        let answer: Vec<Vec<u8>> = self
            .send(again, |mut connection| async move { invocation.invoke_async(&mut connection).await })
            .await?;
        match answer.as_slice() {
            [refused, command, error] if refused == b"refused" => Err(refusal_within(command, error)),
            _ => Ok(answer),
        }
    }

    /// What the server tells of itself.
    pub(crate) async fn info(&self) -> Result<String, Fault> {
        let mut command = Cmd::new();
        command.arg("INFO");
        self.query(&command).await
    }

    /// One of its settings.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut command = Cmd::new();
        command.arg("CONFIG").arg("GET").arg(name);
        let mut settings: HashMap<String, String> = self.query(&command).await?;
        Ok(settings.remove(name))
    }

    pub(crate) fn has_password(&self) -> bool {
        self.login.password.is_some()
    }

    /// Whether a connection stands.
    pub(crate) fn is_connected(&self) -> bool {
        let attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(attempt.get(), Some(Ok(live)) if !live.is_over())
    }

    /// A part of the names that match a pattern, and where to go on; from 0, until that is 0 again.
    pub(crate) async fn scan(&self, cursor: u64, pattern: &str) -> Result<(u64, Vec<Vec<u8>>), Fault> {
        let mut command = Cmd::new();
        command.arg("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN);
        self.query(&command).await
    }

    /// The heads of entries, in one go.
    pub(crate) async fn heads(&self, names: &[String]) -> Result<Vec<Head>, Fault> {
        let mut pipeline = redis::pipe();
        for name in names {
            pipeline.cmd("HMGET").arg(name).arg("v").arg("d");
            pipeline.cmd("HEXISTS").arg(name).arg("b");
        }
        // What one key answers is no reason to know nothing of the others.
        let pipeline = &*pipeline.ignore_errors();
        let answers: Vec<Value> = self
            .send(Again::Yes, |mut connection| async move { pipeline.query_async(&mut connection).await })
            .await?;
        let mut heads = Vec::with_capacity(names.len());
        for pair in answers.chunks(2) {
            heads.push(head(pair)?);
        }
        Ok(heads)
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        self.send(Again::Yes, |mut connection| async move { command.query_async(&mut connection).await })
            .await
    }

    async fn send<T, F>(&self, again: Again, send: impl Fn(MultiplexedConnection) -> F) -> Result<T, Fault>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let mut again = again;
        loop {
            let live = self.live().await?;
            let error = match send(live.connection.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.is_timeout() || error.is_unrecoverable_error() {
                live.given_up.store(true, Ordering::Relaxed);
            }
            // A time that is over is not spent twice.
            if again == Again::No || !error.is_connection_dropped() {
                return Err(fault(&error));
            }
            again = Again::No;
        }
    }

    /// The connection, made if there is none that stands. A connection that has ended meanwhile is noticed here, before
    /// anything is sent.
    async fn live(&self) -> Result<Arc<Live>, Fault> {
        let attempt = {
            let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
            match attempt.get() {
                Some(Ok(live)) if !live.is_over() => return Ok(Arc::clone(live)),
                Some(_) => *attempt = Attempt::default(),
                None => {}
            }
            Arc::clone(&attempt)
        };
        // In a box of its own: it is large, and hardly ever needed.
        attempt.get_or_init(|| Box::pin(self.connect())).await.clone()
    }

    async fn connect(&self) -> Result<Arc<Live>, Fault> {
        if Handle::try_current().is_err() {
            return Err(Fault::new(Unsuitable, "a cache on Redis is used within a tokio runtime"));
        }
        let (stage, mut absence) = (Stage::default(), None);
        let connecting = async {
            loop {
                match self.greet(&stage).await {
                    Err(fault) if fault.is_absence() => absence = Some(fault),
                    outcome => return outcome,
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }
        };
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        connected.unwrap_or_else(|_| Err(absence.unwrap_or_else(|| stage.not_over_in_time())))
    }

    async fn greet(&self, stage: &Stage) -> Result<Arc<Live>, Fault> {
        let stream = self.reach(stage).await?;
        stage.is(2);
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER));
        // The greeting (HELLO) also finds out who is there; a connection without one would be taken on trust.
        let mut us =
            RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        if let Some(user) = &self.login.user {
            // Redis lets users without a password say any.
            us = us.set_username(user).set_password("");
        }
        if let Some(password) = &self.login.password {
            us = us.set_password(password.expose());
        }
        let (mut connection, driver) =
            MultiplexedConnection::new_with_config(&us, stream, config).await.map_err(|error| {
                if error.is_connection_dropped() {
                    let text = "it ended the connection without a greeting, as a server does that waits for TLS \
                                (rediss:)";
                    return Fault::new(Unavailable, text).because(error.to_string()).absence();
                }
                fault(&error)
            })?;
        let driver = tokio::spawn(driver).abort_handle();
        if self.place.db != 0 {
            // Not left to the driver, which would lose the code of an error.
            let mut select = Cmd::new();
            select.arg("SELECT").arg(self.place.db);
            if let Err(error) = select.query_async::<()>(&mut connection).await {
                return Err(match error.code() {
                    Some("ERR") => Fault::new(Unsuitable, format!("it has no database {}", self.place.db)),
                    _ => fault(&error),
                });
            }
        }
        Ok(Arc::new(Live { connection, driver, given_up: AtomicBool::new(false) }))
    }

    async fn reach(&self, stage: &Stage) -> Result<Box<dyn AsyncStream + Send + Unpin>, Fault> {
        match &self.place.address {
            Address::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(unreached(error)),
            },
            Address::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreached)?;
                prepare(&stream).map_err(unreached)?;
                match tls {
                    false => Ok(Box::new(stream)),
                    true => {
                        stage.is(1);
                        Ok(Box::new(self.secure(host, stream).await?))
                    }
                }
            }
        }
    }

    async fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Fault> {
        let read = || async {
            let ca = self.login.ca.clone();
            let read = tokio::task::spawn_blocking(move || tls::config(ca.as_deref()));
            read.await
                .unwrap_or_else(|error| Err(Fault::new(Unavailable, "the runtime is ending").because(error)))
        };
        let config = self.tls.get_or_try_init(read).await?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Fault::new(Unsuitable, "no certificate can name this host").because(error))?;
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(|error| {
            let refused = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            match refused {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    let text = "its certificate is not to be trusted; name the authority that signed it with `ca` or \
                                SSL_CERT_FILE";
                    Fault::new(Unsuitable, text).because(error)
                }
                Some(_) => Fault::new(Unsuitable, "it does not speak TLS with us").because(error),
                None => {
                    let text = "the connection ended before TLS was agreed on";
                    Fault::new(Unavailable, text).because(error).absence()
                }
            }
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Live {
    fn is_over(&self) -> bool {
        self.given_up.load(Ordering::Relaxed) || self.driver.is_finished()
    }
}

impl Drop for Live {
    /// Nobody waits for an answer any more; one that never comes would keep the driver for ever.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Stage {
    fn is(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    /// What was waited for when the time was over.
    fn not_over_in_time(&self) -> Fault {
        let waited = match self.0.load(Ordering::Relaxed) {
            0 => "there was no connection",
            1 => "it did not agree on TLS; does that port speak TLS?",
            _ => "it did not answer the greeting",
        };
        Fault::new(Unavailable, waited).because(format!("{} seconds are over", CONNECT.as_secs()))
    }
}

impl Script {
    pub(crate) fn new(text: &str) -> Self {
        Self(redis::Script::new(text))
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    Ok(())
}

fn head(pair: &[Value]) -> Result<Head, Fault> {
    match pair {
        [Value::Array(fields), Value::Int(1)] => match fields.as_slice() {
            [Value::BulkString(v), Value::BulkString(d)] => Ok(Head::Whole(v.clone(), d.clone())),
            _ => Ok(Head::Unclear),
        },
        pair => {
            for answer in pair {
                if let Value::ServerError(error) = answer
                    && error.code() != "WRONGTYPE"
                {
                    return Err(refusal(error.code(), error.details()));
                }
            }
            Ok(Head::Unclear)
        }
    }
}

fn unreached(error: io::Error) -> Fault {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, PermissionDenied};
    let kind = if error.kind() == PermissionDenied { Denied } else { Unavailable };
    // A socket that is not there may be made in a moment, too.
    let nobody = matches!(error.kind(), ConnectionRefused | ConnectionReset | NotFound);
    let fault = Fault::new(kind, "there is no connection").because(error);
    if nobody { fault.absence() } else { fault }
}

fn fault(error: &RedisError) -> Fault {
    if let Some(code) = error.code() {
        return refusal(code, error.detail());
    }
    if error.is_timeout() {
        return Fault::new(Unavailable, format!("there was no answer within {} seconds", ANSWER.as_secs()));
    }
    match error.kind() {
        ErrorKind::Io => {
            Fault::new(Unavailable, "the connection ended before the answer").because(error.to_string())
        }
        // The cause would repeat what it has read, whatever that is.
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            Fault::new(Unsuitable, "what answers there does not speak the protocol of Redis")
        }
        ErrorKind::RESP3NotSupported => Fault::new(Unsuitable, "it is older than Redis 6.2"),
        _ => Fault::new(Unavailable, "the request failed").because(error.to_string()),
    }
}

/// What an error of the server's means, by its code.
fn refusal(code: &str, detail: Option<&str>) -> Fault {
    // An unknown command comes back with its arguments, and a greeting's hold the password.
    let detail = detail.unwrap_or_default();
    let detail = detail.split_once(", with args").map_or(detail, |(before, _)| before);
    let (kind, text) = match code {
        "NOAUTH" => (Denied, "it asks for a password, and there is none"),
        "WRONGPASS" => (Denied, "it refused the user or the password"),
        "NOPERM" => (Denied, "its access rules (ACL) do not let this user go on"),
        "DENIED" => (Denied, "it is in protected mode"),
        "READONLY" => (Denied, "it is a read-only replica; name its primary"),
        "OOM" => (Full, "its memory is full (maxmemory)"),
        "MISCONF" => (Full, "it cannot write to its disk, and takes no writes"),
        "WRONGTYPE" => (Corrupt, "the value is of another type"),
        "LOADING" => (Unavailable, "it is loading its data"),
        "BUSY" => (Unavailable, "it is busy with somebody's script"),
        "MASTERDOWN" | "NOREPLICAS" => (Unavailable, "its replication is broken"),
        "MOVED" | "ASK" | "CROSSSLOT" | "TRYAGAIN" | "CLUSTERDOWN" => {
            (Unsuitable, "it is a part of a Redis Cluster, which is not supported yet")
        }
        // `ERR`, for one, which is said of a thousand things; too many clients, among them.
        _ => (Unavailable, "it refused the request"),
    };
    match detail {
        "" => Fault::new(kind, format!("{text} ({code})")),
        detail => Fault::new(kind, format!("{text} ({code}: {detail})")),
    }
}

/// What it means that a command within a script was refused.
fn refusal_within(command: &[u8], error: &[u8]) -> Fault {
    let (command, error) = (String::from_utf8_lossy(command), String::from_utf8_lossy(error));
    // Redis 6.2 says `@user_script: 17: -OOM command …`, and later ones `OOM command …`.
    let error = match error.split_once(": -") {
        Some((place, error)) if place.starts_with('@') => error,
        _ => &*error,
    };
    let (code, detail) = error.split_once(' ').unwrap_or((error, ""));
    if code != "NOPERM" && code != "ERR" && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return refusal(code, Some(detail.trim_end()));
    }
    // Rights have no code of their own there before 7.2, and with what our scripts call nothing else can be wrong.
    refusal("NOPERM", Some(&format!("{command} within a script")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_within_a_script_is_told_by_its_code_whatever_stands_before_it() {
        let full = refusal("OOM", Some("command not allowed")).to_string();
        let denied = refusal("NOPERM", Some("HSET within a script")).to_string();
        let cases = [
            ("OOM command not allowed", &full),
            ("@user_script: 17: -OOM command not allowed\r\n", &full),
            ("ERR The user executing the script can't run this command or subcommand", &denied),
            ("The user executing the script can't run this command or subcommand", &denied),
            ("@user_script: 17: The user executing the script can't run this command", &denied),
            ("NOPERM ACL failure in script: User a has no permissions to run the 'hset' command", &denied),
        ];
        for (error, expected) in cases {
            assert_eq!(refusal_within(b"HSET", error.as_bytes()).to_string(), *expected, "{error}");
        }
    }

    #[test]
    fn a_refusal_repeats_no_arguments() {
        let detail = "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hunter2' ";
        let text = refusal("ERR", Some(detail)).to_string();
        assert_eq!(text, "it refused the request (ERR: unknown command 'HELLO')");
    }
}
