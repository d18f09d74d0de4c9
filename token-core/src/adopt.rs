//! Taking over a sign-in that another program made, and goes on using: Azure CLI's.

use crate::access::StoredAccess;
use crate::account::Account;
use crate::broker::Broker;
use crate::credential::{Credential, State};
use crate::error::BrokerError;
use crate::request::TokenRequest;
use crate::sign_in::put;
use crate::store::Slot;
use crate::token::AccessToken;

/// A sign-in of another program's.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// Whose it is; its sign-in is a new one, and `signed_in_at` the time of what it brings.
    pub account: Account,
    /// What will get further tokens.
    pub credential: Credential,
    /// Access tokens that came with it and still live.
    pub tokens: Vec<(TokenRequest, AccessToken)>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Adopted {
    /// Nobody was signed in as this account.
    New,
    /// It is newer than the sign-in there was, and took its place.
    Newer,
    /// The sign-in there was is the same one, or newer: it stays, and nothing was written.
    Unchanged,
}

impl Broker {
    /// Stores a sign-in that another program made, unless the one there is comes from it or is newer. Both programs
    /// then hold the same refresh token, so this is for issuers where a use does not end it, as Microsoft's.
    ///
    /// # Errors
    ///
    /// Any [`BrokerError`]; a damaged profile is one.
    pub async fn adopt(&self, adoption: Adoption) -> Result<Adopted, BrokerError> {
        let store = &self.inner.store;
        let Adoption { account, credential, tokens } = adoption;
        let profile = self.profile().await?;
        let known = profile.account(&account.name, &account.authority);
        if let Some(known) = known {
            let slot: Slot<Credential> = store.load(&known.sign_in.credential()).await?;
            if slot.value().is_some_and(|ours| !supersedes(&credential, account.signed_in_at, ours, known)) {
                return Ok(Adopted::Unchanged);
            }
        }
        let outcome = if known.is_some() { Adopted::Newer } else { Adopted::New };

        put(&self.inner, &account.sign_in.credential(), &credential, None).await?;
        for (request, token) in tokens {
            let stored = StoredAccess { token: Some(token), ..StoredAccess::new(&request) };
            put(&self.inner, &request.key(), &stored, stored.discard_after()).await?;
        }
        self.take_over(&account).await?;
        Ok(outcome)
    }
}

/// Whether theirs shall take the place of ours.
fn supersedes(theirs: &Credential, at: i64, ours: &Credential, known: &Account) -> bool {
    if ours.state.grant().is_none() {
        return true;
    }
    let needed = matches!(ours.state, State::SignInNeeded { .. });
    match (theirs.state.register(), ours.state.register()) {
        (Some(their), Some(our)) => {
            let fingerprint = their.refresh_token.fingerprint();
            // Ours is that token, or what it became when we spent it.
            let known = our.refresh_token.fingerprint() == fingerprint || our.parent == Some(fingerprint);
            // Theirs has whole seconds: within one it may be the later of the two.
            !known && (needed || their.sent_at.as_secs() >= our.sent_at.as_secs())
        }
        _ => theirs.spends() != ours.spends() && (needed || at > known.signed_in_at),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        AccountKind, Client, ClientAuthentication, Endpoints, Fingerprint, Grant, OAuthError, RefreshToken,
        Register, Secret, SignInId,
    };

    fn account(at: i64) -> Account {
        Account {
            name: "ada".to_owned(),
            kind: AccountKind::User,
            sign_in: SignInId::random(),
            authority: "AzureCloud".to_owned(),
            tenant: None,
            scopes: Vec::new(),
            signed_in_from: String::new(),
            signed_in_at: at,
        }
    }

    fn credential(state: State, authentication: ClientAuthentication) -> Credential {
        Credential {
            sign_in: SignInId::random(),
            account: "ada".to_owned(),
            endpoints: Endpoints::Microsoft {
                authority_host: "https://login.example/".parse().unwrap(),
                tenant: "t".to_owned(),
            },
            client: Client { id: "c".to_owned(), authentication },
            scopes: Vec::new(),
            state,
            last_refresh: None,
        }
    }

    fn holds(token: &str, parent: Option<&str>, at: u64) -> Grant {
        let first = Register::first(RefreshToken::new(token), Duration::from_secs(at));
        Grant::RefreshToken(Register { parent: parent.map(Fingerprint::of), ..first })
    }

    fn refresh(token: &str, parent: Option<&str>, at: u64) -> Credential {
        credential(State::Idle(holds(token, parent, at)), ClientAuthentication::None)
    }

    fn secret(secret: &str) -> Credential {
        let authentication = ClientAuthentication::Post(Secret::new(secret));
        credential(State::Idle(Grant::ClientCredentials), authentication)
    }

    #[test]
    fn the_later_refresh_token_wins_unless_ours_came_from_theirs() {
        let better = |theirs: &Credential, ours: &Credential| supersedes(theirs, 0, ours, &account(0));
        assert!(better(&refresh("new", None, 20), &refresh("old", None, 10)));
        assert!(!better(&refresh("old", None, 10), &refresh("new", None, 20)));
        assert!(!better(&refresh("same", None, 30), &refresh("same", None, 10)));
        // Their clock may be ahead of ours: that ours was made from theirs counts all the same.
        assert!(!better(&refresh("parent", None, 30), &refresh("ours", Some("parent"), 20)));
    }

    #[test]
    fn what_ended_or_was_refused_gives_way() {
        let better = |theirs: &Credential, ours: &Credential| supersedes(theirs, 0, ours, &account(0));
        let refused = |grant| State::SignInNeeded {
            grant,
            refusal: OAuthError { error: "invalid_grant".to_owned(), ..OAuthError::default() },
            interrupted: None,
        };
        let ours = credential(refused(holds("dead", None, 20)), ClientAuthentication::None);
        assert!(better(&refresh("older", None, 10), &ours));
        assert!(!better(&refresh("dead", None, 30), &ours));
        assert!(better(&refresh("dead", None, 0), &credential(State::Ended, ClientAuthentication::None)));
    }

    #[test]
    fn another_secret_wins_if_it_is_later() {
        let better = |theirs: &Credential, at| supersedes(theirs, at, &secret("ours"), &account(10));
        assert!(better(&secret("theirs"), 20));
        assert!(!better(&secret("theirs"), 5));
        assert!(!better(&secret("ours"), 20));
    }
}
