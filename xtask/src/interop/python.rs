//! Python, and what is installed with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::directory;
use crate::install::{self, Need, Thing};
use crate::process;

const NEEDS: &[Need] = &[
    Need { thing: Thing::Program("python3"), package: "python3", why: "to run Azure CLI and its SDKs" },
    // Debian's Python comes without what a virtual environment is made of.
    Need {
        thing: Thing::Module("ensurepip"),
        package: "python3-venv",
        why: "to install them apart from the system",
    },
];

/// Written last, with what was installed.
const STAMP: &str = "installed";

/// The programs of a virtual environment that holds these packages, where it is complete.
pub(super) fn installed(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let place = directory().join(name);
    let there = std::fs::read_to_string(place.join(STAMP)).ok()?;
    (there == packages.join("\n")).then(|| place.join("bin"))
}

/// The programs of a virtual environment that holds these packages, which are pinned.
pub(super) fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    if let Some(bin) = installed(name, packages) {
        return Ok(bin);
    }
    let place = directory().join(name);
    let bin = place.join("bin");
    install::needs(NEEDS)?;
    if place.exists() {
        std::fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    std::fs::create_dir_all(directory())?;
    eprintln!("installing {} …", packages.join(" "));
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    let mut pip = Command::new(bin.join("pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]);
    process::run(pip.args(packages))?;
    // Compiled ahead, or the first call of every module would be slow, and that is not what is measured.
    process::run(
        Command::new(bin.join("python")).args(["-m", "compileall", "-q", "-j0"]).arg(library(&place)?),
    )?;
    std::fs::write(place.join(STAMP), packages.join("\n"))?;
    Ok(bin)
}

/// Where the environment keeps its packages.
fn library(place: &Path) -> Result<PathBuf> {
    let entry =
        std::fs::read_dir(place.join("lib"))?.next().context("an environment without a library")??;
    Ok(entry.path().join("site-packages"))
}
