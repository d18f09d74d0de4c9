//! The cache on Redis, on real servers: the laws of every cache, and what only a server on a network can do to one.
#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it expects")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests tell their own processes what to do, and write files for them"
)]

mod acl;
mod conformance;
mod damage;
mod layout;
mod network;
mod refusals;
mod restart;
mod secrecy;
mod service;
mod sign_in;
mod tls;

use std::sync::Arc;

use token_cache_redis::{RedisCache, RedisOptions};
use token_core::{
    CacheError, CacheErrorKind, Entry, Key, Kind, Lease, Owner, Swap, TokenCache, TryLease, Version,
};
use token_testkit::{RedisServer, RedisSettings};

/// A server as it comes, unless there can be none.
fn server() -> Option<RedisServer> {
    RedisServer::start(RedisSettings::default())
}

fn cache(server: &RedisServer) -> Arc<RedisCache> {
    open(RedisOptions::new(server.url()))
}

fn open(options: RedisOptions) -> Arc<RedisCache> {
    Arc::new(RedisCache::connect(options).unwrap())
}

fn key(name: &str) -> Key {
    Key::new(Kind::Credential, &["redis", name])
}

/// What the cache calls the entry of a key.
fn name_of(key: &Key) -> String {
    format!("token:{{{key}}}:entry")
}

fn entry(body: impl Into<Vec<u8>>) -> Entry {
    Entry { version: Version::random(), body: body.into(), discard_after: None }
}

async fn create(cache: &dyn TokenCache, key: &Key, entry: &Entry) {
    assert_eq!(cache.swap(key, None, Some(entry)).await.unwrap(), Swap::Done);
}

async fn lease(cache: &dyn TokenCache, key: &Key) -> Result<Lease, CacheError> {
    match cache.try_lease(key, &Owner::random(), std::time::Duration::from_secs(60)).await? {
        TryLease::Granted(lease) => Ok(lease),
        TryLease::Held { .. } => panic!("nobody holds the lease of {key}"),
    }
}

/// What an error and its causes say, on one line.
fn text(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", text(source)),
        None => error.to_string(),
    }
}

/// That an operation failed so, where, and with a word of it.
#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    outcome: Result<T, CacheError>,
    kind: CacheErrorKind,
    cache: &RedisCache,
    word: &str,
) {
    let error = outcome.expect_err(word);
    let text = text(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(&cache.to_string()) && text.contains(word), "{text}");
}
