//! The issuer, as its clients see it.
#![allow(clippy::unwrap_used, reason = "a broken test stops where it broke")]
#![allow(clippy::disallowed_methods, reason = "what is tested here runs on the real clock")]

mod client;
mod control;
mod device_flow;
mod faults;
mod microsoft;
mod openid_connect;
mod program;
mod rotation;
mod tls;
mod waiting;
