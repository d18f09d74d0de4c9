//! The file cache: the laws of every cache, and what only files can suffer.
#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it expects")]
#![allow(clippy::disallowed_methods, reason = "tests damage files, and tell their own processes what to do")]

mod conformance;
mod crash;
mod damage;
mod permissions;
mod reading;
mod service;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use token_core::{Entry, Key, Kind, Swap, TokenCache, Version};

/// A directory for a test, private as a cache needs it.
fn home() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

fn key(name: &str) -> Key {
    Key::new(Kind::Credential, &["file", name])
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

/// A command that runs one test of this binary again. The file is opened through /proc, since another user may not
/// be able to reach it by its path.
fn again(test: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]).current_dir("/");
    command
}
