//! An issuer's public keys, and whether one of them has signed a token (RFC 7515, RFC 7517, RFC 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A JSON Web Key Set, as far as its keys can verify.
#[derive(Debug)]
pub(crate) struct Jwks {
    keys: Vec<Jwk>,
}

/// A key. Members that are not for signatures are not read.
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    /// Microsoft: whose tokens it signs, which may be a template.
    #[serde(default)]
    issuer: Option<String>,
}

/// A JWS in compact form (RFC 7515 §3.1), taken apart and not yet believed.
#[derive(Debug)]
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    kid: Option<String>,
    payload: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// The algorithms that are accepted. `none` proves nothing, and an HMAC would be under a key that the client has too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// Why a token is not known to be signed by its issuer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadSignature {
    #[error("it is not a signed JSON Web Token")]
    Form,
    #[error("it is signed by {0:?}, which is not accepted")]
    Algorithm(String),
    #[error("its signature has conditions that are not known here")]
    Critical,
    #[error("the issuer publishes no key {0:?}")]
    UnknownKey(String),
    #[error("its signature is not the issuer's")]
    Signature,
    #[error("it is signed by a key for other issuers")]
    ForeignKey,
}

impl Jwks {
    /// Reads a key set; `None` where it is none. A key that cannot be read is as good as absent: sets hold keys for
    /// other purposes and of kinds that are yet to come.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let set: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let keys = set.get("keys")?.as_array()?;
        Some(Self { keys: keys.iter().filter_map(|key| Jwk::deserialize(key).ok()).collect() })
    }

    /// The claims of a token that one of the keys has signed; `issuer` is whose keys these are, for Microsoft's that
    /// say so themselves.
    pub(crate) fn verified(&self, jws: Jws<'_>, issuer: &str) -> Result<Map<String, Value>, BadSignature> {
        let fits = |key: &&Jwk| match &jws.kid {
            Some(kid) => key.kid.as_ref() == Some(kid) && key.is_for(jws.algorithm),
            None => key.is_for(jws.algorithm),
        };
        let candidates: Vec<&Jwk> = self.keys.iter().filter(fits).take(MOST_KEYS).collect();
        if candidates.is_empty() {
            return Err(BadSignature::UnknownKey(jws.kid.unwrap_or_default()));
        }
        let signer = candidates
            .into_iter()
            .find(|key| key.has_signed(&jws) == Some(true))
            .ok_or(BadSignature::Signature)?;
        if signer.issuer.as_ref().is_some_and(|named| named != issuer) {
            return Err(BadSignature::ForeignKey);
        }
        Ok(jws.payload)
    }
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    pub(crate) fn read(token: &'a str) -> Result<Self, BadSignature> {
        let (signed, signature) = token.rsplit_once('.').ok_or(BadSignature::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(BadSignature::Form)?;
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let (header, payload) = object(header).zip(object(payload)).ok_or(BadSignature::Form)?;
        let text = |name| header.get(name).and_then(Value::as_str);
        let name = text("alg").ok_or(BadSignature::Form)?;
        let algorithm =
            Algorithm::named(name).ok_or_else(|| BadSignature::Algorithm(name.chars().take(20).collect()))?;
        // Whoever does not know what is critical must not accept the token (RFC 7515 §4.1.11).
        if header.contains_key("crit") {
            return Err(BadSignature::Critical);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadSignature::Form)?;
        Ok(Self { algorithm, kid: text("kid").map(str::to_owned), payload, signed, signature })
    }

    /// A claim that nobody has vouched for yet.
    pub(crate) fn unverified(&self, claim: &str) -> Option<&str> {
        self.payload.get(claim)?.as_str()
    }
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" => Self::EdDsa,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// `at_hash` of an access token (OpenID Connect Core §3.1.3.6): the left half of its hash, by this algorithm's.
    pub(crate) fn half_hash(self, token: &str) -> String {
        let hash = match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Sha256::digest(token).to_vec(),
            Self::Rs384 | Self::Ps384 | Self::Es384 => Sha384::digest(token).to_vec(),
            Self::Rs512 | Self::Ps512 | Self::EdDsa => Sha512::digest(token).to_vec(),
        };
        URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
    }
}

