//! Who is trusted at the other end.

use std::process::Command;

use token_cache_redis::RedisOptions;
use token_core::{CacheErrorKind, TokenCache};
use token_testkit::{Issuer, RedisServer, RedisSettings, Settings};

use crate::{assert_fails, cache, key, open, server};

fn with_tls() -> Option<RedisServer> {
    RedisServer::start(RedisSettings { tls: true, ..RedisSettings::default() })
}

#[tokio::test]
async fn only_the_authority_that_was_named_is_trusted() {
    let (Some(server), Some(other)) = (with_tls(), with_tls()) else { return };
    let options = || RedisOptions::new(server.url());
    let trusting = open(options().ca(server.ca()));
    assert_eq!(trusting.load(&key("a")).await.unwrap(), None);
    let mistrusting = open(options().ca(other.ca()));
    assert_fails(
        mistrusting.load(&key("a")).await,
        CacheErrorKind::Unsuitable,
        &mistrusting,
        "not to be trusted",
    );
    let system = open(options());
    assert_fails(system.load(&key("a")).await, CacheErrorKind::Unsuitable, &system, "SSL_CERT_FILE");
    let by_name = open(RedisOptions::new(server.url().replace("127.0.0.1", "localhost")).ca(server.ca()));
    assert_eq!(by_name.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn a_ca_that_cannot_be_read_is_named() {
    let Some(server) = with_tls() else { return };
    for (file, word) in [("missing.pem", "missing.pem"), ("server.key", "no certificate")] {
        let cache = open(RedisOptions::new(server.url()).ca(server.dir().join(file)));
        assert_fails(cache.load(&key("a")).await, CacheErrorKind::Unsuitable, &cache, word);
    }
}

#[tokio::test]
async fn a_port_with_tls_is_told_from_one_without() {
    let (Some(secure), Some(plain)) = (with_tls(), server()) else { return };
    let cache_without = open(RedisOptions::new(secure.url().replace("rediss", "redis")));
    let load = cache_without.load(&key("a")).await;
    assert_fails(load, CacheErrorKind::Unavailable, &cache_without, "waits for TLS");
    let with = open(RedisOptions::new(plain.url().replace("redis", "rediss")).ca(secure.ca()));
    // It waits for the end of what it takes for a command.
    assert_fails(with.load(&key("a")).await, CacheErrorKind::Unavailable, &with, "does that port speak TLS?");
    let issuer = Issuer::start(Settings::default()).await;
    let http = issuer.base_url().replace("http:", "rediss:");
    let with = open(RedisOptions::new(http).ca(secure.ca()));
    assert_fails(with.load(&key("a")).await, CacheErrorKind::Unsuitable, &with, "does not speak TLS");
}

#[test]
fn the_environment_names_an_authority() {
    let Some(server) = with_tls() else { return };
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "tls::as_a_process_with_an_environment", "--ignored", "--nocapture"]);
    again.env("TOKEN_TEST_URL", server.url()).env("SSL_CERT_FILE", server.ca()).env_remove("SSL_CERT_DIR");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "another test starts it, in a process of its own"]
async fn as_a_process_with_an_environment() {
    if let Ok(url) = std::env::var("TOKEN_TEST_URL") {
        assert_eq!(open(RedisOptions::new(url)).load(&key("a")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again() {
    let Some(server) = with_tls() else { return };
    let cache = open(RedisOptions::new(server.url()).ca(server.ca()));
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
    server.kill();
    assert!(cache.load(&key("a")).await.is_err());
    server.start_again();
    assert_eq!(cache.load(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn plain_and_secure_are_shown() {
    let Some(server) = with_tls() else { return };
    assert!(cache(&server).to_string().starts_with("rediss://127.0.0.1:"));
}
