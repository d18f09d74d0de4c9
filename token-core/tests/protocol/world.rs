//! A world in one process: an issuer, a cache, and as many processes on as many hosts as a test wants.
//!
//! Time is tokio's paused time, which the clock of the world follows; nothing here waits for real.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use token_core::grant::TokenAnswer;
use token_core::{
    AccessToken, Account, AccountKind, Broker, BrokerError, CacheError, CacheErrorKind, Client,
    ClientAuthentication, Clock, Credential, Endpoints, Entry, Expiry, Freshness, Grant, GrantError,
    GrantErrorKind, Hold, HttpRequest, HttpResponse, Key, KeyRing, Kind, Lease, Listed, ManualClock,
    MemoryCache, Note, OAuthError, Owner, RefreshToken, Register, Rescue, Secret, SignIn, SignInId, State,
    Swap, TokenCache, TokenRequest, Transport, TryLease, Version, freshness,
};
use url::Url;

pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
pub type Got = Result<AccessToken, BrokerError>;

/// The life of the tokens that the issuer gives.
pub const LIFE: i64 = 3600;
/// How long the issuer takes to answer.
pub const LATENCY: Duration = Duration::from_millis(100);

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Now, in paused time.
#[expect(clippy::disallowed_methods, reason = "here nothing but tokio's time passes")]
pub fn moment() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// How leases end in the cache of a world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leases {
    /// By time: a store that many hosts share.
    Time,
    /// With their holder: a cache on one host, with the rescue beside it.
    Kernel,
}

pub const BOTH: [Leases; 2] = [Leases::Time, Leases::Kernel];

/// Everything there is.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub memory: MemoryCache,
    pub issuer: Arc<Issuer>,
    pub keys: KeyRing,
    pub account: Account,
    pub leases: Leases,
    locks: Arc<Locks>,
    dir: TempDir,
    next: Mutex<usize>,
}

/// One process: a broker with its own view of the cache and its own wire to the issuer.
#[derive(Clone)]
pub struct Process {
    pub broker: Broker,
    pub cache: Arc<Handle>,
    pub wire: Arc<Wire>,
}

impl World {
    /// A fleet's cache, a strict issuer, and one account that has just signed in.
    pub async fn fleet() -> Self {
        Self::new(Leases::Time, Rotation::Strict).await
    }

    /// The cache of one host.
    pub async fn one_host() -> Self {
        Self::new(Leases::Kernel, Rotation::Strict).await
    }

    pub async fn new(leases: Leases, rotation: Rotation) -> Self {
        Self::at(leases, rotation, issuer_endpoints(), ring()).await
    }

    /// A fleet at Microsoft, where refresh tokens that were spent live on.
    pub async fn microsoft() -> Self {
        let endpoints =
            Endpoints::Microsoft { authority_host: url("https://login.test/"), tenant: "home".into() };
        Self::at(Leases::Time, Rotation::Lenient, endpoints, ring()).await
    }

    /// Where nothing is sealed, for what takes a great many steps.
    pub async fn unsealed(leases: Leases, rotation: Rotation) -> Self {
        Self::at(leases, rotation, issuer_endpoints(), KeyRing::plaintext()).await
    }

