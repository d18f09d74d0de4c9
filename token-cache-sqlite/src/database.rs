//! How the database is opened: to read, to write, and for the first time.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};
use token_core::{CacheErrorKind, HostDirectory, HostLock};

use crate::fault::Fault;
use crate::file::{self, Identity};
use crate::pool::Pool;
use crate::schema::{self, Age};
use crate::turn::Turn;

/// How many read at once. Reading is a matter of microseconds: more would only take the processors from each other.
pub(crate) const READERS: usize = 4;

/// After how many pages the log is written back into the database. Who comes first reads the whole log, so it is
/// kept short; and writes are rare, so it may be done often.
const CHECKPOINT: i32 = 16;

/// How often a reader looks again where nothing may be locked and somebody writes meanwhile.
const LOOKS: usize = 3;

#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    directory: HostDirectory,
    readers: Pool,
    writers: Pool,
}

impl Database {
    pub(crate) fn new(path: PathBuf, directory: HostDirectory) -> Self {
        Self { path, directory, readers: Pool::new(READERS), writers: Pool::new(1) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn directory(&self) -> &HostDirectory {
        &self.directory
    }

    /// Where what is locked lies: beside the database, so that all who reach it find the same.
    pub(crate) fn locks(&self) -> PathBuf {
        file::beside(&self.path, ".lock")
    }

    /// Reads, if there is anything to read. Nothing is written but what SQLite shares among those who have it open.
    pub(crate) fn read<T>(
        &self,
        work: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        if !self.directory.is_there()? {
            return Ok(None);
        }
        let Some(identity) = file::inspect(&self.path)? else { return Ok(None) };
        let read = self.readers.with(
            identity,
            || self.open_reader(),
            |connection| work(connection).map_err(Fault::of(&self.path)),
        );
        match read {
            Err(fault) if fault.code.is_some_and(cannot_share) => {
                self.read_without_sharing(&work).map(Some).map_err(|other| other.unwrap_or(fault))
            }
            outcome => outcome.map(Some),
        }
    }

    /// Writes, over a database that is made if there is none.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.directory.prepare()?;
        let identity = match file::inspect(&self.path)? {
            Some(identity) => identity,
            None => self.create()?,
        };
        self.writers.with(identity, || self.open_writer(), work)
    }

    /// Whether there is a database.
    pub(crate) fn is_there(&self) -> Result<bool, Fault> {
        Ok(self.directory.inspect()? && file::inspect(&self.path)?.is_some())
    }

    fn open_reader(&self) -> Result<Connection, Fault> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if schema::age(&connection, &self.path)? == Age::Older {
            self.open_writer()?;
        }
        Ok(connection)
    }

    fn open_writer(&self) -> Result<Connection, Fault> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let age = schema::age(&connection, &self.path)?;
        prepare_to_write(&connection).map_err(Fault::of(&self.path))?;
        if age == Age::Older {
            schema::bring_forward(&mut connection).map_err(Fault::of(&self.path))?;
        }
        Ok(connection)
    }

    fn connect(&self, access: OpenFlags) -> Result<Connection, Fault> {
        connect(&self.path, access).map_err(Fault::of(&self.path))
    }

    /// Reads where nothing can be shared with writers: a read-only directory in which nobody has opened the database
    /// before, or a disk that is full. Such a connection is used once.
    fn read_without_sharing<T>(
        &self,
        work: &impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Option<Fault>> {
        let read = |options: &str| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection = connect(&uri(&self.path, options), flags).map_err(Fault::of(&self.path))?;
            match schema::age(&connection, &self.path)? {
                Age::Current => work(&connection).map_err(Fault::of(&self.path)),
                Age::Older => Err(Fault::new(
                    CacheErrorKind::Denied,
                    format!("{} has an older schema, and cannot be written", self.path.display()),
                )),
            }
        };
        // The index of the log is there to look at, or is made in memory.
        match read("readonly_shm=1") {
            Err(fault) if fault.code.is_some_and(cannot_share) => {}
            outcome => return outcome.map_err(Some),
        }
        // There is none. Without a log nobody writes: a writer makes one first and leaves it behind.
        for _ in 0..LOOKS {
            if self.has_log()? {
                break;
            }
            let outcome = read("immutable=1");
            if !self.has_log()? {
                return outcome.map_err(Some);
            }
        }
        Err(None)
    }

    fn has_log(&self) -> Result<bool, Option<Fault>> {
        let log = file::beside(&self.path, "-wal");
        match log.symlink_metadata() {
            Ok(metadata) => Ok(metadata.len() > 0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Some(Fault::at(&log)(error))),
        }
    }

    /// Makes the database beside its name, whole and for its owner alone, and gives it its name then: whoever sees it
    /// sees all of it, whenever its maker is killed.
    fn create(&self) -> Result<Identity, Fault> {
        let locks = self.locks();
        HostDirectory::make(&locks).map_err(Fault::at(&locks))?;
        let _lock = wait_for(&locks.join("create"))?;
        if let Some(identity) = file::inspect(&self.path)? {
            return Ok(identity);
        }
        let new = file::beside(&self.path, ".new");
        // What a maker left that was killed; and the log of a database that was deleted, which SQLite would take
        // for that of this one.
        for (path, suffix) in [
            (&new, ""),
            (&new, "-journal"),
            (&new, "-wal"),
            (&new, "-shm"),
            (&self.path, "-wal"),
            (&self.path, "-shm"),
        ] {
            let left = file::beside(path, suffix);
            match fs::remove_file(&left) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Fault::at(&left)(error)),
                _ => {}
            }
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new);
        drop(file.map_err(Fault::at(&new))?);
        make(&new).map_err(Fault::of(&new))?;
        fs::rename(&new, &self.path).map_err(Fault::at(&self.path))?;
        let directory = self.directory.path();
        HostDirectory::sync(directory).map_err(Fault::at(directory))?;
        let gone = || Fault::at(&self.path)(io::ErrorKind::NotFound.into());
        file::inspect(&self.path)?.ok_or_else(gone)
    }
}

