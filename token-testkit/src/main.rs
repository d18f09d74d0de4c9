//! The issuer as a program: prints one line of JSON once it listens, and serves until its stdin closes.

#![allow(clippy::disallowed_methods, reason = "nothing reads the one file it writes before it says so")]

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use serde_json::json;
use token_testkit::{Decision, Issuer, Rotation, Route, Settings, Transport};
use tokio::io::AsyncReadExt;

/// A local OAuth issuer to test against
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The port on loopback [default: a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Serve https and write the certificate authority to DIR/ca.pem
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,
    /// Where the OpenID Connect issuer is mounted [default: /realms/eng]
    #[arg(long)]
    path: Option<String>,
    /// Rotate refresh tokens, and end the sign-in whose spent refresh token comes back
    #[arg(long)]
    strict: bool,
    /// With --strict: seconds in which the previous refresh token is still accepted
    #[arg(long, value_name = "S")]
    grace: Option<u64>,
    /// Milliseconds before a token answer
    #[arg(long, value_name = "MS")]
    latency: Option<u64>,
    /// Seconds that access tokens live [default: 3600]
    #[arg(long, value_name = "S")]
    lifetime: Option<u64>,
    /// Seconds between polls of a device code [default: 1]
    #[arg(long, value_name = "S")]
    interval: Option<u64>,
    /// Approve every device code
    #[arg(long)]
    auto_approve: bool,
    /// With --auto-approve: polls that stay pending first
    #[arg(long, value_name = "N")]
    pending_polls: Option<u32>,
    /// Settings as JSON, for what has no option of its own
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = match &self.settings {
            Some(json) => serde_json::from_str(json).context("--settings is not the JSON of settings")?,
            None => Settings::default(),
        };
        set(&mut settings.port, &self.port);
        set(&mut settings.path, &self.path);
        set(&mut settings.grace, &self.grace);
        set(&mut settings.lifetime, &self.lifetime);
        set(&mut settings.interval, &self.interval.map(Some));
        set(&mut settings.pending_polls, &self.pending_polls);
        if let Some(latency) = self.latency {
            settings.latency_ms.insert(Route::Token, latency);
        }
        if self.strict {
            settings.rotation = Rotation::Strict;
        }
        if self.auto_approve {
            settings.decision = Some(Decision::Approve);
        }
        if self.tls.is_some() && settings.transport == Transport::Http {
            settings.transport = Transport::Https;
        }
        Ok(settings)
    }
}

/// What was typed wins.
fn set<T: Clone>(setting: &mut T, typed: &Option<T>) {
    if let Some(typed) = typed {
        setting.clone_from(typed);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let issuer = Issuer::start(arguments.settings()?).await;
    let ca = match (&arguments.tls, issuer.ca_pem()) {
        (Some(directory), Some(pem)) => {
            let path = directory.join("ca.pem");
            std::fs::write(&path, pem).with_context(|| format!("cannot write {}", path.display()))?;
            Some(path)
        }
        _ => None,
    };
    announce(&json!({
        "base_url": issuer.base_url(),
        "oidc_issuer": issuer.oidc_issuer(),
        "control_url": issuer.control_url(),
        "ca": ca,
    }));
    // Whoever started this holds the other end; when they are gone, however they went, so are we.
    let mut ignored = [0; 512];
    let mut stdin = tokio::io::stdin();
    while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    // Not a return: the runtime would wait for the thread that reads stdin.
    std::process::exit(0)
}

#[expect(clippy::print_stdout, reason = "the one line that the program exists to print")]
fn announce(line: &serde_json::Value) {
    println!("{line}");
}
