//! A cache in the memory of one process: the reference implementation.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::cache::{Entry, Hold, Lease, Listed, Owner, Swap, TokenCache, TryLease, Version};
use crate::clock::{Clock, SystemClock};
use crate::error::{CacheError, CacheErrorKind};
use crate::key::{Key, Kind};

/// A cache in the memory of one process, for tests and for a service that shares its tokens with nobody.
///
/// Clones are handles on the same entries and leases. Leases end by time on its clock, and an entry is gone once
/// its [`Entry::discard_after`] has passed.
#[derive(Clone)]
pub struct MemoryCache {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Entry>,
    leases: BTreeMap<Key, (Owner, Duration)>,
    unavailable: bool,
    swap_faults: VecDeque<SwapFault>,
}

/// How a swap fails that was told to, by [`MemoryCache::fail_next_swap`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SwapFault {
    /// The store cannot be asked, and nothing changes.
    Lost,
    /// The store has no room, and nothing changes.
    Full,
    /// It takes effect, and the answer is lost.
    AnswerLost,
}

impl MemoryCache {
    /// An empty cache on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty cache whose leases and discards go by this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Makes every operation on every handle fail as `Unavailable`, until it is told otherwise. It is for tests of
    /// what a program does then.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.state().unavailable = unavailable;
    }

    /// Makes the next swap on any handle fail. Several calls make as many swaps fail, in their order. It is for
    /// tests of what a program does then.
    pub fn fail_next_swap(&self, fault: SwapFault) {
        self.state().swap_faults.push_back(fault);
    }

    /// The state, without what has been discarded by now.
    fn current(&self, operation: &str) -> Result<MutexGuard<'_, State>, CacheError> {
        let mut state = self.state();
        if state.unavailable {
            return Err(self.error(CacheErrorKind::Unavailable, operation, "it was told to be unavailable"));
        }
        let now = self.clock.posix();
        state.entries.retain(|_, entry| entry.discard_after.is_none_or(|end| now <= end));
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: CacheErrorKind, operation: &str, reason: &str) -> CacheError {
        CacheError::new(kind, operation, self, reason)
    }
}

#[async_trait]
impl TokenCache for MemoryCache {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError> {
        Ok(self.current(&format!("load {key}"))?.entries.get(key).cloned())
    }

    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError> {
        let operation = format!("store {key}");
        let mut state = self.current(&operation)?;
        let fault = state.swap_faults.pop_front();
        match fault {
            Some(SwapFault::Lost) => {
                return Err(self.error(CacheErrorKind::Unavailable, &operation, "it was told to fail"));
            }
            Some(SwapFault::Full) => {
                return Err(self.error(CacheErrorKind::Full, &operation, "it was told to be full"));
            }
            Some(SwapFault::AnswerLost) | None => {}
        }
        let current = state.entries.get(key);
        let swap = if current.map(|entry| &entry.version) != expected {
            Swap::Conflict(current.cloned())
        } else {
            match next {
                Some(next) => state.entries.insert(key.clone(), next.clone()),
                None => state.entries.remove(key),
            };
            Swap::Done
        };
        match fault {
            Some(_) => {
                Err(self.error(CacheErrorKind::Unavailable, &operation, "it was told to lose the answer"))
            }
            None => Ok(swap),
        }
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError> {
        let state = self.current(&format!("list entries of kind {kind}"))?;
        let listed = state.entries.iter().filter(|(key, _)| key.kind() == kind).map(|(key, entry)| Listed {
            key: key.clone(),
            version: Some(entry.version),
            discard_after: entry.discard_after,
        });
        Ok(listed.collect())
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, ttl: Duration) -> Result<TryLease, CacheError> {
        let mut state = self.current(&format!("lease {key}"))?;
        let now = self.clock.now();
        if let Some((holder, end)) = state.leases.get(key)
            && holder != owner
            && now < *end
        {
            return Ok(TryLease::Held { retry_after: *end - now });
        }
        let end = now + ttl;
        state.leases.insert(key.clone(), (*owner, end));
        Ok(TryLease::Granted(Lease {
            key: key.clone(),
            owner: *owner,
            granted_at: now,
            hold: Hold::Until(end),
        }))
    }

    async fn release(&self, lease: Lease) -> Result<(), CacheError> {
        let mut state = self.current(&format!("release {}", lease.key))?;
        if state.leases.get(&lease.key).is_some_and(|(holder, _)| *holder == lease.owner) {
            state.leases.remove(&lease.key);
        }
        Ok(())
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn a_lease_ends_by_its_clock() {
        let clock = Arc::new(ManualClock::at(1_000));
        let cache = MemoryCache::with_clock(clock.clone());
        let (key, ours, theirs) = (key(), Owner::random(), Owner::random());
        let ttl = Duration::from_secs(15);
        assert!(matches!(cache.try_lease(&key, &ours, ttl).await.unwrap(), TryLease::Granted(_)));
        assert!(matches!(cache.try_lease(&key, &theirs, ttl).await.unwrap(), TryLease::Held { .. }));
        clock.advance(ttl);
        assert!(matches!(cache.try_lease(&key, &theirs, ttl).await.unwrap(), TryLease::Granted(_)));
    }

    #[tokio::test]
    async fn an_entry_is_gone_after_its_time() {
        let clock = Arc::new(ManualClock::at(1_000));
        let cache = MemoryCache::with_clock(clock.clone());
        let entry = Entry { discard_after: Some(2_000), ..entry() };
        assert_eq!(cache.swap(&key(), None, Some(&entry)).await.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key()).await.unwrap(), Some(entry));
        clock.advance(Duration::from_secs(1_001));
        assert_eq!(cache.load(&key()).await.unwrap(), None);
        assert_eq!(cache.list(Kind::AccessToken).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_swap_fails_as_it_was_told_to() {
        let cache = MemoryCache::new();
        let entry = entry();
        cache.fail_next_swap(SwapFault::Lost);
        cache.fail_next_swap(SwapFault::Full);
        cache.fail_next_swap(SwapFault::AnswerLost);
        let kinds = [CacheErrorKind::Unavailable, CacheErrorKind::Full, CacheErrorKind::Unavailable];
        for (kind, stored) in kinds.into_iter().zip([false, false, true]) {
            assert_eq!(cache.swap(&key(), None, Some(&entry)).await.unwrap_err().kind(), kind);
            assert_eq!(cache.load(&key()).await.unwrap().is_some(), stored);
        }
        assert_eq!(cache.swap(&key(), Some(&entry.version), None).await.unwrap(), Swap::Done);
    }

    fn key() -> Key {
        Key::new(Kind::AccessToken, &["memory"])
    }

    fn entry() -> Entry {
        Entry { version: Version::random(), body: vec![7], discard_after: None }
    }
}
