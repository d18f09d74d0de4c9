//! Placeholder.

mod account;
pub mod authority;
mod cache;
mod clock;
mod credential;
mod error;
mod expiry;
mod host_lock;
pub mod grant;
mod id_token;
mod key;
mod memory;
mod oauth_error;
mod purge;
mod request;
mod seal;
mod secret;
mod token;
mod transport;

pub use account::*;
pub use cache::*;
pub use clock::*;
pub use credential::*;
pub use error::*;
pub use expiry::*;
pub use host_lock::*;
pub use id_token::{ClientInfo, IdClaims};
pub use key::*;
pub use memory::*;
pub use oauth_error::*;
pub use purge::*;
pub use request::*;
pub use seal::{KeyError, KeyRing, key_id_of};
pub use secret::Secret;
pub use token::*;
pub use transport::*;
