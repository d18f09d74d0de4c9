//! Databases that are newer, older, or something else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;
use token_core::{CacheErrorKind, Kind, Swap, TokenCache};

use crate::{Home, assert_fails, entry, key, put};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let used = home.cache();
    put(&used, &key("a"), &entry("sealed")).await;
    home.connection().pragma_update(None, "user_version", 2).unwrap();
    let cache = home.cache();
    for outcome in [
        cache.load(&key("a")).await.map(drop),
        cache.list(Kind::Credential).await.map(drop),
        cache.swap(&key("b"), None, Some(&entry("next"))).await.map(drop),
        cache.delete_damaged().await.map(drop),
    ] {
        assert_fails(outcome, CacheErrorKind::Unsuitable, &home, "newer version");
    }
    let rows: i64 = home.connection().query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
    home.connection().pragma_update(None, "user_version", 1).unwrap();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

/// One that has no tables yet is the only older one that there is.
#[tokio::test]
async fn an_older_schema_is_brought_forward_by_whoever_comes_first() {
    for reads_first in [true, false] {
        let home = Home::new();
        let connection = private(&home);
        connection.pragma_update(None, "application_id", 0x746f_6b6e).unwrap();
        drop(connection);
        let cache = home.cache();
        if reads_first {
            assert_eq!(cache.load(&key("a")).await.unwrap(), None);
            let version: i64 =
                home.connection().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, 1);
        }
        let written = entry("sealed");
        assert_eq!(cache.swap(&key("a"), None, Some(&written)).await.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key("a")).await.unwrap(), Some(written));
    }
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused_and_left_as_it_is() {
    let home = Home::new();
    private(&home).execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    assert_refused(&home, "no token cache").await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let home = Home::new();
    for (content, word) in [
        (&b"Dear diary, this is a letter and no database at all."[..], "no SQLite database"),
        (&[0xa5; 8192], "no SQLite database"),
        (b"", "no token cache"),
    ] {
        fs::write(home.database(), content).unwrap();
        fs::set_permissions(home.database(), fs::Permissions::from_mode(0o600)).unwrap();
        assert_refused(&home, word).await;
    }
}

/// A database that is not a cache yet, with the permissions of one.
fn private(home: &Home) -> Connection {
    let connection = home.connection();
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).unwrap();
    connection.pragma_update(None, "user_version", 0).unwrap();
    fs::set_permissions(home.database(), fs::Permissions::from_mode(0o600)).unwrap();
    connection
}

async fn assert_refused(home: &Home, word: &str) {
    let before = fs::read(home.database()).unwrap();
    let cache = home.cache();
    for outcome in [
        cache.load(&key("a")).await.map(drop),
        cache.list(Kind::Credential).await.map(drop),
        cache.swap(&key("a"), None, Some(&entry("next"))).await.map(drop),
        cache.delete_damaged().await.map(drop),
    ] {
        assert_fails(outcome, CacheErrorKind::Unsuitable, home, word);
    }
    assert_eq!(fs::read(home.database()).unwrap(), before);
}
