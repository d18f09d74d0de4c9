//! What the cache costs above its driver.

use std::sync::{Arc, LazyLock};

use token_core::{Clock as _, Key, SystemClock, TokenCache};

use crate::{cache, create, entry, key, name_of, server};

/// The driver is not charged with making the name.
static NAME: LazyLock<String> = LazyLock::new(|| name_of(&key("a")));

/// Loads in a run, and runs of each kind, which take turns.
const LOADS: usize = 4_000;
const RUNS: usize = 15;

#[tokio::test]
#[ignore = "it measures: run it alone, with --release and --nocapture"]
async fn a_load_is_nearly_as_fast_as_the_drivers_own() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    // The size of a sealed access token.
    create(&*cache, &key("a"), &entry(vec![7; 2048])).await;
    let client = redis::Client::open(server.url()).unwrap();
    let driver = client.get_multiplexed_async_connection().await.unwrap();
    for in_flight in [1, 64] {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..RUNS {
            rates[0].push(
                rate(
                    in_flight,
                    driver.clone(),
                    async |mut driver: redis::aio::MultiplexedConnection, _: Key| {
                        let mut command = redis::cmd("HMGET");
                        command.arg(NAME.as_str()).arg("v").arg("b").arg("d");
                        let fields: [Option<Vec<u8>>; 3] = command.query_async(&mut driver).await.unwrap();
                        assert!(fields[1].is_some());
                    },
                )
                .await,
            );
            rates[1].push(
                rate(
                    in_flight,
                    cache.clone() as Arc<dyn TokenCache>,
                    async |cache: Arc<dyn TokenCache>, key: Key| {
                        assert!(cache.load(&key).await.unwrap().is_some());
                    },
                )
                .await,
            );
        }
        let [driver, ours] = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[RUNS / 2]
        });
        println!("{in_flight} in flight: driver {driver:.0}/s, load {ours:.0}/s, {:.2}", ours / driver);
        assert!(ours / driver >= 0.85);
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
