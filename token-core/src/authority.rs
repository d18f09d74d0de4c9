//! From clouds and issuers to endpoints: computed for the Microsoft clouds, discovered for OpenID Connect issuers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use crate::clock::Clock;
use crate::credential::{Endpoints, microsoft_endpoint};
use crate::error::{GrantError, GrantErrorKind};
use crate::grant::{answer, unsendable};
use crate::transport::{HttpRequest, HttpResponse, Transport, endpoint, send_within};

/// A Microsoft cloud: where its tenants sign in, and what its resources are called.
///
/// The names of resources are kept letter by letter: `https://management.core.windows.net/` and the same without its
/// last slash are two resources to the issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cloud {
    /// What Azure CLI calls it: `AzureCloud`.
    pub name: String,
    /// Where tokens come from.
    pub authority_host: Url,
    /// Where Azure Resource Manager answers.
    pub resource_manager: Url,
    /// The default resource: Resource Manager, as `arm`.
    pub resource: String,
    /// Microsoft Graph, as `graph` and Azure CLI's `ms-graph`.
    pub graph: Option<String>,
    /// Key Vault's data, as `vault`.
    pub vault: Option<String>,
    /// Storage's data, as `storage`.
    pub storage: Option<String>,
    /// Azure AD Graph, as Azure CLI's `aad-graph`.
    pub aad_graph: Option<String>,
    /// Databases, as Azure CLI's `oss-rdbms`.
    pub oss_rdbms: Option<String>,
    /// Batch, as Azure CLI's `batch`.
    pub batch: Option<String>,
    /// Media Services, as Azure CLI's `media`.
    pub media: Option<String>,
    /// Data Lake, as Azure CLI's `data-lake`.
    pub data_lake: Option<String>,
}

impl Cloud {
    /// The clouds that Azure CLI knows.
    pub fn built_in() -> Vec<Self> {
        BUILT_IN.iter().filter_map(BuiltIn::cloud).collect()
    }

    /// The built-in cloud of this name, compared without case.
    pub fn named(name: &str) -> Option<Self> {
        BUILT_IN.iter().find(|cloud| cloud.name.eq_ignore_ascii_case(name)).and_then(BuiltIn::cloud)
    }

    /// A cloud that a configuration defines. It has no other resource than its default one until they are set.
    pub fn custom(
        name: impl Into<String>,
        authority_host: Url,
        resource_manager: Url,
        resource: impl Into<String>,
    ) -> Result<Self, UnsafeUrl> {
        require_https(&authority_host)?;
        require_https(&resource_manager)?;
        Ok(Self {
            name: name.into(),
            authority_host,
            resource_manager,
            resource: resource.into(),
            graph: None,
            vault: None,
            storage: None,
            aad_graph: None,
            oss_rdbms: None,
            batch: None,
            media: None,
            data_lake: None,
        })
    }

    /// The resource with this short name: `arm`, `graph`, `vault`, `storage`, or one of Azure CLI's resource types
    /// (`ms-graph`, `aad-graph`, `oss-rdbms`, `batch`, `media`, `data-lake`), compared without case. `None` where
    /// there is no such name, or no such resource in this cloud.
    pub fn resource_named(&self, name: &str) -> Option<&str> {
        match name.to_ascii_lowercase().as_str() {
            "arm" => Some(&self.resource),
            "graph" | "ms-graph" => self.graph.as_deref(),
            "vault" => self.vault.as_deref(),
            "storage" => self.storage.as_deref(),
            "aad-graph" => self.aad_graph.as_deref(),
            "oss-rdbms" => self.oss_rdbms.as_deref(),
            "batch" => self.batch.as_deref(),
            "media" => self.media.as_deref(),
            "data-lake" => self.data_lake.as_deref(),
            _ => None,
        }
    }

    /// The scope that is asked for where nothing else is.
    pub fn default_scope(&self) -> String {
        scope_of(&self.resource)
    }

    /// Where a credential of this cloud's may be sent; `tenant` is asked where a request names none.
    pub fn endpoints(&self, tenant: impl Into<String>) -> Endpoints {
        Endpoints::Microsoft { authority_host: self.authority_host.clone(), tenant: tenant.into() }
    }
}

/// The scope for everything that a client may do at a resource. Nothing is trimmed: a resource that ends in a slash
/// makes a scope with two, and the audience of its tokens keeps the slash (as Azure CLI's `resource_to_scopes`).
pub fn scope_of(resource: &str) -> String {
    format!("{resource}/.default")
}

