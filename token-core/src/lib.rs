//! Placeholder.

mod account;
mod cache;
mod clock;
mod credential;
mod error;
mod expiry;
mod key;
mod oauth_error;
mod request;
mod seal;
mod secret;
mod token;

pub use account::*;
pub use cache::*;
pub use clock::*;
pub use credential::*;
pub use error::*;
pub use expiry::*;
pub use key::*;
pub use oauth_error::*;
pub use request::*;
pub use seal::{KeyError, KeyRing, key_id_of};
pub use secret::Secret;
pub use token::*;
