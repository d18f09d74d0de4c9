//! Errors of the library as a person is told of them: with the command that helps.

use std::error::Error as _;

use token_core::{
    Advice, BrokerError, CacheError, CacheErrorKind, Expiry, GrantError, GrantErrorKind, Note, OAuthError,
    Remedy, SealError,
};

use super::{Exit, Failure};
use crate::backend;
use crate::program;
use crate::proof;

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        let failure = Self::of(&error);
        if let Some(hint) = backend::what_helps(&error) {
            return failure.hint(hint);
        }
        match error.kind() {
            // Damaged access tokens are replaced without a word, so this is what only a sign-in makes.
            CacheErrorKind::Corrupt => Self::damaged(&error, &format!("{} login", program::name())),
            CacheErrorKind::Unsuitable | CacheErrorKind::Denied => failure.hint(format!(
                "TOKEN_CACHE or `cache` in the config names another place; '{} config show' shows the present one",
                program::name()
            )),
            CacheErrorKind::Full => failure.hint(
                "nothing was lost; make room there, or name another place in TOKEN_CACHE or as `cache` in the config",
            ),
            _ => failure,
        }
    }
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    /// A broker's error; `sign_in` is the command that signs the account in again.
    pub(crate) fn of_broker(error: BrokerError, sign_in: &str) -> Self {
        let again = || format!("'{sign_in}' signs in again");
        match error {
            BrokerError::Cache(error) if error.kind() == CacheErrorKind::Corrupt => {
                Self::damaged(&error, sign_in)
            }
            BrokerError::Cache(error) => error.into(),
            BrokerError::NotSignedIn { .. } | BrokerError::SignedOut { .. } => {
                Self::of(&error).hint(again()).exit(Exit::SignInNeeded)
            }
            BrokerError::SignInNeeded { ref refusal, interrupted: ref note, .. } => Self::of(&error)
                .behind(refusal)
                .interrupted(note.as_deref())
                .hint(again())
                .exit(Exit::SignInNeeded),
            BrokerError::Refused { ref refusal, interrupted: ref note, .. } => {
                let failure = Self::of(&error).advised(refusal, Some(sign_in)).interrupted(note.as_deref());
                match refusal.error.as_str() {
                    "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => {
                        failure.exit(Exit::SignInNeeded)
                    }
                    _ => failure,
                }
            }
            BrokerError::NotGranted { .. } => Self::of(&error)
                .hint(format!("'{sign_in}' with --scope asks for it"))
                .exit(Exit::SignInNeeded),
            BrokerError::LeftAlone { .. } => Self::of(&error).hint("the same command tries again afterwards"),
            BrokerError::Grant { ref source, .. } => {
                let failure = Self::of(&error);
                match &source.kind {
                    GrantErrorKind::Throttled { .. } => {
                        failure.hint("the same command tries again afterwards")
                    }
                    GrantErrorKind::Refused(_) => failure.hint(
                        "the issuer has trouble of its own; the same command tries again after 10 seconds",
                    ),
                    _ => failure.helped(source, "the same command tries again after 30 seconds"),
                }
            }
            BrokerError::Discovery { ref source, .. } => Self::of(&error).helped(source, TRIES_AGAIN),
            BrokerError::Sealed { source: SealError::MissingKey { .. }, .. } => Self::of(&error).hint(
                "put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)".to_owned(),
            ),
            BrokerError::Sealed { source: SealError::Plaintext, .. } => {
                Self::of(&error).hint("key = \"none\" in the config, or TOKEN_KEY=none, reads it")
            }
            BrokerError::Sealed { source: SealError::ReadersKey, .. } => {
                Self::of(&error).hint("TOKEN_KEY or `key` in the config has to name the whole key for this")
            }
            BrokerError::Sealed { source: SealError::Damaged, .. } => {
                Self::of(&error).hint(replaced(sign_in)).exit(Exit::SignInNeeded)
            }
            error => Self::of(&error),
        }
    }

    /// With what is behind a refusal, where that is known.
    fn behind(self, refusal: &OAuthError) -> Self {
        match refusal.advice().and_then(|advice| advice.cause) {
            Some(cause) => self.because(cause),
            None => self,
        }
    }

    /// With what is behind a refusal and what helps: `sign_in` is the command that signs the account in again, and
    /// there is none for a sign-in that has just been refused.
    pub(crate) fn advised(self, refusal: &OAuthError, sign_in: Option<&str>) -> Self {
        let advice = refusal.advice();
        // What else the issuer may be against has nothing to do with who vouched for the client.
        let is_about_proof = |advice: Advice| matches!(advice.remedy, Remedy::ClientProof | Remedy::Clock);
        if refusal.assertion.is_some() && advice.is_none_or(is_about_proof) {
            return proof::explained(self, refusal);
        }
        let failure = self.behind(refusal);
        let Some(advice) = advice else { return failure };
        let hint = match (advice.remedy, sign_in) {
            (Remedy::SignIn | Remedy::StartAgain, None) => "the same command starts again".to_owned(),
            (Remedy::SignIn | Remedy::StartAgain | Remedy::NoDeviceCode, Some(command)) => {
                format!("'{command}' signs in again")
            }
            (Remedy::NoDeviceCode, None) => {
                format!("'{} login' on a host with a browser signs in without a code", program::name())
            }
            (Remedy::ClientProof | Remedy::Client, None) => {
                "check the client's id, and its secret or certificate if it has one".to_owned()
            }
            // The command tells what there is to be changed.
            (Remedy::ClientProof | Remedy::Client, Some(command)) if command.contains("--certificate ") => {
                format!("the issuer has to know the certificate; '{command}' signs in with another one")
            }
            (Remedy::ClientProof | Remedy::Client, Some(command)) if command.contains('…') => {
                format!("'{command}' gives it another secret")
            }
            (Remedy::ClientProof | Remedy::Client, Some(_)) => {
                "whoever runs the issuer can allow the client".to_owned()
            }
            (Remedy::Administrator, _) => "an administrator of the tenant can change that".to_owned(),
            (Remedy::Scope, None) => "--scope says what is asked for".to_owned(),
            (Remedy::Scope, Some(_)) => {
                "--scope, --resource and --tenant say what is asked for, and where".to_owned()
            }
            (Remedy::Tenant, _) => "--tenant names another tenant".to_owned(),
            (Remedy::Clock, _) => "check the clock of this host; the same command tries again".to_owned(),
            (Remedy::ManagedDevice, _) => {
                format!("'{} login' on a device that the tenant manages signs in", program::name())
            }
            (Remedy::Wait, _) => "the issuer has trouble of its own; the same command tries again".to_owned(),
            _ => return failure,
        };
        failure.hint(hint)
    }

    /// With what helps where a request brought nothing; `later` says what becomes of the next one.
    pub(crate) fn helped(self, error: &GrantError, later: &str) -> Self {
        if error.source().is_some_and(proof::is_about) {
            return proof::hinted(self, error);
        }
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        match &error.kind {
            GrantErrorKind::Unreachable | GrantErrorKind::Unsendable if cause.contains("authorit") => {
                self.hint("SSL_CERT_FILE names a file with the certificates of more authorities")
            }
            GrantErrorKind::Unreachable if cause.contains("certificate") => {
                self.hint("check the URL, and the clock of this host")
            }
            GrantErrorKind::Unreachable => self.hint(format!("check the network and HTTPS_PROXY; {later}")),
            GrantErrorKind::Unintelligible { .. } if cause.contains("page") || cause.contains("place") => {
                self.hint(format!("a proxy or a guest network may have answered in its place; {later}"))
            }
            GrantErrorKind::Untrusted => {
                self.hint("whoever runs the issuer can mend that; until then nobody should sign in there")
            }
            GrantErrorKind::Interrupted
            | GrantErrorKind::TimedOut
            | GrantErrorKind::Throttled { .. }
            | GrantErrorKind::Unintelligible { .. } => self.hint(later),
            _ => self,
        }
    }

    /// What is stored of a sign-in cannot be read. Whoever found that out says which file or entry, and why.
    fn damaged(error: &CacheError, sign_in: &str) -> Self {
        let failure = error.source().map_or_else(|| Self::of(error), Self::of);
        failure.hint(replaced(sign_in)).exit(Exit::SignInNeeded)
    }

    fn interrupted(mut self, note: Option<&Note>) -> Self {
        if let Some(note) = note {
            let at = Expiry::from_posix(i64::try_from(note.at.as_secs()).unwrap_or(0)).local();
            self.causes.push(format!("a refresh was interrupted at {at} by {note}"));
        }
        self
    }
}

