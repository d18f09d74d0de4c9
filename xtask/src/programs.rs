//! The programs that a fleet is made of.

use std::path::PathBuf;

use anyhow::Result;

use crate::process;

/// Where they are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) token: PathBuf,
    pub(crate) issuer: PathBuf,
    pub(crate) redis: PathBuf,
}

impl Programs {
    /// As the tests run them: `token` with its fault points.
    pub(crate) fn as_tested() -> Result<Self> {
        eprintln!("Building token with its fault points, and a local issuer …");
        let [token, issuer, redis] = process::build_as_tested(["token", "issuer", "shaky-redis"])?;
        Ok(Self { token, issuer, redis })
    }

    /// `token` as it is released.
    pub(crate) fn as_released() -> Result<Self> {
        eprintln!("Building token and a local issuer …");
        let token = process::build("token-cli", "token", &["--release"])?;
        let issuer = process::build("token-testkit", "issuer", &[])?;
        let redis = process::build("token-testkit", "shaky-redis", &[])?;
        Ok(Self { token, issuer, redis })
    }
}
