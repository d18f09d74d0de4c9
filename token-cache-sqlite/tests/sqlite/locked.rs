//! Others who have the database: a writer that takes its time, and one that never lets go.

use std::time::Duration;

use rusqlite::TransactionBehavior;
use token_core::{CacheErrorKind, Kind, Owner, Swap, TokenCache, TryLease};

use crate::{Home, assert_fails, entry, key, put};

/// For how long a writer holds the lock that is slow, and not stopped.
const SLOW: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_holds_the_lock_for_three_seconds_is_waited_for() {
    let home = Home::new();
    let cache = home.cache();
    let mut current = entry("0");
    put(&cache, &key("a"), &current).await;
    // As often as it takes: nobody has less time because of what was waited for before.
    for number in 1..=4 {
        let mut slow = home.connection();
        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let holder = std::thread::spawn(move || {
            let transaction = slow.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            locked.send(()).unwrap();
            std::thread::sleep(SLOW);
            transaction.execute("UPDATE entry SET discard_after = discard_after", []).unwrap();
            transaction.commit().unwrap();
        });
        is_locked.await.unwrap();
        let next = entry(number.to_string());
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&next)).await;
        assert_eq!(swap.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&next));
        holder.join().unwrap();
        current = next;
    }
}

/// On a runtime of one thread, where whoever has the lock lets go only if that thread gets on.
#[tokio::test]
async fn who_waits_for_a_writer_holds_up_nothing_else_in_its_process() {
    let home = Home::new();
    let cache = home.cache();
    let (old, next) = (entry("old"), entry("next"));
    put(&cache, &key("a"), &old).await;
    let mut other = home.connection();
    let transaction = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let key = key("a");
    let lets_go = async {
        tokio::task::yield_now().await;
        transaction.commit().unwrap();
    };
    let (swap, ()) = tokio::join!(cache.swap(&key, Some(&old.version), Some(&next)), lets_go);
    assert_eq!(swap.unwrap(), Swap::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_never_lets_go_is_an_error_and_loses_nothing() {
    let home = Home::new();
    let cache = home.cache();
    let (old, next) = (entry("old"), entry("next"));
    put(&cache, &key("a"), &old).await;
    let mut stopped = home.connection();
    let transaction = stopped.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    // Those who wait at once wait side by side, and not one after the other.
    let swaps = (0..4).map(|_| {
        let (cache, version, next) = (cache.clone(), old.version, next.clone());
        tokio::spawn(async move { cache.swap(&key("a"), Some(&version), Some(&next)).await })
    });
    for swap in swaps.collect::<Vec<_>>() {
        assert_fails(swap.await.unwrap(), CacheErrorKind::Unavailable, &home, "has been locked");
    }
    assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&old));
    drop(transaction);
    assert_eq!(cache.swap(&key("a"), Some(&old.version), Some(&next)).await.unwrap(), Swap::Done);
}

/// No statement of a reader waits for a writer, whether its connection is new or was used before; nor does a lease.
#[tokio::test]
async fn a_reader_takes_no_lock_that_a_writer_holds() {
    let home = Home::new();
    let used = home.cache();
    let written = entry("sealed");
    put(&used, &key("a"), &written).await;
    assert_eq!(used.load(&key("a")).await.unwrap().as_ref(), Some(&written));
    let mut writer = home.connection();
    writer.busy_timeout(Duration::ZERO).unwrap();
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    transaction.execute("DELETE FROM entry", []).unwrap();
    for cache in [used, home.cache()] {
        let reads = async {
            assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&written), "not yet committed");
            assert_eq!(cache.load(&key("b")).await.unwrap(), None);
            assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
            let lease = cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await.unwrap();
            let TryLease::Granted(lease) = lease else { panic!("nobody holds the lease") };
            cache.release(lease).await.unwrap();
        };
        // Far less than a writer waits.
        tokio::time::timeout(Duration::from_secs(5), reads).await.expect("no reader waits for a writer");
    }
    transaction.commit().unwrap();
}

/// A reader that was stopped in the middle keeps the log from being written back, and nobody from writing.
#[tokio::test]
async fn a_stopped_reader_holds_nobody_up() {
    let home = Home::new();
    let cache = home.cache();
    put(&cache, &key("a"), &entry("first")).await;
    let mut reader = home.connection();
    let transaction = reader.transaction().unwrap();
    let rows: i64 = transaction.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
    let writes = async {
        for number in 0..50_u8 {
            put(&cache, &key("a"), &entry(vec![number; 5000])).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(8), writes).await.expect("no writer waits for a reader");
    assert_eq!(cache.load(&key("a")).await.unwrap().unwrap().body, vec![49; 5000]);
}
