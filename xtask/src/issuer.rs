//! The issuer program, and its controls.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The issuer program.
#[derive(Debug)]
pub(crate) struct Issuer {
    process: Child,
    /// Its address, as in `http://127.0.0.1:4470`.
    pub(crate) url: String,
}

impl Issuer {
    /// Starts it: it rotates refresh tokens strictly, and every token answer takes `latency_ms`.
    pub(crate) fn start(program: &Path, latency_ms: u64) -> Result<Self> {
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
        self.get("counts")
    }

    /// What one of its controls shows.
    pub(crate) fn get(&self, control: &str) -> Result<Value> {
        self.control("GET", control, "")
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
