//! The program as its users run it: real processes, a real issuer, a home directory that nobody has used before.
#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it expects")]
#![allow(clippy::disallowed_methods, reason = "tests set the stage with the means of the system itself")]

mod az;
mod browser;
mod choosing;
mod desk;
mod doctor;
mod documentation;
mod errors;
mod fleet;
mod harness;
mod hit;
mod host_identities;
mod import;
mod interruption;
mod issuers;
mod leaks;
mod migrating;
mod moving;
mod networks;
mod outliving;
mod principals;
mod printing;
mod sharing;
mod shim;
mod sign_in;
mod signals;
mod signing_again;
mod storm;
mod team;
mod terminal;
mod trouble;
