//! From the cache that is configured to a [`TokenCache`]: the only place that names every backend.

#[cfg(feature = "redis")]
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use token_cache_file::FileCache;
#[cfg(feature = "redis")]
use token_cache_redis::{RedisCache, RedisOptions};
#[cfg(feature = "sqlite")]
use token_cache_sqlite::SqliteCache;
#[cfg(feature = "redis")]
use token_core::CacheErrorKind;
use token_core::{CacheError, Entry, Key, KeyRing, Kind, Rescue, SignInId, TokenCache, Version};

use crate::cache_location::{CacheLocation, Local, Server};
use crate::config::Environment;
use crate::report::Failure;

/// A cache, with what depends on its kind.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    File(FileCache),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteCache),
    #[cfg(feature = "redis")]
    Redis(RedisCache),
}

impl Backend {
    /// Opens the cache; nothing is written or sent yet.
    pub(crate) fn open(location: &CacheLocation, environment: &Environment<'_>) -> Result<Self, Failure> {
        match location {
            CacheLocation::File(Local { path, any_file_system: true }) => {
                Ok(Self::File(FileCache::open_on_any_file_system(path)?))
            }
            CacheLocation::File(Local { path, .. }) => Ok(Self::File(FileCache::open(path)?)),
            CacheLocation::Sqlite(local) => Self::open_sqlite(local),
            CacheLocation::Redis(server) => Self::open_redis(server, environment),
        }
    }

    #[cfg(feature = "sqlite")]
    fn open_sqlite(Local { path, any_file_system }: &Local) -> Result<Self, Failure> {
        let cache = match any_file_system {
            true => SqliteCache::open_on_any_file_system(path),
            false => SqliteCache::open(path),
        };
        Ok(Self::Sqlite(cache?))
    }

    #[cfg(not(feature = "sqlite"))]
    fn open_sqlite(_: &Local) -> Result<Self, Failure> {
        Err(not_built_in("sqlite"))
    }

    #[cfg(feature = "redis")]
    fn open_redis(server: &Server, environment: &Environment<'_>) -> Result<Self, Failure> {
        let mut options = RedisOptions::new(server.url.expose()).prefix(&server.prefix);
        if let Some(source) = &server.password {
            let password = source.read(environment);
            options = options.password(
                password.map_err(|failure| failure.hint("it is `password` of [redis] in the config"))?,
            );
        }
        if let Some(ca) = &server.ca {
            options = options.ca(ca);
        }
        Ok(Self::Redis(RedisCache::connect(options)?))
    }

    #[cfg(not(feature = "redis"))]
    fn open_redis(_: &Server, _: &Environment<'_>) -> Result<Self, Failure> {
        Err(not_built_in("redis"))
    }

    pub(crate) fn cache(&self) -> Arc<dyn TokenCache> {
        match self {
            Self::File(cache) => Arc::new(cache.clone()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(cache) => Arc::new(cache.clone()),
            #[cfg(feature = "redis")]
            Self::Redis(cache) => Arc::new(cache.clone()),
        }
    }

    /// Where rotated refresh tokens are secured: beside a cache of this host, so that everybody who reaches the cache
    /// finds them, else in the state directory.
    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "every cache is on this host"))]
    pub(crate) fn rescue(&self, state: &Path) -> Rescue {
        match self {
            Self::File(cache) => Rescue::new(cache.rescue_dir(), true),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(cache) => Rescue::new(cache.rescue_dir(), true),
            #[cfg(feature = "redis")]
            Self::Redis(_) => Rescue::new(state, false),
        }
    }

    /// Whether the cache lives on this host: a missing key may be made for an empty one, for nobody else can be
    /// about to fill it under another key. Others are reached over a network, within a runtime.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::File(_) => true,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => true,
            #[cfg(feature = "redis")]
            Self::Redis(_) => false,
        }
    }

    /// Writes an entry as large as a sign-in's, and removes it again: where that fails, a sign-in would be lost.
    pub(crate) async fn try_to_write(&self, keys: &KeyRing) -> Result<(), CacheError> {
        let cache = self.cache();
        let (key, version) =
            (Key::new(Kind::AccessToken, &[&SignInId::random().to_string()]), Version::random());
        // A key that cannot seal is found out, and told of, where it has to.
        let body = keys.seal(&key, &version, &[0; 16 * 1024]).unwrap_or_default();
        let entry = Entry { version, body, discard_after: Some(0) };
        // Nobody else has a key that is random, so neither can conflict.
        drop(cache.swap(&key, None, Some(&entry)).await?);
        cache.swap(&key, Some(&version), None).await.map(drop)
    }

    /// Deletes what was set aside as damaged.
    pub(crate) async fn delete_damaged(&self) -> Result<usize, CacheError> {
        match self {
            Self::File(cache) => cache.delete_damaged().await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(cache) => cache.delete_damaged().await,
            // It goes by itself, after a while.
            #[cfg(feature = "redis")]
            Self::Redis(_) => Ok(0),
        }
    }
}

