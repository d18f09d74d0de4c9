//! What is known of an authority, shared by everybody who uses the cache.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::authority::Discovery;
use crate::broker::Broker;
use crate::error::{BrokerError, GrantError};
use crate::key::{Key, Kind};
use crate::store::{Slot, Store, Written};

/// The body of an entry of kind `Metadata`. It is sealed for refreshers: a forged token endpoint would steal refresh
/// tokens.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Metadata {
    /// Its discovery document, where it is an OpenID Connect issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) discovery: Option<Discovery>,
    /// Until when (POSIX seconds) it asked to wait, by tenant and client.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) throttled: BTreeMap<String, i64>,
    /// Until when (POSIX seconds) a host that could not reach it leaves it alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) unreachable: BTreeMap<String, i64>,
}

/// How long connecting to an issuer, and asking it for its document, may take: a person waits for it.
const CONNECT: Duration = Duration::from_secs(5);
const DISCOVER: Duration = Duration::from_secs(10);

impl Metadata {
    /// The key of an authority's only entry.
    pub(crate) fn key(authority: &str) -> Key {
        Key::new(Kind::Metadata, &[authority])
    }

    /// Changes what is known of an authority. `change` is called again where somebody else has changed it meanwhile.
    pub(crate) async fn update(
        store: &Store,
        authority: &str,
        mut change: impl FnMut(&mut Self),
    ) -> Result<(), BrokerError> {
        let key = Self::key(authority);
        let mut slot: Slot<Self> = store.load(&key).await?;
        loop {
            let mut metadata = slot.value().cloned().unwrap_or_default();
            change(&mut metadata);
            match store.replace(&key, &slot, &metadata, None).await? {
                Written::Done => return Ok(()),
                Written::Conflict(current) => slot = current,
            }
        }
    }
}

impl Broker {
    /// What an OpenID Connect issuer says of itself, from the cache where it is recent enough.
    pub async fn discover(&self, issuer: &str) -> Result<Discovery, BrokerError> {
        let inner = &self.inner;
        let slot: Slot<Metadata> = inner.store.load(&Metadata::key(issuer)).await?;
        if let Some(known) = slot.value().and_then(|metadata| metadata.discovery.as_ref())
            && known.is_current(inner.clock.posix())
        {
            return Ok(known.clone());
        }
        let discovery =
            Discovery::fetch(&*inner.transport, issuer, &*inner.clock, CONNECT, DISCOVER)
                .await
                .map_err(|source: GrantError| BrokerError::Discovery { issuer: issuer.to_owned(), source })?;
        Metadata::update(&inner.store, issuer, |metadata| metadata.discovery = Some(discovery.clone()))
            .await?;
        Ok(discovery)
    }
}