/// Everything that a new database has, durably.
fn make(path: &Path) -> rusqlite::Result<()> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    schema::create(&mut connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    // A connection is in one thread at a time.
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let mut turn = Turn::default();
    connection.busy_handler(Some(move |count| {
        if count == 0 {
            turn = Turn::default();
        }
        turn.pause()
    }))?;
    Ok(connection)
}

fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    // The last commit may be a refresh token that was rotated: it must survive a crash of the machine.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", CHECKPOINT, |_| Ok(()))?;
    // What was deleted is overwritten, not only forgotten.
    connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(()))?;
    // The log and its index stay when the last writer closes: who may only read needs them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(())
}

/// Whether SQLite could not open or make what its connections share.
fn cannot_share(code: i32) -> bool {
    matches!(code & 0xff, ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_FULL)
        || matches!(code, ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_SHMMAP)
}

/// The path as an URI, in which only letters, digits and slashes stand for themselves.
fn uri(path: &Path, options: &str) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{uri}?{options}").into()
}

fn wait_for(path: &Path) -> Result<HostLock, Fault> {
    let mut turn = Turn::default();
    loop {
        if let Some(lock) = HostLock::try_acquire(path).map_err(Fault::at(path))? {
            return Ok(lock);
        }
        if !turn.pause() {
            let reason =
                format!("{} is locked; is a process that makes the database stopped?", path.display());
            return Err(Fault::new(CacheErrorKind::Unavailable, reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> (tempfile::TempDir, Database) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("cache/cache.db");
        let directory = HostDirectory::new(path.parent().unwrap(), false);
        (home, Database::new(path, directory))
    }

    fn pragma(connection: &Connection, name: &str) -> String {
        let value: rusqlite::types::Value =
            connection.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            value => panic!("{name} is {value:?}"),
        }
    }

    /// Nothing else shows whether a commit would survive a crash of the machine.
    #[test]
    fn who_writes_syncs_every_commit_and_overwrites_what_it_deletes() {
        let (_home, database) = private();
        for _ in ["made", "found"] {
            let connection = database.write(|_| Ok(())).and_then(|()| database.open_writer()).unwrap();
            let set = ["synchronous", "fullfsync", "journal_mode", "wal_autocheckpoint", "secure_delete"]
                .map(|name| pragma(&connection, name));
            assert_eq!(set, ["2", "1", "wal", "16", "1"]);
        }
    }

    #[test]
    fn a_database_is_made_with_its_log_and_gets_it_back_from_whoever_writes() {
        let (_home, database) = private();
        database.directory.prepare().unwrap();
        std::fs::File::create_new(database.path()).unwrap();
        make(database.path()).unwrap();
        let other = Connection::open(database.path()).unwrap();
        assert_eq!(pragma(&other, "journal_mode"), "wal");
        // As another program may leave it.
        other.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).unwrap();
        assert_eq!(pragma(&other, "journal_mode"), "delete");
        assert_eq!(pragma(&database.open_writer().unwrap(), "journal_mode"), "wal");
    }

    #[test]
    fn a_name_with_any_letters_is_found_by_its_uri() {
        let home = tempfile::tempdir().unwrap();
        for name in ["plain", "question?mode=memory", "hash#", "percent%41", "a space & more", "\u{fc}"] {
            let path = home.path().join(name);
            Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let found = Connection::open_with_flags(uri(&path, "immutable=1"), flags).unwrap();
            assert_eq!(pragma(&found, "user_version"), "7", "{name}");
        }
    }
}