    async fn at(leases: Leases, rotation: Rotation, endpoints: Endpoints, keys: KeyRing) -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000));
        let memory = MemoryCache::with_clock(clock.clone());
        let issuer = Arc::new(Issuer::new(rotation, clock.clone()));
        let account = account();
        let world = Self {
            clock,
            memory,
            issuer,
            keys,
            account,
            leases,
            locks: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
            next: Mutex::new(0),
        };
        let sign_in = world.new_sign_in(&world.account, endpoints);
        world.process("sign-in").broker.sign_in(sign_in).await.unwrap();
        world
    }

    /// What a grant would bring: a credential with the first refresh token of a new family, and a first access token.
    pub fn new_sign_in(&self, account: &Account, endpoints: Endpoints) -> SignIn {
        let first = self.issuer.new_family();
        let state = State::Idle(Grant::RefreshToken(Register::first(
            RefreshToken::new(first.clone()),
            self.clock.now(),
        )));
        SignIn {
            account: account.clone(),
            credential: credential(account, endpoints, state),
            request: TokenRequest::new(account),
            answer: TokenAnswer {
                access_token: self.token(&format!("first of {first}"), LIFE),
                refresh_token: None,
                id_token: None,
                client_info: None,
            },
        }
    }

    /// A process on a host. In the cache of one host all share one rescue directory whatever the name.
    pub fn process(&self, host: &str) -> Process {
        self.process_with(host, true, &self.keys)
    }

    pub fn process_without_rescue(&self) -> Process {
        self.process_with("", false, &self.keys)
    }

    /// One that holds the access key only.
    pub fn reader(&self) -> Process {
        let line = self.keys.readers_line().unwrap();
        self.process_with("reader", false, &KeyRing::parse(line.expose()).unwrap())
    }

    pub fn process_with(&self, host: &str, rescue: bool, keys: &KeyRing) -> Process {
        let id = {
            let mut next = lock(&self.next);
            *next += 1;
            *next
        };
        let cache = Arc::new(Handle {
            id,
            memory: self.memory.clone(),
            kernel: (self.leases == Leases::Kernel).then(|| Arc::clone(&self.locks)),
            clock: self.clock.clone(),
            state: Mutex::default(),
        });
        let wire = Arc::new(Wire { id, issuer: self.issuer.clone(), state: Mutex::default() });
        let broker = Broker::new(cache.clone(), keys.clone(), wire.clone())
            .with_clock(self.clock.clone())
            .with_name(format!("process {id}"));
        let broker = if rescue {
            broker.with_rescue(Rescue::new(self.rescue_dir(host), self.leases == Leases::Kernel))
        } else {
            broker
        };
        Process { broker, cache, wire }
    }

    /// As many processes as asked for, all on one host.
    pub fn processes(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.process("a")).collect()
    }

    pub fn rescue_dir(&self, host: &str) -> PathBuf {
        match self.leases {
            Leases::Kernel => self.dir.path().join("beside"),
            Leases::Time => self.dir.path().join(host),
        }
    }

    /// The rescued files of a host that are not empty, by name.
    pub fn rescued(&self, host: &str) -> Vec<String> {
        self.rescue_files(host)
            .into_iter()
            .filter(|path| std::fs::read(path).unwrap().iter().any(|byte| *byte != 0))
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    /// Every file of a host's rescue but its id.
    pub fn rescue_files(&self, host: &str) -> Vec<PathBuf> {
        let Ok(files) = std::fs::read_dir(self.rescue_dir(host)) else { return Vec::new() };
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("credential-"))
            .collect()
    }

    /// A request for the token of the sign-in.
    pub fn request(&self) -> TokenRequest {
        TokenRequest::new(&self.account)
    }

    pub fn request_for(&self, scope: &str) -> TokenRequest {
        TokenRequest { scopes: vec![scope.to_owned()], ..self.request() }
    }

    pub fn forced(&self) -> TokenRequest {
        TokenRequest { force_refresh: true, ..self.request() }
    }

    pub fn lasting(&self, least: u64) -> TokenRequest {
        TokenRequest { min_validity: Some(seconds(least)), ..self.request() }
    }

    pub fn answering(&self, claims: &str) -> TokenRequest {
        TokenRequest { claims: Some(claims.to_owned()), ..self.request() }
    }

    /// An access token that is received now.
    pub fn token(&self, name: &str, life: i64) -> AccessToken {
        AccessToken {
            secret: Secret::new(name),
            token_type: "Bearer".into(),
            scopes: Vec::new(),
            received_at: self.clock.posix(),
            expires_on: Expiry::from_posix(self.clock.posix() + life),
            refresh_in: None,
            claims: None,
        }
    }

    /// Lets the clock go on until the stored token is in this state.
    pub async fn age(&self, wanted: Freshness) {
        let request = self.request();
        let token = self.stored_token(&request).await.expect("no token to age");
        while freshness(&token, &request.key(), self.clock.posix(), None) != wanted {
            self.clock.advance(seconds(1));
        }
    }

    /// The stored access token's entry, as JSON.
    pub async fn stored(&self, request: &TokenRequest) -> Option<Value> {
        self.open(&request.key()).await.map(|(_, value)| value)
    }

    pub async fn stored_token(&self, request: &TokenRequest) -> Option<AccessToken> {
        let stored = self.stored(request).await?;
        stored.get("token").map(|token| serde_json::from_value(token.clone()).unwrap())
    }

    /// Stores an access token as another process would.
    pub async fn store_token(&self, request: &TokenRequest, token: &AccessToken) {
        let stored = json!({
            "sign_in": request.sign_in, "account": request.account, "authority": request.authority,
            "token": token,
        });
        self.write(&request.key(), &stored).await;
    }

    pub async fn delete(&self, key: &Key) {
        let current = self.memory.load(key).await.unwrap();
        let version = current.as_ref().map(|entry| &entry.version);
        assert_eq!(self.memory.swap(key, version, None).await.unwrap(), Swap::Done);
    }

    pub fn credential_key(&self) -> Key {
        self.account.sign_in.credential()
    }

    pub async fn credential(&self) -> Credential {
        self.open(&self.credential_key()).await.expect("no credential").1
    }

    pub async fn state(&self) -> State {
        self.credential().await.state
    }

    /// The refresh token in the cache.
    pub async fn register(&self) -> Register {
        self.state().await.register().cloned().expect("no refresh token")
    }

    pub async fn refresh_token(&self) -> String {
        self.register().await.refresh_token.expose().to_owned()
    }

    /// Puts the credential in another state, as another process would.
    pub async fn set_state(&self, change: impl FnOnce(Grant) -> State) {
        let credential = self.credential().await;
        let grant = credential.state.grant().cloned().expect("nothing to spend");
        self.write(&self.credential_key(), &Credential { state: change(grant), ..credential }).await;
    }

    /// Marks the credential as refused for good, as another process would.
    pub async fn need_sign_in(&self) {
        self.set_state(|grant| State::SignInNeeded {
            grant,
            refusal: OAuthError { error: "invalid_grant".into(), ..OAuthError::default() },
            interrupted: None,
        })
        .await;
    }

    /// Leaves a note of another flight on the credential, so old by now.
    pub async fn leave_note(&self, host: &str, age: Duration) -> Note {
        let note = Note {
            flight: "another".into(),
            who: "ada, process 4711".into(),
            host: host.into(),
            host_name: "engine".into(),
            at: self.clock.now() - age,
            unsettled: None,
        };
        let kept = note.clone();
        self.set_state(move |grant| State::Spending(grant, kept)).await;
        note
    }

    /// Writes a value whatever is there.
    pub async fn write(&self, key: &Key, value: &impl serde::Serialize) {
        let entry = self.seal(key, value);
        self.write_entry(key, &entry).await;
    }

    pub async fn write_entry(&self, key: &Key, entry: &Entry) {
        let current = self.memory.load(key).await.unwrap();
        let version = current.as_ref().map(|entry| &entry.version);
        assert_eq!(self.memory.swap(key, version, Some(entry)).await.unwrap(), Swap::Done);
    }

    pub fn seal(&self, key: &Key, value: &impl serde::Serialize) -> Entry {
        let version = Version::random();
        let body = self.keys.seal(key, &version, &serde_json::to_vec(value).unwrap()).unwrap();
        Entry { version, body, discard_after: None }
    }

    async fn open<T: DeserializeOwned>(&self, key: &Key) -> Option<(Version, T)> {
        let entry = self.memory.load(key).await.unwrap()?;
        let body = self.keys.open(key, &entry.version, &entry.body).unwrap();
        Some((entry.version, serde_json::from_slice(&body).unwrap()))
    }

    /// Whether what the cache holds would still bring a token.
    pub async fn lives(&self) -> bool {
        self.issuer.is_alive(&self.refresh_token().await)
    }

    /// Lets every lease, note and quarantine pass.
    pub fn settle(&self) {
        self.clock.advance(seconds(61));
    }

    /// Another sign-in of the same account, made in the same place.
    pub async fn sign_in_again(&self) -> Account {
        let account = Account { sign_in: SignInId::random(), ..self.account.clone() };
        let sign_in = self.new_sign_in(&account, issuer_endpoints());
        self.process("sign-in").broker.sign_in(sign_in).await.unwrap();
        account
    }
}

