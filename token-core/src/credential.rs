//! What gets new access tokens for a sign-in, and the state it is in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::key::SignInId;
use crate::oauth_error::OAuthError;
use crate::secret::{Secret, exposed, exposed_if_any};
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
    /// The managed identity service of whichever host asks: found anew at every use, and nothing of ours is sent there.
    Host {
        /// The identity's tenant, as its first token named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
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
    /// An assertion that the client signs for every request (`private_key_jwt`; RFC 7523 §2.2).
    Certificate(ClientCertificate),
    /// An assertion that somebody else makes, whom the issuer trusts with the client (workload identity federation).
    Assertion(AssertionSource),
}

/// A client's certificate with its private key.
///
/// The file is read anew at every use where it is there, so that a renewed certificate counts at once. Elsewhere, as
/// on another host of a fleet, what it held at sign-in serves.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ClientCertificate {
    /// Where the file is.
    pub path: PathBuf,
    /// What it held at sign-in, in base64.
    #[serde(with = "exposed")]
    pub held: Secret,
    /// What opens it.
    #[serde(default, with = "exposed_if_any", skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// How an RSA key signs.
    #[serde(default)]
    pub padding: RsaPadding,
    /// Whether the certificate goes along with its chain, for an issuer that trusts its name and who signed it
    /// (subject name and issuer).
    #[serde(default)]
    pub sends_chain: bool,
}

/// How a signature with an RSA key is padded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RsaPadding {
    /// PSS (`PS256`), the stronger one.
    #[default]
    Pss,
    /// PKCS#1 v1.5 (`RS256`), for issuers that know no other.
    Pkcs1,
}

/// Where a client's assertions come from. Each is asked at every exchange, so a credential with one is good for
/// tokens only where its source is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssertionSource {
    /// The assertion itself. It ends after minutes, and the sign-in with it.
    Text(#[serde(with = "exposed")] Secret),
    /// A file that somebody keeps current, such as the token that Kubernetes projects into a pod.
    File(PathBuf),
    /// The job of GitHub Actions that runs us.
    GitHubActions {
        /// Whom the assertion is for.
        audience: String,
    },
    /// The job of Azure Pipelines that runs us.
    AzurePipelines {
        /// The id of the service connection that it speaks for.
        service_connection: String,
    },
}

/// Which of a host's managed identities is meant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagedIdentity {
    /// The host's own.
    SystemAssigned,
    /// The one with this client id.
    ClientId(String),
    /// The one with this object id.
    ObjectId(String),
    /// The one with this resource id.
    ResourceId(String),
}

/// What a credential spends.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A refresh token, which may be a new one after every use.
    RefreshToken(Register),
    /// The client's own authentication (RFC 6749 §4.4), which no use changes.
    ClientCredentials,
    /// What the host itself is.
    ManagedIdentity(ManagedIdentity),
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
    /// How many came before it in this sign-in: of two copies in two caches, whose clocks nobody compares, the one with
    /// more is ahead.
    #[serde(default)]
    pub rotations: u64,
}

impl Register {
    /// The first refresh token of a sign-in.
    pub fn first(refresh_token: RefreshToken, sent_at: Duration) -> Self {
        Self { refresh_token, parent: None, sent_at, rotations: 0 }
    }

    /// What this one was spent for, by a request of this moment.
    #[must_use]
    pub fn rotated(&self, refresh_token: RefreshToken, sent_at: Duration) -> Self {
        let parent = Some(self.refresh_token.fingerprint());
        Self { refresh_token, parent, sent_at, rotations: self.rotations + 1 }
    }
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
    /// It is on its way to another cache, which is named for people, and nobody spends it. It arrives in the state
    /// that it left in.
    Moving(Box<Self>, String),
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
        let spent = match (self.state.register(), &self.client.authentication) {
            (Some(register), _) => return register.refresh_token.fingerprint(),
            (None, ClientAuthentication::Post(secret) | ClientAuthentication::Basic(secret)) => {
                secret.expose()
            }
            (None, ClientAuthentication::Certificate(certificate)) => certificate.held.expose(),
            (None, ClientAuthentication::Assertion(AssertionSource::Text(text))) => text.expose(),
            (None, ClientAuthentication::Assertion(_) | ClientAuthentication::None) => &self.client.id,
        };
        Fingerprint::of(spent)
    }
}

impl State {
    /// What could still be spent, or holds the place of what was.
    pub fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Idle(grant) | Self::Spending(grant, _) | Self::SignInNeeded { grant, .. } => Some(grant),
            Self::Moving(left_in, _) => left_in.grant(),
            Self::Ended | Self::Replaced => None,
        }
    }

    /// The register, where there is a refresh token.
    pub fn register(&self) -> Option<&Register> {
        match self.grant()? {
            Grant::RefreshToken(register) => Some(register),
            Grant::ClientCredentials | Grant::ManagedIdentity(_) => None,
        }
    }
}

impl Endpoints {
    /// Whether the rules of the Microsoft identity platform apply.
    pub fn is_microsoft(&self) -> bool {
        matches!(self, Self::Microsoft { .. })
    }

    /// Whether tokens come from the host that asks.
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host { .. })
    }

    /// What the issuer is called in a message, and what its throttling is kept by: its host or its own name.
    pub fn authority(&self) -> &str {
        match self {
            Self::Microsoft { authority_host, .. } => authority_host.as_str().trim_end_matches('/'),
            Self::Issuer { issuer, .. } => issuer,
            Self::Host { .. } => "the managed identity service of this host",
        }
    }

    /// The tenant that is asked where a request names none.
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::Microsoft { tenant, .. } => Some(tenant),
            Self::Issuer { .. } => None,
            Self::Host { tenant } => tenant.as_deref(),
        }
    }

    /// Where a token is asked for: Microsoft's endpoint of the tenant, or the issuer's only one. A host's service is
    /// found by its surroundings and has no such place.
    pub fn token_endpoint(&self, tenant: Option<&str>) -> Result<Url, url::ParseError> {
        match self {
            Self::Microsoft { authority_host, tenant: home } => {
                microsoft_endpoint(authority_host, tenant.unwrap_or(home), "oauth2/v2.0/token")
            }
            Self::Issuer { token, .. } => Ok(token.clone()),
            Self::Host { .. } => Err(url::ParseError::EmptyHost),
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
