//! What helps where a client or a host could not prove who it is.

use std::error::Error;

use token_core::certificate::CertificateError;
use token_core::grant::assertion_source::AssertionError;
use token_core::grant::client_assertion::CertificateTrouble;
use token_core::grant::managed_identity::ManagedIdentityError;
use token_core::{Expiry, OAuthError};

use crate::report::Failure;

/// With what helps against the first cause of an error that is about a proof.
pub(crate) fn hinted(failure: Failure, error: &(dyn Error + 'static)) -> Failure {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(hint) = hint(error) {
            return failure.hint(hint);
        }
        next = error.source();
    }
    failure
}

/// Whether an error is about a proof, so that neither the issuer nor the network is to blame.
pub(crate) fn is_about(error: &(dyn Error + 'static)) -> bool {
    error.is::<CertificateTrouble>() || error.is::<AssertionError>() || error.is::<ManagedIdentityError>()
}

/// With what the refused assertion says, where somebody else had made it: that is what has to be compared.
pub(crate) fn explained(failure: Failure, refusal: &OAuthError) -> Failure {
    let Some(names) = &refusal.assertion else {
        return failure;
    };
    let failure = failure
        .because(format!("the assertion that was sent has the issuer {:?}", names.issuer))
        .because(format!("its subject is {:?}, and its audience {:?}", names.subject, names.audience));
    match (names.expires_at, refusal.to_string()) {
        (Some(end), text) if text.contains("AADSTS700024") || text.contains("expired") => {
            let end = Expiry::from_posix(end).local();
            failure
                .because(format!("it ends at {end}"))
                .hint("--federated-token-file names a file that is read anew each time; check the clock of this host too")
        }
        _ => failure.hint(
            "a federated credential of the application has to have these three, letter by letter: \
             'az ad app federated-credential list --id APPLICATION' shows those it has",
        ),
    }
}

fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref::<CertificateError>() {
        return certificate(error);
    }
    if let Some(error) = error.downcast_ref::<AssertionError>() {
        return assertion(error);
    }
    managed_identity(error.downcast_ref::<ManagedIdentityError>()?)
}

fn certificate(error: &CertificateError) -> Option<&'static str> {
    Some(match error {
        CertificateError::PasswordNeeded | CertificateError::WrongPassword => {
            "--certificate-password env:NAME, file:PATH or - says the password"
        }
        CertificateError::NotACertificate
        | CertificateError::NoCertificate
        | CertificateError::NoKey
        | CertificateError::OtherKey => {
            "the file holds the certificate and its private key, as 'cat agent.crt agent.key > agent.pem' makes it"
        }
        CertificateError::Expired { .. } => {
            "a new certificate, which the application has to be told of, goes into the same place"
        }
        CertificateError::NotYetValid { .. } => "check the clock of this host",
        _ => return None,
    })
}

fn assertion(error: &AssertionError) -> Option<&'static str> {
    Some(match error {
        AssertionError::Elsewhere { variable, .. } if variable.starts_with("ACTIONS_") => {
            "a job of GitHub Actions with 'permissions: id-token: write' has it; elsewhere another way to sign in is needed"
        }
        AssertionError::Elsewhere { .. } => {
            "a job of Azure Pipelines has it, with SYSTEM_ACCESSTOKEN: $(System.AccessToken) in the env of its step"
        }
        AssertionError::Unreadable { .. } => {
            "a sign-in by a file brings tokens only on hosts that have the file"
        }
        _ => return None,
    })
}

fn managed_identity(error: &ManagedIdentityError) -> Option<&'static str> {
    Some(match error {
        ManagedIdentityError::Absent { .. } => {
            "--identity signs in on machines and services in Azure, and those that Azure Arc connects"
        }
        ManagedIdentityError::ArcKey { .. } => {
            "members of the group himds may read the keys of the agent of Azure Arc"
        }
        ManagedIdentityError::OtherIdentity { .. } => {
            "'login --identity' signs in again as what this host is now"
        }
        _ => return None,
    })
}
