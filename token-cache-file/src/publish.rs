//! The two ways in which an entry's file changes, each with its fsync inside so that none can be forgotten.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use token_core::HostDirectory;

/// Replaces a file in one step and durably: a reader, and a machine that crashes at any moment, finds the old bytes or the new.
///
/// `staging` is a directory on the same file system, which nobody else uses meanwhile: what is in it was left by
/// writers that were killed, and goes.
pub(crate) fn replace(path: &Path, bytes: &[u8], staging: &Path) -> io::Result<()> {
    HostDirectory::make(staging)?;
    for left in fs::read_dir(staging)?.flatten() {
        // What cannot be removed is not in the way.
        drop(fs::remove_file(left.path()));
    }
    // 0600, made exclusively, and deleted again when anything here fails.
    // Its own errors name that file, which nobody has heard of.
    let mut file = tempfile::NamedTempFile::new_in(staging).map_err(|error| io::Error::from(error.kind()))?;
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    sync_parent(path)
}

/// Removes a file durably. One that is not there is removed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_parent(path),
    }
}

/// Moves a file to another directory durably.
pub(crate) fn set_aside(path: &Path, directory: &Path, name: &str) -> io::Result<()> {
    HostDirectory::make(directory)?;
    fs::rename(path, directory.join(name))?;
    HostDirectory::sync(directory)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), HostDirectory::sync)
}
