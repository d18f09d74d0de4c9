//! What a `load` costs in a service, beside the same SELECT on a blocking thread, and among many entries:
//! `cargo bench -p token-cache-sqlite`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, prints, and stops where it cannot"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use token_cache_sqlite::SqliteCache;
use token_core::{Clock as _, Entry, Key, Kind, SystemClock, TokenCache, Version};

/// How many entries the small and the large database hold.
const ENTRIES: [usize; 2] = [10, 100_000];

/// Loads in a run, and runs of each kind, which take turns.
const LOADS: usize = 4_000;
const RUNS: usize = 31;

/// A load is at least this much as fast as the statement, and as flat among many entries.
const RATE: f64 = 0.8;
const GROWTH: f64 = 0.10;

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let [small, large] = ENTRIES.map(|entries| {
        let path = home.path().join(format!("{entries}.db"));
        let cache = SqliteCache::open(&path).unwrap();
        fill(&cache, &path, entries);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).unwrap();
        (cache, Arc::new(Mutex::new(connection)))
    });
    let mut missed = false;
    for in_flight in [1, 64] {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..RUNS {
            // Neighbours in time are compared, since the machine does other things, too.
            let cases = [
                rate(in_flight, &small.1, statement).await,
                rate(in_flight, &small.0, load).await,
                rate(in_flight, &large.0, load).await,
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
    assert!(!missed, "limits were missed");
}

async fn load(cache: SqliteCache) {
    assert!(cache.load(&key(0)).await.unwrap().is_some());
}

/// What a load is made of, without everything that makes it a cache.
async fn statement(connection: Arc<Mutex<Connection>>) {
    let name = key(0).to_string();
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

/// How many a second, with so many at once.
async fn rate<S, F>(in_flight: usize, of: &S, work: fn(S) -> F) -> f64
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let start = SystemClock.uptime();
    let tasks = (0..in_flight).map(|_| {
        let of = of.clone();
        tokio::spawn(async move {
            for _ in 0..LOADS / in_flight {
                work(of.clone()).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    LOADS as f64 / elapsed(start)
}

fn elapsed(start: Duration) -> f64 {
    (SystemClock.uptime() - start).as_secs_f64()
}

/// One entry through the cache, and copies of its row under other names: nobody asks for those.
fn fill(cache: &SqliteCache, path: &std::path::Path, entries: usize) {
    // The size of a sealed access token.
    let entry = Entry { version: Version::random(), body: vec![7; 2048], discard_after: None };
    let swap = std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(cache.swap(&key(0), None, Some(&entry))).unwrap()
        };
        scope.spawn(run).join().unwrap()
    });
    assert_eq!(swap, token_core::Swap::Done);
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 1..entries {
        let copy =
            "INSERT INTO entry SELECT ?1, version, discard_after, body, checksum FROM entry WHERE key = ?2";
        let names = [key(number).to_string(), key(0).to_string()];
        assert_eq!(transaction.prepare_cached(copy).unwrap().execute(names).unwrap(), 1);
    }
    transaction.commit().unwrap();
}

fn key(number: usize) -> Key {
    Key::new(Kind::AccessToken, &[&number.to_string()])
}

fn median_ratio(of: &[f64], to: &[f64]) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| of / to).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
