//! The signing key of the issuer, what it signs, and the random texts of everything else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};

/// The one key that id tokens, and access tokens that are JWTs, are signed with.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    key: SigningKey,
    kid: String,
}

impl SigningKeys {
    pub(crate) fn generate() -> Self {
        // A scalar is out of range once in 2^32.
        let key = std::iter::repeat_with(|| SigningKey::from_slice(&rand::random::<[u8; 32]>()))
            .find_map(Result::ok)
            .expect("an endless iterator has a next");
        Self { key, kid: random_text(8) }
    }

    /// The JSON Web Key Set (RFC 7517).
    pub(crate) fn jwks(&self) -> Value {
        // SEC 1, uncompressed: 4, then x and y of 32 bytes each.
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }

    /// A JWT with these claims, signed ES256.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// JSON in base64url, as in JWTs and `client_info`.
pub(crate) fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// So many random bytes in base64url.
pub(crate) fn random_text(bytes: usize) -> String {
    let random: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    URL_SAFE_NO_PAD.encode(random)
}

/// A random GUID (version 4).
pub(crate) fn random_guid() -> String {
    let number = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