fn ring() -> KeyRing {
    KeyRing::parse(KeyRing::generate_line().expose()).unwrap()
}

pub fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

pub fn issuer_endpoints() -> Endpoints {
    Endpoints::Issuer {
        issuer: "https://issuer.test".into(),
        token: url("https://issuer.test/token"),
        revocation: Some(url("https://issuer.test/revoke")),
    }
}

fn account() -> Account {
    Account {
        name: "ada@issuer.test".into(),
        kind: AccountKind::Subject,
        sign_in: SignInId::random(),
        authority: "https://issuer.test".into(),
        tenant: None,
        scopes: vec!["api:read".into(), "api:write".into()],
        signed_in_from: "here".into(),
        signed_in_at: 1_800_000_000,
    }
}

pub fn credential(account: &Account, endpoints: Endpoints, state: State) -> Credential {
    Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints,
        client: Client { id: "build-tools".into(), authentication: ClientAuthentication::None },
        scopes: vec!["api:read".into(), "api:write".into(), "offline_access".into()],
        state,
        last_refresh: None,
    }
}

impl Process {
    pub async fn get(&self, request: &TokenRequest) -> Got {
        self.broker.access_token(request).await
    }

    /// Asks in the background.
    pub fn ask(&self, request: &TokenRequest) -> tokio::task::JoinHandle<Got> {
        let (broker, request) = (self.broker.clone(), request.clone());
        tokio::spawn(async move { broker.access_token(&request).await })
    }

