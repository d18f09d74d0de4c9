//! Whose ID tokens are believed, and under which conditions (OpenID Connect Core §3.1.3.7).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::authority::{Discovery, is_guid, require_https};
use crate::clock::Clock;
use crate::credential::microsoft_endpoint;
use crate::error::{GrantError, GrantErrorKind};
use crate::grant::{TokenAnswer, answer, unsendable};
use crate::id_token::IdClaims;
use crate::jwks::{BadSignature, Jwks, Jws};
use crate::token::Fingerprint;
use crate::transport::{HttpRequest, HttpResponse, Transport, endpoint, send_within};

/// Who signs the ID tokens of a sign-in, and where its keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signer {
    /// The issuer; Microsoft's may hold the place of the tenant's id.
    issuer: String,
    jwks_uri: Url,
    microsoft: bool,
}

/// For whom an ID token has to be.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The client that asked for it.
    pub client_id: &'a str,
    /// What it was asked for with, in a browser.
    pub nonce: Option<&'a str>,
}

impl Signer {
    /// An OpenID Connect issuer; `None` where it names no keys, and so cannot sign anything.
    pub fn issuer(discovery: &Discovery) -> Option<Self> {
        let jwks_uri = discovery.jwks_uri.clone()?;
        Some(Self { issuer: discovery.issuer.clone(), jwks_uri, microsoft: false })
    }

    /// The Microsoft identity platform, for a tenant or for `organizations`. Its issuer is not computed: in some
    /// clouds it has another host than the one that is asked.
    pub async fn microsoft(
        transport: &dyn Transport,
        authority_host: &Url,
        tenant: &str,
        clock: &dyn Clock,
        connect_timeout: Duration,
        within: Duration,
    ) -> Result<Self, GrantError> {
        let url = microsoft_endpoint(authority_host, tenant, "v2.0/.well-known/openid-configuration")
            .map_err(|source| unsendable(authority_host, source))?;
        let request = HttpRequest::get(url);
        let response = fetch(transport, &request, clock, connect_timeout, within).await?;
        let document: Document = serde_json::from_slice(&response.body)
            .map_err(|_| answer::unintelligible(&response, &request, "it names no issuer, or no keys"))?;
        require_https(&document.jwks_uri).map_err(|source| unsendable(&document.jwks_uri, source))?;
        Ok(Self { issuer: document.issuer, jwks_uri: document.jwks_uri, microsoft: true })
    }

    /// The names in the ID token of an answer, once everything about it is verified: its signature by one of the
    /// issuer's keys, whom it is from and for, its time, and that it belongs to this sign-in and this access token.
    /// The keys are fetched, and once more where the one that signed is not among them: it may be new.
    ///
    /// # Errors
    /// `Untrusted`, with what is wrong as its source; else what [`send_within`] says.
    pub async fn verify(
        &self,
        transport: &dyn Transport,
        answer: &TokenAnswer,
        wanted: Signed<'_>,
        clock: &dyn Clock,
        connect_timeout: Duration,
        within: Duration,
    ) -> Result<IdClaims, GrantError> {
        let untrusted = |source: BadIdToken| {
            GrantError::new(GrantErrorKind::Untrusted, endpoint(&self.jwks_uri)).because(source)
        };
        let id_token = answer.id_token.as_ref().ok_or_else(|| untrusted(BadIdToken::Missing))?;
        let read = || Jws::read(id_token.expose()).map_err(|source| untrusted(source.into()));
        let jws = read()?;
        let algorithm = jws.algorithm;
        // Which issuer is meant is in the token; whether that is so is told by the signature.
        let issuer = self.issuer_of(&jws).map_err(untrusted)?;
        let deadline = clock.uptime().saturating_add(within);
        let keys = self.keys(transport, clock, connect_timeout, within).await?;
        let claims = match keys.verified(jws, &self.issuer) {
            Err(BadSignature::UnknownKey(_)) => {
                let left = deadline.saturating_sub(clock.uptime());
                let keys = self.keys(transport, clock, connect_timeout, left).await?;
                keys.verified(read()?, &self.issuer)
            }
            verified => verified,
        }
        .map_err(|source| untrusted(source.into()))?;
        let access_token = &answer.access_token;
        judge(&claims, &issuer, wanted, access_token.received_at).map_err(untrusted)?;
        if let Some(hash) = claims.get("at_hash")
            && hash.as_str() != Some(&algorithm.half_hash(access_token.secret.expose()))
        {
            return Err(untrusted(BadIdToken::AccessToken));
        }
        Ok(IdClaims::of(&claims))
    }

