//! Steps 3 and 4: one flight in a process, one holder of the lease, and a second look under it.

use std::sync::Arc;
use std::time::Duration;

use super::spend::{Sent, Spendable};
use super::{Inner, LEASE, OTHER_HOST, REFUSED, SETTLE, SKEW, STORE_CLOCK, TRY_AGAIN, WAIT};
use crate::access::StoredAccess;
use crate::account::Profile;
use crate::cache::{Hold, Lease, Owner, TryLease, Version};
use crate::clock::Clock;
use crate::credential::{Credential, State};
use crate::error::BrokerError;
use crate::flights::{Critical, Landing};
use crate::grant;
use crate::key::{Key, SignInId, hex};
use crate::request::TokenRequest;
use crate::store::Slot;
use crate::throttle;
use crate::token::{AccessToken, Fingerprint};
use crate::wait::{Deadline, Looks, Outage};

/// Steps 3 to 8, for everybody in this process who wants one token.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) inner: Arc<Inner>,
    pub(super) request: TokenRequest,
    pub(super) key: Key,
    pub(super) owner: Owner,
    /// The token of step 1.
    pub(super) seen: Option<Fingerprint>,
    /// Nobody needs it yet: do not wait for anything.
    pub(super) due: bool,
    pub(super) deadline: Deadline,
    pub(super) looks: Looks,
    /// While we wait for somebody else; `None` before that, when a store that is away is an error at once.
    pub(super) outage: Option<Outage>,
    /// The sign-in was replaced and we went on with the new one, which happens once.
    pub(super) went_on: bool,
}

/// How step 3 ended.
enum Leased {
    Lease(Lease, StoreClock, Critical),
    Brought(AccessToken),
}

/// What one look at the values saw.
enum Look {
    /// Both are as they were.
    Same,
    Token(AccessToken),
    /// No token that will do, and the credential in this version.
    Credential(Option<Version>),
}

/// How a turn under the lease ended.
pub(super) enum Turn {
    Landed(AccessToken),
    /// Back to step 3.
    Again,
    /// Another flight's note, in this version of the credential, may still be worked for until this moment.
    Noted(Version, Deadline),
    /// Another sign-in of the same account has taken over.
    Moved(SignInId),
}

/// The verdict of step 4.
pub(super) enum Judged {
    Spend(Box<Spendable>),
    Turn(Turn),
}

/// The store's clock, read when the lease was granted and carried on with ours.
#[derive(Clone, Copy)]
pub(super) struct StoreClock {
    pub(super) granted_at: Duration,
    pub(super) uptime: Duration,
}

impl Flight {
    pub(super) async fn fly(mut self) -> Landing {
        loop {
            let (lease, clock, critical) = match self.lease().await? {
                Leased::Lease(lease, clock, critical) => (lease, clock, critical),
                Leased::Brought(token) => return Ok(token),
            };
            let kernel = matches!(lease.hold, Hold::Kernel(_));
            let turn = self.turn(clock, kernel).await;
            self.inner.release(lease).await;
            drop(critical);
            match turn? {
                Turn::Landed(token) => return Ok(token),
                Turn::Again => {}
                Turn::Noted(..) if self.due => return Err(self.busy()),
                Turn::Noted(version, until) => {
                    self.outage.get_or_insert_default();
                    if let Some(token) = self.watch(Some(version), until.min(self.deadline)).await? {
                        return Ok(token);
                    }
                }
                Turn::Moved(_) if self.went_on => {
                    return Err(BrokerError::SignedOut { account: self.request.account });
                }
                Turn::Moved(sign_in) => {
                    self.went_on = true;
                    self.request.sign_in = sign_in;
                    self.key = self.request.key();
                    // What we saw was the old sign-in's.
                    self.seen = None;
                }
            }
            if self.deadline.is_over(&*self.inner.clock) {
                return Err(self.busy());
            }
        }
    }

