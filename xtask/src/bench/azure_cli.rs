//! Beside real Azure CLI: what a cached call takes, and what becomes of many at once.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Limits, head, row};
use crate::interop::azure_cli;
use crate::interop::stand::{Program, Side, issuer};
use crate::measure;
use crate::process::{self, mebibytes, seconds};

const ROUNDS: usize = 20;
const GET: [&str; 2] = ["account", "get-access-token"];

/// Azure CLI takes at least this many times as long.
const TIMES_AS_FAST: f64 = 150.0;

/// How many ask at once for a token that has run out.
const AT_ONCE: usize = 20;

/// How long that token lives: a sign-in uses it, and Azure CLI takes seconds for that.
const LIFETIME: Duration = Duration::from_secs(10);

/// Measured where `cargo xtask interop` has installed it.
pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    let Some(az) = azure_cli::installed() else {
        println!("\nAzure CLI is not measured: cargo xtask interop azure-cli installs it");
        return Ok(());
    };
    let token = process::build("token-cli", "token", &["--release"])?;
    let memory = hit(limits, &az, &token)?;
    let [theirs, ours] = [many(&az)?, many(&token)?];

    println!("\n{:<44}{:>12}{:>12}", "", "az", "token");
    let line = |name: &str, theirs: String, ours: String| println!("{name:<44}{theirs:>12}{ours:>12}");
    line("peak memory of a hit", mebibytes(memory[0]), mebibytes(memory[1]));
    line(
        &format!("{AT_ONCE} at once for a token that has run out: served"),
        theirs.served.to_string(),
        ours.served.to_string(),
    );
    line("   refresh calls", theirs.refreshes.to_string(), ours.refreshes.to_string());
    line("   until the last has ended", seconds(theirs.time), seconds(ours.time));
    limits.hold("many at once beside Azure CLI", ours.served == AT_ONCE && ours.refreshes == 1);
    Ok(())
}

/// A cached call on the same token, and the peak memory of both.
fn hit(limits: &mut Limits, az: &Path, token: &Path) -> Result<[u64; 2]> {
    let issuer = issuer();
    let side = Side::new(Program::AzureCli, &issuer)?;
    process::read(&mut command(&side, az, &["login", "--use-device-code"]))?;
    process::read(&mut command(&side, token, &["account", "import"]))?;
    let secret = |program: &Path| -> Result<Value> {
        let answer: Value = serde_json::from_str(&process::read(&mut command(&side, program, &GET))?)?;
        Ok(answer["accessToken"].clone())
    };
    ensure!(secret(az)? == secret(token)?, "Azure CLI and token have different tokens cached");

    let [az, token] = [az, token].map(|program| || command(&side, program, &GET));
    let [theirs, ours] = measure::interleaved(ROUNDS, [az(), token()])?;
    let times = theirs.ratio(&ours);
    head(&format!("{ROUNDS} runs of each, interleaved"));
    row("a hit, on Azure CLI's token", &ours, 1.0, None);
    row("az, on the same token", &theirs, times, None);
    println!("az takes {times:.0} times as long   limit at least {TIMES_AS_FAST:.0}");
    limits.hold("beside Azure CLI", times >= TIMES_AS_FAST);
    Ok([measure::peak_memory(az())?, measure::peak_memory(token())?])
}

/// What became of many.
struct Many {
    served: usize,
    refreshes: u64,
    time: Duration,
}

/// Signs in, lets the token run out, asks for it many times at once.
fn many(program: &Path) -> Result<Many> {
    let issuer = issuer();
    let side = Side::new(Program::AzureCli, &issuer)?;
    let ask = |arguments: &[&str]| command(&side, program, arguments);
    issuer.settings(|settings| settings.lifetime = LIFETIME.as_secs());
    process::read(&mut ask(&["login", "--use-device-code"]))?;
    issuer.settings(|settings| settings.lifetime = 3600);
    thread::sleep(LIFETIME);
    issuer.reset_counts();

    let start = Instant::now();
    let mut processes = Vec::new();
    for _ in 0..AT_ONCE {
        processes.push(ask(&GET).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    }
    let mut served = 0;
    for mut process in processes {
        served += usize::from(process.wait()?.success());
    }
    let time = start.elapsed();
    Ok(Many { served, refreshes: issuer.counts().refreshes, time })
}

fn command(side: &Side, program: &Path, arguments: &[&str]) -> Command {
    let mut command = side.program(program);
    command.args(arguments);
    command
}
