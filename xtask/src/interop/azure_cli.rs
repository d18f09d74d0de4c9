//! Real Azure CLI beside the shim: the same invocations on equal state. Standard output is compared byte for byte, with
//! the exit code and the first line of standard error. What may differ is listed in `differences.md`, with its reason.

mod differences;
mod masks;
mod script;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::differences::{Aspect, Differences};
use self::masks::Masks;
use self::script::{Line, Script};
use super::python;
use super::stand::{Program, Side, issuer};

/// What it is compared with.
const PACKAGE: &str = "azure-cli==2.91.0";

/// Real `az`, installed on the first call.
pub(crate) fn program() -> Result<PathBuf> {
    Ok(python::environment("azure-cli", &[PACKAGE])?.join("az"))
}

/// Real `az`, where an earlier run has installed it.
pub(crate) fn installed() -> Option<PathBuf> {
    python::installed("azure-cli", &[PACKAGE]).map(|bin| bin.join("az"))
}

/// Runs all scripts.
pub(super) fn run() -> Result<()> {
    let compared = compare(&Script::all()?, Differences::read()?)?;
    ensure!(compared >= LEAST, "only {compared} invocations were compared, and {LEAST} are promised");
    Ok(())
}

/// Runs one of them.
pub(super) fn run_script(name: &str) -> Result<()> {
    let mut scripts = Script::all()?;
    scripts.retain(|script| script.name == name);
    ensure!(!scripts.is_empty(), "there is no script {name}");
    compare(&scripts, Differences::read()?.of(name)).map(drop)
}

/// Runs these, says what differs, and how much was compared.
fn compare(scripts: &[Script], mut differences: Differences) -> Result<usize> {
    program()?;
    let mut compared = 0;
    for script in scripts {
        compared += play(script, &mut differences).with_context(|| format!("in {}", script.name))?;
    }
    println!(
        "{compared} invocations in {} scripts; {} differ as they may, {} as they may not",
        scripts.len(),
        differences.allowed(),
        differences.unexpected().len()
    );
    for difference in differences.unexpected() {
        println!("\n{difference}");
    }
    let stale = differences.stale();
    for entry in &stale {
        println!("\nno longer differs, or is no longer run: {entry}");
    }
    ensure!(differences.unexpected().is_empty(), "{} differences", differences.unexpected().len());
    ensure!(stale.is_empty(), "{} entries of the table of differences are stale", stale.len());
    Ok(compared)
}

/// How many invocations are compared at least.
const LEAST: usize = 150;

/// Runs one script on both sides, each with a home and an issuer of its own, and says how much was compared.
fn play(script: &Script, differences: &mut Differences) -> Result<usize> {
    let (theirs, ours) = (issuer(), issuer());
    let sides = [Side::new(Program::AzureCli, &theirs)?, Side::new(Program::Token, &ours)?];
    let masks = [Masks::new(&theirs, sides[0].home())?, Masks::new(&ours, sides[1].home())?];
    let mut compared = 0;
    for line in &script.lines {
        match line {
            Line::Prepare(shell) => {
                for side in &sides {
                    let status = side.shell(shell).status()?;
                    ensure!(status.success(), "'{shell}' failed ({status})");
                }
            }
            Line::Tell(order) => {
                for (issuer, side) in [&theirs, &ours].into_iter().zip(&sides) {
                    order.carry_out(issuer, side.home())?;
                }
            }
            Line::Compare(shell) => {
                let [theirs, ours] = at_once([sides[0].shell(shell), sides[1].shell(shell)])?;
                let [theirs, ours] = [masks[0].apply(&theirs), masks[1].apply(&ours)];
                for (aspect, their, our) in [
                    (Aspect::Stdout, &theirs.stdout, &ours.stdout),
                    (Aspect::Exit, &theirs.code, &ours.code),
                    (Aspect::Stderr, &theirs.first_line, &ours.first_line),
                ] {
                    differences.compare(&script.name, shell, aspect, their, our);
                }
                compared += 1;
            }
        }
    }
    Ok(compared)
}

/// Runs both, side by side: they share nothing.
fn at_once(commands: [Command; 2]) -> Result<[std::process::Output; 2]> {
    let [mut theirs, mut ours] = commands;
    std::thread::scope(|scope| {
        let theirs = scope.spawn(move || theirs.output());
        let ours = ours.output();
        let theirs = theirs.join().ok().context("a thread panicked")?;
        Ok([theirs?, ours?])
    })
}
