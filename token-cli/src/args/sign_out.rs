//! `logout`, and how far it reaches.

use clap::Args;

use super::output::Output;
use crate::program;

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// Account to sign out; the active one by default
    // Azure CLI has one name for it.
    #[arg(
        long = if program::is_az() { "username" } else { "account" },
        visible_alias = (!program::is_az()).then_some("username"),
        short_alias = (!program::is_az()).then_some('u'),
        value_name = "ACCOUNT"
    )]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) output: Output,
}

// Whose sign-ins may end.
#[derive(Args, Debug)]
pub(crate) struct Reach {
    /// End sign-ins that were made elsewhere too, for everybody who shares the cache
    #[arg(long)]
    pub(crate) everywhere: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}
