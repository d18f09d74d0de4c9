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

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Duration;

    use super::*;

    fn version(connection: &Connection) -> i64 {
        number(connection, "user_version").unwrap()
    }

    #[test]
    fn whoever_comes_second_takes_no_step_again_and_none_back() {
        let mut connection = Connection::open_in_memory().unwrap();
        create(&mut connection).unwrap();
        bring_forward(&mut connection).unwrap();
        assert_eq!(version(&connection), newest());
        // A newer program was faster.
        connection.pragma_update(None, "user_version", newest() + 1).unwrap();
        bring_forward(&mut connection).unwrap();
        assert_eq!(version(&connection), newest() + 1);
    }

    #[test]
    fn many_may_bring_it_forward_at_once() {
        const AT_ONCE: usize = 8;
        for _ in 0..10 {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("cache.db");
            Connection::open(&path).unwrap().pragma_update(None, "application_id", APPLICATION).unwrap();
            let barrier = Barrier::new(AT_ONCE);
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE {
                    scope.spawn(|| {
                        let mut connection = Connection::open(&path).unwrap();
                        connection.busy_timeout(Duration::from_secs(30)).unwrap();
                        barrier.wait();
                        bring_forward(&mut connection).unwrap();
                    });
                }
            });
            assert_eq!(version(&Connection::open(&path).unwrap()), newest());
        }
    }
}
