//! What a `load` costs in a service, beside the driver's own question over a connection of the same kind:
//! `cargo bench -p token-cache-redis`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it measures, prints, and stops where it cannot"
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use token_cache_redis::{RedisCache, RedisOptions};
use token_core::{Entry, Key, Kind, Swap, TokenCache, Version};
use token_testkit::{RedisServer, RedisSettings, median, median_ratio, rate};

/// Loads in a run, and runs of each kind, which take turns.
const LOADS: usize = 4_000;
const RUNS: usize = 41;

/// A load is at least this much as fast as the driver's own.
const RATE: f64 = 0.85;

#[tokio::main]
async fn main() -> ExitCode {
    // `cargo test --all-targets` runs it too, and has nothing to measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let Some(server) = RedisServer::start(RedisSettings::default()) else { return ExitCode::FAILURE };
    let cache = RedisCache::connect(RedisOptions::new(server.url())).unwrap();
    // The size of a sealed access token.
    let entry = Entry { version: Version::random(), body: vec![7; 2048], discard_after: None };
    // A service has its key at hand, and the driver its name.
    let key = Key::new(Kind::AccessToken, &["a"]);
    assert_eq!(cache.swap(&key, None, Some(&entry)).await.unwrap(), Swap::Done);

    let client = redis::Client::open(format!("{}?protocol=resp3", server.url())).unwrap();
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(5)));
    let connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let driver = (connection, Arc::<str>::from(format!("token:{{{key}}}:entry")));
    let cache = (cache, Arc::new(key));

    let mut missed = false;
    for in_flight in [1, 64] {
        let mut rates = [const { Vec::new() }; 2];
        for _ in 0..RUNS {
            let cases =
                [rate(LOADS, in_flight, &driver, hmget).await, rate(LOADS, in_flight, &cache, load).await];
            for (rates, rate) in rates.iter_mut().zip(cases) {
                rates.push(rate);
            }
        }
        let ratio = median_ratio(&rates[1], &rates[0]);
        let [hmget, load] = rates.map(median);
        println!(
            "{in_flight:>2} in flight: HMGET {hmget:>6.0}/s  load {load:>6.0}/s  \
             load against HMGET {ratio:.2} (at least {RATE})"
        );
        missed |= ratio < RATE;
    }
    ExitCode::from(u8::from(missed))
}

async fn load((cache, key): (RedisCache, Arc<Key>)) {
    assert!(cache.load(&key).await.unwrap().is_some());
}

/// What a load sends, without everything that makes it a cache.
async fn hmget((mut connection, name): (MultiplexedConnection, Arc<str>)) {
    let mut command = redis::cmd("HMGET");
    command.arg(&*name).arg("v").arg("b").arg("d");
    let fields: [Option<Vec<u8>>; 3] = command.query_async(&mut connection).await.unwrap();
    assert!(fields[1].is_some());
}
