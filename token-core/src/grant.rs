//! What is asked of a token endpoint, and how its answers are read. One file a grant stands beside this one.

pub mod assertion_source;
#[cfg(feature = "http")]
pub mod authorization_code;
pub mod client_assertion;
pub mod client_credentials;
pub mod device_code;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "http")]
mod loopback;
pub mod managed_identity;
#[cfg(feature = "http")]
mod page;
mod person;
#[cfg(feature = "http")]
mod punctual;
#[cfg(feature = "http")]
mod redirect;
pub mod refresh_token;
pub mod revocation;

pub(crate) mod answer;

use std::time::Duration;

use serde_json::{Map, Value, json};
use url::Url;

use crate::clock::Clock;
use crate::credential::{Client, ClientAuthentication, Credential, Grant};
use crate::error::{BrokerError, GrantError, GrantErrorKind};
use crate::id_token::{ClientInfo, IdClaims};
use crate::request::{IDENTITY_SCOPES, TokenRequest};
use crate::secret::Secret;
use crate::surroundings::Surroundings;
use crate::token::{AccessToken, Fingerprint, RefreshToken};
use crate::transport::{Authorization, HttpRequest, Transport, endpoint, send_within};
use crate::wait::Deadline;

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: AccessToken,
    /// A new refresh token, where there is one; else the old one stays good (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// Who signed in (OpenID Connect).
    pub id_token: Option<Secret>,
    /// Microsoft's naming of the account.
    pub client_info: Option<Secret>,
}

impl TokenAnswer {
    /// The names in the ID token.
    pub fn id_claims(&self) -> Option<IdClaims> {
        self.id_token.as_ref().and_then(IdClaims::read)
    }

    /// The account's home, at Microsoft.
    pub fn home(&self) -> Option<ClientInfo> {
        self.client_info.as_ref().and_then(ClientInfo::read)
    }
}

/// What asking for a token takes besides a credential.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// The way to the issuer, and to whoever vouches for the client.
    pub transport: &'a dyn Transport,
    /// What the host provides.
    pub surroundings: &'a Surroundings,
    /// The time.
    pub clock: &'a dyn Clock,
    /// How long name lookup, connection and TLS of a request may take together.
    pub connect_timeout: Duration,
}

/// What a credential asks for, but for the client's proof, which is made when it is sent.
#[derive(Clone, Debug)]
pub enum Asking {
    /// A token endpoint.
    Issuer(HttpRequest),
    /// The host that we run on.
    Host(managed_identity::Wanted),
}

/// What a credential asks to answer a token request. Nothing is sent yet.
///
/// # Errors
/// As [`request`], and `Grant` (`Unsendable`) for what a managed identity cannot be asked.
pub fn asking(credential: &Credential, request: &TokenRequest) -> Result<Asking, BrokerError> {
    match credential.state.grant() {
        Some(Grant::ManagedIdentity(identity)) => {
            managed_identity::Wanted::of(credential, identity, request).map(Asking::Host)
        }
        _ => self::request(credential, request).map(Asking::Issuer),
    }
}

/// Asks, and proves the client by whatever its credential has for that.
///
/// An assertion that has expired is fetched anew, once. A refusal of one that somebody else made says what it says.
pub async fn obtain(
    means: &Means<'_>,
    credential: &Credential,
    asking: &Asking,
    request: &TokenRequest,
    within: Duration,
) -> Result<TokenAnswer, GrantError> {
    let deadline = Deadline::after(means.clock, within);
    let asked = asked(credential, request);
    let form = match asking {
        Asking::Issuer(form) => form,
        Asking::Host(wanted) => {
            return managed_identity::ask(means, credential, wanted, &asked, deadline).await;
        }
    };
    let claims = request.claims_fingerprint();
    let send = async |form: HttpRequest| {
        let left = deadline.left(means.clock);
        exchange(means.transport, form, &asked, claims, means.clock, means.connect_timeout.min(left), left)
            .await
    };
    let prove = async || client_assertion::proof(means, credential, &form.url, deadline).await;
    let Some(proof) = prove().await? else {
        return send(form.clone()).await;
    };
    let error = match send(proof.added_to(form.clone())).await {
        Err(error) if proof.is_worth_renewing(&error) => error,
        answered => return answered.map_err(|error| proof.explained(error)),
    };
    match prove().await? {
        Some(anew) if anew.differs_from(&proof) => {
            send(anew.added_to(form.clone())).await.map_err(|error| anew.explained(error))
        }
        _ => Err(proof.explained(error)),
    }
}

