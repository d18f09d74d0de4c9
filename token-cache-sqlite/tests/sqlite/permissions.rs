//! Who may do what, and which files and directories are refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use token_cache_sqlite::SqliteCache;
use token_core::{CacheErrorKind, Entry, Kind, Owner, TokenCache};

use crate::{Home, again, assert_fails, entry, key, put, run_again, text};

const NOBODY: u32 = 65534;
const DATABASE: &str = "TOKEN_CACHE_SQLITE_TEST_DATABASE";

#[tokio::test]
async fn everything_is_for_its_owner_alone() {
    let home = Home::new();
    let directory = home.path().join("above/cache");
    let cache = SqliteCache::open(directory.join("cache.db")).unwrap();
    put(&cache, &key("a"), &entry("sealed")).await;
    drop(cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap());
    let lease = format!("cache.db.lock/{}", key("a"));
    let expected = [
        ("..", 0o700),
        ("", 0o700),
        ("cache.db", 0o600),
        ("cache.db-wal", 0o600),
        ("cache.db-shm", 0o600),
        ("cache.db.lock", 0o700),
        (&lease, 0o600),
    ];
    for (name, expected) in expected {
        assert_eq!(mode(&directory.join(name)), expected, "{name}");
    }
}

/// No file is ever open to others, not even before it gets its first byte: with the widest umask, by the system's own
/// record of what was opened with which mode.
#[test]
fn files_are_private_from_the_first_byte() {
    let home = Home::new();
    let record = home.path().join("opened");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-qq", "-e", "trace=openat,open,mkdir,mkdirat,chmod,fchmod,fchmodat", "-o"])
        .arg(&record);
    command.args(["sh", "-c", "umask 0; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    command.args(again("permissions::somebody_who_writes").get_args());
    command.env(DATABASE, home.path().join("cache/cache.db"));
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: strace is not installed; `everything_is_for_its_owner_alone` sees the end of it");
        return;
    }
    run_again(&mut command);
    let record = fs::read_to_string(record).unwrap();
    let made: Vec<_> = record
        .lines()
        .filter(|line| line.contains("/cache") && (line.contains("O_CREAT") || !line.contains("open")))
        .collect();
    assert!(made.iter().any(|line| line.contains("cache.db-wal")), "{record}");
    for line in &made {
        assert!(line.contains("0600") || line.contains("0700"), "{line}");
    }
}

#[tokio::test]
#[ignore = "in a process of its own"]
async fn somebody_who_writes() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let cache = SqliteCache::open(database).unwrap();
    put(&cache, &key("a"), &entry("sealed")).await;
    put(&cache, &key("a"), &entry(vec![7; 100_000])).await;
    drop(cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap());
}

#[tokio::test]
async fn a_directory_that_is_open_to_others_is_refused() {
    let home = Home::new();
    fs::set_permissions(home.path(), Permissions::from_mode(0o750)).unwrap();
    let error = refused(&home.database());
    assert!(error.contains(&format!("run `chmod 700 {}`", home.path().display())), "{error}");
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    home.cache();
}

#[tokio::test]
async fn a_file_that_is_open_to_others_is_refused() {
    let home = Home::new();
    let cache = home.cache();
    put(&cache, &key("a"), &entry("sealed")).await;
    for open in [0o644, 0o660, 0o602] {
        fs::set_permissions(home.database(), Permissions::from_mode(open)).unwrap();
        let error = refused(&home.database());
        assert!(error.contains(&format!("run `chmod 600 {}`", home.database().display())), "{error}");
        assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &home, "open to other users");
    }
    fs::set_permissions(home.database(), Permissions::from_mode(0o600)).unwrap();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_somebody_elses_is_refused() {
    if !is_root() {
        // Only root can give anything away; everybody else knows something that is root's.
        assert!(refused(Path::new("/etc/passwd")).contains("belongs to user 0"));
        return;
    }
    let home = Home::new();
    put(&home.cache(), &key("a"), &entry("sealed")).await;
    for path in [&home.database(), home.path()] {
        chown(path, Some(NOBODY), None).unwrap();
        assert!(refused(&home.database()).contains(&format!("belongs to user {NOBODY}")));
        chown(path, Some(0), None).unwrap();
    }
}

