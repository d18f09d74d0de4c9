//! A cached call beside real Azure CLI, on the same cached token.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Limits, head, row};
use crate::interop::azure_cli;
use crate::interop::stand::{Program, Side, issuer};
use crate::{measure, process};

const ROUNDS: usize = 20;
const GET: [&str; 2] = ["account", "get-access-token"];

/// Azure CLI takes at least this many times as long.
const TIMES_AS_FAST: f64 = 150.0;

/// Measured where `cargo xtask interop` has installed it.
pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    let Some(az) = azure_cli::installed() else {
        println!("\nAzure CLI is not measured: cargo xtask interop azure-cli installs it");
        return Ok(());
    };
    let issuer = issuer();
    let side = Side::new(Program::AzureCli, &issuer)?;
    let token = process::build("token-cli", "token", &["--release"])?;
    let command = |program: &Path, arguments: &[&str]| {
        let mut command = side.program(program);
        command.args(arguments);
        command
    };
    process::read(&mut command(&az, &["login", "--use-device-code"]))?;
    process::read(&mut command(&token, &["account", "import"]))?;
    let secret = |program: &Path| -> Result<Value> {
        let answer: Value = serde_json::from_str(&process::read(&mut command(program, &GET))?)?;
        Ok(answer["accessToken"].clone())
    };
    ensure!(secret(&az)? == secret(&token)?, "Azure CLI and token have different tokens cached");

    let [az, hit] = measure::interleaved(ROUNDS, [command(&az, &GET), command(&token, &GET)])?;
    let times = az.ratio(&hit);
    head(&format!("{ROUNDS} runs of each, interleaved"));
    row("a hit, on Azure CLI's token", &hit, 1.0, None);
    row("az, on the same token", &az, times, None);
    println!("az takes {times:.0} times as long   limit at least {TIMES_AS_FAST:.0}");
    limits.hold("beside Azure CLI", times >= TIMES_AS_FAST);
    Ok(())
}
