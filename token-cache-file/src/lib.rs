#![doc = include_str!("../README.md")]

mod fault;
mod frame;
mod publish;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use token_core::{
    CacheError, CacheErrorKind, Clock as _, Entry, HostDirectory, HostLeases, HostLock, Key, Kind, Lease,
    Listed, Owner, Swap, SystemClock, TokenCache, TryLease, Version,
};

use fault::Fault;

/// Where what is locked lies, within the cache's directory.
const LOCKS: &str = "lock";

/// How long a writer waits for its turn. Others hold it for milliseconds; one that was stopped in the middle holds
/// it until it goes on, and then waiting longer than anybody waits for a token helps nobody.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it looks, at first and at most.
const TURN_POLL: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(10));

/// A cache in a local directory, one file an entry.
///
/// Clones share their leases; other handles on the same directory are strangers to them, as other processes are.
#[derive(Clone, Debug)]
pub struct FileCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: HostDirectory,
    leases: HostLeases,
}

impl FileCache {
    /// A cache in this directory, which the first write makes if it is not there.
    ///
    /// Nothing is written here. It is an error of kind `Unsuitable` if the directory belongs to another user, is
    /// accessible to group or others, is a symbolic link, or lies on a network file system.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path.as_ref(), false)
    }

    /// The same, on whatever file system. Where it is one that several hosts share, locks may not hold between them:
    /// two hosts may spend one refresh token, which most issuers answer by ending the sign-in.
    pub fn open_on_any_file_system(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        Self::open_with(path.as_ref(), true)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.inner.directory.path()
    }

    /// Where the broker keeps an answer safe until the cache has taken it: beside the entries, so that every
    /// process that reaches the cache finds it. The cache itself never looks there.
    pub fn rescue_dir(&self) -> PathBuf {
        self.inner.directory.path().join("rescue")
    }

    /// Deletes for good what was set aside because it could not be read, and says how much that was.
    pub async fn delete_damaged(&self) -> Result<usize, CacheError> {
        self.off_the_async_threads("delete damaged entries", |inner| {
            inner.delete_damaged().map_err(Fault::at(&inner.damaged()))
        })
        .await
    }

    fn open_with(path: &Path, any_file_system: bool) -> Result<Self, CacheError> {
        let directory = HostDirectory::new(path, any_file_system);
        let leases = HostLeases::new(directory.path().join(LOCKS), Arc::new(SystemClock));
        let inner = Arc::new(Inner { directory, leases });
        let looked = inner.directory.inspect().map_err(Fault::from);
        looked.map_err(|fault| fault.into_error("open the cache", &inner))?;
        Ok(Self { inner })
    }

    /// Runs blocking work where it may block: on tokio's threads for that, or right here where no runtime is.
    ///
    /// The second is for a command that only reads: it polls the future without a runtime, so that a hit costs one
    /// open and one read and no thread.
    async fn off_the_async_threads<T: Send + 'static>(
        &self,
        operation: impl Into<String>,
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
        outcome.map_err(|fault| fault.into_error(operation, self))
    }
}

#[async_trait]
impl TokenCache for FileCache {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError> {
        let operation = format!("load {key}");
        let key = key.clone();
        self.off_the_async_threads(operation, move |inner| inner.load(&key)).await
    }

    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError> {
        let operation = format!("{} {key}", if next.is_some() { "store" } else { "delete" });
        let (key, expected, next) = (key.clone(), expected.copied(), next.cloned());
        self.off_the_async_threads(operation, move |inner| inner.swap(&key, expected, next.as_ref())).await
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError> {
        self.off_the_async_threads(format!("list entries of kind {kind}"), move |inner| inner.list(kind))
            .await
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, _ttl: Duration) -> Result<TryLease, CacheError> {
        let operation = format!("lease {key}");
        let (key, owner) = (key.clone(), *owner);
        self.off_the_async_threads(operation, move |inner| {
            inner.directory.prepare()?;
            inner.leases.try_lease(&key, &owner).map_err(Fault::at(&inner.locks()))
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<(), CacheError> {
        // Unlocking does not block.
        let operation = format!("release {}", lease.key);
        self.inner
            .leases
            .release(lease)
            .map_err(|error| Fault::at(self.inner.directory.path())(error).into_error(operation, self))
    }
}

impl fmt::Display for FileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.directory.path().display())
    }
}

impl Inner {
    fn load(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        if self.directory.is_there()? { self.read(key) } else { Ok(None) }
    }

