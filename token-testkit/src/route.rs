//! What a request is for, and how to say which requests are meant.

use serde::{Deserialize, Serialize};

use crate::{SeenRequest, Settings};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Any of them; no request has it, but [`Matching`] and the latency settings may say it.
    Any,
    /// A discovery document, in either well-known form.
    Discovery,
    /// The keys that id tokens are signed with.
    Jwks,
    /// The page where a person signs in and is sent back from.
    Authorize,
    /// A device authorization request.
    Device,
    /// A token request.
    Token,
    /// A revocation request.
    Revocation,
    /// The page where a user code is approved or declined.
    Verification,
    /// Azure Resource Manager: tenants and subscriptions.
    Arm,
    /// Where a job of a build server gets its assertion.
    Assertion,
    /// Where a process gets a token of its host's.
    ManagedIdentity,
    /// Nothing of the above.
    Unknown,
}

/// Which of the two issuers a request, a grant or a refresh token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// The OpenID Connect issuer under [`Settings::path`].
    #[serde(rename = "openid-connect")]
    OpenIdConnect,
    /// The Microsoft identity platform.
    Microsoft,
}

/// Which requests are meant: all of a route, or fewer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// The route.
    pub route: Route,
    /// Only token requests with this grant type.
    #[serde(default)]
    pub grant_type: Option<String>,
    /// Only requests whose path names this tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only requests whose form names this client.
    #[serde(default)]
    pub client_id: Option<String>,
}

impl Matching {
    /// The token requests that spend a refresh token.
    pub fn refreshes() -> Self {
        Self::from(Route::Token).grant_type("refresh_token")
    }

    /// Only token requests with this grant type.
    pub fn grant_type(mut self, grant_type: &str) -> Self {
        self.grant_type = Some(grant_type.into());
        self
    }

    /// Only requests whose path names this tenant.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Only requests whose form names this client.
    pub fn client_id(mut self, client_id: &str) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    pub(crate) fn matches(&self, request: &SeenRequest) -> bool {
        let agrees = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        (self.route == Route::Any || self.route == request.route)
            && agrees(&self.grant_type, request.grant_type())
            && agrees(&self.tenant, request.tenant.as_deref())
            && agrees(&self.client_id, request.field("client_id"))
    }
}

impl From<Route> for Matching {
    fn from(route: Route) -> Self {
        Self { route, grant_type: None, tenant: None, client_id: None }
    }
}

/// The endpoint that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    OidcDiscovery,
    MicrosoftDiscovery,
    Jwks,
    Authorize(Authority),
    Device(Authority),
    Token(Authority),
    Revocation,
    Verification,
    ArmTenants,
    ArmSubscriptions,
    ArmSubscription,
    GitHubAssertion,
    PipelinesAssertion,
    AppService,
    CloudShell,
    Metadata,
    Unknown,
}

impl Endpoint {
    /// The endpoint that a path leads to, and the tenant or subscription that the path names.
    pub(crate) fn of<'a>(path: &'a str, mount: &str, settings: &Settings) -> (Self, Option<&'a str>) {
        if path.strip_prefix("/.well-known/oauth-authorization-server") == Some(mount) {
            let exists = settings.oauth_authorization_server;
            return (if exists { Self::OidcDiscovery } else { Self::Unknown }, None);
        }
        match path.strip_prefix(mount) {
            Some("/.well-known/openid-configuration") => {
                let exists = settings.openid_configuration;
                return (if exists { Self::OidcDiscovery } else { Self::Unknown }, None);
            }
            Some("/oauth/jwks") => return (Self::Jwks, None),
            Some("/oauth/authorize") => return (Self::Authorize(Authority::OpenIdConnect), None),
            Some("/oauth/device") => return (Self::Device(Authority::OpenIdConnect), None),
            Some("/oauth/token") => return (Self::Token(Authority::OpenIdConnect), None),
            Some("/oauth/revoke") => return (Self::Revocation, None),
            Some("/device") => return (Self::Verification, None),
            _ => {}
        }
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match segments[..] {
            ["github", "id-token"] => (Self::GitHubAssertion, None),
            ["pipelines", "oidc"] => (Self::PipelinesAssertion, None),
            ["msi", "token"] => (Self::AppService, None),
            ["oauth2", "token"] => (Self::CloudShell, None),
            ["metadata", "identity", "oauth2", "token"] => (Self::Metadata, None),
            ["devicelogin"] => (Self::Verification, None),
            ["tenants"] => (Self::ArmTenants, None),
            ["subscriptions"] => (Self::ArmSubscriptions, None),
            ["subscriptions", id] => (Self::ArmSubscription, Some(id)),
            [tenant, "oauth2", "v2.0", "authorize"] => (Self::Authorize(Authority::Microsoft), Some(tenant)),
            [tenant, "oauth2", "v2.0", "devicecode"] => (Self::Device(Authority::Microsoft), Some(tenant)),
            [tenant, "oauth2", "v2.0", "token"] => (Self::Token(Authority::Microsoft), Some(tenant)),
            [tenant, "v2.0", ".well-known", "openid-configuration"] => {
                (Self::MicrosoftDiscovery, Some(tenant))
            }
            [tenant, "discovery", "v2.0", "keys"] => (Self::Jwks, Some(tenant)),
            _ => (Self::Unknown, None),
        }
    }

    pub(crate) fn route(self) -> Route {
        match self {
            Self::OidcDiscovery | Self::MicrosoftDiscovery => Route::Discovery,
            Self::Jwks => Route::Jwks,
            Self::Authorize(_) => Route::Authorize,
            Self::Device(_) => Route::Device,
            Self::Token(_) => Route::Token,
            Self::Revocation => Route::Revocation,
            Self::Verification => Route::Verification,
            Self::ArmTenants | Self::ArmSubscriptions | Self::ArmSubscription => Route::Arm,
            Self::GitHubAssertion | Self::PipelinesAssertion => Route::Assertion,
            Self::AppService | Self::CloudShell | Self::Metadata => Route::ManagedIdentity,
            Self::Unknown => Route::Unknown,
        }
    }

    pub(crate) fn authority(self) -> Authority {
        match self {
            Self::Authorize(authority) | Self::Device(authority) | Self::Token(authority) => authority,
            Self::MicrosoftDiscovery | Self::ArmTenants | Self::ArmSubscriptions | Self::ArmSubscription => {
                Authority::Microsoft
            }
            _ => Authority::OpenIdConnect,
        }
    }
}
