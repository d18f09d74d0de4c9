//! Sign-in and sign-out, which take the lease like everybody else but do not wait for it for long.

use std::time::Duration;

use crate::access::StoredAccess;
use crate::account::{Account, Profile};
use crate::broker::{Broker, Inner, LEASE, REMEMBERED, WAIT_TO_SIGN};
use crate::cache::{Lease, Owner, TryLease};
use crate::credential::{Credential, State};
use crate::error::{BrokerError, GrantError};
use crate::grant::TokenAnswer;
use crate::grant::revocation::{Revoked, revoke};
use crate::key::{Key, Kind, SignInId};
use crate::request::TokenRequest;
use crate::store::{Slot, Written};
use crate::wait::{Deadline, pause};

/// How long a revocation may take, connecting included: a person waits for it.
const REVOCATION: Duration = Duration::from_secs(8);

/// What a grant brought, ready to be stored.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Whose it is; its sign-in is a new one.
    pub account: Account,
    /// What will get further tokens.
    pub credential: Credential,
    /// What was asked for with the grant.
    pub request: TokenRequest,
    /// The first tokens.
    pub answer: TokenAnswer,
}

/// What became of a sign-out at the issuer. In the cache it has always taken place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignedOut {
    /// The issuer revoked the refresh token.
    Revoked,
    /// The issuer offers no revocation (Microsoft does not), or there was nothing to revoke.
    NotRevoked,
    /// The issuer could not be asked, so the refresh token lives on there.
    Unreached(GrantError),
}

impl Broker {
    /// Stores a new sign-in: its credential, its first access token, and its account in the profile. An earlier
    /// sign-in of the same account becomes *replaced*.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<(), BrokerError> {
        let inner = &self.inner;
        let SignIn { account, credential, request, answer } = sign_in;
        // Fails before anything is stored where the profile is sealed under a key that we do not hold.
        drop(inner.store.load::<Profile>(&Profile::key()).await?);

        let key = account.sign_in.credential();
        put(inner, &key, &credential, None).await?;
        let stored = StoredAccess { token: Some(answer.access_token), ..StoredAccess::new(&request) };
        put(inner, &request.key(), &stored, stored.discard_after()).await?;
        self.take_over(&account).await
    }

    /// Ends a sign-in for everybody who shares the cache: revokes its refresh token where the issuer offers that,
    /// deletes its access tokens, and takes the account out of the profile.
    pub async fn sign_out(&self, account: &Account) -> Result<SignedOut, BrokerError> {
        let outcome = self.end(&account.sign_in, State::Ended).await?;
        self.update_profile(|profile| {
            let present = profile.account(&account.name, &account.authority);
            if present.is_some_and(|present| present.sign_in == account.sign_in) {
                profile.remove_account(&account.name, &account.authority);
            }
        })
        .await?;
        Ok(outcome)
    }

    /// Changes the profile. `change` is called again where somebody else has changed it meanwhile.
    ///
    /// # Errors
    ///
    /// Any [`BrokerError`]; a damaged profile is one, and stays as it is until a sign-in.
    pub async fn update_profile(&self, change: impl FnMut(&mut Profile)) -> Result<Profile, BrokerError> {
        self.change_profile(false, change).await
    }

    /// Puts a sign-in whose credential is stored into the profile. An earlier one of the account becomes *replaced*.
    pub(crate) async fn take_over(&self, account: &Account) -> Result<(), BrokerError> {
        // Whom it replaces is told by the profile that this one went into, or two sign-ins at once would miss each other.
        let mut before = None;
        self.change_profile(true, |profile| {
            before = profile.account(&account.name, &account.authority).map(|known| known.sign_in.clone());
            profile.put_account(account.clone());
        })
        .await?;
        if let Some(before) = before.filter(|before| *before != account.sign_in) {
            drop(self.end(&before, State::Replaced).await?);
        }
        Ok(())
    }

    async fn change_profile(
        &self,
        mends: bool,
        mut change: impl FnMut(&mut Profile),
    ) -> Result<Profile, BrokerError> {
        let store = &self.inner.store;
        let key = Profile::key();
        let mut slot: Slot<Profile> = store.load(&key).await?;
        loop {
            let mut profile = match slot {
                Slot::Damaged(_, error) if !mends => return Err(error),
                Slot::Filled(_, ref profile) => profile.clone(),
                Slot::Empty | Slot::Damaged(..) => Profile::default(),
            };
            change(&mut profile);
            if slot.value() == Some(&profile) {
                return Ok(profile);
            }
            match store.replace(&key, &slot, &profile, None).await? {
                Written::Done => return Ok(profile),
                Written::Conflict(current) => slot = current,
            }
        }
    }

    /// Puts a credential in its last state, under its lease if that is to be had, and deletes its access tokens.
    async fn end(&self, sign_in: &SignInId, state: State) -> Result<SignedOut, BrokerError> {
        let inner = &self.inner;
        let key = sign_in.credential();
        // A person waits: without the lease the swaps are as safe, and a refresh under way finds out by itself.
        let lease = inner.lease_within(&key, WAIT_TO_SIGN).await?;
        let ended = self.swap_last(&key, state, lease.is_some()).await;
        if let Some(lease) = lease {
            inner.release(lease).await;
        }
        let ended = ended?;
        inner.forget_access_tokens(std::slice::from_ref(sign_in)).await?;
        Ok(ended)
    }

    async fn swap_last(&self, key: &Key, state: State, leased: bool) -> Result<SignedOut, BrokerError> {
        let inner = &self.inner;
        let slot = inner.store.load(key).await?;
        let mut slot = inner.bring_home(key, leased, slot).await?;
        let (mut outcome, mut revoked) = (SignedOut::NotRevoked, None);
        loop {
            let Some(current) = slot.value().filter(|current| current.state.grant().is_some()).cloned()
            else {
                return Ok(outcome);
            };
            // Revoked first: who is interrupted in between leaves a dead token here, and not a living one nowhere.
            let spends = current.spends();
            if matches!(state, State::Ended) && revoked.replace(spends) != Some(spends) {
                outcome = match inner.revoke(&current).await {
                    Ok(Revoked::Done) => SignedOut::Revoked,
                    Ok(Revoked::NotOffered) => SignedOut::NotRevoked,
                    Err(error) => SignedOut::Unreached(error),
                };
            }
            let last = Credential { state: state.clone(), ..current };
            let discard_after = Some(inner.clock.posix() + REMEMBERED);
            match inner.store.replace(key, &slot, &last, discard_after).await? {
                Written::Done => return Ok(outcome),
                Written::Conflict(current) => slot = current,
            }
        }
    }
}

