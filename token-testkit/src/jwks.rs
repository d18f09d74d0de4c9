//! The signing keys of the issuer, what they sign, and the random texts of everything else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{
    Signature, SigningKey,
    signature::{Signer, Verifier},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::IdTokenFlaw;

/// The key that id tokens, and access tokens that are JWTs, are signed with, and the one before it, which is still
/// published.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    key: SigningKey,
    kid: String,
    former: SigningKey,
}

impl SigningKeys {
    pub(crate) fn generate() -> Self {
        Self { key: random_key(), kid: random_text(8), former: random_key() }
    }

    /// The JSON Web Key Set (RFC 7517), with what a client has to pass over: keys of kinds it does not know, and for
    /// other purposes.
    pub(crate) fn jwks(&self) -> Value {
        let mut encryption = public(&self.key, &self.kid);
        encryption["use"] = json!("enc");
        json!({ "keys": [
            { "kty": "XYZ", "kid": self.kid, "flux": 7 },
            public(&self.former, "former"),
            encryption,
            public(&self.key, &self.kid),
        ]})
    }

    /// An id token with something wrong.
    pub(crate) fn sign_flawed(&self, mut claims: Value, flaw: IdTokenFlaw) -> String {
        let mut header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        let now = claims["iat"].as_i64().unwrap_or_default();
        let mut remove = |name: &str| claims.as_object_mut().and_then(|claims| claims.remove(name));
        match flaw {
            IdTokenFlaw::NoNonce => drop(remove("nonce")),
            IdTokenFlaw::Endless => drop(remove("exp")),
            IdTokenFlaw::NoSubject => drop(remove("sub")),
            IdTokenFlaw::WrongNonce => claims["nonce"] = json!(random_text(16)),
            IdTokenFlaw::WrongIssuer => claims["iss"] = json!("https://elsewhere.example"),
            IdTokenFlaw::NoTenant => claims["tid"] = json!("../evil"),
            IdTokenFlaw::WrongAudience => claims["aud"] = json!("another-client"),
            IdTokenFlaw::ManyAudiences => claims["aud"] = json!([claims["aud"], "another-client"]),
            IdTokenFlaw::WrongParty => claims["azp"] = json!("another-client"),
            IdTokenFlaw::Expired => claims["exp"] = json!(now - 3600),
            IdTokenFlaw::Early => claims["nbf"] = json!(now + 3600),
            IdTokenFlaw::WrongAccessToken => claims["at_hash"] = json!(half_hash("another")),
            IdTokenFlaw::UnknownKey => header["kid"] = json!("unheard-of"),
            IdTokenFlaw::Critical => {
                header["crit"] = json!(["flux"]);
                header["flux"] = json!(7);
            }
            IdTokenFlaw::Unsigned => {
                header["alg"] = json!("none");
                return format!("{}.{}.", encode(&header), encode(&claims));
            }
            IdTokenFlaw::Hmac => {
                header["alg"] = json!("HS256");
                let signed = format!("{}.{}", encode(&header), encode(&claims));
                return format!("{signed}.{}", URL_SAFE_NO_PAD.encode(Sha256::digest(&signed)));
            }
            IdTokenFlaw::BadSignature => {
                let (signed, signature) =
                    (signed(&header, &claims), self.sign(&json!({ "sub": "somebody" })));
                let signature = signature.rsplit_once('.').map_or("", |(_, signature)| signature).to_owned();
                return format!("{signed}.{signature}");
            }
            IdTokenFlaw::Missing => {}
        }
        self.sign_under(&header, &claims)
    }

    /// A JWT with these claims, signed ES256.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid }), claims)
    }

    /// What a JWT of ours says; `None` for anybody else's.
    pub(crate) fn verified(&self, jwt: &str) -> Option<Value> {
        let (signed, signature) = jwt.rsplit_once('.')?;
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        self.key.verifying_key().verify(signed.as_bytes(), &signature).ok()?;
        decode(signed.split_once('.')?.1)
    }

    fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let signed = signed(header, claims);
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

fn signed(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

fn public(key: &SigningKey, kid: &str) -> Value {
    // SEC 1, uncompressed: 4, then x and y of 32 bytes each.
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

fn random_key() -> SigningKey {
    // A scalar is out of range once in 2^32.
    std::iter::repeat_with(|| SigningKey::from_slice(&rand::random::<[u8; 32]>()))
        .find_map(Result::ok)
        .expect("an endless iterator has a next")
}

/// `at_hash` (OpenID Connect Core section 3.1.3.6) of an access token, under ES256.
pub(crate) fn half_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
}

/// JSON out of base64url.
pub(crate) fn decode(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
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
