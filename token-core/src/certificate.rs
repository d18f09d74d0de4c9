//! A client's certificate with its private key: the files it comes in, and what it signs.

pub(crate) mod assertion;
mod file;
mod key;
mod pem;

use std::error::Error;

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as ArchiveError;
use pkcs8::EncryptedPrivateKeyInfoRef;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::credential::RsaPadding;
use crate::expiry::Expiry;
use crate::secret::Secret;
pub use key::SigningAlgorithm;
use key::{PrivateKey, Unusable};

/// A certificate and its private key, opened.
#[derive(Debug)]
pub struct Certificate {
    key: PrivateKey,
    /// The certificate itself, then whatever of its chain came along, each DER.
    chain: Vec<Vec<u8>>,
    not_before: i64,
    not_after: i64,
}

impl Certificate {
    /// Opens what a file holds: PEM, with the key in any of its forms, or PKCS#12.
    ///
    /// # Errors
    /// What is wrong with the file. Whether the certificate is valid now is asked with [`Self::check`].
    pub fn open(file: &[u8], password: Option<&Secret>) -> Result<Self, CertificateError> {
        let Parts { certificates, keys } =
            if pem::is_pem(file) { Parts::of_pem(file, password)? } else { Parts::of_der(file, password)? };
        if certificates.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        if keys.is_empty() {
            return Err(CertificateError::NoKey);
        }
        let mut unusable = None;
        for key in &keys {
            for (at, certificate) in certificates.iter().enumerate() {
                let parsed = parse(certificate)?;
                match PrivateKey::of(
                    key,
                    parsed.public_key().raw,
                    &parsed.public_key().subject_public_key.data,
                ) {
                    Ok(key) => {
                        let validity = parsed.validity();
                        let (not_before, not_after) =
                            (validity.not_before.timestamp(), validity.not_after.timestamp());
                        let mut chain = certificates.clone();
                        // The leaf first, then its chain in the order of the file.
                        let leaf = chain.remove(at);
                        chain.insert(0, leaf);
                        return Ok(Self { key, chain, not_before, not_after });
                    }
                    Err(Unusable::Other) => {}
                    Err(Unusable::Unsupported) => unusable = Some(CertificateError::UnsupportedKey),
                    Err(Unusable::Damaged) => {
                        unusable = Some(CertificateError::Damaged { what: "private key" })
                    }
                }
            }
        }
        Err(unusable.unwrap_or(CertificateError::OtherKey))
    }

    /// Whether it is valid at this time (POSIX seconds): an issuer would refuse it without saying why.
    pub fn check(&self, now: i64) -> Result<(), CertificateError> {
        if now > self.not_after {
            return Err(CertificateError::Expired { at: moment(self.not_after) });
        }
        if now < self.not_before {
            return Err(CertificateError::NotYetValid { at: moment(self.not_before) });
        }
        Ok(())
    }

    /// What its key signs with.
    pub fn algorithm(&self, padding: RsaPadding) -> SigningAlgorithm {
        self.key.algorithm(padding)
    }

    /// The SHA-256 of the certificate, which names it (`x5t#S256`).
    pub fn thumbprint(&self) -> [u8; 32] {
        self.chain.first().map(|leaf| Sha256::digest(leaf).into()).unwrap_or_default()
    }

    /// The SHA-1 of the certificate (`x5t`), for issuers that know no other name of it.
    pub(crate) fn old_thumbprint(&self) -> Vec<u8> {
        let algorithm = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
        self.chain
            .first()
            .map(|leaf| ring::digest::digest(algorithm, leaf).as_ref().to_vec())
            .unwrap_or_default()
    }

    /// The certificate and its chain, each DER (`x5c`).
    pub(crate) fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Signs, as JWS wants it: an ECDSA signature is its two numbers.
    pub(crate) fn sign(&self, padding: RsaPadding, text: &[u8]) -> Result<Vec<u8>, CertificateError> {
        self.key.sign(padding, text).ok_or(CertificateError::Unsigned)
    }
}

