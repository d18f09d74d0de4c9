//! `login`: who signs in, and how.

use clap::{ArgAction, Args};

use super::output::Output;
use super::request::Policy;

#[derive(Args, Debug)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) principal: Principal,
    /// Tenant to sign in to, by id or domain
    #[arg(long, short, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Scopes to consent to
    #[arg(long, value_name = "SCOPE", num_args = 1.., action = ArgAction::Set)]
    pub(crate) scope: Vec<String>,
    /// Claims challenge to answer, in base64, as an API sends it in WWW-Authenticate
    #[arg(long, value_name = "BASE64")]
    pub(crate) claims_challenge: Option<String>,
    /// Sign in with a code that is typed into a browser on any device
    #[arg(long)]
    pub(crate) use_device_code: bool,
    /// Fail where a person would have to be asked
    #[arg(long)]
    pub(crate) no_interactive: bool,
    #[command(flatten)]
    pub(crate) managed_identity: ManagedIdentity,
    /// Client id at the issuer, or of the user-assigned managed identity
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    #[command(flatten)]
    pub(crate) issuer: Issuer,
    #[command(flatten)]
    pub(crate) subscriptions: Subscriptions,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    pub(crate) output: Output,
}

// A service principal, and what it proves itself with.
#[derive(Args, Debug)]
#[command(next_help_heading = "Service principals")]
pub(crate) struct Principal {
    /// Sign in as a service principal, with --username, --tenant, and what proves it
    #[arg(long)]
    pub(crate) service_principal: bool,
    /// Client id of the service principal
    #[arg(long, short, value_name = "ID")]
    pub(crate) username: Option<String>,
    /// Its secret: env:NAME, file:PATH, - for standard input, or the secret itself, which others can then see in the
    /// list of processes
    #[arg(long, short, value_name = "SECRET")]
    pub(crate) password: Option<String>,
    /// File with its certificate and private key: PEM or PKCS#12
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Option<String>,
    /// Password of that file, in the forms of --password
    #[arg(long, value_name = "SECRET")]
    pub(crate) certificate_password: Option<String>,
    /// Send the certificate along, for an application that trusts its subject name and issuer
    #[arg(long)]
    pub(crate) use_cert_sn_issuer: bool,
    /// Token of another identity provider that the application trusts
    #[arg(long, value_name = "JWT")]
    pub(crate) federated_token: Option<String>,
    /// File with such a token that somebody keeps current; it is read anew for every exchange
    #[arg(long, value_name = "FILE")]
    pub(crate) federated_token_file: Option<String>,
    /// Prove it by the job of GitHub Actions that runs this
    #[arg(long)]
    pub(crate) github_actions: bool,
    /// Prove it by the job of Azure Pipelines that runs this, with the id of its service connection
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) azure_pipelines: Option<String>,
}

// The identity of the machine or service that we run on.
#[derive(Args, Debug)]
#[command(next_help_heading = "Managed identities")]
pub(crate) struct ManagedIdentity {
    /// Sign in with the managed identity of this host; --client-id, --object-id or --resource-id names one of several
    #[arg(long, short)]
    pub(crate) identity: bool,
    /// Object id of the user-assigned managed identity
    #[arg(long, value_name = "ID")]
    pub(crate) object_id: Option<String>,
    /// Resource id of the user-assigned managed identity
    #[arg(long, value_name = "ID")]
    pub(crate) resource_id: Option<String>,
}

// An issuer that is not Microsoft's.
#[derive(Args, Debug)]
#[command(next_help_heading = "Other issuers")]
pub(crate) struct Issuer {
    /// OpenID Connect issuer to sign in to: its URL, or its name in the config
    #[arg(long = "issuer", value_name = "URL|NAME")]
    pub(crate) url: Option<String>,
    /// Client secret at the issuer, in the forms of --password. It signs in the client itself; with --use-device-code a
    /// person signs in, and the secret is the client's authentication
    #[arg(long, value_name = "SECRET")]
    pub(crate) client_secret: Option<String>,
}

// Which subscriptions are looked for, and which one becomes active.
#[derive(Args, Debug)]
#[command(next_help_heading = "Subscriptions")]
pub(crate) struct Subscriptions {
    /// Subscription to make active, by id or name
    #[arg(long, short, value_name = "SUBSCRIPTION")]
    pub(crate) subscription: Option<String>,
    /// Look for no subscriptions, or only for the one of --subscription; needs --tenant
    #[arg(long, visible_alias = "skip-sub")]
    pub(crate) skip_subscription_discovery: bool,
    /// Take tenants without subscriptions too
    #[arg(long)]
    pub(crate) allow_no_subscriptions: bool,
}
