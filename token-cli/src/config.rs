//! What is configured: the file, overridden by the environment. Only this file reads the environment.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use token_core::Secret;
use token_core::grant::authorization_code::Redirect;
use url::{Host, Url};

use crate::az::settings::AzSettings;
use crate::cache_location::{CacheLocation, Context, RedisTable};
use crate::paths::Paths;
use crate::report::Failure;

/// Everything that is configured, with where each setting comes from.
#[derive(Debug)]
pub(crate) struct Config {
    /// The config file, whether or not it exists.
    pub(crate) file: PathBuf,
    pub(crate) paths: Paths,
    pub(crate) cache: Setting<CacheLocation>,
    redis: RedisTable,
    allow_network_file_system: bool,
    pub(crate) key: Setting<KeySource>,
    pub(crate) cloud: Setting<String>,
    /// `TOKEN_SUBSCRIPTION`.
    pub(crate) subscription: Option<String>,
    pub(crate) clouds: BTreeMap<String, CloudTable>,
    pub(crate) issuers: BTreeMap<String, IssuerTable>,
    /// What this user is called, for others who share the cache.
    pub(crate) user: Option<String>,
    /// `TOKEN_LOG`: a level.
    pub(crate) log: Option<String>,
    /// The authorities that Azure CLI is told to trust, where nothing says so for everybody.
    pub(crate) authorities: Option<PathBuf>,
    /// Whether the tokens of managed identities may go to a cache that other hosts share.
    pub(crate) share_managed_identities: bool,
    /// `AZURE_AUTHORITY_HOST`, which SDKs and workload identity say the cloud by.
    pub(crate) authority_host: Option<String>,
    /// Whether to say that we can handle claims challenges, as Azure CLI does.
    pub(crate) handles_claims: bool,
    /// Whether `login` on a terminal lets a person choose the subscription.
    pub(crate) asks_for_subscription: bool,
}

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a setting comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    Default,
    File,
    Environment(&'static str),
    /// `cloud set`
    Chosen,
    /// Azure CLI's own config.
    AzureCli,
    Argument,
}

/// Where the key ring comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeySource {
    /// A file; the default one is made by the first sign-in.
    File { path: PathBuf, default: bool },
    /// An environment variable.
    Environment(String),
    /// No encryption.
    None,
}

/// Where a secret is read from when it is needed. The config never holds one itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecretSource {
    File(String),
    Environment(String),
}

/// `[clouds.NAME]`: another Azure cloud, or a test authority.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct CloudTable {
    #[serde(deserialize_with = "https")]
    pub(crate) authority_host: Url,
    #[serde(deserialize_with = "https")]
    pub(crate) resource_manager: Url,
    /// What tokens are for by default. It is a name, compared byte for byte, and no address.
    pub(crate) resource: String,
}

/// `[issuers.NAME]`: an OpenID Connect issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(crate) struct IssuerTable {
    /// Exactly as it names itself.
    #[serde(deserialize_with = "issuer")]
    pub(crate) issuer: String,
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    #[serde(default)]
    pub(crate) client_secret: Option<SecretSource>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// Where it sends the browser back to, as the client is registered there.
    #[serde(default, deserialize_with = "redirect")]
    pub(crate) redirect_uri: Option<Redirect>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cache: Option<String>,
    key: Option<String>,
    cloud: Option<String>,
    #[serde(default)]
    allow_network_file_system: bool,
    #[serde(default)]
    share_managed_identities: bool,
    #[serde(default)]
    redis: RedisTable,
    #[serde(default)]
    clouds: BTreeMap<String, CloudTable>,
    #[serde(default)]
    issuers: BTreeMap<String, IssuerTable>,
}

/// The environment variables, by name.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Option<OsString>);

/// The variables that decide what is used.
const VARIABLES: [&str; 6] =
    ["TOKEN_CONFIG", "TOKEN_CACHE", "TOKEN_KEY", "TOKEN_CLOUD", "TOKEN_SUBSCRIPTION", "TOKEN_LOG"];

pub(crate) const DEFAULT_CLOUD: &str = "AzureCloud";