/// What helps against an error of a server, which tells its reason by a code.
#[cfg(feature = "redis")]
pub(crate) fn what_helps(error: &CacheError) -> Option<String> {
    let reason = error.source()?.to_string();
    let is = |code: &str| reason.contains(&format!("({code}"));
    if is("NOAUTH") || is("WRONGPASS") {
        Some(
            "the URL names the user (redis://USER@HOST), and `password` of [redis] in the config the password (env:NAME \
             or file:PATH); TOKEN_CACHE in the environment may hold both"
                .to_owned(),
        )
    } else if is("NOPERM") {
        Some(format!(
            "whoever runs the server lets the user do what is needed: ACL SETUSER USER ~PREFIX:* {}",
            RedisCache::RIGHTS
        ))
    } else if is("READONLY") {
        Some("TOKEN_CACHE or `cache` in the config names the server; it has to be the primary".to_owned())
    } else if is("OOM") {
        Some(
            "nothing was lost; whoever runs the server gives it more memory (CONFIG SET maxmemory …)"
                .to_owned(),
        )
    } else if is("MISCONF") {
        Some("nothing was lost; whoever runs the server makes room on its disk".to_owned())
    } else if reason.contains("certificate") {
        Some("`ca` of [redis] in the config, or SSL_CERT_FILE, names the authority's file".to_owned())
    } else if error.kind() == CacheErrorKind::Unavailable && reason.contains("connection") {
        Some("check that the server runs there and that this host reaches it".to_owned())
    } else {
        None
    }
}

/// Without a server nothing tells more than its error.
#[cfg(not(feature = "redis"))]
pub(crate) fn what_helps(_: &CacheError) -> Option<String> {
    None
}

/// A cache that this program could know.
#[cfg(not(all(feature = "redis", feature = "sqlite")))]
fn not_built_in(feature: &str) -> Failure {
    Failure::new(format!("this build of {} has no {feature} cache", crate::program::name()))
        .hint(format!("'cargo install --path token-cli --features {feature}' makes one that has it"))
}

#[cfg(all(test, not(all(feature = "redis", feature = "sqlite"))))]
mod tests {
    use super::*;
    use crate::az::settings::AzSettings;
    use crate::config::Config;

    fn refusal(cache: &str) -> String {
        let lookup = |name: &str| match name {
            "TOKEN_CACHE" => Some(cache.into()),
            "HOME" => Some("/people/ada".into()),
            _ => None,
        };
        let environment = Environment(&lookup);
        let config = Config::load(&environment, &AzSettings::default()).unwrap();
        Backend::open(&config.cache.value, &environment).unwrap_err().text()
    }

    #[test]
    #[cfg(not(feature = "sqlite"))]
    fn a_database_is_refused_by_a_program_that_was_built_without() {
        insta::assert_snapshot!(refusal("sqlite:"), @"
        error: this build of token has no sqlite cache
        hint: 'cargo install --path token-cli --features sqlite' makes one that has it
        ");
    }

    #[test]
    #[cfg(not(feature = "redis"))]
    fn a_server_is_refused_by_a_program_that_was_built_without() {
        for cache in ["redis://cache.example", "rediss://cache.example", "redis+unix:/run/redis.sock"] {
            assert!(refusal(cache).starts_with("error: this build of token has no redis cache\n"), "{cache}");
        }
    }
}
