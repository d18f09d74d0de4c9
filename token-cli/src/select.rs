//! Which account and subscription a command is about.
//!
//! In this order: the argument; `TOKEN_SUBSCRIPTION`; the local choice; the profile's default; the only account; else
//! an error that lists the choices.

use token_core::{Account, AccountKind, Profile, Subscription};

use crate::cache_location::CacheLocation;
use crate::choice::{Choice, Selected};
use crate::program;
use crate::report::{Exit, Failure};

/// What a selection is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) choice: &'a Choice,
    /// The active cloud: accounts and subscriptions of other clouds do not count.
    pub(crate) cloud: &'a str,
    /// `TOKEN_SUBSCRIPTION`.
    pub(crate) environment: Option<&'a str>,
    /// The server that the profile comes from, where it is not on this host.
    pub(crate) server: Option<&'a CacheLocation>,
}

/// An account, with the subscription where it has one.
pub(crate) type Found<'a> = (&'a Account, Option<&'a Subscription>);

impl<'a> Selection<'a> {
    /// The accounts that can be used here: of this cloud or of an issuer, and not forgotten.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = &'a Account> {
        let Self { profile, choice, cloud, .. } = *self;
        profile.accounts.iter().filter(move |account| {
            is_usable(account.kind, &account.authority, cloud)
                && !choice.forgotten.contains(&account.sign_in)
                // Azure CLI knows an account by what it sees.
                && (!program::is_az() || profile.subscriptions.iter().any(|seen| sees(account, seen)))
        })
    }

    /// What an account sees.
    pub(crate) fn subscriptions(&self, account: &'a Account) -> impl Iterator<Item = &'a Subscription> {
        self.profile.subscriptions.iter().filter(|subscription| sees(account, subscription))
    }

    /// Selects by the arguments, or by what comes behind them.
    pub(crate) fn select(
        &self,
        account: Option<&str>,
        subscription: Option<&str>,
    ) -> Result<Found<'a>, Failure> {
        if self.accounts().next().is_none() {
            return Err(self.nobody_signed_in());
        }
        if let Some(wanted) = subscription {
            return self.subscription(wanted, account);
        }
        if let Some(wanted) = account {
            let account = self.account(wanted)?;
            return Ok((account, self.subscription_of(account)));
        }
        if let Some(wanted) = self.environment {
            return self
                .subscription(wanted, None)
                .map_err(|failure| failure.hint("it is set by TOKEN_SUBSCRIPTION"));
        }
        if let Some(active) = &self.choice.active
            && is_usable(active.kind, &active.authority, self.cloud)
        {
            return self.active(active);
        }
        if program::is_az() && self.choice.signed_out {
            return Err(self.undecided());
        }
        if let Some(found) = self.shared_default() {
            return Ok(found);
        }
        match self.choices()[..] {
            // Azure CLI takes nothing that nobody chose.
            [only] if !program::is_az() => Ok(only),
            _ => Err(self.undecided()),
        }
    }

    /// The account of this name.
    pub(crate) fn account(&self, name: &str) -> Result<&'a Account, Failure> {
        let mut named = self.accounts().filter(|account| account.name.eq_ignore_ascii_case(name));
        match (named.next(), named.next()) {
            (Some(account), None) => Ok(account),
            // An issuer's account may have the name of a Microsoft account; the issuer's URL tells them apart.
            (Some(_), Some(_)) => {
                Err(Failure::new(format!("several accounts have the name '{name}'")).hint(self.list(
                    "they are",
                    self.accounts().map(|account| format!("{} at {}", account.name, account.authority)),
                )))
            }
            (None, _) => self.accounts().find(|account| account.authority == name).ok_or_else(|| {
                Failure::new(format!("nobody is signed in as '{name}'"))
                    .hint(self.list("signed in are", self.accounts().map(|account| account.name.clone())))
                    .exit(Exit::NotFound)
            }),
        }
    }

    /// The subscription of this id or name; or the account of this name, where accounts have no subscriptions.
    fn subscription(&self, wanted: &str, account: Option<&str>) -> Result<Found<'a>, Failure> {
        let accounts: Vec<&Account> = match account {
            Some(name) => vec![self.account(name)?],
            None => self.accounts().collect(),
        };
        let seen =
            || accounts.iter().flat_map(|account| self.subscriptions(account).map(|seen| (*account, seen)));
        let by_id: Vec<_> = seen().filter(|(_, seen)| seen.id.eq_ignore_ascii_case(wanted)).collect();
        // One subscription may be seen by several accounts: the active one goes first, then the latest sign-in.
        let active =
            |account: &Account| self.choice.active.as_ref().is_some_and(|active| active.is_account(account));
        if let Some((account, subscription)) =
            by_id.into_iter().max_by_key(|(account, _)| (active(account), account.signed_in_at))
        {
            return Ok((account, Some(subscription)));
        }
        let by_name: Vec<_> =
            seen().filter(|(_, seen)| seen.name.to_lowercase() == wanted.to_lowercase()).collect();
        if let Some((_, first)) = by_name.first() {
            if by_name.iter().any(|(_, other)| other.id != first.id) {
                let ids = by_name.iter().map(|(account, seen)| format!("{} ({})", seen.id, account.name));
                return Err(Failure::new(format!(
                    "Multiple subscriptions with the name '{wanted}' found. Specify the subscription ID."
                ))
                .hint(self.list("they are", ids)));
            }
            let found =
                by_name.into_iter().max_by_key(|(account, _)| (active(account), account.signed_in_at));
            if let Some((account, subscription)) = found {
                return Ok((account, Some(subscription)));
            }
        }
        let named = accounts.iter().find(|account| {
            account.name.eq_ignore_ascii_case(wanted) && self.subscriptions(account).next().is_none()
        });
        named.map(|account| (*account, None)).ok_or_else(|| {
            Failure::new(format!(
                "Subscription '{wanted}' not found. Check the spelling and casing and try again."
            ))
            .hint(format!("'{} account list' lists what there is", program::name()))
            .exit(Exit::NotFound)
        })
    }

    /// Which of an account's subscriptions is meant where only the account is named.
    fn subscription_of(&self, account: &'a Account) -> Option<&'a Subscription> {
        let chosen = self.choice.active.as_ref().filter(|active| active.is_account(account));
        let default = self.profile.default.as_ref().filter(|default| {
            default.account.eq_ignore_ascii_case(&account.name) && default.authority == account.authority
        });
        let by_id = |id: &str| self.subscriptions(account).find(|seen| seen.id == id);
        chosen
            .and_then(|active| by_id(active.subscription_id()?))
            .or_else(|| default.and_then(|default| by_id(default.subscription.as_deref()?)))
            .or_else(|| self.subscriptions(account).find(|seen| seen.state == "Enabled"))
            .or_else(|| self.subscriptions(account).next())
    }

    /// What was chosen here. It is not replaced by anything else: another account's token would be worse than none.
    fn active(&self, active: &Selected) -> Result<Found<'a>, Failure> {
        let program = program::name();
        let Some(account) = self.accounts().find(|account| active.is_account(account)) else {
            return Err(Failure::new(format!(
                "{}, which was chosen here, is not signed in any more",
                active.account
            ))
            .hint(format!("'{program} login' signs in; '{program} account set' chooses another"))
            .exit(Exit::SignInNeeded));
        };
        match active.subscription_id() {
            None => Ok((account, self.subscription_of(account))),
            Some(id) => match self.subscriptions(account).find(|seen| seen.id == id) {
                Some(subscription) => Ok((account, Some(subscription))),
                None => Err(Failure::new(format!(
                    "{} does not see the subscription {id} any more, which was chosen here",
                    account.name
                ))
                .hint(format!(
                    "'{program} account list' lists what there is, '{program} account set' chooses"
                ))
                .exit(Exit::NotFound)),
            },
        }
    }

    /// A server may have forgotten whom it knew.
    fn nobody_signed_in(&self) -> Failure {
        let failure = Failure::nobody_signed_in();
        match self.server {
            Some(server) if self.profile.accounts.is_empty() && !program::is_az() => {
                failure.because(format!("there is no sign-in in {server}")).hint(format!(
                    "a server that does not keep its data forgets every sign-in when it restarts; '{} doctor' looks at that",
                    program::name()
                ))
            }
            _ => failure,
        }
    }

    fn shared_default(&self) -> Option<Found<'a>> {
        let default = self.profile.default.as_ref()?;
        let account = self.accounts().find(|account| {
            account.name.eq_ignore_ascii_case(&default.account) && account.authority == default.authority
        })?;
        match &default.subscription {
            None => Some((account, self.subscription_of(account))),
            Some(id) => {
                self.subscriptions(account).find(|seen| seen.id == *id).map(|seen| (account, Some(seen)))
            }
        }
    }

    /// Everything there is to choose from: subscriptions, and accounts that have none.
    fn choices(&self) -> Vec<Found<'a>> {
        let of_account = |account| {
            let mut seen: Vec<Found<'a>> =
                self.subscriptions(account).map(|seen| (account, Some(seen))).collect();
            if seen.is_empty() {
                seen.push((account, None));
            }
            seen
        };
        self.accounts().flat_map(of_account).collect()
    }

    fn undecided(&self) -> Failure {
        let program = program::name();
        let choices = self.choices();
        let names = choices.iter().map(|(account, seen)| match seen {
            Some(seen) => format!("{} ({})", seen.name, seen.id),
            None => account.name.clone(),
        });
        Failure::new(format!("No subscription found. Run '{program} account set' to select a subscription."))
            .hint(self.list("there are", names))
    }

    /// A hint with the first few of many.
    fn list(&self, what: &str, items: impl Iterator<Item = String>) -> String {
        const SHOWN: usize = 8;
        let items: Vec<String> = items.collect();
        let shown = items[..items.len().min(SHOWN)].join(", ");
        match items.len().saturating_sub(SHOWN) {
            0 => format!("{what}: {shown}"),
            more => format!("{what}: {shown}, and {more} more"),
        }
    }
}

