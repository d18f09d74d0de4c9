//! Databases that are not as the cache has left them.

use std::fs;
use std::os::unix::fs::FileExt as _;

use token_cache_sqlite::SqliteCache;
use token_core::{CacheErrorKind, Entry, Key, Kind, Listed, Swap, TokenCache, Version};

use crate::{Home, again, assert_fails, entry, key, put, run_again};

const DATABASE: &str = "TOKEN_CACHE_SQLITE_TEST_DATABASE";

#[tokio::test]
async fn a_row_altered_anywhere_is_corrupt() {
    let (home, cache) = stored().await;
    let connection = home.connection();
    let altered = [
        "version = CAST(x'ff' || substr(version, 2) AS BLOB)",
        "version = substr(version, 2)",
        "version = x''",
        "discard_after = 1",
        "body = x''",
        "body = CAST(body || x'00' AS BLOB)",
        "body = CAST(substr(body, 2) AS BLOB)",
        "body = CAST(x'00' || substr(body, 2) AS BLOB)",
        "checksum = x''",
        "checksum = CAST(substr(checksum, 1, 3) AS BLOB)",
        "checksum = CAST(x'00' || substr(checksum, 2) AS BLOB)",
        "checksum = CAST(checksum || x'00' AS BLOB)",
    ];
    for change in altered {
        connection.execute_batch("SAVEPOINT whole").unwrap();
        assert_eq!(connection.execute(&format!("UPDATE entry SET {change}"), []).unwrap(), 1);
        connection.execute_batch("RELEASE whole").unwrap();
        assert_corrupt(&home, &cache, change).await;
        assert_eq!(cache.swap(&key("a"), None, Some(&entry("sealed"))).await.unwrap(), Swap::Done);
    }
    assert_eq!(cache.delete_damaged().await.unwrap(), altered.len());
    // A moment that is another one, or none.
    for change in ["discard_after = discard_after + 1", "discard_after = NULL"] {
        let current = cache.load(&key("a")).await.unwrap().unwrap();
        let bounded = Entry { discard_after: Some(i64::from(u32::MAX)), ..entry("bounded") };
        assert_eq!(cache.swap(&key("a"), Some(&current.version), Some(&bounded)).await.unwrap(), Swap::Done);
        assert_eq!(connection.execute(&format!("UPDATE entry SET {change}"), []).unwrap(), 1);
        assert_corrupt(&home, &cache, change).await;
        assert_eq!(cache.swap(&key("a"), None, Some(&entry("sealed"))).await.unwrap(), Swap::Done);
    }
}

/// What is set aside is nowhere else, also where nothing takes its place.
#[tokio::test]
async fn a_broken_row_that_is_removed_is_only_among_the_damaged() {
    let (home, cache) = stored().await;
    home.connection().execute("UPDATE entry SET body = x'00'", []).unwrap();
    assert_eq!(cache.swap(&key("a"), None, None).await.unwrap(), Swap::Done);
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap(), []);
    assert_eq!(cache.delete_damaged().await.unwrap(), 1);
}

/// A row given to another key is no entry of that.
#[tokio::test]
async fn a_row_under_another_key_is_corrupt() {
    let (home, cache) = stored().await;
    let moved = home.connection().execute("UPDATE entry SET key = ?1", [key("b").to_string()]).unwrap();
    assert_eq!(moved, 1);
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    assert_fails(cache.load(&key("b")).await, CacheErrorKind::Corrupt, &home, &key("b").to_string());
}

