//! The version of Azure CLI that we stand in for.

use crate::output;
use crate::report::Failure;
use crate::value::Value;

/// Its version: callers refuse what is older than they know, and Terraform what is 3.0.0 or later.
const AZURE_CLI: &str = "2.91.0";
const TELEMETRY: &str = "1.1.0";
const MSAL: &str = "1.39.0";
const RESOURCE: &str = "24.0.0";

/// What `az version` prints, in Azure CLI's order.
pub(crate) fn value() -> Value {
    Value::object([
        ("extensions", Value::object([])),
        ("azure-cli", AZURE_CLI.into()),
        ("azure-cli-core", AZURE_CLI.into()),
        ("azure-cli-telemetry", TELEMETRY.into()),
    ])
}

/// Prints what `az --version` prints, as far as others read it, and who it is that answers.
pub(crate) fn print() -> Result<(), Failure> {
    let line = |name: &str, version: &str| format!("{name:<25}{version:>15}\n");
    output::text(&format!(
        "{}\n{}{}\nDependencies:\n{}{}\nAnswered by token {}\n\nLegal docs and information: aka.ms/AzureCliLegal\n\n\n",
        line("azure-cli", AZURE_CLI),
        line("core", AZURE_CLI),
        line("telemetry", TELEMETRY),
        line("msal", MSAL),
        line("azure-mgmt-resource", RESOURCE),
        env!("CARGO_PKG_VERSION"),
    ))
}