    fn swap(&self, key: &Key, expected: Option<Version>, next: Option<&Entry>) -> Result<Swap, Fault> {
        self.directory.prepare()?;
        let _turn = self.turn()?;
        let path = self.file(key);
        let current = match self.read(key) {
            Err(fault) if fault.kind == CacheErrorKind::Corrupt && expected.is_none() => {
                let name = format!("{key}.{}", SystemClock.now().as_nanos());
                publish::set_aside(&path, &self.damaged(), &name).map_err(Fault::at(&path))?;
                None
            }
            current => current?,
        };
        if current.as_ref().map(|entry| entry.version) != expected {
            return Ok(Swap::Conflict(current));
        }
        match next {
            Some(next) => {
                publish::replace(&path, &frame::encode(next), &self.directory.path().join("staging"))
            }
            None => publish::remove(&path),
        }
        .map_err(Fault::at(&path))?;
        Ok(Swap::Done)
    }

    fn list(&self, kind: Kind) -> Result<Vec<Listed>, Fault> {
        if !self.directory.inspect()? {
            return Ok(Vec::new());
        }
        let mut entries = Vec::new();
        for file in fs::read_dir(self.directory.path()).map_err(Fault::at(self.directory.path()))? {
            let name = file.map_err(Fault::at(self.directory.path()))?.file_name();
            let Some(key) = name.to_str().and_then(|name| name.parse::<Key>().ok()) else { continue };
            if key.kind() != kind {
                continue;
            }
            match self.read(&key) {
                Ok(Some(Entry { version, discard_after, .. })) => {
                    entries.push(Listed { key, version: Some(version), discard_after });
                }
                // Deleted since its name was read.
                Ok(None) => {}
                Err(fault) if fault.kind == CacheErrorKind::Corrupt => {
                    entries.push(Listed { key, version: None, discard_after: None });
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(entries)
    }

    fn delete_damaged(&self) -> io::Result<usize> {
        let files = match fs::read_dir(self.damaged()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            files => files?,
        };
        let mut count = 0;
        for file in files {
            let file = file?;
            match file.file_type()?.is_dir() {
                true => fs::remove_dir_all(file.path())?,
                false => fs::remove_file(file.path())?,
            }
            count += 1;
        }
        Ok(count)
    }

    fn read(&self, key: &Key) -> Result<Option<Entry>, Fault> {
        let path = self.file(key);
        let damage =
            |reason| Fault::new(CacheErrorKind::Corrupt, format!("{} is damaged: {reason}", path.display()));
        match read_file(&path).map_err(Fault::at(&path))? {
            None => Ok(None),
            Some(Ok(bytes)) => frame::decode(&bytes).map(Some).map_err(damage),
            Some(Err(reason)) => Err(damage(reason)),
        }
    }

    /// Waits for this writer's turn: one at a time compares and publishes.
    fn turn(&self) -> Result<HostLock, Fault> {
        HostDirectory::make(&self.locks()).map_err(Fault::at(&self.locks()))?;
        let path = self.locks().join("write");
        let end = SystemClock.uptime() + TURN_TIMEOUT;
        let (mut pause, longest) = TURN_POLL;
        loop {
            if let Some(turn) = HostLock::try_acquire(&path).map_err(Fault::at(&path))? {
                return Ok(turn);
            }
            if SystemClock.uptime() > end {
                let reason = format!(
                    "{} has been locked for {} seconds; is a process that uses the cache stopped?",
                    path.display(),
                    TURN_TIMEOUT.as_secs()
                );
                return Err(Fault::new(CacheErrorKind::Unavailable, reason));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(longest);
        }
    }

    fn file(&self, key: &Key) -> PathBuf {
        self.directory.path().join(key.to_string())
    }

    fn locks(&self) -> PathBuf {
        self.directory.path().join(LOCKS)
    }

    fn damaged(&self) -> PathBuf {
        self.directory.path().join("damaged")
    }
}

/// Reads a file, whatever is there: nothing, its bytes, or a reason why it cannot be an entry's.
fn read_file(path: &Path) -> io::Result<Option<Result<Vec<u8>, &'static str>>> {
    // Not blocking matters where the name is a pipe's: opening one would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Ok(Some(Err("it is a symbolic link"))),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Ok(Some(Err("it is not a file")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(Ok(bytes)))
}
