//! What a server keeps, and what it forgets.

use token_core::{Swap, TokenCache};
use token_testkit::{Persistence, RedisServer, RedisSettings};

use crate::{cache, create, entry, key, server};

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_where_every_write_is_synced() {
    let settings = RedisSettings { persistence: Persistence::Always, ..RedisSettings::default() };
    let Some(server) = RedisServer::start(settings) else { return };
    let cache = cache(&server);
    let mut current = entry("0");
    create(&*cache, &key("a"), &current).await;
    let lease = crate::lease(&*cache, &key("a")).await.unwrap();
    for n in 1..6 {
        let next = entry(n.to_string());
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&next)).await.unwrap();
        assert_eq!(swap, Swap::Done);
        server.kill();
        server.start_again();
        assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&next), "restart {n}");
        current = next;
    }
    // So does a lease, which has its end by the clock and not by the server's life.
    let other =
        cache.try_lease(&key("a"), &token_core::Owner::random(), std::time::Duration::from_secs(1)).await;
    assert!(matches!(other, Ok(token_core::TryLease::Held { .. })), "{other:?}");
    cache.release(lease).await.unwrap();
}

#[tokio::test]
async fn a_server_that_keeps_nothing_forgets_and_says_so_by_a_conflict() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let (old, new) = (entry("old"), entry("new"));
    create(&*cache, &key("a"), &old).await;
    let lease = crate::lease(&*cache, &key("a")).await.unwrap();
    server.kill();
    server.start_again();
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    let swap = cache.swap(&key("a"), Some(&old.version), Some(&new)).await.unwrap();
    assert_eq!(swap, Swap::Conflict(None), "its writer learns that the store forgot");
    cache.release(lease).await.unwrap();
    create(&*cache, &key("a"), &new).await;
}