/// What becomes of the next request where nobody is left alone meanwhile.
pub(crate) const TRIES_AGAIN: &str = "the same command tries again";

fn replaced(sign_in: &str) -> String {
    format!("'{sign_in}' signs in again and replaces it; until then it stays as it is")
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_core::OAuthError;

    #[test]
    fn a_failure_tells_its_causes_and_what_helps() {
        let source = GrantError::new(GrantErrorKind::Unreachable, "https://login.example")
            .because("connection refused");
        let error = BrokerError::Grant { account: "ada@contoso.com".to_owned(), source };
        let failure = Failure::of_broker(error, "token login");
        insta::assert_snapshot!(failure.text(), @r"
        error: could not get a token for ada@contoso.com
        cause: could not connect to https://login.example
        cause: connection refused
        hint: check the network and HTTPS_PROXY; the same command tries again after 30 seconds
        ");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn a_refused_sign_in_has_its_own_exit_code() {
        let refusal = OAuthError {
            error: "invalid_grant".to_owned(),
            description: Some("AADSTS70043: The refresh token has expired\r\n\x1b[31mTrace".to_owned()),
            ..OAuthError::default()
        };
        let error = BrokerError::Refused { account: "ada".to_owned(), refusal, interrupted: None };
        let failure = Failure::of_broker(error, "token login --tenant t");
        insta::assert_snapshot!(failure.text(), @r"
        error: the issuer refused a token for ada
        cause: AADSTS70043: The refresh token has expired
           [31mTrace
        cause: a policy limits how long a sign-in lasts
        hint: 'token login --tenant t' signs in again
        ");
        assert_eq!(failure.exit_code(), 4);
    }
}
