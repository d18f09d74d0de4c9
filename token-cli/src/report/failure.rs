//! A command that failed: what happened, its causes, what helps, and the exit code.

use std::error::Error;
use std::io;

use super::printable;
use crate::args::Refused;
use crate::program;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) message: String,
    pub(super) causes: Vec<String>,
    pub(super) hints: Vec<String>,
    pub(super) exit: Exit,
    /// Under the name of Azure CLI: it tells of this before it knows how it tells of errors.
    pub(super) bare: bool,
}

/// The exit codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// Anything else.
    Failure,
    /// What was asked for does not exist.
    NotFound,
    /// The command line was wrong.
    Usage,
    /// Its options do not go together. Azure CLI finds that out late, and calls it a failure.
    Misuse,
    /// Only a sign-in helps.
    SignInNeeded,
    /// This signal came. Who sent it knows.
    Signal(u8),
    /// The reader of our output has gone; nobody is there to be told.
    Quiet,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            exit: Exit::Failure,
            bare: false,
        }
    }

    /// With an error and everything behind it as the causes.
    pub(crate) fn caused_by(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Drivers tend to repeat their cause in their own text.
            if !text.is_empty() && self.causes.last().is_none_or(|last| !last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// With a cause that is no error of ours.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// With a line about what helps.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Without a secret that may have come into it.
    pub(crate) fn without(mut self, secret: &str) -> Self {
        self.message = self.message.replace(secret, "[redacted]");
        self
    }

    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Without a word before it, where Azure CLI has none.
    pub(crate) fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self.exit {
            Exit::Quiet => 0,
            Exit::Usage => 2,
            Exit::Misuse if !program::is_az() => 2,
            Exit::Signal(number) => 128 + number,
            Exit::SignInNeeded if !program::is_az() => 4,
            Exit::NotFound if !program::is_az() => 3,
            Exit::Failure | Exit::Misuse | Exit::SignInNeeded | Exit::NotFound => 1,
        }
    }

    /// Nobody is signed in, in the words every SDK looks for.
    pub(crate) fn nobody_signed_in() -> Self {
        Self::new(format!("Please run '{} login' to setup account.", program::name()))
            .exit(Exit::SignInNeeded)
    }

    /// An error whose chain says it all.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let failure = Self::new(error.to_string());
        match error.source() {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }

    /// A command line that means nothing.
    pub(super) fn refused(refused: Refused) -> Self {
        let failure = Self::usage(refused.text);
        let program = program::name();
        if let Some(hint) = refused.hint {
            return failure.hint(hint);
        }
        match refused.meant {
            Some(meant) => failure.hint(format!("Did you mean '{meant}' ?")),
            None if program::is_az() => failure,
            None if refused.command.is_empty() => {
                failure.hint(format!("'{program} --help' lists the commands"))
            }
            None => failure.hint(format!("'{program} {} --help' lists what goes with it", refused.command)),
        }
    }

    /// A command line that cannot be meant.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).exit(Exit::Usage)
    }

    /// What helps, in one line.
    pub(crate) fn help(&self) -> Option<String> {
        let hints: Vec<_> =
            self.hints.iter().map(|hint| printable(hint).replace(['\n', '\r'], " ")).collect();
        if hints.is_empty() { None } else { Some(hints.join("; ")) }
    }

    /// Message and causes in one line, for a warning about something that is passed over.
    pub(crate) fn one_line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.causes);
        parts.map(|part| printable(part).replace(['\n', '\r'], " ")).collect::<Vec<_>>().join(": ")
    }
}

impl From<io::Error> for Failure {
    /// For what failed while output was written.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new("").exit(Exit::Quiet),
            _ => Self::new("could not write the output").caused_by(&error),
        }
    }
}
