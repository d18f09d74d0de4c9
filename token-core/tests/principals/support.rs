//! A broker, the issuer it asks, and the host that both believe to be on.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tempfile::TempDir;
use token_core::grant::http::HttpTransport;
use token_core::grant::{self, Means};
use token_core::{
    AccessToken, Account, AccountKind, Broker, BrokerError, Client, ClientAuthentication, Clock, Credential,
    Endpoints, Grant, KeyRing, ManagedIdentity, ManualClock, MemoryCache, SignIn, SignInId, State,
    Surroundings, TokenRequest,
};
use token_testkit::{Issuer, Matching, Route, SeenRequest, Settings, World};
use url::Url;

pub(crate) const ARM: &str = "https://management.core.windows.net//.default";

pub(crate) struct Bench {
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) broker: Broker,
    pub(crate) root: TempDir,
    variables: Arc<Mutex<HashMap<String, String>>>,
    surroundings: Surroundings,
    transport: HttpTransport,
}

impl Bench {
    pub(crate) async fn new(settings: Settings) -> Self {
        let issuer = Issuer::start(settings).await;
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let clock = Arc::new(ManualClock::at(now));
        let root = tempfile::tempdir().unwrap();
        let variables: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let seen = Arc::clone(&variables);
        let surroundings =
            Surroundings::new(move |name| seen.lock().unwrap().get(name).cloned()).below(root.path());
        let broker = Broker::new(
            Arc::new(MemoryCache::with_clock(clock.clone())),
            KeyRing::plaintext(),
            Arc::new(HttpTransport::new()),
        )
        .with_clock(clock.clone())
        .with_surroundings(surroundings.clone());
        Self { issuer, clock, broker, root, variables, surroundings, transport: HttpTransport::new() }
    }

    pub(crate) fn set(&self, name: &str, value: impl Into<String>) {
        self.variables.lock().unwrap().insert(name.to_owned(), value.into());
    }

    pub(crate) fn unset(&self, name: &str) {
        self.variables.lock().unwrap().remove(name);
    }

    /// Lets time pass for everybody.
    pub(crate) fn advance(&self, time: Duration) {
        self.clock.advance(time);
        self.issuer.settings(|settings| settings.clock_shift += time.as_secs() as i64);
    }

    pub(crate) fn microsoft(&self) -> Endpoints {
        let authority_host = Url::parse(self.issuer.base_url()).unwrap();
        Endpoints::Microsoft { authority_host, tenant: World::HOME_TENANT.to_owned() }
    }

    pub(crate) fn openid_connect(&self) -> Endpoints {
        let issuer = self.issuer.oidc_issuer();
        let token = Url::parse(&format!("{issuer}/oauth/token")).unwrap();
        Endpoints::Issuer { issuer, token, revocation: None }
    }

    pub(crate) fn client(&self, endpoints: Endpoints, authentication: ClientAuthentication) -> Credential {
        let scope = if endpoints.is_microsoft() { ARM } else { "api:read" };
        Credential {
            sign_in: SignInId::random(),
            account: World::CLIENT_ID.to_owned(),
            endpoints,
            client: Client { id: World::CLIENT_ID.to_owned(), authentication },
            scopes: vec![scope.to_owned()],
            state: State::Idle(Grant::ClientCredentials),
            last_refresh: None,
        }
    }

    pub(crate) fn host(&self, identity: ManagedIdentity) -> Credential {
        Credential {
            sign_in: SignInId::random(),
            account: "systemAssignedIdentity".to_owned(),
            endpoints: Endpoints::Host { tenant: None },
            client: Client { id: String::new(), authentication: ClientAuthentication::None },
            scopes: vec![ARM.to_owned()],
            state: State::Idle(Grant::ManagedIdentity(identity)),
            last_refresh: None,
        }
    }

    /// Signs in, and gives the request for its further tokens.
    pub(crate) async fn sign_in(&self, credential: Credential) -> Result<TokenRequest, String> {
        let account = Account {
            name: credential.account.clone(),
            kind: AccountKind::ServicePrincipal,
            sign_in: credential.sign_in.clone(),
            authority: "lab".to_owned(),
            tenant: None,
            scopes: Vec::new(),
            signed_in_from: String::new(),
            signed_in_at: self.clock.posix(),
        };
        let request = TokenRequest { scopes: credential.scopes.clone(), ..TokenRequest::new(&account) };
        let asking = grant::asking(&credential, &request).map_err(|error| said(&error))?;
        let answer = grant::obtain(&self.means(), &credential, &asking, &request, Duration::from_secs(20))
            .await
            .map_err(|error| said(&error))?;
        let sign_in = SignIn { account, credential, request: request.clone(), answer };
        self.broker.sign_in(sign_in).await.unwrap();
        Ok(request)
    }

    pub(crate) fn means(&self) -> Means<'_> {
        Means {
            transport: &self.transport,
            surroundings: &self.surroundings,
            clock: &*self.clock,
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// A token that is newer than the one that is cached.
    pub(crate) async fn refresh(&self, request: &TokenRequest) -> Result<AccessToken, BrokerError> {
        let request = TokenRequest { force_refresh: true, ..request.clone() };
        self.broker.access_token(&request).await
    }

    pub(crate) fn last(&self, which: impl Into<Matching>) -> SeenRequest {
        self.issuer.requests_to(which).pop().unwrap()
    }

    /// Header and claims of the last client assertion.
    pub(crate) fn last_assertion(&self) -> (Value, Value) {
        let request = self.last(Route::Token);
        let jwt = request.field("client_assertion").unwrap();
        let mut parts = jwt.split('.').map(|part| {
            URL_SAFE_NO_PAD
                .decode(part)
                .ok()
                .and_then(|json| serde_json::from_slice(&json).ok())
                .unwrap_or_default()
        });
        (parts.next().unwrap(), parts.next().unwrap())
    }
}

/// Everything that an error says, with its causes.
pub(crate) fn said(error: &(dyn Error + 'static)) -> String {
    let mut lines = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        lines.push(error.to_string());
        next = error.source();
    }
    lines.join("\n")
}
