//! The contract every cache keeps: [`TokenCache`].

use std::any::Any;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::CacheError;
use crate::key::{Key, Kind, hex};

/// A place where sealed entries live, shared by every process (and, for some caches, every host) that opens it.
///
/// # Contract
///
/// A cache is a set of registers, one per [`Key`], each of which is read by [`load`](Self::load) and changed by
/// [`swap`](Self::swap) alone. Both are linearizable: a `load` that begins after a `swap` ended sees it, in every
/// process. The body of an entry is sealed bytes that a cache neither reads nor alters.
///
/// A lease keeps work single; it does not guard the data. A holder that comes late writes against an old version
/// and meets a [`Swap::Conflict`], whether or not its lease has ended.
///
/// `Debug` and `Display` tell where the cache is, with every secret removed: they appear in errors and logs.
///
/// There are no default methods: a wrapper that forgets one would be silently wrong. Conveniences belong
/// outside the trait. The laws are written down as tests in `token_core::conformance`.
///
/// # Cancellation
///
/// Every method may be dropped while it runs. A dropped `swap` may still take effect; its writer finds out by
/// loading the entry and comparing its [`Version`].
#[async_trait]
pub trait TokenCache: fmt::Debug + fmt::Display + Send + Sync {
    /// Reads an entry.
    ///
    /// - `Ok(None)`: there is none, or it was discarded after its [`Entry::discard_after`].
    /// - `Err` of kind `Corrupt`: something is there whose frame cannot be read. Nothing was changed.
    /// - any other `Err`: the store could not be asked.
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError>;

    /// Writes an entry if its current version is `expected`: the only write there is.
    ///
    /// `expected = None` creates, and `next = None` deletes.
    ///
    /// - `Ok(Swap::Done)`: it is durable. What a crash of the machine leaves behind is this entry or a later one.
    /// - `Ok(Swap::Conflict(current))`: another version is there (or none); nothing was changed.
    /// - `Err`: unknown; load and compare the version.
    ///
    /// Where the current entry's frame cannot be read, `expected = None` sets the broken bytes aside and goes on
    /// as if there were no entry; any other `expected` is a `Corrupt` error.
    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError>;

    /// Names the entries of a kind, in no order. An entry that is written meanwhile may be in the list or not.
    /// One whose frame cannot be read is in it, without a version.
    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError>;

    /// Tries to become the one who works on `key`, without waiting.
    ///
    /// - `Ok(TryLease::Granted(lease))`: until `ttl` has passed on the store's clock or, where the lease is a kernel
    ///   lock, until this process ends or the lease is released. A try by the owner who holds it is granted again,
    ///   with a new end.
    /// - `Ok(TryLease::Held { retry_after })`: somebody else has it.
    async fn try_lease(&self, key: &Key, owner: &Owner, ttl: Duration) -> Result<TryLease, CacheError>;

    /// Gives a lease back. One that has ended, or that somebody else holds by now, is left alone, and that is no
    /// error.
    async fn release(&self, lease: Lease) -> Result<(), CacheError>;
}

/// One sealed value, with its version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Chosen by the writer, never used twice.
    pub version: Version,
    /// Sealed bytes: any bytes, up to 1 MiB at least.
    pub body: Vec<u8>,
    /// A cache may drop the entry at any time after this moment (POSIX seconds, by its own clock). Credentials
    /// that can still be spent never carry one.
    pub discard_after: Option<i64>,
}

/// The identity of one written value: opaque and random, so that a writer recognises its own write after a lost
/// answer, and an entry that was deleted and made again never matches an old version.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Version([u8; 16]);

impl Version {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// As a cache stored it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For a cache to store.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What became of a [`TokenCache::swap`]. Losing a race is an outcome, not an error.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a swap that conflicted has written nothing"]
pub enum Swap {
    /// The entry is stored.
    Done,
    /// This is what is there instead; nothing was changed.
    Conflict(Option<Entry>),
}

/// An entry by name, without its body.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// The entry's key.
    pub key: Key,
    /// Its version; `None` where its frame cannot be read.
    pub version: Option<Version>,
    /// As in [`Entry::discard_after`].
    pub discard_after: Option<i64>,
}

/// Who asks for a lease: random, one per flight.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Owner([u8; 16]);

impl Owner {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// For a cache to store.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What became of a [`TokenCache::try_lease`].
#[derive(Debug)]
#[must_use = "a granted lease is held until it is released"]
pub enum TryLease {
    /// The lease is ours.
    Granted(Lease),
    /// Somebody else has it.
    Held {
        /// How long it is sure to be held if it is not released; a wish where the cache cannot know.
        retry_after: Duration,
    },
}

/// The right to spend one credential, for a bounded time, in one cache.
#[derive(Debug)]
#[must_use = "dropping a lease without releasing it leaves others waiting"]
pub struct Lease {
    /// What is leased.
    pub key: Key,
    /// By whom.
    pub owner: Owner,
    /// When it was granted, since the POSIX epoch, by the store's clock: the only clock that all holders share.
    pub granted_at: Duration,
    /// What ends it.
    pub hold: Hold,
}

/// What ends a [`Lease`] that is not released.
pub enum Hold {
    /// The death of its holder: a kernel lock, held by this value.
    Kernel(Box<dyn Any + Send + Sync>),
    /// This moment on the store's clock, since the POSIX epoch.
    Until(Duration),
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(_) => f.write_str("Kernel"),
            Self::Until(end) => f.debug_tuple("Until").field(end).finish(),
        }
    }
}
