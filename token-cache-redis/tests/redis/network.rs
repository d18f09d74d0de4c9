//! What happens on the way to the server.

use std::time::Duration;

use token_cache_redis::{RedisCache, RedisOptions};
use token_core::{CacheErrorKind, Clock as _, Kind, Owner, Swap, SystemClock, TokenCache, TryLease};
use token_testkit::{Cut, Proxy, RedisServer};

use crate::{assert_fails, cache, create, entry, key, open, server};

/// A server, a proxy before it, and a cache behind both.
fn through_a_proxy() -> Option<(RedisServer, Proxy, std::sync::Arc<RedisCache>)> {
    let server = server()?;
    let proxy = Proxy::start(server.address());
    let cache = open(RedisOptions::new(format!("redis://{}", proxy.address())));
    Some((server, proxy, cache))
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_may_come_later() {
    let Some(server) = server() else { return };
    server.kill();
    let cache = cache(&server);
    let socket = open(RedisOptions::new(format!("redis+unix:{}", server.socket().display())));
    let nowhere = open(RedisOptions::new("redis://nowhere.invalid"));
    let key = key("a");
    let loads = tokio::join!(cache.load(&key), socket.load(&key), nowhere.load(&key));
    assert_fails(loads.0, CacheErrorKind::Unavailable, &cache, "refused");
    assert_fails(loads.1, CacheErrorKind::Unavailable, &socket, "No such file");
    assert_fails(loads.2, CacheErrorKind::Unavailable, &nowhere, "nowhere.invalid");
    server.start_again();
    for cache in [cache, socket] {
        assert_eq!(cache.load(&key).await.unwrap(), None);
    }
}

/// Whether somebody has a connection, or comes while there is none; directly, and behind what ends connections at once.
#[tokio::test]
async fn a_server_that_is_started_again_fails_nobody() {
    let Some((server, _proxy, behind)) = through_a_proxy() else { return };
    let (direct, written) = (cache(&server), entry("sealed"));
    create(&*direct, &key("a"), &written).await;
    assert_eq!(behind.load(&key("a")).await.unwrap().as_ref(), Some(&written));
    server.kill();
    let newcomer = cache(&server);
    let asking: Vec<_> = [direct, behind, newcomer]
        .into_iter()
        .map(|cache| {
            tokio::spawn(async move { cache.try_lease(&key("a"), &Owner::random(), Duration::ZERO).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(asking.iter().all(|asking| !asking.is_finished()), "somebody gave up");
    server.start_again();
    for asking in asking {
        drop(asking.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn half_a_second_of_latency_is_borne() {
    let Some((_server, proxy, cache)) = through_a_proxy() else { return };
    proxy.delay(Duration::from_millis(250));
    let (old, new) = (entry("old"), entry("new"));
    create(&*cache, &key("a"), &old).await;
    let lease = crate::lease(&*cache, &key("a")).await.unwrap();
    let swap = cache.swap(&key("a"), Some(&old.version), Some(&new)).await.unwrap();
    assert_eq!(swap, Swap::Done);
    assert_eq!(cache.load(&key("a")).await.unwrap(), Some(new));
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    cache.release(lease).await.unwrap();
    // Half a second each way, for a connection made anew.
    proxy.delay(Duration::from_millis(500));
    proxy.cut();
    assert!(cache.load(&key("a")).await.unwrap().is_some());
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_swap_that_was_cut_off_is_not_sent_again_and_its_writer_finds_out() {
    let Some((server, proxy, cache)) = through_a_proxy() else { return };
    for (n, (cut, stored)) in [(Cut::BeforeRequest, false), (Cut::BeforeAnswer, true)].into_iter().enumerate()
    {
        let key = key(&format!("case {n}"));
        let (old, new) = (entry("old"), entry("new"));
        create(&*cache, &key, &old).await;
        let connections = proxy.connections();
        proxy.cut_next(cut);
        let swap = cache.swap(&key, Some(&old.version), Some(&new)).await;
        assert_fails(swap, CacheErrorKind::Unavailable, &cache, "ended before the answer");
        // The next one goes over a new connection.
        let there = cache.load(&key).await.unwrap();
        assert_eq!(there, Some(if stored { new } else { old }), "{cut:?}");
        assert_eq!(proxy.connections(), connections + 1);
    }
    let calls = server.command(["INFO", "commandstats"]).text();
    let swaps = calls.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    let swaps: u32 = swaps.split(',').next().unwrap().parse().unwrap();
    // Two creates, one of which was sent twice since the server had to learn the script, and one swap that arrived.
    assert_eq!(swaps, 4);
}

#[tokio::test]
async fn what_does_no_harm_twice_is_asked_again_over_a_new_connection() {
    let Some((_server, proxy, cache)) = through_a_proxy() else { return };
    let written = entry("sealed");
    create(&*cache, &key("a"), &written).await;
    let owner = Owner::random();
    for cut in [Cut::BeforeRequest, Cut::BeforeAnswer] {
        proxy.cut_next(cut);
        assert_eq!(cache.load(&key("a")).await.unwrap(), Some(written.clone()), "{cut:?}");
        proxy.cut_next(cut);
        assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1, "{cut:?}");
        proxy.cut_next(cut);
        let lease = cache.try_lease(&key("a"), &owner, Duration::from_secs(60)).await.unwrap();
        let TryLease::Granted(lease) = lease else { panic!("{cut:?}: its owner is granted it again") };
        proxy.cut_next(cut);
        cache.release(lease).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_ended_while_nobody_used_it_is_made_again_before_a_swap() {
    let Some((server, proxy, cache)) = through_a_proxy() else { return };
    let mut current = entry("0");
    create(&*cache, &key("a"), &current).await;
    for n in 1..4 {
        proxy.cut();
        if n == 3 {
            server.command(["CLIENT", "KILL", "TYPE", "normal"]);
        }
        // The news takes a moment to arrive.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let next = entry(n.to_string());
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&next)).await.unwrap();
        assert_eq!(swap, Swap::Done);
        current = next;
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_takes_five_seconds_and_no_longer() {
    let Some((_server, proxy, cache)) = through_a_proxy() else { return };
    let written = entry("sealed");
    create(&*cache, &key("a"), &written).await;
    let TryLease::Granted(lease) =
        cache.try_lease(&key("a"), &Owner::random(), Duration::from_secs(60)).await.unwrap()
    else {
        panic!("nobody holds it");
    };
    proxy.black_hole(true);

    // Over a connection that stood. Whoever is waiting waits as long as the others.
    let start = SystemClock.uptime();
    let key = key("a");
    let (load, swap) = tokio::join!(cache.load(&key), cache.swap(&key, Some(&written.version), None));
    assert_fails(load, CacheErrorKind::Unavailable, &cache, "no answer within 5 seconds");
    assert_fails(swap, CacheErrorKind::Unavailable, &cache, "no answer within 5 seconds");
    assert_took_five_seconds(start);

    // Over one that does not come to stand: the many who wait for it wait together.
    let start = SystemClock.uptime();
    let mut tasks = Vec::new();
    for n in 0..20 {
        let cache = cache.clone();
        tasks.push(tokio::spawn(async move { cache.load(&crate::key(&n.to_string())).await }));
    }
    for task in tasks {
        let load = task.await.unwrap();
        assert_fails(load, CacheErrorKind::Unavailable, &cache, "did not answer the greeting");
    }
    assert_took_five_seconds(start);

    proxy.black_hole(false);
    assert_eq!(cache.load(&key).await.unwrap(), Some(written));
    cache.release(lease).await.unwrap();
}

#[tokio::test]
async fn one_connection_serves_many_at_once() {
    let Some((_server, proxy, cache)) = through_a_proxy() else { return };
    let mut tasks = Vec::new();
    for n in 0..200 {
        let cache = cache.clone();
        tasks.push(tokio::spawn(async move {
            let (key, entry) = (key(&n.to_string()), entry(vec![7; 4096]));
            create(&*cache, &key, &entry).await;
            assert_eq!(cache.load(&key).await.unwrap(), Some(entry));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_cache_outlives_the_runtime_that_it_was_used_in() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let written = entry("sealed");
    for round in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match round {
                0 => create(&*cache, &key("a"), &written).await,
                _ => assert_eq!(cache.load(&key("a")).await.unwrap().as_ref(), Some(&written)),
            }
        });
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    use std::task::{Context, Poll, Waker};
    let cache = open(RedisOptions::new("redis://127.0.0.1:1"));
    let key = key("a");
    let Poll::Ready(load) = cache.load(&key).as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("there is nothing to wait for");
    };
    assert_fails(load, CacheErrorKind::Unsuitable, &cache, "tokio runtime");
}

#[track_caller]
fn assert_took_five_seconds(start: Duration) {
    let took = SystemClock.uptime() - start;
    assert!((4.9..7.0).contains(&took.as_secs_f64()), "it took {took:?}");
}
