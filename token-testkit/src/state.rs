//! Everything that the issuer remembers, behind one lock.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::watch;

use crate::{
    Counts, SeenRequest, Settings, World, authorization_code::AuthorizationCodes, device_code::DeviceCodes,
    family::Families, fault::Faults, gate::Gate, jwks::SigningKeys, tls::Tls,
};

/// How many requests are kept for assertions. A benchmark sends millions; the newest tell enough.
const REQUESTS_KEPT: usize = 10_000;

#[derive(Debug)]
pub(crate) struct State {
    /// Scheme, host and port, without a slash at the end.
    pub(crate) base: String,
    /// [`Settings::path`] as it was at the start.
    pub(crate) path: String,
    pub(crate) keys: SigningKeys,
    pub(crate) tls: Option<Tls>,
    memory: Mutex<Memory>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) settings: Settings,
    pub(crate) counts: Counts,
    pub(crate) requests: VecDeque<Arc<SeenRequest>>,
    pub(crate) faults: Faults,
    pub(crate) gate: Option<Gate>,
    pub(crate) device_codes: DeviceCodes,
    pub(crate) authorization_codes: AuthorizationCodes,
    pub(crate) families: Families,
    pub(crate) access_tokens: HashMap<String, IssuedToken>,
    /// The ids of client assertions that were shown.
    pub(crate) shown_assertions: HashSet<String>,
}

impl Memory {
    /// The issuer's time, in POSIX seconds.
    pub(crate) fn now(&self) -> i64 {
        chrono::Utc::now().timestamp() + self.settings.clock_shift
    }
}

/// Whom a grant is for.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) account: String,
    pub(crate) display_name: String,
    pub(crate) oid: String,
    pub(crate) home_tenant: Option<String>,
}

/// What an access token is good for.
#[derive(Clone, Debug, Serialize)]
pub struct IssuedToken {
    /// The user name, or the client id of a service principal.
    pub account: String,
    /// The client it was issued to.
    pub client_id: String,
    /// The Microsoft tenant, by id.
    pub tenant: Option<String>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// When it expires, in POSIX seconds.
    pub expires_on: i64,
    /// The family that it ends with.
    pub family: Option<u64>,
}

impl State {
    pub(crate) fn new(base: String, tls: Option<Tls>, settings: Settings) -> Self {
        Self {
            base,
            path: settings.path.clone(),
            keys: SigningKeys::generate(),
            tls,
            memory: Mutex::new(Memory {
                settings,
                counts: Counts::default(),
                requests: VecDeque::new(),
                faults: Faults::default(),
                gate: None,
                device_codes: DeviceCodes::default(),
                authorization_codes: AuthorizationCodes::default(),
                families: Families::default(),
                access_tokens: HashMap::new(),
                shown_assertions: HashSet::new(),
            }),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn oidc_issuer(&self) -> String {
        format!("{}{}", self.base, self.path)
    }

    pub(crate) fn federation(&self, provider: &str) -> String {
        format!("{}/federation/{provider}", self.base)
    }

    /// A signed assertion about somebody, for somebody.
    pub(crate) fn assertion(&self, provider: &str, subject: &str, audience: &str, lifetime: i64) -> String {
        let now = self.read().now();
        self.keys.sign(&serde_json::json!({
            "iss": self.federation(provider),
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": crate::jwks::random_text(12),
        }))
    }

    pub(crate) fn control(&self) -> String {
        format!("{}/_control", self.base)
    }

    /// What is remembered, to read.
    pub(crate) fn read(&self) -> MutexGuard<'_, Memory> {
        // A test that panicked with the lock must not hide what it panicked about.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered, and wakes whoever waits for a change.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let result = change(&mut self.read());
        self.changed.send_replace(());
        result
    }

    /// Waits until the memory gives an answer.
    pub(crate) async fn until<T>(&self, answer: impl Fn(&Memory) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(answer) = answer(&self.read()) {
                return answer;
            }
            changed.changed().await.expect("the sender lives as long as the state");
        }
    }

    /// Keeps a request, and counts it.
    pub(crate) fn record(self: &Arc<Self>, request: &Arc<SeenRequest>) -> Option<InFlight> {
        let refresh = request.is_refresh();
        self.change(|memory| {
            if memory.requests.len() == REQUESTS_KEPT {
                memory.requests.pop_front();
            }
            memory.requests.push_back(Arc::clone(request));
            let counts = &mut memory.counts;
            *counts.requests.entry(request.route).or_default() += 1;
            if refresh {
                counts.refreshes += 1;
                counts.refreshes_in_flight += 1;
                counts.max_refreshes_in_flight =
                    counts.max_refreshes_in_flight.max(counts.refreshes_in_flight);
            }
        });
        refresh.then(|| InFlight(Arc::clone(self)))
    }
}

impl World {
    /// The user of that name, or the first.
    pub(crate) fn subject(&self, name: Option<&str>) -> Option<Subject> {
        let user = match name {
            Some(name) => self.user(name)?,
            None => self.users.first()?,
        };
        Some(Subject {
            account: user.name.clone(),
            display_name: user.display_name.clone(),
            oid: user.oid.clone(),
            home_tenant: Some(user.home_tenant.clone()),
        })
    }
}

/// A refresh under way; dropped when its answer is ready to leave.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<State>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(|memory| memory.counts.refreshes_in_flight -= 1);
    }
}
