#![doc = include_str!("../README.md")]

mod client;
mod entry;
mod fault;
mod inspection;
mod options;
mod tls;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use token_core::{
    CacheError, CacheErrorKind, Clock as _, Entry, Hold, Key, Kind, Lease, Listed, Owner, Swap, SystemClock,
    TokenCache, TryLease, Version,
};

use client::{Again, Client, Head, Script};
use entry::Names;
use fault::Fault;

pub use inspection::Inspection;
pub use options::RedisOptions;

/// For how long (seconds) an entry that could not be read is kept beside the one that took its place: long enough
/// for somebody to look, and then the server is rid of it.
const KEEP_DAMAGED: u32 = 30 * 24 * 3600;

/// A cache on a Redis server, shared by every process on every host that reaches it.
///
/// Clones share one connection. It is used within a tokio runtime, of either kind.
#[derive(Clone, Debug)]
pub struct RedisCache {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    swap: Script,
    lease: Script,
    release: Script,
}

impl RedisCache {
    /// What a refresher's user on the server may do, and no more, as an `ACL SETUSER` says it; with the prefix's keys
    /// (`~token:*`) and, in another database than 0, `+select`.
    pub const RIGHTS: &str = "+hmget +hexists +scan +evalsha +script|load +hset +persist +expireat +del +rename \
                              +expire +get +set +pttl +time";

