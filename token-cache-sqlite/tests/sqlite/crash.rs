//! Writers that do not get to the end: killed, or out of room.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use token_cache_sqlite::SqliteCache;
use token_core::{CacheErrorKind, Kind, Owner, Swap, TokenCache, TryLease, Version};

use crate::{Home, again, assert_fails, entry, key, put, run_again, text};

const DATABASE: &str = "TOKEN_CACHE_SQLITE_TEST_DATABASE";

/// Kills a writer two hundred times, wherever it happens to be: what it was told is stored is there, whole, or
/// something later is; the lease that it held is free; and the database is sound.
#[tokio::test]
async fn a_killed_writer_leaves_the_old_entry_or_the_new() {
    let home = Home::new();
    let cache = home.cache();
    put(&cache, &key("a"), &numbered(0)).await;
    for kill in 0..200 {
        let mut writer =
            again("crash::a_writer").env(DATABASE, home.database()).stdout(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut stored = told.find_map(|line| number_told(&line)).expect("the writer has begun");
        tokio::time::sleep(random_moment()).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        // What it still told before its end is in the pipe.
        stored = told.filter_map(|line| number_told(&line)).last().unwrap_or(stored);

        // Another process would find the same: a handle that has nothing open yet.
        let cache = home.cache();
        let entry =
            cache.load(&key("a")).await.unwrap_or_else(|error| panic!("kill {kill}: {}", text(&error)));
        let entry = entry.unwrap();
        let number = u64::from_be_bytes(entry.body[..8].try_into().unwrap());
        assert!(
            number == stored || number == stored + 1,
            "kill {kill}: {number} is there, {stored} was stored"
        );
        assert_eq!(entry.body, numbered(number).body, "kill {kill}: the entry is torn");
        let listed = cache.list(Kind::Credential).await.unwrap();
        assert!(listed.len() == 1 && listed[0].version.is_some(), "kill {kill}: {listed:?}");
        let lease = cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap();
        let TryLease::Granted(lease) = lease else { panic!("kill {kill}: the lease is held by the dead") };
        cache.release(lease).await.unwrap();
    }
    assert_sound(&home);
}

/// Kills the one who makes the database: there is none, or a whole one.
#[tokio::test]
async fn a_killed_maker_leaves_no_database_or_a_whole_one() {
    for kill in 0..20 {
        let home = Home::new();
        put_in_an_empty_database(&home);
        fs::remove_file(home.database()).unwrap();
        let mut maker =
            again("crash::a_maker").env(DATABASE, home.database()).stdout(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(maker.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(told.into_iter().any(|line| line == "makes"), "the maker has begun");
        tokio::time::sleep(random_moment() / 2).await;
        maker.kill().unwrap();
        maker.wait().unwrap();
        let cache = home.cache();
        let there =
            cache.load(&key("a")).await.unwrap_or_else(|error| panic!("kill {kill}: {}", text(&error)));
        assert!(there.is_none_or(|entry| entry.body == b"made"), "kill {kill}");
        put(&cache, &key("a"), &entry("next")).await;
        assert_sound(&home);
    }
}

/// By the system's own record: the database is on the disk before it has its name, its name before anybody is told of
/// it, and every commit before it is acknowledged.
#[test]
fn what_is_acknowledged_was_synced_before() {
    let home = Home::new();
    let record = home.path().join("synced");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2,write", "-o"]);
    command.arg(&record).arg(std::env::current_exe().unwrap());
    command.args(again("crash::somebody_who_is_told").get_args());
    command.env(DATABASE, home.path().join("cache/cache.db"));
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: strace is not installed");
        return;
    }
    run_again(&mut command);
    let record = fs::read_to_string(record).unwrap();
    let mut events = Vec::new();
    for line in record.lines() {
        let is_sync = line.contains("fsync(") || line.contains("fdatasync(");
        let event = match line {
            line if line.contains("rename") => "named",
            line if line.contains("write(1") && line.contains("told") => "told",
            line if is_sync && line.contains("cache.db.new>") => "new synced",
            line if is_sync && line.contains("cache.db-wal>") => "log synced",
            line if is_sync && line.contains("/cache>") => "directory synced",
            _ => continue,
        };
        if events.last() != Some(&event) {
            events.push(event);
        }
    }
    let named = events.iter().position(|event| *event == "named").expect("the database gets its name");
    assert_eq!(events[named - 1..=named + 1], ["new synced", "named", "directory synced"], "{record}");
    // A log that is new has its directory synced, too.
    let mut told: Vec<_> = events.split_off(named + 2);
    told.retain(|event| *event != "directory synced");
    told.dedup();
    assert_eq!(told, ["log synced", "told", "log synced", "told"], "{record}");
}

#[tokio::test]
#[ignore = "in a process of its own"]
async fn somebody_who_is_told() {
    let Some(database) = database() else { return };
    let cache = SqliteCache::open(database).unwrap();
    for body in ["first", "second"] {
        put(&cache, &key("a"), &entry(body)).await;
        io::stdout().write_all(b"\ntold\n").unwrap();
        io::stdout().flush().unwrap();
    }
}

/// So that a log of a former life is in the way, too.
fn put_in_an_empty_database(home: &Home) {
    run_again(again("crash::a_former_life").env(DATABASE, home.database()));
}

#[tokio::test]
#[ignore = "in a process of its own"]
async fn a_former_life() {
    let Some(database) = database() else { return };
    put(&SqliteCache::open(database).unwrap(), &key("a"), &entry("former")).await;
}

#[tokio::test]
#[ignore = "what is killed, in a process of its own"]
async fn a_maker() {
    let Some(database) = database() else { return };
    let cache = SqliteCache::open(database).unwrap();
    io::stdout().write_all(b"\nmakes\n").unwrap();
    put(&cache, &key("a"), &entry("made")).await;
    std::thread::sleep(Duration::from_secs(60));
}

#[tokio::test]
#[ignore = "what is killed, in a process of its own"]
async fn a_writer() {
    let Some(database) = database() else { return };
    let cache = SqliteCache::open(database).unwrap();
    let lease = cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap();
    assert!(matches!(lease, TryLease::Granted(_)));
    loop {
        let current = cache.load(&key("a")).await.unwrap().unwrap();
        let number = u64::from_be_bytes(current.body[..8].try_into().unwrap()) + 1;
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&numbered(number))).await.unwrap();
        assert_eq!(swap, Swap::Done);
        io::stdout().write_all(format!("\nstored {number}\n").as_bytes()).unwrap();
    }
}

