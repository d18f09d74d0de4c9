//! `az uninstall`

use std::fs;

use super::az_install::{directory, is_ours};
use crate::args::Link;
use crate::output;
use crate::report::{Exit, Failure};

pub(super) fn run(typed: &Link) -> Result<(), Failure> {
    let link = directory(typed)?.join("az");
    if fs::symlink_metadata(&link).is_err() {
        return Err(Failure::new(format!("there is no {}", link.display()))
            .hint("token az uninstall DIR names the directory")
            .exit(Exit::NotFound));
    }
    if !is_ours(&link) {
        return Err(Failure::new(format!("{} is another program's, and stays as it is", link.display())));
    }
    fs::remove_file(&link)
        .map_err(|error| Failure::new(format!("could not remove {}", link.display())).caused_by(&error))?;
    output::text(&format!("Removed {}; a shell forgets it with: hash -r\n", link.display()))
}