/// The log and the locks are found by the database's name.
#[tokio::test]
async fn another_name_for_the_database_is_refused() {
    let home = Home::new();
    put(&home.cache(), &key("a"), &entry("sealed")).await;
    let link = home.path().join("link.db");
    symlink(home.database(), &link).unwrap();
    assert!(refused(&link).contains("is a symbolic link"));
    fs::remove_file(&link).unwrap();
    symlink(home.path().join("nowhere"), &link).unwrap();
    assert!(refused(&link).contains("is a symbolic link"));
    fs::remove_file(&link).unwrap();
    fs::hard_link(home.database(), &link).unwrap();
    assert!(refused(&link).contains("has another name"));
    assert!(refused(&home.database()).contains("has another name"));
    fs::remove_file(&link).unwrap();
    home.cache();

    let directory = home.path().join("directory");
    symlink(home.path(), &directory).unwrap();
    assert!(refused(&directory.join("cache.db")).contains("is a symbolic link"));
    fs::create_dir(home.path().join("really")).unwrap();
    assert!(refused(&home.path().join("really")).contains("is not a file"));
}

/// A directory that may not be written, with the log that every writer leaves behind, and without: as a copy of the
/// database alone.
#[tokio::test]
async fn a_read_only_directory_serves_hits_and_denies_writes() {
    if as_nobody("permissions::a_read_only_directory_serves_hits_and_denies_writes") {
        return;
    }
    for copied in [false, true] {
        let home = Home::new();
        let written = entry("sealed");
        put(&home.cache(), &key("a"), &written).await;
        if copied {
            copy_alone(&home);
        }
        let locks = home.path().join("cache.db.lock");
        for directory in [home.path(), &locks] {
            fs::set_permissions(directory, Permissions::from_mode(0o500)).unwrap();
        }
        fs::set_permissions(home.database(), Permissions::from_mode(0o400)).unwrap();
        for beside in ["cache.db-wal", "cache.db-shm"] {
            if home.path().join(beside).exists() {
                fs::set_permissions(home.path().join(beside), Permissions::from_mode(0o400)).unwrap();
            }
        }
        assert_reads_only(&home, &written).await;
        for directory in [home.path(), &locks] {
            fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
        }
    }
}

/// A log whose index is gone and cannot be made again: what is in the database alone would be the past.
#[tokio::test]
async fn a_log_that_cannot_be_read_is_not_passed_over() {
    if as_nobody("permissions::a_log_that_cannot_be_read_is_not_passed_over") {
        return;
    }
    let home = Home::new();
    let written = entry("in the log");
    put(&home.cache(), &key("a"), &written).await;
    fs::remove_file(home.path().join("cache.db-shm")).unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o500)).unwrap();
    let loaded = home.cache().load(&key("a")).await;
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    if let Ok(loaded) = loaded {
        assert_eq!(loaded, Some(written));
    }
}

/// A handle may be older than its directory, and whoever made that may not be us.
#[tokio::test]
async fn a_directory_that_came_later_is_looked_at_before_anything_is_read() {
    let (home, other) = (Home::new(), Home::new());
    let later = home.path().join("later");
    let cache = SqliteCache::open(later.join("cache.db")).unwrap();
    put(&other.cache(), &key("a"), &entry("sealed")).await;
    fs::create_dir(&later).unwrap();
    fs::copy(other.database(), later.join("cache.db")).unwrap();
    fs::set_permissions(later.join("cache.db"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&later, Permissions::from_mode(0o755)).unwrap();
    let error = cache.load(&key("a")).await.expect_err("the directory is open to others");
    assert_eq!(error.kind(), CacheErrorKind::Unsuitable, "{}", text(&error));
    fs::set_permissions(&later, Permissions::from_mode(0o700)).unwrap();
    cache.load(&key("a")).await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_serves_hits_and_denies_writes() {
    if as_nobody("permissions::a_read_only_file_serves_hits_and_denies_writes") {
        return;
    }
    let home = Home::new();
    let written = entry("sealed");
    put(&home.cache(), &key("a"), &written).await;
    fs::set_permissions(home.database(), Permissions::from_mode(0o400)).unwrap();
    let cache = home.cache();
    assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&written));
    let swap = cache.swap(&key("a"), Some(&written.version), Some(&entry("next"))).await;
    assert_fails(swap, CacheErrorKind::Denied, &home, "cannot be written");
    assert_eq!(cache.load(&key("a")).await.unwrap(), Some(written));
}