    /// The issuer that a token has to name: for Microsoft's template, with the tenant that the token names.
    fn issuer_of(&self, jws: &Jws<'_>) -> Result<String, BadIdToken> {
        if !self.microsoft || !self.issuer.contains(TENANT) {
            return Ok(self.issuer.clone());
        }
        let tenant = jws.unverified("tid").filter(|tenant| is_guid(tenant)).ok_or(BadIdToken::Tenant)?;
        Ok(self.issuer.replace(TENANT, tenant))
    }

    async fn keys(
        &self,
        transport: &dyn Transport,
        clock: &dyn Clock,
        connect_timeout: Duration,
        within: Duration,
    ) -> Result<Jwks, GrantError> {
        let request = HttpRequest::get(self.jwks_uri.clone());
        let response = fetch(transport, &request, clock, connect_timeout, within).await?;
        Jwks::read(&response.body)
            .ok_or_else(|| answer::unintelligible(&response, &request, "it is no set of keys"))
    }
}

/// The place of the tenant's id in the issuer of `organizations` and `common`.
const TENANT: &str = "{tenantid}";

/// By how many seconds the clocks of an issuer's own machines may differ.
const SKEW: i64 = 300;

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
}

/// Why an ID token is not believed.
#[derive(Debug, thiserror::Error)]
enum BadIdToken {
    #[error("it does not say who signed in")]
    Missing,
    #[error("the ID token is not believed")]
    Signature(#[from] BadSignature),
    #[error("the ID token is from {named:?}, and {asked:?} was asked")]
    Issuer { asked: String, named: String },
    #[error("the ID token names no tenant")]
    Tenant,
    #[error("the ID token is for another client")]
    Audience,
    #[error("the ID token has expired")]
    Expired,
    #[error("the ID token is not valid yet")]
    Early,
    #[error("the ID token does not belong to this sign-in: its nonce is another one")]
    Nonce,
    #[error("the ID token belongs to another access token")]
    AccessToken,
    #[error("the ID token names nobody")]
    Subject,
}

/// What claims have to say that are surely the issuer's. `now` is the time of the answer, by the issuer's clock where
/// ours is off.
fn judge(claims: &Map<String, Value>, issuer: &str, wanted: Signed<'_>, now: i64) -> Result<(), BadIdToken> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let named = text("iss").unwrap_or_default();
    if named != issuer {
        return Err(BadIdToken::Issuer { asked: issuer.to_owned(), named: named.to_owned() });
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    // One that is for others too has to say who may use it.
    let authorized = match text("azp") {
        Some(party) => party == wanted.client_id,
        None => audience.len() == 1,
    };
    if !authorized || !audience.contains(&wanted.client_id) {
        return Err(BadIdToken::Audience);
    }
    let time = |name: &str| answer::number(claims.get(name));
    if time("exp").is_none_or(|end| now >= end.saturating_add(SKEW)) {
        return Err(BadIdToken::Expired);
    }
    if ["nbf", "iat"].iter().filter_map(|name| time(name)).any(|start| start > now.saturating_add(SKEW)) {
        return Err(BadIdToken::Early);
    }
    // Compared by their hashes, whose first difference tells nothing about that of the texts.
    if wanted.nonce.is_some_and(|nonce| text("nonce").map(Fingerprint::of) != Some(Fingerprint::of(nonce))) {
        return Err(BadIdToken::Nonce);
    }
    if text("sub").is_none_or(str::is_empty) {
        return Err(BadIdToken::Subject);
    }
    Ok(())
}

async fn fetch(
    transport: &dyn Transport,
    request: &HttpRequest,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<HttpResponse, GrantError> {
    let response = send_within(transport, request.clone(), clock, connect_timeout, within).await?;
    match answer::failure(&response, request) {
        Some(failure) => Err(failure),
        None if response.status == 200 => Ok(response),
        None => Err(answer::unintelligible(&response, request, "it is neither keys nor a refusal")),
    }
}