/// Whether an account can be used in this cloud. An issuer's can in every one, but Azure CLI knows no such accounts.
pub(crate) fn is_usable(kind: AccountKind, authority: &str, cloud: &str) -> bool {
    if kind.is_microsoft() { authority == cloud } else { !program::is_az() }
}

/// Whether an account sees a subscription.
pub(crate) fn sees(account: &Account, subscription: &Subscription) -> bool {
    subscription.account.eq_ignore_ascii_case(&account.name) && subscription.cloud == account.authority
}

#[cfg(test)]
mod tests {
    use token_core::{Choice as Default, SignInId};

    use super::*;

    fn account(name: &str, kind: AccountKind, authority: &str, at: i64) -> Account {
        Account {
            name: name.to_owned(),
            kind,
            sign_in: SignInId::random(),
            authority: authority.to_owned(),
            tenant: None,
            scopes: Vec::new(),
            signed_in_from: String::new(),
            signed_in_at: at,
        }
    }

    fn subscription(id: &str, name: &str, account: &str) -> Subscription {
        Subscription {
            id: id.to_owned(),
            name: name.to_owned(),
            state: "Enabled".to_owned(),
            tenant_id: "t".to_owned(),
            home_tenant_id: None,
            tenant_default_domain: None,
            tenant_display_name: None,
            managed_by_tenants: None,
            account: account.to_owned(),
            cloud: "AzureCloud".to_owned(),
        }
    }

