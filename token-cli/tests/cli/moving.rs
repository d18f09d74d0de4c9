//! Many sign-ins move from cache to cache while they are used, and whoever moves them is killed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use token_cache_file::FileCache;
use token_cache_redis::{RedisCache, RedisOptions};
use token_cache_sqlite::SqliteCache;
use token_core::grant::TokenAnswer;
use token_core::grant::http::HttpTransport;
use token_core::{
    AccessToken, Account, AccountKind, Broker, Client, ClientAuthentication, Credential, Expiry, Grant,
    KeyRing, Kind, RefreshToken, Register, Secret, SignIn, SignInId, State, TokenCache, TokenRequest,
};
use token_testkit::{Authority, RedisServer, RedisSettings, User, World};
use tokio::runtime::Runtime;

use crate::harness::{Lab, Output, start, strict};

/// How many use the sign-ins meanwhile.
const USERS: usize = 3;

/// A cache, as its URL and as the set of what is in it.
struct Place {
    url: String,
    cache: Arc<dyn TokenCache>,
}

/// Sign-ins at an issuer that ends one whose spent refresh token comes back, and the caches they move through.
struct Move {
    lab: Lab,
    /// By the names of their credentials.
    accounts: BTreeMap<String, String>,
    credentials: BTreeSet<String>,
    runtime: Runtime,
    _server: RedisServer,
    file: Place,
    sqlite: Place,
    redis: Place,
}

impl Move {
    /// So many sign-ins in the file cache. `None` where there is no Redis to test with.
    fn of(number: usize) -> Option<Self> {
        let server = RedisServer::start(RedisSettings::default())?;
        let names: Vec<String> = (0..number).map(|number| format!("agent-{number}@corp.example")).collect();
        let mut settings = strict(0);
        settings.world.users = names.iter().map(|name| user(name)).collect();
        let lab = Lab::new(settings);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let made = lab.run(&["key", "new"]);
        std::fs::write(lab.home().join("team.key"), &made.stdout).unwrap();
        std::fs::set_permissions(lab.home().join("team.key"), std::fs::Permissions::from_mode(0o600))
            .unwrap();

        let file = FileCache::open(lab.entries()).unwrap();
        let broker = Broker::new(
            Arc::new(file.clone()),
            KeyRing::parse(made.stdout.trim_end()).unwrap(),
            Arc::new(HttpTransport::new()),
        );
        let mut accounts = BTreeMap::new();
        runtime.block_on(async {
            for name in names {
                let sign_in = sign_in(&lab, &broker, &name).await;
                accounts.insert(sign_in.account.sign_in.credential().to_string(), name);
                broker.sign_in(sign_in).await.unwrap();
            }
        });
        let sqlite = SqliteCache::open(lab.home().join(".local/share/token/cache.db")).unwrap();
        let redis = {
            let _runtime = runtime.enter();
            RedisCache::connect(RedisOptions::new(server.url())).unwrap()
        };
        let place = |url: &str, cache: Arc<dyn TokenCache>| Place { url: url.to_owned(), cache };
        let mut migration = Self {
            lab,
            accounts,
            credentials: BTreeSet::new(),
            runtime,
            file: place("file:", Arc::new(file)),
            sqlite: place("sqlite:", Arc::new(sqlite)),
            redis: place(&server.url(), Arc::new(redis)),
            _server: server,
        };
        migration.credentials = migration.held(&migration.file);
        assert_eq!(migration.credentials.len(), number);
        Some(migration)
    }

    /// The credentials in a cache.
    fn held(&self, place: &Place) -> BTreeSet<String> {
        let listed = self.runtime.block_on(place.cache.list(Kind::Credential)).unwrap();
        listed.into_iter().map(|listed| listed.key.to_string()).collect()
    }

    fn names(&self) -> Vec<&str> {
        self.accounts.values().map(String::as_str).collect()
    }

    fn token(&self, place: &Place, arguments: &[&str]) -> Command {
        token(&self.lab, &place.url, arguments)
    }

