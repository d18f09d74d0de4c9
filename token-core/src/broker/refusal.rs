//! Step 8, and every other way in which a request brings no token.

use super::flight::Flight;
use super::spend::{Noted, discard};
use super::{ISSUER_TROUBLE, LEFT_ALONE, REFUSED};
use crate::access::Refusal;
use crate::credential::{Credential, Grant, State};
use crate::error::{BrokerError, GrantError, GrantErrorKind};
use crate::oauth_error::OAuthError;
use crate::store::Slot;
use crate::throttle::{self, Reason};

impl Flight {
    /// Step 8 for a refusal, step 6 for every other failure. `None` where another refresh token is there by now.
    pub(super) async fn failed(
        &self,
        noted: Noted,
        error: GrantError,
        may_be_spent: bool,
    ) -> Result<Option<BrokerError>, BrokerError> {
        let inner = &self.inner;
        let credential = noted.spendable.credential.clone();
        let tenant = self.request.tenant.as_deref();
        let host = inner.host().await;
        let (reason, seconds) = match &error.kind {
            GrantErrorKind::Refused(refusal) if !refusal.is_transient() => {
                return self.refused(noted, refusal.clone(), may_be_spent).await;
            }
            GrantErrorKind::Refused(_) => (Some(Reason::Throttled { tenant }), ISSUER_TROUBLE),
            // A host's service is asked by nobody else, and what it says is of no concern to other hosts.
            GrantErrorKind::Throttled { retry_after } if credential.endpoints.is_host() => {
                let seconds = i64::try_from(retry_after.as_secs()).unwrap_or(i64::MAX);
                (Some(Reason::Unreachable { host: &host }), seconds.min(LEFT_ALONE))
            }
            GrantErrorKind::Throttled { retry_after } => {
                let seconds = i64::try_from(retry_after.as_secs()).unwrap_or(i64::MAX);
                (Some(Reason::Throttled { tenant }), seconds)
            }
            GrantErrorKind::Unsendable | GrantErrorKind::Untrusted | GrantErrorKind::Late => (None, 0),
            GrantErrorKind::Unreachable
            | GrantErrorKind::Interrupted
            | GrantErrorKind::Unintelligible { .. }
            | GrantErrorKind::TimedOut => (Some(Reason::Unreachable { host: &host }), LEFT_ALONE),
        };
        if may_be_spent {
            discard(noted.rescue).await;
        } else {
            self.put_back(noted).await;
        }
        if let Some(reason) = reason {
            throttle::leave_alone(&inner.store, &*inner.clock, &credential, reason, seconds).await?;
        }
        Ok(Some(BrokerError::Grant { account: self.request.account.clone(), source: error }))
    }

    /// Step 8: a final refusal.
    async fn refused(
        &self,
        noted: Noted,
        refusal: OAuthError,
        may_be_spent: bool,
    ) -> Result<Option<BrokerError>, BrokerError> {
        let (inner, account) = (&self.inner, self.request.account.clone());
        let key = self.request.sign_in.credential();
        let spent = noted.spendable.credential.spends();
        let slot: Slot<Credential> = inner.store.load(&key).await?;
        if slot.value().is_none_or(|there| there.spends() != spent) {
            discard(noted.rescue).await;
            return Ok(None);
        }
        let unsettled = match &noted.before {
            State::Spending(_, note) => Some(Box::new(note.clone())),
            _ => None,
        };
        let interrupted = if may_be_spent { Some(Box::new(noted.note.clone())) } else { unsettled };
        let microsoft = noted.spendable.credential.endpoints.is_microsoft();
        if let (Some(grant @ Grant::RefreshToken(_)), true) =
            (noted.before.grant(), refusal.ends_refresh_token(microsoft))
        {
            let (refusal_kept, interrupted_kept) = (refusal.clone(), interrupted.clone());
            let state = State::SignInNeeded {
                grant: grant.clone(),
                refusal: refusal_kept,
                interrupted: interrupted_kept,
            };
            let credential = Credential { state, ..noted.spendable.credential.clone() };
            // A conflict means that others have gone on: they judge for themselves.
            drop(inner.store.replace(&key, &slot, &credential, None).await?);
            discard(noted.rescue).await;
            return Ok(Some(BrokerError::SignInNeeded { account, refusal, interrupted }));
        }
        let access = noted.spendable.access.clone();
        let (error, note) = (refusal.clone(), interrupted.clone());
        if may_be_spent {
            discard(noted.rescue).await;
        } else {
            self.put_back(noted).await;
        }
        // What was refused to who answers a claims challenge may be granted to who has none.
        if self.request.claims.is_none() {
            let until = inner.clock.posix() + REFUSED;
            self.store_access(access, move |stored| {
                let (error, interrupted) = (error.clone(), note.clone());
                stored.refusal = Some(Refusal { of: spent, error, until, interrupted });
            })
            .await;
        }
        Ok(Some(BrokerError::Refused { account, refusal, interrupted }))
    }
}
