//! What was typed. What it means is decided in `config.rs` and in the commands.

use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// OAuth 2.0 access tokens in about a millisecond, from one sign-in kept alive for everybody
#[derive(Debug, Parser)]
#[command(
    name = "token",
    version,
    after_help = "A repeated option replaces its earlier value, an empty value counts as not given, and long options \
                  may be shortened while they stay unique.",
    infer_long_args = true,
    args_override_self = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    #[command(subcommand)]
    pub(crate) command: Command,
}

// How much is said on stderr. (A documentation comment here would become the help of every command.)
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Verbosity {
    /// Say what is done
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    /// Say everything that is done; never a secret
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Keep notices and warnings to yourself
    #[arg(long, global = true)]
    pub(crate) only_show_errors: bool,
}

// A branch of the tree is built when it is entered: building all of it would be felt on every hit.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Command {
    /// Sign in
    Login(Login),
    /// Sign out
    Logout(Logout),
    /// Accounts, subscriptions and their tokens
    #[command(subcommand)]
    Account(Account),
    /// Print an access token and nothing else, as for $(token get graph)
    Get(Get),
    /// What is kept
    #[command(subcommand)]
    Cache(Cache),
    /// What is configured
    #[command(subcommand)]
    Config(Config),
    /// Print the version
    Version(Version),
    /// Print a script that completes commands in a shell
    Completion(Completion),
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    /// Sign in with a code that is typed into a browser on any device
    #[arg(long)]
    pub(crate) use_device_code: bool,
    /// Tenant to sign in to
    #[arg(long, short, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Scopes to consent to
    #[arg(long, value_name = "SCOPE", num_args = 0.., action = ArgAction::Set)]
    pub(crate) scope: Vec<String>,
    /// Sign in as a service principal, with --username, --password and --tenant
    #[arg(long)]
    pub(crate) service_principal: bool,
    /// Client id of the service principal
    #[arg(long, short, value_name = "ID")]
    pub(crate) username: Option<String>,
    /// Its secret: env:NAME, file:PATH, - for standard input, or the secret itself, which others can then see in the
    /// list of processes
    #[arg(long, short, value_name = "SECRET")]
    pub(crate) password: Option<String>,
    /// OpenID Connect issuer to sign in to: its URL, or its name in the config
    #[arg(long, value_name = "URL|NAME")]
    pub(crate) issuer: Option<String>,
    /// Client id at the issuer
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Client secret at the issuer, in the forms of --password. It signs in the client itself; with --use-device-code a
    /// person signs in, and the secret is the client's authentication
    #[arg(long, value_name = "SECRET")]
    pub(crate) client_secret: Option<String>,
    /// Take tenants without subscriptions too
    #[arg(long)]
    pub(crate) allow_no_subscriptions: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Logout {
    /// Account to sign out; the active one by default
    #[arg(long, visible_alias = "username", short_alias = 'u', value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
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
}

#[derive(Args, Debug)]
pub(crate) struct GetAccessToken {
    #[command(flatten)]
    pub(crate) request: Request,
    #[command(flatten)]
    pub(crate) output: TokenOutput,
}

// Which token.
#[derive(Args, Debug, Default)]
pub(crate) struct Request {
    /// Resource the token is for
    #[arg(long, value_name = "URL")]
    pub(crate) resource: Option<String>,
    /// A well-known resource of the cloud
    #[arg(long, value_name = "TYPE", ignore_case = true)]
    pub(crate) resource_type: Option<ResourceType>,
    /// Scopes of the token
    #[arg(long, value_name = "SCOPE", num_args = 0.., action = ArgAction::Set)]
    pub(crate) scope: Vec<String>,
    /// Tenant the token is from
    #[arg(long, short, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    /// Subscription whose account and tenant are used, by id or name
    #[arg(long, short, visible_alias = "name", visible_short_alias = 'n', value_name = "SUBSCRIPTION")]
    pub(crate) subscription: Option<String>,
    /// Account that is used
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// How long the token must still live: seconds, or 10m, 1h
    #[arg(long, value_name = "TIME", value_parser = duration_or_nothing)]
    pub(crate) min_validity: Option<MinValidity>,
    /// Get a new token, whatever the cached one is good for
    #[arg(long)]
    pub(crate) force_refresh: bool,
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

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// Resource the token is for: a URL, or arm, graph, vault, storage
    pub(crate) target: Option<String>,
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
}

