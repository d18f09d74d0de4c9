//! The local choice: which account and subscription are active for this user on this host.
//!
//! It is kept apart from the cache, so that those who share one never switch each other, in one file for each cache.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use token_core::{Account, AccountKind, SignInId, Subscription};

use crate::private_file;
use crate::program;
use crate::report::Failure;

/// What is kept.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Choice {
    /// What is used where an argument does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) active: Option<Selected>,
    /// Whose account was active here has signed out, and nobody has chosen since. Azure CLI picks no other then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) signed_out: bool,
    /// What was active in other clouds when they were left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) elsewhere: Vec<Selected>,
    /// Sign-ins in the shared profile that this user has signed out of and that belong to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) forgotten: Vec<SignInId>,
}

/// An account, with the subscription where it has one: all that a token request takes, so that a hit reads no
/// profile.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Selected {
    pub(crate) account: String,
    pub(crate) authority: String,
    pub(crate) kind: AccountKind,
    pub(crate) sign_in: SignInId,
    /// The home tenant, at Microsoft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subscription: Option<SelectedSubscription>,
}

/// A subscription, as far as a token request needs it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct SelectedSubscription {
    pub(crate) id: String,
    pub(crate) tenant: String,
}

impl Selected {
    pub(crate) fn new(account: &Account, subscription: Option<&Subscription>) -> Self {
        Self {
            account: account.name.clone(),
            authority: account.authority.clone(),
            kind: account.kind,
            sign_in: account.sign_in.clone(),
            tenant: account.tenant.clone(),
            subscription: subscription.map(|subscription| SelectedSubscription {
                id: subscription.id.clone(),
                tenant: subscription.tenant_id.clone(),
            }),
        }
    }

    /// Whether this is that account, whichever sign-in it has by now.
    pub(crate) fn is_account(&self, account: &Account) -> bool {
        self.account.eq_ignore_ascii_case(&account.name) && self.authority == account.authority
    }

    pub(crate) fn subscription_id(&self) -> Option<&str> {
        self.subscription.as_ref().map(|subscription| subscription.id.as_str())
    }
}

impl Choice {
    /// Makes this the active one.
    pub(crate) fn choose(&mut self, selected: Selected) {
        self.active = Some(selected);
        self.signed_out = false;
    }

    /// Leaves an account that was signed out: where it was active, nothing is.
    pub(crate) fn leave_account(&mut self, account: &Account) {
        if self.active.take_if(|active| active.is_account(account)).is_some() {
            self.signed_out = true;
        }
    }

    /// Leaves a cloud: what is active there is remembered.
    pub(crate) fn leave(&mut self, cloud: &str) {
        if let Some(active) = self.active.take_if(|active| active.authority == cloud) {
            self.elsewhere.retain(|left| left.authority != cloud);
            self.elsewhere.push(active);
        }
    }

    /// Enters a cloud: what was active there before is active again.
    pub(crate) fn enter(&mut self, cloud: &str) {
        if let Some(at) = self.elsewhere.iter().position(|left| left.authority == cloud) {
            let left = self.elsewhere.remove(at);
            self.choose(left);
        }
    }
}

/// Where a [`Choice`] is kept.
#[derive(Clone, Debug)]
pub(crate) struct ChoiceFile(PathBuf);

impl ChoiceFile {
    /// The file that belongs to a cache, which is named as its `Display` does.
    pub(crate) fn of(dir: &Path, cache: &str) -> Self {
        let hash = Sha256::digest(cache.as_bytes());
        let id: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(dir.join(format!("choice-{id}.json")))
    }

    /// What was chosen; nothing where nobody has chosen yet.
    ///
    /// # Errors
    /// A file that cannot be read: what it says might be another subscription than the default one.
    pub(crate) fn load(&self) -> Result<Choice, Failure> {
        let failure = |failure: Failure| {
            failure.hint(format!("'{} account set --subscription …' writes it anew", program::name()))
        };
        let could_not = || Failure::new(format!("could not read the local choice in {}", self.0.display()));
        match std::fs::read(&self.0) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| failure(could_not().caused_by(&error)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Choice::default()),
            Err(error) => Err(failure(could_not().caused_by(&error))),
        }
    }

    /// Changes what was chosen. A file that cannot be read is written anew.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Choice)) -> Result<(), Failure> {
        let before = self.load();
        let mut choice = before.as_ref().ok().cloned().unwrap_or_default();
        change(&mut choice);
        if before.is_ok_and(|before| before == choice) {
            return Ok(());
        }
        serde_json::to_vec_pretty(&choice)
            .map_err(io::Error::from)
            .and_then(|bytes| private_file::replace(&self.0, &bytes))
            .map_err(|error| {
                Failure::new(format!("could not write the local choice in {}", self.0.display()))
                    .caused_by(&error)
                    .hint("XDG_STATE_HOME, or AZURE_CONFIG_DIR, names another place")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_found_again_and_damage_is_an_error_until_the_next_choice() {
        let dir = tempfile::tempdir().unwrap();
        let file = ChoiceFile::of(dir.path(), "file:/a");
        assert_eq!(file.load().unwrap(), Choice::default());
        let id = SignInId::random();
        file.update(|choice| choice.forgotten.push(id.clone())).unwrap();
        assert_eq!(file.load().unwrap().forgotten, [id]);
        assert_eq!(ChoiceFile::of(dir.path(), "file:/b").load().unwrap(), Choice::default());

        private_file::replace(&file.0, b"{").unwrap();
        assert!(file.load().is_err());
        file.update(|_| ()).unwrap();
        assert_eq!(file.load().unwrap(), Choice::default());
    }
}
