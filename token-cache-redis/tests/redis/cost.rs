//! What the cache costs above its driver.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use token_core::{Clock as _, Key, SystemClock, TokenCache};

use crate::{cache, create, entry, key, name_of, server};

/// The driver is not charged with making the name.
static NAME: LazyLock<String> = LazyLock::new(|| name_of(&key("a")));

/// Loads in a run, and runs of each kind, which take turns.
const LOADS: usize = 2_000;
const RUNS: usize = 41;

#[tokio::test]
#[ignore = "it measures: run it alone, with --release and --nocapture"]
async fn a_load_is_nearly_as_fast_as_the_drivers_own() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    // The size of a sealed access token.
    create(&*cache, &key("a"), &entry(vec![7; 2048])).await;
    let client = redis::Client::open(server.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(60)));
    let driver = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    for in_flight in [1, 64] {
        // Neighbours in time are compared, since the machine does other things, too.
        let mut pairs = Vec::new();
        for _ in 0..RUNS {
            let theirs = rate(
                in_flight,
                driver.clone(),
                async |mut driver: redis::aio::MultiplexedConnection, _: Key| {
                    let mut command = redis::cmd("HMGET");
                    command.arg(NAME.as_str()).arg("v").arg("b").arg("d");
                    let fields: [Option<Vec<u8>>; 3] = command.query_async(&mut driver).await.unwrap();
                    assert!(fields[1].is_some());
                },
            );
            let theirs = theirs.await;
            let ours = rate(
                in_flight,
                cache.clone() as Arc<dyn TokenCache>,
                async |cache: Arc<dyn TokenCache>, key: Key| {
                    assert!(cache.load(&key).await.unwrap().is_some());
                },
            );
            pairs.push((theirs, ours.await));
        }
        pairs.sort_by(|(a, b), (c, d)| (b / a).total_cmp(&(d / c)));
        let (theirs, ours) = pairs[RUNS / 2];
        println!("{in_flight} in flight: driver {theirs:.0}/s, load {ours:.0}/s, {:.2}", ours / theirs);
        assert!(ours / theirs >= 0.85);
    }
}

/// How many a second, with so many at once.
async fn rate<C: Clone + 'static>(
    in_flight: usize,
    client: C,
    load: impl AsyncFn(C, Key) + Copy + 'static,
) -> f64 {
    let start = SystemClock.uptime();
    let local = tokio::task::LocalSet::new();
    for _ in 0..in_flight {
        let client = client.clone();
        local.spawn_local(async move {
            let key = key("a");
            for _ in 0..LOADS / in_flight {
                load(client.clone(), key.clone()).await;
            }
        });
    }
    local.await;
    LOADS as f64 / (SystemClock.uptime() - start).as_secs_f64()
}
