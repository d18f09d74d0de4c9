//! The refresh token grant (RFC 6749 §6).

use url::Url;

use super::{asked, authenticated, claims, microsoft, microsoft_scopes, unsendable};
use crate::credential::{Credential, Endpoints};
use crate::error::{BrokerError, GrantError, GrantErrorKind};
use crate::request::TokenRequest;
use crate::secret::Secret;
use crate::token::RefreshToken;
use crate::transport::HttpRequest;

/// The request that spends `refresh_token`.
///
/// At Microsoft a refresh token is good for every resource and tenant, so any scope may be asked for; the request is
/// that of Azure CLI. Elsewhere only what was granted may be (RFC 6749 §6): no scope at all where the request names
/// none, else those it names, with `openid` and `offline_access` if they were granted, without which some issuers give
/// no new refresh token.
///
/// # Errors
/// `NotGranted`, or `Grant` (`Unsendable`) for claims that are no JSON object.
pub fn request(
    credential: &Credential,
    refresh_token: &RefreshToken,
    request: &TokenRequest,
) -> Result<HttpRequest, BrokerError> {
    let in_grant = |source| BrokerError::Grant { account: credential.account.clone(), source };
    let url = token_endpoint(credential, request).map_err(in_grant)?;
    let claims = claims(request.claims.as_deref(), &request.capabilities)
        .map_err(|source| in_grant(unsendable(&url, source)))?;
    let spent = Secret::new(refresh_token.expose());
    let mut form = authenticated(HttpRequest::post(url), &credential.client)
        .field("grant_type", "refresh_token")
        .secret("refresh_token", spent);
    if credential.endpoints.is_microsoft() {
        let scopes = asked(credential, request);
        form = microsoft(form)
            .field("client_info", "1")
            .field("scope", microsoft_scopes(scopes.iter().map(String::as_str)));
    } else {
        if let Some(scope) = granted_scopes(credential, request)? {
            form = form.field("scope", scope);
        }
        if let Some(resource) = &request.resource {
            form = form.field("resource", resource);
        }
    }
    Ok(match claims {
        Some(claims) => form.field("claims", claims),
        None => form,
    })
}

/// Where a credential is sent for a token request.
pub(super) fn token_endpoint(credential: &Credential, request: &TokenRequest) -> Result<Url, GrantError> {
    credential.endpoints.token_endpoint(request.tenant.as_deref()).map_err(|source| {
        match &credential.endpoints {
            Endpoints::Microsoft { authority_host: url, .. } | Endpoints::Issuer { token: url, .. } => {
                unsendable(url, source)
            }
            Endpoints::Host { .. } => {
                GrantError::new(GrantErrorKind::Unsendable, credential.endpoints.authority()).because(source)
            }
        }
    })
}

fn granted_scopes(credential: &Credential, request: &TokenRequest) -> Result<Option<String>, BrokerError> {
    if request.scopes.is_empty() {
        return Ok(None);
    }
    if let Some(scope) = request.scopes.iter().find(|&scope| !credential.scopes.contains(scope)) {
        return Err(BrokerError::NotGranted { account: credential.account.clone(), scope: scope.clone() });
    }
    let kept = credential.scopes.iter().filter(|scope| matches!(scope.as_str(), "openid" | "offline_access"));
    let mut scopes: Vec<&String> = request.scopes.iter().chain(kept).collect();
    scopes.sort_unstable();
    scopes.dedup();
    Ok(Some(scopes.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")))
}
