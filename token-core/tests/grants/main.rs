//! Every grant, from the request's letters to the answer's meaning.

#![allow(missing_docs, clippy::unwrap_used)]

mod answers;
mod device_code;
mod discovery;
#[cfg(feature = "http")]
mod faults;
mod requests;
mod support;
#[cfg(feature = "http")]
mod tls;
