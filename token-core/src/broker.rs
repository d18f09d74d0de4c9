//! The refresh protocol: how a token request becomes an access token.
//!
//! A refresh token that rotates is one mutable register, not a cache entry. Its entry is a small state machine
//! ([`State`](crate::State)); every transition is a swap, and the lease only keeps the work single. The steps are numbered as
//! in ARCHITECTURE.md: 1 and 2 are here, the others in the files beside it, and none of them anywhere else.

mod answer;
mod flight;
mod refusal;
mod spend;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::access::StoredAccess;
use crate::account::Profile;
use crate::cache::{Hold, Lease, Owner, TokenCache};
use crate::clock::{Clock, SystemClock};
use crate::error::BrokerError;
use crate::expiry::{Freshness, freshness};
use crate::faults;
use crate::flights::{FlightId, Flights, Landing};
use crate::key::{Key, SignInId};
use crate::request::TokenRequest;
use crate::rescue::Rescue;
use crate::seal::KeyRing;
use crate::store::{Slot, Store};
use crate::surroundings::Surroundings;
use crate::token::{AccessToken, Fingerprint};
use crate::transport::Transport;
use crate::wait::{Deadline, Looks, Outage};
use flight::Flight;

/// From the note's stamp: a request is not begun later, so that a process that was stopped does not spend a token
/// which others have taken over since.
pub const BEGIN_SENDING: Duration = Duration::from_secs(2);
/// From the note's stamp to the end of the exchange: SDKs give up on `az` after ten seconds.
pub const EXCHANGE: Duration = Duration::from_secs(8);
/// From the note's stamp to the end of storing the answer. After it nobody works for the note's writer any more.
pub const SETTLE: Duration = Duration::from_secs(13);
/// How long a lease that ends by time lasts: the settle time, with room for the note itself.
pub const LEASE: Duration = Duration::from_secs(15);
/// How much longer another host's note is respected, so that a living process over there may bring its rescue
/// home first.
pub const OTHER_HOST: Duration = Duration::from_secs(3);
/// How exactly a flight knows the store's clock: the longest that a lease may take to be granted. A note dated so
/// much too early is still respected to the end of its exchange.
const STORE_CLOCK: Duration = Duration::from_secs(2);
/// How long a caller waits at most.
pub const WAIT: Duration = Duration::from_secs(30);
/// How long a caller waits whose token still lives and who named no least validity.
pub const WAIT_WITH_TOKEN: Duration = Duration::from_secs(5);
/// How long a sign-in or sign-out waits for the lease before it goes on by swap.
pub(crate) const WAIT_TO_SIGN: Duration = Duration::from_secs(5);
/// How long connecting may take for a refresh that nobody needs yet.
const CONNECT_WHEN_DUE: Duration = Duration::from_secs(2);
/// How long an issuer that did not answer is left alone by this host (seconds).
pub(crate) const LEFT_ALONE: i64 = 30;
/// How long an issuer that reported trouble of its own is left alone, as for a 429 without `Retry-After` (seconds).
const ISSUER_TROUBLE: i64 = 10;
/// How long a refusal holds for those who come after (seconds), as MSAL remembers a 400.
const REFUSED: i64 = 60;
/// How far the clocks of hosts may be apart for what one of them dates and another one reads (seconds).
pub(crate) const SKEW: i64 = 60;
/// How long an ended or replaced sign-in is remembered (seconds): longer than anybody works on an old profile.
pub(crate) const REMEMBERED: i64 = 3600;
/// What a store gets to take a lease back, which ends by itself too; whoever has a token waits for it.
const RELEASE: Duration = Duration::from_secs(2);
/// A lease mostly ends by release, so it is tried again soon.
const TRY_AGAIN: Duration = Duration::from_millis(250);
/// Connections that never stood are tried this often.
const CONNECTIONS: u32 = 3;

/// Turns token requests into access tokens, from one cache. A clone is the same broker.
#[derive(Clone, Debug)]
pub struct Broker {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rescue: Option<Rescue>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) surroundings: Surroundings,
    host: OnceCell<String>,
    who: String,
    host_name: String,
}

