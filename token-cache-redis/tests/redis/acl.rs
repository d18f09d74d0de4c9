//! The rights that a user needs: these, and no fewer.

use std::time::Duration;

use token_cache_redis::{RedisCache, RedisOptions};
use token_core::{CacheError, CacheErrorKind, Kind, Owner, Secret, TokenCache, TryLease};
use token_testkit::{RedisServer, RedisSettings};

use crate::{assert_fails, create, entry, key, lease, name_of, open, text};

pub(crate) const PASSWORD: &str = "a password of the agents";

const READER: &str = "~token:* +hmget +hexists +scan";

fn refresher() -> String {
    format!("~token:* {}", RedisCache::RIGHTS)
}

/// The user of the README, as a server's configuration says it.
pub(crate) fn line() -> String {
    user(&refresher())
}

fn user(rights: &str) -> String {
    format!("token on \">{PASSWORD}\" resetchannels {rights}")
}

fn options(server: &RedisServer) -> RedisOptions {
    let url = server.url().replace("//", "//token@");
    RedisOptions::new(url).password(Secret::new(PASSWORD))
}

#[test]
fn the_readme_names_these_rights() {
    let readme = include_str!("../../README.md");
    for rights in [&*refresher(), READER] {
        assert!(readme.contains(rights), "{rights}");
    }
}

#[tokio::test]
async fn every_right_that_is_missing_is_named() {
    let Some(server) = RedisServer::start(RedisSettings { users: vec![line()], ..RedisSettings::default() })
    else {
        return;
    };
    let (password, refresher) = (format!(">{PASSWORD}"), refresher());
    let basic = ["ACL", "SETUSER", "token", "reset", "on", &password, "resetchannels"];
    for missing in refresher.split(' ').filter(|right| right.starts_with('+')) {
        let rights = refresher.split(' ').filter(|right| *right != missing);
        let reply = server.command(basic.into_iter().chain(rights));
        assert_eq!(reply.text(), "OK");
        server.command(["FLUSHALL"]);
        server.command(["SCRIPT", "FLUSH"]);
        let error = everything(&*open(options(&server)), &server).await.expect_err(missing);
        let said = text(&error);
        assert_eq!(error.kind(), CacheErrorKind::Denied, "{missing}: {said}");
        // A subcommand is named in two words, or by the first of them.
        let command = missing.trim_start_matches('+').split('|').next().unwrap();
        assert!(said.to_lowercase().contains(command), "{missing}: {said}");
    }
    server.command(basic.into_iter().chain(refresher.split(' ')));
    server.command(["FLUSHALL"]);
    everything(&*open(options(&server)), &server).await.unwrap();
}

/// Who may not look takes nothing for damaged that was not seen, and what was not deleted is not said to be gone.
#[tokio::test]
async fn a_swap_that_is_refused_changes_nothing() {
    let Some(server) = RedisServer::start(RedisSettings { users: vec![line()], ..RedisSettings::default() })
    else {
        return;
    };
    let cache = open(options(&server));
    let (written, next) = (entry("sealed"), entry("next"));
    create(&*cache, &key("a"), &written).await;
    for (missing, expected, next) in [
        ("HMGET", None, Some(&next)),
        ("HMGET", None, None),
        ("HMGET", Some(&written.version), None),
        ("DEL", Some(&written.version), None),
        ("HSET", Some(&written.version), Some(&next)),
    ] {
        let right = missing.to_lowercase();
        assert_eq!(server.command(["ACL", "SETUSER", "token", &format!("-{right}")]).text(), "OK");
        let swap = cache.swap(&key("a"), expected, next).await;
        assert_fails(swap, CacheErrorKind::Denied, &cache, missing);
        assert_eq!(server.command(["ACL", "SETUSER", "token", &format!("+{right}")]).text(), "OK");
        assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&written), "{missing}");
    }
}

/// A lease that was not given back holds others up until it ends, so that is said.
#[tokio::test]
async fn a_release_that_is_refused_is_not_said_to_be_done() {
    let Some(server) = RedisServer::start(RedisSettings { users: vec![line()], ..RedisSettings::default() })
    else {
        return;
    };
    let cache = open(options(&server));
    for missing in ["GET", "DEL"] {
        let held = lease(&*cache, &key(missing)).await.unwrap();
        let right = missing.to_lowercase();
        assert_eq!(server.command(["ACL", "SETUSER", "token", &format!("-{right}")]).text(), "OK");
        assert_fails(cache.release(held).await, CacheErrorKind::Denied, &cache, missing);
        assert_eq!(server.command(["ACL", "SETUSER", "token", &format!("+{right}")]).text(), "OK");
    }
}

#[tokio::test]
async fn a_key_out_of_reach_is_denied() {
    let Some(server) = RedisServer::start(RedisSettings { users: vec![line()], ..RedisSettings::default() })
    else {
        return;
    };
    let cache = open(options(&server).prefix("other"));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Denied, &cache, "NOPERM");
    let swap = cache.swap(&key("a"), None, Some(&entry("a"))).await;
    assert_fails(swap, CacheErrorKind::Denied, &cache, "NOPERM");
}

#[tokio::test]
async fn a_reader_reads_and_writes_nothing() {
    let settings = RedisSettings {
        users: vec![user(READER), "other on nopass ~* +@all".to_owned()],
        ..RedisSettings::default()
    };
    let Some(server) = RedisServer::start(settings) else { return };
    // A user without a password says any.
    let writer = open(RedisOptions::new(server.url().replace("//", "//other@")));
    let written = entry("sealed");
    create(&*writer, &key("a"), &written).await;
    let reader = open(options(&server));
    assert_eq!(reader.load(&key("a")).await.unwrap(), Some(written.clone()));
    assert_eq!(reader.list(Kind::Credential).await.unwrap().len(), 1);
    let swap = reader.swap(&key("a"), Some(&written.version), None).await;
    assert_fails(swap, CacheErrorKind::Denied, &reader, "evalsha");
    let lease = reader.try_lease(&key("a"), &Owner::random(), Duration::from_secs(1)).await;
    assert_fails(lease, CacheErrorKind::Denied, &reader, "evalsha");
    assert_eq!(writer.load(&key("a")).await.unwrap(), Some(written));
}

/// Every operation, in every way that matters to rights.
async fn everything(cache: &dyn TokenCache, server: &RedisServer) -> Result<(), CacheError> {
    let (ours, theirs, ttl) = (Owner::random(), Owner::random(), Duration::from_secs(60));
    cache.load(&key("a")).await?;
    let (first, second) = (entry("first"), entry("second"));
    drop(cache.swap(&key("a"), None, Some(&first)).await?);
    let bounded = token_core::Entry { discard_after: Some(i64::from(u32::MAX)), ..entry("bounded") };
    drop(cache.swap(&key("b"), None, Some(&bounded)).await?);
    drop(cache.swap(&key("a"), Some(&first.version), Some(&second)).await?);
    cache.list(Kind::Credential).await?;
    drop(cache.swap(&key("a"), Some(&second.version), None).await?);
    server.command(["HDEL", name_of(&key("b")).as_str(), "v"]);
    drop(cache.swap(&key("b"), None, Some(&first)).await?);
    let lease = cache.try_lease(&key("a"), &ours, ttl).await?;
    drop(cache.try_lease(&key("a"), &theirs, ttl).await?);
    match lease {
        TryLease::Granted(lease) => cache.release(lease).await,
        TryLease::Held { .. } => Ok(()),
    }
}
