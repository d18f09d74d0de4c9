//! The authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636, RFC 8252): a person signs in in the browser of
//! this host.
//!
//! [`Attempt::start`] takes a place on loopback and makes the secrets of one sign-in; [`Attempt::url`] is what the
//! browser has to open; [`Attempt::finish`] waits for the answer, turns its code into tokens, verifies who signed in,
//! and tells the browser what came of it.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::loopback::{Answer, Expected, Loopback, ResponseMode, Watch};
use super::page::Page;
use super::person::PersonRequest;
use super::{TokenAnswer, exchange, unsendable};
use crate::authority::Discovery;
use crate::clock::Clock;
use crate::credential::{Client, microsoft_endpoint};
use crate::error::{GrantError, GrantErrorKind};
use crate::id_token::IdClaims;
use crate::secret::Secret;
use crate::signer::{Signed, Signer};
use crate::transport::{HttpRequest, Transport, endpoint};

pub use super::redirect::{BadRedirect, Redirect};

/// Whom a browser asks, and for what.
#[derive(Clone, Debug)]
pub struct BrowserRequest {
    person: PersonRequest,
    authorization: Url,
    prompt: Option<&'static str>,
    mode: ResponseMode,
    redirect: Redirect,
    /// The issuer's name, and whether it says so in every answer (RFC 9207). Microsoft does not.
    issuer: Option<(String, bool)>,
    /// Whether an ID token has to come.
    identifies: bool,
}

/// A person's sign-in that waits for the browser.
#[derive(Debug)]
pub struct Attempt {
    request: BrowserRequest,
    url: Url,
    redirect_uri: String,
    verifier: Secret,
    nonce: String,
    watch: Watch,
}

/// What a sign-in in the browser brought.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The tokens.
    pub answer: TokenAnswer,
    /// Who signed in, verified; `None` where the issuer is none of identities.
    pub claims: Option<IdClaims>,
}

impl BrowserRequest {
    /// A sign-in at a tenant of a Microsoft cloud (`organizations` for any), as Azure CLI makes it.
    ///
    /// # Errors
    /// `Unsendable` for claims that are no JSON object.
    pub fn microsoft(
        authority_host: &Url,
        tenant: &str,
        client: Client,
        scopes: &[String],
        capabilities: &[String],
        challenge: Option<&str>,
    ) -> Result<Self, GrantError> {
        let authorization = microsoft_endpoint(authority_host, tenant, "oauth2/v2.0/authorize")
            .map_err(|source| unsendable(authority_host, source))?;
        let person =
            PersonRequest::microsoft(authority_host, tenant, client, scopes, capabilities, challenge)?;
        Ok(Self {
            person,
            authorization,
            prompt: Some("select_account"),
            mode: ResponseMode::FormPost,
            // The registration of Azure CLI's client says localhost, with any port.
            redirect: Redirect::localhost(),
            issuer: None,
            identifies: true,
        })
    }

    /// A sign-in at an issuer; `None` where it offers none to browsers, or none with a PKCE challenge that hides its
    /// verifier. `openid` and `offline_access` are added to the scopes, where the issuer offers them or does not say
    /// what it offers.
    pub fn issuer(
        discovery: &Discovery,
        client: Client,
        scopes: &[String],
        redirect: Redirect,
    ) -> Option<Self> {
        let authorization = discovery.authorization_endpoint.clone()?;
        let lists = |list: &Option<Vec<String>>, wanted: &str| {
            list.as_ref().map(|list| list.iter().any(|item| item == wanted))
        };
        if lists(&discovery.code_challenge_methods_supported, "S256") == Some(false) {
            return None;
        }
        let person = PersonRequest::issuer(discovery, client, scopes);
        let asks = |scope: &str| person.scopes.iter().any(|asked| asked == scope);
        let (offline, openid) = (asks("offline_access"), asks("openid"));
        let form_post = lists(&discovery.response_modes_supported, "form_post") == Some(true);
        Some(Self {
            person,
            authorization,
            identifies: discovery.jwks_uri.is_some() && openid,
            // Without it an issuer may, and some do, leave the refresh token out (OpenID Connect Core §11).
            prompt: offline.then_some("consent"),
            mode: if form_post { ResponseMode::FormPost } else { ResponseMode::Query },
            redirect,
            issuer: Some((
                discovery.issuer.clone(),
                discovery.authorization_response_iss_parameter_supported,
            )),
        })
    }

    /// Where the browser goes, for people: without what belongs to one sign-in.
    pub fn authorization_endpoint(&self) -> &Url {
        &self.authorization
    }
}

impl Attempt {
    /// Takes a place on loopback, and makes what belongs to this sign-in alone.
    ///
    /// # Errors
    /// Where no port can be taken on loopback.
    pub async fn start(request: BrowserRequest) -> io::Result<Self> {
        let loopback = Loopback::bind(request.redirect.port).await?;
        let redirect_uri = request.redirect.uri(&loopback);
        let verifier = Secret::new(random_text());
        let (state, nonce) = (Secret::new(random_text()), random_text());
        let url = request.url(&redirect_uri, &state, &nonce, &challenge(&verifier));
        let path = if request.redirect.path.is_empty() { "/" } else { &request.redirect.path };
        let expected = Expected { path: path.to_owned(), mode: request.mode, state };
        let watch = loopback.watch(expected);
        Ok(Self { request, url, redirect_uri, verifier, nonce, watch })
    }

