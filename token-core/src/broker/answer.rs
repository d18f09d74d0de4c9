//! Steps 7, 9 and 10: an answer, whose refresh token exists nowhere else.

use std::time::Duration;

use super::blocking;
use super::flight::{Flight, Judged, StoreClock, Turn};
use super::spend::{Noted, discard};
use crate::access::StoredAccess;
use crate::cache::Entry;
use crate::credential::{Credential, Grant, LastRefresh, State};
use crate::error::BrokerError;
use crate::faults;
use crate::grant::TokenAnswer;
use crate::key::Key;
use crate::store::{Slot, Written};
use crate::wait::pause;

/// What a store gets at least to take an answer that came late.
const LAST_TRY: Duration = Duration::from_secs(2);

/// What became of an answer's refresh token.
enum Kept {
    /// It is in the store, or a later one is.
    Stored,
    /// The store did not take it before the settle time.
    Unstored,
    /// The account was signed out meanwhile.
    Ended,
    /// The account was signed in anew meanwhile.
    Replaced,
}

impl Flight {
    /// Step 7: the answer's refresh token exists nowhere else. Secures it, stores it, and answers the caller.
    pub(super) async fn secure(
        &self,
        mut noted: Noted,
        answer: TokenAnswer,
        clock: StoreClock,
    ) -> Result<Turn, BrokerError> {
        faults::point("answered");
        let key = self.request.sign_in.credential();
        if let Some(Grant::RefreshToken(spent)) = noted.before.grant() {
            let parent = spent.refresh_token.fingerprint();
            // An issuer that sends no refresh token, or the same one, does not rotate (RFC 6749 §6).
            let fresh = answer.refresh_token.filter(|token| token.fingerprint() != parent);
            let rotated = fresh.is_some();
            let register = match fresh {
                Some(refresh_token) => spent.rotated(refresh_token, noted.note.at),
                None => spent.clone(),
            };
            let at = i64::try_from(clock.now(&*self.inner.clock).as_secs()).unwrap_or(i64::MAX);
            let credential = Credential {
                state: State::Idle(Grant::RefreshToken(register)),
                last_refresh: Some(LastRefresh { at, by: noted.note.to_string() }),
                ..noted.spendable.credential.clone()
            };
            let entry = self.inner.store.seal(&key, &credential, None)?;
            if rotated && let Some(mut reserved) = noted.rescue.take() {
                let rescued = entry.clone();
                noted.rescue = blocking(move || match reserved.keep(&rescued) {
                    Ok(()) => Some(reserved),
                    Err(error) => {
                        tracing::warn!(%error, "a refresh token could not be rescued");
                        reserved.discard();
                        None
                    }
                })
                .await;
            }
            faults::point("rescued");
            let stays = rotated && self.inner.rescue.as_ref().is_some_and(|rescue| !rescue.is_beside_cache());
            match self.keep(&key, &noted, &credential, &entry).await {
                // A store of other hosts may forget what it acknowledged.
                Kept::Stored if stays => {}
                Kept::Stored => discard(noted.rescue).await,
                Kept::Unstored => {
                    tracing::error!("the cache did not take a new refresh token in time");
                    if let Some(reserved) = noted.rescue
                        && let Err(error) = blocking(move || reserved.sync()).await
                    {
                        tracing::error!(%error, "could not sync the rescue");
                    }
                    // It would not take the access token either, and the caller has waited long enough.
                    return Ok(Turn::Landed(answer.access_token));
                }
                Kept::Ended => {
                    discard(noted.rescue).await;
                    self.inner.revoke(&credential).await.map_or_else(
                        |error| tracing::warn!(%error, "a refresh token was not revoked"),
                        |revoked| tracing::debug!(?revoked, "signed out during a refresh"),
                    );
                    return Err(BrokerError::SignedOut { account: self.request.account.clone() });
                }
                Kept::Replaced => {
                    discard(noted.rescue).await;
                    let account = self.request.account.clone();
                    return match self.go_on(BrokerError::SignedOut { account }).await? {
                        Judged::Turn(turn) => Ok(turn),
                        Judged::Spend(_) => Ok(Turn::Again),
                    };
                }
            }
            faults::point("stored");
        }
        let token = answer.access_token;
        self.store_access(noted.spendable.access, |stored| {
            stored.token = Some(token.clone());
            stored.refusal = None;
        })
        .await;
        faults::point("served");
        Ok(Turn::Landed(token))
    }

