#![doc = include_str!("../README.md")]

mod database;
mod fault;
mod file;
mod pool;
mod row;
mod schema;
mod turn;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::TransactionBehavior;
use token_core::{
    CacheError, CacheErrorKind, Clock as _, Entry, HostDirectory, HostLeases, Key, Kind, Lease, Listed,
    Owner, Swap, SystemClock, TokenCache, TryLease, Version,
};
use tokio::sync::Semaphore;

use database::{Database, READERS};
use fault::Fault;

/// A cache in one SQLite file.
///
/// Clones share their leases and their connections; other handles on the same file are strangers to them, as other
/// processes are.
#[derive(Clone, Debug)]
pub struct SqliteCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    leases: HostLeases,
    /// Whose turn it is to read. Who has to wait does so off the threads, too.
    reading: Semaphore,
}

impl SqliteCache {
    /// A cache in this file, which the first write makes if it is not there, and its directory too.
    ///
    /// Nothing is written here. It is an error of kind `Unsuitable` if the file or its directory belongs to another
    /// user, is accessible to group or others, or is a symbolic link, or if they lie on a network file system.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path.as_ref(), false)
    }

    /// The same, on whatever file system. Where it is one that several hosts share, locks may not hold between them:
    /// two hosts may spend one refresh token, which most issuers answer by ending the sign-in, and damage the file.
    pub fn open_on_any_file_system(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path.as_ref(), true)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.inner.database.path()
    }

    /// Where the broker keeps an answer safe until the cache has taken it: beside the database, so that every
    /// process that reaches the cache finds it. The cache itself never looks there.
    pub fn rescue_dir(&self) -> PathBuf {
        file::beside(self.path(), ".rescue")
    }

    /// Deletes for good what was set aside because it could not be read, and says how much that was.
    pub async fn delete_damaged(&self) -> Result<usize, CacheError> {
        self.off_the_async_threads(|| "delete damaged entries".to_owned(), Inner::delete_damaged).await
    }

    fn open_with(path: &Path, any_file_system: bool) -> Result<Self, CacheError> {
        // Absolute, and without a slash at the end.
        let path: PathBuf =
            std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.components().collect());
        let directory = HostDirectory::new(path.parent().unwrap_or(&path), any_file_system);
        let database = Database::new(path, directory);
        let leases = HostLeases::new(database.locks(), Arc::new(SystemClock));
        let inner = Arc::new(Inner { database, leases, reading: Semaphore::new(READERS) });
        let looked = inner.database.is_there();
        looked.map_err(|fault| fault.into_error("open the cache", &inner))?;
        Ok(Self { inner })
    }

    /// Reads, when it is our turn.
    async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> String,
        work: impl FnOnce(&Inner) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, CacheError> {
        // It is never closed.
        let _turn = self.inner.reading.acquire().await.ok();
        self.off_the_async_threads(operation, work).await
    }

    /// Runs blocking work where it may block: on tokio's threads for that, or right here where no runtime is.
    ///
    /// The second is for a command that only reads: it polls the future without a runtime, so that a hit costs no
    /// thread.
    async fn off_the_async_threads<T: Send + 'static>(
        &self,
        operation: impl FnOnce() -> String,
        work: impl FnOnce(&Inner) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, CacheError> {
        let inner = self.inner.clone();
        let outcome = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(move || work(&inner)).await.unwrap_or_else(|error| {
                // The runtime is ending, or the work panicked; what it has done is unknown.
                Err(Fault::new(CacheErrorKind::Unavailable, error))
            }),
            Err(_) => work(&inner),
        };
        outcome.map_err(|fault| fault.into_error(operation(), self))
    }
}

#[async_trait]
impl TokenCache for SqliteCache {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError> {
        let operation = || format!("load {key}");
        let key = key.clone();
        self.read(operation, move |inner| inner.load(&key)).await
    }

    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError> {
        let operation = || format!("{} {key}", if next.is_some() { "store" } else { "delete" });
        let (key, expected, next) = (key.clone(), expected.copied(), next.cloned());
        self.off_the_async_threads(operation, move |inner| inner.swap(&key, expected, next.as_ref())).await
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError> {
        self.read(|| format!("list entries of kind {kind}"), move |inner| inner.list(kind)).await
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, _ttl: Duration) -> Result<TryLease, CacheError> {
        let operation = || format!("lease {key}");
        let (key, owner) = (key.clone(), *owner);
        self.off_the_async_threads(operation, move |inner| {
            inner.database.directory().prepare()?;
            inner.leases.try_lease(&key, &owner).map_err(Fault::at(&inner.database.locks()))
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<(), CacheError> {
        // Unlocking does not block.
        let operation = format!("release {}", lease.key);
        self.inner
            .leases
            .release(lease)
            .map_err(|error| Fault::at(&self.inner.database.locks())(error).into_error(operation, self))
    }
}

impl fmt::Display for SqliteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite:{}", self.database.path().display())
    }
}

impl Inner {
    fn load(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        match self.database.read(|connection| row::read(connection, key))?.flatten() {
            Some(found) => found.map(Some).map_err(|reason| self.damage(key, reason)),
            None => Ok(None),
        }
    }

    fn swap(&self, key: &Key, expected: Option<Version>, next: Option<&Entry>) -> Result<Swap, Fault> {
        let failed = Fault::of(self.database.path());
        self.database.write(|connection| {
            // Whoever is granted the lock compares and writes, and nobody else meanwhile.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
            let current = match row::read(&transaction, key).map_err(&failed)? {
                Some(Err(_)) if expected.is_none() => {
                    row::set_aside(&transaction, key, SystemClock.posix()).map_err(&failed)?;
                    None
                }
                Some(Err(reason)) => return Err(self.damage(key, reason)),
                Some(Ok(entry)) => Some(entry),
                None => None,
            };
            if current.as_ref().map(|entry| entry.version) != expected {
                return Ok(Swap::Conflict(current));
            }
            match next {
                Some(next) => row::write(&transaction, key, next),
                None => row::remove(&transaction, key),
            }
            .map_err(&failed)?;
            transaction.commit().map_err(&failed)?;
            Ok(Swap::Done)
        })
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        Ok(self.database.read(|connection| row::list(connection, kind))?.unwrap_or_default())
    }

    fn delete_damaged(&self) -> Result<usize, Fault> {
        if !self.database.is_there()? {
            return Ok(0);
        }
        self.database
            .write(|connection| row::delete_damaged(connection).map_err(Fault::of(self.database.path())))
    }

    fn damage(&self, key: &Key, reason: &str) -> Fault {
        let text = format!("{key} is damaged in {}: {reason}", self.database.path().display());
        Fault::new(CacheErrorKind::Corrupt, text)
    }
}
