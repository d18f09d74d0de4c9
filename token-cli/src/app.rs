//! From the config to what the commands work with: cache, keys and broker, each opened when it is first needed.

use std::cell::OnceCell;
use std::io;
use std::sync::Arc;

use token_core::authority::Cloud;
use token_core::grant::http::HttpTransport;
use token_core::{
    Account, Broker, BrokerError, CacheErrorKind, Clock, HostIdentities, KeyRing, Profile, Rescue, SealError,
    Surroundings, SystemClock, Transport,
};
use tokio::runtime::Runtime;

use crate::az;
use crate::backend::Backend;
use crate::cache_location::CacheLocation;
use crate::choice::{Choice, ChoiceFile, Selected};
use crate::config::{Config, KeySource, PROCESS};
use crate::key_ring;
use crate::program;
use crate::report::{self, Failure};
use crate::select::Selection;
use crate::sign_in_command::sign_in_command;
use crate::signals;

/// One run of the program.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) cloud: Cloud,
    pub(crate) choice: ChoiceFile,
    backend: OnceCell<Backend>,
    broker: OnceCell<Broker>,
    runtime: OnceCell<Runtime>,
}

impl App {
    /// Opens nothing yet.
    pub(crate) fn new(config: Config) -> Result<Self, Failure> {
        let cloud = az::cloud::active(&config)?;
        let choice = ChoiceFile::of(&config.paths.choice, &config.cache.value.to_string());
        Ok(Self {
            config,
            cloud,
            choice,
            backend: OnceCell::new(),
            broker: OnceCell::new(),
            runtime: OnceCell::new(),
        })
    }

    /// The broker; `None` where nobody has signed in yet, so that there is not even a key.
    pub(crate) fn broker(&self) -> Result<Option<&Broker>, Failure> {
        if let Some(broker) = self.broker.get() {
            return Ok(Some(broker));
        }
        let load = key_ring::load(&self.config.key.value, &PROCESS, self.backend()?);
        match self.poll(load)? {
            Some(keys) => self.open(keys).map(Some),
            None => Ok(None),
        }
    }

    /// The broker for a sign-in, which makes the key where there is none yet.
    ///
    /// # Errors
    /// Where a sign-in could surely not be stored: nobody shall be asked to sign in for nothing.
    pub(crate) fn broker_to_sign_in(&self) -> Result<&Broker, Failure> {
        let load = key_ring::load_or_create(&self.config.key.value, &PROCESS, self.backend()?);
        let keys = self.poll(load)?;
        self.state_id()?;
        if !keys.refreshes() {
            return Err(Failure::new("this key can only read, and a sign-in takes the whole key")
                .hint("TOKEN_KEY or `key` in the config names the key"));
        }
        let broker = self.open(keys.clone())?;
        match self.poll(broker.profile()) {
            // The sign-in mends it.
            Err(BrokerError::Sealed { source: SealError::Damaged, .. }) => {}
            Err(BrokerError::Cache(error)) if error.kind() == CacheErrorKind::Corrupt => {}
            Err(error) => return Err(self.failure(error, None)),
            Ok(_) => {}
        }
        self.poll(self.backend()?.try_to_write(&keys))?;
        Ok(broker)
    }

    /// The cache's own side, for what is not the broker's business.
    pub(crate) fn backend(&self) -> Result<&Backend, Failure> {
        if let Some(backend) = self.backend.get() {
            return Ok(backend);
        }
        let backend = self.open_backend(&self.config.cache.value)?;
        Ok(self.backend.get_or_init(|| backend))
    }

    /// A cache, and what it takes to reach it.
    pub(crate) fn open_backend(&self, location: &CacheLocation) -> Result<Backend, Failure> {
        let backend = Backend::open(location, &PROCESS)?;
        if !backend.is_local() {
            self.runtime()?;
        }
        Ok(backend)
    }

