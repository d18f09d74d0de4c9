//! What a cache holds, for people to look at, and what of it can go.

use crate::access::StoredAccess;
use crate::broker::Broker;
use crate::credential::Credential;
use crate::error::BrokerError;
use crate::expiry::{Expiry, Freshness, freshness};
use crate::key::{Kind, SignInId};
use crate::purge::{Purged, purge};
use crate::store::{Slot, Written};

/// A stored access token, without the token.
#[derive(Clone, Debug)]
pub struct CachedToken {
    /// Whose it is.
    pub account: String,
    /// The cloud or the issuer.
    pub authority: String,
    /// The tenant, at Microsoft.
    pub tenant: Option<String>,
    /// The scopes it was asked for with; empty means those of the sign-in.
    pub scopes: Vec<String>,
    /// The resource it was asked for (RFC 8707).
    pub resource: Option<String>,
    /// When it ends.
    pub expires_on: Expiry,
    /// How much of its life is left.
    pub freshness: Freshness,
}

impl Broker {
    /// The access tokens in the cache, those that end last first. What cannot be opened is left out.
    pub async fn list(&self) -> Result<Vec<CachedToken>, BrokerError> {
        let inner = &self.inner;
        let mut tokens = Vec::new();
        for listed in inner.store.cache.list(Kind::AccessToken).await? {
            let Ok(Slot::Filled(_, stored)) = inner.load_access(&listed.key).await else {
                continue;
            };
            let StoredAccess { account, authority, tenant, scopes, resource, token: Some(token), .. } =
                stored
            else {
                continue;
            };
            let freshness = freshness(&token, &listed.key, inner.clock.posix(), None);
            let expires_on = token.expires_on;
            tokens.push(CachedToken { account, authority, tenant, scopes, resource, expires_on, freshness });
        }
        tokens.sort_by_key(|token| std::cmp::Reverse(token.expires_on));
        Ok(tokens)
    }

    /// The credential of a sign-in, to be looked at: in what state it is, and who refreshed last. Only the broker spends it.
    pub async fn credential(&self, sign_in: &SignInId) -> Result<Option<Credential>, BrokerError> {
        match self.inner.store.load(&sign_in.credential()).await? {
            Slot::Empty => Ok(None),
            Slot::Filled(_, credential) => Ok(Some(credential)),
            Slot::Damaged(_, error) => Err(error),
        }
    }

    /// Removes what the cache may discard and damaged access tokens; never a credential that can be spent, and never
    /// what is sealed under a key we do not hold.
    pub async fn purge(&self) -> Result<Purged, BrokerError> {
        let inner = &self.inner;
        let mut purged = purge(&*inner.store.cache, inner.clock.posix()).await?;
        for listed in inner.store.cache.list(Kind::AccessToken).await? {
            // The frame is whole, and what it holds fails its seal.
            if let Ok(slot @ Slot::Damaged(Some(_), _)) = inner.load_access(&listed.key).await {
                let written: Written<StoredAccess> =
                    inner.store.write(&listed.key, slot.expected(), None).await?;
                purged.damaged += usize::from(matches!(written, Written::Done));
            }
        }
        Ok(purged)
    }
}
