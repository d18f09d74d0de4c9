//! Several hosts that share a cache and its key, and the processes that run on them.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::options::{Cache, Options};
use crate::home::Home;
use crate::issuer::Issuer;
use crate::process;
use crate::programs::Programs;
use crate::shaky_redis::ShakyRedis;

pub(crate) const GET: [&str; 2] = ["account", "get-access-token"];
pub(crate) const FORCE: [&str; 3] = ["account", "get-access-token", "--force-refresh"];

/// How long the issuer takes for an answer, in milliseconds.
pub(crate) const LATENCY_MS: u64 = 100;

/// The name of a database of our own.
const DATABASE: &str = "cache.db";

/// Longer than anything that is waited for here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The hosts, what they share, and the issuer.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) issuer: Issuer,
    pub(crate) store: Option<ShakyRedis>,
    hosts: Vec<Home>,
    /// Holds the key, and the cache where it is one of our own.
    shared: tempfile::TempDir,
}

/// A process under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    started: Instant,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// The access token it printed, or what it said instead.
    pub(crate) outcome: Result<String, String>,
}

impl Fleet {
    /// Starts what the options ask for, and signs the first host in. The others never do.
    pub(crate) fn start(options: &Options, programs: &Programs) -> Result<Self> {
        let issuer = Issuer::start(&programs.issuer, LATENCY_MS)?;
        issuer.post("settings", &json!({ "grace": options.grace }))?;
        // Private, as a database wants it, whatever the umask says.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let shared = tempfile::Builder::new().prefix("token-shared-").permissions(private).tempdir()?;
        let store = match options.cache {
            Cache::Redis => Some(ShakyRedis::start(&programs.redis)?),
            _ => None,
        };
        let own = |scheme: &str, name: &str| format!("{scheme}:{}", shared.path().join(name).display());
        let cache = match (&options.cache, &store) {
            (Cache::At(url), _) => url.clone(),
            (_, Some(redis)) if options.store.is_none() => redis.direct_url.clone(),
            (_, Some(redis)) => redis.url.clone(),
            (Cache::Sqlite, _) => own("sqlite", DATABASE),
            _ => own("file", "entries"),
        };
        let mut hosts = Vec::new();
        for _ in 0..options.hosts {
            let mut host = Home::new(&programs.token, &issuer)?;
            host.set("TOKEN_CACHE", &cache);
            host.set("TOKEN_KEY", own("file", "key"));
            hosts.push(host);
        }
        let fleet = Self { issuer, store, hosts, shared };
        if !options.cache.is_on_one_host() {
            fleet.make_key()?;
        }
        fleet.sign_in()?;
        Ok(fleet)
    }

    /// Signs the first host in.
    pub(crate) fn sign_in(&self) -> Result<()> {
        self.first().sign_in(&self.issuer).map(drop)
    }

    /// The host that signed in.
    pub(crate) fn first(&self) -> &Home {
        &self.hosts[0]
    }

    /// The team's key.
    pub(crate) fn key(&self) -> PathBuf {
        self.shared.path().join("key")
    }

    /// The database, where one of our own is the cache.
    pub(crate) fn database(&self) -> PathBuf {
        self.shared.path().join(DATABASE)
    }

    /// Lets the cached token run out.
    pub(crate) fn let_run_out(&self) -> Result<()> {
        self.issuer.post("settings", &json!({ "lifetime": 1 }))?;
        let expiring = self.first().get(&FORCE);
        self.issuer.post("settings", &json!({ "lifetime": 3600 }))?;
        let end = expiring?["expires_on"].as_u64().context("expires_on is not a number")?;
        while posix() <= end {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What the issuer counts under this name.
    pub(crate) fn count(&self, name: &str) -> Result<u64> {
        let counts = self.issuer.counts()?;
        counts[name].as_u64().with_context(|| format!("the issuer does not count {name}"))
    }

    /// Whether any sign-in lives at the issuer.
    pub(crate) fn is_signed_in(&self) -> Result<bool> {
        let families = self.issuer.get("families")?;
        Ok(families.as_array().into_iter().flatten().any(|family| family["ended"].is_null()))
    }

    /// So many processes on each host, started at once. Once all of them are there, `meanwhile` is done.
    pub(crate) fn everybody(
        &self,
        on_each: usize,
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<Vec<Ended>> {
        let there = AtomicUsize::new(0);
        let wanted = on_each * self.hosts.len();
        let (done, ended) = std::thread::scope(|scope| {
            let there = &there;
            let asking: Vec<_> = self
                .hosts
                .iter()
                .flat_map(|host| std::iter::repeat_n(host, on_each))
                .map(|host| {
                    scope.spawn(move || {
                        let running = Running::start(host.token(&GET));
                        there.fetch_add(1, Ordering::Relaxed);
                        running?.end()
                    })
                })
                .collect();
            let all = wait_until(|| Ok(there.load(Ordering::Relaxed) == wanted));
            let done = all.and_then(|()| meanwhile());
            (done, asking.into_iter().map(|thread| thread.join()).collect::<Vec<_>>())
        });
        done?;
        ended.into_iter().map(|ended| ended.ok().context("a thread of the storm panicked")?).collect()
    }

    /// Whether the issuer issued every token of these, and none has expired by now.
    pub(crate) fn check(&self, ended: &mut [Ended]) -> Result<()> {
        let mut known: Option<String> = None;
        for one in ended {
            if let Ok(token) = &one.outcome
                && known.as_ref() != Some(token)
            {
                if self.issuer.knows(token)? {
                    known = Some(token.clone());
                } else {
                    one.outcome = Err("the issuer never made the token it printed".to_owned());
                }
            }
        }
        Ok(())
    }

    /// A cache on one host gets a key at its first sign-in.
    fn make_key(&self) -> Result<()> {
        let output = self.first().token(&["key", "new"]).output().context("cannot run token")?;
        ensure!(output.status.success(), "token key new: {}", String::from_utf8_lossy(&output.stderr).trim());
        let key = self.key();
        std::fs::write(&key, output.stdout)?;
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(())
    }
}

impl Running {
    /// Starts a process in a group of its own. What it prints fits into a pipe.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        Ok(Self { child: command.spawn().context("cannot run token")?, started })
    }

    /// Waits until it has stopped itself.
    pub(crate) fn wait_for_stop(&mut self) -> Result<()> {
        let stat = format!("/proc/{}/stat", self.child.id());
        wait_until(|| {
            ensure!(self.child.try_wait()?.is_none(), "the holder ended before it came to its point");
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            // The state stands behind the name, which stands in brackets.
            Ok(stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        })
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        process::run(Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]))
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Result<Ended> {
        let output = self.child.wait_with_output()?;
        let ended = Instant::now();
        let token = || -> Option<String> {
            let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
            let lives = answer["expires_on"].as_u64()? > posix();
            lives.then(|| answer["accessToken"].as_str().map(str::to_owned))?
        };
        let outcome = match token() {
            Some(token) if output.status.success() => Ok(token),
            _ => {
                let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(format!("{}: {stderr}", output.status))
            }
        };
        Ok(Ended { started: self.started, ended, outcome })
    }
}

/// Looks again and again until it is so.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < PATIENCE, "waited {} s in vain", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What time it is.
pub(crate) fn posix() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
