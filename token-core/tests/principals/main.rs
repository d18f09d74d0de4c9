//! Clients and hosts that prove themselves: over real HTTP, to an issuer that verifies what they show.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]
// What the openssl program makes lies in files, and real sockets run on real time.
#![allow(clippy::disallowed_methods)]

mod certificate;
mod federated;
mod managed_identity;
mod openssl;
mod support;