/// The request that a credential makes to answer a token request, but for an assertion that proves the client.
///
/// # Errors
/// `NotGranted` where it asks for a scope that a refresh may not ask for, `SignedOut` for a credential that holds
/// nothing to spend, and `Grant` (`Unsendable`) for claims that are no JSON object.
pub fn request(credential: &Credential, request: &TokenRequest) -> Result<HttpRequest, BrokerError> {
    match credential.state.grant() {
        Some(Grant::RefreshToken(register)) => {
            refresh_token::request(credential, &register.refresh_token, request)
        }
        Some(Grant::ClientCredentials) => client_credentials::request(credential, request),
        Some(Grant::ManagedIdentity(_)) => token_endpoint_of_host(credential),
        None => Err(BrokerError::SignedOut { account: credential.account.clone() }),
    }
}

/// A managed identity is not asked for at a token endpoint.
fn token_endpoint_of_host(credential: &Credential) -> Result<HttpRequest, BrokerError> {
    let source = GrantError::new(GrantErrorKind::Unsendable, credential.endpoints.authority());
    Err(BrokerError::Grant { account: credential.account.clone(), source })
}

/// The scopes that a token request stands for: its own, or where it names none those granted at sign-in. They are
/// the token's where the answer names none (RFC 6749 §5.1).
pub fn asked(credential: &Credential, request: &TokenRequest) -> Vec<String> {
    let scopes = if request.scopes.is_empty() { &credential.scopes } else { &request.scopes };
    scopes.clone()
}

/// Sends a request to a token endpoint and reads the answer.
///
/// `asked` are the scopes asked for and `claims` the claims, both for the token's record. Name lookup, connection and
/// TLS may take `connect_timeout`, everything together `within`.
pub async fn exchange(
    transport: &dyn Transport,
    request: HttpRequest,
    asked: &[String],
    claims: Option<Fingerprint>,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<TokenAnswer, GrantError> {
    let said = request.clone();
    let response = send_within(transport, request, clock, connect_timeout, within).await?;
    answer::token(response, &said, asked, claims, clock.posix())
}

/// `request` with the client's name and proof, in the body or in the header and never in both (RFC 6749 §2.3.1).
pub(crate) fn authenticated(request: HttpRequest, client: &Client) -> HttpRequest {
    match &client.authentication {
        // An assertion is made for each request when it is sent.
        ClientAuthentication::None
        | ClientAuthentication::Certificate(_)
        | ClientAuthentication::Assertion(_) => request.field("client_id", &client.id),
        ClientAuthentication::Post(secret) => {
            request.field("client_id", &client.id).secret("client_secret", secret.clone())
        }
        ClientAuthentication::Basic(secret) => HttpRequest {
            authorization: Some(Authorization::Basic { id: client.id.clone(), secret: secret.clone() }),
            ..request
        },
    }
}

/// What goes with every request to Microsoft: a name for this request, by which their support finds it, and the
/// promise to heed `Retry-After`, without which throttling comes as other errors.
pub(crate) fn microsoft(request: HttpRequest) -> HttpRequest {
    request.header("client-request-id", request_id()).header("x-ms-lib-capability", "retry-after, h429")
}

/// The scopes of a person's request at Microsoft: those of identity are added, and they are sorted, as MSAL does.
pub(crate) fn microsoft_scopes<'a>(scopes: impl IntoIterator<Item = &'a str>) -> String {
    let mut scopes: Vec<&str> = scopes.into_iter().chain(IDENTITY_SCOPES).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.join(" ")
}

/// The `claims` parameter: a claims challenge with the client's capabilities in it, as MSAL merges them.
pub(crate) fn claims(challenge: Option<&str>, capabilities: &[String]) -> Result<Option<String>, BadClaims> {
    if !capabilities.iter().any(|capability| capability.eq_ignore_ascii_case("cp1")) {
        return challenge.map(|challenge| object(challenge).map(|_| challenge.to_owned())).transpose();
    }
    let mut claims = challenge.map_or_else(|| Ok(Map::new()), object)?;
    let access_token = claims.entry("access_token").or_insert_with(|| Value::Object(Map::new()));
    // A challenge may say null, which asks for the claim without a value (OpenID Connect Core §5.5.1).
    if access_token.is_null() {
        *access_token = Value::Object(Map::new());
    }
    let members = access_token.as_object_mut().ok_or(BadClaims)?;
    members.insert("xms_cc".to_owned(), json!({ "values": ["CP1"] }));
    Ok(Some(Value::Object(claims).to_string()))
}

/// A claims challenge that is no JSON object.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the claims challenge is not a JSON object of claims")]
pub(crate) struct BadClaims;

/// The failure of a request to `url` that could not be made.
pub(crate) fn unsendable(
    url: &Url,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> GrantError {
    GrantError::new(GrantErrorKind::Unsendable, endpoint(url)).because(source)
}

fn object(claims: &str) -> Result<Map<String, Value>, BadClaims> {
    match serde_json::from_str(claims) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(BadClaims),
    }
}

/// A random UUID (RFC 9562 §5.4).
pub(crate) fn request_id() -> String {
    let mut bytes = rand::random::<[u8; 16]>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = crate::key::hex(&bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