    /// Ends the process as SIGKILL would: nothing of it goes on, and the kernel frees its locks.
    pub fn kill(&self) {
        self.cache.kill();
        lock(&self.wire.state).dead = true;
        self.wire.issuer.hang_up(self.cache.id);
    }

    pub fn is_dead(&self) -> bool {
        lock(&self.wire.state).dead
    }

    /// Does this when an operation of this process is about to begin, once, `skip` of its kind later.
    pub fn before(&self, op: Op, kind: Kind, skip: usize, act: Act) {
        self.cache.hook(false, op, kind, skip, act);
    }

    /// Does this when an operation has taken effect, before its caller learns of it.
    pub fn after(&self, op: Op, kind: Kind, skip: usize, act: Act) {
        self.cache.hook(true, op, kind, skip, act);
    }

    /// Kills this process when the operation is about to begin.
    pub fn dies_before(&self, op: Op, kind: Kind, skip: usize) {
        let this = self.clone();
        self.before(op, kind, skip, Act::run(async move { this.kill() }));
    }

    /// Kills this process when the operation has taken effect.
    pub fn dies_after(&self, op: Op, kind: Kind, skip: usize) {
        let this = self.clone();
        self.after(op, kind, skip, Act::run(async move { this.kill() }));
    }
}

/// Waits until something is so, however long that takes in paused time.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(millis(1)).await;
    }
    panic!("it never came to this: {what}");
}

// ---------------------------------------------------------------------------------------------------- the cache

/// An operation of a cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Op {
    Load,
    Swap,
    List,
    Lease,
    Release,
}

/// What happens at a hook.
pub enum Act {
    /// Something else, and the operation goes on.
    Run(Work),
    /// The operation fails, and nothing changes.
    Fail(CacheErrorKind),
    /// The operation takes effect, and its answer is lost.
    LoseAnswer,
}

impl Act {
    pub fn run(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Run(Box::pin(work))
    }
}

struct Hook {
    after: bool,
    op: Op,
    kind: Kind,
    skip: usize,
    act: Act,
}

/// One process's way to the cache that all share.
pub struct Handle {
    id: usize,
    memory: MemoryCache,
    kernel: Option<Arc<Locks>>,
    clock: Arc<ManualClock>,
    state: Mutex<HandleState>,
}

