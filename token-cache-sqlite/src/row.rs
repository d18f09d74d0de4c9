//! How an entry is laid out in its row, and the statements that read and write one.
//!
//! The checksum is the CRC-32 of everything else, the key included: a row that was cut short, altered or given to another
//! key is damaged. It finds damage, not forgery: bodies are sealed before they get here. A cryptographic hash would be
//! a third of what a load costs.

use crc32fast::Hasher;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use token_core::{Entry, Key, Kind, Listed, Version};

const READ: &str = "SELECT version, discard_after, body, checksum FROM entry WHERE key = ?1";
/// The names of a kind lie between its own and the next, which has the character after `-`.
const LIST: &str = "SELECT version, discard_after, body, checksum, key FROM entry WHERE key >= ?1 || '-' AND key < ?1 || '.'";
const WRITE: &str =
    "INSERT INTO entry (key, version, discard_after, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (key) DO UPDATE SET version = ?2, discard_after = ?3, body = ?4, checksum = ?5";
const REMOVE: &str = "DELETE FROM entry WHERE key = ?1";
const SET_ASIDE: &str = "INSERT INTO damaged (set_aside_at, key, version, discard_after, body, checksum)
    SELECT ?2, key, version, discard_after, body, checksum FROM entry WHERE key = ?1";
const DELETE_DAMAGED: &str = "DELETE FROM damaged";

/// What is in a row, or why it is no entry.
pub(crate) type Found = Result<Entry, &'static str>;

/// Reads the row of a key.
pub(crate) fn read(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Found>> {
    let name = key.to_string();
    let mut statement = connection.prepare_cached(READ)?;
    statement.query_row([&name], |row| decode(&name, row)).optional()
}

/// Names the rows of a kind.
pub(crate) fn list(connection: &Connection, kind: Kind) -> rusqlite::Result<Vec<Listed>> {
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query([kind.to_string()])?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        let ValueRef::Text(name) = row.get_ref(4)? else { continue };
        let Some(name) = std::str::from_utf8(name).ok() else { continue };
        let Ok(key) = name.parse::<Key>() else { continue };
        let (version, discard_after) =
            decode(name, row)?.map_or((None, None), |entry| (Some(entry.version), entry.discard_after));
        listed.push(Listed { key, version, discard_after });
    }
    Ok(listed)
}

/// Writes the row of a key, new or again.
pub(crate) fn write(connection: &Connection, key: &Key, entry: &Entry) -> rusqlite::Result<()> {
    let name = key.to_string();
    let sum = checksum(&name, entry.version.as_bytes(), entry.discard_after, &entry.body);
    let mut statement = connection.prepare_cached(WRITE)?;
    let version = entry.version.as_bytes().as_slice();
    statement.execute(params![name, version, entry.discard_after, entry.body, sum.as_slice()])?;
    Ok(())
}

/// Removes the row of a key, which may not be there.
pub(crate) fn remove(connection: &Connection, key: &Key) -> rusqlite::Result<()> {
    connection.prepare_cached(REMOVE)?.execute([key.to_string()])?;
    Ok(())
}

/// Keeps the row of a key, which is about to be replaced or removed, among those that could not be read.
pub(crate) fn set_aside(connection: &Connection, key: &Key, now: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(SET_ASIDE)?.execute(params![key.to_string(), now])?;
    Ok(())
}

/// Deletes what was set aside, and says how much that was.
pub(crate) fn delete_damaged(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached(DELETE_DAMAGED)?.execute([])
}

/// A damaged page may hold any type anywhere.
fn decode(name: &str, row: &Row<'_>) -> rusqlite::Result<Found> {
    let discard_after = match row.get_ref(1)? {
        ValueRef::Null => None,
        ValueRef::Integer(end) => Some(end),
        _ => return Ok(Err("its fields are of the wrong type")),
    };
    let (ValueRef::Blob(version), ValueRef::Blob(body), ValueRef::Blob(sum)) =
        (row.get_ref(0)?, row.get_ref(2)?, row.get_ref(3)?)
    else {
        return Ok(Err("its fields are of the wrong type"));
    };
    let Ok(version) = <[u8; 16]>::try_from(version) else {
        return Ok(Err("its version has the wrong length"));
    };
    if sum != checksum(name, &version, discard_after, body) {
        return Ok(Err("its checksum does not match: it was altered"));
    }
    Ok(Ok(Entry { version: Version::from_bytes(version), body: body.to_vec(), discard_after }))
}

fn checksum(name: &str, version: &[u8; 16], discard_after: Option<i64>, body: &[u8]) -> [u8; 4] {
    let mut sum = Hasher::new();
    sum.update(&(name.len() as u64).to_be_bytes());
    sum.update(name.as_bytes());
    sum.update(version);
    sum.update(&[u8::from(discard_after.is_some())]);
    sum.update(&discard_after.unwrap_or(0).to_be_bytes());
    sum.update(body);
    sum.finalize().to_be_bytes()
}
