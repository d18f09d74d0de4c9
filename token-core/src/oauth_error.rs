//! An issuer's refusal.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id_token::printable;

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
    /// What the assertion says that was sent and refused, where somebody else had made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Box<AssertionNames>>,
}

/// Whom an assertion speaks of. Who trusts its issuer has written these down, and they have to agree.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AssertionNames {
    /// Who made it (`iss`).
    pub issuer: String,
    /// About whom (`sub`).
    pub subject: String,
    /// For whom (`aud`).
    pub audience: String,
    /// When it ends, in POSIX seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl AssertionNames {
    pub(crate) fn read(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => printable(text),
            Some(Value::Array(texts)) => {
                texts.iter().filter_map(Value::as_str).map(printable).collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        let expires_at = claims.get("exp").and_then(Value::as_i64);
        Self { issuer: text("iss"), subject: text("sub"), audience: text("aud"), expires_at }
    }
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