#[derive(Default)]
struct HandleState {
    hooks: Vec<Hook>,
    calls: HashMap<Op, usize>,
    broken: HashSet<Key>,
    dead: bool,
    down: bool,
}

/// Kernel locks: by key, with the process that holds each.
#[derive(Debug, Default)]
struct Locks(Mutex<HashMap<Key, (usize, Owner)>>);

struct Guard {
    locks: Arc<Locks>,
    key: Key,
    owner: Owner,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut locks = lock(&self.locks.0);
        if locks.get(&self.key).is_some_and(|(_, owner)| *owner == self.owner) {
            locks.remove(&self.key);
        }
    }
}

impl Handle {
    /// How often this process has called an operation.
    pub fn calls(&self, op: Op) -> usize {
        lock(&self.state).calls.get(&op).copied().unwrap_or(0)
    }

    /// Cuts this process off from the store, or lets it reach it again.
    pub fn set_down(&self, down: bool) {
        lock(&self.state).down = down;
    }

    /// Breaks the frame of an entry, as this process sees it, until it is set aside.
    pub fn break_frame(&self, key: &Key) {
        lock(&self.state).broken.insert(key.clone());
    }

    /// A broken entry is an error, but for who creates a new one in its place.
    async fn look_at_frame(&self, key: &Key, op: Op, creates: bool) -> Result<(), CacheError> {
        let broken = lock(&self.state).broken.contains(key);
        if broken && creates {
            lock(&self.state).broken.remove(key);
            let current = self.memory.load(key).await?.map(|entry| entry.version);
            drop(self.memory.swap(key, current.as_ref(), None).await?);
        }
        if broken && !creates { Err(self.error(CacheErrorKind::Corrupt, op)) } else { Ok(()) }
    }

    fn kill(&self) {
        lock(&self.state).dead = true;
        if let Some(locks) = &self.kernel {
            lock(&locks.0).retain(|_, (holder, _)| *holder != self.id);
        }
    }

    fn hook(&self, after: bool, op: Op, kind: Kind, skip: usize, act: Act) {
        lock(&self.state).hooks.push(Hook { after, op, kind, skip, act });
    }

    fn error(&self, kind: CacheErrorKind, op: Op) -> CacheError {
        CacheError::new(kind, format!("{op:?}").to_lowercase(), self, "the test says so")
    }

    /// Every operation passes here before and after it takes effect. True: its answer is lost.
    async fn pass(&self, after: bool, op: Op, kind: Kind) -> Result<bool, CacheError> {
        if lock(&self.state).dead {
            std::future::pending::<()>().await;
        }
        let act = {
            let mut state = lock(&self.state);
            if !after {
                *state.calls.entry(op).or_default() += 1;
            }
            let mut due = None;
            for (index, hook) in state.hooks.iter_mut().enumerate() {
                if (hook.after, hook.op, hook.kind) == (after, op, kind) {
                    if hook.skip > 0 {
                        hook.skip -= 1;
                    } else if due.is_none() {
                        due = Some(index);
                    }
                }
            }
            due.map(|index| state.hooks.remove(index).act)
        };
        let lost = match act {
            Some(Act::Run(work)) => {
                work.await;
                false
            }
            Some(Act::Fail(kind)) => return Err(self.error(kind, op)),
            Some(Act::LoseAnswer) => true,
            None => false,
        };
        let (dead, down) = {
            let state = lock(&self.state);
            (state.dead, state.down)
        };
        if dead {
            std::future::pending::<()>().await;
        }
        if down { Err(self.error(CacheErrorKind::Unavailable, op)) } else { Ok(lost) }
    }
}

#[async_trait]
impl TokenCache for Handle {
    async fn load(&self, key: &Key) -> Result<Option<Entry>, CacheError> {
        self.pass(false, Op::Load, key.kind()).await?;
        self.look_at_frame(key, Op::Load, false).await?;
        let loaded = self.memory.load(key).await;
        self.pass(true, Op::Load, key.kind()).await?;
        loaded
    }