/// What is wrong with a certificate or its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is something else.
    #[error("it is neither PEM nor PKCS#12, so there is no certificate in it")]
    NotACertificate,
    /// The certificate is missing.
    #[error("there is a private key in it, but no certificate")]
    NoCertificate,
    /// The key is missing.
    #[error("there is a certificate in it, but no private key")]
    NoKey,
    /// They do not belong together.
    #[error("its private key belongs to another certificate")]
    OtherKey,
    /// Nobody said the password.
    #[error("it is protected by a password, and none was given")]
    PasswordNeeded,
    /// Another password was said.
    #[error("the password does not open it")]
    WrongPassword,
    /// OpenSSL's own encryption of before PKCS#8.
    #[error(
        "its private key is encrypted in OpenSSL's old form; 'openssl pkcs8 -topk8' makes a new one of it"
    )]
    OldEncryption,
    /// An algorithm that we do not have.
    #[error("it is encrypted in a way that is not supported")]
    UnsupportedEncryption {
        /// Which.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A curve or size that we do not have.
    #[error("its private key is neither RSA of 2048 to 4096 bits nor EC on P-256 or P-384")]
    UnsupportedKey,
    /// Something in it does not decode.
    #[error("the {what} in it is damaged")]
    Damaged {
        /// The private key, or the certificate.
        what: &'static str,
    },
    /// Its time is over.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: String,
    },
    /// Its time has not come.
    #[error("it is not valid before {at}")]
    NotYetValid {
        /// Before when.
        at: String,
    },
    /// The signature was not made.
    #[error("its private key did not sign")]
    Unsigned,
}

/// What a file holds.
#[derive(Default)]
struct Parts {
    certificates: Vec<Vec<u8>>,
    keys: Vec<KeyDer>,
}

/// A private key as it was written.
enum KeyDer {
    Pkcs8(Zeroizing<Vec<u8>>),
    /// RSA alone.
    Pkcs1(Zeroizing<Vec<u8>>),
    /// EC alone.
    Sec1(Zeroizing<Vec<u8>>),
}

impl Parts {
    fn of_pem(file: &[u8], password: Option<&Secret>) -> Result<Self, CertificateError> {
        let mut parts = Self::default();
        for block in pem::blocks(file) {
            let damaged = |what| CertificateError::Damaged { what };
            match block.label.as_str() {
                "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
                    parts.certificates.push(block.content.ok_or(damaged("certificate"))?.to_vec());
                }
                "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" if block.is_encrypted => {
                    return Err(CertificateError::OldEncryption);
                }
                "ENCRYPTED PRIVATE KEY" => {
                    let content = block.content.ok_or(damaged("private key"))?;
                    parts.keys.push(KeyDer::Pkcs8(decrypted(&content, password)?));
                }
                label @ ("PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY") => {
                    let content = block.content.ok_or(damaged("private key"))?;
                    parts.keys.push(match label {
                        "PRIVATE KEY" => KeyDer::Pkcs8(content),
                        "RSA PRIVATE KEY" => KeyDer::Pkcs1(content),
                        _ => KeyDer::Sec1(content),
                    });
                }
                // Parameters of a curve, comments, requests: not ours.
                _ => {}
            }
        }
        match parts.certificates.is_empty() && parts.keys.is_empty() {
            true => Err(CertificateError::NotACertificate),
            false => Ok(parts),
        }
    }

    fn of_der(file: &[u8], password: Option<&Secret>) -> Result<Self, CertificateError> {
        if parse(file).is_ok() {
            return Err(CertificateError::NoKey);
        }
        let archive = match Pkcs12Archive::from_pkcs12(file, password.map_or("", Secret::expose)) {
            Ok(archive) => archive,
            Err(ArchiveError::MacError(_) | ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_)) => {
                return Err(match password {
                    Some(_) => CertificateError::WrongPassword,
                    None => CertificateError::PasswordNeeded,
                });
            }
            Err(
                source @ (ArchiveError::UnsupportedEncryptionScheme | ArchiveError::UnsupportedMacAlgorithm),
            ) => return Err(CertificateError::UnsupportedEncryption { source: source.into() }),
            Err(ArchiveError::InvalidPrivateKey) => {
                return Err(CertificateError::Damaged { what: "private key" });
            }
            Err(_) => return Err(CertificateError::NotACertificate),
        };
        Ok(Self {
            certificates: archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(),
            keys: archive
                .keys
                .iter()
                .map(|bag| KeyDer::Pkcs8(Zeroizing::new(bag.key.as_der().to_vec())))
                .collect(),
        })
    }
}

/// The PKCS#8 in an encrypted PKCS#8.
fn decrypted(content: &[u8], password: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(content).map_err(unsupported)?;
    let password = password.ok_or(CertificateError::PasswordNeeded)?;
    match encrypted.decrypt(password.expose()) {
        Ok(document) => Ok(Zeroizing::new(document.as_bytes().to_vec())),
        Err(error) => match error.to_string() {
            text if text.contains("nsupported") => Err(unsupported(error)),
            _ => Err(CertificateError::WrongPassword),
        },
    }
}

fn moment(posix: i64) -> String {
    Expiry::from_posix(posix).local().to_string()
}

fn unsupported(source: impl Error + Send + Sync + 'static) -> CertificateError {
    CertificateError::UnsupportedEncryption { source: source.into() }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(CertificateError::Damaged { what: "certificate" }),
    }
}
