//! A `load` in a service, against the driver's own: the benches of the crates, which know the drivers.

use std::process::Stdio;

use anyhow::{Context, Result};

use super::Limits;
use crate::process::cargo;

pub(super) fn measure(limits: &mut Limits) -> Result<()> {
    for (name, package) in [("SQLite", "token-cache-sqlite"), ("Redis", "token-cache-redis")] {
        eprintln!("Building a service on {name} …");
        let mut bench = cargo(&["bench", "--quiet", "--locked", "--package", package, "--bench", "service"]);
        println!("{name} in a service");
        let status = bench.stdin(Stdio::null()).status().context("cannot run cargo bench")?;
        limits.hold(format!("{name} in a service"), status.success());
    }
    Ok(())
}
