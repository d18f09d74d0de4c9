//! Where the key ring and secrets come from: `file:`, `env:`, and for the key `none`.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use token_core::Secret;

use super::{Environment, Origin};
use crate::paths::Paths;
use crate::report::Failure;

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

impl KeySource {
    /// What an argument names.
    pub(crate) fn named(text: &str, environment: &Environment<'_>, paths: &Paths) -> Result<Self, Failure> {
        key_source(environment, paths, text, Origin::Argument)
    }
}

pub(super) fn key_source(
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
