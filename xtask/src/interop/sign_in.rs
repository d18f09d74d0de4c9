//! The ways to sign in, in a browser and at a provider that are not ours.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{directory, node, stand};
use crate::install::{self, Need, Thing};
use crate::process;

const PUPPETEER: &str = "puppeteer-core@25.16.0";
const OIDC_PROVIDER: &str = "oidc-provider@9.13.3";

const CHROMIUM: &[Need] =
    &[Need { thing: Thing::Program("chromium"), package: "chromium", why: "to sign in in a real browser" }];

const OPENSSL: &[Need] = &[Need {
    thing: Thing::Program("openssl"),
    package: "openssl",
    why: "to make the certificates that programs sign in with",
}];

/// In Chromium, at the local issuer. What the pages look like is in `target/interop/chromium/pictures`.
pub(super) fn chromium() -> Result<()> {
    install::needs(CHROMIUM)?;
    let browser = install::find("chromium").context("chromium is not on PATH")?;
    let issuer = process::build("token-testkit", "issuer", &[])?;
    let pictures = directory().join("chromium/pictures");
    if pictures.exists() {
        std::fs::remove_dir_all(&pictures)?;
    }
    std::fs::create_dir_all(&pictures)?;
    run("chromium", PUPPETEER, &[&issuer, &browser, &pictures])
}

/// At oidc-provider, in all ways that it has.
pub(super) fn oidc_provider() -> Result<()> {
    install::needs(OPENSSL)?;
    run("oidc-provider", OIDC_PROVIDER, &[])
}

/// Runs `xtask/interop/NAME/sign_in.mjs` with `token` and these.
fn run(name: &str, package: &str, arguments: &[&Path]) -> Result<()> {
    let program = format!("{name}/sign_in.mjs");
    let place = node::project(name, &[package], &["desk.mjs", &program])?;
    let token = stand::token()?;
    let mut command = Command::new(node::program()?);
    process::run(command.arg(place.join("sign_in.mjs")).arg(token).args(arguments))
}
