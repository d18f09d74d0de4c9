//! The cache in an SQLite file: the laws of every cache, and what only a database can suffer.
#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it expects")]
#![allow(clippy::disallowed_methods, reason = "tests damage files, and tell their own processes what to do")]

mod conformance;
