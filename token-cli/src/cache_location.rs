//! Where the cache is: what its URL says, and what the config adds to it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use token_core::Secret;
use url::Url;

use crate::config::{Environment, Origin, SecretSource};
use crate::paths::Paths;
use crate::report::Failure;

/// Where entries are kept. Its `Display` is the same for whoever comes as whomever, and may be shown to anybody.
#[derive(Clone, Debug)]
pub(crate) enum CacheLocation {
    /// A local directory.
    File(Local),
    /// A local database.
    Sqlite(Local),
    /// A server.
    Redis(Server),
}

/// A place on a disk.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) path: PathBuf,
    /// Whether one on the network will do, too.
    pub(crate) any_file_system: bool,
}

/// A server, as whom we come, and whom we trust there.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "it is shown all the same"))]
pub(crate) struct Server {
    /// It may hold a password.
    pub(crate) url: Secret,
    /// Where the password is, unless the URL holds it.
    pub(crate) password: Option<SecretSource>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) prefix: String,
    shown: String,
}

/// `[redis]`: what a URL does not say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct RedisTable {
    prefix: Option<String>,
    password: Option<SecretSource>,
    ca: Option<PathBuf>,
}

impl RedisTable {
    /// With its path in full.
    pub(crate) fn expanded(self, environment: &Environment<'_>) -> Result<Self, Failure> {
        let expand = |path: PathBuf| Paths::expand(environment, &path.to_string_lossy(), Origin::File);
        Ok(Self { ca: self.ca.map(expand).transpose()?, ..self })
    }
}

/// What a URL is read with.
pub(crate) struct Context<'a> {
    pub(crate) environment: &'a Environment<'a>,
    pub(crate) paths: &'a Paths,
    pub(crate) redis: &'a RedisTable,
    pub(crate) any_file_system: bool,
    /// Where the URL comes from.
    pub(crate) origin: Origin,
}

const FORMS: &str = "a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH";

/// Redis' own.
const PORT: u16 = 6379;
const PREFIX: &str = "token";
/// As the cache itself shows it.
const PREFIX_SHOWN: &str = " (prefix ";

impl CacheLocation {
    /// Reads a URL. It can hold a password, so no error repeats it.
    pub(crate) fn parse(text: &str, context: &Context<'_>) -> Result<Self, Failure> {
        let Some((scheme, rest)) = text.split_once(':') else { return Err(Failure::new(FORMS)) };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => context.local(rest, &context.paths.entries).map(Self::File),
            "sqlite" => context.local(rest, &context.paths.database).map(Self::Sqlite),
            scheme @ ("redis" | "rediss") => context.over_tcp(&format!("{scheme}:{rest}")).map(Self::Redis),
            "redis+unix" => context.over_unix(rest).map(Self::Redis),
            _ => Err(Failure::new(FORMS)),
        }
    }
}

impl Context<'_> {
    fn local(&self, path: &str, default: &Path) -> Result<Local, Failure> {
        let path = if path.is_empty() { default.to_owned() } else { self.path(path)? };
        Ok(Local { path, any_file_system: self.any_file_system })
    }

    fn over_tcp(&self, text: &str) -> Result<Server, Failure> {
        let malformed = || Failure::new("the URL of the cache is not well-formed").hint(FORMS);
        let url = Url::parse(text).map_err(|_| malformed())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
        // A password with a slash in it ends up here, and what is no number is not shown.
        let db = match url.path().trim_matches('/') {
            "" => 0,
            db => db.parse::<u32>().map_err(|_| malformed())?,
        };
        let shown = format!("{}://{host}:{}/{db}", url.scheme(), url.port().unwrap_or(PORT));
        if url.password().is_some() {
            let name_it = "`password` of [redis] in the config names it (env:NAME or file:PATH); TOKEN_CACHE in the \
                           environment may hold it";
            match self.origin {
                Origin::Environment(_) => {}
                Origin::Argument => {
                    return Err(Failure::usage(
                        "a URL with a password does not go on the command line: every user of the host can read it in \
                         the list of processes",
                    )
                    .hint(name_it));
                }
                _ => {
                    return Err(Failure::new(
                        "the URL of the cache holds a password, and the config holds no secrets itself",
                    )
                    .hint(name_it));
                }
            }
            return Ok(self.server(text, None, shown));
        }
        Ok(self.server(text, self.redis.password.clone(), shown))
    }

    fn over_unix(&self, rest: &str) -> Result<Server, Failure> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = self.path(path)?.display().to_string();
        let db = url::form_urlencoded::parse(query.as_bytes())
            .find_map(|(name, db)| (name == "db").then(|| db.parse::<u32>().ok())?)
            .filter(|db| *db != 0)
            .map(|db| format!("?db={db}"));
        let shown = format!("redis+unix:{path}{}", db.unwrap_or_default());
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = format!("redis+unix:{path}{query}");
        Ok(self.server(&url, self.redis.password.clone(), shown))
    }

    fn server(&self, url: &str, password: Option<SecretSource>, shown: String) -> Server {
        let prefix = self.redis.prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
        let shown = format!("{shown}{PREFIX_SHOWN}{prefix})");
        Server { url: Secret::new(url), password, ca: self.redis.ca.clone(), prefix, shown }
    }

    fn path(&self, path: &str) -> Result<PathBuf, Failure> {
        Paths::expand(self.environment, path, self.origin)
    }
}

impl CacheLocation {
    /// What a person types to name it again, without anything secret.
    pub(crate) fn url(&self) -> String {
        let shown = self.to_string();
        shown.split_once(PREFIX_SHOWN).map_or(shown.as_str(), |(url, _)| url).to_owned()
    }
}

impl fmt::Display for CacheLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(Local { path, .. }) => write!(f, "file:{}", path.display()),
            Self::Sqlite(Local { path, .. }) => write!(f, "sqlite:{}", path.display()),
            Self::Redis(server) => f.write_str(&server.shown),
        }
    }
}
