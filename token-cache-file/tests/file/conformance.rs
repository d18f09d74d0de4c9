//! The laws.

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use token_cache_file::FileCache;
use token_core::conformance::{LeaseEnd, Store};
use token_core::{Key, TokenCache};

/// A directory that the first write makes.
struct FileStore(tempfile::TempDir);

#[async_trait]
impl Store for FileStore {
    const LEASE: LeaseEnd = LeaseEnd::Kernel;
    const PERSISTENT: bool = true;

    async fn fresh() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    async fn open(&self) -> Arc<dyn TokenCache> {
        Arc::new(FileCache::open(self.0.path().join("cache")).unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.path().join("cache").display().to_string())
    }

    async fn open_at(address: &str) -> Arc<dyn TokenCache> {
        Arc::new(FileCache::open(address).unwrap())
    }

    async fn restart(&mut self) {}

    async fn break_entry(&self, key: &Key) -> bool {
        let path = self.0.path().join("cache").join(key.to_string());
        let mut frame = fs::read(&path).unwrap();
        let middle = frame.len() / 2;
        frame[middle] ^= 0x10;
        fs::write(&path, frame).unwrap();
        true
    }

    /// A directory is always there, or missing, which is empty.
    async fn make_unavailable(&mut self) -> bool {
        false
    }
}

token_core::conformance_tests!(FileStore);
