//! What a `load` costs in a service, beside the same SELECT on a blocking thread, and among many entries:
//! `cargo bench -p token-cache-sqlite`. With `copy DATABASE N` it only fills a database, for `cargo xtask bench`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, prints, and stops where it cannot"
)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags};
use token_cache_sqlite::SqliteCache;
use token_core::{Entry, Key, Kind, Swap, TokenCache, Version};
use token_testkit::{median, median_ratio, rate};

/// How many entries the small and the large database hold.
const ENTRIES: [usize; 2] = [10, 100_000];

/// Loads in a run, and runs of each kind, which take turns.
const LOADS: usize = 4_000;
const RUNS: usize = 31;

/// A load is at least this much as fast as the statement, and as flat among many entries.
const RATE: f64 = 0.8;
const GROWTH: f64 = 0.10;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["copy", database, copies, ..] => {
            copy(Path::new(database), copies.parse().unwrap());
            ExitCode::SUCCESS
        }
        arguments if arguments.contains(&"--bench") => measure().await,
        // `cargo test --all-targets` runs it too, and has nothing to measure.
        _ => ExitCode::SUCCESS,
    }
}

async fn measure() -> ExitCode {
    // A cache wants a directory that is private, whatever the umask says.
    let home = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let paths = ENTRIES.map(|entries| home.path().join(format!("{entries}.db")));
    let mut opened = Vec::new();
    for (path, entries) in paths.into_iter().zip(ENTRIES) {
        let cache = SqliteCache::open(&path).unwrap();
        // The size of a sealed access token.
        let entry = Entry { version: Version::random(), body: vec![7; 2048], discard_after: None };
        assert_eq!(cache.swap(&key(), None, Some(&entry)).await.unwrap(), Swap::Done);
        copy(&path, entries - 1);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).unwrap();
        opened.push((cache, Arc::new(Mutex::new(connection))));
    }
    let [small, large] = opened.as_slice() else { return ExitCode::FAILURE };
    let mut missed = false;
    for in_flight in [1, 64] {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            let cases = [
                rate(LOADS, in_flight, &small.1, statement).await,
                rate(LOADS, in_flight, &small.0, load).await,
                rate(LOADS, in_flight, &large.0, load).await,
            ];
            for (rates, rate) in rates.iter_mut().zip(cases) {
                rates.push(rate);
            }
        }
        let ratio = median_ratio(&rates[1], &rates[0]);
        let growth = median_ratio(&rates[1], &rates[2]) - 1.0;
        let [statement, small, large] = rates.map(median);
        println!(
            "{in_flight:>2} in flight: SELECT {statement:>6.0}/s  load {small:>6.0}/s  among {} {large:>6.0}/s",
            ENTRIES[1]
        );
        println!(
            "   load against SELECT {ratio:.2} (at least {RATE})   large against small {:+.1} % (±{:.0} %)",
            growth * 100.0,
            GROWTH * 100.0
        );
        missed |= ratio < RATE || growth.abs() > GROWTH;
    }
    ExitCode::from(u8::from(missed))
}

async fn load(cache: SqliteCache) {
    assert!(cache.load(&key()).await.unwrap().is_some());
}

/// What a load is made of, without everything that makes it a cache.
async fn statement(connection: Arc<Mutex<Connection>>) {
    let name = key().to_string();
    let select = move || {
        let connection = connection.lock().unwrap();
        let mut statement = connection
            .prepare_cached("SELECT version, discard_after, body, checksum FROM entry WHERE key = ?1")
            .unwrap();
        let row = |row: &rusqlite::Row<'_>| row.get::<_, Vec<u8>>(2);
        statement.query_row([name], row).unwrap()
    };
    assert!(!tokio::task::spawn_blocking(select).await.unwrap().is_empty());
}

/// Copies the row of the access token under names that nobody asks for.
fn copy(database: &Path, copies: usize) {
    let mut connection = Connection::open(database).unwrap();
    let transaction = connection.transaction().unwrap();
    let original: String = transaction
        .query_row("SELECT key FROM entry WHERE key LIKE 'access-%'", [], |row| row.get(0))
        .unwrap();
    for number in 0..copies {
        let copy =
            "INSERT INTO entry SELECT ?1, version, discard_after, body, checksum FROM entry WHERE key = ?2";
        let other = Key::new(Kind::AccessToken, &["a copy", &number.to_string()]).to_string();
        assert_eq!(transaction.prepare_cached(copy).unwrap().execute([&other, &original]).unwrap(), 1);
    }
    transaction.commit().unwrap();
}

fn key() -> Key {
    Key::new(Kind::AccessToken, &["a"])
}
