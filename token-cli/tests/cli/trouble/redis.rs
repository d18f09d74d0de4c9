//! A server that does not do what is asked of it: one error, which names the server and what helps.

use std::net::TcpListener;

use token_testkit::{RedisServer, RedisSettings, Settings};

use super::{Table, row_with};
use crate::harness::{GET, Lab};

const PASSWORD: &str = "hunter2";

/// Rows of runs against one server, with a name for its address.
fn rows(lab: &Lab, table: &mut Table, name: &str, server: &RedisServer, url: &str) {
    let cache = [("TOKEN_CACHE", url), ("TOKEN_KEY", "none")];
    let row = row_with(lab, &cache, GET);
    let names = [(server.address().to_string(), "SERVER"), (server.dir().display().to_string(), "DIR")];
    let row = names.iter().fold(row, |row, (differs, name)| row.replace(differs, name));
    table.add(name, &row);
}

#[test]
fn it_is_not_there_or_something_else() {
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = lab.issuer.base_url().replace("http:", "redis:");
    for (name, url) in [
        ("nothing", format!("redis://{free}")),
        ("no socket", "redis+unix:/nowhere/redis.sock".to_owned()),
        ("a relative socket", "redis+unix:redis.sock".to_owned()),
        ("an issuer", http),
        ("no host", "redis://".to_owned()),
        ("no port", "redis://:hunter2@cache.example:port".to_owned()),
        ("no database", "redis://:hunter2@cache.example/one".to_owned()),
        ("a slash in the password", "redis://ada:12/hunter2@cache.example".to_owned()),
    ] {
        let cache = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "none")];
        table.add(name, &row_with(&lab, &cache, GET).replace(&free.to_string(), "FREE"));
    }
    assert!(!table.0.contains(PASSWORD));
    insta::assert_snapshot!(table.0, @"
    --- nothing
    exit 1
    error: could not load profile-HEX in redis://FREE/0 (prefix token)
    cause: there is no connection
    cause: Connection refused (os error 111)
    hint: check that the server runs there and that this host reaches it
    --- no socket
    exit 1
    error: could not load profile-HEX in redis+unix:/nowhere/redis.sock (prefix token)
    cause: there is no connection
    cause: No such file or directory (os error 2)
    hint: check that the server runs there and that this host reaches it
    --- a relative socket
    exit 1
    error: could not load profile-HEX in redis+unix:/redis.sock (prefix token)
    cause: there is no connection
    cause: No such file or directory (os error 2)
    hint: check that the server runs there and that this host reaches it
    --- an issuer
    exit 1
    error: could not load profile-HEX in redis://ISSUER/0 (prefix token)
    cause: what answers there does not speak the protocol of Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- no host
    exit 1
    error: the URL of the cache is not well-formed
    hint: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is set by TOKEN_CACHE
    --- no port
    exit 1
    error: the URL of the cache is not well-formed
    hint: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is set by TOKEN_CACHE
    --- no database
    exit 1
    error: the URL of the cache is not well-formed
    hint: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is set by TOKEN_CACHE
    --- a slash in the password
    exit 1
    error: the URL of the cache is not well-formed
    hint: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is set by TOKEN_CACHE
    ");
}