    async fn swap(
        &self,
        key: &Key,
        expected: Option<&Version>,
        next: Option<&Entry>,
    ) -> Result<Swap, CacheError> {
        let lost = self.pass(false, Op::Swap, key.kind()).await?;
        self.look_at_frame(key, Op::Swap, expected.is_none()).await?;
        let swapped = self.memory.swap(key, expected, next).await;
        let lost = self.pass(true, Op::Swap, key.kind()).await? || lost;
        if lost { Err(self.error(CacheErrorKind::Unavailable, Op::Swap)) } else { swapped }
    }

    async fn list(&self, kind: Kind) -> Result<Vec<Listed>, CacheError> {
        self.pass(false, Op::List, kind).await?;
        self.memory.list(kind).await
    }

    async fn try_lease(&self, key: &Key, owner: &Owner, ttl: Duration) -> Result<TryLease, CacheError> {
        self.pass(false, Op::Lease, key.kind()).await?;
        let lease = match &self.kernel {
            None => self.memory.try_lease(key, owner, ttl).await?,
            Some(locks) => {
                let mut held = lock(&locks.0);
                if held.contains_key(key) {
                    TryLease::Held { retry_after: millis(50) }
                } else {
                    held.insert(key.clone(), (self.id, *owner));
                    let guard = Guard { locks: Arc::clone(locks), key: key.clone(), owner: *owner };
                    TryLease::Granted(Lease {
                        key: key.clone(),
                        owner: *owner,
                        granted_at: self.clock.now(),
                        hold: Hold::Kernel(Box::new(guard)),
                    })
                }
            }
        };
        self.pass(true, Op::Lease, key.kind()).await?;
        Ok(lease)
    }

    async fn release(&self, lease: Lease) -> Result<(), CacheError> {
        self.pass(false, Op::Release, lease.key.kind()).await?;
        match &self.kernel {
            None => self.memory.release(lease).await,
            Some(_) => {
                drop(lease);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory:")
    }
}

// --------------------------------------------------------------------------------------------------- the issuer

/// What an issuer does with a refresh token that was spent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// Using it again ends the whole family.
    Strict,
    /// As strict, but for a while it brings another successor, which is as good as the first.
    Grace(Duration),
    /// As `Grace`, but it brings the same successor again.
    SameAgain(Duration),
    /// It lives on, as at Microsoft.
    Lenient,
}

/// What an issuer does with one request.
#[derive(Debug)]
pub enum Step {
    /// The usual.
    Answer,
    Unreachable,
    InterruptedBefore,
    InterruptedAfter,
    HangBefore,
    HangAfter,
    Status(u16, &'static str),
    /// A status with this `Retry-After`.
    Throttle(u16, Option<u64>),
    /// An OAuth error with a suberror.
    Refuse(&'static str, Option<&'static str>),
    /// The answer has no refresh token, and the old one stays good.
    NoRefreshToken,
    Scopes(&'static str),
}

/// A request that reached the issuer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Duration,
    pub connect_timeout: Duration,
    pub path: String,
    pub form: HashMap<String, String>,
}

/// The issuer that all processes reach.
pub struct Issuer {
    clock: Arc<ManualClock>,
    state: Mutex<IssuerState>,
}

struct IssuerState {
    rotation: Rotation,
    latency: Duration,
    steps: VecDeque<Step>,
    meanwhile: VecDeque<Work>,
    families: Vec<Family>,
    count: usize,
    asked: Vec<Asked>,
    in_flight: HashMap<usize, usize>,
    most_in_flight: usize,
}

#[derive(Default)]
struct Family {
    ended: bool,
    live: HashSet<String>,
    spent: HashMap<String, (Duration, String)>,
}

impl Issuer {
    fn new(rotation: Rotation, clock: Arc<ManualClock>) -> Self {
        let state = IssuerState {
            rotation,
            latency: LATENCY,
            steps: VecDeque::new(),
            meanwhile: VecDeque::new(),
            families: Vec::new(),
            count: 0,
            asked: Vec::new(),
            in_flight: HashMap::new(),
            most_in_flight: 0,
        };
        Self { clock, state: Mutex::new(state) }
    }

