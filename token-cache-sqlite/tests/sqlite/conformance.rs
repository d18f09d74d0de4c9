//! The laws.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use token_cache_sqlite::SqliteCache;
use token_core::conformance::{LeaseEnd, Store};
use token_core::{Key, TokenCache};

/// A database in a directory that the first write makes.
struct SqliteStore(tempfile::TempDir);

#[async_trait]
impl Store for SqliteStore {
    const LEASE: LeaseEnd = LeaseEnd::Kernel;
    const PERSISTENT: bool = true;

    async fn fresh() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    async fn open(&self) -> Arc<dyn TokenCache> {
        Arc::new(SqliteCache::open(self.0.path().join("cache/cache.db")).unwrap())
    }

    fn address(&self) -> Option<String> {
        Some(self.0.path().join("cache/cache.db").display().to_string())
    }

    async fn open_at(address: &str) -> Arc<dyn TokenCache> {
        Arc::new(SqliteCache::open(address).unwrap())
    }

    async fn restart(&mut self) {}

    /// A bit of the body, in the row.
    async fn break_entry(&self, key: &Key) -> bool {
        let connection = Connection::open(self.0.path().join("cache/cache.db")).unwrap();
        let altered = connection.execute(
            "UPDATE entry SET body = CAST(substr(body, 2) || x'00' AS BLOB) WHERE key = ?1",
            [key.to_string()],
        );
        assert_eq!(altered.unwrap(), 1);
        true
    }

    /// A file is always there, or missing, which is empty.
    async fn make_unavailable(&mut self) -> bool {
        false
    }
}

token_core::conformance_tests!(SqliteStore);
