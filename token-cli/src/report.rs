//! What went wrong, as a person and a script are told: a message, its causes, the command that helps, an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use token_core::{
    BrokerError, CacheError, CacheErrorKind, Expiry, GrantError, GrantErrorKind, Note, OAuthError, Remedy,
    SealError,
};

use clap::error::ErrorKind;

use crate::args::{Refused, Unreadable};
use crate::az;
use crate::backend;
use crate::config::PROCESS;
use crate::output;
use crate::program;
use crate::proof;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
    exit: Exit,
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
        Self { message: message.into(), causes: Vec::new(), hints: Vec::new(), exit: Exit::Failure }
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
    fn refused(refused: Refused) -> Self {
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

    /// The lines a person sees, without colour.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.render(Style::PLAIN)
    }

    fn render(&self, style: Style) -> String {
        let label = if program::is_az() { "ERROR" } else { "error" };
        let mut text = format!("{}{label}:{} {}\n", style.error, style.reset, part(&self.message));
        // Programs that read Azure CLI's errors know no labels but the first.
        if program::is_az() {
            for line in self.causes.iter().chain(&self.hints) {
                let _ = writeln!(text, "{}", printable(line));
            }
            return text;
        }
        for cause in &self.causes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}cause:{} {}", style.cause, style.reset, part(cause));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{}hint:{} {}", style.hint, style.reset, part(hint));
        }
        text
    }
}

/// Tells about a failure on stderr.
pub(crate) fn failure(failure: &Failure, colours: bool) {
    if matches!(failure.exit, Exit::Quiet | Exit::Signal(_)) {
        return;
    }
    let style = if colours && io::stderr().is_terminal() { Style::COLOURED } else { Style::PLAIN };
    say(&failure.render(style));
}

/// Tells a person something on stderr that no script needs: only on a terminal.
pub(crate) fn notice(text: &str) {
    if WARNINGS.load(Ordering::Relaxed) && io::stderr().is_terminal() {
        say(&format!("{}\n", printable(text)));
    }
}

/// Tells what Azure CLI warns of although nothing is wrong: as loudly as it does under its name, else only a person.
pub(crate) fn remark(text: &str) {
    if program::is_az() { warning(text) } else { notice(text) }
}

/// Asks a person, who answers on the same line.
pub(crate) fn ask(question: &str) {
    say(&format!("{} ", printable(question)));
}

/// Tells about a command line that names no command to run, and what exit code that is.
pub(crate) fn unreadable(unreadable: Unreadable, colours: bool) -> ExitCode {
    let outcome = match unreadable {
        Unreadable::Refused(refused) => Err(Failure::refused(refused)),
        Unreadable::File(failure) => Err(failure),
        Unreadable::AzVersion => az::version::print(),
        Unreadable::Told(error) => return told(&error, colours),
    };
    ended(outcome, colours)
}

/// Tells about a failure, if it is one, and with what code the process ends.
pub(crate) fn ended(outcome: Result<(), Failure>, colours: bool) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            failure(&told, colours);
            ExitCode::from(told.exit_code())
        }
    }
}

/// Prints what clap says. Help and version are no mistakes and go to stdout.
fn told(error: &clap::Error, colours: bool) -> ExitCode {
    let text = |is_terminal: bool| match colours && is_terminal {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    // Azure CLI greets who calls it without a word.
    if error.use_stderr() && !(program::is_az() && error.kind() != ErrorKind::ValueValidation) {
        say(&text(io::stderr().is_terminal()));
        return ExitCode::from(2);
    }
    ended(output::text(&text(io::stdout().is_terminal())), colours)
}

/// Warns on stderr: what was asked for is done, but not all of it.
pub(crate) fn warning(text: &str) {
    let label = if program::is_az() { "WARNING" } else { "warning" };
    if WARNINGS.load(Ordering::Relaxed) {
        say(&format!("{label}: {}\n", printable(text)));
    }
}

/// Says on a terminal how something stands, in the place of what was said before; with no text, nothing is left of it.
pub(crate) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        say(&format!("\r\x1b[K{}", printable(text)));
    }
}

