//! The cache in an SQLite file: the laws of every cache, and what only a database can suffer.
#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it expects")]
#![allow(clippy::disallowed_methods, reason = "tests damage files, and tell their own processes what to do")]

mod conformance;
mod crash;
mod damage;
mod locked;
mod permissions;
mod reading;
mod schema;
mod secrecy;
mod service;
mod sign_in;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use token_cache_sqlite::SqliteCache;
use token_core::{CacheError, CacheErrorKind, Entry, Key, Kind, Swap, TokenCache, Version};

/// A directory for a test, private as a cache needs it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn database(&self) -> PathBuf {
        self.path().join("cache.db")
    }

    fn cache(&self) -> SqliteCache {
        SqliteCache::open(self.database()).unwrap()
    }

    /// A connection as everybody may have one who is not us.
    fn connection(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

fn key(name: &str) -> Key {
    Key::new(Kind::Credential, &["sqlite", name])
}

fn entry(body: impl Into<Vec<u8>>) -> Entry {
    Entry { version: Version::random(), body: body.into(), discard_after: None }
}

/// Writes an entry over whatever is there.
async fn put(cache: &dyn TokenCache, key: &Key, entry: &Entry) {
    let current = cache.load(key).await.unwrap().map(|entry| entry.version);
    assert_eq!(cache.swap(key, current.as_ref(), Some(entry)).await.unwrap(), Swap::Done);
}

/// What an error and its causes say, on one line.
fn text(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", text(source)),
        None => error.to_string(),
    }
}

/// That an operation failed so, with a word of what it says, and says where.
#[track_caller]
fn assert_fails<T: std::fmt::Debug>(
    outcome: Result<T, CacheError>,
    kind: CacheErrorKind,
    home: &Home,
    word: &str,
) {
    let error = outcome.expect_err(word);
    let text = text(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(&home.database().display().to_string()) && text.contains(word), "{text}");
}

/// A command that runs one test of this binary again. The file is opened through /proc, since another user may not
/// be able to reach it by its path.
fn again(test: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]).current_dir("/");
    command
}

/// Runs one test of this binary again, to its end, after a command has been made ready for it.
#[track_caller]
fn run_again(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
