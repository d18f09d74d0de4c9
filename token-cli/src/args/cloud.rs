//! `cloud …`: which Azure is meant.

use clap::{Args, Subcommand};

use super::output::Output;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Cloud {
    /// List the clouds
    List(ListClouds),
    /// Show a cloud
    Show(ShowCloud),
    /// Choose the active cloud
    Set(SetCloud),
}

#[derive(Args, Debug)]
pub(crate) struct ListClouds {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct ShowCloud {
    /// Cloud to show; the active one by default
    #[arg(long, short, value_name = "CLOUD")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct SetCloud {
    /// Cloud to use from now on
    #[arg(long, short, value_name = "CLOUD", required = true)]
    pub(crate) name: String,
    // Azure CLI's choice among one.
    #[arg(long, hide = true, value_parser = ["latest"])]
    profile: Option<String>,
    // Nothing is printed; Azure CLI takes it on every command.
    #[command(flatten)]
    pub(crate) output: Output,
}
