//! Ten services with a thousand agents each share one Redis, and their token has run out: one refresh serves them all.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Limits;
use crate::process::{self, milliseconds};
use crate::programs::Programs;
use crate::storm::{Cache, Fleet, Options, posix, wait_until};

const SERVICES: usize = 10;
const AGENTS: usize = 1_000;

/// A service under way, that waits for its line or has had it.
struct Service {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    let programs = Programs::as_released()?;
    let program = process::build_example("token-cache-redis", "redis-agents")?;
    let fleet = Fleet::start(&Options { hosts: 1, processes: 1, ..Options::on(Cache::Redis) }, &programs)?;
    // Each gets the token while it starts, and all of them have it when it runs out.
    fleet.issuer.post("settings", &json!({ "lifetime": 1 }))?;
    let mut services = (0..SERVICES).map(|_| Service::start(&program, &fleet)).collect::<Result<Vec<_>>>()?;
    fleet.issuer.post("settings", &json!({ "lifetime": 3600 }))?;
    let end = posix() + 1;
    wait_until(|| Ok(posix() > end))?;
    fleet.issuer.post("reset", &json!({}))?;
    // The answer stays at the issuer until everybody asks.
    fleet.issuer.post("hold", &json!({ "route": "token", "grant_type": "refresh_token" }))?;
    for service in &mut services {
        service.tell()?;
        service.hear("asking")?;
    }
    wait_until(|| Ok(fleet.count("at_gate")? > 0))?;
    let released = Instant::now();
    fleet.issuer.post("release", &json!({}))?;
    let mut served = 0;
    for service in services {
        served += service.end()?;
    }
    let took = released.elapsed();
    let refreshes = fleet.count("refreshes")?;

    println!("{SERVICES} services with {AGENTS} agents each, whose token has run out");
    println!(
        "served {served} of {}, refreshes {refreshes}, the last {} after the issuer let go",
        SERVICES * AGENTS,
        milliseconds(took)
    );
    limits.hold("agents served", served == SERVICES * AGENTS);
    limits.hold("refreshes for all agents", refreshes == 1);
    Ok(())
}

impl Service {
    /// Starts one and waits until it could ask.
    fn start(program: &Path, fleet: &Fleet) -> Result<Self> {
        let url = &fleet.store.as_ref().context("there is no server")?.direct_url;
        let mut process = Command::new(program)
            .args([Path::new(url), &fleet.key(), fleet.first().path()])
            .arg(AGENTS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run redis-agents")?;
        let stdin = process.stdin.take().context("no standard input")?;
        let stdout = BufReader::new(process.stdout.take().context("no standard output")?);
        let mut service = Self { process, stdin, stdout };
        service.hear("ready")?;
        Ok(service)
    }

    fn tell(&mut self) -> Result<()> {
        Ok(writeln!(self.stdin)?)
    }

    fn hear(&mut self, wanted: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == wanted, "a service said '{line}' in place of '{wanted}'");
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// How many of its agents got a token.
    fn end(mut self) -> Result<usize> {
        let line = self.line()?;
        // Who was not served has said why on its standard error.
        let _status = self.process.wait()?;
        let served = line.strip_prefix("served ").and_then(|number| number.parse().ok());
        served.with_context(|| format!("a service said '{line}'"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}
