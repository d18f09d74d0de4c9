//! From the cache that is configured to a [`TokenCache`]: the only place that names every backend.

use std::path::Path;
use std::sync::Arc;

use token_cache_file::FileCache;
use token_core::{CacheError, Entry, Key, KeyRing, Kind, Rescue, SignInId, TokenCache, Version};

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

    /// Writes an entry as large as a sign-in's, and removes it again: where that fails, a sign-in would be lost.
    pub(crate) async fn try_to_write(&self, keys: &KeyRing) -> Result<(), CacheError> {
        let cache = self.cache();
        let (key, version) =
            (Key::new(Kind::AccessToken, &[&SignInId::random().to_string()]), Version::random());
        // A key that cannot seal is found out, and told of, where it has to.
        let body = keys.seal(&key, &version, &[0; 16 * 1024]).unwrap_or_default();
        let entry = Entry { version, body, discard_after: Some(0) };
        // Nobody else has a key that is random, so neither can conflict.
        drop(cache.swap(&key, None, Some(&entry)).await?);
        cache.swap(&key, Some(&version), None).await.map(drop)
    }

    /// Deletes what was set aside as damaged.
    pub(crate) async fn delete_damaged(&self) -> Result<usize, CacheError> {
        match self {
            Self::File(cache) => cache.delete_damaged().await,
        }
    }
}
