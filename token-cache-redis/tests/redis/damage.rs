//! Values that are not as the cache has left them.

use token_core::{CacheErrorKind, Key, Kind, Listed, Owner, Swap, TokenCache};
use token_testkit::{RedisReply, RedisServer};

use crate::{assert_fails, cache, create, entry, key, name_of, server};

/// Each way to break an entry, as commands on its name.
const BREAKS: &[&[&[&str]]] = &[
    &[&["HDEL", "v"]],
    &[&["HDEL", "b"]],
    &[&["HDEL", "d"]],
    &[&["HDEL", "v", "d"]],
    &[&["HSET", "v", "short"]],
    &[&["HSET", "v", "seventeen bytes.."]],
    &[&["HSET", "v", ""]],
    &[&["HSET", "d", "1764000"]],
    &[&["SET", "a string"]],
    &[&["DEL"], &["RPUSH", "a list"]],
];

#[tokio::test]
async fn a_damaged_entry_is_corrupt_until_it_is_replaced() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    for (n, breaks) in BREAKS.iter().enumerate() {
        let (broken, next) = (entry("broken"), entry("next"));
        let key = key(&format!("case {n}"));
        create(&*cache, &key, &broken).await;
        do_to(&server, &key, breaks);

        assert_fails(cache.load(&key).await, CacheErrorKind::Corrupt, &cache, &key.to_string());
        for (expected, next) in [(broken.version, Some(&next)), (broken.version, None), (next.version, None)]
        {
            let swap = cache.swap(&key, Some(&expected), next).await;
            assert_fails(swap, CacheErrorKind::Corrupt, &cache, &key.to_string());
        }
        let listed = cache.list(Kind::Credential).await.unwrap();
        assert_eq!(listed, [Listed { key: key.clone(), version: None, discard_after: None }], "{breaks:?}");

        assert_eq!(cache.swap(&key, None, Some(&next)).await.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key).await.unwrap().as_ref(), Some(&next));
        let aside = damaged(&server);
        assert_eq!(aside.len(), n * 2 + 1, "what was broken is kept aside");

        do_to(&server, &key, breaks);
        assert_eq!(cache.swap(&key, None, None).await.unwrap(), Swap::Done);
        assert_eq!(cache.load(&key).await.unwrap(), None);
    }
    for name in damaged(&server) {
        let RedisReply::Number(left) = server.command(["TTL", &name]) else { panic!("{name}") };
        assert!((29 * 86_400..=30 * 86_400).contains(&left), "{name} goes after a month, not in {left} s");
    }
}

#[tokio::test]
async fn fields_of_somebody_else_do_no_harm() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let written = entry("sealed");
    create(&*cache, &key("a"), &written).await;
    for key in [key("a"), key("b")] {
        server.command(["HSET", &name_of(&key), "x", "y"]);
    }
    assert_eq!(cache.load(&key("a")).await.unwrap(), Some(written.clone()));
    assert_eq!(cache.load(&key("b")).await.unwrap(), None);
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    create(&*cache, &key("b"), &written).await;
    assert_eq!(cache.load(&key("b")).await.unwrap(), Some(written));
}

#[tokio::test]
async fn what_is_no_lease_is_said_to_be_damaged_and_one_without_an_end_is_taken() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let ttl = std::time::Duration::from_secs(60);
    let name = name_of(&key("a")).replace(":entry", ":lease");
    server.command(["RPUSH", &name, "a list"]);
    let lease = cache.try_lease(&key("a"), &Owner::random(), ttl).await;
    assert_fails(lease, CacheErrorKind::Corrupt, &cache, "WRONGTYPE");
    // Nobody would ever end it.
    server.command(["SET", &name, "somebody"]);
    drop(crate::lease(&*cache, &key("a")).await.unwrap());
}

fn do_to(server: &RedisServer, key: &Key, commands: &[&[&str]]) {
    let name = name_of(key);
    for command in commands {
        let (verb, rest) = command.split_first().unwrap();
        let reply = server.command([&[*verb, name.as_str()], rest].concat());
        assert!(!matches!(reply, RedisReply::Error(_)), "{reply:?}");
    }
}

fn damaged(server: &RedisServer) -> Vec<String> {
    let names = server.command(["KEYS", "*damaged*"]).text();
    names.lines().map(str::to_owned).collect()
}
