//! What a hit costs: it writes nothing, waits for nobody, and needs no runtime.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use token_cache_file::FileCache;
use token_core::{HostLock, Kind, Swap, TokenCache};

use crate::{entry, home, key, put};

#[tokio::test]
async fn reading_writes_nothing() {
    let home = home();
    let directory = home.path().join("cache");
    let cache = FileCache::open(&directory).unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap(), []);
    assert_eq!(cache.delete_damaged().await.unwrap(), 0);
    assert_eq!(files(home.path()), BTreeSet::new());

    put(&cache, &key("a"), &entry("sealed")).await;
    // As an entry that was copied here: without what writers leave beside it.
    for beside in ["lock", "staging"] {
        fs::remove_dir_all(directory.join(beside)).unwrap();
    }
    let before = files(home.path());
    let cache = FileCache::open(&directory).unwrap();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    assert_eq!(files(home.path()), before);
}

#[tokio::test]
async fn reading_waits_for_no_lock() {
    let home = home();
    let cache = FileCache::open(home.path()).unwrap();
    put(&cache, &key("a"), &entry("sealed")).await;
    let name = key("a").to_string();
    let write = HostLock::try_acquire(&home.path().join("lock/write")).unwrap();
    let lease = HostLock::try_acquire(&home.path().join("lock").join(name)).unwrap();
    assert!(write.is_some() && lease.is_some());
    assert!(cache.load(&key("a")).await.unwrap().is_some());
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
}

#[test]
fn without_a_runtime_everything_is_done_at_the_first_poll() {
    let home = home();
    let cache = FileCache::open(home.path().join("cache")).unwrap();
    let written = entry("sealed");
    assert_eq!(at_once(cache.swap(&key("a"), None, Some(&written))).unwrap(), Swap::Done);
    assert_eq!(at_once(cache.load(&key("a"))).unwrap(), Some(written));
    assert_eq!(at_once(cache.list(Kind::Credential)).unwrap().len(), 1);
}

#[tokio::test]
async fn a_relative_path_means_the_same_after_a_change_of_directory() {
    let cache = FileCache::open("relative/./cache/").unwrap();
    let expected = std::env::current_dir().unwrap().join("relative/cache");
    assert_eq!(cache.path(), expected);
    assert_eq!(cache.to_string(), format!("file:{}", expected.display()));
    assert_eq!(cache.rescue_dir(), expected.join("rescue"));
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for somebody"),
    }
}

fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        }
        found.insert(path);
    }
    found
}
