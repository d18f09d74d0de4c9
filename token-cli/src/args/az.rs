//! `az …`: standing in for Azure CLI.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Az {
    /// Put the name az, as a link to this program, into a directory, and import who is signed in with Azure CLI
    Install(Link),
    /// Take it away again
    Uninstall(Link),
}

#[derive(Args, Debug)]
pub(crate) struct Link {
    /// The directory; ~/.local/bin by default
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
