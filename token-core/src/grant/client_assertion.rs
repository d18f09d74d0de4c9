//! How a client proves itself by an assertion (RFC 7523 §2.2): one that it signs, or one that somebody else made.

use std::io;
use std::path::PathBuf;

use url::Url;

use super::{Means, assertion_source, unsendable};
#[cfg(feature = "certificate")]
use crate::certificate::assertion::signed;
#[cfg(not(feature = "certificate"))]
use crate::credential::ClientCertificate;
use crate::credential::{ClientAuthentication, Credential};
use crate::error::{GrantError, GrantErrorKind};
use crate::jwt;
use crate::oauth_error::{AssertionNames, OAuthError};
use crate::secret::Secret;
use crate::transport::HttpRequest;
use crate::wait::Deadline;

/// The proof for one request. It is never used twice: an issuer may refuse an assertion that it has seen.
pub(super) struct Proof {
    assertion: Secret,
    /// Whether asking its source again may bring a better one.
    renewable: bool,
    /// What a foreign assertion says, for who has to find out why it was refused.
    names: Option<AssertionNames>,
}

/// Makes or gets the proof for a request to `token_endpoint`; `None` for a client that proves itself otherwise.
///
/// # Errors
/// `Unsendable`, with what is wrong with the certificate or the source of assertions as its cause.
pub(super) async fn proof(
    means: &Means<'_>,
    credential: &Credential,
    token_endpoint: &Url,
    deadline: Deadline,
) -> Result<Option<Proof>, GrantError> {
    match &credential.client.authentication {
        ClientAuthentication::None | ClientAuthentication::Post(_) | ClientAuthentication::Basic(_) => {
            Ok(None)
        }
        ClientAuthentication::Certificate(certificate) => {
            let assertion = signed(means, credential, certificate, token_endpoint)
                .await
                .map_err(|error| unsendable(token_endpoint, error))?;
            Ok(Some(Proof { assertion, renewable: false, names: None }))
        }
        ClientAuthentication::Assertion(source) => {
            let assertion = assertion_source::fetch(means, source, deadline)
                .await
                .map_err(|error| unsendable(token_endpoint, error))?;
            let names = jwt::claims(assertion.expose()).map(|claims| AssertionNames::read(&claims));
            Ok(Some(Proof { assertion, renewable: source.is_renewable(), names }))
        }
    }
}

impl Proof {
    /// The request with the proof in it.
    pub(super) fn added_to(&self, request: HttpRequest) -> HttpRequest {
        request
            .field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .secret("client_assertion", self.assertion.clone())
    }

    /// Whether the refusal may be only about the assertion's time, and another one is to be had.
    pub(super) fn is_worth_renewing(&self, error: &GrantError) -> bool {
        let GrantErrorKind::Refused(refusal) = &error.kind else {
            return false;
        };
        self.renewable && speaks_of_time(refusal)
    }

    /// Whether this is another assertion than that one.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        self.assertion.expose() != other.assertion.expose()
    }

    /// The refusal, with what the refused assertion says.
    pub(super) fn explained(self, mut error: GrantError) -> GrantError {
        if let GrantErrorKind::Refused(refusal) = &mut error.kind {
            refusal.assertion = self.names.map(Box::new);
        }
        error
    }
}

/// Microsoft says it by a code, others in their own words; both only decide whether one more request is made.
fn speaks_of_time(refusal: &OAuthError) -> bool {
    let text = refusal.description.as_deref().unwrap_or_default();
    text.contains("AADSTS700024") || (refusal.error == "invalid_client" && text.contains("expired"))
}

/// What is wrong with a client's certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateTrouble {
    /// The file, or what it held.
    #[error("the certificate {} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was not read at all.
    #[error("could not read the certificate {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

#[cfg(not(feature = "certificate"))]
async fn signed(
    _: &Means<'_>,
    _: &Credential,
    certificate: &ClientCertificate,
    _: &Url,
) -> Result<Secret, CertificateTrouble> {
    let source = "this build cannot sign with certificates".into();
    Err(CertificateTrouble::Unusable { path: certificate.path.clone(), source })
}
