//! The project's own commands: `cargo xtask demo`, `test`, `ci`, `bench`, `storm` and `interop`. One file a command.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these commands exist to be read on a terminal"
)]
#![allow(clippy::disallowed_methods, reason = "what is measured here is the real clock, on real files")]

mod bench;
mod ci;
mod demo;
mod home;
mod install;
mod interop;
mod issuer;
mod lab;
mod measure;
mod process;
mod programs;
mod shaky_redis;
mod storm;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

  demo             the main job against a local issuer, and what it measures
  test             install what the tests need, then run all of them
  ci               the slower checks: format, lints, docs, dependency and house rules
  bench [--check] [NAME…]  what a token costs, against limits; --check fails on a missed one
      hit       a cached call against the least a program can do
      stores    a cached call on SQLite and Redis against the file cache
      waits     the end of a storm against as many cached calls
      services  a load in a service against the driver's own
      agents    ten processes with a thousand agents each, and one refresh
  storm [OPTIONS]  every process of a fleet finds the token expired at once; fails where a promise is broken
      --cache file|sqlite|redis|URL   what the hosts share [file]; a server of its own for redis
      --hosts H --processes P --rounds R                   [4, 50, 10]
      --kill POINT | --stop POINT     the holder of the lease, at a point of token_core::faults
      --store-fault NAME              crash, cut, black-hole or slow, with --cache redis
      --grace S                       for how long the issuer forgives a spent refresh token [0]
  interop [NAME]   the programs that token stands in for or serves, for real: all parts, or one;
                   azure-cli/NAME runs one of its scripts
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["demo"] => demo::run(),
        ["test"] => test::run(),
        ["ci"] => ci::run(),
        ["bench", "--check", names @ ..] => bench::run(names, true),
        ["bench", names @ ..] => bench::run(names, false),
        ["storm", options @ ..] => storm::run(options),
        ["interop"] => interop::run(None),
        ["interop", name] => interop::run(Some(name)),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [] => bail!("no command given\n\n{USAGE}"),
        _ => bail!("'{}' is not a command\n\n{USAGE}", arguments.join(" ")),
    }
}
