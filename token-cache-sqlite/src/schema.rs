//! What is in the database's header, and how an older layout is brought forward.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use token_core::CacheErrorKind;

use crate::fault::Fault;

/// What file(1) and we know a cache by: `tokn`, as a number.
const APPLICATION: i32 = 0x746f_6b6e;

/// One step a version: the first makes everything, and whoever changes the layout adds one.
const STEPS: &[&str] = &[include_str!("schema-1.sql")];

/// How a database's layout stands to the one of this program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Age {
    Current,
    /// It can be brought forward by a writer.
    Older,
}

/// Looks whose database it is and how old; refuses one of somebody else, and one that is newer than we are.
pub(crate) fn age(connection: &Connection, path: &Path) -> Result<Age, Fault> {
    let application = number(connection, "application_id").map_err(Fault::of(path))?;
    let version = number(connection, "user_version").map_err(Fault::of(path))?;
    let refuse = |text: String| Err(Fault::new(CacheErrorKind::Unsuitable, text));
    if application != i64::from(APPLICATION) {
        return refuse(format!(
            "{} is a database, but no token cache; name another file, or move it away",
            path.display()
        ));
    }
    match version {
        version if version == newest() => Ok(Age::Current),
        version if (0..newest()).contains(&version) => Ok(Age::Older),
        version => refuse(format!(
            "{} was written by a newer version (its schema is {version}, and this one knows {}); update this one too",
            path.display(),
            newest()
        )),
    }
}

/// Makes an empty database a cache.
pub(crate) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION)?;
    bring_forward(connection)
}

/// Takes the steps that are missing, all of them or none.
pub(crate) fn bring_forward(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Somebody else may have done it meanwhile.
    let done = number(&transaction, "user_version")?;
    for step in STEPS.iter().skip(usize::try_from(done).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest().max(done))?;
    transaction.commit()
}

fn newest() -> i64 {
    STEPS.len() as i64
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}