    /// Says what becomes of the next requests to the token endpoint.
    pub fn script(&self, steps: impl IntoIterator<Item = Step>) {
        lock(&self.state).steps.extend(steps);
    }

    /// Forgets what was scripted.
    pub fn calm(&self) {
        lock(&self.state).steps.clear();
    }

    /// Does something while the next request is in flight: the token is spent by then, and the answer is not out.
    pub fn meanwhile(&self, work: impl Future<Output = ()> + Send + 'static) {
        lock(&self.state).meanwhile.push_back(Box::pin(work));
    }

    pub fn set_latency(&self, latency: Duration) {
        lock(&self.state).latency = latency;
    }

    /// The requests to the token endpoint so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.iter().filter(|asked| asked.path.ends_with("/token")).cloned().collect()
    }

    pub fn requests(&self) -> usize {
        self.asked().len()
    }

    /// The tokens that were to be revoked.
    pub fn revoked(&self) -> Vec<String> {
        let state = lock(&self.state);
        state
            .asked
            .iter()
            .filter(|asked| asked.path == "/revoke")
            .map(|asked| asked.form["token"].clone())
            .collect()
    }

    pub fn most_in_flight(&self) -> usize {
        lock(&self.state).most_in_flight
    }

    pub fn is_alive(&self, token: &str) -> bool {
        lock(&self.state).families.iter().any(|family| !family.ended && family.live.contains(token))
    }

    /// The first refresh token of a new sign-in.
    pub fn new_family(&self) -> String {
        let mut state = lock(&self.state);
        let first = state.new_token();
        state.families.push(Family { live: HashSet::from([first.clone()]), ..Family::default() });
        first
    }

    /// A successor of a live token, as if another process had got it.
    pub fn rotate(&self, token: &str) -> String {
        let now = self.clock.uptime();
        lock(&self.state).spend(token, now).expect("it was refused")
    }

    /// Ends the family of a token, as an administrator would.
    pub fn end(&self, token: &str) {
        let mut state = lock(&self.state);
        let family = state.family_of(token).expect("no such token");
        state.families[family].ended = true;
    }

    /// Nobody waits for this process's answers any more.
    fn hang_up(&self, process: usize) {
        lock(&self.state).in_flight.remove(&process);
    }

    async fn receive(
        &self,
        process: usize,
        request: HttpRequest,
        connect_timeout: Duration,
    ) -> Result<HttpResponse, GrantErrorKind> {
        let form: HashMap<String, String> = request
            .form
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.expose().to_owned()))
            .collect();
        let path = request.url.path().to_owned();
        let (step, meanwhile, latency, _in_flight) = {
            let mut state = lock(&self.state);
            let is_token = path.ends_with("/token");
            state.asked.push(Asked {
                at: self.clock.uptime(),
                connect_timeout,
                path: path.clone(),
                form: form.clone(),
            });
            if !is_token {
                return Ok(state.revoke(&form["token"]));
            }
            *state.in_flight.entry(process).or_default() += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight.values().sum());
            let step = state.steps.pop_front().unwrap_or(Step::Answer);
            (step, state.meanwhile.pop_front(), state.latency, InFlight { issuer: self, process })
        };
        tokio::time::sleep(latency).await;
        let answer = |status, body: Value| Ok(HttpResponse::new(status, body.to_string()));
        let refuse = |error: &str, suberror: Option<&str>| {
            let mut body = json!({ "error": error, "error_description": format!("the issuer says {error}") });
            if let Some(suberror) = suberror {
                body["suberror"] = suberror.into();
            }
            answer(400, body)
        };
        match step {
            Step::Unreachable => return Err(GrantErrorKind::Unreachable),
            Step::InterruptedBefore => return Err(GrantErrorKind::Interrupted),
            Step::HangBefore => std::future::pending::<()>().await,
            Step::Status(status, body) => return Ok(HttpResponse::new(status, body)),
            Step::Throttle(status, after) => {
                let retry_after = after.map(Duration::from_secs);
                return Ok(HttpResponse { retry_after, ..HttpResponse::new(status, "") });
            }
            Step::Refuse(error, suberror) => {
                if let Some(work) = meanwhile {
                    work.await;
                }
                return refuse(error, suberror);
            }
            _ => {}
        }
        let mut body = json!({ "token_type": "Bearer", "expires_in": LIFE });
        let (spent, count) = {
            let mut state = lock(&self.state);
            let rotates = form["grant_type"] == "refresh_token" && !matches!(step, Step::NoRefreshToken);
            let spent = rotates.then(|| state.spend(&form["refresh_token"], self.clock.uptime()));
            state.count += 1;
            (spent, state.count)
        };
        if let Some(work) = meanwhile {
            work.await;
        }
        match spent {
            Some(Ok(successor)) => body["refresh_token"] = successor.into(),
            Some(Err(())) => return refuse("invalid_grant", None),
            None => {}
        }
        match step {
            Step::InterruptedAfter => return Err(GrantErrorKind::Interrupted),
            Step::HangAfter => std::future::pending::<()>().await,
            Step::Scopes(scopes) => body["scope"] = scopes.into(),
            _ => {}
        }
        let scope = form.get("scope").map_or("all", String::as_str).replace(' ', "+");
        body["access_token"] = format!("at-{count}.{scope}.{path}").into();
        answer(200, body)
    }
}

