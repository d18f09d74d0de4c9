//! Running other programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;

/// The workspace's directory.
pub(crate) fn root() -> &'static Path {
    // `xtask` is a member, so its parent is the workspace.
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The cargo that runs this, in the workspace's directory.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a program that prints for itself. It gets nothing to read.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| cannot_run(command))?;
    if !status.success() {
        bail!("{} failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program for what it prints on standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_run(command))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}): {}", line(command), output.status, why.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Builds one binary and says where it is.
pub(crate) fn build(package: &str, binary: &str, profile: &[&str]) -> Result<PathBuf> {
    let mut command = cargo(&["build", "--package", package, "--bin", binary]);
    command.args(profile);
    let [path] = executables(&mut command, [binary])?;
    Ok(path)
}

/// Builds an example and says where it is.
pub(crate) fn build_example(package: &str, example: &str) -> Result<PathBuf> {
    let [path] = executables(&mut cargo(&["build", "--package", package, "--example", example]), [example])?;
    Ok(path)
}

/// The programs as the tests run them, `token` with its fault points. Where the tests have been built there is
/// nothing left to do.
pub(crate) fn build_as_tested<const N: usize>(binaries: [&str; N]) -> Result<[PathBuf; N]> {
    // An integration test brings the programs of its package.
    executables(
        &mut cargo(&["test", "--workspace", "--no-run", "--test", "cli", "--test", "issuer"]),
        binaries,
    )
}

/// Builds, and says where these binaries are.
fn executables<const N: usize>(command: &mut Command, binaries: [&str; N]) -> Result<[PathBuf; N]> {
    command.args(["--quiet", "--locked", "--message-format=json-render-diagnostics"]);
    let messages = read(command.stderr(Stdio::inherit()))?;
    let mut built = BTreeMap::new();
    for message in Message::parse_stream(messages.as_bytes()) {
        if let Message::CompilerArtifact(artifact) = message?
            && !artifact.profile.test
            && let Some(path) = artifact.executable
        {
            built.insert(artifact.target.name, path.into());
        }
    }
    let mut paths = [(); N].map(|()| PathBuf::new());
    for (path, binary) in paths.iter_mut().zip(binaries) {
        *path = built.remove(binary).with_context(|| format!("cargo built no {binary}"))?;
    }
    Ok(paths)
}

/// Runs steps one after the other, with the time of each, and goes on after a failure: who fixes one thing wants
/// to know of the others.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    failed: Vec<String>,
}

impl Steps {
    /// Runs one, and says whether it passed.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("── {name}");
        let start = Instant::now();
        let outcome = work();
        let time = seconds(start.elapsed());
        let passed = outcome.is_ok();
        match outcome {
            Ok(()) => eprintln!("── {name}: passed in {time}"),
            Err(error) => {
                eprintln!("{error:#}");
                eprintln!("── {name}: FAILED after {time}");
                self.failed.push(name.to_owned());
            }
        }
        passed
    }

    /// Whether all of them passed.
    pub(crate) fn finish(self) -> Result<()> {
        if !self.failed.is_empty() {
            bail!("failed: {}", self.failed.join(", "));
        }
        Ok(())
    }
}

/// As in `12.3 s`.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// As in `1.23 ms`.
pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// As in `5.8 MiB`.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn cannot_run(command: &Command) -> String {
    format!("cannot run {}", line(command))
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
