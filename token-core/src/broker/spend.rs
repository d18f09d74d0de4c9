//! Steps 5 and 6: the note, and the request that spends a refresh token.

use std::sync::Arc;
use std::time::Duration;

use super::flight::{Flight, StoreClock};
use super::{BEGIN_SENDING, CONNECT_WHEN_DUE, CONNECTIONS, EXCHANGE, SETTLE, blocking};
use crate::access::StoredAccess;
use crate::cache::Version;
use crate::credential::{Credential, Grant, Note, State};
use crate::error::{BrokerError, GrantError, GrantErrorKind};
use crate::faults;
use crate::grant::{self, Asking, Means, TokenAnswer};
use crate::key::{Key, hex};
use crate::rescue::Reserved;
use crate::store::{Slot, Written};
use crate::token::Fingerprint;
use crate::wait::{Deadline, pause};

/// A credential as it was loaded under the lease, ready to be spent.
pub(super) struct Spendable {
    pub(super) version: Version,
    pub(super) credential: Credential,
    pub(super) access: Slot<StoredAccess>,
    pub(super) asking: Asking,
}

/// A credential whose note is in the store, or one of which nothing can be lost.
pub(super) struct Noted {
    pub(super) spendable: Box<Spendable>,
    /// What the note replaced: where a token that was surely not spent goes back to.
    pub(super) before: State,
    pub(super) note: Note,
    /// The note's stamp, as a deadline for each of its terms.
    pub(super) begin_sending: Deadline,
    pub(super) exchange: Deadline,
    pub(super) settle: Deadline,
    pub(super) rescue: Option<Reserved>,
}

/// What became of step 6.
pub(super) enum Sent {
    /// Nothing was sent: too much time had passed since the note.
    Late,
    Answered(Box<TokenAnswer>),
    Failed {
        error: GrantError,
        may_be_spent: bool,
    },
}

impl Flight {
    /// Step 5: leaves a note of who is about to spend the token. `None` where the credential has changed since it
    /// was loaded. Where the store fails nothing is sent: a store that cannot take the note could not take the
    /// answer.
    pub(super) async fn note(
        &self,
        mut spendable: Box<Spendable>,
        clock: StoreClock,
    ) -> Result<Option<Noted>, BrokerError> {
        let inner = &self.inner;
        let before = spendable.credential.state.clone();
        let host = inner.host().await;
        // Before the stamp: who is stopped in between has less time than others leave it, and not more.
        let terms = [BEGIN_SENDING, EXCHANGE, SETTLE].map(|term| Deadline::after(&*inner.clock, term));
        let note = Note {
            flight: hex(self.owner.as_bytes()),
            who: inner.who.clone(),
            host,
            host_name: inner.host_name.clone(),
            at: clock.now(&*inner.clock),
            unsettled: match &before {
                // One is enough to tell people; a chain would grow without end.
                State::Spending(_, note) => Some(Box::new(Note { unsettled: None, ..note.clone() })),
                _ => None,
            },
        };
        let [begin_sending, exchange, settle] = terms;
        let mut rescue = None;
        if let Some(Grant::RefreshToken(register)) = before.grant() {
            let key = self.request.sign_in.credential();
            faults::point("before-note");
            rescue = self.reserve(&key, register.refresh_token.fingerprint()).await;
            spendable.credential.state = State::Spending(Grant::RefreshToken(register.clone()), note.clone());
            let written = match inner.store.seal(&key, &spendable.credential, None) {
                Ok(entry) => {
                    let expected = std::mem::replace(&mut spendable.version, entry.version);
                    inner.store.write::<Credential>(&key, Some(&expected), Some(&entry)).await
                }
                Err(error) => Err(error),
            };
            if !matches!(written, Ok(Written::Done)) {
                discard(rescue).await;
                return written.map(|_| None);
            }
            faults::point("noted");
        }
        Ok(Some(Noted { spendable, before, note, begin_sending, exchange, settle, rescue }))
    }

    /// Where nothing is writable the refresh goes on without a rescue.
    async fn reserve(&self, key: &Key, parent: Fingerprint) -> Option<Reserved> {
        let (rescue, key, owner) = (self.inner.rescue.clone()?, key.clone(), self.owner);
        blocking(move || rescue.reserve(&key, &parent, &owner))
            .await
            .inspect_err(|error| tracing::warn!(%error, "the refresh goes on without a rescue"))
            .ok()
    }

    /// Step 6: sends the request. What was surely not spent may be tried again for a short while; what may be spent
    /// is sent once more at once, for an issuer's grace; a timeout is never sent again.
    pub(super) async fn send(&self, noted: &Noted) -> Sent {
        let inner = &self.inner;
        let clock = &*inner.clock;
        let (mut connections, mut may_be_spent) = (0, false);
        let mut failure: Option<GrantError> = None;
        loop {
            faults::point("before-send");
            let late = noted.begin_sending.is_over(clock) && !may_be_spent;
            if late || noted.exchange.is_over(clock) {
                return match failure {
                    Some(error) => Sent::Failed { error, may_be_spent },
                    None => Sent::Late,
                };
            }
            let within = noted.exchange.left(clock);
            let connect = if self.due { CONNECT_WHEN_DUE.min(within) } else { within };
            let means = Means {
                transport: &*inner.transport,
                surroundings: &inner.surroundings,
                clock,
                connect_timeout: connect,
            };
            let Spendable { credential, asking, .. } = &*noted.spendable;
            let punctual;
            let asking = match asking {
                // Not the second time: it has begun before, and goes once more at once.
                Asking::Issuer(form) if !may_be_spent => {
                    let begin_by = noted.begin_sending.begin_by(Arc::clone(&inner.clock));
                    punctual = Asking::Issuer(form.clone().begin_by(begin_by));
                    &punctual
                }
                asking => asking,
            };
            let answer = grant::obtain(&means, credential, asking, &self.request, within).await;
            let error = match answer {
                Ok(answer) => return Sent::Answered(Box::new(answer)),
                Err(error) => error,
            };
            tracing::debug!(%error, "a refresh failed");
            match error.kind {
                // Stopped while it connected: what was sent in time, if anything, is judged above.
                GrantErrorKind::Late => continue,
                GrantErrorKind::Unreachable if connections + 1 < CONNECTIONS => {
                    connections += 1;
                    pause(Duration::from_millis(50), Duration::from_millis(150)).await;
                }
                GrantErrorKind::Interrupted | GrantErrorKind::Unintelligible { .. } if !may_be_spent => {
                    may_be_spent = true;
                }
                _ => {
                    may_be_spent |= !error.surely_not_spent();
                    return Sent::Failed { error, may_be_spent };
                }
            }
            failure = Some(error);
        }
    }

    /// Back to what the note replaced: the token was surely not spent.
    pub(super) async fn put_back(&self, noted: Noted) {
        if noted.before.register().is_some() {
            let key = self.request.sign_in.credential();
            let Spendable { version, credential, .. } = *noted.spendable;
            let credential = Credential { state: noted.before, ..credential };
            let slot = Slot::Filled(version, credential.clone());
            // A conflict means that others have gone on; a failure leaves the note, which they respect for a while.
            if let Err(error) = self.inner.store.replace(&key, &slot, &credential, None).await {
                tracing::debug!(%error, "a note was not taken back");
            }
        }
        discard(noted.rescue).await;
    }
}

pub(super) async fn discard(rescue: Option<Reserved>) {
    if let Some(reserved) = rescue {
        blocking(move || reserved.discard()).await;
    }
}
