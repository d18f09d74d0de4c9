//! A command line as Python's argparse reads it, which is how Azure CLI's users know theirs.
//!
//! clap reads nearly all of them the same way, and fast. Where it refuses one, this looks again: it either rewrites
//! the words so that clap reads what argparse would, or refuses them in Azure CLI's words.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::azure_cli;
use super::closest::closest;
use crate::program;
use crate::query::{self, Query};
use crate::value::Value;

/// What is wrong with a command line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Refused {
    pub(crate) text: String,
    /// What was probably meant.
    pub(crate) meant: Option<String>,
    /// What else helps.
    pub(crate) hint: Option<String>,
    /// The command that was entered, as in `account get-access-token`.
    pub(crate) command: String,
}

/// Whose habits a command line follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// Global options may stand anywhere, and every option may be abbreviated.
    Token,
    /// Options stand behind the command, and what is abbreviated is an option of Azure CLI's.
    Az,
}

/// A command line that argparse would take, but for what clap finds missing in it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The words behind the program's name that clap reads the same way.
    pub(super) words: Vec<OsString>,
    /// What argparse refuses once nothing is missing: words that nobody knows.
    pub(super) too_much: Option<Refused>,
    command: &'a Command,
    name: String,
}

impl Reading<'_> {
    /// The options that have to be there, in argparse's words, where it is them that clap misses.
    pub(super) fn missing(&self, error: &clap::Error) -> Option<Refused> {
        let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
        if error.kind() != ErrorKind::MissingRequiredArgument {
            return None;
        }
        let names = missing.iter().map(|shown| {
            let name = shown.split([' ', '=']).next().unwrap_or(shown);
            find(self.command, name).map_or_else(|| shown.clone(), |arg| spellings(arg).join("/"))
        });
        let text = format!("the following arguments are required: {}", names.collect::<Vec<_>>().join(", "));
        Some(Refused { text, meant: None, hint: None, command: self.name.clone() })
    }
}

/// Reads the words behind the program's name.
pub(super) fn read<'a>(
    root: &'a Command,
    words: &[OsString],
    manner: Manner,
) -> Result<Reading<'a>, Refused> {
    let mut line = Line {
        manner,
        command: Vec::new(),
        options: Vec::new(),
        positionals: Vec::new(),
        extras: Vec::new(),
    };
    let mut command = root;
    let mut rest = words.iter();
    while command.has_subcommands() {
        let Some(word) = rest.next() else {
            return Err(line.refused("the following arguments are required: _subcommand"));
        };
        let text = word.to_string_lossy();
        if looks_like_an_option(&text) {
            match find(command, &text) {
                Some(arg) if manner == Manner::Token && !arg.get_action().takes_values() => {
                    line.options.push(word.clone());
                }
                _ => line.extras.push(word.clone()),
            }
            continue;
        }
        let known = command.get_subcommands().find(|known| known.get_name().eq_ignore_ascii_case(&text));
        // Behind an option that came too early, Azure CLI takes a word for its value or for a command, and gets lost.
        let is_lost = !line.extras.is_empty() && line.command.is_empty();
        match known {
            Some(known) if !is_lost || known.has_subcommands() => {
                line.command.push(known.get_name().to_owned());
                command = known;
                if is_lost {
                    let next = rest.find(|word| !looks_like_an_option(&word.to_string_lossy()));
                    let next = next.map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
                    return Err(line.misspelt(&next, command));
                }
            }
            None if is_lost => {}
            _ => return Err(line.misspelt(&text, command)),
        }
    }
    line.read(command, rest.as_slice())
}

/// What has been read so far.
struct Line {
    manner: Manner,
    command: Vec<String>,
    options: Vec<OsString>,
    positionals: Vec<OsString>,
    extras: Vec<OsString>,
}

/// What a word is.
enum Word<'a> {
    /// An option, with the value that is stuck to it.
    Option(&'a Arg, Option<OsString>),
    /// It looks like an option, and nobody knows it.
    Unknown,
    Value,
}

