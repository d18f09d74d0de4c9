//! The flights of one process: who asks for what is already being fetched joins in.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::BrokerError;
use crate::key::Key;
use crate::token::{AccessToken, Fingerprint};

/// What tells flights apart. The lease is the credential's, but a result belongs to one request: nobody is handed
/// another scope's token, or one that lives shorter than was asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct FlightId {
    pub(crate) key: Key,
    pub(crate) claims: Option<Fingerprint>,
    pub(crate) force: bool,
    pub(crate) min_validity: Option<Duration>,
    /// The token of step 1, which whoever forces does not want to be given.
    pub(crate) seen: Option<Fingerprint>,
    /// Such a flight waits for nobody, so nobody else waits for it.
    pub(crate) due: bool,
}

/// What a flight brings to everybody who joined it.
pub(crate) type Landing = Result<AccessToken, BrokerError>;

/// The flights under way, and how many of them must not be interrupted.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<FlightId, watch::Receiver<Option<Landing>>>>,
    spending: watch::Sender<Spending>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spending {
    count: usize,
    closed: bool,
}

/// Held while a refresh token is being spent, and as long as its lease is held.
#[derive(Debug)]
pub(crate) struct Critical(Arc<Flights>);

impl Flights {
    /// Joins the flight of this id, or starts it as a task of its own.
    pub(crate) fn join<F>(
        self: &Arc<Self>,
        id: FlightId,
        start: impl FnOnce() -> F,
    ) -> watch::Receiver<Option<Landing>>
    where
        F: Future<Output = Landing> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(landing) = under_way.get(&id) {
            return landing.clone();
        }
        let (land, landing) = watch::channel(None);
        under_way.insert(id.clone(), landing.clone());
        let (flights, flight) = (Arc::clone(self), start());
        tokio::spawn(async move {
            let _landed = Landed(&flights, &id);
            let result = flight.await;
            land.send_replace(Some(result));
        });
        landing
    }

    /// Whether a flight of this id is under way.
    pub(crate) fn is_under_way(&self, id: &FlightId) -> bool {
        lock(&self.under_way).contains_key(id)
    }

    /// Begins what must not be interrupted, unless the process is about to end.
    pub(crate) fn begin_spending(self: &Arc<Self>) -> Result<Critical, BrokerError> {
        let mut begun = false;
        self.spending.send_modify(|spending| {
            begun = !spending.closed;
            spending.count += usize::from(begun);
        });
        begun.then(|| Critical(Arc::clone(self))).ok_or(BrokerError::Closing)
    }

    /// Waits until nothing is being spent, and lets nothing begin from here on.
    pub(crate) async fn settled(&self) {
        self.spending.send_modify(|spending| spending.closed = true);
        // The sender lives in `self`, so this cannot fail.
        drop(self.spending.subscribe().wait_for(|spending| spending.count == 0).await);
    }

    /// Whether something is being spent right now.
    pub(crate) fn is_spending(&self) -> bool {
        self.spending.borrow().count > 0
    }
}

impl Drop for Critical {
    fn drop(&mut self) {
        self.0.spending.send_modify(|spending| spending.count -= 1);
    }
}

/// Takes a flight off the list however it ends, a panic included.
struct Landed<'a>(&'a Flights, &'a FlightId);

impl Drop for Landed<'_> {
    fn drop(&mut self) {
        lock(&self.0.under_way).remove(self.1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
