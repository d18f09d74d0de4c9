//! The client credentials grant (RFC 6749 §4.4): a client asks in its own name.

use super::refresh_token::token_endpoint;
use super::{asked, authenticated, claims, microsoft, unsendable};
use crate::credential::Credential;
use crate::error::BrokerError;
use crate::request::TokenRequest;
use crate::transport::HttpRequest;

/// The request for a token in the client's own name. Scopes go as they are: there is nobody whose identity could be
/// asked for, and nothing to refresh with.
///
/// # Errors
/// `Grant` (`Unsendable`) for claims that are no JSON object.
pub fn request(credential: &Credential, request: &TokenRequest) -> Result<HttpRequest, BrokerError> {
    let in_grant = |source| BrokerError::Grant { account: credential.account.clone(), source };
    let url = token_endpoint(credential, request).map_err(in_grant)?;
    let claims = claims(request.claims.as_deref(), &request.capabilities)
        .map_err(|source| in_grant(unsendable(&url, source)))?;
    let mut form =
        authenticated(HttpRequest::post(url), &credential.client).field("grant_type", "client_credentials");
    if credential.endpoints.is_microsoft() {
        form = microsoft(form).field("client_info", "1");
    } else if let Some(resource) = &request.resource {
        form = form.field("resource", resource);
    }
    let scopes = asked(credential, request);
    if !scopes.is_empty() {
        form = form.field("scope", scopes.join(" "));
    }
    Ok(match claims {
        Some(claims) => form.field("claims", claims),
        None => form,
    })
}
