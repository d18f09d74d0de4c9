//! Discovery: what an OpenID Connect issuer says of itself, and where it says so.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{UnsafeUrl, require_https};
use crate::clock::Clock;
use crate::credential::Endpoints;
use crate::error::{GrantError, GrantErrorKind};
use crate::grant::answer;
use crate::transport::{HttpRequest, HttpResponse, Transport, endpoint, send_within};

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

/// The longest that a discovery document is kept, whatever its issuer says; also Azure CLI's time.
const MAX_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

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