    /// A cache on this server. Nothing is sent yet: the connection is made for the first operation, and again for the
    /// next one after it was lost.
    ///
    /// # Errors
    /// `Unsuitable`, for options that make no sense.
    pub fn connect(options: RedisOptions) -> Result<Self, CacheError> {
        let (place, login) = options
            .read()
            .map_err(|bad| CacheError::new(CacheErrorKind::Unsuitable, "open the cache", &"Redis", bad))?;
        let inner = Inner {
            client: Client::new(place, login),
            swap: Script::new(include_str!("swap.lua")),
            lease: Script::new(include_str!("lease.lua")),
            release: Script::new(include_str!("release.lua")),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

#[async_trait]
impl TokenCache for RedisCache {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError> {
        self.inner.load(key).await.map_err(|fault| fault.into_error(format!("load {key}"), self))
    }

    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError> {
        self.inner.swap(key, expected, next).await.map_err(|fault| {
            fault.into_error(format!("{} {key}", if next.is_some() { "store" } else { "delete" }), self)
        })
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError> {
        let listed = self.inner.list(kind).await;
        listed.map_err(|fault| fault.into_error(format!("list entries of kind {kind}"), self))
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, ttl: Duration) -> Result<TryLease, CacheError> {
        let outcome = self.inner.try_lease(key, owner, ttl).await;
        outcome.map_err(|fault| fault.into_error(format!("lease {key}"), self))
    }

    async fn release(&self, lease: Lease) -> Result<(), CacheError> {
        let outcome = self.inner.release(&lease).await;
        outcome.map_err(|fault| fault.into_error(format!("release {}", lease.key), self))
    }
}

impl fmt::Display for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.client.place().fmt(f)
    }
}

impl Inner {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        let name = self.names(key).entry();
        entry::decode(self.client.fields(&name).await?).map_err(|reason| damage(&name, reason))
    }

    async fn swap(&self, key: &Key, expected: Option<&Version>, next: Option<&Entry>) -> Result<Swap, Fault> {
        let names = self.names(key);
        let (name, aside) = (names.entry(), names.damaged(SystemClock.now().as_nanos()));
        let (discard, drop_at) = match next {
            Some(next) => (
                entry::discard_field(next),
                entry::drop_at(next).map(|end| end.to_string()).unwrap_or_default(),
            ),
            None => Default::default(),
        };
        let keep = KEEP_DAMAGED.to_string();
        let arguments: [&[u8]; 6] = [
            expected.map_or(&[], |version| version.as_bytes()),
            next.map_or(&[], |next| next.version.as_bytes()),
            next.map_or(&[], |next| &next.body),
            &discard,
            drop_at.as_bytes(),
            keep.as_bytes(),
        ];
        // Sent once: who finds its version there has written it, and only the caller knows what to do otherwise.
        let answer = self.client.run(&self.swap, Again::No, &[&name, &aside], &arguments).await?;
        let mut answer = answer.into_iter();
        match (answer.next().as_deref(), answer.next(), answer.next(), answer.next()) {
            (Some(b"done"), ..) => Ok(Swap::Done),
            (Some(b"conflict"), v, b, d) => {
                entry::decode([v, b, d]).map(Swap::Conflict).map_err(|reason| damage(&name, reason))
            }
            (Some(b"damaged"), ..) => Err(damage(&name, "it cannot be swapped on a version")),
            _ => Err(strange()),
        }
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        let prefix = &self.client.place().prefix;
        let pattern = entry::pattern(prefix, kind);
        // A scan may name a key twice.
        let mut keys = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let (next, names) = self.client.scan(cursor, &pattern).await?;
            keys.extend(names.iter().filter_map(|name| entry::key_of(prefix, name)));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        let mut listed = Vec::with_capacity(keys.len());
        for some in keys.chunks(HEADS) {
            let names: Vec<String> = some.iter().map(|key| self.names(key).entry()).collect();
            for (key, head) in some.iter().zip(self.client.heads(&names).await?) {
                listed.extend(self.listed(key, head).await?);
            }
        }
        Ok(listed)
    }

    async fn listed(&self, key: &Key, head: Head) -> Result<Option<Listed>, Fault> {
        if let Head::Whole(v, d) = head
            && let Some((version, discard_after)) = entry::head(&v, &d)
        {
            return Ok(Some(Listed { key: key.clone(), version: Some(version), discard_after }));
        }
        // In one question, so that a delete in between does not look like damage.
        match self.load(key).await {
            Ok(entry) => Ok(entry.map(|entry| Listed {
                key: key.clone(),
                version: Some(entry.version),
                discard_after: entry.discard_after,
            })),
            Err(fault) if fault.kind() == CacheErrorKind::Corrupt => {
                Ok(Some(Listed { key: key.clone(), version: None, discard_after: None }))
            }
            Err(fault) => Err(fault),
        }
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, ttl: Duration) -> Result<TryLease, Fault> {
        // Redis knows no lease of less than a millisecond.
        let ttl = ttl.max(Duration::from_millis(1));
        let name = self.names(key).lease();
        let millis = ttl.as_millis().to_string();
        // A second try by the same owner is granted again.
        let arguments: [&[u8]; 2] = [owner.as_bytes(), millis.as_bytes()];
        let answer = self.client.run(&self.lease, Again::Yes, &[&name], &arguments).await?;
        let numbers: Vec<u64> = answer.iter().skip(1).map_while(|text| number(text)).collect();
        match (answer.first().map(Vec::as_slice), numbers.as_slice()) {
            (Some(b"granted"), [seconds, micros]) => {
                let granted_at = Duration::from_secs(*seconds) + Duration::from_micros(*micros);
                let hold = Hold::Until(granted_at.saturating_add(ttl));
                Ok(TryLease::Granted(Lease { key: key.clone(), owner: *owner, granted_at, hold }))
            }
            (Some(b"held"), [millis]) => Ok(TryLease::Held { retry_after: Duration::from_millis(*millis) }),
            _ => Err(strange()),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<(), Fault> {
        let name = self.names(&lease.key).lease();
        // The second time it finds no lease, or somebody else's.
        self.client.run(&self.release, Again::Yes, &[&name], &[lease.owner.as_bytes()]).await?;
        Ok(())
    }

    fn names<'a>(&'a self, key: &'a Key) -> Names<'a> {
        Names { prefix: &self.client.place().prefix, key }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

/// How many entries a list asks for in one go: enough to make the way to the server cheap, few enough for others to
/// be served in between.
const HEADS: usize = 500;

fn damage(name: &str, reason: &str) -> Fault {
    Fault::new(CacheErrorKind::Corrupt, format!("{name} is damaged: {reason}"))
}

fn strange() -> Fault {
    Fault::new(CacheErrorKind::Unsuitable, "what answers there is not a Redis that runs our scripts")
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