impl Line {
    /// Reads what stands behind the command.
    fn read<'a>(mut self, command: &'a Command, words: &[OsString]) -> Result<Reading<'a>, Refused> {
        let mut kinds = Vec::with_capacity(words.len());
        let mut only_values = false;
        for word in words {
            only_values |= word == "--";
            kinds.push(if only_values { Word::Value } else { self.kind(command, word)? });
        }
        let room = command.get_positionals().count();
        let mut at = 0;
        while at < words.len() {
            let word = &words[at];
            at += 1;
            match &kinds[at - 1] {
                Word::Unknown => self.extras.push(word.clone()),
                Word::Value if self.positionals.len() < room && word != "--" => {
                    self.positionals.push(word.clone());
                }
                Word::Value => self.extras.push(word.clone()),
                Word::Option(arg, stuck) => {
                    let behind = kinds[at..].iter().take_while(|kind| matches!(kind, Word::Value)).count();
                    at += self.option(arg, stuck.as_ref(), &words[at..at + behind])?;
                    if matches!(
                        arg.get_action(),
                        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong
                    ) {
                        self.extras.clear();
                        return Ok(self.reading(command));
                    }
                }
            }
        }
        Ok(self.reading(command))
    }

    fn kind<'a>(&self, command: &'a Command, word: &OsStr) -> Result<Word<'a>, Refused> {
        let text = word.to_string_lossy();
        if !looks_like_an_option(&text) {
            return Ok(Word::Value);
        }
        let (name, stuck) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (&*text, None),
        };
        if let Some(arg) = find(command, name) {
            return Ok(Word::Option(arg, stuck));
        }
        if let Some(prefix) = name.strip_prefix("--") {
            match &self.abbreviated(command, prefix)[..] {
                [] => {}
                [(arg, _), others @ ..] if others.iter().all(|(other, _)| other.get_id() == arg.get_id()) => {
                    return Ok(Word::Option(arg, stuck));
                }
                several => {
                    let names: Vec<String> = several.iter().map(|(_, long)| format!("--{long}")).collect();
                    return Err(
                        self.refused(&format!("ambiguous option: {text} could match {}", names.join(", ")))
                    );
                }
            }
        } else if let Some((short, value)) = text.split_at_checked(2)
            && let Some(arg) = find(command, short)
        {
            return Ok(Word::Option(arg, Some(OsString::from(value))));
        }
        let is_number = text[1..].parse::<f64>().is_ok()
            && text[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.');
        Ok(if is_number || text.contains(' ') { Word::Value } else { Word::Unknown })
    }

    /// The options that begin so, each as often as it has such a name.
    fn abbreviated<'a>(&self, command: &'a Command, prefix: &str) -> Vec<(&'a Arg, &'a str)> {
        let names = command.get_arguments().flat_map(|arg| longs(arg).map(move |long| (arg, long)));
        let rank = |long: &str| azure_cli::OPTIONS.iter().position(|known| *known == long);
        let mut names: Vec<_> = names
            .filter(|(_, long)| long.starts_with(prefix))
            .filter(|(_, long)| self.manner == Manner::Token || rank(long).is_some())
            .collect();
        names.sort_by_key(|(_, long)| rank(long).unwrap_or(usize::MAX));
        names
    }

    /// Takes an option with its values; says how many of the words behind it they are.
    fn option(&mut self, arg: &Arg, stuck: Option<&OsString>, behind: &[OsString]) -> Result<usize, Refused> {
        let name = spellings(arg).join("/");
        if !arg.get_action().takes_values() {
            return match stuck {
                None => {
                    self.options.push(spelling(arg).into());
                    Ok(0)
                }
                Some(value) => Err(self.refused(&format!(
                    "argument {name}: ignored explicit argument '{}'",
                    value.to_string_lossy()
                ))),
            };
        }
        let range = arg.get_num_args().unwrap_or_default();
        let values = match stuck {
            Some(value) => std::slice::from_ref(value),
            None => &behind[..behind.len().min(range.max_values())],
        };
        if values.len() < range.min_values() {
            let least = if range.max_values() > 1 { "at least one" } else { "one" };
            return Err(self.refused(&format!("argument {name}: expected {least} argument")));
        }
        for value in values {
            self.check(arg, value)?;
        }
        match values {
            // An empty value, or one that looks like an option, is the option's only where it is stuck to it.
            [value] => {
                let mut word = OsString::from(spelling(arg));
                word.push("=");
                word.push(value);
                self.options.push(word);
            }
            several => {
                self.options.push(spelling(arg).into());
                self.options.extend(several.iter().cloned());
            }
        }
        Ok(if stuck.is_some() { 0 } else { values.len() })
    }

    /// Whether a value is among those that an option knows.
    fn check(&self, arg: &Arg, value: &OsStr) -> Result<(), Refused> {
        if arg.get_long() == Some("query") {
            return self.check_query(&value.to_string_lossy());
        }
        let known: Vec<_> =
            arg.get_possible_values().into_iter().filter(|known| !known.is_hide_set()).collect();
        let typed = value.to_string_lossy();
        if arg.get_possible_values().is_empty()
            || known.iter().any(|known| known.matches(&typed, arg.is_ignore_case_set()))
        {
            return Ok(());
        }
        let names: Vec<&str> = known.iter().map(|known| known.get_name()).collect();
        let refused = self.refused(&format!(
            "{} {}: '{typed}' is not a valid value for '{}'. Allowed values: {}.",
            program::name(),
            self.command.join(" "),
            spelling(arg),
            names.join(", ")
        ));
        Err(Refused { meant: closest(&typed, names.iter().copied()), ..refused })
    }

    fn check_query(&self, typed: &str) -> Result<(), Refused> {
        let Err(error) = typed.parse::<Query>() else { return Ok(()) };
        let shown = Value::from(typed).python();
        let refused = self.refused(&format!("argument --query: invalid jmespath_type value: {shown}"));
        let hint = match self.manner {
            Manner::Az => query::HELP.to_owned(),
            Manner::Token => error.to_string(),
        };
        Err(Refused { hint: Some(hint), ..refused })
    }

    fn reading(self, command: &Command) -> Reading<'_> {
        let extras: Vec<_> = self.extras.iter().map(|word| word.to_string_lossy()).collect();
        let too_much = (!extras.is_empty())
            .then(|| self.refused(&format!("unrecognized arguments: {}", extras.join(" "))));
        let name = self.command.join(" ");
        let entered = self.command.into_iter().map(OsString::from);
        let separator = (!self.positionals.is_empty()).then(|| OsString::from("--"));
        let words = entered.chain(self.options).chain(separator).chain(self.positionals).collect();
        Reading { words, too_much, command, name }
    }

    fn misspelt(&self, word: &str, command: &Command) -> Refused {
        let refused = self.refused(&format!("'{word}' is misspelled or not recognized by the system."));
        let known = command.get_subcommands().filter(|known| !known.is_hide_set()).map(Command::get_name);
        Refused { meant: closest(word, known), ..refused }
    }

    fn refused(&self, text: &str) -> Refused {
        Refused { text: text.to_owned(), meant: None, hint: None, command: self.command.join(" ") }
    }
}