/// What an OpenID Connect issuer says of itself (RFC 8414, OpenID Connect Discovery), as far as it is used here. It
/// is kept as it serializes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Discovery {
    /// Its own name.
    pub issuer: String,
    /// Where tokens come from.
    pub token_endpoint: Url,
    /// Where a person's browser starts (RFC 6749 §3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<Url>,
    /// Where the keys are that it signs ID tokens with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<Url>,
    /// Where a device starts (RFC 8628).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<Url>,
    /// Where tokens are revoked (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<Url>,
    /// Some of the scopes it knows; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes_supported: Option<Vec<String>>,
    /// How clients may prove themselves; absent means `client_secret_basic` (RFC 8414 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// How assertions of clients may be signed; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    /// The grants it knows; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types_supported: Option<Vec<String>>,
    /// How an answer may reach the client; absent means in the query or the fragment of its URL (RFC 8414 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_modes_supported: Option<Vec<String>>,
    /// The kinds of PKCE challenge it knows (RFC 7636); absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Whether it says who it is in every answer to a browser (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Until when it need not be asked again, in POSIX seconds: what its `Cache-Control` says, at most a day.
    #[serde(default)]
    pub keep_until: i64,
}

impl Discovery {
    /// Asks an issuer for its document: first where OpenID Connect puts it, behind the issuer's path, then where RFC
    /// 8414 puts it, before the path. The document has to name the issuer letter by letter, or somebody could answer
    /// for somebody else (RFC 8414 §3.3), and its endpoints have to be safe to send a credential to.
    ///
    /// # Errors
    /// `Unsendable` for an issuer that is no https URL; `Unintelligible` for an answer that is no such document, with
    /// both names as its source where it is somebody else's; else what [`send_within`] says.
    pub async fn fetch(
        transport: &dyn Transport,
        issuer: &str,
        clock: &dyn Clock,
        connect_timeout: Duration,
        within: Duration,
    ) -> Result<Self, GrantError> {
        let unsendable = |source| GrantError::new(GrantErrorKind::Unsendable, "the issuer").because(source);
        let [behind, before] = well_known(issuer).map_err(unsendable)?;
        let deadline = clock.uptime().saturating_add(within);
        let first = Self::fetch_from(transport, behind, issuer, clock, connect_timeout, within).await;
        let Err(GrantError { kind: GrantErrorKind::Unintelligible { status: 400..500 }, .. }) = first else {
            return first;
        };
        let left = deadline.saturating_sub(clock.uptime());
        // Of two places without a document the first is the one that people know.
        Self::fetch_from(transport, before, issuer, clock, connect_timeout, left).await.or(first)
    }

    /// Whether it may be used at `now` (POSIX seconds) without asking again.
    pub fn is_current(&self, now: i64) -> bool {
        // A clock that was turned back must not keep it for longer than a day.
        now < self.keep_until && self.keep_until - now <= MAX_KEPT.as_secs() as i64
    }

    /// Where a credential of this issuer's may be sent.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints::Issuer {
            issuer: self.issuer.clone(),
            token: self.token_endpoint.clone(),
            revocation: self.revocation_endpoint.clone(),
        }
    }

    /// Whether a scope may be asked for: it is offered, or the issuer does not say what it offers.
    pub fn may_offer(&self, scope: &str) -> bool {
        self.scopes_supported.as_ref().is_none_or(|offered| offered.iter().any(|offer| offer == scope))
    }

    /// The scopes of a person's sign-in: with `openid` and `offline_access`, where they may be asked for.
    pub(crate) fn with_identity_scopes(&self, scopes: &[String]) -> Vec<String> {
        let mut asked = scopes.to_vec();
        for scope in ["openid", "offline_access"] {
            if self.may_offer(scope) && !asked.iter().any(|known| known == scope) {
                asked.push(scope.to_owned());
            }
        }
        asked
    }

    async fn fetch_from(
        transport: &dyn Transport,
        place: Url,
        issuer: &str,
        clock: &dyn Clock,
        connect_timeout: Duration,
        within: Duration,
    ) -> Result<Self, GrantError> {
        let request = HttpRequest::get(place);
        let response = send_within(transport, request.clone(), clock, connect_timeout, within).await?;
        if let Some(failure) = answer::failure(&response, &request) {
            return Err(failure);
        }
        if response.status != 200 {
            return Err(answer::unintelligible(&response, &request, "it has no discovery document"));
        }
        Self::read(&response, issuer, clock.posix()).map_err(|source| {
            let kind = GrantErrorKind::Unintelligible { status: response.status };
            GrantError::new(kind, endpoint(&request.url)).because(source)
        })
    }

    fn read(response: &HttpResponse, issuer: &str, now: i64) -> Result<Self, BadDocument> {
        let mut document: Self = serde_json::from_slice(&response.body).map_err(BadDocument::Form)?;
        if document.issuer != issuer {
            return Err(BadDocument::Issuer { asked: issuer.to_owned(), named: document.issuer });
        }
        let optional = [
            &document.authorization_endpoint,
            &document.jwks_uri,
            &document.device_authorization_endpoint,
            &document.revocation_endpoint,
        ];
        for url in optional.into_iter().flatten().chain([&document.token_endpoint]) {
            require_https(url).map_err(BadDocument::Endpoint)?;
        }
        let kept = response.max_age.unwrap_or(MAX_KEPT).min(MAX_KEPT);
        document.keep_until = now.saturating_add(i64::try_from(kept.as_secs()).unwrap_or(0));
        Ok(document)
    }
}

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

