//! What a caller asks the broker for.

use std::time::Duration;

use crate::account::Account;
use crate::key::{Key, Kind, SignInId};
use crate::token::Fingerprint;

/// A request for an access token.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The account's name and authority, to find it again when its sign-in was replaced.
    pub account: String,
    /// As in [`Account::authority`].
    pub authority: String,
    /// The sign-in, as the profile or the local choice names it.
    pub sign_in: SignInId,
    /// The tenant, at Microsoft; the credential's own where absent.
    pub tenant: Option<String>,
    /// The scopes wanted. Empty means those granted at sign-in.
    pub scopes: Vec<String>,
    /// The resource wanted (RFC 8707), outside Microsoft.
    pub resource: Option<String>,
    /// What the client can do with the token (`cp1`: it handles claims challenges); the two kinds have different
    /// keys.
    pub capabilities: Vec<String>,
    /// A claims challenge to answer. The cache is passed by, and the new token replaces the old one.
    pub claims: Option<String>,
    /// How long the token must still live, to the letter; `None` means the default of [`freshness`](crate::freshness).
    pub min_validity: Option<Duration>,
    /// Whether a token newer than the stored one is wanted, however good that is.
    pub force_refresh: bool,
}

/// Scopes that ask for an identity or a refresh token and do not tell access tokens apart.
pub const IDENTITY_SCOPES: [&str; 3] = ["openid", "profile", "offline_access"];

impl TokenRequest {
    /// A request for the default token of an account.
    pub fn new(account: &Account) -> Self {
        Self {
            account: account.name.clone(),
            authority: account.authority.clone(),
            sign_in: account.sign_in.clone(),
            tenant: None,
            scopes: Vec::new(),
            resource: None,
            capabilities: Vec::new(),
            claims: None,
            min_validity: None,
            force_refresh: false,
        }
    }

    /// The key of the token: sign-in, tenant, requested scopes (sorted, without those of identity), resource and
    /// capabilities. Claims are not in it, for the answer to a challenge replaces what was challenged.
    pub fn key(&self) -> Key {
        let mut capabilities: Vec<&str> = self.capabilities.iter().map(String::as_str).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        Key::new(
            Kind::AccessToken,
            &[
                &self.sign_in.to_string(),
                self.tenant.as_deref().unwrap_or(""),
                &self.access_scopes().join(" "),
                self.resource.as_deref().unwrap_or(""),
                &capabilities.join(" "),
            ],
        )
    }

    /// The requested scopes that an access token is told apart by, sorted and without doubles. They are compared
    /// with case, as MSAL does.
    pub fn access_scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<&str> =
            self.scopes.iter().map(String::as_str).filter(|scope| !IDENTITY_SCOPES.contains(scope)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// The fingerprint of the claims asked for.
    pub(crate) fn claims_fingerprint(&self) -> Option<Fingerprint> {
        self.claims.as_deref().map(Fingerprint::of)
    }
}