    /// Stores the new credential, whoever else has written meanwhile, until the settle time.
    async fn keep(&self, key: &Key, noted: &Noted, ours: &Credential, entry: &Entry) -> Kept {
        let (Some(parent), Some(register)) = (noted.before.register(), ours.state.register()) else {
            return Kept::Stored;
        };
        let (parent, fresh) = (parent.refresh_token.fingerprint(), register.refresh_token.fingerprint());
        let mut expected = Some(noted.spendable.version);
        loop {
            // A store that does not even say no is not waited for beyond the settle time: the rescue has to be synced.
            let patience = noted.settle.left(&*self.inner.clock).max(LAST_TRY);
            let write = self.inner.store.write::<Credential>(key, expected.as_ref(), Some(entry));
            let Ok(written) = tokio::time::timeout(patience, write).await else {
                return Kept::Unstored;
            };
            match written {
                Ok(Written::Done) => return Kept::Stored,
                // The store forgot the credential, or broke it: it is made again.
                Ok(Written::Conflict(slot @ (Slot::Empty | Slot::Damaged(..)))) => {
                    expected = slot.expected().copied();
                }
                Ok(Written::Conflict(Slot::Filled(version, stored))) => {
                    let theirs = match (&stored.state, stored.state.register()) {
                        (State::Ended, _) => return Kept::Ended,
                        (State::Replaced, _) | (_, None) => return Kept::Replaced,
                        (_, Some(theirs)) => theirs,
                    };
                    let held = theirs.refresh_token.fingerprint();
                    let sibling = theirs.parent == Some(parent) && held != fresh;
                    if held == parent || (sibling && theirs.sent_at < register.sent_at) {
                        expected = Some(version);
                    } else {
                        // Ours is there already, or a later sibling, or a descendant: the stored one stays.
                        return Kept::Stored;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the cache did not take a new refresh token yet");
                    if noted.settle.is_over(&*self.inner.clock) {
                        return Kept::Unstored;
                    }
                    pause(Duration::from_millis(50), Duration::from_millis(200)).await;
                }
            }
        }
    }

    /// Swaps the access token's entry. A failure here loses a cached token and nothing else.
    pub(super) async fn store_access(
        &self,
        mut slot: Slot<StoredAccess>,
        change: impl Fn(&mut StoredAccess),
    ) {
        let demanding = self.request.force_refresh || self.request.claims.is_some();
        let mut contested = false;
        loop {
            let mut stored = slot.value().cloned().unwrap_or_else(|| StoredAccess::new(&self.request));
            let before = expires_on(&stored);
            change(&mut stored);
            // Of two new tokens the one that lives longer stays; who forces, or answers claims, wants its own. The one
            // that we judged goes in any case: by a clock that ran ahead it may seem to live for ever.
            if contested && !demanding && before > expires_on(&stored) {
                return;
            }
            match self.inner.store.replace(&self.key, &slot, &stored, stored.discard_after()).await {
                Ok(Written::Done) => return,
                Ok(Written::Conflict(current)) => (slot, contested) = (current, true),
                Err(error) => {
                    tracing::warn!(%error, "an access token was not stored");
                    return;
                }
            }
        }
    }
}

fn expires_on(stored: &StoredAccess) -> Option<i64> {
    stored.token.as_ref().map(|token| token.expires_on.posix())
}
