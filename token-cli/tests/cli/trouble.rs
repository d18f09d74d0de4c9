//! What can go wrong: a table in which each row has its exact text and exit code.
//!
//! A row is the exit code of a run and all that it said on stderr. What differs from run to run stands there by name:
//! `ISSUER`, `HOME`, `HEX`, `PID`, … ([`said`]). A run that fails prints nothing on stdout, and none panics.

mod clock;
mod config;
mod damage;
mod directory;
mod issuer;
mod key;
mod network;
mod nonsense;
mod output;
mod redis;
mod selection;
mod sign_in;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::harness::{Lab, Output, start};

/// Exit code and text of a run of the program in a lab.
fn row(lab: &Lab, arguments: &[&str]) -> String {
    said(lab, &lab.run(arguments))
}

/// Exit code and text of a run with more in its environment.
fn row_with(lab: &Lab, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    said(lab, &start(lab.token(arguments).envs(variables.iter().copied())).finish())
}

/// What a run came to: its exit code and its stderr, with names for what differs from run to run.
pub(crate) fn said(lab: &Lab, output: &Output) -> String {
    assert!(!output.stderr.contains("panicked"), "{output}");
    assert!(output.code() == 0 || output.stdout.is_empty(), "{output}");
    let names = [
        (lab.issuer.base_url(), "ISSUER"),
        (lab.issuer.base_url().trim_start_matches("https://").trim_start_matches("http://"), "ISSUER"),
        (lab.home().to_str().unwrap(), "HOME"),
    ];
    let text = names.iter().fold(output.stderr.clone(), |text, (differs, name)| text.replace(differs, name));
    format!("exit {}\n{}", output.code(), named(&text))
}

/// A text with names in the place of times, processes, hosts and random ids.
fn named(text: &str) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut named = String::new();
    let mut before = "";
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        let is = |shape: &str| {
            word.len() == shape.len()
                && word
                    .chars()
                    .zip(shape.chars())
                    .all(|(c, s)| if s == '0' { c.is_ascii_digit() } else { c == s })
        };
        let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let shown = match before {
            "ID:" => "GUID".to_owned(),
            "process" if number => "PID".to_owned(),
            "another" if number => "N".to_owned(),
            "on" if word == host => "HOST".to_owned(),
            _ if is("0000-00-00") => "DATE".to_owned(),
            _ if is("00:00:00") || is("00:00:00Z") => "TIME".to_owned(),
            _ => without_ids(word),
        };
        named.push_str(&shown);
        named.push_str(&piece[word.len()..]);
        before = word;
    }
    named
}

/// A word with names for the random ids and user codes in it.
fn without_ids(word: &str) -> String {
    let mut shown = String::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let code = rest.get(..9).is_some_and(is_user_code);
        let digits = rest.len() - rest.trim_start_matches(|c| matches!(c, '0'..='9' | 'a'..='f')).len();
        let (length, name) = match digits {
            _ if code => (9, "CODE"),
            0 => (c.len_utf8(), ""),
            16.. => (digits, "HEX"),
            digits => (digits, ""),
        };
        let (piece, behind) = rest.split_at(length);
        shown.push_str(if name.is_empty() { piece } else { name });
        rest = behind;
    }
    shown
}

fn is_user_code(text: &str) -> bool {
    let (first, second) = text.split_once('-').unwrap_or_default();
    [first, second].iter().all(|half| half.len() == 4 && half.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Does the same with each of them, side by side: most of the time they wait for disks, issuers and each other.
fn each<I: Send, T: Send>(items: impl IntoIterator<Item = I>, work: impl Fn(I) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Rows under their names, as one text to compare.
#[derive(Default)]
struct Table(String);

impl Table {
    fn add(&mut self, name: &str, row: &str) {
        write!(self.0, "--- {name}\n{row}").unwrap();
    }
}

/// The only entry of a kind.
fn entry(lab: &Lab, kind: &str) -> PathBuf {
    let mut found: Vec<_> = entries(lab, kind);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn entries(lab: &Lab, kind: &str) -> Vec<PathBuf> {
    let of_kind =
        |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{kind}-"));
    fs::read_dir(lab.entries()).unwrap().map(|entry| entry.unwrap().path()).filter(of_kind).collect()
}

/// Lets everybody ask the issuer again who was told to leave it alone.
fn end_the_wait(lab: &Lab) {
    entries(lab, "metadata").iter().for_each(|path| fs::remove_file(path).unwrap());
}
