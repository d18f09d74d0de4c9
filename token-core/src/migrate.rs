//! Moving sign-ins from one cache to another.
//!
//! Each credential goes by itself: it becomes *moving* here, so that nobody spends it, is made there, looked at
//! there, and deleted here. A run that was interrupted is run again: what the other cache has by then is only
//! deleted from this one.

use crate::account::{Account, Profile};
use crate::broker::{Broker, SETTLE, WAIT, WAIT_TO_SIGN};
use crate::cache::Version;
use crate::credential::{Credential, Grant, ManagedIdentity, State};
use crate::error::BrokerError;
use crate::faults;
use crate::key::{Key, Kind, SignInId};
use crate::store::{Slot, Written};
use crate::wait::{Deadline, pause};
use std::time::Duration;

/// What [`Broker::migrate`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Migrated {
    /// The sign-ins that are in the other cache now, by this run or an earlier one that was interrupted.
    pub moved: Vec<Moved>,
    /// The accounts whose sign-in stays where it is, and why. Where nobody can tell whose it is, its entry's name.
    pub left: Vec<(String, Left)>,
}

/// A sign-in that has arrived.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moved {
    /// Whose it is.
    pub account: String,
    /// Which.
    pub sign_in: SignInId,
}

/// Which managed identities may go to the other cache. Whoever reaches it can be them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostIdentities {
    /// All: it is a cache of the same host.
    All,
    /// Those that several hosts can be given: it is shared, and somebody has said that they may.
    Assigned,
    /// None.
    None,
}

impl HostIdentities {
    /// Whether this one may go.
    pub fn admit(self, identity: &ManagedIdentity) -> bool {
        match self {
            Self::All => true,
            // Another host that refreshed its token would get one of its own.
            Self::Assigned => !matches!(identity, ManagedIdentity::SystemAssigned),
            Self::None => false,
        }
    }
}

/// Why a sign-in stays where it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Left {
    /// It is a managed identity of this host, and the other cache is shared.
    OfThisHost,
    /// The other cache has another sign-in of the same account.
    SignedInThere,
    /// It cannot be copied: its refresh token changes with every use, and two caches would spend it against each
    /// other.
    Rotates,
    /// An interrupted run has begun to move it to yet another cache, where it may have been spent by now.
    OnItsWay,
    /// Somebody was at it the whole time.
    Busy,
    /// What is here or there under its name cannot be read: it is damaged, or sealed under a key that we do not hold.
    Unreadable,
}

/// What became of one credential.
type Outcome = Result<Moved, (String, Left)>;

impl Broker {
    /// Moves every credential and the profile to another cache; access tokens are fetched again there. With `keep`
    /// they are copied, except those whose refresh token rotates. Managed identities that may not go stay.
    ///
    /// # Errors
    ///
    /// The first failure of either cache; an entry that cannot be read is none. What has been moved by then has arrived
    /// whole; run it again for the rest.
    pub async fn migrate(
        &self,
        to: &Self,
        keep: bool,
        identities: HostIdentities,
    ) -> Result<Migrated, BrokerError> {
        let mut migrated = Migrated::default();
        let credentials = self.inner.store.cache.list(Kind::Credential).await?;
        let ours = self.profile().await?;
        for listed in credentials {
            let outcome = match self.migrate_one(to, &listed.key, &ours, keep, identities).await {
                // One that cannot be read must not keep the others here.
                Err(error) if error.is_about_an_entry() => {
                    Some(Err((whose(&ours, &listed.key), Left::Unreadable)))
                }
                outcome => outcome?,
            };
            match outcome {
                Some(Ok(moved)) => migrated.moved.push(moved),
                Some(Err(left)) => migrated.left.push(left),
                None => {}
            }
        }
        if !keep {
            self.remove_what_has_moved(to, &mut migrated.moved).await?;
        }
        migrated.moved.sort();
        migrated.moved.dedup();
        migrated.left.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(migrated)
    }

