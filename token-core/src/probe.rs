//! Whether a cache does what the protocol asks of it, tried on a scratch entry.

use std::time::Duration;

use crate::broker::{Broker, WAIT_TO_SIGN};
use crate::error::BrokerError;
use crate::key::{Key, Kind, SignInId};
use crate::store::Written;

/// What came of [`Broker::probe`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Probe {
    /// It does.
    Sound {
        /// How long all of it took.
        took: Duration,
        /// By how many seconds the store's clock is ahead of this host's; behind, if negative.
        clock_ahead: i64,
    },
    /// It does not, and this is what it did.
    Unsound(&'static str),
}

/// A scratch entry that stays behind may go after this (seconds).
const SCRATCH: i64 = 60;

impl Broker {
    /// Creates, swaps, leases and deletes an entry that nobody else knows.
    ///
    /// # Errors
    /// The first operation that fails.
    pub async fn probe(&self) -> Result<Probe, BrokerError> {
        let inner = &self.inner;
        let (store, started) = (&inner.store, inner.clock.uptime());
        let key = Key::new(Kind::AccessToken, &[&SignInId::random().to_string()]);
        let seal = |value: &str| store.seal(&key, &value, Some(inner.clock.posix() + SCRATCH));
        let (first, second) = (seal("first")?, seal("second")?);
        if let Written::Conflict::<String>(_) = store.write(&key, None, Some(&first)).await? {
            return Ok(Probe::Unsound("it refused a new entry"));
        }
        if let Written::Conflict::<String>(_) = store.write(&key, Some(&first.version), Some(&second)).await?
        {
            return Ok(Probe::Unsound("it refused a swap on the version that it had just taken"));
        }
        if let Written::Done = store.write::<String>(&key, Some(&first.version), Some(&first)).await? {
            return Ok(Probe::Unsound("it took a swap on a version that was no longer the current one"));
        }
        // The same one every time: what a kernel lock is on is never deleted.
        let scratch = Key::new(Kind::AccessToken, &["probe"]);
        let Some(lease) = inner.lease_within(&scratch, WAIT_TO_SIGN).await? else {
            return Ok(Probe::Unsound("it granted no lease that nobody held"));
        };
        let ahead = seconds(lease.granted_at) - inner.clock.posix();
        inner.release(lease).await;
        if let Written::Conflict::<String>(_) = store.write(&key, Some(&second.version), None).await? {
            return Ok(Probe::Unsound("it did not delete what it had"));
        }
        Ok(Probe::Sound { took: inner.clock.uptime() - started, clock_ahead: ahead })
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
