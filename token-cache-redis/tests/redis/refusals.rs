//! What a server says no to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use token_cache_redis::RedisOptions;
use token_core::{CacheErrorKind, Kind, Secret, Swap, TokenCache};
use token_testkit::{Issuer, RedisReply, RedisServer, RedisSettings, Settings};

use crate::{assert_fails, cache, create, entry, key, open, server, text};

#[tokio::test]
async fn a_wrong_password_is_denied_and_shown_to_nobody() {
    let settings = RedisSettings { password: Some("correct".to_owned()), ..RedisSettings::default() };
    let Some(server) = RedisServer::start(settings) else { return };
    let none = cache(&server);
    assert_fails(none.load(&key("a")).await, CacheErrorKind::Denied, &none, "NOAUTH");
    let in_url = RedisOptions::new(server.url().replace("//", "//:hunter2@"));
    let given = RedisOptions::new(server.url()).password(Secret::new("hunter2"));
    let unknown = RedisOptions::new(server.url().replace("//", "//nobody:hunter2@"));
    for options in [in_url, given, unknown] {
        let cache = open(options);
        let load = cache.load(&key("a")).await;
        let said = format!("{} {:?} {cache:?}", text(load.as_ref().unwrap_err()), load);
        assert!(!said.contains("hunter2"), "{said}");
        assert_fails(load, CacheErrorKind::Denied, &cache, "WRONGPASS");
        let swap = cache.swap(&key("a"), None, Some(&entry("a"))).await;
        assert_fails(swap, CacheErrorKind::Denied, &cache, "WRONGPASS");
    }
    let right = open(RedisOptions::new(server.url()).password(Secret::new("correct")));
    assert_eq!(right.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_speaks_another_language_is_unsuitable() {
    let issuer = Issuer::start(Settings::default()).await;
    let http = issuer.base_url().replace("http:", "redis:");
    let cache = open(RedisOptions::new(http));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, "protocol of Redis");
    // One that speaks first.
    let ssh = says(b"SSH-2.0-OpenSSH_9.2\r\n");
    let cache = open(RedisOptions::new(format!("redis://{ssh}")));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, "protocol of Redis");
    // One whose words are right and make no sense.
    let odd = answers(b"+OK\r\n");
    let cache = open(RedisOptions::new(format!("redis://{odd}")));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, "protocol of Redis");
    // One that takes what it is sent for an unknown command, and says it back.
    let echo =
        says(b"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hunter2'\r\n");
    let cache = open(RedisOptions::new(format!("redis://:hunter2@{echo}")));
    let load = cache.load(&key("a")).await;
    assert!(!format!("{load:?}").contains("hunter2"), "{load:?}");
    assert_fails(load, CacheErrorKind::Unavailable, &cache, "unknown command 'HELLO'");
    let old = says(b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, \r\n");
    let cache = open(RedisOptions::new(format!("redis://{old}")));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, "older than Redis 6.2");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_unsuitable() {
    let Some(server) = server() else { return };
    let cache = open(RedisOptions::new(format!("{}/99", server.url())));
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, "no database 99");
}