/// Why a discovery document is not used.
#[derive(Debug, thiserror::Error)]
enum BadDocument {
    #[error("its discovery document is not in form")]
    Form(#[source] serde_json::Error),
    #[error("its discovery document names the issuer {named:?}, where {asked:?} was asked for")]
    Issuer { asked: String, named: String },
    #[error("its discovery document names an endpoint that is not safe")]
    Endpoint(#[source] UnsafeUrl),
}

/// Why an issuer cannot be asked.
#[derive(Debug, thiserror::Error)]
enum BadIssuer {
    #[error("{issuer:?} is not a URL")]
    NotAUrl {
        issuer: String,
        #[source]
        source: url::ParseError,
    },
    #[error("an issuer has no query and no fragment (RFC 8414 §2), and {issuer:?} has")]
    Query { issuer: String },
    #[error(transparent)]
    Unsafe(#[from] UnsafeUrl),
}

fn well_known(issuer: &str) -> Result<[Url; 2], BadIssuer> {
    let url =
        Url::parse(issuer).map_err(|source| BadIssuer::NotAUrl { issuer: issuer.to_owned(), source })?;
    require_https(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(BadIssuer::Query { issuer: issuer.to_owned() });
    }
    let path = url.path().trim_end_matches('/');
    let (mut behind, mut before) = (url.clone(), url.clone());
    behind.set_path(&format!("{path}/.well-known/openid-configuration"));
    before.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    Ok([behind, before])
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

/// The longest that a discovery document is kept, whatever its issuer says; also Azure CLI's time.
const MAX_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A row of Azure CLI's `core/cloud.py`; an empty text is an unset endpoint.
struct BuiltIn {
    name: &'static str,
    authority_host: &'static str,
    resource_manager: &'static str,
    resource: &'static str,
    graph: &'static str,
    vault: &'static str,
    aad_graph: &'static str,
    oss_rdbms: &'static str,
    batch: &'static str,
    media: &'static str,
    data_lake: &'static str,
}

impl BuiltIn {
    fn cloud(&self) -> Option<Cloud> {
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(Cloud {
            name: self.name.to_owned(),
            authority_host: Url::parse(self.authority_host).ok()?,
            resource_manager: Url::parse(self.resource_manager).ok()?,
            resource: self.resource.to_owned(),
            graph: set(self.graph),
            vault: set(self.vault),
            storage: set(STORAGE),
            aad_graph: set(self.aad_graph),
            oss_rdbms: set(self.oss_rdbms),
            batch: set(self.batch),
            media: set(self.media),
            data_lake: set(self.data_lake),
        })
    }
}

/// Storage has one name in all clouds.
const STORAGE: &str = "https://storage.azure.com";

const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn {
        name: "AzureCloud",
        authority_host: "https://login.microsoftonline.com",
        resource_manager: "https://management.azure.com/",
        resource: "https://management.core.windows.net/",
        graph: "https://graph.microsoft.com/",
        vault: "https://vault.azure.net",
        aad_graph: "https://graph.windows.net/",
        oss_rdbms: "https://ossrdbms-aad.database.windows.net",
        batch: "https://batch.core.windows.net/",
        media: "https://rest.media.azure.net",
        data_lake: "https://datalake.azure.net/",
    },
    BuiltIn {
        name: "AzureChinaCloud",
        authority_host: "https://login.chinacloudapi.cn",
        resource_manager: "https://management.chinacloudapi.cn",
        resource: "https://management.core.chinacloudapi.cn/",
        graph: "https://microsoftgraph.chinacloudapi.cn",
        vault: "https://vault.azure.cn",
        aad_graph: "https://graph.chinacloudapi.cn/",
        oss_rdbms: "https://ossrdbms-aad.database.chinacloudapi.cn",
        batch: "https://batch.chinacloudapi.cn/",
        media: "https://rest.media.chinacloudapi.cn",
        data_lake: "",
    },
    BuiltIn {
        name: "AzureUSGovernment",
        authority_host: "https://login.microsoftonline.us",
        resource_manager: "https://management.usgovcloudapi.net/",
        resource: "https://management.core.usgovcloudapi.net/",
        graph: "https://graph.microsoft.us/",
        vault: "https://vault.usgovcloudapi.net",
        aad_graph: "https://graph.microsoftazure.us/",
        oss_rdbms: "https://ossrdbms-aad.database.usgovcloudapi.net",
        batch: "https://batch.core.usgovcloudapi.net/",
        media: "https://rest.media.usgovcloudapi.net",
        data_lake: "",
    },
    BuiltIn {
        name: "AzureBleuCloud",
        authority_host: "https://login.sovcloud-identity.fr",
        resource_manager: "https://management.sovcloud-api.fr",
        resource: "https://management.sovcloud-api.fr/",
        graph: "https://graph.svc.sovcloud.fr",
        vault: "https://vault.sovcloud-api.fr",
        aad_graph: "https://graph.svc.sovcloud.fr/",
        oss_rdbms: "https://ossrdbms-aad.database.sovcloud-api.fr",
        batch: "https://batch.sovcloud-api.fr/",
        media: "https://rest.media.sovcloud-api.fr",
        data_lake: "",
    },
];
