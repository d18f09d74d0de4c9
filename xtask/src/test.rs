//! `cargo xtask test`: every test of the workspace, with what it needs.

use anyhow::Result;

use crate::install;
use crate::process::{Steps, cargo, run as execute};

/// All tests, doc tests included. They are built first, so that the two times are told apart.
pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.step("what the tests need", install::run);
    let built = steps.step("build the tests", || {
        execute(&mut cargo(&["test", "--workspace", "--locked", "--no-run", "--quiet"]))
    });
    if built {
        steps.step("run the tests", || {
            // Without a server the tests of the cache on Redis would pass over themselves.
            execute(cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]).env("REQUIRE_REDIS", "1"))
        });
    }
    steps.finish()
}
