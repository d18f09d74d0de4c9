//! What can fail: a cache, a grant, or the broker that uses both.
//!
//! A message says which operation failed on which thing and never repeats its cause, which is its `source`.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::credential::Note;
use crate::key::Key;
use crate::oauth_error::OAuthError;

/// An operation of a cache that failed.
#[derive(Clone, Debug)]
pub struct CacheError {
    kind: CacheErrorKind,
    operation: String,
    cache: String,
    // Shared, so that everybody who waited for one refresh can be told why it failed.
    source: Arc<dyn Error + Send + Sync>,
}

/// What a caller can do about a [`CacheError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CacheErrorKind {
    /// The store cannot be reached or did not answer; it may later.
    Unavailable,
    /// The store has no room left.
    Full,
    /// We may not: permissions, a read-only store, a refused password.
    Denied,
    /// Something is there that cannot be read. It stays until it is replaced.
    Corrupt,
    /// The place does not suit: a network file system, a directory open to others, a newer schema.
    Unsuitable,
}

impl CacheError {
    /// `operation` completes "could not …" ("load access-3f…"), and `cache` is the cache's `Display`.
    pub fn new(
        kind: CacheErrorKind,
        operation: impl Into<String>,
        cache: &impl fmt::Display,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, operation: operation.into(), cache: cache.to_string(), source: source.into().into() }
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> CacheErrorKind {
        self.kind
    }
}

impl From<&io::Error> for CacheErrorKind {
    /// What an error of the file system means for a cache that lives in it.
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied,
            io::ErrorKind::NotADirectory | io::ErrorKind::Unsupported => Self::Unsuitable,
            _ => Self::Unavailable,
        }
    }
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {} in {}", self.operation, self.cache)
    }
}

impl Error for CacheError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A request to an issuer that brought no token.
#[derive(Clone, Debug)]
pub struct GrantError {
    /// What happened to the request.
    pub kind: GrantErrorKind,
    /// The scheme, host and port that it was for.
    pub endpoint: String,
    /// The cause, where there is more to say.
    pub source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What happened to a request, and so whether a refresh token in it may have been spent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GrantErrorKind {
    /// There was no connection (refused, DNS, TLS): surely not spent.
    Unreachable,
    /// The issuer asked to wait (429, or 503 with `Retry-After`): surely not spent.
    Throttled {
        /// How long, at most an hour.
        retry_after: Duration,
    },
    /// The issuer said no, in an OAuth error answer: surely not spent.
    Refused(OAuthError),
    /// The connection ended before the whole answer was there: may be spent.
    Interrupted,
    /// There was an answer, but not one that OAuth knows: may be spent.
    Unintelligible {
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer in time: may be spent.
    TimedOut,
    /// There was an answer, and what it says of who signed in cannot be trusted.
    Untrusted,
    /// The request could not be made at all: a bad URL, an unusable TLS configuration. Nothing was sent.
    Unsendable,
    /// The connection stood too late for the request to begin. Nothing was spent.
    Late,
}

impl GrantError {
    /// What happened to a request for this endpoint.
    pub fn new(kind: GrantErrorKind, endpoint: impl Into<String>) -> Self {
        Self { kind, endpoint: endpoint.into(), source: None }
    }

    /// With its cause, which must show no secret and no URL's query.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into().into()), ..self }
    }

    /// Whether a refresh token in the request was surely left unspent.
    pub fn surely_not_spent(&self) -> bool {
        match self.kind {
            GrantErrorKind::Unreachable
            | GrantErrorKind::Throttled { .. }
            | GrantErrorKind::Refused(_)
            | GrantErrorKind::Unsendable
            | GrantErrorKind::Late => true,
            GrantErrorKind::Interrupted
            | GrantErrorKind::Unintelligible { .. }
            | GrantErrorKind::Untrusted
            | GrantErrorKind::TimedOut => false,
        }
    }
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = &self.endpoint;
        match &self.kind {
            GrantErrorKind::Unreachable => write!(f, "could not connect to {endpoint}"),
            GrantErrorKind::Throttled { retry_after } => {
                write!(f, "{endpoint} asked to wait {} seconds", retry_after.as_secs())
            }
            // The issuer's own words come first: programs match on the AADSTS code at the start.
            GrantErrorKind::Refused(error) => write!(f, "{error}"),
            GrantErrorKind::Interrupted => write!(f, "the connection to {endpoint} ended before its answer"),
            GrantErrorKind::Unintelligible { status } => {
                write!(f, "{endpoint} gave an answer of no use (status {status})")
            }
            GrantErrorKind::TimedOut => write!(f, "{endpoint} did not answer in time"),
            GrantErrorKind::Untrusted => write!(f, "the answer of {endpoint} cannot be trusted"),
            GrantErrorKind::Unsendable => write!(f, "could not make a request to {endpoint}"),
            GrantErrorKind::Late => write!(f, "the connection to {endpoint} stood too late"),
        }
    }
}

