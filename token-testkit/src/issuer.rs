//! The issuer as a test holds it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch};

use crate::{
    Authority, Counts, Decision, DeviceCodeState, Ended, Family, Fault, IssuedToken, Matching,
    RefreshTokenState, RunningIssuer, SeenRequest, Settings, Times, Transport,
    gate::Gate,
    listener,
    state::{Memory, State},
    tls::Tls,
};

/// How long a test waits for what it said would happen. Long enough for a machine under load, short enough to be read
/// about rather than cancelled.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running issuer. Clones are the same issuer; it ends with the last of them.
#[derive(Clone, Debug)]
pub struct Issuer {
    state: Arc<State>,
    listening: Arc<Listening>,
}

#[derive(Debug)]
struct Listening {
    address: IpAddr,
    port: u16,
    runtime: Handle,
    /// Anything sent, and the end of the sender, stops whoever listens.
    stop: watch::Sender<()>,
}

impl Issuer {
    /// Starts an issuer on loopback, in the runtime that this is called in.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn start(settings: Settings) -> Self {
        let (address, host) = match settings.host.as_str() {
            "::1" => (Ipv6Addr::LOCALHOST.into(), "[::1]".to_owned()),
            name => (Ipv4Addr::LOCALHOST.into(), name.to_owned()),
        };
        let listener = listener::bind(address, settings.port).expect("the issuer's port is free");
        let port = listener.local_addr().unwrap().port();
        let tls = Tls::new(settings.transport, &settings.host);
        let scheme = if settings.transport == Transport::Http { "http" } else { "https" };
        let state = Arc::new(State::new(format!("{scheme}://{host}:{port}"), tls, settings));
        let stop = watch::Sender::new(());
        tokio::spawn(listener::listen(listener, Arc::clone(&state), stop.subscribe()));
        Self { state, listening: Arc::new(Listening { address, port, runtime: Handle::current(), stop }) }
    }

    /// Starts an issuer with a runtime of its own, for tests that have none.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn spawn(settings: Settings) -> RunningIssuer {
        RunningIssuer::start(settings)
    }

    /// Scheme, host and port, without a slash at the end. It is the authority host and the resource manager of the
    /// Microsoft routes.
    pub fn base_url(&self) -> &str {
        &self.state.base
    }

    /// The issuer identifier of the OpenID Connect issuer.
    pub fn oidc_issuer(&self) -> String {
        self.state.oidc_issuer()
    }

    /// Where the control routes are, without a slash at the end.
    pub fn control_url(&self) -> String {
        self.state.control()
    }

    /// The issuer of the assertions of a provider that clients are federated with: `github`, `pipelines`, or any other.
    pub fn federation(&self, provider: &str) -> String {
        self.state.federation(provider)
    }

    /// An assertion of such a provider, which lives this long from now on.
    pub fn assertion(&self, provider: &str, subject: &str, audience: &str, lifetime: i64) -> String {
        self.state.assertion(provider, subject, audience, lifetime)
    }

    /// The certificate authority to trust, in PEM. Plain http has none.
    pub fn ca_pem(&self) -> Option<&str> {
        self.state.tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }

    /// Changes the settings.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        self.state.change(|memory| change(&mut memory.settings));
    }

    /// Whether every device code from now on is approved at its first poll.
    pub fn auto_approve(&self, yes: bool) {
        self.settings(|settings| settings.decision = yes.then_some(Decision::Approve));
    }

    /// Makes the next matching requests fail. Faults wait in the order they were made.
    pub fn fault(&self, on: impl Into<Matching>, fault: Fault, times: Times) {
        self.state.change(|memory| memory.faults.push(on.into(), fault, times));
    }

    /// Takes back every fault that still waits.
    pub fn clear_faults(&self) {
        self.state.change(|memory| memory.faults.clear());
    }

    /// Holds matching requests, once they have been read and counted, until they are let pass. Whatever an earlier gate
    /// held goes on.
    pub fn hold(&self, requests: impl Into<Matching>) {
        self.state.change(|memory| memory.gate = Some(Gate::new(requests.into())));
    }

    /// Lets this many held requests pass, now or when they come.
    pub fn let_pass(&self, requests: usize) {
        self.state.change(|memory| memory.gate.as_ref().inspect(|gate| gate.let_pass(requests)).is_some());
    }

    /// Takes the gate away.
    pub fn release(&self) {
        self.state.change(|memory| memory.gate = None);
    }

    /// Closes the socket and every connection, as though the issuer had gone. It keeps what it knows.
    pub fn close(&self) {
        self.listening.stop.send_replace(());
    }

    /// Opens the socket again, on the same port.
    ///
    /// # Panics
    /// When somebody took the port meanwhile.
    pub async fn open(&self) {
        self.close();
        // The old socket goes when its task notices, which may be a moment from now.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let listener = loop {
            let bound = {
                let _runtime = self.listening.runtime.enter();
                listener::bind(self.listening.address, self.listening.port)
            };
            match bound {
                Ok(listener) => break listener,
                Err(error) if tokio::time::Instant::now() > deadline => {
                    panic!("the port is not free: {error}")
                }
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let listen = listener::listen(listener, Arc::clone(&self.state), self.listening.stop.subscribe());
        self.listening.runtime.spawn(listen);
    }

    /// What was seen and done.
    pub fn counts(&self) -> Counts {
        self.state.read().counts.clone()
    }

    /// Counts from zero again, and forgets the requests seen.
    pub fn reset_counts(&self) {
        self.state.change(|memory| {
            memory.counts.reset();
            memory.requests.clear();
        });
    }

    /// The newest ten thousand requests, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.state.read().requests.iter().map(|request| SeenRequest::clone(request)).collect()
    }

    /// The requests among [`requests`](Self::requests) that match.
    pub fn requests_to(&self, which: impl Into<Matching>) -> Vec<SeenRequest> {
        let which = which.into();
        self.requests().into_iter().filter(|request| which.matches(request)).collect()
    }

    /// Waits until the counts are as wanted.
    ///
    /// # Panics
    /// After a minute, with what the counts are instead.
    pub async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        self.patiently(|memory| wanted(&memory.counts).then(|| memory.counts.clone())).await
    }

    /// Waits until this many token requests have arrived.
    ///
    /// # Panics
    /// After a minute.
    pub async fn until_token_requests(&self, requests: u64) -> Counts {
        self.until(|counts| counts.requests(crate::Route::Token) >= requests).await
    }

    /// Waits for a device code that nobody decided about, and gives its user code.
    ///
    /// # Panics
    /// After a minute.
    pub async fn until_user_code(&self) -> String {
        self.patiently(|memory| {
            let waiting = |code: &DeviceCodeState| code.decision.is_none() && !code.redeemed;
            memory.device_codes.states().into_iter().find(waiting).map(|code| code.user_code)
        })
        .await
    }

    async fn patiently<T>(&self, answer: impl Fn(&Memory) -> Option<T>) -> T {
        match tokio::time::timeout(PATIENCE, self.state.until(answer)).await {
            Ok(answer) => answer,
            Err(_) => panic!("waited a minute in vain: {:#?}", self.counts()),
        }
    }

    /// Approves a user code, as the first user. False where no such code waits.
    pub fn approve(&self, user_code: &str) -> bool {
        self.decide(user_code, Decision::Approve, None)
    }

    /// Approves a user code as a user of that name. False where no such code waits.
    pub fn approve_as(&self, user_code: &str, user: &str) -> bool {
        self.decide(user_code, Decision::Approve, Some(user))
    }

    /// Declines a user code. False where no such code waits.
    pub fn decline(&self, user_code: &str) -> bool {
        self.decide(user_code, Decision::Decline, None)
    }

    /// Ends the time of a user code. False where no such code waits.
    pub fn expire(&self, user_code: &str) -> bool {
        self.decide(user_code, Decision::Expire, None)
    }

    fn decide(&self, user_code: &str, decision: Decision, user: Option<&str>) -> bool {
        self.state.change(|memory| memory.device_codes.decide(user_code, decision, user))
    }

    /// Every device code ever made.
    pub fn device_codes(&self) -> Vec<DeviceCodeState> {
        self.state.read().device_codes.states()
    }

    /// Signs a user in without the device flow; gives the refresh token.
    ///
    /// # Panics
    /// When the world has no such user.
    pub fn sign_in(&self, authority: Authority, user: &str, client_id: &str, scopes: &[&str]) -> String {
        self.state.change(|memory| {
            let subject = memory.settings.world.subject(Some(user)).expect("the user is in the world");
            let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
            memory.families.sign_in(authority, subject, client_id, scopes, &mut memory.counts).1
        })
    }

    /// Every sign-in, oldest first.
    pub fn families(&self) -> Vec<Family> {
        self.state.read().families.all()
    }

    /// Whether the account has a sign-in that lives.
    pub fn is_alive(&self, account: &str) -> bool {
        self.families().iter().any(|family| family.account == account && family.is_alive())
    }

    /// The sign-in that a refresh token belongs to.
    pub fn family_of(&self, refresh_token: &str) -> Option<Family> {
        self.state.read().families.of(refresh_token).cloned()
    }

    /// What a refresh token is worth.
    pub fn refresh_token(&self, refresh_token: &str) -> RefreshTokenState {
        self.state.read().families.state(refresh_token)
    }

    /// Ends every sign-in of an account, as though its time were over.
    pub fn end_sign_ins(&self, account: &str) {
        self.state.change(|memory| memory.end_sign_ins(account));
    }

    /// What an access token is good for; `None` for one that was never issued or was revoked.
    pub fn access_token(&self, access_token: &str) -> Option<IssuedToken> {
        self.state.read().access_tokens.get(access_token).cloned()
    }
}

impl Memory {
    pub(crate) fn end_sign_ins(&mut self, account: &str) {
        for family in self.families.all() {
            if family.account == account {
                self.families.end(family.id, Ended::Expired);
            }
        }
    }
}
