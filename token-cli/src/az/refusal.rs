//! A refusal of the Microsoft identity platform as Azure CLI tells of it: its own words first, for programs look for
//! `AADSTS` at the start, then what to run.

use token_core::{AccountKind, BrokerError, OAuthError};

use crate::choice::Selected;
use crate::report::{Exit, Failure};

/// A secret that is refused may be a certificate in the wrong option.
const CERTIFICATE: &str = "The error may be caused by passing a service principal certificate with --password. Please \
                           note that --password no longer accepts a service principal certificate. To pass a service \
                           principal certificate, use --certificate instead.";

/// What the issuer said where an error is its refusal.
pub(crate) fn of(error: &BrokerError) -> Option<&OAuthError> {
    match error {
        BrokerError::Refused { refusal, .. } | BrokerError::SignInNeeded { refusal, .. } => Some(refusal),
        _ => None,
    }
}

/// The refusal, with the sign-in that may help; a person signs in for a tenant and scopes.
pub(crate) fn told(refusal: &OAuthError, tenant: Option<&str>, scopes: &[String]) -> Failure {
    let failure = Failure::new(refusal.to_string()).exit(Exit::SignInNeeded);
    if refusal.description.as_deref().is_some_and(|text| text.starts_with("AADSTS7000215")) {
        return failure.hint(CERTIFICATE);
    }
    let mut command = "az login".to_owned();
    if let Some(tenant) = tenant {
        command.push_str(&format!(" --tenant \"{tenant}\""));
    }
    if !scopes.is_empty() {
        let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
        command.push_str(&format!(" --scope {}", scopes.join(" ")));
    }
    failure
        .hint("Run the command below to authenticate interactively; additional arguments may be added as needed:")
        .hint("az logout")
        .hint(command)
}

/// That an account is known and what gets its tokens is not there, which Azure CLI calls its token cache.
pub(crate) fn missing(account: &Selected) -> Option<Failure> {
    let name = &account.account;
    let text = match account.kind {
        AccountKind::User => format!("User '{name}' does not exist in MSAL token cache. Run `az login`."),
        AccountKind::ServicePrincipal => format!(
            "Could not retrieve credential from local cache for service principal {name}. Run `az login` for this \
             service principal."
        ),
        _ => return None,
    };
    Some(Failure::new(text).exit(Exit::SignInNeeded))
}
