//! What a person and a script are told on stderr: failures, warnings, notices, questions.

mod failure;
mod remedy;

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::Unreadable;
use crate::az;
use crate::output;
use crate::program;

pub(crate) use failure::{Exit, Failure};
pub(crate) use remedy::TRIES_AGAIN;

/// Tells about a failure on stderr.
pub(crate) fn failure(failure: &Failure) {
    if !matches!(failure.exit, Exit::Quiet | Exit::Signal(_)) {
        say(&failure.render(colours()));
    }
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
pub(crate) fn unreadable(unreadable: Unreadable) -> ExitCode {
    let outcome = match unreadable {
        Unreadable::Refused(refused) => Err(Failure::refused(refused)),
        Unreadable::File(failure) => Err(failure),
        Unreadable::AzVersion => az::version::print(),
        Unreadable::Told(error) => return told(&error),
    };
    ended(outcome)
}

/// Tells about a failure, if it is one, and with what code the process ends.
pub(crate) fn ended(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            failure(&told);
            ExitCode::from(told.exit_code())
        }
    }
}

/// Prints what clap says. Help and version are no mistakes and go to stdout.
fn told(error: &clap::Error) -> ExitCode {
    let text = |is_terminal: bool| match output::allows_colours() && is_terminal {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    if !error.use_stderr() {
        return ended(output::text(&text(io::stdout().is_terminal())));
    }
    if program::is_az() {
        let text = text(false);
        let first = text.lines().next().unwrap_or_default();
        return ended(Err(Failure::usage(first.trim_start_matches("error: "))));
    }
    say(&text(io::stderr().is_terminal()));
    ExitCode::from(2)
}

/// Warns on stderr: what was asked for is done, but not all of it.
pub(crate) fn warning(text: &str) {
    if WARNINGS.load(Ordering::Relaxed) {
        let text = printable(text);
        say(&match (program::is_az(), colours()) {
            (true, true) => format!("{YELLOW}{text}{RESET}\n"),
            (true, false) => format!("WARNING: {text}\n"),
            (false, _) => format!("warning: {text}\n"),
        });
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
    if colours() { say(&format!("{YELLOW}{text}{RESET}\n")) } else { say(&format!("{text}\n")) }
}

/// Whether what stands on stderr may have colours: with Azure CLI, only where both outputs are a terminal.
pub(crate) fn colours() -> bool {
    output::allows_colours()
        && io::stderr().is_terminal()
        && (!program::is_az() || io::stdout().is_terminal())
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

impl Failure {
    /// The lines a person sees, without colour.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        self.render(false)
    }

    fn render(&self, colours: bool) -> String {
        if program::is_az() {
            return self.render_as_az(colours);
        }
        let style = if colours { Style::COLOURED } else { Style::PLAIN };
        let mut text = format!("{}error:{} {}\n", style.error, style.reset, part(&self.message));
        for cause in &self.causes {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}cause:{} {}", style.cause, style.reset, part(cause));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{}hint:{} {}", style.hint, style.reset, part(hint));
        }
        text
    }

    /// As Azure CLI does: programs that read its errors know no label but the first, which colour stands for.
    fn render_as_az(&self, colours: bool) -> String {
        let message = part(&self.message);
        let mut text = match (self.bare, colours) {
            (true, _) => format!("{message}\n"),
            (false, true) => format!("{RED}{message}{RESET}\n"),
            (false, false) => format!("ERROR: {message}\n"),
        };
        for line in self.causes.iter().chain(&self.hints) {
            let _ = writeln!(text, "{}", printable(line));
        }
        text
    }
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

/// Azure CLI's colours, for errors and for warnings.
const RED: &str = "\x1b[91m";
const YELLOW: &str = "\x1b[93m";
const RESET: &str = "\x1b[0m";

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
