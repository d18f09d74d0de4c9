//! Token revocation (RFC 7009), for signing out.

use std::time::Duration;

use super::{answer, authenticated};
use crate::clock::Clock;
use crate::credential::{Credential, Endpoints};
use crate::error::{GrantError, GrantErrorKind};
use crate::secret::Secret;
use crate::token::RefreshToken;
use crate::transport::{HttpRequest, Transport, send_within};

/// How a revocation went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revoked {
    /// The token is good for nothing any more, if it was good for anything (RFC 7009 §2.2).
    Done,
    /// The issuer revokes no refresh tokens. The Microsoft identity platform does not.
    NotOffered,
}

/// Revokes a refresh token, and with it whatever its issuer ends along with it.
pub async fn revoke(
    transport: &dyn Transport,
    credential: &Credential,
    token: &RefreshToken,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<Revoked, GrantError> {
    let Endpoints::Issuer { revocation: Some(url), .. } = &credential.endpoints else {
        return Ok(Revoked::NotOffered);
    };
    let request = authenticated(HttpRequest::post(url.clone()), &credential.client)
        .secret("token", Secret::new(token.expose()))
        .field("token_type_hint", "refresh_token");
    let said = request.clone();
    let response = send_within(transport, request, clock, connect_timeout, within).await?;
    if (200..300).contains(&response.status) {
        return Ok(Revoked::Done);
    }
    match answer::failure(&response, &said) {
        Some(GrantError { kind: GrantErrorKind::Refused(refusal), .. })
            if refusal.error == "unsupported_token_type" =>
        {
            Ok(Revoked::NotOffered)
        }
        Some(failure) => Err(failure),
        None => Err(answer::unintelligible(&response, &said, "it did not say that the token is revoked")),
    }
}
