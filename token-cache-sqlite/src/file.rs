//! Which files may be a cache's database, and the names of what lies beside one.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use token_core::CacheErrorKind;

use crate::fault::Fault;

/// Which file it is, whatever its name: a connection goes on with its own when the name has got another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

/// Which file is there, if it may be a cache's database: one system call. It is never opened for that, since closing
/// it again would drop the locks that SQLite holds on it in this process.
pub(crate) fn inspect(path: &Path) -> Result<Option<Identity>, Fault> {
    match path.symlink_metadata() {
        Ok(metadata) => {
            let user = rustix::process::geteuid().as_raw();
            judge(path, &metadata, user).map_err(|text| Fault::new(CacheErrorKind::Unsuitable, text))?;
            Ok(Some(Identity { device: metadata.dev(), inode: metadata.ino() }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::at(path)(error)),
    }
}

/// What is called as the database and something more: `cache.db-wal`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn judge(path: &Path, metadata: &Metadata, user: u32) -> Result<(), String> {
    let (at, mode, owner) = (path.display(), metadata.mode() & 0o7777, metadata.uid());
    if metadata.is_symlink() {
        Err(format!("{at} is a symbolic link; name the file that it points to"))
    } else if !metadata.is_file() {
        Err(format!("{at} is not a file; name the file of the database"))
    } else if owner != user {
        Err(format!(
            "{at} belongs to user {owner}, and this is user {user}; name a file of your own, or run `chown {user} {at}`"
        ))
    } else if mode & 0o077 != 0 {
        Err(format!("{at} is open to other users (mode {mode:04o}); run `chmod 600 {at}`"))
    } else if metadata.nlink() > 1 {
        // The log and the locks are found by name: who comes by the other name sees neither.
        Err(format!("{at} has another name (a hard link), by which its locks do not hold; delete that"))
    } else {
        Ok(())
    }
}
