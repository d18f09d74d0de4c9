//! What went wrong, before it is said in which operation.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use rusqlite::ffi;
use token_core::{CacheError, CacheErrorKind, DirectoryFault};

#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: CacheErrorKind,
    source: Box<dyn Error + Send + Sync>,
    /// The extended code, where SQLite is who said so.
    pub(crate) code: Option<i32>,
}

impl Fault {
    pub(crate) fn new(kind: CacheErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), code: None }
    }

    /// The system's own errors do not say which file they are about.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::new(CacheErrorKind::from(&error), format!("{}: {error}", path.display()))
    }

    /// What an error of SQLite means for the database at this path, and what helps.
    pub(crate) fn of(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |error| {
            let code = error.sqlite_error().map_or(ffi::SQLITE_ERROR, |error| error.extended_code);
            let (kind, text) = explain(code, path, &error);
            Self { kind, source: text.into(), code: Some(code) }
        }
    }

    pub(crate) fn into_error(self, operation: impl Into<String>, cache: &impl fmt::Display) -> CacheError {
        CacheError::new(self.kind, operation, cache, self.source)
    }
}

impl From<DirectoryFault> for Fault {
    fn from(fault: DirectoryFault) -> Self {
        Self::new(fault.kind(), fault)
    }
}

fn explain(code: i32, path: &Path, error: &rusqlite::Error) -> (CacheErrorKind, String) {
    use CacheErrorKind::{Denied, Full, Unavailable, Unsuitable};
    let at = path.display();
    match code {
        // SQLite makes room for its index of the log by writing, and its code does not tell a full disk apart.
        ffi::SQLITE_IOERR_SHMSIZE => (Full, format!("{at}: there is no room left on its disk")),
        ffi::SQLITE_CANTOPEN_SYMLINK => (Unsuitable, format!("{at} is reached by a symbolic link")),
        _ => match code & 0xff {
            ffi::SQLITE_FULL => (Full, format!("{at}: there is no room left on its disk")),
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => (
                Unavailable,
                format!(
                    "{at} has been locked by another process for {} seconds; is one that uses it stopped? \
                     `fuser {at}` tells which have it open",
                    crate::turn::TIMEOUT.as_secs()
                ),
            ),
            ffi::SQLITE_NOTADB => {
                (Unsuitable, format!("{at} is no SQLite database; move it away or name another file"))
            }
            // Our statements are right for our schema: where one is wrong, the schema was altered.
            ffi::SQLITE_CORRUPT | ffi::SQLITE_ERROR | ffi::SQLITE_FORMAT => (
                Unsuitable,
                format!(
                    "{at} is damaged ({error}); move it away, with what has its name and more, and sign in again; \
                     `sqlite3 {at} .recover` shows what is left"
                ),
            ),
            ffi::SQLITE_READONLY => {
                (Denied, format!("{at} cannot be written: it, its directory or its disk is read-only"))
            }
            ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => match unreachable(path) {
                Some(error) => (CacheErrorKind::from(&error), format!("{at}: {error}")),
                None => (Unavailable, format!("{at}: {error}")),
            },
            ffi::SQLITE_IOERR => (
                Unavailable,
                format!(
                    "{at}: the system refused to read or write it ({error}): a quota, a limit, or a failing disk"
                ),
            ),
            _ => (Unavailable, format!("{at}: {error}")),
        },
    }
}

/// Why a file cannot be opened, which SQLite does not tell. It is asked by its name: closing a second descriptor of a
/// database would drop the locks that the first holds.
fn unreachable(path: &Path) -> Option<io::Error> {
    use rustix::fs::{Access, access};
    let directory = path.parent().unwrap_or(path);
    let reading = access(path, Access::READ_OK);
    reading.and_then(|()| access(directory, Access::WRITE_OK | Access::EXEC_OK)).err().map(io::Error::from)
}
