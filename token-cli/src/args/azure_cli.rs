//! What of the command line Azure CLI has too. The rest is ours, and under its name help does not tell of it.

use clap::{Arg, Command};

/// The options of the commands that Azure CLI has too, in the order in which it tells of them.
pub(super) const OPTIONS: [&str; 32] = [
    "subscription",
    "name",
    "username",
    "password",
    "tenant",
    "resource",
    "scope",
    "allow-no-subscriptions",
    "claims-challenge",
    "use-device-code",
    "service-principal",
    "certificate",
    "use-cert-sn-issuer",
    "federated-token",
    "identity",
    "client-id",
    "object-id",
    "resource-id",
    "resource-type",
    "skip-subscription-discovery",
    "skip-sub",
    "all",
    "refresh",
    "profile",
    "acquire-policy-token",
    "change-reference",
    "help",
    "verbose",
    "debug",
    "only-show-errors",
    "output",
    "query",
];

/// The commands, as words behind each other.
const COMMANDS: [&str; 13] = [
    "account",
    "account clear",
    "account get-access-token",
    "account list",
    "account set",
    "account show",
    "cloud",
    "cloud list",
    "cloud set",
    "cloud show",
    "login",
    "logout",
    "version",
];

/// The same tree, with everything hidden that Azure CLI has not.
pub(super) fn only(tree: Command) -> Command {
    branch(tree, "")
}

fn branch(command: Command, path: &str) -> Command {
    command.mut_args(|arg| option(arg, path)).mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
        let is_theirs = COMMANDS.contains(&path.as_str());
        branch(below.hide(!is_theirs), &path)
    })
}

/// An option of the command that is reached by these words.
fn option(arg: Arg, path: &str) -> Arg {
    match (path, arg.get_long()) {
        // Azure CLI has it for `login` alone.
        ("account get-access-token", Some("claims-challenge")) => arg.hide(true),
        // These mean less there.
        ("login", Some("password")) => arg.help("Its secret, which others can see in the list of processes"),
        (_, Some("output")) => arg.help("Output format"),
        (_, Some(long)) if path.is_empty() || !OPTIONS.contains(&long) => arg.hide(true),
        _ => arg,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Arguments;
    use super::*;

    #[test]
    fn help_tells_of_nothing_that_azure_cli_has_not() {
        let mut tree = Arguments::command();
        tree.build();
        let help = |words: &str| {
            let words = ["az"].into_iter().chain(words.split_whitespace()).chain(["--help"]);
            only(tree.clone()).try_get_matches_from(words).unwrap_err().to_string()
        };
        for (words, ours, theirs) in [
            ("", ["doctor", "cache"], "account"),
            ("account", ["import", "--account"], "get-access-token"),
            ("login", ["--no-interactive", "--issuer"], "--claims-challenge"),
            ("account get-access-token", ["--claims-challenge", "--min-validity"], "--resource-type"),
            ("account set", ["--shared", "--account"], "--subscription"),
        ] {
            let help = help(words);
            assert!(ours.iter().all(|name| !help.contains(name)) && help.contains(theirs), "{words}: {help}");
        }
    }
}