#[test]
fn it_lets_us_not_in() {
    let rights = "+hmget +hexists +scan";
    let settings = RedisSettings {
        users: vec![format!("ada on >{PASSWORD} ~token:* {rights}")],
        ..RedisSettings::default()
    };
    let Some(server) = RedisServer::start(settings) else { return };
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    let url = server.url();
    for (name, url) in [
        ("nobody", url.clone()),
        ("a wrong password", url.replace("//", "//ada:hunter3@")),
        ("no password", url.replace("//", "//ada@")),
    ] {
        rows(&lab, &mut table, name, &server, &url);
    }
    // A reader may look and finds nobody signed in; who signs in writes.
    let url = url.replace("//", "//ada:hunter2@");
    let cache = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "none")];
    let row = row_with(&lab, &cache, &["login"]);
    table.add("a right is missing", &row.replace(&server.address().to_string(), "SERVER"));
    assert!(!table.0.contains("hunter"));
    insta::assert_snapshot!(table.0, @"
    --- nobody
    exit 1
    error: could not load profile-HEX in redis://SERVER/0 (prefix token)
    cause: it asks for a password, and there is none (NOAUTH: HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time)
    hint: the URL names the user (redis://USER@HOST), and `password` of [redis] in the config the password (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold both
    --- a wrong password
    exit 1
    error: could not load profile-HEX in redis://SERVER/0 (prefix token)
    cause: it refused the user or the password (WRONGPASS: invalid username-password pair or user is disabled.)
    hint: the URL names the user (redis://USER@HOST), and `password` of [redis] in the config the password (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold both
    --- no password
    exit 1
    error: could not load profile-HEX in redis://SERVER/0 (prefix token)
    cause: it refused the user or the password (WRONGPASS: invalid username-password pair or user is disabled.)
    hint: the URL names the user (redis://USER@HOST), and `password` of [redis] in the config the password (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold both
    --- a right is missing
    exit 1
    error: could not store access-HEX in redis://SERVER/0 (prefix token)
    cause: its access rules (ACL) do not let this user go on (NOPERM: this user has no permissions to run the 'evalsha' command)
    hint: whoever runs the server lets the user do what is needed: ACL SETUSER USER ~PREFIX:* +hmget +hexists +scan +evalsha +script|load +hset +persist +expireat +del +rename +expire +get +set +pttl +time
    ");
    assert_eq!(lab.issuer.counts().device_codes, 0);
}

#[test]
fn its_certificate_is_nobodys_we_know() {
    let settings = RedisSettings { tls: true, ..RedisSettings::default() };
    let Some(server) = RedisServer::start(settings) else { return };
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    rows(&lab, &mut table, "unknown", &server, &server.url());
    rows(&lab, &mut table, "without TLS", &server, &server.url().replace("rediss", "redis"));
    let config = std::fs::read_to_string(lab.home().join("token.toml")).unwrap();
    lab.configure(&format!("{config}\n[redis]\nca = \"/nowhere/ca.pem\"\n"));
    rows(&lab, &mut table, "no file", &server, &server.url());
    lab.configure(&format!("{config}\n[redis]\nca = \"ca.pem\"\n"));
    rows(&lab, &mut table, "a relative file", &server, &server.url());
    insta::assert_snapshot!(table.0, @r#"
    --- unknown
    exit 1
    error: could not load profile-HEX in rediss://SERVER/0 (prefix token)
    cause: its certificate is not to be trusted; name the authority that signed it with `ca` or SSL_CERT_FILE
    cause: invalid peer certificate: UnknownIssuer
    hint: `ca` of [redis] in the config, or SSL_CERT_FILE, names the authority's file
    --- without TLS
    exit 1
    error: could not load profile-HEX in redis://SERVER/0 (prefix token)
    cause: it ended the connection without a greeting, as a server does that waits for TLS (rediss:)
    cause: Connection reset by peer (os error 104)
    hint: check that the server runs there and that this host reaches it
    --- no file
    exit 1
    error: could not load profile-HEX in rediss://SERVER/0 (prefix token)
    cause: the CA /nowhere/ca.pem: I/O error: No such file or directory (os error 2)
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- a relative file
    exit 1
    error: "ca.pem" is not an absolute path
    hint: begin it with / or ~/
    hint: it is `ca` of [redis] in HOME/token.toml
    "#);

    // Either of these helps.
    lab.configure(&format!("{config}\n[redis]\nca = {:?}\n", server.ca()));
    let url = server.url();
    let cache = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "none")];
    assert!(row_with(&lab, &cache, GET).starts_with("exit 4\n"));
    lab.configure(&config);
    let ca = server.ca().display().to_string();
    let named = [cache[0], cache[1], ("SSL_CERT_FILE", ca.as_str())];
    assert!(row_with(&lab, &named, GET).starts_with("exit 4\n"));
}

#[test]
fn it_takes_no_writes() {
    let Some(server) = RedisServer::start(RedisSettings::default()) else {
        return;
    };
    let lab = Lab::new(Settings::default());
    let url = server.url();
    let cache = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "none")];
    let mut table = Table::default();
    let mut row = |name: &str| {
        let row = row_with(&lab, &cache, &["login"]);
        table.add(name, &row.replace(&server.address().to_string(), "SERVER"));
    };
    server.command(["CONFIG", "SET", "maxmemory", "1"]);
    row("out of memory");
    server.command(["CONFIG", "SET", "maxmemory", "0"]);
    server.command(["REPLICAOF", "127.0.0.1", "1"]);
    row("a replica");
    insta::assert_snapshot!(table.0, @"
    --- out of memory
    exit 1
    error: could not store access-HEX in redis://SERVER/0 (prefix token)
    cause: its memory is full (maxmemory) (OOM: command not allowed when used memory > 'maxmemory'.)
    hint: nothing was lost; whoever runs the server gives it more memory (CONFIG SET maxmemory …)
    --- a replica
    exit 1
    error: could not store access-HEX in redis://SERVER/0 (prefix token)
    cause: it is a read-only replica; name its primary (READONLY: You can't write against a read only replica.)
    hint: TOKEN_CACHE or `cache` in the config names the server; it has to be the primary
    ");
    assert_eq!(lab.issuer.counts().device_codes, 0, "nobody is asked to sign in for nothing");
}

#[test]
fn its_password_is_where_the_config_says() {
    let settings = RedisSettings { password: Some(PASSWORD.to_owned()), ..RedisSettings::default() };
    let Some(server) = RedisServer::start(settings) else { return };
    let lab = Lab::new(Settings::default());
    let config = std::fs::read_to_string(lab.home().join("token.toml")).unwrap();
    let url = server.url();
    let cache = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "none"), ("REDIS_PASSWORD", PASSWORD)];
    let mut table = Table::default();
    let mut row = |name: &str, variables: &[(&str, &str)]| {
        let row = row_with(&lab, variables, GET);
        let row = row.replace(&server.address().to_string(), "SERVER");
        table.add(name, &row);
    };
    let password = |source: &str| lab.configure(&format!("{config}\n[redis]\npassword = {source:?}\n"));
    password("env:REDIS_PASSWORD");
    row("a variable", &cache);
    row("a variable that is not set", &cache[..2]);
    let file = lab.home().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    password(&format!("file:{}", file.display()));
    row("a file", &cache[..2]);
    password("file:/nowhere/password");
    row("a file that is not there", &cache[..2]);
    password(PASSWORD);
    row("the password itself", &cache[..2]);
    let with_password = url.replace("//", "//:hunter2@");
    lab.configure(&format!("cache = {with_password:?}\n{config}"));
    row("in the config's URL", &[]);
    lab.configure(&config);
    row("in the variable's URL", &[("TOKEN_CACHE", &with_password), ("TOKEN_KEY", "none")]);
    assert!(!table.0.contains(PASSWORD));
    insta::assert_snapshot!(table.0, @"
    --- a variable
    exit 4
    error: Please run 'token login' to setup account.
    cause: there is no sign-in in redis://SERVER/0 (prefix token)
    hint: a server that does not keep its data forgets every sign-in when it restarts; 'token doctor' looks at that
    --- a variable that is not set
    exit 1
    error: the environment variable REDIS_PASSWORD is not set
    hint: it is `password` of [redis] in the config
    --- a file
    exit 4
    error: Please run 'token login' to setup account.
    cause: there is no sign-in in redis://SERVER/0 (prefix token)
    hint: a server that does not keep its data forgets every sign-in when it restarts; 'token doctor' looks at that
    --- a file that is not there
    exit 1
    error: could not read /nowhere/password
    cause: No such file or directory (os error 2)
    hint: it is `password` of [redis] in the config
    --- the password itself
    exit 1
    error: HOME/token.toml, line 13: expected `env:NAME` or `file:PATH`: the config holds no secrets itself
    --- in the config's URL
    exit 1
    error: the URL of the cache holds a password, and the config holds no secrets itself
    hint: `password` of [redis] in the config names it (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold it
    hint: it is `cache` in HOME/token.toml
    --- in the variable's URL
    exit 4
    error: Please run 'token login' to setup account.
    cause: there is no sign-in in redis://SERVER/0 (prefix token)
    hint: a server that does not keep its data forgets every sign-in when it restarts; 'token doctor' looks at that
    ");
}
