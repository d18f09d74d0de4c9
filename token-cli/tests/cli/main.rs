//! The program as its users run it: processes, a home directory, and an issuer over real HTTP.
#![allow(clippy::unwrap_used, reason = "a test stops where it broke")]

mod desk;
mod errors;
mod secrecy;
mod sharing;
mod sign_in;
mod signals;
