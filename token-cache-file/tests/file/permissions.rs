//! Who may do what, and which directories are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use token_cache_file::FileCache;
use token_core::{CacheError, CacheErrorKind, Kind, Owner, Swap, TokenCache};

use crate::{again, entry, home, key, put, text};

const NOBODY: u32 = 65534;

#[tokio::test]
async fn everything_is_for_its_owner_alone() {
    let home = home();
    let directory = home.path().join("above/cache");
    let cache = FileCache::open(&directory).unwrap();
    put(&cache, &key("a"), &entry("sealed")).await;
    fs::write(directory.join(key("b").to_string()), "broken").unwrap();
    assert_eq!(cache.swap(&key("b"), None, None).await.unwrap(), Swap::Done);
    drop(cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap());
    assert_eq!(mode(&home.path().join("above")), 0o700);
    assert_eq!(mode(&directory), 0o700);
    for (name, expected) in [("lock", 0o700), ("staging", 0o700), ("damaged", 0o700), ("lock/write", 0o600)] {
        assert_eq!(mode(&directory.join(name)), expected, "{name}");
    }
    let name = key("a").to_string();
    assert_eq!(mode(&directory.join(&name)), 0o600);
    assert_eq!(mode(&directory.join("lock").join(&name)), 0o600);
}

#[test]
fn a_directory_that_is_open_to_others_is_refused() {
    let home = home();
    for open in [0o755, 0o750, 0o701, 0o720, 0o777] {
        fs::set_permissions(home.path(), Permissions::from_mode(open)).unwrap();
        let error = refused(home.path());
        assert!(error.contains(&format!("(mode {open:04o})")), "{error}");
        assert!(error.contains(&format!("run `chmod 700 {}`", home.path().display())), "{error}");
    }
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    FileCache::open(home.path()).unwrap();
}

#[test]
fn a_foreign_directory_is_refused() {
    let home = home();
    // Only root can give a directory away; everybody else knows one that is root's.
    let foreign = if is_root() {
        chown(home.path(), Some(NOBODY), None).unwrap();
        home.path()
    } else {
        Path::new("/")
    };
    let error = refused(foreign);
    assert!(error.contains(&format!("belongs to user {}", if is_root() { NOBODY } else { 0 })), "{error}");
}

#[test]
fn a_symbolic_link_or_a_file_is_refused() {
    let home = home();
    fs::create_dir(home.path().join("target")).unwrap();
    fs::set_permissions(home.path().join("target"), Permissions::from_mode(0o700)).unwrap();
    let link = home.path().join("link");
    symlink(home.path().join("target"), &link).unwrap();
    // A slash at the end makes the system follow a link.
    for path in [link.clone(), link.join(""), link.join(".")] {
        assert!(refused(&path).contains("is a symbolic link"), "{}", path.display());
    }
    FileCache::open(link.join("../target")).unwrap();
    symlink(home.path().join("nowhere"), home.path().join("dangling")).unwrap();
    assert!(refused(&home.path().join("dangling")).contains("is a symbolic link"));
    fs::write(home.path().join("file"), "").unwrap();
    assert!(refused(&home.path().join("file")).contains("is not a directory"));
}

#[tokio::test]
async fn a_directory_that_came_later_is_looked_at_too() {
    let home = home();
    let directory = home.path().join("cache");
    let cache = FileCache::open(&directory).unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    let unsuitable =
        |error: CacheError| assert_eq!(error.kind(), CacheErrorKind::Unsuitable, "{}", text(&error));
    unsuitable(cache.load(&key("a")).await.unwrap_err());
    unsuitable(cache.swap(&key("a"), None, Some(&entry("sealed"))).await.unwrap_err());
    unsuitable(cache.list(Kind::Credential).await.unwrap_err());
    unsuitable(cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap_err());
}

#[tokio::test]
async fn a_read_only_directory_serves_hits_and_denies_writes() {
    if as_nobody("permissions::a_read_only_directory_serves_hits_and_denies_writes") {
        return;
    }
    let home = home();
    let written = entry("sealed");
    put(&FileCache::open(home.path()).unwrap(), &key("a"), &written).await;
    let all = ["", "lock", "staging"].map(|name| home.path().join(name));
    for directory in &all {
        fs::set_permissions(directory, Permissions::from_mode(0o500)).unwrap();
    }
    let cache = FileCache::open(home.path()).unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&written));
    assert_eq!(cache.load(&key("b")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    let denied = |error: CacheError| {
        assert_eq!(error.kind(), CacheErrorKind::Denied, "{}", text(&error));
        assert!(text(&error).contains(&format!("{}/", home.path().display())), "{}", text(&error));
    };
    denied(cache.swap(&key("a"), Some(&written.version), Some(&entry("next"))).await.unwrap_err());
    denied(cache.swap(&key("a"), Some(&written.version), None).await.unwrap_err());
    denied(cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap_err());
    assert_eq!(cache.load(&key("a")).await.unwrap(), Some(written));
    for directory in &all {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
    }
}

#[tokio::test]
async fn an_unreadable_entry_is_denied_and_not_missing() {
    if as_nobody("permissions::an_unreadable_entry_is_denied_and_not_missing") {
        return;
    }
    let home = home();
    let cache = FileCache::open(home.path()).unwrap();
    put(&cache, &key("a"), &entry("sealed")).await;
    fs::set_permissions(home.path().join(key("a").to_string()), Permissions::from_mode(0o000)).unwrap();
    for error in [
        cache.load(&key("a")).await.unwrap_err(),
        cache.swap(&key("a"), None, Some(&entry("next"))).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), CacheErrorKind::Denied, "{}", text(&error));
    }
}

/// What opening a directory says that is refused.
fn refused(path: &Path) -> String {
    let error = FileCache::open(path).expect_err("the directory is refused");
    assert_eq!(error.kind(), CacheErrorKind::Unsuitable, "{}", text(&error));
    text(&error)
}

/// Root may do everything, so where we are root the test runs once more as nobody, and that is the test.
fn as_nobody(test: &str) -> bool {
    if is_root() {
        let output = again(test).uid(NOBODY).gid(NOBODY).env("TMPDIR", "/tmp").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "as nobody:\n{text}");
    }
    is_root()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}