impl Config {
    pub(crate) fn load(environment: &Environment<'_>, az: &AzSettings) -> Result<Self, Failure> {
        // What cannot be read must not count as not given: the default might be somebody else's cache, key or cloud.
        if let Some(name) = VARIABLES.iter().find(|name| environment.is_garbled(name)) {
            return Err(Failure::new(format!("the environment variable {name} is not UTF-8 text")));
        }
        let paths = Paths::new(environment)?;
        let named = environment.text("TOKEN_CONFIG");
        let of_variable = |failure: Failure| failure.hint("it is set by TOKEN_CONFIG");
        let file = match &named {
            Some(path) => {
                Paths::expand(environment, path, Origin::Environment("TOKEN_CONFIG")).map_err(of_variable)?
            }
            None => paths.config.join("config.toml"),
        };
        let content = read(&file, named.is_some())?;
        let cache = setting(environment, "TOKEN_CACHE", content.cache, "file:");
        let key = setting(environment, "TOKEN_KEY", content.key, "file:");
        let cloud = cloud(environment, &paths, content.cloud, az);
        let context = |failure: Failure, name: &str, origin: Origin| match origin {
            Origin::Environment(variable) => failure.hint(format!("it is set by {variable}")),
            _ => failure.hint(format!("it is `{name}` in {}", file.display())),
        };
        let redis = content
            .redis
            .expanded(environment)
            .map_err(|failure| failure.hint(format!("it is `ca` of [redis] in {}", file.display())))?;
        let cache_location = CacheLocation::parse(
            &cache.value,
            &Context {
                environment,
                paths: &paths,
                redis: &redis,
                any_file_system: content.allow_network_file_system,
                origin: cache.origin,
            },
        );
        Ok(Self {
            cache: Setting {
                value: cache_location.map_err(|failure| context(failure, "cache", cache.origin))?,
                origin: cache.origin,
            },
            key: Setting {
                value: key_source(environment, &paths, &key.value, key.origin)
                    .map_err(|failure| context(failure, "key", key.origin))?,
                origin: key.origin,
            },
            cloud,
            subscription: environment.text("TOKEN_SUBSCRIPTION"),
            redis,
            allow_network_file_system: content.allow_network_file_system,
            clouds: content.clouds,
            issuers: content.issuers,
            user: environment.text("USER").or_else(|| environment.text("LOGNAME")),
            log: environment.text("TOKEN_LOG"),
            authorities: ["SSL_CERT_FILE", "SSL_CERT_DIR"]
                .iter()
                .all(|name| environment.path(name).is_none())
                .then(|| environment.path("REQUESTS_CA_BUNDLE"))
                .flatten(),
            share_managed_identities: content.share_managed_identities,
            authority_host: environment.text("AZURE_AUTHORITY_HOST"),
            handles_claims: environment.text("AZURE_IDENTITY_DISABLE_CP1").is_none(),
            asks_for_subscription: az.asks_for_subscription,
            file,
            paths,
        })
    }
}

impl Config {
    /// A cache that an argument names. The configured one comes with its password.
    pub(crate) fn cache_named(
        &self,
        text: &str,
        environment: &Environment<'_>,
    ) -> Result<CacheLocation, Failure> {
        let context = Context {
            environment,
            paths: &self.paths,
            redis: &self.redis,
            any_file_system: self.allow_network_file_system,
            origin: Origin::Argument,
        };
        let named = CacheLocation::parse(text, &context)?;
        let configured = &self.cache.value;
        Ok(if named.to_string() == configured.to_string() { configured.clone() } else { named })
    }
}

impl Environment<'_> {
    /// A variable that is set and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.path(name).and_then(|value| value.into_os_string().into_string().ok())
    }

    /// Whether a variable is set, but to no text.
    fn is_garbled(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|value| value.to_str().is_none())
    }

    /// As [`Environment::text`], for paths, which need not be Unicode.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The home directory in the passwd entry of who runs us.
    pub(crate) fn passwd_home(&self) -> Option<PathBuf> {
        // Where HOME is unset or empty, std asks getpwuid_r.
        if self.path("HOME").is_none() { std::env::home_dir() } else { None }
    }
}

/// The variables of this process.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) const PROCESS: Environment<'static> = Environment(&|name| std::env::var_os(name));

