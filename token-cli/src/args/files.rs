//! `@FILE` in the place of any word, or of an option's value: what stands in that file.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::config::PROCESS;
use crate::paths::Paths;
use crate::report::Failure;

/// The words, with every file that they name in its place. A file that is not there is a word like others.
pub(super) fn expand(words: Vec<OsString>) -> Result<Vec<OsString>, Failure> {
    if !words.iter().any(|word| word.as_encoded_bytes().contains(&b'@')) {
        return Ok(words);
    }
    words.into_iter().map(expand_word).collect()
}

fn expand_word(word: OsString) -> Result<OsString, Failure> {
    let Some(text) = word.to_str() else { return Ok(word) };
    let (option, value) = match text.split_once('=') {
        Some((option, value)) => (Some(option), value),
        None => (None, text),
    };
    let content = match value.strip_prefix('@') {
        None | Some("") => return Ok(word),
        Some("-") => stdin()?,
        Some(path) => match file(path)? {
            Some(content) => content,
            None => return Ok(word),
        },
    };
    let content = content.trim_end_matches('\n');
    Ok(match option {
        Some(option) => format!("{option}={content}").into(),
        None => content.into(),
    })
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new("could not read standard input").caused_by(&error))?;
    Ok(as_python_reads_it(&text))
}

fn file(path: &str) -> Result<Option<String>, Failure> {
    let place = match path.strip_prefix("~/") {
        Some(rest) => Paths::home(&PROCESS)?.join(rest),
        None => PathBuf::from(path),
    };
    match std::fs::read(&place) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(as_python_reads_it(&text))),
            Err(_) => Err(Failure::usage(format!("Failed to decode file {path} - unknown decoding"))),
        },
        Err(_) => Ok(None),
    }
}

/// Without a byte-order mark, and every line ended by a newline alone.
fn as_python_reads_it(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_file;

    #[test]
    fn a_word_or_an_options_value_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("value");
        private_file::replace(&path, "\u{feff}a b\r\n\n".as_bytes()).unwrap();
        let path = path.display();
        let words = [
            format!("@{path}"),
            format!("--scope=@{path}"),
            format!("x@{path}"),
            "@/no/such".to_owned(),
            "@".to_owned(),
        ];
        let expanded = expand(words.iter().map(OsString::from).collect()).unwrap();
        assert_eq!(expanded, ["a b", "--scope=a b", &format!("x@{path}"), "@/no/such", "@"]);
    }
}