    /// What the browser has to open. Whoever sees it can disturb this sign-in, but not take it over: the code that it
    /// leads to is worth nothing without the verifier, which stays here.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Waits for the answer, for `within` at most, and makes tokens of it. The browser is told how it went.
    ///
    /// # Errors
    /// `Refused` where the person or the issuer said no; `TimedOut` where nobody answered; `Untrusted` for an answer
    /// or an ID token that is not what it should be; else what [`exchange`] says.
    pub async fn finish(
        mut self,
        transport: &dyn Transport,
        signer: Option<&Signer>,
        clock: &dyn Clock,
        within: Duration,
    ) -> Result<Identified, GrantError> {
        let brought = self.wait(clock, within).await?;
        let outcome = self.redeem(&brought, transport, signer, clock).await;
        let page = match &outcome {
            Ok(identified) => Page::signed_in(
                identified.claims.as_ref().and_then(IdClaims::name),
                self.request.authorization.host_str().unwrap_or_default(),
            ),
            Err(error) => Page::failed(&in_one(error)),
        };
        brought.show(page).await;
        outcome
    }

    async fn wait(&mut self, clock: &dyn Clock, within: Duration) -> Result<Answer, GrantError> {
        let deadline = clock.uptime().saturating_add(within);
        loop {
            let left = deadline.saturating_sub(clock.uptime());
            if left.is_zero() {
                return Err(
                    self.failed(GrantErrorKind::TimedOut, "nobody finished the sign-in in the browser")
                );
            }
            // The timer does not count while the machine sleeps, so the clock is looked at again every so often.
            if let Ok(answer) = tokio::time::timeout(left.min(CLOCK_CHECK), self.watch.answer()).await {
                return answer
                    .ok_or_else(|| self.failed(GrantErrorKind::Interrupted, "nobody listens any more"));
            }
        }
    }

    async fn redeem(
        &self,
        brought: &Answer,
        transport: &dyn Transport,
        signer: Option<&Signer>,
        clock: &dyn Clock,
    ) -> Result<Identified, GrantError> {
        let request = &self.request;
        // First of all: a code of somebody else's must not even be sent to ours (RFC 9207 §2.4).
        match (&request.issuer, &brought.issuer) {
            (Some((issuer, _)), Some(named)) if issuer != named => {
                return Err(self
                    .failed(GrantErrorKind::Untrusted, "the answer in the browser is from another issuer"));
            }
            (Some((_, true)), None) => {
                return Err(self.failed(
                    GrantErrorKind::Untrusted,
                    "the answer in the browser does not say from which issuer it is",
                ));
            }
            _ => {}
        }
        let code = match &brought.outcome {
            Ok(code) => code,
            Err(refusal) => {
                let kind = GrantErrorKind::Refused(refusal.clone());
                return Err(GrantError::new(kind, endpoint(&request.authorization)));
            }
        };
        let form = self.form(code)?;
        let answer = exchange(
            transport,
            form,
            &request.person.scopes,
            request.person.challenge,
            clock,
            CONNECT,
            ANSWER,
        )
        .await?;
        // An issuer of no identities says nothing that could be believed.
        let signer = signer.filter(|_| request.identifies || answer.id_token.is_some());
        let claims = match signer {
            Some(signer) => {
                let wanted = Signed {
                    client_id: &request.person.client.id,
                    nonce: request.identifies.then_some(&*self.nonce),
                };
                Some(signer.verify(transport, &answer, wanted, clock, CONNECT, ANSWER).await?)
            }
            None => None,
        };
        Ok(Identified { answer, claims })
    }

    /// The request that turns the code into tokens (RFC 6749 §4.1.3, RFC 7636 §4.5).
    fn form(&self, code: &Secret) -> Result<HttpRequest, GrantError> {
        let BrowserRequest { person, authorization, .. } = &self.request;
        let url =
            person.endpoints.token_endpoint(None).map_err(|source| unsendable(authorization, source))?;
        let form = person
            .form(url)
            .field("grant_type", "authorization_code")
            .secret("code", code.clone())
            .field("redirect_uri", &self.redirect_uri)
            .secret("code_verifier", self.verifier.clone());
        Ok(match person.endpoints.is_microsoft() {
            true => form.field("scope", &person.scope).field("client_info", "1"),
            false => form,
        })
    }

    fn failed(&self, kind: GrantErrorKind, why: &'static str) -> GrantError {
        GrantError::new(kind, endpoint(&self.request.authorization)).because(why)
    }
}

impl BrowserRequest {
    /// The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2.1).
    fn url(&self, redirect_uri: &str, state: &Secret, nonce: &str, code_challenge: &str) -> Url {
        let mut url = self.authorization.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("client_id", &self.person.client.id)
                .append_pair("response_type", "code")
                .append_pair("redirect_uri", redirect_uri);
            if !self.person.scope.is_empty() {
                query.append_pair("scope", &self.person.scope);
            }
            query.append_pair("state", state.expose());
            if self.mode == ResponseMode::FormPost {
                query.append_pair("response_mode", "form_post");
            }
            query.append_pair("code_challenge", code_challenge).append_pair("code_challenge_method", "S256");
            if self.identifies {
                query.append_pair("nonce", nonce);
            }
            if self.person.endpoints.is_microsoft() {
                query.append_pair("client_info", "1");
            }
            let optional = [("claims", self.person.claims.as_deref()), ("prompt", self.prompt)];
            for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                query.append_pair(name, value);
            }
        }
        url
    }
}

/// How often the wait for the browser looks at the clock.
const CLOCK_CHECK: Duration = Duration::from_millis(250);

/// How long connecting to the issuer may take, and an answer of its own: the browser shows nothing meanwhile.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(15);

/// 256 random bits, in letters that need no encoding: a verifier of 43 of them (RFC 7636 §4.1).
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()))
}

/// An error with everything behind it, for the page.
fn in_one(error: &GrantError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
