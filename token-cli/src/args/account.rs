//! `account …`: what the signed-in accounts see, and their tokens.

use clap::{Args, Subcommand};

use super::output::{Output, TokenOutput};
use super::request::Request;
use super::sign_out::Reach;

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Account {
    /// Print an access token, as Azure CLI does
    GetAccessToken(GetAccessToken),
    /// Show the active subscription, or the active account where it has none
    Show(Show),
    /// List what the signed-in accounts see
    List(List),
    /// Choose the active subscription
    Set(Set),
    /// Sign out of every account
    Clear(Clear),
    /// Bring over who is signed in with Azure CLI
    Import(Import),
}

#[derive(Args, Debug)]
pub(crate) struct GetAccessToken {
    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) output: TokenOutput,
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// Subscription to show, by id or name
    #[arg(long, short, visible_alias = "name", visible_short_alias = 'n', value_name = "SUBSCRIPTION")]
    pub(crate) subscription: Option<String>,
    /// Account to show
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// List those of other clouds and in other states than Enabled too
    #[arg(long)]
    pub(crate) all: bool,
    /// Ask Azure anew what the accounts see
    #[arg(long)]
    pub(crate) refresh: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Set {
    /// Subscription to use from now on, by id or name
    #[arg(
        long,
        short,
        visible_alias = "name",
        visible_short_alias = 'n',
        value_name = "SUBSCRIPTION",
        required_unless_present = "account"
    )]
    pub(crate) subscription: Option<String>,
    /// Account to use from now on
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Make it the default of everybody who shares the cache and has not chosen
    #[arg(long)]
    pub(crate) shared: bool,
    // Nothing is printed; Azure CLI takes it on every command.
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Clear {
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) output: Output,
}
