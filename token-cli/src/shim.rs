//! Called as `az`: what is ours is done here, and what is not is handed to the next `az` on PATH.
//!
//! So that both know one sign-in, what changes who is signed in or what is active runs there first, and the outcome is
//! imported.

mod behind;
mod next;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::config::PROCESS;
use crate::program;
use crate::report::{self, Failure};

pub(crate) use next::{Identity, Next, on_path};

/// Who answers a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Whose {
    Ours,
    /// The other one first, where there is one, and then we import what came of it.
    Both(Change),
    /// The other one where there is one, else we say what we can.
    Either,
    Theirs,
}

/// What a command changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    SignIn,
    SignOut,
    Active,
    Cloud,
}

/// Does what is not to be done here; `None` where it is.
pub(crate) fn pass_on() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let whose = whose(&words);
    if whose == Whose::Ours {
        return None;
    }
    match (Next::find(&PROCESS), whose) {
        (Ok(Some(next)), Whose::Both(change)) => behind::run(&next, &arguments, change),
        (Ok(Some(next)), _) => Some(failed(&hand_over(&next, &arguments))),
        (Ok(None), Whose::Theirs) => Some(failed(&nobody(&words))),
        (Ok(None), _) => None,
        (Err(failure), _) => Some(failed(&failure)),
    }
}

/// Becomes the other program. It comes back only where that fails.
fn hand_over(next: &Next, arguments: &[OsString]) -> Failure {
    let error = to(next, arguments).exec();
    Failure::new(format!("could not run {}", next.path.display())).caused_by(&error)
}

/// The other program with what was typed, called as we were.
fn to(next: &Next, arguments: &[OsString]) -> Command {
    let mut command = Command::new(&next.path);
    let name = std::env::args_os().next().unwrap_or_else(|| "az".into());
    command.arg0(name).args(arguments).env(next::VARIABLE, &next.passed);
    command
}

/// Nobody is there to hand it to. (The words must not be a shell's: callers take "not found" for a missing program.)
fn nobody(words: &[&str]) -> Failure {
    let command: Vec<&str> =
        words.iter().copied().take_while(|word| !word.starts_with('-')).take(2).collect();
    let command = if command.is_empty() { words[0].to_owned() } else { command.join(" ") };
    Failure::new(format!(
        "'{command}' is a command of Azure CLI's own, and Azure CLI is not on PATH behind {}.",
        program::name()
    ))
    .hint("https://learn.microsoft.com/cli/azure/install-azure-cli says how to install it")
}

fn failed(failure: &Failure) -> ExitCode {
    report::failure(failure);
    ExitCode::from(failure.exit_code())
}

fn whose(words: &[&str]) -> Whose {
    let both = |change| {
        if words.iter().any(|word| matches!(*word, "-h" | "--help")) {
            Whose::Either
        } else {
            Whose::Both(change)
        }
    };
    match words {
        ["login", ..] => both(Change::SignIn),
        ["logout", ..] | ["account", "clear", ..] => both(Change::SignOut),
        ["account", "set", ..] => both(Change::Active),
        ["cloud", "set", ..] => both(Change::Cloud),
        ["account", "get-access-token" | "show" | "list", ..]
        | ["cloud", "show" | "list", ..]
        | ["version" | "--version" | "-v", ..] => Whose::Ours,
        [] | ["-h" | "--help" | "help", ..] => Whose::Either,
        ["account" | "cloud"] => Whose::Either,
        // What follows an option is no command to anybody, and we say so as well as they do.
        [word, ..] if word.starts_with('-') => Whose::Either,
        ["account" | "cloud", word, ..] if word.starts_with('-') => Whose::Either,
        _ => Whose::Theirs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_told_by_the_first_words() {
        let whose = |line: &str| whose(&line.split_whitespace().collect::<Vec<_>>());
        for line in ["account get-access-token -o json", "account show", "version", "--version", "cloud list"]
        {
            assert_eq!(whose(line), Whose::Ours, "{line}");
        }
        for line in ["vm list", "account list-locations", "account", "upgrade", "ad signed-in-user show"] {
            assert_ne!(whose(line), Whose::Ours, "{line}");
        }
        assert_eq!(whose("login --identity"), Whose::Both(Change::SignIn));
        assert_eq!(whose("cloud set -n x"), Whose::Both(Change::Cloud));
        assert_eq!(whose("login --help"), Whose::Either);
        assert_eq!(whose("cloud register -n x"), Whose::Theirs);
    }

    #[test]
    fn a_command_that_nobody_has_is_told_without_a_shells_words() {
        let text = nobody(&["vm", "list", "--query", "secret"]).text();
        assert!(text.starts_with("error: 'vm list' is a command of Azure CLI's own"), "{text}");
        assert!(!text.contains("not found") && !text.contains("secret"));
    }
}