impl Inner {
    /// Revokes what a credential holds, where its issuer offers that.
    pub(crate) async fn revoke(&self, credential: &Credential) -> Result<Revoked, GrantError> {
        let Some(register) = credential.state.register() else {
            return Ok(Revoked::NotOffered);
        };
        let token = &register.refresh_token;
        revoke(&*self.transport, credential, token, &*self.clock, REVOCATION, REVOCATION).await
    }

    /// The lease, unless somebody holds it for longer than this.
    pub(crate) async fn lease_within(&self, key: &Key, time: Duration) -> Result<Option<Lease>, BrokerError> {
        let (owner, deadline) = (Owner::random(), Deadline::after(&*self.clock, time));
        loop {
            match self.store.cache.try_lease(key, &owner, LEASE).await? {
                TryLease::Granted(lease) => return Ok(Some(lease)),
                TryLease::Held { .. } if deadline.is_over(&*self.clock) => return Ok(None),
                TryLease::Held { .. } => {
                    pause(Duration::from_millis(20), Duration::from_millis(80)).await;
                }
            }
        }
    }

    /// Deletes the access tokens of some sign-ins. Keys do not tell whose they are, so each is opened.
    pub(crate) async fn forget_access_tokens(&self, sign_ins: &[SignInId]) -> Result<(), BrokerError> {
        for listed in self.store.cache.list(Kind::AccessToken).await? {
            let Ok(slot) = self.load_access(&listed.key).await else {
                continue;
            };
            if slot.value().is_some_and(|stored| sign_ins.contains(&stored.sign_in)) {
                // A conflict means that it was changed meanwhile: its flight learns of the end by itself.
                drop(self.store.write::<StoredAccess>(&listed.key, slot.expected(), None).await?);
            }
        }
        Ok(())
    }
}

/// Writes a value in the place of whatever is there.
pub(crate) async fn put<T: Clone + serde::Serialize + serde::de::DeserializeOwned>(
    inner: &Inner,
    key: &Key,
    value: &T,
    discard_after: Option<i64>,
) -> Result<(), BrokerError> {
    let mut slot: Slot<T> = inner.store.load(key).await?;
    while let Written::Conflict(current) = inner.store.replace(key, &slot, value, discard_after).await? {
        slot = current;
    }
    Ok(())
}
