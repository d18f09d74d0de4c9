//! What was typed. What it means is decided in `config.rs` and in the commands.

mod account;
mod duration;
mod login;
mod output;
mod request;
mod sign_out;

use clap::{Args, Parser, Subcommand};

pub(crate) use account::{Account, Clear, GetAccessToken, List, Set, Show};
pub(crate) use login::Login;
pub(crate) use output::{Format, Output, TokenFormat, TokenOutput};
pub(crate) use request::{Request, ResourceType};
pub(crate) use sign_out::{Logout, Reach};

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
    /// Keys that entries are sealed under
    #[command(subcommand)]
    Key(Key),
    /// What is configured
    #[command(subcommand)]
    Config(Config),
    /// Print the version
    Version(Version),
    /// Print a script that completes commands in a shell
    Completion(Completion),
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
pub(crate) enum Key {
    /// Print a new key, for everybody who shares a cache: token key new > team.key
    New,
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

/// An option's value, where it was given and is not empty.
pub(crate) fn given(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

/// The values of an option that are not empty.
pub(crate) fn given_all(values: &[String]) -> Vec<String> {
    values.iter().filter(|text| !text.is_empty()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::duration::MinValidity;
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
}