impl SecretSource {
    /// `env:NAME` or `file:PATH`; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.to_owned())),
            _ => None,
        }
    }

    /// The secret, without the newline that ends most files.
    pub(crate) fn read(&self, environment: &Environment<'_>) -> Result<Secret, Failure> {
        let secret = match self {
            Self::Environment(name) => environment
                .text(name)
                .ok_or_else(|| Failure::new(format!("the environment variable {name} is not set")))?,
            Self::File(path) => {
                let path = match path.strip_prefix("~/") {
                    Some(_) => Paths::expand(environment, path, Origin::File)?,
                    // Whoever types a path means it from where they are.
                    None => PathBuf::from(path),
                };
                std::fs::read_to_string(&path).map_err(|error| {
                    Failure::new(format!("could not read {}", path.display())).caused_by(&error)
                })?
            }
        };
        let secret = Secret::new(secret.trim_end_matches(['\r', '\n']));
        if secret.expose().is_empty() { Err(Failure::new(format!("{self} is empty"))) } else { Ok(secret) }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Source;
        const EXPECTED: &str = "expected `env:NAME` or `file:PATH`: the config holds no secrets itself";

        // Every wrong value gets the same words, for it may be the secret.
        impl Visitor<'_> for Source {
            type Value = SecretSource;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`env:NAME` or `file:PATH`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SecretSource, E> {
                SecretSource::parse(text).ok_or_else(|| E::custom(EXPECTED))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<SecretSource, E> {
                Err(E::custom(EXPECTED))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<SecretSource, E> {
                Err(E::custom(EXPECTED))
            }
        }
        from.deserialize_any(Source)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::None => f.write_str("none (nothing is encrypted)"),
        }
    }
}

impl Origin {
    /// As `config show` prints it.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "config file",
            Self::Environment(name) => name,
            Self::Chosen => "cloud set",
            Self::AzureCli => "Azure CLI's config",
            Self::Argument => "argument",
        }
    }
}

fn read(file: &Path, must_exist: bool) -> Result<File, Failure> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => return Ok(File::default()),
        Err(error) => {
            let failure = Failure::new(format!("could not read the config {}", file.display()));
            let failure = match error.kind() {
                io::ErrorKind::InvalidData => failure.because("it is not UTF-8 text"),
                _ => failure.caused_by(&error),
            };
            return Err(if must_exist { failure.hint("it is set by TOKEN_CONFIG") } else { failure });
        }
    };
    toml::from_str(&text).map_err(|error| {
        // The error's own text quotes the line, and what stands there may be a secret in the wrong place.
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Failure::new(format!("{}, line {line}: {}", file.display(), error.message()))
    })
}

fn setting<'a>(
    environment: &Environment<'_>,
    variable: &'static str,
    file: Option<String>,
    default: &'a str,
) -> Setting<Cow<'a, str>> {
    if let Some(value) = environment.text(variable) {
        return Setting { value: value.into(), origin: Origin::Environment(variable) };
    }
    match file.filter(|value| !value.is_empty()) {
        Some(value) => Setting { value: value.into(), origin: Origin::File },
        None => Setting { value: default.into(), origin: Origin::Default },
    }
}

/// The environment, `cloud set`, our config, and Azure CLI's, which names a cloud even where nobody chose one.
fn cloud(
    environment: &Environment<'_>,
    paths: &Paths,
    file: Option<String>,
    az: &AzSettings,
) -> Setting<String> {
    let of_variable = ["TOKEN_CLOUD", "AZURE_CLOUD_NAME"]
        .into_iter()
        .find_map(|name| Some((environment.text(name)?, Origin::Environment(name))));
    let chosen = || {
        let name = std::fs::read_to_string(&paths.cloud).ok()?.trim().to_owned();
        (!name.is_empty()).then_some((name, Origin::Chosen))
    };
    let (value, origin) = of_variable
        .or_else(chosen)
        .or_else(|| Some((file.filter(|name| !name.is_empty())?, Origin::File)))
        .or_else(|| Some((az.cloud.clone()?, Origin::AzureCli)))
        .unwrap_or_else(|| (DEFAULT_CLOUD.to_owned(), Origin::Default));
    Setting { value, origin }
}