    /// Step 3: the credential's lease, or what somebody else's refresh has brought meanwhile.
    async fn lease(&mut self) -> Result<Leased, BrokerError> {
        let key = self.request.sign_in.credential();
        loop {
            // A process that ends with a lease in its hand leaves the others waiting for the lease's end.
            let critical = self.inner.flights.begin_spending()?;
            let asked = self.inner.clock.uptime();
            let held = match self.inner.store.cache.try_lease(&key, &self.owner, LEASE).await {
                Ok(TryLease::Granted(lease)) => {
                    let clock =
                        StoreClock { granted_at: lease.granted_at, uptime: self.inner.clock.uptime() };
                    if clock.uptime.saturating_sub(asked) <= STORE_CLOCK {
                        return Ok(Leased::Lease(lease, clock, critical));
                    }
                    // Stopped meanwhile: we do not know what time it is there, and a note would be dated wrong.
                    self.inner.release(lease).await;
                    Duration::ZERO
                }
                Ok(TryLease::Held { retry_after }) => {
                    self.outage.get_or_insert_default().is_over();
                    retry_after
                }
                Err(error) => {
                    self.bear(error.into())?;
                    TRY_AGAIN
                }
            };
            drop(critical);
            if self.due || self.deadline.is_over(&*self.inner.clock) {
                return Err(self.busy());
            }
            let until = Deadline::after(&*self.inner.clock, held.min(TRY_AGAIN)).min(self.deadline);
            if let Some(token) = self.watch(None, until).await? {
                return Ok(Leased::Brought(token));
            }
        }
    }

    /// Looks at the values until the token is there, the credential is no longer as it was seen (by default, at the
    /// first look), or the time is over.
    async fn watch(
        &mut self,
        mut seen: Option<Version>,
        until: Deadline,
    ) -> Result<Option<AccessToken>, BrokerError> {
        let mut last = None;
        while !until.is_over(&*self.inner.clock) {
            self.looks.pause(&*self.inner.clock).await;
            match self.look(&mut last).await {
                Ok(look) => {
                    self.outage.get_or_insert_default().is_over();
                    match look {
                        Look::Same => {}
                        Look::Token(token) => return Ok(Some(token)),
                        Look::Credential(version) if seen.is_some() && seen != version => return Ok(None),
                        Look::Credential(version) => seen = version,
                    }
                }
                Err(error) => {
                    last = None;
                    self.bear(error)?;
                }
            }
        }
        Ok(None)
    }

    /// One look at both values, where they are no longer in these versions.
    async fn look(&self, last: &mut Option<[Option<Version>; 2]>) -> Result<Look, BrokerError> {
        let key = self.request.sign_in.credential();
        // Most looks find nothing new, and opening an envelope costs more than reading its version.
        let there = [self.inner.store.version(&self.key).await?, self.inner.store.version(&key).await?];
        if last.replace(there) == Some(there) {
            return Ok(Look::Same);
        }
        let access = self.inner.load_access(&self.key).await?;
        if let Some(token) = access.value().and_then(|stored| stored.token.as_ref())
            && self.takes(token)
        {
            return Ok(Look::Token(token.clone()));
        }
        let mut credential: Slot<Credential> = self.inner.store.load(&key).await?;
        if credential.value().is_some_and(|found| matches!(found.state, State::SignInNeeded { .. })) {
            credential = self.inner.bring_home(&key, false, credential).await?;
        }
        if let Some(credential) = credential.value() {
            // Said here, too: two hundred who learn it under the lease, one after another, wait for half a minute.
            self.sign_in_needed(credential)?;
            self.refused_a_moment_ago(credential, &access)?;
        }
        Ok(Look::Credential(credential.expected().copied()))
    }

    /// Puts up with a store that went away while we wait for somebody else.
    fn bear(&mut self, error: BrokerError) -> Result<(), BrokerError> {
        match &mut self.outage {
            Some(outage) => outage.bear(error, &*self.inner.clock),
            None => Err(error),
        }
    }

    /// Whether a token that somebody else brought will do.
    fn takes(&self, token: &AccessToken) -> bool {
        self.inner.takes(&self.request, self.seen, self.due, token)
    }

    /// Steps 4 to 8, under the lease.
    async fn turn(&self, clock: StoreClock, kernel: bool) -> Result<Turn, BrokerError> {
        let mut adopted = false;
        loop {
            let spendable = match self.judge(clock, kernel).await? {
                Judged::Spend(spendable) => spendable,
                Judged::Turn(turn) => return Ok(turn),
            };
            let _critical = self.inner.flights.begin_spending()?;
            let Some(noted) = self.note(spendable, clock).await? else {
                if self.deadline.is_over(&*self.inner.clock) {
                    return Err(self.busy());
                }
                continue;
            };
            match self.send(&noted).await {
                Sent::Late => {
                    self.put_back(noted).await;
                    return Ok(Turn::Again);
                }
                Sent::Answered(answer) => return self.secure(noted, *answer, clock).await,
                Sent::Failed { error, may_be_spent } => {
                    let failure = self.failed(noted, error, may_be_spent).await?;
                    match failure {
                        Some(error) => return Err(error),
                        None if adopted => return Ok(Turn::Again),
                        None => adopted = true,
                    }
                }
            }
        }
    }

