//! `AzureCliCredential` of the SDKs: each gets its tokens through the shim, against a local issuer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use token_testkit::{RunningIssuer, World};

use super::stand::{Program, Side, issuer};
use super::{node, python as python_environment};
use crate::process;

const PYTHON: &str = "azure-identity==1.27.0";
const JAVASCRIPT: &str = "@azure/identity@4.13.1";

/// What the clients ask for.
const SCOPE: &str = "https://vault.azure.net/.default";

/// azure-identity for Python.
pub(super) fn python() -> Result<()> {
    let python = python_environment::environment("python", &[PYTHON])?.join("python");
    try_it(&python, &[process::root().join("xtask/interop/python/client.py")])
}

/// @azure/identity for JavaScript.
pub(super) fn javascript() -> Result<()> {
    let place = node::project("javascript", &[JAVASCRIPT], &["javascript/client.mjs"])?;
    try_it(&node::program()?, &[place.join("client.mjs")])
}

/// azure_identity for Rust, which is built outside of the workspace.
pub(super) fn rust() -> Result<()> {
    let target = super::directory().join("rust");
    let mut cargo = process::cargo(&["build", "--quiet", "--locked"]);
    cargo.current_dir(process::root().join("xtask/interop/rust")).env("CARGO_TARGET_DIR", &target);
    process::run(&mut cargo)?;
    try_it(&target.join("debug/azure-cli-credential"), &[])
}

/// Runs a client: `SCOPE TENANT SUBSCRIPTION`, where `-` is none. It prints a line of JSON: `token` and `expires_on`,
/// or `error`.
struct Client<'a> {
    program: &'a Path,
    arguments: &'a [PathBuf],
    side: &'a Side,
}

fn try_it(program: &Path, arguments: &[PathBuf]) -> Result<()> {
    let issuer = issuer();
    let side = Side::new(Program::Token, &issuer)?;
    let client = Client { program, arguments, side: &side };

    let refused = client.ask(SCOPE, "-", "-")?;
    let said = refused["error"].as_str().context("a token, and nobody has signed in")?;
    ensure!(said.contains("az login"), "nobody has signed in, and the client says: {said}");

    process::run(
        side.shell("az login --use-device-code")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    )?;
    let first = client.token(&issuer, "-", "-", World::HOME_TENANT)?;
    let again = client.token(&issuer, "-", "-", World::HOME_TENANT)?;
    ensure!(first == again, "the second token is not the first one");
    client.token(&issuer, World::SECOND_TENANT, "-", World::SECOND_TENANT)?;
    client.token(&issuer, "-", World::LAB, World::SECOND_TENANT)?;
    client.token(&issuer, "-", "Production", World::HOME_TENANT)?;

    let refused = client.ask(SCOPE, "-", "nosuch")?;
    let said = refused["error"].as_str().context("a token for a subscription that does not exist")?;
    ensure!(said.contains("nosuch"), "there is no such subscription, and the client says: {said}");
    Ok(())
}

impl Client<'_> {
    fn ask(&self, scope: &str, tenant: &str, subscription: &str) -> Result<Value> {
        let mut command: Command = self.side.program(self.program);
        command.args(self.arguments).args([scope, tenant, subscription]);
        let output = command.output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let why = || format!("{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(printed.trim()).with_context(why)
    }

    /// A token, which has to be for what was asked and to live as long as the issuer says.
    fn token(
        &self,
        issuer: &RunningIssuer,
        tenant: &str,
        subscription: &str,
        expected: &str,
    ) -> Result<String> {
        let answer = self.ask(SCOPE, tenant, subscription)?;
        let token = answer["token"].as_str().with_context(|| format!("no token: {answer}"))?;
        let issued = issuer.access_token(token).context("the issuer never issued it")?;
        ensure!(issued.tenant.as_deref() == Some(expected), "it is for the tenant {:?}", issued.tenant);
        ensure!(issued.scopes.iter().any(|scope| scope == SCOPE), "it is for {:?}", issued.scopes);
        let end = answer["expires_on"].as_i64().context("no expires_on")?;
        ensure!(
            (end - issued.expires_on).abs() <= 1,
            "it ends at {}, and the client says {end}",
            issued.expires_on
        );
        Ok(token.to_owned())
    }
}
