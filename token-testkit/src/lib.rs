//! What the tests of `token` run against: a local issuer with faults on demand, real Redis servers, and a proxy that
//! stands in the way of a connection.
//!
//! [`Issuer`] speaks OpenID Connect under a path of its own and the routes of the Microsoft identity platform beside it,
//! with the two questions of Azure Resource Manager that a sign-in asks. It rotates refresh tokens as strictly as the
//! [`Settings`] say, counts what it sees ([`Counts`]) and fails as a [`Fault`] says. A test inside a tokio runtime calls
//! [`Issuer::start`]; one that only spawns processes calls [`Issuer::spawn`]; other processes use the `issuer` program
//! and its `/_control/` routes.
//!
//! ```no_run
//! # async fn example() {
//! use token_testkit::{Fault, Issuer, Rotation, Route, Settings, Times};
//!
//! let issuer = Issuer::start(Settings { rotation: Rotation::Strict, ..Settings::default() }).await;
//! issuer.fault(Route::Token, Fault::Status(503), Times::Once);
//! // … run what is tested against issuer.oidc_issuer() …
//! assert_eq!(issuer.counts().refreshes_succeeded, 1);
//! assert!(issuer.is_alive("ada@contoso.example"));
//! # }
//! ```
//!
//! [`RedisServer`] starts a `redis-server` of its own, on a free port and in a directory of its own, and [`Proxy`] delays,
//! cuts and swallows what goes through it. [`rate()`] is for benches.
#![allow(clippy::unwrap_used, reason = "a broken test stand must stop the test at once, where it broke")]
#![allow(clippy::disallowed_methods, reason = "what is tested against has a clock of its own, and files")]

mod answer;
mod authorization_code;
mod browser;
mod counts;
mod device_code;
mod endpoint;
mod family;
mod fault;
mod gate;
mod issuer;
mod jwks;
mod listener;
mod oauth_error;
mod proxy;
mod rate;
mod redis_client;
mod redis_server;
mod request;
mod route;
mod running;
mod server;
mod settings;
mod state;
mod tls;
mod wire;
mod world;

pub use browser::{Page, Redirection};
pub use counts::Counts;
pub use device_code::DeviceCodeState;
pub use family::{Ended, Family, RefreshTokenState};
pub use fault::{Fault, RetryAfter, Times};
pub use issuer::Issuer;
pub use oauth_error::OAuthError;
pub use proxy::{Cut, Proxy};
pub use rate::{median, median_ratio, rate};
pub use redis_client::{RedisClient, RedisReply};
pub use redis_server::{Persistence, RedisServer, RedisSettings};
pub use request::SeenRequest;
pub use route::{Authority, Matching, Route};
pub use running::RunningIssuer;
pub use settings::{
    AccessTokenForm, AuthorizationFlaw, Decision, ExpiresIn, ExpiryForm, IdTokenFlaw,
    ManagedIdentitySettings, Rotation, Settings, Transport,
};
pub use state::IssuedToken;
pub use world::{
    Client, FederatedCredential, Identity, SubjectNameIssuer, Subscription, Tenant, User, World,
};