/// A disk that is mounted to be read, while another mount of it is written to.
#[tokio::test]
async fn a_read_only_disk_serves_hits_and_sees_what_others_write() {
    let (home, other) = (Home::new(), Home::new());
    let written = entry("sealed");
    put(&home.cache(), &key("a"), &written).await;
    let Some(_disk) = ReadOnly::mount(home.path(), other.path()) else {
        eprintln!("SKIPPED: only root may mount a disk; a read-only directory is tested for everybody");
        return;
    };
    // Nobody has it open, in a process of its own.
    let mut reader = again("permissions::somebody_who_reads");
    run_again(reader.env(DATABASE, other.database()).env("EXPECTED", "sealed"));
    assert_reads_only(&other, &written).await;
    let next = entry("next");
    let writer = home.cache();
    put(&writer, &key("a"), &next).await;
    let mut reader = again("permissions::somebody_who_reads");
    run_again(reader.env(DATABASE, other.database()).env("EXPECTED", "next"));
    drop(writer);
    // A copy of the database alone.
    copy_alone(&home);
    let mut reader = again("permissions::somebody_who_reads");
    run_again(reader.env(DATABASE, other.database()).env("EXPECTED", "next"));
}

#[tokio::test]
#[ignore = "in a process of its own"]
async fn somebody_who_reads() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let cache = SqliteCache::open(database).unwrap();
    let expected = std::env::var("EXPECTED").unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap().unwrap().body, expected.as_bytes());
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_unreadable_database_is_denied_and_not_missing() {
    if as_nobody("permissions::an_unreadable_database_is_denied_and_not_missing") {
        return;
    }
    let home = Home::new();
    put(&home.cache(), &key("a"), &entry("sealed")).await;
    fs::set_permissions(home.database(), Permissions::from_mode(0o000)).unwrap();
    let cache = home.cache();
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Denied, &home, "Permission denied");
    let swap = cache.swap(&key("a"), None, Some(&entry("next"))).await;
    assert_fails(swap, CacheErrorKind::Denied, &home, "Permission denied");
}

async fn assert_reads_only(home: &Home, written: &Entry) {
    let cache = home.cache();
    assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(written));
    assert_eq!(cache.load(&key("b")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    let swap = cache.swap(&key("a"), Some(&written.version), Some(&entry("next"))).await;
    assert_fails(swap, CacheErrorKind::Denied, home, "");
    let lease = cache.try_lease(&key("b"), &Owner::random(), Duration::ZERO).await;
    assert_fails(lease, CacheErrorKind::Denied, home, "");
    assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(written));
}

/// Leaves the database without its log.
fn copy_alone(home: &Home) {
    let log: i64 =
        home.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(log, 0);
    let copy = home.path().join("copy");
    fs::copy(home.database(), &copy).unwrap();
    fs::rename(copy, home.database()).unwrap();
    for beside in ["cache.db-wal", "cache.db-shm"] {
        drop(fs::remove_file(home.path().join(beside)));
    }
}

/// The same directory once more, to be read only, until it is dropped.
struct ReadOnly<'a>(&'a Path);

impl<'a> ReadOnly<'a> {
    fn mount(from: &Path, to: &'a Path) -> Option<Self> {
        let run = |arguments: &[&str], paths: &[&Path]| {
            let mut mount = Command::new("mount");
            mount
                .args(arguments)
                .args(paths)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        if !run(&["--bind"], &[from, to]) {
            return None;
        }
        let mounted = Self(to);
        run(&["-o", "remount,bind,ro"], &[to]).then_some(mounted)
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

/// What opening a database says that is refused.
fn refused(path: &Path) -> String {
    let error = SqliteCache::open(path).expect_err("the database is refused");
    assert_eq!(error.kind(), CacheErrorKind::Unsuitable, "{}", text(&error));
    text(&error)
}

/// Root may do everything, so where we are root the test runs once more as nobody, and that is the test.
fn as_nobody(test: &str) -> bool {
    if is_root() {
        run_again(again(test).uid(NOBODY).gid(NOBODY).env("TMPDIR", "/tmp"));
    }
    is_root()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}
