//! The model and the protocol of `token`: OAuth 2.0 access tokens from one sign-in that a person, a host or a whole
//! fleet keeps alive together.
//!
//! A [`Broker`] turns a [`TokenRequest`] into an [`AccessToken`]. It keeps what it learns in a [`TokenCache`], each
//! entry sealed under a [`KeyRing`], and sees to it that one refresh serves everybody and that a rotated refresh
//! token is never lost.
//!
//! # Layout
//!
//! - the model: `token`, `secret`, `expiry`, `account`, `credential`, `request`, `key`
//! - the contract of a cache: `cache`, with `memory` as its reference, `host_lock` and
//!   `host_directory` for caches of one host, and `conformance` for the tests of backends
//! - the protocol: `broker`, with `store`, `seal`, `rescue`, `throttle`, `flights` and `wait` beside it
//! - the issuers: `authority`, `transport`, `certificate`, `surroundings`, and `grant` with one file a grant
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `http` (default) | `HttpTransport`, over reqwest; the sign-in in a browser; who signed an ID token |
//! | `certificate` (default) | certificates that prove a client |
//! | `conformance` | the laws of [`TokenCache`] as tests |
//! | `faults` | named points at which a test ends the process; never in a release |

mod access;
mod account;
mod adopt;
mod advice;
pub mod authority;
mod broker;
mod cache;
#[cfg(feature = "certificate")]
pub mod certificate;
mod challenge;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod credential;
mod error;
mod expiry;
mod faults;
mod flights;
pub mod grant;
mod host_directory;
mod host_lock;
mod id_token;
mod inventory;
#[cfg(feature = "http")]
mod jwks;
mod jwt;
mod key;
mod memory;
mod metadata;
mod migrate;
mod oauth_error;
mod probe;
mod purge;
mod request;
mod rescue;
mod seal;
mod secret;
mod sign_in;
#[cfg(feature = "http")]
mod signer;
mod store;
mod surroundings;
mod throttle;
mod token;
mod transport;
mod wait;

pub use account::{Account, AccountKind, Choice, Profile, Subscription};
pub use adopt::{Adopted, Adoption};
pub use advice::{Advice, Remedy};
pub use broker::{BEGIN_SENDING, Broker, EXCHANGE, LEASE, OTHER_HOST, SETTLE, WAIT, WAIT_WITH_TOKEN};
pub use cache::{Entry, Hold, Lease, Listed, Owner, Swap, TokenCache, TryLease, Version};
pub use challenge::{Challenge, claims_of};
pub use clock::{Clock, ManualClock, SystemClock};
pub use credential::{
    AssertionSource, Client, ClientAuthentication, ClientCertificate, Credential, Endpoints, Grant,
    LastRefresh, ManagedIdentity, Note, Register, RsaPadding, State,
};
pub use error::{BrokerError, CacheError, CacheErrorKind, GrantError, GrantErrorKind, SealError};
pub use expiry::{Expiry, Freshness, Schedule, WallClock, freshness};
pub use host_directory::{DirectoryFault, HostDirectory};
pub use host_lock::{HostLeases, HostLock};
pub use id_token::{ClientInfo, IdClaims};
pub use inventory::CachedToken;
pub use key::{Key, Kind, NotAKey, SignInId};
pub use memory::{MemoryCache, SwapFault};
pub use migrate::{HostIdentities, Left, Migrated, Moved};
pub use oauth_error::{AssertionNames, OAuthError};
pub use probe::Probe;
pub use purge::{Purged, purge};
pub use request::{IDENTITY_SCOPES, TokenRequest};
pub use rescue::Rescue;
pub use seal::{KeyError, KeyRing, key_id_of};
pub use secret::Secret;
pub use sign_in::{SignIn, SignedOut};
#[cfg(feature = "http")]
pub use signer::{Signed, Signer};
pub use surroundings::Surroundings;
pub use token::{AccessToken, Fingerprint, RefreshToken};
pub use transport::{
    Authorization, BeginBy, Destination, Field, HttpRequest, HttpResponse, MAX_ANSWER, Method, Transport,
    send_within,
};
