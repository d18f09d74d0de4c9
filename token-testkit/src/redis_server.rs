//! A real `redis-server`, on a port and in a directory of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::redis_client::{RedisClient, RedisReply};
use crate::tls::Authority;

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub struct RedisSettings {
    /// What it keeps.
    pub persistence: Persistence,
    /// TLS on its port, under an authority of its own.
    pub tls: bool,
    /// The password of the default user.
    pub password: Option<String>,
    /// Further users, as in `token on >secret ~token:* +@all`. With any, the default user is off.
    pub users: Vec<String>,
    /// Further lines of its configuration.
    pub lines: Vec<String>,
}

/// What a server keeps over a restart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Persistence {
    /// Nothing.
    #[default]
    None,
    /// What it has synced by then, once a second.
    EverySecond,
    /// Everything that it has acknowledged.
    Always,
}

/// A server, which ends when it is dropped, also by a panic.
#[derive(Debug)]
pub struct RedisServer {
    dir: TempDir,
    port: u16,
    settings: RedisSettings,
    admin_password: String,
    child: Mutex<Option<Child>>,
}

const ADMIN: &str = "admin";

/// Far longer than a server takes to start.
const START: Duration = Duration::from_secs(20);

impl RedisServer {
    /// Starts a server. `None`, said loudly, where `redis-server` is not installed.
    ///
    /// # Panics
    /// When it does not start, and, with `REQUIRE_REDIS` set, where it is not installed.
    pub fn start(settings: RedisSettings) -> Option<Self> {
        if !is_installed() {
            assert!(variable("REQUIRE_REDIS").is_none(), "redis-server is not installed");
            skipped();
            return None;
        }
        let dir = tempfile::Builder::new().prefix("redis-").tempdir().unwrap();
        if settings.tls {
            let authority = Authority::generate();
            let (certificate, key) = authority.sign_server();
            for (name, pem) in
                [("ca.pem", &authority.pem), ("server.pem", &certificate), ("server.key", &key)]
            {
                fs::write(dir.path().join(name), pem).unwrap();
            }
        }
        let admin_password = crate::jwks::random_text(24);
        let mut server = Self { dir, port: 0, settings, admin_password, child: Mutex::new(None) };
        // Somebody else may take the port between our look and its bind.
        for _ in 0..5 {
            server.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            if server.try_start() {
                return Some(server);
            }
        }
        panic!("redis-server does not start:\n{}", server.log());
    }

    /// Where it listens for TCP, or for TLS where it was started so.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its URL, over TCP or TLS, without user and password.
    pub fn url(&self) -> String {
        let scheme = if self.settings.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.address())
    }

    /// Its Unix socket, which is always there.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The authority that its certificate is signed by.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A connection as a user who may do everything.
    ///
    /// # Panics
    /// While it does not run.
    pub fn admin(&self) -> RedisClient {
        let mut client = RedisClient::connect(&self.socket()).expect("the server runs");
        let reply = client.command(["AUTH", ADMIN, &self.admin_password]);
        assert_eq!(reply, RedisReply::Status("OK".to_owned()));
        client
    }

    /// Sends one command as a user who may do everything.
    ///
    /// # Panics
    /// While it does not run.
    pub fn command<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) -> RedisReply {
        self.admin().command(parts)
    }

    /// Kills it as a crash would, with SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            drop(child.kill());
            drop(child.wait());
        }
        // It would be found where no server is any more.
        drop(fs::remove_file(self.socket()));
    }

    /// Starts it again after [`kill`](Self::kill): same port, same directory.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        assert!(self.try_start(), "redis-server does not start again:\n{}", self.log());
    }

    /// What it says about itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn try_start(&self) -> bool {
        let configuration = self.dir.path().join("redis.conf");
        fs::write(&configuration, self.configuration()).unwrap();
        let mut command = Command::new(program());
        command.arg(configuration).current_dir(self.dir.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        *self.child() = Some(child);
        let end = Instant::now() + START;
        while Instant::now() < end {
            if self.is_ready() {
                return true;
            }
            let ended = self.child().as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn is_ready(&self) -> bool {
        let Ok(mut client) = RedisClient::connect(&self.socket()) else { return false };
        let login = client.try_command(["AUTH", ADMIN, &self.admin_password]);
        login.is_ok_and(|reply| reply == RedisReply::Status("OK".to_owned()))
            // While it loads its data it refuses this one.
            && client.try_command(["DBSIZE"]).is_ok_and(|reply| matches!(reply, RedisReply::Number(_)))
    }

    fn configuration(&self) -> String {
        let dir = self.dir.path().display();
        let port = self.port;
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("dir {dir}"),
            format!("logfile {dir}/log"),
            format!("unixsocket {dir}/redis.sock"),
            "unixsocketperm 700".to_owned(),
            "save \"\"".to_owned(),
            format!("user {ADMIN} on >{} ~* &* +@all", self.admin_password),
        ];
        match self.settings.tls {
            false => lines.push(format!("port {port}")),
            true => lines.extend([
                "port 0".to_owned(),
                format!("tls-port {port}"),
                format!("tls-cert-file {dir}/server.pem"),
                format!("tls-key-file {dir}/server.key"),
                format!("tls-ca-cert-file {dir}/ca.pem"),
                "tls-auth-clients no".to_owned(),
            ]),
        }
        match self.settings.persistence {
            Persistence::None => {}
            Persistence::EverySecond => lines.push("appendonly yes\nappendfsync everysec".to_owned()),
            Persistence::Always => lines.push("appendonly yes\nappendfsync always".to_owned()),
        }
        match &self.settings.password {
            Some(password) => lines.push(format!("user default on \">{password}\" ~* &* +@all")),
            None if self.settings.users.is_empty() => {}
            None => lines.push("user default off".to_owned()),
        }
        lines.extend(self.settings.users.iter().map(|user| format!("user {user}")));
        lines.extend(self.settings.lines.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Another build is tested with `REDIS_SERVER=…/redis-server`.
fn program() -> String {
    variable("REDIS_SERVER").unwrap_or_else(|| "redis-server".to_owned())
}

fn is_installed() -> bool {
    let version =
        Command::new(program()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

#[expect(clippy::print_stderr, reason = "a test that was skipped in silence would count as passed")]
fn skipped() {
    eprintln!("SKIPPED: redis-server is not installed");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
