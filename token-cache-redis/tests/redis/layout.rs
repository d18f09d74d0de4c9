//! What lies on the server, and for how long.

use std::time::Duration;

use token_cache_redis::RedisOptions;
use token_core::{Clock as _, Entry, Hold, Kind, Owner, SystemClock, TokenCache, TryLease};
use token_testkit::{RedisReply, RedisServer};

use crate::{cache, create, entry, key, name_of, open, server};

#[tokio::test]
async fn prefixes_and_databases_keep_teams_apart() {
    let Some(server) = server() else { return };
    let options = || RedisOptions::new(server.url());
    let teams = [
        open(options()),
        open(options().prefix("token:1")),
        open(options().prefix("toke")),
        open(RedisOptions::new(format!("{}/1", server.url()))),
    ];
    let mut entries = Vec::new();
    for team in &teams {
        assert_eq!(team.load(&key("a")).await.unwrap(), None, "{team}");
        let entry = entry(team.to_string());
        create(&**team, &key("a"), &entry).await;
        let _lease = crate::lease(&**team, &key("a")).await.unwrap();
        entries.push(entry);
    }
    for (team, entry) in teams.iter().zip(entries) {
        assert_eq!(team.list(Kind::Credential).await.unwrap().len(), 1, "{team}");
        assert_eq!(team.load(&key("a")).await.unwrap(), Some(entry));
    }
}

#[tokio::test]
async fn an_entry_ends_on_the_server_when_it_may() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let now = SystemClock.posix();
    let bounded = Entry { discard_after: Some(now + 1000), ..entry("bounded") };
    create(&*cache, &key("a"), &bounded).await;
    assert!((999..=1001).contains(&ttl(&server)), "{}", ttl(&server));
    let kept = entry("kept");
    drop(cache.swap(&key("a"), Some(&bounded.version), Some(&kept)).await.unwrap());
    assert_eq!(ttl(&server), -1, "a credential never ends by itself");
    for discard_after in [i64::MAX, 253_402_300_799] {
        let current = cache.load(&key("a")).await.unwrap().unwrap();
        let far = Entry { discard_after: Some(discard_after), ..entry("far") };
        drop(cache.swap(&key("a"), Some(&current.version), Some(&far)).await.unwrap());
        assert_eq!(cache.load(&key("a")).await.unwrap(), Some(far));
        assert_eq!(ttl(&server), -1);
    }
    for discard_after in [i64::MIN, -1, 0, now - 60] {
        let current = cache.load(&key("a")).await.unwrap();
        let past = Entry { discard_after: Some(discard_after), ..entry("past") };
        drop(cache.swap(&key("a"), current.map(|entry| entry.version).as_ref(), Some(&past)).await.unwrap());
        assert_eq!(cache.load(&key("a")).await.unwrap(), None, "{discard_after}");
        assert_eq!(ttl(&server), -2, "nothing is left");
    }
    let soon = Entry { discard_after: Some(SystemClock.posix()), ..entry("soon") };
    create(&*cache, &key("a"), &soon).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_lease_tells_the_servers_time_and_ends_by_itself() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let (before, ttl) = (SystemClock.now(), Duration::from_millis(1500));
    let TryLease::Granted(lease) = cache.try_lease(&key("a"), &Owner::random(), ttl).await.unwrap() else {
        panic!("nobody holds it");
    };
    // The server is on this host, so its clock is ours.
    let slack = Duration::from_millis(5);
    assert!(before <= lease.granted_at + slack && lease.granted_at <= SystemClock.now() + slack, "{lease:?}");
    assert!(matches!(lease.hold, Hold::Until(end) if end == lease.granted_at + ttl), "{lease:?}");
    let TryLease::Held { retry_after } = cache.try_lease(&key("a"), &Owner::random(), ttl).await.unwrap()
    else {
        panic!("somebody holds it");
    };
    assert!(retry_after <= ttl && retry_after > ttl / 2, "{retry_after:?}");
    tokio::time::sleep(retry_after + slack).await;
    drop(crate::lease(&*cache, &key("a")).await.unwrap());
    // A moment is the least that a server knows.
    assert!(cache.try_lease(&key("b"), &Owner::random(), Duration::ZERO).await.is_ok());
}

#[tokio::test]
async fn a_list_finds_every_entry_among_many_other_keys() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let fill = "for n = 1, 20000 do redis.call('SET', 'other:' .. n, n) end";
    server.command(["EVAL", fill, "0"]);
    for n in 0..1200 {
        create(&*cache, &key(&n.to_string()), &entry("sealed")).await;
    }
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1200);
    assert_eq!(cache.list(Kind::AccessToken).await.unwrap(), []);
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_given_to_it_again() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let mut current = entry("0");
    create(&*cache, &key("a"), &current).await;
    for n in 1..5 {
        server.command(["SCRIPT", "FLUSH"]);
        let next = entry(n.to_string());
        let swap = cache.swap(&key("a"), Some(&current.version), Some(&next)).await.unwrap();
        assert_eq!(swap, token_core::Swap::Done);
        current = next;
    }
}

fn ttl(server: &RedisServer) -> i64 {
    match server.command(["TTL", &name_of(&key("a"))]) {
        RedisReply::Number(left) => left,
        reply => panic!("{reply:?}"),
    }
}
