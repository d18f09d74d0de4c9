//! A kernel lock on a sidecar file: the lease of every cache that lives on one host.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use crate::cache::{Hold, Lease, Owner, TryLease};
use crate::clock::Clock;
use crate::key::Key;

/// How soon a held lease is worth another try. Nobody can know when a kernel lock ends, and a try costs two
/// system calls.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// An exclusive lock of the kernel on a file, until it is dropped or its process ends, however it ends.
///
/// It excludes other processes and other locks of this process alike. It holds on one host only: network file
/// systems differ in what they make of it.
#[derive(Debug)]
pub struct HostLock {
    file: File,
}

impl HostLock {
    /// Takes the lock, or says `None` while somebody else has it.
    ///
    /// The file is made if need be, for its owner alone. It must never be deleted: somebody may hold a lock on the
    /// deleted file while another locks the new one. A symbolic link is not followed.
    pub fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let lock = Self { file: rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?.into() };
        Ok(lock.try_again()?.then_some(lock))
    }

    /// Takes the lock through the same open file: the kernel grants what this file already holds.
    fn try_again(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        // Closing alone would not free it while a child that is being started still shares the open file. If this
        // fails, closing frees it a moment later.
        drop(self.file.unlock());
    }
}

/// The leases of a cache that lives on one host: one [`HostLock`] a key, in a directory of their own.
#[derive(Debug)]
pub struct HostLeases {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    /// What was granted here, so that its owner is granted it again.
    granted: Mutex<HashMap<Key, (Owner, Weak<HostLock>)>>,
}

impl HostLeases {
    /// Leases whose files are in `directory`, which is made (0700) by the first one; its parent must be there.
    /// `clock` is the host's.
    pub fn new(directory: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { directory, clock, granted: Mutex::default() }
    }

    /// Keeps the contract of [`TokenCache::try_lease`](crate::TokenCache::try_lease), for owners of this value: an
    /// owner is known only where it was granted the lease.
    pub fn try_lease(&self, key: &Key, owner: &Owner) -> io::Result<TryLease> {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.retain(|_, (_, lock)| lock.strong_count() > 0);
        let ours =
            granted.get(key).filter(|(holder, _)| holder == owner).and_then(|(_, lock)| lock.upgrade());
        let lock = match ours {
            Some(lock) => lock.try_again()?.then_some(lock),
            None => self.acquire(key)?.map(Arc::new),
        };
        let Some(lock) = lock else {
            return Ok(TryLease::Held { retry_after: RETRY_AFTER });
        };
        granted.insert(key.clone(), (*owner, Arc::downgrade(&lock)));
        Ok(TryLease::Granted(Lease {
            key: key.clone(),
            owner: *owner,
            granted_at: self.clock.now(),
            hold: Hold::Kernel(Box::new(lock)),
        }))
    }

    /// Keeps the contract of [`TokenCache::release`](crate::TokenCache::release): what is freed is the lock that
    /// this lease came with, and nobody else's.
    pub fn release(&self, lease: Lease) -> io::Result<()> {
        match &lease.hold {
            Hold::Kernel(hold) => match hold.downcast_ref::<Arc<HostLock>>() {
                Some(lock) => lock.file.unlock(),
                None => Ok(()),
            },
            Hold::Until(_) => Ok(()),
        }
    }

    fn acquire(&self, key: &Key) -> io::Result<Option<HostLock>> {
        let path = self.directory.join(key.to_string());
        match HostLock::try_acquire(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match DirBuilder::new().mode(0o700).create(&self.directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                    _ => HostLock::try_acquire(&path),
                }
            }
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::clock::SystemClock;
    use crate::key::Kind;

    #[test]
    fn a_lock_excludes_other_locks_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = HostLock::try_acquire(&path).unwrap();
        assert!(lock.is_some());
        assert!(HostLock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(HostLock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_is_for_its_owner_and_no_link() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        drop(HostLock::try_acquire(&path).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(HostLock::try_acquire(&link).is_err());
    }

    #[test]
    fn a_lease_is_freed_even_while_its_owner_keeps_an_older_grant() {
        let directory = tempfile::tempdir().unwrap();
        let leases = HostLeases::new(directory.path().join("locks"), Arc::new(SystemClock));
        let (ours, theirs) = (Owner::random(), Owner::random());
        let first = granted(&leases, &ours).unwrap();
        let again = granted(&leases, &ours).unwrap();
        leases.release(again).unwrap();
        let taken = granted(&leases, &theirs).unwrap();
        assert!(granted(&leases, &ours).is_none());
        leases.release(first).unwrap();
        assert!(granted(&leases, &ours).is_none());
        drop(taken);
        assert!(granted(&leases, &ours).is_some());
    }

    fn granted(leases: &HostLeases, owner: &Owner) -> Option<Lease> {
        match leases.try_lease(&Key::new(Kind::Credential, &["lock"]), owner).unwrap() {
            TryLease::Granted(lease) => Some(lease),
            TryLease::Held { .. } => None,
        }
    }
}
