//! Whom to leave alone, and until when.

use std::collections::BTreeMap;

use crate::broker::{LEFT_ALONE, SKEW};
use crate::clock::Clock;
use crate::credential::Credential;
use crate::error::BrokerError;
use crate::metadata::Metadata;
use crate::store::{Slot, Store};

/// Why an authority is to be left alone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason<'a> {
    /// It asked for it, of this tenant and client.
    Throttled { tenant: Option<&'a str> },
    /// This host could not reach it.
    Unreachable { host: &'a str },
}

/// Fails while the authority is to be left alone by this host, for this tenant and client.
pub(crate) async fn check(
    store: &Store,
    clock: &dyn Clock,
    credential: &Credential,
    tenant: Option<&str>,
    host: &str,
) -> Result<(), BrokerError> {
    let authority = credential.endpoints.authority();
    let slot: Slot<Metadata> = store.load(&Metadata::key(authority)).await?;
    let Some(metadata) = slot.value() else {
        return Ok(());
    };
    // A longer wait than is ever written means that the clock was turned back since.
    let left = |map: &BTreeMap<String, i64>, name: &str, longest| {
        let seconds = map.get(name).copied().unwrap_or(0).saturating_sub(clock.posix());
        if (1..=longest).contains(&seconds) { seconds } else { 0 }
    };
    let throttled = left(&metadata.throttled, &throttled_name(credential, tenant), LONGEST + SKEW);
    let unreachable = left(&metadata.unreachable, host, LEFT_ALONE);
    let seconds = throttled.max(unreachable);
    if seconds == 0 {
        return Ok(());
    }
    Err(BrokerError::LeftAlone { authority: authority.to_owned(), seconds, throttled: throttled > 0 })
}

/// Notes that the authority is to be left alone for so many seconds.
pub(crate) async fn leave_alone(
    store: &Store,
    clock: &dyn Clock,
    credential: &Credential,
    reason: Reason<'_>,
    seconds: i64,
) -> Result<(), BrokerError> {
    let now = clock.posix();
    Metadata::update(store, credential.endpoints.authority(), |metadata| {
        metadata.throttled.retain(|_, until| *until > now);
        metadata.unreachable.retain(|_, until| *until > now);
        let until = now + seconds.clamp(1, LONGEST);
        match reason {
            Reason::Throttled { tenant } => {
                metadata.throttled.insert(throttled_name(credential, tenant), until)
            }
            Reason::Unreachable { host } => metadata.unreachable.insert(host.to_owned(), until),
        };
    })
    .await
}

/// An hour: no `Retry-After` is believed beyond it.
const LONGEST: i64 = 3600;

/// Microsoft throttles by tenant and client, and the home tenant is one whether it is named or not. A netstring-like
/// length keeps the two apart.
fn throttled_name(credential: &Credential, tenant: Option<&str>) -> String {
    let tenant = tenant.or(credential.endpoints.tenant()).unwrap_or_default();
    format!("{}:{tenant}:{}", tenant.len(), credential.client.id)
}