#[tokio::test]
async fn a_server_with_too_many_clients_is_unavailable() {
    let Some(server) = server() else { return };
    let mut admin = server.admin();
    admin.command(["CONFIG", "SET", "maxclients", "1"]);
    let cache = cache(&server);
    assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unavailable, &cache, "max number of clients");
    admin.command(["CONFIG", "SET", "maxclients", "100"]);
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_server_without_memory_is_full_and_still_reads_and_deletes() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    let (old, new) = (entry("old"), entry("new"));
    create(&*cache, &key("a"), &old).await;
    let lease = crate::lease(&*cache, &key("a")).await.unwrap();
    for (setting, value) in [("maxmemory-policy", "noeviction"), ("maxmemory", "1")] {
        assert_eq!(server.command(["CONFIG", "SET", setting, value]).text(), "OK");
    }
    for (key, expected) in [(key("b"), None), (key("a"), Some(&old.version))] {
        let swap = cache.swap(&key, expected, Some(&new)).await;
        assert_fails(swap, CacheErrorKind::Full, &cache, "OOM");
    }
    let refused = crate::lease(&*cache, &key("b")).await;
    assert_fails(refused, CacheErrorKind::Full, &cache, "OOM");
    assert_eq!(
        cache.load(&key("a")).await.unwrap(),
        Some(old.clone()),
        "a refused swap leaves the old entry"
    );
    assert_eq!(cache.list(Kind::Credential).await.unwrap().len(), 1);
    cache.release(lease).await.unwrap();
    assert_eq!(cache.swap(&key("a"), Some(&old.version), None).await.unwrap(), Swap::Done);
}

#[tokio::test]
async fn a_replica_is_read_and_takes_no_writes() {
    let (Some(primary), Some(replica)) = (server(), server()) else { return };
    let (writer, reader) = (cache(&primary), cache(&replica));
    let written = entry("sealed");
    create(&*writer, &key("a"), &written).await;
    let port = primary.address().port().to_string();
    assert_eq!(replica.command(["REPLICAOF", "127.0.0.1", &port]).text(), "OK");
    for _ in 0..600 {
        if let Ok(Some(entry)) = reader.load(&key("a")).await {
            assert_eq!(entry, written);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let swap = reader.swap(&key("a"), Some(&written.version), Some(&entry("next"))).await;
    assert_fails(swap, CacheErrorKind::Denied, &reader, "READONLY");
    let lease = crate::lease(&*reader, &key("a")).await;
    assert_fails(lease, CacheErrorKind::Denied, &reader, "READONLY");
    assert_eq!(reader.load(&key("a")).await.unwrap(), Some(written), "an error changes nothing");
}

#[tokio::test]
async fn a_server_whose_disk_fails_is_full() {
    let settings = RedisSettings { lines: vec!["save 3600 1".to_owned()], ..RedisSettings::default() };
    let Some(server) = RedisServer::start(settings) else { return };
    // Nothing can be renamed to this.
    std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();
    let cache = cache(&server);
    create(&*cache, &key("a"), &entry("a")).await;
    server.command(["BGSAVE"]);
    for _ in 0..200 {
        if server.command(["INFO", "persistence"]).text().contains("rdb_last_bgsave_status:err") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let swap = cache.swap(&key("b"), None, Some(&entry("b"))).await;
    assert_fails(swap, CacheErrorKind::Full, &cache, "MISCONF");
    assert!(cache.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_busy_with_a_script_is_unavailable() {
    let Some(server) = server() else { return };
    let cache = cache(&server);
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    server.command(["CONFIG", "SET", "lua-time-limit", "50"]);
    let mut busy = server.admin();
    let script = std::thread::spawn(move || busy.command(["EVAL", "while true do end", "0"]));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let load = cache.load(&key("a")).await;
    // Nobody else can log in now, but a script can be killed.
    let swap = cache.swap(&key("a"), None, Some(&entry("a"))).await;
    server.admin().command(["SCRIPT", "KILL"]);
    assert!(matches!(script.join().unwrap(), RedisReply::Error(_)));
    assert_fails(load, CacheErrorKind::Unavailable, &cache, "BUSY");
    assert_fails(swap, CacheErrorKind::Unavailable, &cache, "BUSY");
    create(&*cache, &key("a"), &entry("a")).await;
}

/// A server that answers everything with this.
fn answers(words: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
            drop(stream.write_all(words));
        }
    })
}

/// A server that says this to everybody who comes, whatever they say, and listens on.
fn says(words: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| {
        drop(stream.write_all(words));
        drop(stream.read_to_end(&mut Vec::new()));
    })
}

fn serve(serve: impl Fn(TcpStream) + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}