    /// Takes out the access tokens and the accounts whose credential is in the other cache, by this run or an earlier
    /// one, which may not have come to them.
    async fn remove_what_has_moved(&self, to: &Self, moved: &mut Vec<Moved>) -> Result<(), BrokerError> {
        let ours = self.profile().await?;
        let (mut gone, mut living) = (Vec::new(), Vec::new());
        for account in &ours.accounts {
            let key = account.sign_in.credential();
            let here: Slot<Credential> = self.inner.store.load(&key).await?;
            let there: Slot<Credential> = to.inner.store.load(&key).await?;
            if matches!(here, Slot::Empty)
                && let Some(theirs) = there.value()
            {
                gone.push(account);
                living.extend(theirs.state.grant().map(|_| account));
            }
        }
        // One that was being signed in when its credential moved was in no profile yet.
        introduce(to, &ours, &living).await?;
        moved.extend(
            gone.iter()
                .map(|account| Moved { account: account.name.clone(), sign_in: account.sign_in.clone() }),
        );
        let sign_ins: Vec<SignInId> = moved.iter().map(|moved| moved.sign_in.clone()).collect();
        self.inner.forget_access_tokens(&sign_ins).await?;
        self.update_profile(|profile| {
            for account in &gone {
                let known = profile.account(&account.name, &account.authority);
                if known.is_some_and(|known| known.sign_in == account.sign_in) {
                    profile.remove_account(&account.name, &account.authority);
                }
            }
        })
        .await?;
        Ok(())
    }

    /// `None` for a credential that is nobody's any more.
    async fn migrate_one(
        &self,
        to: &Self,
        key: &Key,
        ours: &Profile,
        keep: bool,
        identities: HostIdentities,
    ) -> Result<Option<Outcome>, BrokerError> {
        let Some(lease) = self.inner.lease_within(key, WAIT).await? else {
            let slot: Slot<Credential> = self.inner.store.load(key).await?;
            return Ok(slot.value().map(|credential| Err((credential.account.clone(), Left::Busy))));
        };
        let outcome = self.migrate_leased(to, key, ours, keep, identities).await;
        self.inner.release(lease).await;
        outcome
    }

    async fn migrate_leased(
        &self,
        to: &Self,
        key: &Key,
        ours: &Profile,
        keep: bool,
        identities: HostIdentities,
    ) -> Result<Option<Outcome>, BrokerError> {
        let Some((version, credential)) = self.at_rest(key).await? else {
            return Ok(None);
        };
        let account = credential.account.clone();
        match credential.state.grant() {
            None => return Ok(None),
            Some(Grant::ManagedIdentity(identity)) if !identities.admit(identity) => {
                return Ok(Some(Err((account, Left::OfThisHost))));
            }
            Some(_) => {}
        }
        let known: Vec<&Account> =
            ours.accounts.iter().filter(|account| account.sign_in == credential.sign_in).collect();
        if keep && credential.rotates() {
            return Ok(Some(Err((account, Left::Rotates))));
        }
        let place = to.inner.store.cache.to_string();
        let is_on_its_way = match &credential.state {
            State::Moving(_, to) if *to != place => return Ok(Some(Err((account, Left::OnItsWay)))),
            state => matches!(state, State::Moving(..)),
        };
        let there: Slot<Credential> = to.inner.store.load(key).await?;
        if let Slot::Damaged(_, error) = there {
            return Err(error);
        }
        if matches!(there, Slot::Empty) && is_signed_in_anew(to, &known).await? {
            return Ok(Some(Err((account, Left::SignedInThere))));
        }
        let mut moving = (version, credential.clone());
        if !keep && !is_on_its_way {
            let state = State::Moving(Box::new(left_in(&credential.state).clone()), place);
            let next = Credential { state, ..credential.clone() };
            let entry = self.inner.store.seal(key, &next, None)?;
            if let Written::Conflict::<Credential>(_) =
                self.inner.store.write(key, Some(&version), Some(&entry)).await?
            {
                return Ok(Some(Err((account, Left::Busy))));
            }
            moving = (entry.version, next);
        }
        faults::point("moving");
        match there.value() {
            Some(theirs) if !is_behind(theirs, &credential) => {
                if matches!(theirs.state, State::Moving(..)) && !self.turn_around(to, key).await? {
                    return Ok(Some(Err((account, Left::Busy))));
                }
            }
            _ => self.arrive(to, key, &there, &credential).await?,
        }
        // Who was signed out over there meanwhile stays so.
        if there.value().is_none_or(|theirs| theirs.state.grant().is_some()) {
            introduce(to, ours, &known).await?;
        }
        faults::point("arrived");
        if !keep {
            // A conflict means that a refresh has come home here meanwhile: run again, it is moved once more.
            if let Written::Conflict::<Credential>(_) =
                self.inner.store.write(key, Some(&moving.0), None).await?
            {
                return Ok(Some(Err((account, Left::Busy))));
            }
        }
        Ok(Some(Ok(Moved { account, sign_in: credential.sign_in })))
    }

