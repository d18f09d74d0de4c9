//! From clouds and issuers to endpoints: computed for the Microsoft clouds, discovered for OpenID Connect issuers.

mod cloud;
mod discovery;

use std::time::Duration;

use serde_json::Value;
use url::{Host, Url};

use crate::clock::Clock;
use crate::credential::microsoft_endpoint;
use crate::error::GrantError;
use crate::grant::{answer, unsendable};
use crate::transport::{HttpRequest, Transport, endpoint, send_within};
pub use cloud::{Cloud, scope_of};
pub use discovery::Discovery;

/// The id of a Microsoft tenant that is named by one of its domains. An id is returned as it is, without a request.
///
/// # Errors
/// `Refused` for a domain that nobody has; `Unintelligible` where the answer names no tenant; else what
/// [`send_within`] says.
pub async fn tenant_id(
    transport: &dyn Transport,
    authority_host: &Url,
    tenant: &str,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<String, GrantError> {
    if is_guid(tenant) {
        return Ok(tenant.to_owned());
    }
    let url = microsoft_endpoint(authority_host, tenant, "v2.0/.well-known/openid-configuration")
        .map_err(|source| unsendable(authority_host, source))?;
    let request = HttpRequest::get(url);
    let response = send_within(transport, request.clone(), clock, connect_timeout, within).await?;
    if let Some(failure) = answer::failure(&response, &request) {
        return Err(failure);
    }
    serde_json::from_slice::<Value>(&response.body)
        .ok()
        .filter(|_| response.status == 200)
        .and_then(|document| tenant_of(document.get("issuer")?.as_str()?))
        .ok_or_else(|| answer::unintelligible(&response, &request, "its answer names no tenant"))
}

/// Whether credentials and tokens may go to a URL, or come from it: https, or http that does not leave this host;
/// and no user name in it.
pub fn require_https(url: &Url) -> Result<(), UnsafeUrl> {
    let endpoint = endpoint(url);
    if url.host_str().is_none_or(str::is_empty) {
        Err(UnsafeUrl::NoHost { scheme: url.scheme().to_owned() })
    } else if !url.username().is_empty() || url.password().is_some() {
        Err(UnsafeUrl::UserInfo { endpoint })
    } else if url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)) {
        Ok(())
    } else {
        Err(UnsafeUrl::Plaintext { endpoint })
    }
}

/// The same for a service of the host that we run on, which may also be on a link-local address: those are routed
/// nowhere (RFC 3927 §7, RFC 4291 §2.5.6), and Azure's instance metadata has one.
pub fn require_host(url: &Url) -> Result<(), UnsafeUrl> {
    let link_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_unicast_link_local(),
        _ => false,
    };
    match require_https(url) {
        Err(UnsafeUrl::Plaintext { .. }) if url.scheme() == "http" && link_local => Ok(()),
        judged => judged,
    }
}

/// Why [`require_https`] refuses a URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeUrl {
    /// Anybody on the way could read and alter it.
    #[error("{endpoint} is neither https nor http on this host's loopback")]
    Plaintext {
        /// Scheme, host and port.
        endpoint: String,
    },
    /// A name or password in a URL would be sent, and shown.
    #[error("a URL to {endpoint} may not carry a user name or password")]
    UserInfo {
        /// Scheme, host and port.
        endpoint: String,
    },
    /// It leads nowhere.
    #[error("a URL of the scheme {scheme:?} has no host")]
    NoHost {
        /// Its scheme.
        scheme: String,
    },
}

/// Whether a URL leads to this host and nowhere else.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The tenant in `https://login.microsoftonline.com/{id}/v2.0`. The issuers of `common` and `organizations` have a
/// placeholder there, which is none.
fn tenant_of(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let tenant = url.path_segments()?.next()?;
    is_guid(tenant).then(|| tenant.to_owned())
}

pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