    /// Ada sees 1 and 2, Bob sees 2 and 3; and there is an issuer's account.
    fn profile() -> Profile {
        Profile {
            accounts: vec![
                account("ada", AccountKind::User, "AzureCloud", 1),
                account("bob", AccountKind::User, "AzureCloud", 2),
                account("corp", AccountKind::Subject, "https://idp.example", 3),
                account("eve", AccountKind::User, "AzureChinaCloud", 4),
            ],
            subscriptions: vec![
                subscription("1", "One", "ada"),
                subscription("2", "Two", "ada"),
                subscription("2", "Two", "bob"),
                subscription("3", "One", "bob"),
            ],
            default: None,
        }
    }

    fn select(
        profile: &Profile,
        choice: &Choice,
        environment: Option<&str>,
        account: Option<&str>,
        subscription: Option<&str>,
    ) -> Result<String, String> {
        Selection { profile, choice, cloud: "AzureCloud", environment, server: None }
            .select(account, subscription)
            .map(|(account, seen)| format!("{} {}", account.name, seen.map_or("-", |seen| &seen.id)))
            .map_err(|failure| failure.text())
    }

    fn active(profile: &Profile, account: usize, subscription: Option<usize>) -> Choice {
        let subscription = subscription.map(|index| &profile.subscriptions[index]);
        Choice { active: Some(Selected::new(&profile.accounts[account], subscription)), ..Choice::default() }
    }

