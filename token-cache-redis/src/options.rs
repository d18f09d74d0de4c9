//! What is asked of a cache on Redis: where, as whom, and under which prefix.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use token_core::Secret;
use url::{Host, Url};

/// Redis' own port.
const PORT: u16 = 6379;

/// Where a cache on Redis is, and how to get there. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct RedisOptions {
    url: Secret,
    password: Option<Secret>,
    ca: Option<PathBuf>,
    prefix: String,
}

impl RedisOptions {
    /// One of:
    ///
    /// - `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]`
    /// - `rediss://…`, the same over TLS
    /// - `redis+unix:PATH[?db=DB][&user=USER]`
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), password: None, ca: None, prefix: "token".to_owned() }
    }

    /// The password, in place of one in the URL. The user is `default` unless the URL names another.
    #[must_use]
    pub fn password(self, password: Secret) -> Self {
        Self { password: Some(password), ..self }
    }

    /// A PEM file with the only authorities to trust. Without it the system's count, or those in `SSL_CERT_FILE`
    /// and `SSL_CERT_DIR` where these are set.
    #[must_use]
    pub fn ca(self, file: impl Into<PathBuf>) -> Self {
        Self { ca: Some(file.into()), ..self }
    }

    /// What every key's name begins with, `token` by default: several teams may share one server. Letters, digits,
    /// and `.`, `_`, `-` or `:` between them.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    pub(crate) fn read(self) -> Result<(Place, Login), BadOption> {
        let (address, user, in_url, db) = parse(self.url.expose())?;
        let tls = matches!(address, Address::Tcp { tls: true, .. });
        if self.ca.is_some() && !tls {
            return Err(BadOption("a CA is of use to TLS only: let the URL begin with rediss:"));
        }
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
        if self.prefix.is_empty() || !self.prefix.bytes().all(sound) {
            return Err(BadOption("a prefix is made of letters, digits, '.', '_', '-' and ':'"));
        }
        let login = Login { user, password: self.password.or(in_url), ca: self.ca };
        Ok((Place { address, db, prefix: self.prefix }, login))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("url", &self.url)
            .field("password", &self.password)
            .field("ca", &self.ca)
            .field("prefix", &self.prefix)
            .finish()
    }
}

/// Where a cache is. It may be shown to anybody.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) address: Address,
    pub(crate) db: u32,
    pub(crate) prefix: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// As whom we come, and whom we trust.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) ca: Option<PathBuf>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, db, prefix } = self;
        match address {
            Address::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}/{db}")?;
            }
            Address::Unix(path) if *db == 0 => write!(f, "redis+unix:{}", path.display())?,
            Address::Unix(path) => write!(f, "redis+unix:{}?db={db}", path.display())?,
        }
        write!(f, " (prefix {prefix})")
    }
}

/// What is wrong with an option. It never repeats the URL, which may hold a password.
#[derive(Debug)]
pub(crate) struct BadOption(&'static str);

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadOption {}

type Parsed = (Address, Option<String>, Option<Secret>, u32);

fn parse(url: &str) -> Result<Parsed, BadOption> {
    if let Some(rest) = url.strip_prefix("redis+unix:") {
        return parse_unix(rest);
    }
    let tls = match url.split_once("://") {
        Some(("redis", _)) => false,
        Some(("rediss", _)) => true,
        _ => return Err(BadOption("its URL begins with redis://, rediss:// or redis+unix:")),
    };
    let url = Url::parse(url).map_err(|_| BadOption("its URL is not well-formed"))?;
    if url.query().is_some() || url.fragment().is_some() {
        // `#insecure`, which some clients know, among them.
        return Err(BadOption("its URL has no part after '?' or '#'"));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => decoded(name)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(BadOption("its URL names no host")),
    };
    let user = Some(url.username()).filter(|user| !user.is_empty()).map(decoded).transpose()?;
    let password = url.password().map(decoded).transpose()?.map(Secret::new);
    let path = url.path();
    let db = number(path.strip_prefix('/').unwrap_or(path))?;
    Ok((Address::Tcp { host, port: url.port().unwrap_or(PORT), tls }, user, password, db))
}

fn parse_unix(rest: &str) -> Result<Parsed, BadOption> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    // `redis+unix:///run/…` is meant, too.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !Path::new(path).is_absolute() {
        return Err(BadOption("the path of a Unix socket begins with '/'"));
    }
    let (mut user, mut db) = (None, 0);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "db" => db = number(&value)?,
            "user" => user = Some(value.into_owned()),
            _ => return Err(BadOption("after '?' its URL may say db= and user=")),
        }
    }
    Ok((Address::Unix(path.into()), user, None, db))
}

fn decoded(text: &str) -> Result<String, BadOption> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text.map_err(|_| BadOption("its URL is not UTF-8"))?.into_owned())
}

fn number(db: &str) -> Result<u32, BadOption> {
    if db.is_empty() {
        return Ok(0);
    }
    db.parse().map_err(|_| BadOption("the number of its database is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_what_is_secret() {
        let cases = [
            ("redis://cache", "redis://cache:6379/0"),
            ("redis://cache:7000/3", "redis://cache:7000/3"),
            ("rediss://ada:hunter2@cache.example/", "rediss://cache.example:6379/0"),
            ("redis://:hunter2@127.0.0.1:1", "redis://127.0.0.1:1/0"),
            ("redis://ada:hunter2@[::1]:1/15", "redis://[::1]:1/15"),
            ("redis+unix:/run/redis.sock", "redis+unix:/run/redis.sock"),
            ("redis+unix:///run/redis.sock?db=2&user=ada", "redis+unix:/run/redis.sock?db=2"),
        ];
        for (url, shown) in cases {
            let options = RedisOptions::new(url).prefix("team-1");
            let (place, login) = options.clone().read().unwrap();
            assert_eq!(place.to_string(), format!("{shown} (prefix team-1)"));
            let all = format!("{options:?} {place:?} {login:?}");
            assert!(!all.contains("hunter2"), "{all}");
            assert_eq!(login.user.is_some(), url.contains("ada"), "{url}");
            assert_eq!(login.password.is_some(), url.contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn what_is_encoded_in_a_url_is_decoded_and_an_option_comes_first() {
        let options = RedisOptions::new("redis://a%40b:p%2F%3A@cache");
        let (_, login) = options.clone().read().unwrap();
        assert_eq!(login.user.as_deref(), Some("a@b"));
        assert_eq!(login.password.unwrap().expose(), "p/:");
        let (_, login) = options.password(Secret::new("other")).read().unwrap();
        assert_eq!(login.password.unwrap().expose(), "other");
    }

    #[test]
    fn bad_options_are_refused_without_being_repeated() {
        let urls = [
            "",
            "cache",
            "http://hunter2@cache",
            "redis:cache",
            "redis://",
            "redis://hunter2@cache:port",
            "redis://:hunter2@cache/one",
            "redis://:hunter2@cache/1/2",
            "redis://:hunter2@cache/-1",
            "rediss://:hunter2@cache#insecure",
            "redis://cache?password=hunter2",
            "redis+unix:redis.sock",
            "redis+unix:/run/redis.sock?pass=hunter2",
        ];
        for url in urls {
            let error = RedisOptions::new(url).read().expect_err(url);
            assert!(!error.to_string().contains("hunter2"), "{url}");
        }
        for prefix in ["", "a b", "{a}", "a*", "a\n"] {
            assert!(RedisOptions::new("redis://cache").prefix(prefix).read().is_err(), "{prefix}");
        }
        assert!(RedisOptions::new("redis://cache").ca("ca.pem").read().is_err());
    }
}
