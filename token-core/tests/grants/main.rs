//! Every grant, from the request's letters to the answer's meaning.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]
// Children get their orders by environment, and real sockets run on real time.
#![allow(clippy::disallowed_methods)]

mod answers;
#[cfg(feature = "http")]
mod browser;
mod device_code;
mod discovery;
#[cfg(feature = "http")]
mod faults;
mod managed_identity;
mod requests;
mod support;
#[cfg(feature = "http")]
mod tls;