/// Every name of an option, the first one first: `--subscription`, `-s`, `--name`, `-n`.
pub(super) fn spellings(arg: &Arg) -> Vec<String> {
    let longs: Vec<&str> = longs(arg).collect();
    let shorts: Vec<char> = shorts(arg).collect();
    (0..longs.len().max(shorts.len()))
        .flat_map(|at| {
            let long = longs.get(at).map(|long| format!("--{long}"));
            long.into_iter().chain(shorts.get(at).map(|short| format!("-{short}")))
        })
        .collect()
}

fn spelling(arg: &Arg) -> String {
    spellings(arg).into_iter().next().unwrap_or_default()
}

fn longs(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
}

fn shorts(arg: &Arg) -> impl Iterator<Item = char> {
    arg.get_short().into_iter().chain(arg.get_all_short_aliases().unwrap_or_default())
}

/// The option of exactly this name, dashes included.
fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| match name.strip_prefix("--") {
        Some(long) => longs(arg).any(|known| known == long),
        None => {
            let mut letters = name.chars().skip(1);
            let letter = letters.next().filter(|_| letters.next().is_none());
            letter.is_some_and(|letter| shorts(arg).any(|known| known == letter))
        }
    })
}

fn looks_like_an_option(text: &str) -> bool {
    text.starts_with('-') && text.len() > 1
}
