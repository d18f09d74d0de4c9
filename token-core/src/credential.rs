//! What gets new access tokens for a sign-in, and the state it is in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::key::SignInId;
use crate::oauth_error::OAuthError;
use crate::secret::{Secret, exposed};
use crate::token::{Fingerprint, RefreshToken};

/// A sign-in's credential. It is sealed for refreshers only, and sent to its own endpoints and nowhere else.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Credential {
    /// The sign-in it belongs to.
    pub sign_in: SignInId,
    /// Whose it is, for messages.
    pub account: String,
    /// Where it may be sent.
    pub endpoints: Endpoints,
    /// As whom we ask.
    pub client: Client,
    /// The scopes granted at sign-in; a refresh outside Microsoft asks for no other (RFC 6749 §6).
    pub scopes: Vec<String>,
    /// What it is good for now.
    pub state: State,
    /// The last time it brought a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_refresh: Option<LastRefresh>,
}

/// Where a credential may be sent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoints {
    /// The Microsoft identity platform: endpoints are computed from the host and the tenant of a request.
    Microsoft {
        /// Such as `https://login.microsoftonline.com/`.
        authority_host: Url,
        /// The tenant that is asked where a request names none.
        tenant: String,
    },
    /// An issuer whose endpoints were discovered at sign-in.
    Issuer {
        /// The issuer, exactly as it names itself (RFC 8414 §3.3).
        issuer: String,
        /// The token endpoint.
        token: Url,
        /// The revocation endpoint (RFC 7009), where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revocation: Option<Url>,
    },
}

/// The client a token is asked for as.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Client {
    /// The client id.
    pub id: String,
    /// How it proves itself.
    pub authentication: ClientAuthentication,
}

/// How a client proves itself at the token endpoint (RFC 6749 §2.3).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// A public client: by nothing.
    None,
    /// A secret in the body (`client_secret_post`).
    Post(#[serde(with = "exposed")] Secret),
    /// A secret in the header (`client_secret_basic`).
    Basic(#[serde(with = "exposed")] Secret),
}

/// What a credential spends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A refresh token, which may be a new one after every use.
    RefreshToken(Register),
    /// The client's own authentication (RFC 6749 §4.4), which no use changes.
    ClientCredentials,
}

/// The one refresh token of a sign-in: a register, not a cache entry.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Register {
    /// The token that is to be spent next.
    pub refresh_token: RefreshToken,
    /// The token it was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Fingerprint>,
    /// When the request that brought it was sent, by the store's clock, since the POSIX epoch: of two successors of
    /// one parent the later is kept.
    pub sent_at: Duration,
}

/// What a credential is good for. Every change is a swap; `broker.rs` makes them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody is at it.
    Idle(Grant),
    /// Somebody is spending it, or was when something ended them.
    Spending(Grant, Note),
    /// The issuer refused it for good.
    SignInNeeded {
        /// Kept, for a rescue may still bring its successor home.
        grant: Grant,
        /// What the issuer said.
        refusal: OAuthError,
        /// The unsettled refresh before the refusal, if there was one.
        interrupted: Option<Box<Note>>,
    },
    /// The account was signed out.
    Ended,
    /// A new sign-in of the same account took over.
    Replaced,
    /// It is on its way to another cache, which is named for people, and nobody spends it.
    Moving(Grant, String),
}

/// Left in a credential before its refresh token is sent: who was at it, if nobody ever says how it went.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Note {
    /// The flight that wrote it.
    pub flight: String,
    /// The process, for people: `user, process 4711`.
    pub who: String,
    /// The host: the random id of its rescue directory.
    pub host: String,
    /// The host's name, for people.
    pub host_name: String,
    /// When, by the store's clock, since the POSIX epoch.
    pub at: Duration,
    /// An earlier note that nobody had settled when this one replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Box<Self>>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.who, self.host_name)
    }
}

/// Who refreshed last, and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LastRefresh {
    /// POSIX seconds, by the store's clock.
    pub at: i64,
    /// As in [`Note::who`], with the host.
    pub by: String,
}

impl Credential {
    /// Whether two holders would end it for each other, for a spent refresh token ends the sign-in. Microsoft lets
    /// one live, and a client's own secret does not change.
    pub fn rotates(&self) -> bool {
        self.state.register().is_some() && !self.endpoints.is_microsoft()
    }

    /// What stands for the secret that this credential spends: a refusal of one does not concern another.
    pub(crate) fn spends(&self) -> Fingerprint {
        match (self.state.register(), &self.client.authentication) {
            (Some(register), _) => register.refresh_token.fingerprint(),
            (None, ClientAuthentication::Post(secret) | ClientAuthentication::Basic(secret)) => {
                Fingerprint::of(secret.expose())
            }
            (None, ClientAuthentication::None) => Fingerprint::of(&self.client.id),
        }
    }
}

impl State {
    /// What could still be spent, or holds the place of what was.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Idle(grant)
            | Self::Spending(grant, _)
            | Self::SignInNeeded { grant, .. }
            | Self::Moving(grant, _) => Some(grant),
            Self::Ended | Self::Replaced => None,
        }
    }

    /// The register, where there is a refresh token.
    pub fn register(&self) -> Option<&Register> {
        match self.grant()? {
            Grant::RefreshToken(register) => Some(register),
            Grant::ClientCredentials => None,
        }
    }
}

impl Endpoints {
    /// Whether the rules of the Microsoft identity platform apply.
    pub fn is_microsoft(&self) -> bool {
        matches!(self, Self::Microsoft { .. })
    }

    /// What the issuer is called in a message, and what its throttling is kept by: its host or its own name.
    pub fn authority(&self) -> &str {
        match self {
            Self::Microsoft { authority_host, .. } => authority_host.as_str().trim_end_matches('/'),
            Self::Issuer { issuer, .. } => issuer,
        }
    }

    /// Where a token is asked for: Microsoft's endpoint of the tenant, or the issuer's only one.
    pub fn token_endpoint(&self, tenant: Option<&str>) -> Result<Url, url::ParseError> {
        match self {
            Self::Microsoft { authority_host, tenant: home } => {
                microsoft_endpoint(authority_host, tenant.unwrap_or(home), "oauth2/v2.0/token")
            }
            Self::Issuer { token, .. } => Ok(token.clone()),
        }
    }
}

/// `{authority_host}/{tenant}/{path}`, with the tenant as one path segment whatever is in it.
pub(crate) fn microsoft_endpoint(host: &Url, tenant: &str, path: &str) -> Result<Url, url::ParseError> {
    let mut url = host.clone();
    url.path_segments_mut()
        .map_err(|()| url::ParseError::RelativeUrlWithCannotBeABaseBase)?
        .pop_if_empty()
        .push(tenant)
        .extend(path.split('/'));
    Ok(url)
}
