//! What `demo` and `bench` run against: a local issuer in a process of its own, and a home directory that nobody
//! has used before.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::home::{Home, SignIn};
use crate::issuer::Issuer;
use crate::process;

/// The issuer, the home, and the programs under test. All of it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    home: Home,
    issuer: Issuer,
}

impl Lab {
    /// Builds `token` and the issuer, and starts the issuer: it rotates refresh tokens strictly, and every token
    /// answer takes `latency_ms`.
    pub(crate) fn start(latency_ms: u64) -> Result<Self> {
        let token = process::build("token-cli", "token", &["--release"])?;
        let issuer = process::build("token-testkit", "issuer", &[])?;
        let issuer = Issuer::start(&issuer, latency_ms)?;
        Ok(Self { home: Home::new(&token, &issuer)?, issuer })
    }

    /// The issuer.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// As [`Home::token`].
    pub(crate) fn token(&self, arguments: &[&str]) -> Command {
        self.home.token(arguments)
    }

    /// As [`Home::sign_in`].
    pub(crate) fn sign_in(&self) -> Result<SignIn> {
        self.home.sign_in(&self.issuer)
    }

    /// As [`Home::get`].
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value> {
        self.home.get(arguments)
    }
}
