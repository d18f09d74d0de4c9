//! What a hit does and does not: it changes nothing, needs no runtime, and sees what is there now.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use token_cache_sqlite::SqliteCache;
use token_core::{Kind, Swap, TokenCache};

use crate::{Home, entry, key, put};

#[tokio::test]
async fn reading_makes_no_database() {
    let home = Home::new();
    let cache = SqliteCache::open(home.path().join("above/cache.db")).unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap(), []);
    assert_eq!(cache.delete_damaged().await.unwrap(), 0);
    assert_eq!(files(home.path()), BTreeMap::new());
}

/// Apart from the index that all share who have the database open, and nobody keeps.
#[tokio::test]
async fn reading_changes_neither_the_database_nor_its_log() {
    let home = Home::new();
    put(&home.cache(), &key("a"), &entry("sealed")).await;
    let before = files(home.path());
    assert!(before.contains_key(&home.path().join("cache.db-wal")), "the log is there for who may only read");
    let cache = home.cache();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    drop(cache);
    assert_eq!(files(home.path()), before);
}

#[test]
fn without_a_runtime_everything_is_done_at_the_first_poll() {
    let home = Home::new();
    let cache = home.cache();
    let written = entry("sealed");
    assert_eq!(at_once(cache.swap(&key("a"), None, Some(&written))).unwrap(), Swap::Done);
    assert_eq!(at_once(cache.load(&key("a"))).unwrap(), Some(written));
    assert_eq!(at_once(cache.list(Kind::Credential)).unwrap().len(), 1);
}

#[tokio::test]
async fn a_relative_path_means_the_same_after_a_change_of_directory() {
    let cache = SqliteCache::open("relative/./cache.db").unwrap();
    let expected = std::env::current_dir().unwrap().join("relative/cache.db");
    assert_eq!(cache.path(), expected);
    assert_eq!(cache.to_string(), format!("sqlite:{}", expected.display()));
    assert_eq!(cache.rescue_dir(), expected.with_file_name("cache.db.rescue"));
}

/// A service goes on for months. Its connection would go on with a file that has no name any more.
#[tokio::test]
async fn a_database_that_was_deleted_or_replaced_is_not_used_any_more() {
    let home = Home::new();
    let service = home.cache();
    let (old, new) = (entry("old"), entry("new"));
    put(&service, &key("a"), &old).await;
    assert_eq!(service.load(&key("a")).await.unwrap(), Some(old.clone()));
    fs::remove_file(home.database()).unwrap();
    assert_eq!(service.load(&key("a")).await.unwrap(), None);
    assert_eq!(service.list(Kind::Credential).await.unwrap(), []);
    put(&service, &key("a"), &new).await;
    assert_eq!(home.cache().load(&key("a")).await.unwrap(), Some(new.clone()));
    assert_eq!(service.load(&key("a")).await.unwrap(), Some(new.clone()));

    let other = Home::new();
    put(&other.cache(), &key("a"), &old).await;
    checkpoint(&other);
    for left in ["cache.db-wal", "cache.db-shm"] {
        fs::remove_file(home.path().join(left)).unwrap();
    }
    fs::rename(other.database(), home.database()).unwrap();
    assert_eq!(service.load(&key("a")).await.unwrap(), Some(old.clone()));
    assert_eq!(service.swap(&key("a"), Some(&old.version), Some(&new)).await.unwrap(), Swap::Done);
    assert_eq!(home.cache().load(&key("a")).await.unwrap(), Some(new));
}

/// A service with a thousand callers has few connections, and everybody gets a turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_share_few_connections() {
    let home = Home::new();
    let (cache, written) = (home.cache(), entry("sealed"));
    put(&cache, &key("a"), &written).await;
    let readers: Vec<_> = (0..500)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.load(&key("a")).await.unwrap() })
        })
        .collect();
    let mut most = 0;
    while readers.iter().any(|reader| !reader.is_finished()) {
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let ours = open.filter(|file| {
            file.as_ref()
                .is_ok_and(|file| fs::read_link(file.path()).is_ok_and(|path| path == home.database()))
        });
        most = most.max(ours.count());
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap().as_ref(), Some(&written));
    }
    // Four to read, and the writer's.
    assert!((1..=5).contains(&most), "{most} connections at once");
}

/// What lies beside one database is no other's.
#[tokio::test]
async fn two_databases_in_one_directory_share_nothing() {
    let home = Home::new();
    let one = home.cache();
    let other = SqliteCache::open(home.path().join("other.db")).unwrap();
    put(&one, &key("a"), &entry("one")).await;
    assert_eq!(other.load(&key("a")).await.unwrap(), None);
    let owner = token_core::Owner::random();
    for cache in [&one, &other] {
        let lease = cache.try_lease(&key("a"), &owner, std::time::Duration::ZERO).await.unwrap();
        assert!(matches!(lease, token_core::TryLease::Granted(_)));
        // It stays held: a lease is dropped where its holder ends.
        std::mem::forget(lease);
    }
    assert_ne!(one.rescue_dir(), other.rescue_dir());
}

fn checkpoint(home: &Home) {
    let connection = home.connection();
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0);
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for somebody"),
    }
}

/// Everything there is, but what is in the shared index.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let shared = path.extension().is_some_and(|extension| extension == "db-shm");
        let content = match path.is_dir() {
            true => {
                found.extend(files(&path));
                Vec::new()
            }
            false if shared => Vec::new(),
            false => fs::read(&path).unwrap(),
        };
        found.insert(path, content);
    }
    found
}
