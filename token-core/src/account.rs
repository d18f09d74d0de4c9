//! Who is signed in, and what they see.

use serde::{Deserialize, Serialize};

use crate::key::{Key, Kind, SignInId};

/// One signed-in identity, as the profile keeps it: no secrets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Account {
    /// The user name, the service principal's client id, or the issuer's name in the config.
    pub name: String,
    /// What kind of identity it is.
    pub kind: AccountKind,
    /// Its present sign-in.
    pub sign_in: SignInId,
    /// The cloud (`AzureCloud`) or the issuer's URL. With the name it identifies the account.
    pub authority: String,
    /// The home tenant, at Microsoft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What is asked for where a request names no scope: the scopes granted at sign-in. Empty at Microsoft, where the
    /// cloud's resource manager is the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The state directory it was signed in from: `logout` there ends the sign-in, elsewhere it only forgets it.
    pub signed_in_from: String,
    /// When, in POSIX seconds.
    pub signed_in_at: i64,
}

/// The kinds of identity.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AccountKind {
    /// A person at Microsoft; `user` in Azure CLI.
    User,
    /// A service principal at Microsoft; `servicePrincipal` in Azure CLI.
    ServicePrincipal,
    /// A managed identity that is its host's own; `systemAssignedIdentity` in Azure CLI.
    SystemAssignedIdentity,
    /// A managed identity that its host was given; `userAssignedIdentity` in Azure CLI.
    UserAssignedIdentity,
    /// A subject at an OpenID Connect issuer.
    Subject,
    /// A client at an OpenID Connect issuer, with its own credentials.
    Client,
}

impl AccountKind {
    /// Whether the Microsoft identity platform signed it in.
    pub fn is_microsoft(self) -> bool {
        !matches!(self, Self::Subject | Self::Client)
    }

    /// Whether it is a managed identity.
    pub fn is_managed_identity(self) -> bool {
        matches!(self, Self::SystemAssignedIdentity | Self::UserAssignedIdentity)
    }
}

/// An Azure subscription that an account can see, with the fields Azure CLI keeps of it (its `azureProfile.json`).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id; the tenant's where the account sees a tenant only.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// `Enabled`, `Disabled`, `Warned`, …
    pub state: String,
    /// The tenant that tokens for it come from.
    pub tenant_id: String,
    /// The tenant that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_tenant_id: Option<String>,
    /// Known only when it was found through the list of tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_default_domain: Option<String>,
    /// As above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_display_name: Option<String>,
    /// Tenants that manage it; absent for a tenant-level account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by_tenants: Option<Vec<String>>,
    /// The [`Account::name`] that sees it.
    pub account: String,
    /// The cloud it is in, which is that account's [`Account::authority`].
    pub cloud: String,
}

/// Everything about the sign-ins of one cache that is not secret.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Profile {
    /// The accounts, in the order of their first sign-in.
    pub accounts: Vec<Account>,
    /// What they see, in the order of discovery.
    pub subscriptions: Vec<Subscription>,
    /// What is used by whoever has not chosen: set by the first sign-in, changed by `account set --shared`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Choice>,
}

/// A chosen subscription or, where an account has none, a chosen account.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Choice {
    /// The subscription's id, where one is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// The account's name.
    pub account: String,
    /// Its authority.
    pub authority: String,
}

impl Profile {
    /// The key of a cache's only profile.
    pub fn key() -> Key {
        Key::new(Kind::Profile, &[])
    }

    /// The account of this name at this authority; names are compared without case.
    pub fn account(&self, name: &str, authority: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.is(name, authority))
    }

    /// Puts an account in the place of an earlier one of the same name and authority, or at the end.
    pub fn put_account(&mut self, account: Account) {
        match self.accounts.iter_mut().find(|known| known.is(&account.name, &account.authority)) {
            Some(known) => *known = account,
            None => self.accounts.push(account),
        }
    }

    /// Takes an account out, with its subscriptions and the default that named it.
    pub fn remove_account(&mut self, name: &str, authority: &str) {
        self.accounts.retain(|account| !account.is(name, authority));
        self.subscriptions.retain(|subscription| {
            !(subscription.account.eq_ignore_ascii_case(name) && subscription.cloud == authority)
        });
        if self
            .default
            .as_ref()
            .is_some_and(|choice| choice.account.eq_ignore_ascii_case(name) && choice.authority == authority)
        {
            self.default = None;
        }
    }
}

impl Account {
    fn is(&self, name: &str, authority: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.authority == authority
    }
}
