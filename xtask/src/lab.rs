//! What `demo` and `bench` run against: a local issuer in a process of its own, and a home directory that nobody
//! has used before.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process;

/// The issuer, the home, and the programs under test. All of it is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    home: TempDir,
    issuer: Issuer,
    token: PathBuf,
}

impl Lab {
    /// Builds `token` and the issuer, and starts the issuer: it rotates refresh tokens strictly, and every token
    /// answer takes `latency_ms`.
    pub(crate) fn start(latency_ms: u64) -> Result<Self> {
        let token = process::build("token-cli", "token", &["--release"])?;
        let issuer = process::build("token-testkit", "issuer", &[])?;
        let home = tempfile::Builder::new().prefix("token-").tempdir()?;
        let issuer = Issuer::start(&issuer, latency_ms)?;
        let url = &issuer.url;
        let config = format!(
            "cloud = \"lab\"\n\n\
             [clouds.lab]\n\
             authority_host   = \"{url}\"\n\
             resource_manager = \"{url}\"\n\
             resource         = \"https://management.core.windows.net/\"\n"
        );
        std::fs::write(home.path().join("token.toml"), config)?;
        Ok(Self { home, issuer, token })
    }

    /// The issuer.
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The home directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// `token` with these arguments, in an environment that holds nothing else of ours.
    pub(crate) fn token(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.token);
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)))
            .env("HOME", self.home())
            .env("TOKEN_CONFIG", self.home().join("token.toml"))
            .stdin(Stdio::null());
        command
    }

    /// Signs in with a device code, as a person would who reads it from the terminal and types it on the issuer's
    /// page. The answer is the line with the code, the code, and what was printed at the end.
    pub(crate) fn sign_in(&self) -> Result<SignIn> {
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
        self.issuer.post("approve", &json!({ "user_code": code }))?;
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

/// The issuer program.
#[derive(Debug)]
pub(crate) struct Issuer {
    process: Child,
    /// Its address, as in `http://127.0.0.1:4470`.
    pub(crate) url: String,
}

impl Issuer {
    fn start(program: &Path, latency_ms: u64) -> Result<Self> {
        // It ends when its standard input does, so it cannot outlive us.
        let mut process = Command::new(program)
            .args(["--strict", "--latency", &latency_ms.to_string()])
            .args(["--settings", r#"{"access_tokens": "jwt"}"#])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run the issuer")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("no standard output")?).read_line(&mut line)?;
        let announced: Value =
            serde_json::from_str(&line).with_context(|| format!("the issuer announced '{line}'"))?;
        let url = announced["base_url"].as_str().context("the issuer announced no base_url")?.to_owned();
        Ok(Self { process, url })
    }

    /// What it counted.
    pub(crate) fn counts(&self) -> Result<Value> {
        self.control("GET", "counts", "")
    }

    /// Uses one of its controls.
    pub(crate) fn post(&self, control: &str, body: &Value) -> Result<Value> {
        self.control("POST", control, &body.to_string())
    }

    /// Whether it issued this access token.
    pub(crate) fn knows(&self, access_token: &str) -> Result<bool> {
        Ok(!self.post("access-token", &json!({ "token": access_token }))?.is_null())
    }

    fn control(&self, method: &str, control: &str, body: &str) -> Result<Value> {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).context("the issuer is gone")?;
        write!(
            stream,
            "{method} /_control/{control} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the issuer's answer has no body")?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "{method} {control}: {body}");
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // Closing its standard input would end it too; this also collects it.
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
