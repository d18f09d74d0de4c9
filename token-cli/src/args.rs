//! What was typed. What it means is decided in `config.rs` and in the commands.

mod account;
mod argparse;
mod az;
mod azure_cli;
mod closest;
mod cloud;
mod duration;
mod files;
mod login;
mod output;
mod request;
mod sign_out;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use self::argparse::Manner;
use crate::program;
use crate::report::Failure;

pub(crate) use self::argparse::Refused;
pub(crate) use account::{Account, Clear, GetAccessToken, Import, List, Set, Show};
pub(crate) use az::{Az, Link};
pub(crate) use cloud::{Cloud, ListClouds, SetCloud, ShowCloud};
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
    Login(Box<Login>),
    /// Sign out
    Logout(Logout),
    /// Accounts, subscriptions and their tokens
    #[command(subcommand)]
    Account(Account),
    /// Print an access token and nothing else, as for $(token get graph)
    Get(Get),
    /// Which Azure is meant
    #[command(subcommand)]
    Cloud(Cloud),
    /// Stand in for Azure CLI
    #[command(subcommand)]
    Az(Az),
    /// What is kept
    #[command(subcommand)]
    Cache(Cache),
    /// Keys that entries are sealed under
    #[command(subcommand)]
    Key(Key),
    /// What is configured
    #[command(subcommand)]
    Config(Config),
    /// Try what a token takes: what is wrong, and what to do
    Doctor(Listing),
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
    /// Move sign-ins and the profile to another cache; an interrupted move is run again
    Migrate(Migrate),
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Cache that they are in, as in the config: file:, sqlite:, redis://HOST, …
    pub(crate) from: String,
    /// Cache to move them to
    pub(crate) to: String,
    /// Key to seal them under there: file:PATH, env:NAME or none; the same key by default
    #[arg(long, value_name = "KEY")]
    pub(crate) to_key: Option<String>,
    /// Copy them; those whose refresh token rotates stay
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) output: Output,
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

impl Command {
    /// Sets the format of what Azure CLI prints too, where none is asked for: the one that is configured for Azure CLI,
    /// or JSON where we stand in for it.
    pub(crate) fn format_by_default(&mut self, configured: Option<Format>) {
        let default = configured.or_else(|| program::is_az().then_some(Format::Json));
        let output = match self {
            Self::Account(Account::GetAccessToken(typed)) => {
                if typed.output.format.is_none() {
                    typed.output.format = default.map(TokenFormat::Plain);
                }
                return;
            }
            Self::Login(typed) => &mut typed.output,
            Self::Account(Account::Show(typed)) => &mut typed.output,
            Self::Account(Account::List(typed)) => &mut typed.output,
            Self::Cloud(Cloud::List(typed)) => &mut typed.output,
            Self::Cloud(Cloud::Show(typed)) => &mut typed.output,
            Self::Version(typed) => &mut typed.output,
            _ => return,
        };
        output.format = output.format.or(default);
    }
}

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The command line means nothing, in Azure CLI's words.
    Refused(Refused),
    /// clap has the last word: help, and what only it knows to be wrong.
    Told(clap::Error),
    /// The version is asked for as Azure CLI's.
    AzVersion,
    /// A file that a word names cannot be read.
    File(Failure),
}

/// Reads the command line. clap does it where it can, for it is fast; what it refuses is read again as Azure CLI's
/// users know it.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, Unreadable> {
    let words = words.into_iter().skip(1).collect();
    read_as(words, if program::is_az() { Manner::Az } else { Manner::Token })
}

fn read_as(words: Vec<OsString>, manner: Manner) -> Result<Arguments, Unreadable> {
    if manner == Manner::Az && matches!(&words[..], [word, ..] if word == "--version" || word == "-v") {
        return Err(Unreadable::AzVersion);
    }
    let words = files::expand(words).map_err(Unreadable::File)?;
    let in_manner = |help: clap::Error, words: &[OsString]| match manner {
        Manner::Token => help,
        Manner::Az => help_of_az(words).unwrap_or(help),
    };
    match parse(&words) {
        Ok(arguments) if manner == Manner::Token || !is_otherwise_with_az(&arguments.command, &words) => {
            Ok(arguments)
        }
        Err(error) if is_help(&error) && (manner == Manner::Token || words.is_empty()) => {
            Err(Unreadable::Told(in_manner(error, &[OsString::from("--help")])))
        }
        Err(error) if !error.use_stderr() => Err(Unreadable::Told(in_manner(error, &words))),
        _ => read_again(&words, manner),
    }
}

fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once(&OsString::from("token")).chain(words))
}

/// The help that was asked for, of what Azure CLI has.
fn help_of_az(words: &[OsString]) -> Option<clap::Error> {
    let mut tree = Arguments::command();
    tree.build();
    azure_cli::only(tree).try_get_matches_from(std::iter::once(&OsString::from("az")).chain(words)).err()
}

fn read_again(words: &[OsString], manner: Manner) -> Result<Arguments, Unreadable> {
    let mut tree = Arguments::command();
    tree.build();
    let reading = argparse::read(&tree, words, manner).map_err(Unreadable::Refused)?;
    let parsed = parse(&reading.words);
    // What is missing is told first, then what is too much; whatever else clap refuses is what only it knows.
    let missing = parsed.as_ref().err().and_then(|error| reading.missing(error));
    match missing.or(reading.too_much) {
        Some(refused) => Err(Unreadable::Refused(refused)),
        None => parsed.map_err(Unreadable::Told),
    }
}

/// Whether Azure CLI reads otherwise what clap takes: an option before the end of the command, and a `--`.
fn is_otherwise_with_az(command: &Command, words: &[OsString]) -> bool {
    let depth = match command {
        Command::Account(_)
        | Command::Cloud(_)
        | Command::Cache(_)
        | Command::Config(_)
        | Command::Key(_) => 2,
        _ => 1,
    };
    words.iter().take(depth).any(|word| word.as_encoded_bytes().starts_with(b"-"))
        || words.iter().any(|word| word == "--")
}