    /// One hop: killed on the way, run again until it is done, while the sign-ins are refreshed on both sides.
    fn hop(&self, from: &Place, to: &Place) {
        let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
        let lab = &self.lab;
        let (accounts, urls) = (self.names(), [&from.url, &to.url]);
        std::thread::scope(|scope| {
            for _ in 0..USERS {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let account = accounts[rand::random_range(0..accounts.len())];
                        let url = urls[rand::random_range(0..urls.len())];
                        served.fetch_add(usize::from(try_to_use(lab, url, account)), Ordering::Relaxed);
                    }
                });
            }
            // The others end where this one panics, too.
            let _ended = Ends(&done);
            self.interrupted(from, to, &served);
            self.again(from, to);
        });
        assert_eq!(self.held(from), BTreeSet::new(), "{} to {}", from.url, to.url);
        assert_eq!(self.held(to), self.credentials, "{} to {}", from.url, to.url);
    }

    /// A run that is killed when it has moved some, and the next is in both caches; and while others have refreshed
    /// some.
    fn interrupted(&self, from: &Place, to: &Place, served: &AtomicUsize) {
        let mut command = self.token(from, &["cache", "migrate", &from.url, &to.url]);
        let mover = start(command.env("TOKEN_FAULT", "arrived=stop"));
        let before = served.load(Ordering::Relaxed);
        for _ in 0..self.credentials.len() / 4 {
            mover.wait_for_stop();
            mover.signal(Signal::CONT);
        }
        mover.wait_for_stop();
        while served.load(Ordering::Relaxed) == before {
            assert!(!mover.ends_within(Duration::from_millis(2)));
        }
        mover.signal(Signal::KILL);
        assert_eq!(mover.finish().code(), 137);

        let (here, there) = (self.held(from), self.held(to));
        assert_eq!(there.len(), self.credentials.len() / 4 + 1);
        assert_eq!(here.union(&there).cloned().collect::<BTreeSet<_>>(), self.credentials);
        let both: Vec<_> = here.intersection(&there).collect();
        let [on_its_way] = both[..] else { panic!("in both are {both:?}") };
        let account = &self.accounts[on_its_way];
        assert!(try_to_use(&self.lab, &to.url, account), "{account} has arrived");
        assert!(!try_to_use(&self.lab, &from.url, account), "{account} is in two places");
    }

    /// The same command, until it has nothing left to do.
    fn again(&self, from: &Place, to: &Place) {
        for _ in 0..5 {
            let mover = start(&mut self.token(from, &["cache", "migrate", &from.url, &to.url]));
            // A machine under load takes its time over as many as these.
            mover.ends_within(Duration::from_secs(240));
            let output = mover.finish();
            if output.code() == 0 {
                return;
            }
            assert!(output.stderr.contains("once more moves it"), "{output}");
        }
        panic!("{} to {} is never done", from.url, to.url);
    }

    /// Every sign-in is good for another token from this cache.
    fn assert_live_in(&self, place: &Place) {
        let (lab, url, accounts) = (&self.lab, &place.url, self.names());
        std::thread::scope(|scope| {
            for accounts in accounts.chunks(accounts.len().div_ceil(USERS)) {
                scope.spawn(move || {
                    for &account in accounts {
                        let output = start(&mut use_of(lab, url, account)).finish();
                        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{output}");
                        let issued = lab.issuer.access_token(output.stdout.trim_end()).unwrap();
                        assert_eq!(issued.account, account);
                    }
                });
            }
        });
        let counts = self.lab.issuer.counts();
        assert_eq!((counts.reuses, counts.refreshes_refused), (0, 0), "{counts:#?}");
        let families = self.lab.issuer.families();
        assert_eq!(families.len(), self.accounts.len());
        assert!(families.iter().all(|family| family.is_alive() && family.refreshes > 0));
    }
}

/// Ends the others' work when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn token(lab: &Lab, cache: &str, arguments: &[&str]) -> Command {
    let mut command = lab.token(arguments);
    let key = lab.home().join("team.key");
    command.env("TOKEN_CACHE", cache).env("TOKEN_KEY", format!("file:{}", key.display()));
    command
}

fn use_of(lab: &Lab, cache: &str, account: &str) -> Command {
    token(lab, cache, &["get", "--force-refresh", "--account", account])
}

/// Asks a cache for a new token. Whether it has the sign-in is open; that the sign-in lives is not.
fn try_to_use(lab: &Lab, cache: &str, account: &str) -> bool {
    let output: Output = start(&mut use_of(lab, cache, account)).finish();
    let is_elsewhere =
        ["is being moved to", "is not signed in", "nobody is signed in as", "to setup account"];
    let served = output.code() == 0;
    assert!(served || is_elsewhere.iter().any(|text| output.stderr.contains(text)), "{output}");
    served
}

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        display_name: name.to_owned(),
        oid: SignInId::random().to_string(),
        home_tenant: World::HOME_TENANT.to_owned(),
    }
}

/// What a grant would have brought a while ago: a first refresh token, and an access token whose time is over.
async fn sign_in(lab: &Lab, broker: &Broker, name: &str) -> SignIn {
    let scopes = vec!["api:read".to_owned(), "offline_access".to_owned()];
    let account = Account {
        name: name.to_owned(),
        kind: AccountKind::Subject,
        sign_in: SignInId::random(),
        authority: lab.issuer.oidc_issuer(),
        tenant: None,
        scopes: scopes.clone(),
        signed_in_from: "here".to_owned(),
        signed_in_at: 0,
    };
    let refresh_token =
        lab.issuer.sign_in(Authority::OpenIdConnect, name, "build-tools", &["api:read", "offline_access"]);
    let register = Register::first(RefreshToken::new(refresh_token), Duration::ZERO);
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: broker.discover(&account.authority).await.unwrap().endpoints(),
        client: Client { id: "build-tools".to_owned(), authentication: ClientAuthentication::None },
        scopes,
        state: State::Idle(Grant::RefreshToken(register)),
        last_refresh: None,
    };
    let access_token = AccessToken {
        secret: Secret::new("first"),
        token_type: "Bearer".to_owned(),
        scopes: Vec::new(),
        received_at: 0,
        expires_on: Expiry::from_posix(1),
        refresh_in: None,
        claims: None,
    };
    let answer = TokenAnswer { access_token, refresh_token: None, id_token: None, client_info: None };
    SignIn { request: TokenRequest::new(&account), account, credential, answer }
}

/// Through every cache and back.
fn all_move(number: usize) {
    let Some(migration) = Move::of(number) else { return };
    let Move { file, sqlite, redis, .. } = &migration;
    for (from, to) in [(file, sqlite), (sqlite, redis), (redis, file)] {
        migration.hop(from, to);
    }
    migration.assert_live_in(file);
    for place in [sqlite, redis] {
        assert_eq!(migration.held(place), BTreeSet::new(), "{}", place.url);
    }
}

#[test]
fn every_sign_in_lives_in_one_cache_though_each_hop_is_interrupted() {
    all_move(20);
}

#[test]
#[ignore = "takes a minute or more: `cargo xtask ci` runs it"]
fn two_hundred_sign_ins_live_in_one_cache_though_each_hop_is_interrupted() {
    all_move(200);
}