#[tokio::test]
async fn broken_rows_are_kept_until_they_are_deleted() {
    let (home, cache) = stored().await;
    let connection = home.connection();
    for broken in ["one", "two"] {
        connection.execute("UPDATE entry SET body = CAST(?1 AS BLOB)", [broken]).unwrap();
        let version = cache.load(&key("a")).await.map(|entry| entry.unwrap().version);
        assert_eq!(version.unwrap_err().kind(), CacheErrorKind::Corrupt);
        assert_eq!(cache.swap(&key("a"), None, Some(&entry("next"))).await.unwrap(), Swap::Done);
    }
    let mut kept = connection.prepare("SELECT body FROM damaged WHERE key = ?1 ORDER BY body").unwrap();
    let kept = kept.query_map([key("a").to_string()], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    assert_eq!(kept.map(Result::unwrap).collect::<Vec<_>>(), [b"one", b"two"]);
    assert_eq!(cache.delete_damaged().await.unwrap(), 2);
    assert_eq!(cache.delete_damaged().await.unwrap(), 0);
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn purge_sets_damaged_access_tokens_aside_and_no_credential() {
    let (home, cache) = stored().await;
    let token = Key::new(Kind::AccessToken, &["a"]);
    put(&cache, &token, &entry("sealed")).await;
    home.connection().execute("UPDATE entry SET body = x'00'", []).unwrap();
    let purged = token_core::purge(&cache, 0).await.unwrap();
    assert_eq!((purged.expired, purged.damaged), (0, 1));
    assert_eq!(cache.load(&token).await.unwrap(), None);
    assert_corrupt(&home, &cache, "after a purge").await;
}

/// Rows that are no entries are nobody's business.
#[tokio::test]
async fn foreign_rows_are_not_listed() {
    let (home, cache) = stored().await;
    let name = key("a").to_string();
    let connection = home.connection();
    for foreign in [&name.to_uppercase(), &format!("{name}~"), "credential-", "credential", "credential-x"] {
        let row =
            "INSERT INTO entry SELECT ?1, version, discard_after, body, checksum FROM entry WHERE key = ?2";
        assert_eq!(connection.execute(row, [foreign, &name]).unwrap(), 1);
    }
    let version = cache.load(&key("a")).await.unwrap().unwrap().version;
    let expected = Listed { key: key("a"), version: Some(version), discard_after: None };
    assert_eq!(cache.list(Kind::Credential).await.unwrap(), [expected]);
}

/// Whichever byte of the file a bad disk alters: an operation answers with what was written, says that something is
/// damaged, or finds nothing where a name was altered. It never answers with anything else, and it ends.
#[tokio::test]
async fn a_file_altered_anywhere_answers_nothing_that_was_not_written() {
    let (home, cache) = stored().await;
    let written = cache.load(&key("a")).await.unwrap();
    drop(cache);
    write_back(&home);
    let whole = fs::read(home.database()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(home.database()).unwrap();
    let mut damaged = 0;
    // The first page byte by byte, where everything hangs; of the others what is not empty.
    let positions = (0..whole.len()).filter(|at| *at < 200 || whole[*at] != 0);
    for position in positions.collect::<Vec<_>>() {
        for flip in [0x01, 0x80] {
            file.write_all_at(&[whole[position] ^ flip], position as u64).unwrap();
            match home.cache().load(&key("a")).await {
                Ok(loaded) => assert!(loaded.is_none() || loaded == written, "byte {position}: {loaded:?}"),
                Err(error) => {
                    damaged += 1;
                    let expected = [CacheErrorKind::Corrupt, CacheErrorKind::Unsuitable];
                    assert!(expected.contains(&error.kind()), "byte {position}: {}", crate::text(&error));
                }
            }
            file.write_all_at(&whole[position..=position], position as u64).unwrap();
        }
    }
    assert!(damaged > 100, "{damaged} changes were found");
    assert_eq!(home.cache().load(&key("a")).await.unwrap(), written);
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_left_as_it_is() {
    let (home, cache) = stored().await;
    drop(cache);
    write_back(&home);
    // The roots of the tables: the schema still says where they are.
    let mut bytes = fs::read(home.database()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(home.database(), &bytes).unwrap();
    let cache = home.cache();
    for outcome in [
        cache.load(&key("a")).await.map(drop),
        cache.list(Kind::Credential).await.map(drop),
        cache.swap(&key("a"), None, Some(&entry("next"))).await.map(drop),
        cache.swap(&key("a"), Some(&Version::random()), None).await.map(drop),
    ] {
        assert_fails(outcome, CacheErrorKind::Unsuitable, &home, "is damaged");
    }
    assert_eq!(fs::read(home.database()).unwrap(), bytes, "nothing was written over it");
}

/// Everything that is in the log goes into the database, by somebody else's hand: closing the last connection does it.
fn write_back(home: &Home) {
    run_again(again("damage::closes_the_database").env(DATABASE, home.database()));
    assert!(!home.path().join("cache.db-wal").exists());
}

#[test]
#[ignore = "in a process of its own"]
fn closes_the_database() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let connection = rusqlite::Connection::open(database).unwrap();
    let log: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(log, 0);
    connection.close().unwrap();
}

async fn stored() -> (Home, SqliteCache) {
    let home = Home::new();
    let cache = home.cache();
    assert_eq!(cache.swap(&key("a"), None, Some(&entry("sealed"))).await.unwrap(), Swap::Done);
    (home, cache)
}

async fn assert_corrupt(home: &Home, cache: &SqliteCache, case: &str) {
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Corrupt, home, &key("a").to_string());
    let listed = cache.list(Kind::Credential).await.unwrap();
    assert_eq!(listed, [Listed { key: key("a"), version: None, discard_after: None }], "{case}");
}