/// Shows a drawing, which is ours to the letter and may have colours in it.
pub(crate) fn drawing(drawn: &str) {
    say(&format!("\n{drawn}\n"));
}

/// What must be read to go on, as Azure CLI shows it: without a word before it, and yellow on a terminal.
pub(crate) fn instruct_as_az(text: &str) {
    let text = printable(text);
    if colours() { say(&format!("\x1b[93m{text}\x1b[0m\n")) } else { say(&format!("{text}\n")) }
}

/// Whether what stands on stderr may have colours.
pub(crate) fn colours() -> bool {
    io::stderr().is_terminal() && PROCESS.text("NO_COLOR").is_none()
}

/// Keeps warnings and notices from being printed (`--only-show-errors`).
pub(crate) fn silence_warnings() {
    WARNINGS.store(false, Ordering::Relaxed);
}

/// Does something without a warning or a notice.
pub(crate) fn quietly(work: impl FnOnce()) {
    let before = WARNINGS.swap(false, Ordering::Relaxed);
    work();
    WARNINGS.store(before, Ordering::Relaxed);
}

static WARNINGS: AtomicBool = AtomicBool::new(true);

/// Tells on stderr what must be read to go on, such as a device code.
pub(crate) fn instruct(text: &str) {
    say(&format!("{}\n", printable(text)));
}

fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    // Where stderr is closed there is nobody to tell.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        let failure = Self::of(&error);
        if let Some(hint) = backend::what_helps(&error) {
            return failure.hint(hint);
        }
        match error.kind() {
            // Damaged access tokens are replaced without a word, so this is what only a sign-in makes.
            CacheErrorKind::Corrupt => Self::damaged(&error, &format!("{} login", program::name())),
            CacheErrorKind::Unsuitable | CacheErrorKind::Denied => failure.hint(format!(
                "TOKEN_CACHE or `cache` in the config names another place; '{} config show' shows the present one",
                program::name()
            )),
            CacheErrorKind::Full => failure.hint(
                "nothing was lost; make room there, or name another place in TOKEN_CACHE or as `cache` in the config",
            ),
            _ => failure,
        }
    }
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    /// A broker's error; `sign_in` is the command that signs the account in again.
    pub(crate) fn of_broker(error: BrokerError, sign_in: &str) -> Self {
        let again = || format!("'{sign_in}' signs in again");
        match error {
            BrokerError::Cache(error) if error.kind() == CacheErrorKind::Corrupt => {
                Self::damaged(&error, sign_in)
            }
            BrokerError::Cache(error) => error.into(),
            BrokerError::NotSignedIn { .. } | BrokerError::SignedOut { .. } => {
                Self::of(&error).hint(again()).exit(Exit::SignInNeeded)
            }
            BrokerError::SignInNeeded { ref refusal, interrupted: ref note, .. } => Self::of(&error)
                .behind(refusal)
                .interrupted(note.as_deref())
                .hint(again())
                .exit(Exit::SignInNeeded),
            BrokerError::Refused { ref refusal, interrupted: ref note, .. } => {
                let failure = Self::of(&error).advised(refusal, Some(sign_in)).interrupted(note.as_deref());
                match refusal.error.as_str() {
                    "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => {
                        failure.exit(Exit::SignInNeeded)
                    }
                    _ => failure,
                }
            }
            BrokerError::NotGranted { .. } => Self::of(&error)
                .hint(format!("'{sign_in}' with --scope asks for it"))
                .exit(Exit::SignInNeeded),
            BrokerError::LeftAlone { .. } => Self::of(&error).hint("the same command tries again afterwards"),
            BrokerError::Grant { ref source, .. } => {
                let failure = Self::of(&error);
                match &source.kind {
                    GrantErrorKind::Throttled { .. } => {
                        failure.hint("the same command tries again afterwards")
                    }
                    GrantErrorKind::Refused(_) => failure.hint(
                        "the issuer has trouble of its own; the same command tries again after 10 seconds",
                    ),
                    _ => failure.helped(source, "the same command tries again after 30 seconds"),
                }
            }
            BrokerError::Discovery { ref source, .. } => Self::of(&error).helped(source, TRIES_AGAIN),
            BrokerError::Sealed { source: SealError::MissingKey { .. }, .. } => Self::of(&error).hint(
                "put that key into the key file, or name it in TOKEN_KEY (file:PATH or env:NAME)".to_owned(),
            ),
            BrokerError::Sealed { source: SealError::Plaintext, .. } => {
                Self::of(&error).hint("key = \"none\" in the config, or TOKEN_KEY=none, reads it")
            }
            BrokerError::Sealed { source: SealError::ReadersKey, .. } => {
                Self::of(&error).hint("TOKEN_KEY or `key` in the config has to name the whole key for this")
            }
            BrokerError::Sealed { source: SealError::Damaged, .. } => {
                Self::of(&error).hint(replaced(sign_in)).exit(Exit::SignInNeeded)
            }
            error => Self::of(&error),
        }
    }

    /// With what is behind a refusal, where that is known.
    fn behind(self, refusal: &OAuthError) -> Self {
        match refusal.advice().and_then(|advice| advice.cause) {
            Some(cause) => self.because(cause),
            None => self,
        }
    }

    /// With what is behind a refusal and what helps: `sign_in` is the command that signs the account in again, and
    /// there is none for a sign-in that has just been refused.
    pub(crate) fn advised(self, refusal: &OAuthError, sign_in: Option<&str>) -> Self {
        if refusal.assertion.is_some() {
            return proof::explained(self, refusal);
        }
        let failure = self.behind(refusal);
        let Some(advice) = refusal.advice() else { return failure };
        let hint = match (advice.remedy, sign_in) {
            (Remedy::SignIn | Remedy::StartAgain, None) => "the same command starts again".to_owned(),
            (Remedy::SignIn | Remedy::StartAgain | Remedy::NoDeviceCode, Some(command)) => {
                format!("'{command}' signs in again")
            }
            (Remedy::NoDeviceCode, None) => {
                format!("'{} login' on a host with a browser signs in without a code", program::name())
            }
            (Remedy::ClientProof | Remedy::Client, None) => {
                "check the client's id, and its secret if it has one".to_owned()
            }
            // The place of a secret in the command tells that there is one.
            (Remedy::ClientProof | Remedy::Client, Some(command)) if command.contains('…') => {
                format!("'{command}' gives it another secret")
            }
            (Remedy::ClientProof | Remedy::Client, Some(_)) => {
                "whoever runs the issuer can allow the client".to_owned()
            }
            (Remedy::Administrator, _) => "an administrator of the tenant can change that".to_owned(),
            (Remedy::Scope, None) => "--scope says what is asked for".to_owned(),
            (Remedy::Scope, Some(_)) => {
                "--scope, --resource and --tenant say what is asked for, and where".to_owned()
            }
            (Remedy::Tenant, _) => "--tenant names another tenant".to_owned(),
            (Remedy::Clock, _) => "check the clock of this host; the same command tries again".to_owned(),
            (Remedy::ManagedDevice, _) => {
                format!("'{} login' on a device that the tenant manages signs in", program::name())
            }
            (Remedy::Wait, _) => "the issuer has trouble of its own; the same command tries again".to_owned(),
            _ => return failure,
        };
        failure.hint(hint)
    }

    /// With what helps where a request brought nothing; `later` says what becomes of the next one.
    pub(crate) fn helped(self, error: &GrantError, later: &str) -> Self {
        if error.source().is_some_and(proof::is_about) {
            return proof::hinted(self, error);
        }
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        match &error.kind {
            GrantErrorKind::Unreachable | GrantErrorKind::Unsendable if cause.contains("authorit") => {
                self.hint("SSL_CERT_FILE names a file with the certificates of more authorities")
            }
            GrantErrorKind::Unreachable if cause.contains("certificate") => {
                self.hint("check the URL, and the clock of this host")
            }
            GrantErrorKind::Unreachable => self.hint(format!("check the network and HTTPS_PROXY; {later}")),
            GrantErrorKind::Unintelligible { .. } if cause.contains("page") || cause.contains("place") => {
                self.hint(format!("a proxy or a guest network may have answered in its place; {later}"))
            }
            GrantErrorKind::Untrusted => {
                self.hint("whoever runs the issuer can mend that; until then nobody should sign in there")
            }
            GrantErrorKind::Interrupted
            | GrantErrorKind::TimedOut
            | GrantErrorKind::Throttled { .. }
            | GrantErrorKind::Unintelligible { .. } => self.hint(later),
            _ => self,
        }
    }

    /// What is stored of a sign-in cannot be read. Whoever found that out says which file or entry, and why.
    fn damaged(error: &CacheError, sign_in: &str) -> Self {
        let failure = error.source().map_or_else(|| Self::of(error), Self::of);
        failure.hint(replaced(sign_in)).exit(Exit::SignInNeeded)
    }

    fn interrupted(mut self, note: Option<&Note>) -> Self {
        if let Some(note) = note {
            let at = Expiry::from_posix(i64::try_from(note.at.as_secs()).unwrap_or(0)).local();
            self.causes.push(format!("a refresh was interrupted at {at} by {note}"));
        }
        self
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

/// What becomes of the next request where nobody is left alone meanwhile.
pub(crate) const TRIES_AGAIN: &str = "the same command tries again";

fn replaced(sign_in: &str) -> String {
    format!("'{sign_in}' signs in again and replaces it; until then it stays as it is")
}

/// Text from anywhere as it may go to a terminal: control characters, which could recolour or move it, become
/// spaces, and what turns the order of letters about goes.
fn printable(text: &str) -> String {
    let turns = |c: &char| matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.trim_end()
        .chars()
        .filter(|c| !turns(c))
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

/// The same for a part of a failure. Lines after the first are indented: a text from elsewhere cannot look like a
/// part of its own.
fn part(text: &str) -> String {
    printable(text)
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n  ")
}

struct Style {
    error: &'static str,
    cause: &'static str,
    hint: &'static str,
    reset: &'static str,
}

impl Style {
    const PLAIN: Self = Self { error: "", cause: "", hint: "", reset: "" };
    const COLOURED: Self =
        Self { error: "\x1b[1;31m", cause: "\x1b[1m", hint: "\x1b[1;36m", reset: "\x1b[0m" };
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_core::OAuthError;

    #[test]
    fn a_failure_tells_its_causes_and_what_helps() {
        let source = GrantError::new(GrantErrorKind::Unreachable, "https://login.example")
            .because("connection refused");
        let error = BrokerError::Grant { account: "ada@contoso.com".to_owned(), source };
        let failure = Failure::of_broker(error, "token login");
        insta::assert_snapshot!(failure.text(), @r"
        error: could not get a token for ada@contoso.com
        cause: could not connect to https://login.example
        cause: connection refused
        hint: check the network and HTTPS_PROXY; the same command tries again after 30 seconds
        ");
        assert_eq!(failure.exit_code(), 1);
    }

    #[test]
    fn a_refused_sign_in_has_its_own_exit_code() {
        let refusal = OAuthError {
            error: "invalid_grant".to_owned(),
            description: Some("AADSTS70043: The refresh token has expired\r\n\x1b[31mTrace".to_owned()),
            ..OAuthError::default()
        };
        let error = BrokerError::Refused { account: "ada".to_owned(), refusal, interrupted: None };
        let failure = Failure::of_broker(error, "token login --tenant t");
        insta::assert_snapshot!(failure.text(), @r"
        error: the issuer refused a token for ada
        cause: AADSTS70043: The refresh token has expired
           [31mTrace
        cause: a policy limits how long a sign-in lasts
        hint: 'token login --tenant t' signs in again
        ");
        assert_eq!(failure.exit_code(), 4);
    }
}
