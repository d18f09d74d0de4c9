//! A home directory that nobody has used before, and `token` as it runs there.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::issuer::Issuer;

/// A home, configured for one issuer. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    dir: TempDir,
    token: PathBuf,
    variables: Vec<(&'static str, OsString)>,
}

impl Home {
    /// A new home, where this program is `token`.
    pub(crate) fn new(token: &Path, issuer: &Issuer) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("token-").tempdir()?;
        let url = &issuer.url;
        let config = format!(
            "cloud = \"lab\"\n\n\
             [clouds.lab]\n\
             authority_host   = \"{url}\"\n\
             resource_manager = \"{url}\"\n\
             resource         = \"https://management.core.windows.net/\"\n"
        );
        std::fs::write(dir.path().join("token.toml"), config)?;
        Ok(Self { dir, token: token.to_owned(), variables: Vec::new() })
    }

    /// Sets an environment variable for every run from here on.
    pub(crate) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.variables.push((variable, value.into()));
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `token` with these arguments, in an environment that holds nothing else of ours.
    pub(crate) fn token(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.token);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)))
            .env("HOME", self.path())
            .env("TOKEN_CONFIG", self.path().join("token.toml"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Signs in with a device code, as a person would who reads it from the terminal and types it on the issuer's
    /// page. The answer is the line with the code, the code, and what was printed at the end.
    pub(crate) fn sign_in(&self, issuer: &Issuer) -> Result<SignIn> {
        let mut child = self
            .token(&["login", "--use-device-code"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run token login")?;
        let mut stderr = BufReader::new(child.stderr.take().context("no standard error")?);
        let mut prompt = String::new();
        let mut line = String::new();
        let code = loop {
            line.clear();
            if stderr.read_line(&mut line)? == 0 {
                bail!("token login ended without a device code: {} {prompt}", child.wait()?);
            }
            prompt.push_str(&line);
            if let Some((_, rest)) = line.split_once("enter the code ") {
                break rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
        };
        issuer.post("approve", &json!({ "user_code": code }))?;
        let mut remainder = String::new();
        stderr.read_to_string(&mut remainder)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "token login failed ({}): {}", output.status, remainder.trim());
        let printed = String::from_utf8(output.stdout)? + &remainder;
        Ok(SignIn { prompt: prompt.trim().into(), code, printed: printed.trim().into() })
    }

    /// The token answer of `token` with these arguments.
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.token(arguments).output().context("cannot run token")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "token {}: {}", arguments.join(" "), stderr.trim());
        ensure!(stderr.is_empty(), "token {} wrote on stderr: {}", arguments.join(" "), stderr.trim());
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// What a sign-in showed.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// Where to go, and the code to type there.
    pub(crate) prompt: String,
    /// The code.
    pub(crate) code: String,
    /// What was printed once it was approved.
    pub(crate) printed: String,
}