impl KeySource {
    /// What an argument names.
    pub(crate) fn named(text: &str, environment: &Environment<'_>, paths: &Paths) -> Result<Self, Failure> {
        key_source(environment, paths, text, Origin::Argument)
    }
}

fn key_source(
    environment: &Environment<'_>,
    paths: &Paths,
    text: &str,
    origin: Origin,
) -> Result<KeySource, Failure> {
    match text.split_once(':') {
        None if text == "none" => Ok(KeySource::None),
        Some(("file", "")) => Ok(KeySource::File { path: paths.config.join("key"), default: true }),
        Some(("file", path)) => {
            Ok(KeySource::File { path: Paths::expand(environment, path, origin)?, default: false })
        }
        Some(("env", name)) if !name.is_empty() => Ok(KeySource::Environment(name.to_owned())),
        // What stands here may be the key itself, so it is not repeated.
        _ => Err(Failure::new("the key has to be file:[PATH], env:NAME or none")),
    }
}

/// A URL that a secret may be sent to: https, or plain http that does not leave the host.
pub(crate) fn secure_url(text: &str) -> Result<Url, String> {
    let shown = match text.rsplit_once('@') {
        // What stands before it may be a password.
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| format!("{shown:?} is not a URL: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{shown:?} has a user name or password in it, which a URL may not carry here"));
    }
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(format!("{shown:?} is plain http: only https is allowed, except on loopback")),
        _ => Err(format!("{shown:?} is not an https URL")),
    }
}

