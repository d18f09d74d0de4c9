//! What is stored of an access token besides the token.

use serde::{Deserialize, Serialize};

use crate::credential::Note;
use crate::key::SignInId;
use crate::oauth_error::OAuthError;
use crate::request::TokenRequest;
use crate::token::{AccessToken, Fingerprint};

/// The body of an entry of kind `AccessToken`: what was asked for, and what came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct StoredAccess {
    pub(crate) sign_in: SignInId,
    pub(crate) account: String,
    pub(crate) authority: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<AccessToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Refusal>,
}

/// An issuer's refusal, kept for a short while so that a thousand waiters fail at once without asking again.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Refusal {
    /// What was refused: another refresh token, or another secret, is not bound by it.
    pub(crate) of: Fingerprint,
    pub(crate) error: OAuthError,
    /// POSIX seconds.
    pub(crate) until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interrupted: Option<Box<Note>>,
}

impl StoredAccess {
    /// What is known before the first answer.
    pub(crate) fn new(request: &TokenRequest) -> Self {
        Self {
            sign_in: request.sign_in.clone(),
            account: request.account.clone(),
            authority: request.authority.clone(),
            tenant: request.tenant.clone(),
            scopes: request.access_scopes().into_iter().map(str::to_owned).collect(),
            resource: request.resource.clone(),
            token: None,
            refusal: None,
        }
    }

    /// After this moment (POSIX seconds) nobody misses it.
    pub(crate) fn discard_after(&self) -> Option<i64> {
        let token = self.token.as_ref().map(|token| token.expires_on.posix());
        token.max(self.refusal.as_ref().map(|refusal| refusal.until))
    }
}
