//! Real Azure CLI behind the shim: both know one sign-in, whatever is done through the shim.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use token_testkit::World;

use super::azure_cli;
use super::stand::{Program, Side, issuer};

/// A sign-in, and what people do with it.
pub(super) fn run() -> Result<()> {
    let issuer = issuer();
    let both =
        Both { side: Side::new(Program::Both, &issuer)?, real: azure_cli::program()?.display().to_string() };

    // It is a person's, made there and brought over here.
    both.succeeds("az login --use-device-code -o none")?;
    both.agree("account show")?;
    both.agree("account list --all")?;
    both.same_token("")?;
    both.same_token("--subscription Lab")?;
    both.same_token(&format!("--tenant {}", World::SECOND_TENANT))?;

    // Commands of Azure CLI's own.
    let name = both.succeeds("az config get cloud.name --query value -o tsv")?;
    ensure!(name == "lab\n", "a command of Azure CLI's own printed {name:?}");
    let failed = both.run("az config get no.such.option")?;
    ensure!(failed.status.code() == Some(1), "its exit code became {}", failed.status);

    // What is active follows.
    both.succeeds("az account set --subscription Lab")?;
    both.agree("account show")?;
    both.same_token("")?;
    both.succeeds("az cloud set -n AzureCloud")?;
    both.agree("cloud show --query name")?;
    both.agree("account list")?;
    both.succeeds("az cloud set -n lab")?;
    both.agree("account show")?;
    let refused = both.run("az account set --subscription nosuch")?;
    ensure!(refused.status.code() == Some(1), "a subscription that does not exist: {}", refused.status);
    both.agree("account show")?;

    // Somebody else beside them, and then nobody.
    both.succeeds(&format!(
        "az login --service-principal -u {} -p '{}' --tenant {} -o none",
        World::CLIENT_ID,
        World::CLIENT_SECRET,
        World::HOME_TENANT
    ))?;
    both.agree("account show")?;
    both.same_token("")?;
    both.succeeds("az logout")?;
    both.agree("account list --all")?;
    both.succeeds("az account clear")?;
    both.agree("account list --all")?;
    let signed_out = both.run("az account get-access-token")?;
    ensure!(signed_out.status.code() == Some(1), "signed out, and: {}", signed_out.status);
    Ok(())
}

struct Both {
    side: Side,
    /// Azure CLI itself, without the shim.
    real: String,
}

impl Both {
    fn run(&self, line: &str) -> Result<Output> {
        Ok(self.side.shell(line).output()?)
    }

    fn succeeds(&self, line: &str) -> Result<String> {
        let output = self.run(line)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "'{line}': {}\n{stderr}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Both print the same.
    fn agree(&self, command: &str) -> Result<()> {
        let ours = self.succeeds(&format!("az {command}"))?;
        let theirs = self.succeeds(&format!("{} {command}", self.real))?;
        ensure!(ours == theirs, "'{command}' differs; of token:\n{ours}of az:\n{theirs}");
        Ok(())
    }

    /// Both have the same access token, and say the same of it.
    fn same_token(&self, options: &str) -> Result<()> {
        let command = format!("account get-access-token {options}");
        let read = |program: &str| -> Result<Value> {
            let printed = self.succeeds(&format!("{program} {command}"))?;
            serde_json::from_str(&printed).with_context(|| format!("'{program} {command}' printed {printed}"))
        };
        let (mut ours, mut theirs) = (read("az")?, read(&self.real)?);
        let end = |answer: &Value| answer["expires_on"].as_i64().context("no expires_on");
        // Azure CLI adds up whole seconds of two clocks, and may lose one.
        ensure!((end(&ours)? - end(&theirs)?).abs() <= 1, "'{command}' ends at another time");
        for answer in [&mut ours, &mut theirs] {
            answer.as_object_mut().context("no object")?.retain(|name, _| !name.starts_with("expires"));
        }
        ensure!(ours == theirs, "'{command}' differs: of token {ours}, of az {theirs}");
        Ok(())
    }
}