/// Whether there is no command, so that clap shows which ones there are.
fn is_help(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand)
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
    use super::duration::MinValidity;
    use super::*;

    fn read_line(line: &str, manner: Manner) -> Result<Arguments, String> {
        let words = line.split(' ').map(|word| word.trim_matches('\'').replace('_', " ").into());
        read_as(words.collect(), manner).map_err(|unreadable| match unreadable {
            Unreadable::Refused(refused) => match refused.meant {
                Some(meant) => format!("{} Did you mean '{meant}' ?", refused.text),
                None => refused.text,
            },
            Unreadable::Told(error) => format!("clap: {}", error.kind()),
            other => format!("{other:?}"),
        })
    }

    fn request(options: &str) -> (Request, Option<TokenFormat>) {
        let of =
            |manner| match read_line(&format!("account get-access-token {options}"), manner).unwrap().command
            {
                Command::Account(Account::GetAccessToken(typed)) => (typed.request, typed.output.format),
                other => panic!("{other:?}"),
            };
        let (az, token) = (of(Manner::Az), of(Manner::Token));
        assert_eq!(format!("{az:?}"), format!("{token:?}"), "{options}");
        token
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
        for spelling in
            ["-s x", "-n x", "--name x", "--subscription x", "--subsc x", "-s y -n x", "-nx", "-n=x"]
        {
            assert_eq!(request(spelling).0.subscription.as_deref(), Some("x"), "{spelling}");
        }
        assert_eq!(request("--resource a --resource b").0.resource.as_deref(), Some("b"));
        assert_eq!(request("--resource-type ARM").0.resource_type, Some(ResourceType::Arm));
        // What looks like an option is one, but for numbers and what has a space in it.
        assert_eq!(request("--tenant -1").0.tenant.as_deref(), Some("-1"));
        assert_eq!(request("--tenant -a_b").0.tenant.as_deref(), Some("-a b"));
        assert_eq!(request("--tenant=-a").0.tenant.as_deref(), Some("-a"));
        assert!(read_line("ACCOUNT Show", Manner::Az).is_ok());
    }

    #[test]
    fn several_scopes_follow_one_option_and_the_last_option_wins() {
        assert_eq!(request("--scope a b").0.scope, ["a", "b"]);
        assert_eq!(request("--sc a b --resource=c --tenant -1").0.scope, ["a", "b"]);
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
    fn an_abbreviation_under_az_is_one_of_its_own_options() {
        assert!(read_line("login --client x --i", Manner::Az).is_ok());
        insta::assert_snapshot!(read_line("login --client x", Manner::Token).unwrap_err(), @"ambiguous option: --client could match --client-id, --client-secret");
    }

    #[test]
    fn what_argparse_refuses_is_refused_in_its_words() {
        let lines = [
            "bogus",
            "account",
            "account bogus",
            "account get-acces-token",
            "account get-access-token --bogus x",
            "account get-access-token --bogus x extra --resource y more",
            "account get-access-token extra",
            "account get-access-token --res x",
            "account get-access-token --s x -t y",
            "account get-access-token --resource",
            "account get-access-token --resource --tenant x",
            "account get-access-token -t",
            "account get-access-token -o yam",
            "account get-access-token --resource-type bogus",
            "account get-access-token --verbose=1",
            "account get-access-token -subs x",
            "account get-access-token -xyz",
            "account get-access-token -- x",
            "account get-access-token --min-validity 5x",
            "account set",
            "account set x",
            "account set -s",
            "cloud set x",
            "cloud set -n azurecloud --profile bogus",
            "login --us x",
            "login --scope",
            "version x --bogus",
        ];
        let told = |manner| {
            let told = lines.iter().map(|line| format!("{line}: {}\n", read_line(line, manner).unwrap_err()));
            told.collect::<String>()
        };
        let az = told(Manner::Az);
        insta::assert_snapshot!(az, @"
        bogus: 'bogus' is misspelled or not recognized by the system.
        account: the following arguments are required: _subcommand
        account bogus: 'bogus' is misspelled or not recognized by the system.
        account get-acces-token: 'get-acces-token' is misspelled or not recognized by the system. Did you mean 'get-access-token' ?
        account get-access-token --bogus x: unrecognized arguments: --bogus x
        account get-access-token --bogus x extra --resource y more: unrecognized arguments: --bogus x extra more
        account get-access-token extra: unrecognized arguments: extra
        account get-access-token --res x: ambiguous option: --res could match --resource, --resource-type
        account get-access-token --s x -t y: ambiguous option: --s could match --subscription, --scope
        account get-access-token --resource: argument --resource: expected one argument
        account get-access-token --resource --tenant x: argument --resource: expected one argument
        account get-access-token -t: argument --tenant/-t: expected one argument
        account get-access-token -o yam: token account get-access-token: 'yam' is not a valid value for '--output'. Allowed values: json, jsonc, yaml, yamlc, table, tsv, none, header. Did you mean 'yaml' ?
        account get-access-token --resource-type bogus: token account get-access-token: 'bogus' is not a valid value for '--resource-type'. Allowed values: oss-rdbms, arm, aad-graph, ms-graph, batch, media, data-lake.
        account get-access-token --verbose=1: argument --verbose: ignored explicit argument '1'
        account get-access-token -subs x: unrecognized arguments: x
        account get-access-token -xyz: unrecognized arguments: -xyz
        account get-access-token -- x: unrecognized arguments: -- x
        account get-access-token --min-validity 5x: clap: invalid value for one of the arguments
        account set: the following arguments are required: --subscription/-s/--name/-n
        account set x: the following arguments are required: --subscription/-s/--name/-n
        account set -s: argument --subscription/-s/--name/-n: expected one argument
        cloud set x: the following arguments are required: --name/-n
        cloud set -n azurecloud --profile bogus: token cloud set: 'bogus' is not a valid value for '--profile'. Allowed values: latest.
        login --us x: ambiguous option: --us could match --username, --use-device-code, --use-cert-sn-issuer
        login --scope: argument --scope: expected at least one argument
        version x --bogus: unrecognized arguments: x --bogus
        ");
        insta::assert_snapshot!(told(Manner::Token).lines().filter(|line| !az.contains(line)).collect::<Vec<_>>().join("\n"), @"account: clap:");
    }

    #[test]
    fn options_stand_behind_the_command_under_az() {
        for line in [
            "-o tsv account show",
            "--verbose account show",
            "account -o tsv show",
            "account --verbose show",
            "account show --",
        ] {
            assert!(read_line(line, Manner::Az).is_err(), "{line}");
        }
        assert!(read_line("--verbose account show", Manner::Token).is_ok());
        assert!(read_line("account --verbose show", Manner::Token).is_ok());
    }
}