    fn shared(account: &str, subscription: &str) -> Option<Default> {
        Some(Default {
            subscription: Some(subscription.to_owned()),
            account: account.to_owned(),
            authority: "AzureCloud".to_owned(),
        })
    }

    #[test]
    fn what_comes_first_wins() {
        let mut profile = profile();
        profile.default = shared("bob", "3");
        let (none, chosen) = (Choice::default(), active(&profile, 0, Some(0)));
        let selected = |choice, environment, account, subscription| {
            select(&profile, choice, environment, account, subscription).unwrap()
        };
        assert_eq!(selected(&none, None, None, None), "bob 3");
        assert_eq!(selected(&chosen, None, None, None), "ada 1");
        assert_eq!(selected(&chosen, Some("3"), None, None), "bob 3");
        assert_eq!(selected(&chosen, Some("3"), Some("corp"), None), "corp -");
        assert_eq!(selected(&chosen, Some("3"), None, Some("1")), "ada 1");
        assert_eq!(selected(&chosen, Some("corp"), None, None), "corp -");
    }

    #[test]
    fn a_subscription_is_found_by_id_or_name_without_case() {
        let profile = profile();
        let none = Choice::default();
        // Both see 2: the latest sign-in serves, unless an account is active or named.
        assert_eq!(select(&profile, &none, None, None, Some("two")).unwrap(), "bob 2");
        assert_eq!(select(&profile, &active(&profile, 0, None), None, None, Some("TWO")).unwrap(), "ada 2");
        assert_eq!(select(&profile, &none, None, Some("ADA"), Some("2")).unwrap(), "ada 2");
        assert_eq!(select(&profile, &none, None, Some("bob"), Some("One")).unwrap(), "bob 3");
        insta::assert_snapshot!(select(&profile, &none, None, None, Some("One")).unwrap_err(), @r"
        error: Multiple subscriptions with the name 'One' found. Specify the subscription ID.
        hint: they are: 1 (ada), 3 (bob)
        ");
        let missing = select(&profile, &none, None, None, Some("nosuch")).unwrap_err();
        assert!(missing.starts_with(
            "error: Subscription 'nosuch' not found. Check the spelling and casing and try again."
        ));
    }

    #[test]
    fn an_account_brings_its_own_subscription() {
        let mut profile = profile();
        profile.default = shared("bob", "3");
        let chosen = active(&profile, 0, Some(1));
        assert_eq!(select(&profile, &chosen, None, Some("ada"), None).unwrap(), "ada 2");
        assert_eq!(select(&profile, &chosen, None, Some("bob"), None).unwrap(), "bob 3");
        assert_eq!(select(&profile, &Choice::default(), None, Some("ada"), None).unwrap(), "ada 1");
        assert_eq!(select(&profile, &chosen, None, Some("https://idp.example"), None).unwrap(), "corp -");
        insta::assert_snapshot!(select(&profile, &chosen, None, Some("zoe"), None).unwrap_err(), @r"
        error: nobody is signed in as 'zoe'
        hint: signed in are: ada, bob, corp
        ");
    }

    #[test]
    fn what_was_chosen_is_never_replaced_silently() {
        let mut profile = profile();
        profile.default = shared("bob", "3");
        let chosen = active(&profile, 0, Some(0));
        profile.subscriptions.remove(0);
        assert!(
            select(&profile, &chosen, None, None, None)
                .unwrap_err()
                .contains("does not see the subscription 1")
        );
        profile.remove_account("ada", "AzureCloud");
        assert!(
            select(&profile, &chosen, None, None, None).unwrap_err().contains("is not signed in any more")
        );
    }

    #[test]
    fn the_only_account_needs_no_choice_and_several_are_listed() {
        let mut profile = profile();
        let none = Choice::default();
        insta::assert_snapshot!(select(&profile, &none, None, None, None).unwrap_err(), @r"
        error: No subscription found. Run 'token account set' to select a subscription.
        hint: there are: One (1), Two (2), Two (2), One (3), corp
        ");
        profile.accounts.retain(|account| account.name == "corp");
        assert_eq!(select(&profile, &none, None, None, None).unwrap(), "corp -");
        let forgotten = Choice { forgotten: vec![profile.accounts[0].sign_in.clone()], ..Choice::default() };
        let nobody = select(&profile, &forgotten, None, None, None).unwrap_err();
        assert!(nobody.starts_with("error: Please run '") && nobody.ends_with(" login' to setup account.\n"));
    }
}
