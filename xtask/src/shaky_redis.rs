//! The program `shaky-redis`: a real Redis server that fails on command.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A server of its own, which is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct ShakyRedis {
    process: Child,
    talk: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    /// Its URL, where every fault is met.
    pub(crate) url: String,
    /// Its URL without the proxy, where only the server itself can fail.
    pub(crate) direct_url: String,
}

impl ShakyRedis {
    /// Starts it. It keeps everything that it acknowledges.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        // It ends when its standard input does, so it cannot outlive us.
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run shaky-redis")?;
        let stdin = process.stdin.take().context("no standard input")?;
        let mut stdout = BufReader::new(process.stdout.take().context("no standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let announced: Value = serde_json::from_str(&line)
            .with_context(|| format!("shaky-redis announced '{}'", line.trim()))?;
        let url = |name: &str| {
            announced[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("shaky-redis announced no {name}"))
        };
        let (url, direct_url) = (url("url")?, url("direct_url")?);
        Ok(Self { process, talk: Mutex::new(Some((stdin, stdout))), url, direct_url })
    }

    /// Has it do something, and waits until that is done.
    pub(crate) fn tell(&self, what: &str) -> Result<()> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = talk.as_mut().context("shaky-redis is gone")?;
        writeln!(stdin, "{what}")?;
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        ensure!(line == "done\n", "shaky-redis did not {what}: {}", line.trim());
        Ok(())
    }
}

impl Drop for ShakyRedis {
    fn drop(&mut self) {
        // Not a kill: it has a server to take along.
        drop(self.talk.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _status = self.process.wait();
    }
}
