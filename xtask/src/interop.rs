//! `cargo xtask interop`: the programs and libraries that `token` stands in for, or serves, run for real against a
//! local issuer. One file a part.

pub(crate) mod azure_cli;
mod behind;
mod node;
mod python;
mod sdk;
mod sign_in;
pub(crate) mod stand;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::process::{Steps, root};

/// One thing to get along with.
struct Part {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "azure-cli", what: "the same invocations as real az, compared", run: azure_cli::run },
    Part { name: "behind", what: "a real az behind the shim: one sign-in for both", run: behind::run },
    Part { name: "python", what: "AzureCliCredential of azure-identity for Python", run: sdk::python },
    Part {
        name: "javascript",
        what: "AzureCliCredential of @azure/identity for JavaScript",
        run: sdk::javascript,
    },
    Part { name: "rust", what: "AzureCliCredential of azure_identity for Rust", run: sdk::rust },
    Part {
        name: "chromium",
        what: "a person signs in, declines and answers twice in Chromium",
        run: sign_in::chromium,
    },
    Part {
        name: "oidc-provider",
        what: "every way to sign in, at an OpenID provider from npm",
        run: sign_in::oidc_provider,
    },
];

/// Runs all parts, or one; `azure-cli/NAME` runs one script of that part.
pub(crate) fn run(name: Option<&str>) -> Result<()> {
    if let Some(script) = name.and_then(|name| name.strip_prefix("azure-cli/")) {
        return azure_cli::run_script(script);
    }
    let wanted: Vec<&Part> = PARTS.iter().filter(|part| name.is_none_or(|name| part.name == name)).collect();
    if wanted.is_empty() {
        let names: Vec<String> = PARTS.iter().map(|part| format!("{}: {}", part.name, part.what)).collect();
        bail!("there is no such part; there are\n{}", names.join("\n"));
    }
    let mut steps = Steps::default();
    for part in wanted {
        steps.step(part.name, part.run);
    }
    steps.finish()
}

/// Where the others are installed. It may be deleted at any time.
fn directory() -> PathBuf {
    root().join("target/interop")
}