impl Broker {
    /// A broker on a cache, whose entries `keys` opens, and which reaches issuers through `transport`.
    pub fn new(cache: Arc<dyn TokenCache>, keys: KeyRing, transport: Arc<dyn Transport>) -> Self {
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let who = format!("process {}", rustix::process::getpid().as_raw_nonzero());
        let inner = Inner {
            store: Store { cache, keys },
            transport,
            clock: Arc::new(SystemClock),
            rescue: None,
            flights: Arc::default(),
            surroundings: Surroundings::default(),
            host: OnceCell::new(),
            who,
            host_name,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Secures rotated refresh tokens in this directory; without it a crash at the wrong moment loses the sign-in.
    #[must_use]
    pub fn with_rescue(self, rescue: Rescue) -> Self {
        self.rebuilt(|inner| inner.rescue = Some(rescue))
    }

    /// Reads the time from this clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        self.rebuilt(|inner| inner.clock = clock)
    }

    /// Finds the assertions and managed identities of this host in these surroundings; without them there are none.
    #[must_use]
    pub fn with_surroundings(self, surroundings: Surroundings) -> Self {
        self.rebuilt(|inner| inner.surroundings = surroundings)
    }

    /// Names this process in notes, for people: `ada, process 4711`.
    #[must_use]
    pub fn with_name(self, who: impl Into<String>) -> Self {
        self.rebuilt(|inner| inner.who = who.into())
    }

    /// Step 1 alone: the stored token where it is fresh. No issuer, no lease, no write, and no runtime is needed.
    pub async fn cached(&self, request: &TokenRequest) -> Result<Option<AccessToken>, BrokerError> {
        if request.force_refresh || request.claims.is_some() {
            return Ok(None);
        }
        let slot = self.inner.load_access(&request.key()).await?;
        let token = slot.value().and_then(|stored| stored.token.as_ref());
        Ok(token.filter(|token| self.inner.freshness(token, request) == Freshness::Fresh).cloned())
    }

    /// An access token for a request, refreshed if need be: once for everybody who shares the cache.
    ///
    /// It is called within a tokio runtime. A refresh that has begun goes on when this future is dropped; await
    /// [`Broker::settled`] before the runtime ends.
    ///
    /// # Errors
    ///
    /// Any [`BrokerError`]. Failure is an error only when nothing usable is left: while the stored token lives, it
    /// serves every caller who named no least validity, did not force and has no claims to answer.
    pub async fn access_token(&self, request: &TokenRequest) -> Result<AccessToken, BrokerError> {
        let inner = &self.inner;
        let started = inner.clock.uptime();
        let undemanding = !request.force_refresh && request.claims.is_none();

        // Step 1: a fresh token is the answer.
        let key = request.key();
        let slot = inner.load_access(&key).await?;
        faults::point("loaded");
        let current = slot.value().and_then(|stored| stored.token.clone());
        let state = current.as_ref().map_or(Freshness::Dead, |token| inner.freshness(token, request));
        let usable = current.clone().filter(|_| match state {
            Freshness::Fresh | Freshness::Due => undemanding,
            Freshness::Short => undemanding && request.min_validity.is_none(),
            Freshness::Dead => false,
        });
        if let (Freshness::Fresh, Some(token)) = (state, &usable) {
            return Ok(token.clone());
        }

        let wait = if usable.is_some() { WAIT_WITH_TOKEN } else { WAIT };
        let deadline = Deadline::after(&*inner.clock, wait);
        let seen = current.as_ref().map(fingerprint);
        let landing = if inner.store.keys.refreshes() {
            // Step 2: a token that is due serves while somebody else is at it. Step 3: else join or start the flight.
            let due = state == Freshness::Due && usable.is_some();
            let id = FlightId {
                key,
                claims: request.claims_fingerprint(),
                force: request.force_refresh,
                min_validity: request.min_validity,
                seen,
                due,
            };
            if due && inner.flights.is_under_way(&id) {
                return usable.ok_or(BrokerError::Closing);
            }
            let mut landing = inner.flights.join(id, || {
                let flight = Flight {
                    inner: Arc::clone(inner),
                    key: request.key(),
                    request: request.clone(),
                    owner: Owner::random(),
                    seen,
                    due,
                    deadline: Deadline::after(&*inner.clock, WAIT),
                    looks: Looks::begin(&*inner.clock),
                    outage: None,
                    went_on: false,
                };
                flight.fly()
            });
            let landed = landing.wait_for(Option::is_some);
            match tokio::time::timeout(deadline.left(&*inner.clock), landed).await {
                Ok(Ok(result)) => result.clone().unwrap_or(Err(BrokerError::Closing)),
                Ok(Err(_)) => Err(BrokerError::Closing),
                Err(_) => Err(BrokerError::Busy { waited: inner.clock.uptime() - started }),
            }
        } else {
            inner.wait_for_refresher(request, seen, deadline).await
        };
        match (landing, usable) {
            (Err(error), Some(token)) => {
                tracing::debug!(%error, "serving the token there is");
                Ok(token)
            }
            (landing, _) => landing,
        }
    }

    /// Who is signed in to this cache, and what they see. Empty where there is no profile yet.
    pub async fn profile(&self) -> Result<Profile, BrokerError> {
        match self.inner.store.load(&Profile::key()).await? {
            Slot::Empty => Ok(Profile::default()),
            Slot::Filled(_, profile) => Ok(profile),
            Slot::Damaged(_, error) => Err(error),
        }
    }

    /// Waits until no refresh token is being spent, and lets no refresh begin any more: for the end of a process.
    pub async fn settled(&self) {
        self.inner.flights.settled().await;
    }

    /// Whether a refresh token is being spent right now, so that [`Broker::settled`] would wait.
    pub fn is_spending(&self) -> bool {
        self.inner.flights.is_spending()
    }

    fn rebuilt(self, change: impl FnOnce(&mut Inner)) -> Self {
        let Inner { store, transport, clock, rescue, surroundings, who, host_name, .. } = &*self.inner;
        let mut inner = Inner {
            store: store.clone(),
            transport: Arc::clone(transport),
            clock: Arc::clone(clock),
            rescue: rescue.clone(),
            flights: Arc::default(),
            surroundings: surroundings.clone(),
            host: OnceCell::new(),
            who: who.clone(),
            host_name: host_name.clone(),
        };
        change(&mut inner);
        Self { inner: Arc::new(inner) }
    }
}

impl Inner {
    pub(crate) async fn load_access(&self, key: &Key) -> Result<Slot<StoredAccess>, BrokerError> {
        self.store.load(key).await
    }