#[derive(Args, Debug)]
pub(crate) struct Clear {
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Cache {
    /// List the cached tokens: who, for what, until when
    List(Listing),
    /// Remove expired access tokens and damaged entries, never a sign-in
    Purge(Listing),
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Config {
    /// Show what is configured, and where
    Show(Listing),
    /// Print the path of the config file
    Path,
}

#[derive(Args, Debug)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Version {
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Completion {
    /// Shell to complete in
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug, Default)]
pub(crate) struct TokenOutput {
    /// Output format; header is the line `Authorization: Bearer …`
    #[arg(long = "output", short = 'o', value_name = "FORMAT", ignore_case = true)]
    pub(crate) format: Option<TokenFormat>,
}

#[derive(Args, Debug, Default)]
pub(crate) struct Output {
    /// Output format
    #[arg(long = "output", short = 'o', value_name = "FORMAT", ignore_case = true)]
    pub(crate) format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Jsonc,
    Yaml,
    Yamlc,
    Table,
    Tsv,
    None,
}

/// The formats of a token: those of everything else, and one of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenFormat {
    Plain(Format),
    /// `Authorization: Bearer …`
    Header,
}

impl ValueEnum for TokenFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Plain(Format::Json),
            Self::Plain(Format::Jsonc),
            Self::Plain(Format::Yaml),
            Self::Plain(Format::Yamlc),
            Self::Plain(Format::Table),
            Self::Plain(Format::Tsv),
            Self::Plain(Format::None),
            Self::Header,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Plain(format) => format.to_possible_value(),
            Self::Header => Some(PossibleValue::new("header")),
        }
    }
}

/// A least validity; the wrapping carries "an empty value counts as not given" through clap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MinValidity(pub(crate) Option<Duration>);

/// An option's value, where it was given and is not empty.
pub(crate) fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

/// The values of an option that are not empty.
pub(crate) fn given_all(values: &[String]) -> Vec<String> {
    values.iter().filter(|text| !text.is_empty()).cloned().collect()
}

fn duration_or_nothing(text: &str) -> Result<MinValidity, String> {
    if text.is_empty() {
        return Ok(MinValidity(None));
    }
    duration(text).map(|time| MinValidity(Some(time)))
}

/// `90`, `90s`, `10m`, `1h`, `1d`, and several of them in a row, as `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let malformed = || "expected seconds, or a time such as 10m or 1h30m".to_owned();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return bounded(text.parse().ok());
    }
    let mut total: Option<u64> = Some(0);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        if digits == 0 {
            return Err(malformed());
        }
        let number: Option<u64> = rest[..digits].parse().ok();
        let unit = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86400,
            _ => return Err(malformed()),
        };
        total = total.and_then(|total| number?.checked_mul(unit)?.checked_add(total));
        rest = &rest[digits + 1..];
    }
    bounded(total)
}

/// No issuer gives a token that lives a year, and sums of times below it cannot overflow.
fn bounded(seconds: Option<u64>) -> Result<Duration, String> {
    match seconds {
        Some(seconds) if seconds <= 366 * 86400 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected at most a year".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(line.split(' ').map(|word| if word == "''" { "" } else { word }))
    }

    fn request(options: &str) -> (Request, Option<TokenFormat>) {
        match parse(&format!("token account get-access-token {options}")).unwrap().command {
            Command::Account(Account::GetAccessToken(typed)) => (typed.request, typed.output.format),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_tree_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_are_spelt_as_with_az() {
        for spelling in ["-o=tsv", "-otsv", "-o tsv", "--output=tsv", "--output tsv", "--out tsv", "-o TSV"] {
            assert_eq!(request(spelling).1, Some(TokenFormat::Plain(Format::Tsv)), "{spelling}");
        }
        for spelling in ["-s x", "-n x", "--name x", "--subscription x", "--subsc x", "-s y -n x"] {
            assert_eq!(request(spelling).0.subscription.as_deref(), Some("x"), "{spelling}");
        }
        assert_eq!(request("--resource a --resource b").0.resource.as_deref(), Some("b"));
        assert_eq!(request("--resource-type ARM").0.resource_type, Some(ResourceType::Arm));
    }

    #[test]
    fn several_scopes_follow_one_option_and_the_last_option_wins() {
        assert_eq!(request("--scope a b").0.scope, ["a", "b"]);
        assert_eq!(request("--scope a --scope b").0.scope, ["b"]);
        assert!(request("--scope").0.scope.is_empty());
    }

    #[test]
    fn empty_is_not_given() {
        let (typed, _) = request("--tenant '' --min-validity ''");
        assert_eq!(given(&typed.tenant), None);
        assert_eq!(typed.min_validity, Some(MinValidity(None)));
    }

    #[test]
    fn ambiguous_and_unknown_options_are_usage_errors() {
        for line in [
            "--res x",
            "--bogus",
            "extra",
            "--resource",
            "-o bogus",
            "--resource-type bogus",
            "--min-validity 5x",
        ] {
            let error = parse(&format!("token account get-access-token {line}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["m", "10x", "10m5", "-1", "1.5h", " 5", "99999999999999999999", "9999d", "18446744073709551615h"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
