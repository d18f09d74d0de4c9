//! Files that are not as the cache has left them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use token_cache_file::FileCache;
use token_core::{CacheErrorKind, Key, Kind, Listed, Swap, TokenCache};

use crate::{entry, home, key, text};

#[tokio::test]
async fn an_entry_cut_short_anywhere_is_corrupt() {
    let (home, cache) = stored().await;
    let path = home.path().join(key("a").to_string());
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_corrupt(&cache, &format!("cut to {length} bytes")).await;
    }
    fs::write(&path, &whole).unwrap();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn an_entry_altered_anywhere_is_corrupt() {
    let (home, cache) = stored().await;
    let path = home.path().join(key("a").to_string());
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut altered = whole.clone();
            altered[position] ^= flip;
            fs::write(&path, &altered).unwrap();
            assert_corrupt(&cache, &format!("altered at byte {position}")).await;
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_corrupt_and_is_set_aside() {
    let (home, cache) = stored().await;
    let path = home.path().join(key("a").to_string());
    let target = home.path().join("target");
    fs::rename(&path, &target).unwrap();
    let makers: [fn(&Path, &Path); 3] = [
        |path, target| symlink(target, path).unwrap(),
        |path, _| fs::create_dir(path).unwrap(),
        |path, _| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        },
    ];
    for (made, make) in makers.into_iter().enumerate() {
        make(&path, &target);
        assert_corrupt(&cache, &format!("case {made}")).await;
        let next = entry("next");
        assert_eq!(cache.swap(&key("a"), None, Some(&next)).await.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&next));
        assert_eq!(cache.swap(&key("a"), Some(&next.version), None).await.unwrap(), Swap::Done);
    }
    assert!(target.exists(), "a link's target is left alone");
    assert_eq!(cache.delete_damaged().await.unwrap(), 3);
    assert_eq!(cache.delete_damaged().await.unwrap(), 0);
}

#[tokio::test]
async fn broken_bytes_are_kept_until_they_are_deleted() {
    let (home, cache) = stored().await;
    for broken in ["one", "two"] {
        fs::write(home.path().join(key("a").to_string()), broken).unwrap();
        assert_eq!(cache.swap(&key("a"), None, Some(&entry("next"))).await.unwrap(), Swap::Done);
    }
    let aside = fs::read_dir(home.path().join("damaged")).unwrap();
    let mut kept: Vec<_> = aside.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["one", "two"]);
    assert_eq!(cache.delete_damaged().await.unwrap(), 2);
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn purge_sets_damaged_access_tokens_aside_and_no_credential() {
    let (home, cache) = stored().await;
    let token = Key::new(Kind::AccessToken, &["a"]);
    for key in [&token, &key("a")] {
        fs::write(home.path().join(key.to_string()), "broken").unwrap();
    }
    let purged = token_core::purge(&cache, 0).await.unwrap();
    assert_eq!((purged.expired, purged.damaged), (0, 1));
    assert_eq!(cache.load(&token).await.unwrap(), None);
    assert_corrupt(&cache, "after a purge").await;
}

#[tokio::test]
async fn foreign_files_are_not_listed() {
    let (home, cache) = stored().await;
    let name = key("a").to_string();
    for foreign in ["README", &name.to_uppercase(), &format!("{name}~"), &format!(".{name}"), "credential-"] {
        fs::write(home.path().join(foreign), "foreign").unwrap();
    }
    let version = cache.load(&key("a")).await.unwrap().unwrap().version;
    let expected = Listed { key: key("a"), version: Some(version), discard_after: None };
    assert_eq!(cache.list(Kind::Credential).await.unwrap(), [expected]);
}

async fn stored() -> (tempfile::TempDir, FileCache) {
    let home = home();
    let cache = FileCache::open(home.path()).unwrap();
    assert_eq!(cache.swap(&key("a"), None, Some(&entry("sealed"))).await.unwrap(), Swap::Done);
    (home, cache)
}

async fn assert_corrupt(cache: &FileCache, case: &str) {
    let error = cache.load(&key("a")).await.expect_err(case);
    assert_eq!(error.kind(), CacheErrorKind::Corrupt, "{case}: {}", text(&error));
    assert!(text(&error).contains(&format!("{}/{}", cache.path().display(), key("a"))), "{}", text(&error));
    let listed = cache.list(Kind::Credential).await.unwrap();
    assert_eq!(listed, [Listed { key: key("a"), version: None, discard_after: None }], "{case}");
}
