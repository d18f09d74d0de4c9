//! The laws, in every form that a connection has.

use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use token_cache_redis::RedisOptions;
use token_core::conformance::{LeaseEnd, Store};
use token_core::{Key, Secret, TokenCache};
use token_testkit::{Persistence, RedisServer, RedisSettings};

use crate::{name_of, open};

/// A server of its own for every law.
struct RedisStore<F>(RedisServer, PhantomData<F>);

trait Form: Send + Sync + 'static {
    const PERSISTENCE: Persistence;

    fn settings() -> RedisSettings {
        RedisSettings::default()
    }

    /// URL, password and CA: a line each.
    fn address(server: &RedisServer) -> [String; 3];
}

/// Over TCP, with everything that a fleet needs to lose nothing.
struct Tcp;

impl Form for Tcp {
    const PERSISTENCE: Persistence = Persistence::Always;

    fn address(server: &RedisServer) -> [String; 3] {
        [server.url(), String::new(), String::new()]
    }
}

/// Over a Unix socket, on a server that keeps nothing.
struct Unix;

impl Form for Unix {
    const PERSISTENCE: Persistence = Persistence::None;

    fn address(server: &RedisServer) -> [String; 3] {
        [format!("redis+unix:{}", server.socket().display()), String::new(), String::new()]
    }
}

/// Over TLS, with a password and another database.
struct Tls;

impl Form for Tls {
    const PERSISTENCE: Persistence = Persistence::Always;

    fn settings() -> RedisSettings {
        RedisSettings { tls: true, password: Some("a password".to_owned()), ..RedisSettings::default() }
    }

    fn address(server: &RedisServer) -> [String; 3] {
        [format!("{}/3", server.url()), "a password".to_owned(), server.ca().display().to_string()]
    }
}

/// As a user with the rights that the README names.
struct Acl;

impl Form for Acl {
    const PERSISTENCE: Persistence = Persistence::Always;

    fn settings() -> RedisSettings {
        RedisSettings { users: vec![crate::acl::line()], ..RedisSettings::default() }
    }

    fn address(server: &RedisServer) -> [String; 3] {
        let url = server.url().replace("//", "//token@");
        [url, crate::acl::PASSWORD.to_owned(), String::new()]
    }
}

impl<F: Form> RedisStore<F> {
    fn handle(address: &str) -> Arc<dyn TokenCache> {
        let mut lines = address.split('\n');
        let mut options = RedisOptions::new(lines.next().unwrap_or_default());
        if let Some(password) = lines.next().filter(|password| !password.is_empty()) {
            options = options.password(Secret::new(password));
        }
        if let Some(ca) = lines.next().filter(|ca| !ca.is_empty()) {
            options = options.ca(ca);
        }
        open(options)
    }
}

#[async_trait]
impl<F: Form> Store for RedisStore<F> {
    const LEASE: LeaseEnd = LeaseEnd::Timed;
    const PERSISTENT: bool = matches!(F::PERSISTENCE, Persistence::Always);

    async fn fresh() -> Option<Self> {
        let settings = RedisSettings { persistence: F::PERSISTENCE, ..F::settings() };
        Some(Self(RedisServer::start(settings)?, PhantomData))
    }

    async fn open(&self) -> Arc<dyn TokenCache> {
        Self::handle(&F::address(&self.0).join("\n"))
    }

    fn address(&self) -> Option<String> {
        Some(F::address(&self.0).join("\n"))
    }

    async fn open_at(address: &str) -> Arc<dyn TokenCache> {
        Self::handle(address)
    }

    async fn restart(&mut self) {
        self.0.kill();
        self.0.start_again();
    }

    async fn break_entry(&self, key: &Key) -> bool {
        let name = name_of(key);
        let mut admin = self.0.admin();
        admin.command(["SELECT", if F::address(&self.0)[0].ends_with("/3") { "3" } else { "0" }]);
        assert_eq!(admin.command(["HDEL", &name, "b"]).text(), "1");
        true
    }

    async fn make_unavailable(&mut self) -> bool {
        self.0.kill();
        true
    }
}

mod tcp {
    token_core::conformance_tests!(super::RedisStore<super::Tcp>);
}

mod unix {
    token_core::conformance_tests!(super::RedisStore<super::Unix>);
}

mod tls {
    token_core::conformance_tests!(super::RedisStore<super::Tls>);
}

mod acl {
    token_core::conformance_tests!(super::RedisStore<super::Acl>);
}
