//! An issuer's refusal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An OAuth error answer (RFC 6749 §5.2), with what the Microsoft identity platform adds.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct OAuthError {
    /// `invalid_grant`, `invalid_scope`, …
    pub error: String,
    /// The issuer's explanation for people; Microsoft's begins with `AADSTSnnnnn: `.
    #[serde(default, rename = "error_description", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Microsoft's finer cause, such as `bad_token` or `basic_action`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suberror: Option<String>,
    /// Microsoft's claims challenge, to be passed to the next sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
}

impl OAuthError {
    /// Whether the same request may succeed a moment later: the issuer's own trouble, not a refusal.
    pub fn is_transient(&self) -> bool {
        matches!(self.error.as_str(), "temporarily_unavailable" | "server_error")
    }

    /// Whether the refresh token is dead for every scope, tenant and policy. At Microsoft an `invalid_grant` may
    /// concern one of these only, unless its suberror is `bad_token`.
    pub fn ends_refresh_token(&self, microsoft: bool) -> bool {
        self.suberror.as_deref() == Some("bad_token") || (!microsoft && self.error == "invalid_grant")
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => f.write_str(description),
            None => f.write_str(&self.error),
        }
    }
}

impl std::error::Error for OAuthError {}