    pub(crate) fn freshness(&self, token: &AccessToken, request: &TokenRequest) -> Freshness {
        freshness(token, &request.key(), self.clock.posix(), request.min_validity)
    }

    /// The host of our notes: where a rescue of ours would be found.
    async fn host(&self) -> String {
        self.host
            .get_or_init(|| async {
                let rescue = self.rescue.clone();
                let host = blocking(move || rescue.as_ref().map(Rescue::host).transpose()).await;
                match host {
                    Ok(Some(host)) => host,
                    // Nobody finds a rescue of ours, so no two processes are one host.
                    Ok(None) | Err(_) => SignInId::random().to_string(),
                }
            })
            .await
            .clone()
    }

    /// Whether a token that somebody else brought will do for whom has seen another one, or none.
    fn takes(
        &self,
        request: &TokenRequest,
        seen: Option<Fingerprint>,
        due: bool,
        token: &AccessToken,
    ) -> bool {
        let is_new = seen != Some(fingerprint(token));
        let state = self.freshness(token, request);
        if request.claims.is_some() {
            return is_new && state != Freshness::Dead && token.claims == request.claims_fingerprint();
        }
        match state {
            Freshness::Fresh => is_new || !request.force_refresh,
            Freshness::Due => is_new || !(request.force_refresh || due),
            // Who asks for more than the issuer gives, or forces, is content with whatever is new.
            Freshness::Short => is_new && (request.force_refresh || request.min_validity.is_some()),
            Freshness::Dead => false,
        }
    }

    /// A reader never leases: somebody else's refresh has to bring the token.
    async fn wait_for_refresher(
        &self,
        request: &TokenRequest,
        seen: Option<Fingerprint>,
        deadline: Deadline,
    ) -> Landing {
        let (looks, mut outage) = (Looks::begin(&*self.clock), Outage::default());
        loop {
            match self.load_access(&request.key()).await {
                Ok(slot) => {
                    outage.is_over();
                    if let Some(token) = slot.value().and_then(|stored| stored.token.as_ref())
                        && self.takes(request, seen, false, token)
                    {
                        return Ok(token.clone());
                    }
                }
                Err(error) => outage.bear(error, &*self.clock)?,
            }
            if deadline.is_over(&*self.clock) {
                let nobody = BrokerError::NoRefresher { account: request.account.clone() };
                return Err(outage.error().unwrap_or(nobody));
            }
            looks.pause(&*self.clock).await;
        }
    }

    pub(crate) async fn release(&self, lease: Lease) {
        // A kernel's lock is freed at once, also where no runtime is.
        let ends_by_itself = matches!(lease.hold, Hold::Until(_));
        let released = self.store.cache.release(lease);
        let released = match ends_by_itself {
            true => tokio::time::timeout(RELEASE, released).await.unwrap_or(Ok(())),
            false => released.await,
        };
        if let Err(error) = released {
            tracing::debug!(%error, "a lease was not released and will end by itself");
        }
    }
}

fn fingerprint(token: &AccessToken) -> Fingerprint {
    Fingerprint::of(token.secret.expose())
}

/// Runs what touches the disk off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // It is never cancelled, so it panicked, and so do we.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
