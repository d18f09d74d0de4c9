//! `cargo xtask ci`: the checks that take longer than a test, or that are about the repository and not its code.

mod dependencies;
mod features;
mod licence;
mod tidy;

use anyhow::{Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::install;
use crate::process::{Steps, cargo, root, run as execute};
use crate::storm::{self, Cache};

/// All of them; the quick ones first.
pub(crate) fn run() -> Result<()> {
    let metadata = metadata()?;
    let mut steps = Steps::default();
    steps.step("house rules", || report(tidy::violations(root(), &tidy::tracked_files(root())?, &metadata)?));
    steps.step("dependency rules", || report(dependencies::violations(&metadata, &lock_file()?)));
    steps.step("resolved features", || report(features::violations(&metadata)?));
    steps.step("format", || execute(&mut cargo(&["fmt", "--all", "--check"])));
    steps.step("clippy", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--quiet"];
        execute(cargo(&lint).args(["--", "-D", "warnings"]))
    });
    steps.step("documentation", || {
        let doc =
            ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items", "--locked"];
        execute(cargo(&doc).arg("--quiet").env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.step("token-core by feature", || each_feature(&metadata, "token-core"));
    steps.step("token by feature", || each_feature(&metadata, "token-cli").and_then(|()| on_files_alone()));
    steps.step("two hundred sign-ins move", || {
        install::run().and_then(|()| long_test("two_hundred_sign_ins"))
    });
    steps.step("Redis away for a minute", || install::run().and_then(|()| long_test("only_after_a_minute")));
    steps.step("storm on a directory", || storm::on(Cache::File));
    steps.step("storm on SQLite", || storm::on(Cache::Sqlite));
    steps.step("storm on Redis", || install::run().and_then(|()| storm::on(Cache::Redis)));
    steps.finish()
}

/// Compiles a crate without features, then with each of them alone.
fn each_feature(metadata: &Metadata, name: &str) -> Result<()> {
    let package = metadata.workspace_packages().into_iter().find(|package| package.name == name);
    let Some(package) = package else { bail!("there is no {name}") };
    let features = package.features.keys().filter(|feature| *feature != "default");
    for feature in std::iter::once("").chain(features.map(String::as_str)) {
        let check = ["check", "--quiet", "--locked", "--package", name, "--no-default-features"];
        execute(cargo(&check).args(["--features", feature]))?;
    }
    Ok(())
}

/// A program that keeps its tokens in files and nothing else refuses every other cache.
fn on_files_alone() -> Result<()> {
    let test = ["test", "--package", "token-cli", "--no-default-features", "--bin", "token", "--locked"];
    execute(cargo(&test).args(["--quiet", "backend"]))
}

/// A test that takes too long to be one of all.
fn long_test(name: &str) -> Result<()> {
    let test = ["test", "--package", "token-cli", "--test", "cli", "--locked", "--quiet", name];
    execute(cargo(&test).args(["--", "--ignored"]).env("REQUIRE_REDIS", "1"))
}

fn metadata() -> Result<Metadata> {
    Ok(MetadataCommand::new().current_dir(root()).other_options(["--locked".to_owned()]).exec()?)
}

fn lock_file() -> Result<String> {
    Ok(std::fs::read_to_string(root().join("Cargo.lock"))?)
}

/// One line a violation.
fn report(violations: Vec<String>) -> Result<()> {
    if !violations.is_empty() {
        bail!("{}", violations.join("\n"));
    }
    Ok(())
}
