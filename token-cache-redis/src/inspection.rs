//! What a server is set to, for those who ask whether sign-ins are safe on it.

use std::collections::HashMap;

use token_core::{CacheError, CacheErrorKind};

use crate::RedisCache;
use crate::fault::Fault;
use crate::options::Address;

/// What is known of a server. `None` is what this user may not ask: it takes `+info` and `+config|get`, which
/// [`RedisCache::RIGHTS`] does not give.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inspection {
    /// Its version.
    pub version: Option<String>,
    /// Whether it keeps a log of every write (`appendonly`).
    pub append_only: Option<bool>,
    /// When that log is on the disk (`appendfsync`): `always`, `everysec` or `no`.
    pub append_fsync: Option<String>,
    /// What it does when its memory is full (`maxmemory-policy`).
    pub eviction: Option<String>,
    /// Whether it let us in without a password, over TCP.
    pub without_password: bool,
    /// Whether what is sent to it leaves this host in the clear.
    pub in_the_clear: bool,
}

impl RedisCache {
    /// Looks at the server's settings. Nothing is changed.
    ///
    /// # Errors
    /// What connecting says; what may not be asked is no error.
    pub async fn inspect(&self) -> Result<Inspection, CacheError> {
        self.inspected().await.map_err(|fault| fault.into_error("inspect the server", self))
    }

    async fn inspected(&self) -> Result<Inspection, Fault> {
        let client = &self.inner.client;
        let info = match client.info().await {
            Ok(text) => fields(&text),
            Err(fault) if fault.kind() == CacheErrorKind::Denied && client.is_connected() => HashMap::new(),
            Err(fault) => return Err(fault),
        };
        // Those who rent servers out tend to have no such command.
        let append_fsync = client.setting("appendfsync").await.unwrap_or_default();
        let (tcp, in_the_clear) = match &client.place().address {
            Address::Unix(_) => (false, false),
            Address::Tcp { tls: true, .. } => (true, false),
            Address::Tcp { host, .. } => (true, !is_loopback(host)),
        };
        Ok(Inspection {
            version: info.get("redis_version").cloned(),
            append_only: info.get("aof_enabled").map(|enabled| enabled == "1"),
            append_fsync,
            eviction: info.get("maxmemory_policy").cloned(),
            without_password: tcp && !client.has_password(),
            in_the_clear,
        })
    }
}

/// The lines of `INFO`: `name:value`, between headings.
fn fields(text: &str) -> HashMap<String, String> {
    let lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
