//! The config file, as it is written.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use token_core::grant::authorization_code::Redirect;
use url::{Host, Url};

use super::SecretSource;
use crate::cache_location::RedisTable;
use crate::report::Failure;

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

impl IssuerTable {
    /// Whether it speaks of this client, where one was named.
    pub(crate) fn is_for(&self, client_id: Option<&str>) -> bool {
        client_id.is_none() || self.client_id.is_none() || self.client_id.as_deref() == client_id
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) cache: Option<String>,
    pub(super) key: Option<String>,
    pub(super) cloud: Option<String>,
    #[serde(default)]
    pub(super) allow_network_file_system: bool,
    #[serde(default)]
    pub(super) share_managed_identities: bool,
    #[serde(default)]
    pub(super) redis: RedisTable,
    #[serde(default)]
    pub(super) clouds: BTreeMap<String, CloudTable>,
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, IssuerTable>,
}

pub(super) fn read(file: &Path, must_exist: bool) -> Result<File, Failure> {
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
