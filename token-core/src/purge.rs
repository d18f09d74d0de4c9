//! Removing what no longer serves anybody.

use crate::cache::{Swap, TokenCache};
use crate::error::CacheError;
use crate::key::Kind;

/// What [`purge`] has removed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Purged {
    /// Entries whose `discard_after` had passed.
    pub expired: usize,
    /// Entries that could not be read. Caches that can set them aside have done so.
    pub damaged: usize,
}

/// Removes what a cache may discard at `now` (POSIX seconds), and damaged entries that can be had again.
///
/// It never removes a credential that can still be spent: those carry no `discard_after`, and a damaged credential
/// or profile stays until a sign-in replaces it.
pub async fn purge(cache: &dyn TokenCache, now: i64) -> Result<Purged, CacheError> {
    let mut purged = Purged::default();
    for kind in Kind::ALL {
        for listed in cache.list(kind).await? {
            let count = match listed.version {
                Some(_) if listed.discard_after.is_some_and(|end| end < now) => &mut purged.expired,
                None if matches!(kind, Kind::AccessToken | Kind::Metadata) => &mut purged.damaged,
                _ => continue,
            };
            // A conflict means that somebody has written the entry since, so that it serves somebody.
            if cache.swap(&listed.key, listed.version.as_ref(), None).await? == Swap::Done {
                *count += 1;
            }
        }
    }
    Ok(purged)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cache::{Entry, Version};
    use crate::clock::ManualClock;
    use crate::key::Key;
    use crate::memory::MemoryCache;

    #[tokio::test]
    async fn only_what_has_expired_goes() {
        // The cache's own clock is behind, so that it discards nothing by itself.
        let cache = MemoryCache::with_clock(Arc::new(ManualClock::at(0)));
        for kind in Kind::ALL {
            for (name, discard_after) in [("past", Some(99)), ("now", Some(100)), ("never", None)] {
                let entry = Entry { version: Version::random(), body: Vec::new(), discard_after };
                assert_eq!(
                    cache.swap(&Key::new(kind, &[name]), None, Some(&entry)).await.unwrap(),
                    Swap::Done
                );
            }
        }
        assert_eq!(purge(&cache, 100).await.unwrap(), Purged { expired: 4, damaged: 0 });
        for kind in Kind::ALL {
            assert_eq!(cache.list(kind).await.unwrap().len(), 2, "{kind}");
        }
    }
}