impl Error for GrantError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Why a sealed body could not be opened, or made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is sealed under a key that is not in our ring. It is never moved or overwritten.
    #[error("it is sealed under key {key_id}, which is not among the keys given")]
    MissingKey {
        /// The key's public id.
        key_id: String,
    },
    /// The ring holds the access key only, and this is for refreshers.
    #[error("it is sealed for refreshers, and only a reader's key was given")]
    ReadersKey,
    /// It was altered, moved from another entry, or is no envelope at all.
    #[error("it was damaged or does not belong here")]
    Damaged,
    /// It is stored in the clear, and a key was given: nothing falls back to plaintext.
    #[error("it is stored without encryption, although a key is configured")]
    Plaintext,
}

/// A token request that could not be answered.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A person has to sign in again.
    #[error("the sign-in of {account} has to be made again")]
    SignInNeeded {
        /// Whose.
        account: String,
        /// What the issuer said.
        #[source]
        refusal: OAuthError,
        /// The unsettled refresh before it, which most likely spent the refresh token.
        interrupted: Option<Box<Note>>,
    },
    /// The issuer refused this request.
    #[error("the issuer refused a token for {account}")]
    Refused {
        /// Whose.
        account: String,
        /// What the issuer said.
        #[source]
        refusal: OAuthError,
        /// The unsettled refresh before it, which may have spent the refresh token.
        interrupted: Option<Box<Note>>,
    },
    /// The sign-in was ended.
    #[error("{account} is signed out")]
    SignedOut {
        /// Who.
        account: String,
    },
    /// The cache holds no such account.
    #[error("{account} is not signed in")]
    NotSignedIn {
        /// Who.
        account: String,
    },
    /// The credential is on its way to another cache.
    #[error("the sign-in of {account} is being moved to {to}")]
    Moving {
        /// Whose.
        account: String,
        /// The other cache.
        to: String,
    },
    /// The issuer asked to be left alone, or this host could not reach it a moment ago.
    #[error("{authority} {} for another {} seconds", left_alone(*throttled), seconds.max(&1))]
    LeftAlone {
        /// The issuer's host.
        authority: String,
        /// For how long.
        seconds: i64,
        /// Whether the issuer asked for it (as opposed to being out of reach).
        throttled: bool,
    },
    /// The issuer brought no token.
    #[error("could not get a token for {account}")]
    Grant {
        /// Whose.
        account: String,
        /// Why.
        #[source]
        source: GrantError,
    },
    /// An OpenID Connect issuer did not say where its endpoints are.
    #[error("could not discover the endpoints of {issuer}")]
    Discovery {
        /// The issuer.
        issuer: String,
        /// Why.
        #[source]
        source: GrantError,
    },
    /// The scopes asked for go beyond what was granted at sign-in (RFC 6749 §6).
    #[error("{scope} was not granted to {account} at sign-in")]
    NotGranted {
        /// Whose.
        account: String,
        /// The first such scope.
        scope: String,
    },
    /// Somebody else was at it for the whole time that the caller had.
    #[error("gave up after {} seconds of waiting for another refresh", waited.as_secs())]
    Busy {
        /// How long.
        waited: Duration,
    },
    /// We hold only the access key, and nobody refreshed in time.
    #[error("no refresher is running: there is no usable token for {account}, and this key can only read")]
    NoRefresher {
        /// Whose.
        account: String,
    },
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// An entry could not be opened.
    #[error("could not open {key}")]
    Sealed {
        /// Which.
        key: Key,
        /// Why.
        #[source]
        source: SealError,
    },
    /// The broker is closing: its process is about to end.
    #[error("interrupted")]
    Closing,
}

/// Why an issuer is left alone.
fn left_alone(throttled: bool) -> &'static str {
    if throttled { "asked to be left alone" } else { "brought no token a moment ago and is left alone" }
}

impl BrokerError {
    /// Whether only a person who signs in again can mend this.
    pub fn needs_sign_in(&self) -> bool {
        matches!(self, Self::SignInNeeded { .. } | Self::SignedOut { .. } | Self::NotSignedIn { .. })
    }

    /// Whether one entry cannot be read, and not its store.
    pub(crate) fn is_about_an_entry(&self) -> bool {
        match self {
            Self::Sealed { .. } => true,
            Self::Cache(error) => error.kind() == CacheErrorKind::Corrupt,
            _ => false,
        }
    }
}
