//! What is configured: the file, overridden by the environment.

mod environment;
mod file;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::az::settings::AzSettings;
use crate::cache_location::{CacheLocation, Context, RedisTable};
use crate::paths::Paths;
use crate::report::Failure;

pub(crate) use environment::{Environment, PROCESS};
pub(crate) use file::{CloudTable, IssuerTable, secure_url};
pub(crate) use source::{KeySource, SecretSource};

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
        let content = file::read(&file, named.is_some())?;
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
                value: source::key_source(environment, &paths, &key.value, key.origin)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

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