/// On a disk of its own that is full, where one can be mounted; the other way to have no room is below.
#[tokio::test]
async fn on_a_full_disk_writes_are_full_and_hits_go_on() {
    let home = Home::new();
    let Some(_disk) = SmallDisk::mount(home.path()) else {
        eprintln!(
            "SKIPPED: only root may mount a disk to fill; `a_write_beyond_a_limit_…` runs for everybody"
        );
        return;
    };
    let cache = home.cache();
    let small = entry("small");
    put(&cache, &key("a"), &small).await;
    fill(&home.path().join("ballast"));
    for (key, expected) in [(key("a"), Some(&small)), (key("b"), None)] {
        let version = expected.map(|entry| entry.version);
        let swap = cache.swap(&key, version.as_ref(), Some(&entry(vec![7; 1 << 19]))).await;
        assert_fails(swap, CacheErrorKind::Full, &home, "no room left");
        assert_eq!(cache.load(&key).await.unwrap().as_ref(), expected);
    }
    // A process that comes now cannot make the index of the log, and reads all the same.
    drop(cache);
    fs::remove_file(home.path().join("cache.db-shm")).unwrap();
    fill(&home.path().join("more ballast"));
    run_again(again("crash::a_hit_on_a_full_disk").env(DATABASE, home.database()));
    for ballast in ["ballast", "more ballast"] {
        fs::remove_file(home.path().join(ballast)).unwrap();
    }
    put(&home.cache(), &key("a"), &entry("small again")).await;
    assert_sound(&home);
}

#[tokio::test]
#[ignore = "in a process of its own"]
async fn a_hit_on_a_full_disk() {
    let Some(database) = database() else { return };
    let cache = SqliteCache::open(database).unwrap();
    assert_eq!(cache.load(&key("a")).await.unwrap().unwrap().body, b"small");
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
}

/// What could not be made whole is made again by the next writer.
#[tokio::test]
async fn a_first_write_without_room_leaves_nothing_in_the_way() {
    let home = Home::new();
    let Some(_disk) = SmallDisk::mount(home.path()) else {
        eprintln!("SKIPPED: only root may mount a disk to fill");
        return;
    };
    fill(&home.path().join("ballast"));
    let cache = home.cache();
    let swap = cache.swap(&key("a"), None, Some(&entry("first"))).await;
    assert_eq!(swap.unwrap_err().kind(), CacheErrorKind::Full);
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    fs::remove_file(home.path().join("ballast")).unwrap();
    put(&cache, &key("a"), &entry("first")).await;
}

/// A limit of the file size stops a write in the middle, as a quota does, for every user.
#[test]
fn a_write_beyond_a_limit_fails_and_leaves_the_old_entry() {
    let home = Home::new();
    // Without the trap the kernel ends the process instead of the write.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command.args(again("crash::a_writer_without_room").get_args()).env(DATABASE, home.database());
    run_again(&mut command);
    assert_sound(&home);
}

#[tokio::test]
#[ignore = "it runs under a limit, in a process of its own"]
async fn a_writer_without_room() {
    let Some(database) = database() else { return };
    let cache = SqliteCache::open(&database).unwrap();
    let small = entry("small");
    put(&cache, &key("a"), &small).await;
    for (key, expected) in [(key("a"), Some(&small)), (key("b"), None)] {
        let large = entry(vec![0; 1 << 20]);
        let version = expected.map(|entry| entry.version);
        let error = cache.swap(&key, version.as_ref(), Some(&large)).await.expect_err("it does not fit");
        assert!(
            matches!(error.kind(), CacheErrorKind::Full | CacheErrorKind::Unavailable),
            "{}",
            text(&error)
        );
        assert_eq!(cache.load(&key).await.unwrap().as_ref(), expected);
    }
    put(&cache, &key("a"), &entry("small again")).await;
}

/// A disk of a few hundred pages, until it is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let options = "size=1m,mode=0700";
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "token-test"]).arg(path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: a handle may still have the database open.
        drop(Command::new("umount").arg("-l").arg(self.0).status());
    }
}

/// Writes until nothing more fits.
fn fill(ballast: &Path) {
    let mut file = fs::File::create_new(ballast).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}

/// By SQLite's own judgement.
fn assert_sound(home: &Home) {
    let sound: String =
        home.connection().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

fn numbered(number: u64) -> token_core::Entry {
    // Some pages, so that a kill may fall between them.
    let mut body = number.to_be_bytes().to_vec();
    body.resize(20_000, number as u8);
    entry(body)
}

fn number_told(line: &str) -> Option<u64> {
    line.strip_prefix("stored ")?.parse().ok()
}

/// Up to eight milliseconds.
fn random_moment() -> Duration {
    let [a, b, ..] = *Version::random().as_bytes();
    Duration::from_micros(u64::from(u16::from_be_bytes([a, b])) / 8)
}

fn database() -> Option<std::ffi::OsString> {
    std::env::var_os(DATABASE)
}