    /// Step 4: loads again, under the lease, and judges what is there.
    async fn judge(&self, clock: StoreClock, kernel: bool) -> Result<Judged, BrokerError> {
        let (inner, request) = (&self.inner, &self.request);
        let account = || request.account.clone();
        let key = request.sign_in.credential();
        let slot = inner.store.load(&key).await?;
        let slot = inner.bring_home(&key, true, slot).await?;
        let access = inner.load_access(&self.key).await?;
        if let Some(token) = access.value().and_then(|stored| stored.token.as_ref())
            && self.takes(token)
        {
            return Ok(Judged::Turn(Turn::Landed(token.clone())));
        }
        let (version, credential) = match slot {
            Slot::Filled(version, credential) => (version, credential),
            Slot::Damaged(_, error) => return Err(error),
            Slot::Empty => return self.go_on(BrokerError::NotSignedIn { account: account() }).await,
        };
        match &credential.state {
            State::Idle(_) => {}
            // Where the lease is a kernel lock, the writer of another flight's note is dead.
            State::Spending(_, note) if !kernel && note.flight != hex(self.owner.as_bytes()) => {
                let elsewhere = if note.host == inner.host().await { Duration::ZERO } else { OTHER_HOST };
                let left = (note.at + SETTLE + elsewhere).saturating_sub(clock.now(&*inner.clock));
                // A note from further in the future means that the store's clock was turned back.
                if !left.is_zero() && left <= SETTLE + elsewhere + STORE_CLOCK {
                    let until = Deadline::after(&*inner.clock, left);
                    return Ok(Judged::Turn(Turn::Noted(version, until)));
                }
            }
            State::Spending(..) => {}
            State::SignInNeeded { .. } => self.sign_in_needed(&credential)?,
            State::Moving(_, to) => {
                return Err(BrokerError::Moving { account: account(), to: to.clone() });
            }
            State::Ended | State::Replaced => {
                return self.go_on(BrokerError::SignedOut { account: account() }).await;
            }
        }
        let host = inner.host().await;
        throttle::check(&inner.store, &*inner.clock, &credential, request.tenant.as_deref(), &host).await?;
        self.refused_a_moment_ago(&credential, &access)?;
        let asking = grant::asking(&credential, request)?;
        Ok(Judged::Spend(Box::new(Spendable { version, credential, access, asking })))
    }

    /// The profile may know a newer sign-in of this account.
    pub(super) async fn go_on(&self, otherwise: BrokerError) -> Result<Judged, BrokerError> {
        let profile: Slot<Profile> = self.inner.store.load(&Profile::key()).await?;
        let account = profile
            .value()
            .and_then(|profile| profile.account(&self.request.account, &self.request.authority));
        match account {
            Some(account) if account.sign_in != self.request.sign_in => {
                Ok(Judged::Turn(Turn::Moved(account.sign_in.clone())))
            }
            _ => Err(otherwise),
        }
    }

    fn sign_in_needed(&self, credential: &Credential) -> Result<(), BrokerError> {
        let State::SignInNeeded { refusal, interrupted, .. } = &credential.state else { return Ok(()) };
        Err(BrokerError::SignInNeeded {
            account: self.request.account.clone(),
            refusal: refusal.clone(),
            interrupted: interrupted.clone(),
        })
    }

    fn refused_a_moment_ago(
        &self,
        credential: &Credential,
        access: &Slot<StoredAccess>,
    ) -> Result<(), BrokerError> {
        let Some(refusal) = access.value().and_then(|stored| stored.refusal.as_ref()) else {
            return Ok(());
        };
        let left = refusal.until - self.inner.clock.posix();
        if refusal.of != credential.spends() || left <= 0 || left > REFUSED + SKEW {
            return Ok(());
        }
        Err(BrokerError::Refused {
            account: self.request.account.clone(),
            refusal: refusal.error.clone(),
            interrupted: refusal.interrupted.clone(),
        })
    }

    fn busy(&self) -> BrokerError {
        let waited = WAIT.saturating_sub(self.deadline.left(&*self.inner.clock));
        self.outage.as_ref().and_then(Outage::error).unwrap_or(BrokerError::Busy { waited })
    }
}

impl StoreClock {
    pub(super) fn now(&self, clock: &dyn Clock) -> Duration {
        self.granted_at + clock.uptime().saturating_sub(self.uptime)
    }
}