impl IssuerState {
    fn new_token(&mut self) -> String {
        self.count += 1;
        format!("rt-{}", self.count)
    }

    fn family_of(&self, token: &str) -> Option<usize> {
        self.families
            .iter()
            .position(|family| family.live.contains(token) || family.spent.contains_key(token))
    }

    fn spend(&mut self, token: &str, now: Duration) -> Result<String, ()> {
        let family = self.family_of(token).ok_or(())?;
        if self.families[family].ended {
            return Err(());
        }
        if let Some((at, successor)) = self.families[family].spent.get(token).cloned() {
            match self.rotation {
                Rotation::Grace(grace) if now - at <= grace => {}
                Rotation::SameAgain(grace) if now - at <= grace => return Ok(successor),
                _ => {
                    self.families[family].ended = true;
                    return Err(());
                }
            }
        }
        let successor = self.new_token();
        let lenient = self.rotation == Rotation::Lenient;
        let family = &mut self.families[family];
        family.live.insert(successor.clone());
        if !lenient {
            family.live.remove(token);
            family.spent.entry(token.to_owned()).or_insert((now, successor.clone()));
        }
        Ok(successor)
    }

    fn revoke(&mut self, token: &str) -> HttpResponse {
        if let Some(family) = self.family_of(token) {
            self.families[family].ended = true;
        }
        HttpResponse::new(200, "")
    }
}

struct InFlight<'a> {
    issuer: &'a Issuer,
    process: usize,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.issuer.state).in_flight.get_mut(&self.process) {
            *count -= 1;
        }
    }
}

/// One process's way to the issuer.
pub struct Wire {
    id: usize,
    issuer: Arc<Issuer>,
    state: Mutex<WireState>,
}

#[derive(Default)]
struct WireState {
    dead: bool,
    cut: bool,
}

impl Wire {
    /// Cuts this process off from the issuer, or lets it reach it again.
    pub fn set_cut(&self, cut: bool) {
        lock(&self.state).cut = cut;
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(
        &self,
        request: HttpRequest,
        connect_timeout: Duration,
    ) -> Result<HttpResponse, GrantError> {
        let endpoint = "https://issuer.test".to_owned();
        let error = |kind| GrantError::new(kind, endpoint.clone());
        let (dead, cut) = {
            let state = lock(&self.state);
            (state.dead, state.cut)
        };
        if dead {
            std::future::pending::<()>().await;
        }
        if cut {
            return Err(error(GrantErrorKind::Unreachable));
        }
        let answer = self.issuer.receive(self.id, request, connect_timeout).await;
        if lock(&self.state).dead {
            std::future::pending::<()>().await;
        }
        answer.map_err(error)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("id", &self.id).finish_non_exhaustive()
    }
}