impl Jwk {
    /// Whether it may verify what is signed by an algorithm: a key is for one kind, and says so in up to four ways.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let (kty, crv) = match algorithm {
            Algorithm::Es256 => ("EC", Some("P-256")),
            Algorithm::Es384 => ("EC", Some("P-384")),
            Algorithm::EdDsa => ("OKP", Some("Ed25519")),
            _ => ("RSA", None),
        };
        self.kty == kty
            && crv.is_none_or(|crv| self.crv.as_deref() == Some(crv))
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == algorithm.name())
    }

    /// `None` where a number of the key is missing or is none.
    fn has_signed(&self, jws: &Jws<'_>) -> Option<bool> {
        let rsa = |parameters: &RsaParameters| {
            // Some issuers write the zeros before a number, which RFC 7518 §6.3.1 has them leave out.
            let digits = |text| -> Option<Vec<u8>> {
                Some(number(text)?.into_iter().skip_while(|&byte| byte == 0).collect())
            };
            let key = signature::RsaPublicKeyComponents { n: digits(&self.n)?, e: digits(&self.e)? };
            Some(key.verify(parameters, jws.signed.as_bytes(), &jws.signature).is_ok())
        };
        let ec = |algorithm: &'static dyn VerificationAlgorithm| {
            // SEC 1, uncompressed; ring refuses a point that is of another length, or not on the curve.
            let point = [&[4][..], &number(&self.x)?, &number(&self.y)?].concat();
            Some(verifies(algorithm, &point, jws))
        };
        match jws.algorithm {
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => ec(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => ec(&signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDsa => Some(verifies(&signature::ED25519, &number(&self.x)?, jws)),
        }
    }
}

/// How many keys without a name are tried: an issuer has a handful, and each costs a verification.
const MOST_KEYS: usize = 16;

fn verifies(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], jws: &Jws<'_>) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(jws.signed.as_bytes(), &jws.signature).is_ok()
}

/// The bytes of a number.
fn number(text: &Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7515 A.2: RS256.
    const RSA: &str = r#"{"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;
    const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    /// RFC 7515 A.3: ES256.
    const EC: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    const ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn check(keys: &str, token: &str) -> Result<Option<String>, BadSignature> {
        let claims = Jwks::read(keys.as_bytes()).unwrap().verified(Jws::read(token)?, "joe")?;
        Ok(claims.get("iss").and_then(Value::as_str).map(str::to_owned))
    }

    #[test]
    fn the_examples_of_the_rfc_are_verified() {
        assert_eq!(check(RSA, RS256), Ok(Some("joe".to_owned())));
        assert_eq!(check(EC, ES256), Ok(Some("joe".to_owned())));
    }

    #[test]
    fn a_changed_token_and_a_key_for_something_else_are_refused() {
        for (keys, token) in [(RSA, RS256), (EC, ES256)] {
            // The third letter of the claims, and of the signature.
            for dot in token.match_indices('.').map(|(at, _)| at) {
                let mut changed = token.to_owned();
                changed
                    .replace_range(dot + 3..dot + 4, if &token[dot + 3..dot + 4] == "Q" { "R" } else { "Q" });
                let outcome = check(keys, &changed);
                assert!(matches!(outcome, Err(BadSignature::Signature | BadSignature::Form)), "{outcome:?}");
            }
            let mut set: Value = serde_json::from_str(keys).unwrap();
            for (member, value, wanted) in [
                ("use", "enc", BadSignature::UnknownKey(String::new())),
                ("alg", "ES512", BadSignature::UnknownKey(String::new())),
                ("kty", "oct", BadSignature::UnknownKey(String::new())),
                ("issuer", "https://elsewhere.example", BadSignature::ForeignKey),
            ] {
                let before = set["keys"][0].clone();
                set["keys"][0][member] = json!(value);
                assert_eq!(check(&set.to_string(), token), Err(wanted), "{member}");
                set["keys"][0] = before;
            }
            set["keys"][0]["kid"] = json!("named");
            assert_eq!(check(&set.to_string(), token), Ok(Some("joe".to_owned())));
        }
    }

    #[test]
    fn nothing_but_a_signed_token_is_one() {
        for token in ["", "a.b", "a.b.c", "e30.e30.", "W10.e30.AA", &format!("{RS256}.x"), &RS256[3..]] {
            assert_eq!(Jws::read(token).unwrap_err(), BadSignature::Form, "{token}");
        }
    }

    #[test]
    fn a_set_may_hold_anything_beside_its_keys() {
        assert!(Jwks::read(b"[]").is_none());
        assert!(Jwks::read(br#"{"keys":{}}"#).is_none());
        assert!(Jwks::read(br#"{"keys":[1,null,{"kty":7},{"kty":"RSA"}]}"#).is_some());
        let broken = r#"{"keys":[{"kty":"RSA"},{"kty":"RSA","n":"!","e":"AQAB"}]}"#;
        assert_eq!(check(broken, RS256), Err(BadSignature::Signature));
    }

    /// OpenID Connect Core has the example of an access token and its hash in appendix A.3.
    #[test]
    fn an_access_token_is_known_by_half_of_its_hash() {
        assert_eq!(
            Algorithm::Rs256.half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
    }
}
