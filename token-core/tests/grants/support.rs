//! Credentials, and a transport that answers from a script.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use token_core::{
    Account, AccountKind, Client, ClientAuthentication, Clock, Credential, Endpoints, Grant, GrantError,
    GrantErrorKind, HttpRequest, HttpResponse, RefreshToken, Register, Secret, SignInId, State, TokenRequest,
    Transport,
};
use url::Url;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const CONNECT: Duration = Duration::from_secs(2);
pub(crate) const WITHIN: Duration = Duration::from_secs(8);
pub(crate) const ARM: &str = "https://management.core.windows.net//.default";

/// A person's refresh token.
pub(crate) fn person(endpoints: Endpoints, scopes: &[&str]) -> Credential {
    let register = Register::first(RefreshToken::new("rt-0/secret"), Duration::ZERO);
    credential(endpoints, ClientAuthentication::None, scopes, Grant::RefreshToken(register))
}

/// A client in its own name.
pub(crate) fn service(
    endpoints: Endpoints,
    authentication: ClientAuthentication,
    scopes: &[&str],
) -> Credential {
    credential(endpoints, authentication, scopes, Grant::ClientCredentials)
}

pub(crate) fn microsoft(host: &str) -> Endpoints {
    Endpoints::Microsoft { authority_host: Url::parse(host).unwrap(), tenant: "home".to_owned() }
}

pub(crate) fn issuer(host: &str) -> Endpoints {
    let url = |path| Url::parse(host).unwrap().join(path).unwrap();
    Endpoints::Issuer { issuer: host.to_owned(), token: url("/token"), revocation: Some(url("/revoke")) }
}

pub(crate) fn wanted(scopes: &[&str]) -> TokenRequest {
    let account = Account {
        name: "ada@example.com".to_owned(),
        kind: AccountKind::User,
        sign_in: SignInId::random(),
        authority: "AzureCloud".to_owned(),
        tenant: None,
        scopes: Vec::new(),
        signed_in_from: String::new(),
        signed_in_at: 0,
    };
    TokenRequest { scopes: texts(scopes), ..TokenRequest::new(&account) }
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

pub(crate) fn client(authentication: ClientAuthentication) -> Client {
    Client { id: "client-1".to_owned(), authentication }
}

pub(crate) fn secret() -> Secret {
    Secret::new("s3cr:t/+ %ü")
}

/// Everything that an error says, with its causes and in both forms.
pub(crate) fn everything_said(error: &(dyn Error + 'static)) -> String {
    let mut said = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        said = format!("{said}\n{error}");
        next = error.source();
    }
    said
}

/// Answers from a script, each after a time, and records what was asked and when.
pub(crate) struct Script {
    clock: Arc<dyn Clock>,
    lines: Mutex<VecDeque<(Duration, Result<HttpResponse, GrantErrorKind>)>>,
    pub(crate) asked: Mutex<Vec<(Duration, HttpRequest)>>,
}

impl Script {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, lines: Mutex::default(), asked: Mutex::default() }
    }

    pub(crate) fn answer(self, status: u16, body: &str) -> Self {
        self.line(Duration::ZERO, Ok(HttpResponse::new(status, body)))
    }

    pub(crate) fn fail(self, kind: GrantErrorKind) -> Self {
        self.line(Duration::ZERO, Err(kind))
    }

    pub(crate) fn line(self, after: Duration, line: Result<HttpResponse, GrantErrorKind>) -> Self {
        self.lines.lock().unwrap().push_back((after, line));
        self
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, request)| request.url.to_string()).collect()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|(_, request)| request.body().map_or_else(String::new, |body| body.to_string()))
            .collect()
    }

    /// Whole seconds at which requests came.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().map(|(at, _)| at.as_secs()).collect()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, request: HttpRequest, _: Duration) -> Result<HttpResponse, GrantError> {
        let url = request.url.clone();
        self.asked.lock().unwrap().push((self.clock.uptime(), request));
        let (after, line) = self.lines.lock().unwrap().pop_front().expect("the script has come to its end");
        tokio::time::sleep(after).await;
        line.map_err(|kind| GrantError::new(kind, url.origin().ascii_serialization()))
    }
}

fn credential(
    endpoints: Endpoints,
    authentication: ClientAuthentication,
    scopes: &[&str],
    grant: Grant,
) -> Credential {
    Credential {
        sign_in: SignInId::random(),
        account: "ada@example.com".to_owned(),
        endpoints,
        client: client(authentication),
        scopes: texts(scopes),
        state: State::Idle(grant),
        last_refresh: None,
    }
}