fn https<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    secure_url(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn issuer<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    secure_url(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn redirect<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Redirect>, D::Error> {
    Redirect::parse(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        crate::private_file::replace(&file, toml.as_bytes()).unwrap();
        let file = file.to_str().unwrap().to_owned();
        let lookup = |name: &str| match name {
            "TOKEN_CONFIG" => Some(file.clone().into()),
            "HOME" => Some("/people/ada".into()),
            _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()),
        };
        Config::load(&Environment(&lookup), &AzSettings::default())
            .map_err(|failure| failure.text().replace(&file, "config.toml"))
    }

    #[test]
    fn what_is_not_configured_has_its_default() {
        let config = load("", &[]).unwrap();
        assert_eq!(config.cache.value.to_string(), "file:/people/ada/.local/share/token/entries");
        assert_eq!(config.key.value.to_string(), "file:/people/ada/.config/token/key");
        assert_eq!(config.cloud.value, "AzureCloud");
        assert_eq!(config.paths.choice, Path::new("/people/ada/.local/state/token"));
    }

    #[test]
    fn the_environment_comes_before_the_file_and_empty_is_not_given() {
        let variables = [("TOKEN_CACHE", "file:~/c"), ("TOKEN_KEY", "none"), ("TOKEN_CLOUD", "")];
        let config = load("cache = 'file:/a'\nkey = 'env:K'\ncloud = 'lab'", &variables).unwrap();
        assert_eq!(config.cache.value.to_string(), "file:/people/ada/c");
        assert_eq!(config.cache.origin, Origin::Environment("TOKEN_CACHE"));
        assert_eq!(config.key.value, KeySource::None);
        assert_eq!((config.cloud.value.as_str(), config.cloud.origin), ("lab", Origin::File));
    }

    #[test]
    fn directories_follow_xdg_and_azure_config_dir() {
        let config = load("", &[("XDG_DATA_HOME", "/data"), ("XDG_STATE_HOME", "relative")]).unwrap();
        assert_eq!(config.paths.entries, Path::new("/data/token/entries"));
        assert_eq!(config.paths.state, Path::new("/people/ada/.local/state/token"));
        let config = load("", &[("AZURE_CONFIG_DIR", "/job/az")]).unwrap();
        assert_eq!(config.paths.entries, Path::new("/job/az/token/entries"));
        assert_eq!(config.paths.choice, Path::new("/job/az/token"));
        assert_eq!(config.key.value.to_string(), "file:/people/ada/.config/token/key");
    }

    #[test]
    fn a_network_file_system_is_used_only_where_the_config_allows_it() {
        let may = |config: &Config, cache: &CacheLocation| {
            let named = config.cache_named("file:", &Environment(&|_| None)).unwrap();
            [cache.clone(), named].map(|cache| match cache {
                CacheLocation::File(local) | CacheLocation::Sqlite(local) => local.any_file_system,
                CacheLocation::Redis(_) => panic!("{cache} is on no disk"),
            })
        };
        for cache in ["file:/net/c", "sqlite:/net/c.db"] {
            for (line, allowed) in [("", false), ("allow_network_file_system = true", true)] {
                let config = load(&format!("cache = '{cache}'\n{line}"), &[]).unwrap();
                assert_eq!(may(&config, &config.cache.value), [allowed; 2], "{cache} {line}");
            }
        }
    }

    #[test]
    fn clouds_and_issuers_are_read() {
        let config = load(
            "[clouds.lab]\nauthority_host = 'http://127.0.0.1:4470'\nresource_manager = 'http://[::1]:4470'\n\
             resource = 'https://management.core.windows.net/'\n\
             [issuers.corp]\nissuer = 'https://idp.corp.example/realms/eng'\nclient_secret = 'env:S'\nscopes = ['a']",
            &[],
        )
        .unwrap();
        assert_eq!(config.clouds["lab"].authority_host.as_str(), "http://127.0.0.1:4470/");
        let corp = &config.issuers["corp"];
        assert_eq!(corp.issuer, "https://idp.corp.example/realms/eng");
        assert_eq!(corp.client_secret, Some(SecretSource::Environment("S".to_owned())));
    }

    #[test]
    fn every_mistake_in_the_file_has_one_clear_error() {
        let cloud = "[clouds.lab]\nresource = 'r'\nresource_manager = 'https://arm.example'\n";
        let mistakes = [
            "cach = 'file:'".to_owned(),
            "\ncache = 5".to_owned(),
            "cache = 'file:relative'".to_owned(),
            "cache = 'redis://:hunter2@host'".to_owned(),
            "key = 'c2VjcmV0'".to_owned(),
            format!("{cloud}authority_host = 'http://login.example'"),
            format!("{cloud}authority_host = 'nonsense'"),
            cloud.to_owned(),
            "[issuers.corp]\nissuer = 'https://idp.example'\nclient_secret = 'hunter2'".to_owned(),
            "[issuers.corp]\nissuer = 'https://idp.example'\nclient_secret = 12345".to_owned(),
            "cache = ".to_owned(),
        ];
        let texts: Vec<String> = mistakes.iter().map(|toml| load(toml, &[]).unwrap_err()).collect();
        insta::assert_snapshot!(texts.concat(), @r#"
        error: config.toml, line 1: unknown field `cach`, expected one of `cache`, `key`, `cloud`, `allow_network_file_system`, `share_managed_identities`, `redis`, `clouds`, `issuers`
        error: config.toml, line 2: invalid type: integer `5`, expected a string
        error: "relative" is not an absolute path
        hint: begin it with / or ~/
        hint: it is `cache` in config.toml
        error: the URL of the cache holds a password, and the config holds no secrets itself
        hint: `password` of [redis] in the config names it (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold it
        hint: it is `cache` in config.toml
        error: the key has to be file:[PATH], env:NAME or none
        hint: it is `key` in config.toml
        error: config.toml, line 4: "http://login.example" is plain http: only https is allowed, except on loopback
        error: config.toml, line 4: "nonsense" is not a URL: relative URL without a base
        error: config.toml, line 1: missing field `authority_host`
        error: config.toml, line 3: expected `env:NAME` or `file:PATH`: the config holds no secrets itself
        error: config.toml, line 3: expected `env:NAME` or `file:PATH`: the config holds no secrets itself
        error: config.toml, line 1: string values must be quoted, expected literal string
        "#);
        assert!(!texts.concat().contains("hunter2") && !texts.concat().contains("12345"));
    }

    #[test]
    fn a_config_that_was_asked_for_has_to_exist() {
        let lookup = |name: &str| match name {
            "TOKEN_CONFIG" => Some("/nonexistent/config.toml".into()),
            "HOME" => Some("/people/ada".into()),
            _ => None,
        };
        let failure = Config::load(&Environment(&lookup), &AzSettings::default()).unwrap_err();
        assert!(failure.text().starts_with("error: could not read the config /nonexistent/config.toml"));
    }
}