    /// Puts to rest what had set out from the other cache, perhaps for this one, and was interrupted. False where it
    /// is still on its way.
    async fn turn_around(&self, to: &Self, key: &Key) -> Result<bool, BrokerError> {
        // Who moves it away holds its lease the whole time.
        let Some(lease) = to.inner.lease_within(key, WAIT_TO_SIGN).await? else {
            return Ok(false);
        };
        let there: Slot<Credential> = to.inner.store.load(key).await?;
        let arrived = match there.value().cloned() {
            Some(theirs) => self.arrive(to, key, &there, &theirs).await.map(|()| true),
            None => Ok(false),
        };
        to.inner.release(lease).await;
        arrived
    }

    /// The credential with its rescue home, once no note on it can still be worked for.
    async fn at_rest(&self, key: &Key) -> Result<Option<(Version, Credential)>, BrokerError> {
        let deadline = Deadline::after(&*self.inner.clock, SETTLE);
        loop {
            let slot = self.inner.store.load(key).await?;
            match self.inner.bring_home(key, true, slot).await? {
                Slot::Empty => return Ok(None),
                Slot::Damaged(_, error) => return Err(error),
                Slot::Filled(version, credential) => {
                    let noted = matches!(credential.state, State::Spending(..));
                    if !noted || deadline.is_over(&*self.inner.clock) {
                        return Ok(Some((version, credential)));
                    }
                }
            }
            pause(Duration::from_millis(50), Duration::from_millis(150)).await;
        }
    }

    /// Makes the credential in the other cache and looks at what is there.
    async fn arrive(
        &self,
        to: &Self,
        key: &Key,
        there: &Slot<Credential>,
        credential: &Credential,
    ) -> Result<(), BrokerError> {
        // An unsettled note goes along: whoever spends the token next is told of it.
        let credential = Credential { state: left_in(&credential.state).clone(), ..credential.clone() };
        // A conflict means that somebody over there has made more of it since we looked.
        drop(to.inner.store.replace(key, there, &credential, None).await?);
        match to.inner.store.load::<Credential>(key).await? {
            Slot::Filled(..) => Ok(()),
            Slot::Empty => Err(BrokerError::NotSignedIn { account: credential.account }),
            Slot::Damaged(_, error) => Err(error),
        }
    }
}

/// Puts accounts and what they see into the other profile.
async fn introduce(to: &Broker, ours: &Profile, accounts: &[&Account]) -> Result<(), BrokerError> {
    to.update_profile(|theirs| {
        for account in accounts {
            if theirs.account(&account.name, &account.authority).is_some() {
                continue;
            }
            theirs.put_account((*account).clone());
            let seen = ours.subscriptions.iter().filter(|seen| {
                seen.account.eq_ignore_ascii_case(&account.name) && seen.cloud == account.authority
            });
            theirs.subscriptions.extend(seen.cloned());
            if theirs.default.is_none() {
                theirs.default = ours.default.clone().filter(|choice| {
                    choice.account.eq_ignore_ascii_case(&account.name)
                        && choice.authority == account.authority
                });
            }
        }
    })
    .await?;
    Ok(())
}

/// Whether the other cache knows one of these accounts by another sign-in.
async fn is_signed_in_anew(to: &Broker, accounts: &[&Account]) -> Result<bool, BrokerError> {
    let theirs = to.profile().await?;
    Ok(accounts.iter().any(|account| {
        let known = theirs.account(&account.name, &account.authority);
        known.is_some_and(|known| known.sign_in != account.sign_in)
    }))
}

/// Whose credential this is, as far as the profile tells.
fn whose(ours: &Profile, key: &Key) -> String {
    let account = ours.accounts.iter().find(|account| account.sign_in.credential() == *key);
    account.map_or_else(|| key.to_string(), |account| account.name.clone())
}

/// The state that a credential arrives in.
fn left_in(state: &State) -> &State {
    match state {
        State::Moving(state, _) => state,
        state => state,
    }
}

/// Whether an earlier run brought what has been spent since: an answer that was late, or rescued, came home here while
/// the credential was on its way, and may have been spent here since. Else the other cache is ahead, and what is here is
/// the past. Nobody compares the clocks of two stores for that: who takes a spent token for the current one loses the
/// sign-in.
fn is_behind(there: &Credential, here: &Credential) -> bool {
    let (Some(theirs), Some(ours)) = (there.state.register(), here.state.register()) else {
        return false;
    };
    ours.rotations > theirs.rotations
}