    /// The profile; an empty one where nobody has signed in yet.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        match self.broker()? {
            Some(broker) => self.poll(broker.profile()).map_err(|error| self.failure(error, None)),
            None => Ok(Profile::default()),
        }
    }

    /// What selections are made from.
    pub(crate) fn selection<'a>(&'a self, profile: &'a Profile, choice: &'a Choice) -> Selection<'a> {
        let environment = self.config.subscription.as_deref();
        let cache = &self.config.cache.value;
        let server = matches!(cache, CacheLocation::Redis(_)).then_some(cache);
        Selection { profile, choice, cloud: &self.cloud.name, environment, server }
    }

    /// Runs what is soon done, such as a hit: for a cache of this host on this thread and without a runtime, which
    /// takes longer to start than a hit takes.
    pub(crate) fn poll<T>(&self, work: impl Future<Output = T>) -> T {
        match self.runtime.get() {
            Some(runtime) => runtime.block_on(work),
            None => pollster::block_on(work),
        }
    }

    /// Runs what may take a while. A signal ends it, but not before a refresh that is under way is settled.
    pub(crate) fn run<T>(&self, broker: &Broker, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.runtime()?.block_on(signals::guarded(broker, work))
    }

    /// Runs what sends something and spends nothing, to its end.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        Ok(self.runtime()?.block_on(work))
    }

    /// How requests reach issuers.
    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        let transport = HttpTransport::new();
        Arc::new(match &self.config.authorities {
            Some(file) => transport.trusting(file),
            None => transport,
        })
    }

    /// Where assertions and managed identities of this host are found.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings::new(|name| PROCESS.text(name))
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// The id of this user's state directory, which sign-ins made here carry.
    pub(crate) fn state_id(&self) -> Result<String, Failure> {
        Rescue::new(&self.config.paths.state, false).host().map_err(|error| {
            Failure::new(format!("could not keep this user's id in {}", self.config.paths.state.display()))
                .caused_by(&error)
                .hint("XDG_STATE_HOME names another place")
        })
    }

    /// A broker's error, with the command that helps the account it concerns.
    pub(crate) fn failure(&self, error: BrokerError, account: Option<&Selected>) -> Failure {
        let command = account
            .map_or_else(|| format!("{} login", program::name()), |account| self.sign_in_command(account));
        if let BrokerError::Moving { ref to, .. } = error {
            let to = to.split_once(" (").map_or(to.as_str(), |(url, _)| url);
            let (program, from) = (program::name(), self.config.cache.value.url());
            return Failure::of(&error).hint(format!(
                "'{program} cache migrate {from} {to}', with the same --to-key if there was one, goes on with it; what has \
                 arrived is used with TOKEN_CACHE={to}"
            ));
        }
        let sealed = matches!(error, BrokerError::Sealed { .. });
        let failure = Failure::of_broker(error, &command);
        // An entry's name alone does not tell where it is.
        if sealed { failure.hint(format!("it is in {}", self.config.cache.value)) } else { failure }
    }

    /// The same, of a cache that may be another than the configured one.
    pub(crate) fn failure_in(&self, error: BrokerError, cache: &CacheLocation) -> Failure {
        let sealed = matches!(error, BrokerError::Sealed { .. });
        let failure = Failure::of_broker(error, &format!("{} login", program::name()));
        // An entry's name alone does not tell where it is.
        if sealed { failure.hint(format!("it is in {cache}")) } else { failure }
    }

    /// A broker on a cache, which names this process in its notes.
    pub(crate) fn broker_on(&self, backend: &Backend, keys: KeyRing) -> Broker {
        let broker = Broker::new(backend.cache(), keys, self.transport())
            .with_rescue(backend.rescue(&self.config.paths.state))
            .with_surroundings(self.surroundings());
        match &self.config.user {
            Some(user) => broker.with_name(format!("{user}, process {}", std::process::id())),
            None => broker,
        }
    }

    /// Which managed identities may be kept in a cache: what a host is goes to nobody else, unless somebody has said so.
    pub(crate) fn host_identities(&self, backend: &Backend) -> HostIdentities {
        match self.config.share_managed_identities {
            _ if backend.is_local() => HostIdentities::All,
            true => HostIdentities::Assigned,
            false => HostIdentities::None,
        }
    }

    /// Closes what is open, without waiting for threads that nobody waits for any more.
    pub(crate) fn close(self) {
        if let Some(runtime) = self.runtime.into_inner() {
            runtime.shutdown_background();
        }
    }

    fn open(&self, keys: KeyRing) -> Result<&Broker, Failure> {
        if self.config.key.value == KeySource::None {
            report::notice("Nothing in the cache is encrypted: the key is configured as none.");
        }
        let broker = self.broker_on(self.backend()?, keys);
        Ok(self.broker.get_or_init(|| broker))
    }

    fn runtime(&self) -> Result<&Runtime, Failure> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(
            |error: io::Error| Failure::new("could not start the asynchronous runtime").caused_by(&error),
        )?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// The command that signs an account in again. What proved it is asked of the cache, where that can still tell.
    fn sign_in_command(&self, account: &Selected) -> String {
        let credential = self
            .broker
            .get()
            .and_then(|broker| self.poll(broker.credential(&account.sign_in)).ok().flatten());
        sign_in_command(&self.config.issuers, account, credential.as_ref())
    }
}

/// Whether this user's state directory made the sign-in of an account.
pub(crate) fn made_here(account: &Account, state_id: &str) -> bool {
    account.signed_in_from == state_id
}
