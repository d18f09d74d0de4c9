//! A private key in whatever form it came, and the signatures it makes.

use std::fmt;

use pkcs8::PrivateKeyInfoRef;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use sec1::EcPrivateKey;

use super::KeyDer;
use crate::credential::RsaPadding;

/// The algorithms of RFC 7518 §3.1 that a certificate signs with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// RSA with PSS padding.
    Ps256,
    /// RSA with PKCS#1 padding.
    Rs256,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        })
    }
}

/// A key that signs for one certificate.
pub(super) enum PrivateKey {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

/// Why a key does not sign for a certificate.
pub(super) enum Unusable {
    /// It belongs to another one.
    Other,
    /// It is of a kind that we do not have.
    Unsupported,
    /// It does not decode.
    Damaged,
}

impl PrivateKey {
    /// The key, where it is that of this public key: `info` with its algorithm around it, `bits` without.
    pub(super) fn of(key: &KeyDer, info: &[u8], bits: &[u8]) -> Result<Self, Unusable> {
        match key {
            KeyDer::Pkcs8(der) => {
                let key = PrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| Unusable::Damaged)?;
                let inner = key.private_key.as_bytes();
                match key.algorithm.oid.to_string().as_str() {
                    RSA => Self::rsa(inner, bits),
                    EC => Self::ec(inner, info, bits),
                    _ => Err(Unusable::Unsupported),
                }
            }
            KeyDer::Pkcs1(der) => Self::rsa(der, bits),
            KeyDer::Sec1(der) => Self::ec(der, info, bits),
        }
    }

    pub(super) fn algorithm(&self, padding: RsaPadding) -> SigningAlgorithm {
        match (self, padding) {
            (Self::Rsa(_), RsaPadding::Pss) => SigningAlgorithm::Ps256,
            (Self::Rsa(_), RsaPadding::Pkcs1) => SigningAlgorithm::Rs256,
            (Self::P256(_), _) => SigningAlgorithm::Es256,
            (Self::P384(_), _) => SigningAlgorithm::Es384,
        }
    }

    pub(super) fn sign(&self, padding: RsaPadding, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let signed = match padding {
                    RsaPadding::Pss => key.sign(&RSA_PSS_SHA256, &random, text, &mut signature),
                    RsaPadding::Pkcs1 => key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature),
                };
                signed.ok().map(|()| signature)
            }
            Self::P256(key) | Self::P384(key) => {
                key.sign(&random, text).ok().map(|signature| signature.as_ref().to_vec())
            }
        }
    }

    fn rsa(der: &[u8], bits: &[u8]) -> Result<Self, Unusable> {
        let key = RsaKeyPair::from_der(der).map_err(|error| match error.to_string().as_str() {
            "InvalidEncoding" => Unusable::Damaged,
            "InconsistentComponents" => Unusable::Damaged,
            _ => Unusable::Unsupported,
        })?;
        // Both are an RSAPublicKey (RFC 8017 A.1.1).
        if key.public_key().as_ref() == bits { Ok(Self::Rsa(key)) } else { Err(Unusable::Other) }
    }

    /// The public half comes from the certificate, for not every file of a key has it; they are compared.
    fn ec(der: &[u8], info: &[u8], bits: &[u8]) -> Result<Self, Unusable> {
        let key = EcPrivateKey::try_from(der).map_err(|_| Unusable::Damaged)?;
        let random = SystemRandom::new();
        let pair = |algorithm: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_private_key_and_public_key(algorithm, key.private_key, bits, &random)
                .map_err(|_| Unusable::Other)
        };
        let says = |name: &[u8]| info.windows(name.len()).any(|window| window == name);
        if says(P256) {
            pair(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256)
        } else if says(P384) {
            pair(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Self::P384)
        } else if says(EC_PUBLIC_KEY) {
            Err(Unusable::Unsupported)
        } else {
            Err(Unusable::Other)
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `rsaEncryption` and `id-ecPublicKey`.
const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";

/// `id-ecPublicKey`, `prime256v1` and `secp384r1`, each as the DER of its identifier.
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
