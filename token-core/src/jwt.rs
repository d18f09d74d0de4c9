//! Reading what a JWT says (RFC 7519), without judging whether it is true.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The claims of a signed token; `None` where it is none.
pub(crate) fn claims(token: &str) -> Option<Map<String, Value>> {
    decode(token.split('.').nth(1)?)
}

/// JSON in base64url.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}
