//! Which token.

use clap::{ArgAction, Args, ValueEnum};

use super::duration::{MinValidity, duration_or_nothing};

// Which token.
#[derive(Args, Debug, Default)]
pub(crate) struct Request {
    /// Subscription whose account and tenant are used, by id or name
    #[arg(long, short, visible_alias = "name", visible_short_alias = 'n', value_name = "SUBSCRIPTION")]
    pub(crate) subscription: Option<String>,
    /// Resource the token is for
    #[arg(long, value_name = "URL")]
    pub(crate) resource: Option<String>,
    /// Scopes of the token
    #[arg(long, value_name = "SCOPE", num_args = 0.., action = ArgAction::Set)]
    pub(crate) scope: Vec<String>,
    /// A well-known resource of the cloud
    #[arg(long, value_name = "TYPE", ignore_case = true)]
    pub(crate) resource_type: Option<ResourceType>,
    /// Tenant the token is from
    #[arg(long, short, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Account that is used
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// How long the token must still live: seconds, or 10m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration_or_nothing)]
    pub(crate) min_validity: Option<MinValidity>,
    /// Claims challenge to answer with a new token, in base64, as an API sends it in WWW-Authenticate
    #[arg(long, value_name = "BASE64")]
    pub(crate) claims_challenge: Option<String>,
    /// Get a new token, whatever the cached one is good for
    #[arg(long)]
    pub(crate) force_refresh: bool,
    #[command(flatten)]
    policy: Policy,
}

// What Azure CLI passes on to Azure Policy; it takes part in no token.
#[derive(Args, Debug, Default)]
pub(crate) struct Policy {
    #[arg(long, hide = true)]
    acquire_policy_token: bool,
    #[arg(long, hide = true)]
    change_reference: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ResourceType {
    OssRdbms,
    Arm,
    AadGraph,
    MsGraph,
    Batch,
    Media,
    DataLake,
}
