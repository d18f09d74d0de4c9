//! A client's certificate from the command line.

use std::path::PathBuf;

use token_core::{ClientCertificate, RsaPadding, Secret};

use crate::app::App;
use crate::config::{Origin, PROCESS};
use crate::paths::Paths;
use crate::proof;
use crate::report::Failure;

/// Opens the file that an option names, and refuses at once what no issuer would take.
pub(super) fn read(
    app: &App,
    file: &str,
    password: Option<Secret>,
    subject_name: bool,
    padding: RsaPadding,
) -> Result<ClientCertificate, Failure> {
    let certificate = ClientCertificate::load(absolute(file)?, password, app.clock().posix())
        .map_err(|error| proof::hinted(Failure::of(&error), &error))?;
    Ok(ClientCertificate { padding, sends_chain: subject_name, ..certificate })
}

/// A path as whoever typed it means it, for whoever runs us later from elsewhere.
pub(super) fn absolute(file: &str) -> Result<PathBuf, Failure> {
    match file.strip_prefix("~/") {
        Some(_) => Paths::expand(&PROCESS, file, Origin::File),
        None => std::path::absolute(file)
            .map_err(|error| Failure::new(format!("could not tell where {file:?} is")).caused_by(&error)),
    }
}
