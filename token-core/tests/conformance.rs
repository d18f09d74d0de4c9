//! The laws, on the reference implementation.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use async_trait::async_trait;
use token_core::conformance::{LeaseEnd, Store};
use token_core::{Key, MemoryCache, TokenCache};

struct MemoryStore(MemoryCache);

#[async_trait]
impl Store for MemoryStore {
    const LEASE: LeaseEnd = LeaseEnd::Timed;
    const PERSISTENT: bool = false;

    async fn fresh() -> Option<Self> {
        Some(Self(MemoryCache::new()))
    }

    async fn open(&self) -> Arc<dyn TokenCache> {
        Arc::new(self.0.clone())
    }

    fn address(&self) -> Option<String> {
        None
    }

    async fn open_at(address: &str) -> Arc<dyn TokenCache> {
        unreachable!("there is no {address}")
    }

    async fn restart(&mut self) {
        self.0 = MemoryCache::new();
    }

    async fn break_entry(&self, _: &Key) -> bool {
        false
    }

    async fn make_unavailable(&mut self) -> bool {
        self.0.set_unavailable(true);
        true
    }
}

token_core::conformance_tests!(MemoryStore);
