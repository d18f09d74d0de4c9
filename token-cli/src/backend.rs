//! From the cache that is configured to a [`TokenCache`]: the only place that names every backend.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use token_cache_file::FileCache;
use token_core::{CacheError, Owner, Profile, Rescue, TokenCache, TryLease};

use crate::config::CacheLocation;

/// A cache, with what depends on its kind.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    File(FileCache),
}

impl Backend {
    /// Opens the cache; nothing is written yet.
    pub(crate) fn open(location: &CacheLocation) -> Result<Self, CacheError> {
        match location {
            CacheLocation::File(path) => FileCache::open(path).map(Self::File),
        }
    }

    pub(crate) fn cache(&self) -> Arc<dyn TokenCache> {
        match self {
            Self::File(cache) => Arc::new(cache.clone()),
        }
    }

    /// Where rotated refresh tokens are secured: beside a cache of this host, so that everybody who reaches the cache
    /// finds them, else in the state directory.
    pub(crate) fn rescue(&self, _state: &Path) -> Rescue {
        match self {
            Self::File(cache) => Rescue::new(cache.rescue_dir(), true),
        }
    }

    /// Whether the cache lives on this host: a missing key may be made for an empty one, for nobody else can be
    /// about to fill it under another key.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::File(_) => true,
        }
    }

    /// Fails where nothing can be written, as far as taking a lease tells.
    pub(crate) async fn try_to_write(&self) -> Result<(), CacheError> {
        let cache = self.cache();
        match cache.try_lease(&Profile::key(), &Owner::random(), Duration::from_secs(1)).await? {
            TryLease::Granted(lease) => cache.release(lease).await,
            TryLease::Held { .. } => Ok(()),
        }
    }

    /// Deletes what was set aside as damaged.
    pub(crate) async fn delete_damaged(&self) -> Result<usize, CacheError> {
        match self {
            Self::File(cache) => cache.delete_damaged().await,
        }
    }
}
