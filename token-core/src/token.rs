//! The two kinds of token.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::expiry::Expiry;
use crate::secret::{Secret, exposed};

/// An access token, with what its issuer said of it. To us it is opaque (RFC 9068 §6).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AccessToken {
    /// What goes behind `Authorization: Bearer`.
    #[serde(with = "exposed")]
    pub secret: Secret,
    /// As the issuer wrote it; compared without case (RFC 6749 §7.1).
    pub token_type: String,
    /// The scopes granted: the answer's, or else those asked for (RFC 6749 §5.1).
    pub scopes: Vec<String>,
    /// When it was received, in POSIX seconds; by the issuer's `Date` where ours was more than 60 s off.
    pub received_at: i64,
    /// When it ends.
    pub expires_on: Expiry,
    /// After how many seconds the issuer wants it refreshed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_in: Option<i64>,
    /// The fingerprint of the claims it was asked for with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Fingerprint>,
}

/// A refresh token: what a [`Credential`](crate::Credential) keeps and readers never see.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RefreshToken(#[serde(with = "exposed")] Secret);

impl RefreshToken {
    /// Takes the token over.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Secret::new(token))
    }

    /// Takes the secret over; no copy is made.
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// The token itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What refers to this token without revealing it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.expose())
    }
}

/// The SHA-256 of a text, to compare and refer to what must not be shown.
#[derive(Clone, Copy, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::key::hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = &'static str;

    fn try_from(digits: String) -> Result<Self, Self::Error> {
        crate::key::bytes(&digits).map(Self).ok_or("not a fingerprint")
    }
}
