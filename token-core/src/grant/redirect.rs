//! The redirect URI of a sign-in in the browser: it leads to this host (RFC 8252 §7.3).

use std::fmt;

use url::Url;

use super::loopback::Loopback;

/// Where an issuer sends the browser back to on this host. The port is chosen for every sign-in unless it is given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Redirect {
    host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

impl Redirect {
    /// `http://localhost`: what Microsoft's clients are registered with.
    pub fn localhost() -> Self {
        Self { host: "localhost".to_owned(), port: None, path: String::new() }
    }

    /// `http://127.0.0.1`, as RFC 8252 §7.3 has it; `http://[::1]` on a host without the former.
    pub fn address() -> Self {
        Self { host: ADDRESS.to_owned(), port: None, path: String::new() }
    }

    /// As an issuer has it registered: `http://localhost/callback`, or with a port where it accepts that one only.
    ///
    /// # Errors
    /// For what does not lead to this host's loopback.
    pub fn parse(text: &str) -> Result<Self, BadRedirect> {
        let bad = || BadRedirect { text: text.to_owned() };
        let url = Url::parse(text).map_err(|_| bad())?;
        let (authority, path) = match text.strip_prefix("http://").ok_or_else(bad)? {
            rest if rest.contains('/') => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            rest => (rest, ""),
        };
        let host = url.host_str().filter(|host| HOSTS.contains(host)).ok_or_else(bad)?;
        let is_plain =
            authority == host || url.port().is_some_and(|port| authority == format!("{host}:{port}"));
        if !is_plain || url.query().is_some() || url.fragment().is_some() || url.port() == Some(0) {
            return Err(bad());
        }
        Ok(Self { host: host.to_owned(), port: url.port(), path: path.to_owned() })
    }

    /// As it is sent, for where we listen.
    pub(super) fn uri(&self, loopback: &Loopback) -> String {
        let host = if self.host == ADDRESS && !loopback.has_v4() { "[::1]" } else { &self.host };
        format!("http://{host}:{}{}", loopback.port, self.path)
    }
}

/// A redirect URI that does not lead to this host.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is no http URL of this host's loopback, such as http://localhost/callback")]
pub struct BadRedirect {
    text: String,
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "http://{}:{port}{}", self.host, self.path),
            None => write!(f, "http://{}{}", self.host, self.path),
        }
    }
}

const ADDRESS: &str = "127.0.0.1";

/// The hosts of redirect URIs that lead to where we listen.
const HOSTS: [&str; 3] = ["localhost", ADDRESS, "[::1]"];
