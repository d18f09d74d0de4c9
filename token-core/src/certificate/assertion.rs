//! The assertion that a client signs with its certificate (RFC 7523 §3).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

use super::{Certificate, CertificateError, SigningAlgorithm};
use crate::broker::blocking;
use crate::credential::{ClientCertificate, Credential, Endpoints};
use crate::grant::client_assertion::CertificateTrouble;
use crate::grant::{Means, request_id};
use crate::secret::Secret;

/// An assertion for one request to `token_endpoint`.
pub(crate) async fn signed(
    means: &Means<'_>,
    credential: &Credential,
    certificate: &ClientCertificate,
    token_endpoint: &Url,
) -> Result<Secret, CertificateTrouble> {
    let audience = Audience::of(&credential.endpoints, token_endpoint);
    let (client_id, certificate) = (credential.client.id.clone(), certificate.clone());
    let now = means.clock.posix();
    // Reading, opening and signing take milliseconds.
    let path = certificate.path.clone();
    blocking(move || {
        let opened = certificate.open()?;
        opened.check(now).and_then(|()| sign(&opened, &certificate, &client_id, &audience, now)).map_err(
            |source| CertificateTrouble::Unusable { path: certificate.path.clone(), source: source.into() },
        )
    })
    .await
    .inspect_err(|error| tracing::debug!(%error, path = %path.display(), "no assertion was signed"))
}

/// Whom an assertion is for.
enum Audience {
    /// Microsoft's token endpoint, as their libraries say it.
    TokenEndpoint(String),
    /// The issuer, and nothing but the issuer, lest another endpoint use it there (draft-ietf-oauth-rfc7523bis).
    Issuer(String),
}

impl Audience {
    fn of(endpoints: &Endpoints, token_endpoint: &Url) -> Self {
        match endpoints {
            Endpoints::Issuer { issuer, .. } => Self::Issuer(issuer.clone()),
            _ => Self::TokenEndpoint(token_endpoint.to_string()),
        }
    }
}

/// How long before now an assertion is valid from, for an issuer whose clock is behind (seconds).
const SKEW: i64 = 30;

/// How long an assertion lives (seconds). It is used at once.
const LIFE: i64 = 300;

fn sign(
    opened: &Certificate,
    certificate: &ClientCertificate,
    client_id: &str,
    audience: &Audience,
    now: i64,
) -> Result<Secret, CertificateError> {
    let algorithm = opened.algorithm(certificate.padding);
    let (audience, typ) = match audience {
        Audience::TokenEndpoint(url) => (url, "JWT"),
        Audience::Issuer(issuer) => (issuer, "client-authentication+jwt"),
    };
    let mut header = json!({
        "alg": algorithm.to_string(),
        "typ": typ,
        "x5t#S256": URL_SAFE_NO_PAD.encode(opened.thumbprint()),
    });
    if algorithm == SigningAlgorithm::Rs256 {
        // Who knows no other padding may know no other name of the certificate either.
        header["x5t"] = json!(URL_SAFE_NO_PAD.encode(opened.old_thumbprint()));
    }
    if certificate.sends_chain {
        header["x5c"] = opened.chain().iter().map(|der| STANDARD.encode(der)).collect();
    }
    let claims = json!({
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": request_id(),
        "iat": now,
        "nbf": now - SKEW,
        "exp": now + LIFE,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let signature = opened.sign(certificate.padding, text.as_bytes())?;
    Ok(Secret::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
