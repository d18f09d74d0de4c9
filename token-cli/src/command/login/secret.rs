//! A client secret from the command line.

use std::io::{self, Read};

use token_core::Secret;

use crate::config::{PROCESS, SecretSource};
use crate::report::Failure;

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
