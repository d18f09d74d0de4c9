//! A client secret from the command line.

use std::io::{self, BufRead, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use token_core::Secret;

use crate::config::{PROCESS, SecretSource};
use crate::program;
use crate::report::{self, Exit, Failure};

/// Reads what an option says: `env:NAME`, `file:PATH`, `-` for standard input, or the secret itself.
pub(super) fn read(option: &str, text: &str) -> Result<Secret, Failure> {
    let of_option = |failure: Failure| failure.hint(format!("{option} names it"));
    if text == "-" {
        let mut secret = String::new();
        io::stdin()
            .lock()
            .read_to_string(&mut secret)
            .map_err(|error| Failure::new("could not read standard input").caused_by(&error))?;
        let secret = secret.trim_end_matches(['\r', '\n']);
        return if secret.is_empty() {
            Err(of_option(Failure::new("standard input is empty")))
        } else {
            Ok(Secret::new(secret))
        };
    }
    match SecretSource::parse(text) {
        Some(source) => source.read(&PROCESS).map_err(of_option),
        None => Ok(Secret::new(text)),
    }
}

/// Asks a person for the secret, without showing it; nobody is asked where there is no terminal.
pub(super) fn ask() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    let nobody = || {
        let failure = Failure::new("Please specify both username and password in non-interactive mode.");
        let failure = failure.exit(Exit::Misuse);
        if program::is_az() { failure } else { failure.hint("--password env:NAME, file:PATH or - names it") }
    };
    let Some(before) = stdin.is_terminal().then(|| tcgetattr(&stdin).ok()).flatten() else {
        return Err(nobody());
    };
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let could_not = |error: io::Error| Failure::new("could not read the secret").caused_by(&error);
    report::ask("Password:");
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|error| could_not(error.into()))?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    report::instruct("");
    read.map_err(could_not)?;
    restored.map_err(|error| could_not(error.into()))?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(nobody()),
        secret => Ok(Secret::new(secret)),
    }
}
