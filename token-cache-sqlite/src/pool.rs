//! Connections that wait for their next use.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::fault::Fault;
use crate::file::Identity;

/// Opening a connection takes longer than using it. So whoever needs one takes one that is idle or opens another,
/// and some are kept.
#[derive(Debug)]
pub(crate) struct Pool {
    keep: usize,
    idle: Mutex<Vec<(Identity, Connection)>>,
}

impl Pool {
    pub(crate) fn new(keep: usize) -> Self {
        Self { keep, idle: Mutex::default() }
    }

    /// Does some work over a connection to this file. One on which something failed is not used again.
    pub(crate) fn with<T>(
        &self,
        file: Identity,
        open: impl FnOnce() -> Result<Connection, Fault>,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut connection = match self.take(file) {
            Some(connection) => connection,
            None => open()?,
        };
        let value = work(&mut connection)?;
        self.put(file, connection);
        Ok(value)
    }

    fn take(&self, file: Identity) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.last().is_some_and(|(theirs, _)| *theirs != file) {
            // The file was replaced or deleted.
            idle.clear();
        }
        idle.pop().map(|(_, connection)| connection)
    }

    fn put(&self, file: Identity, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.keep {
            idle.push((file, connection));
        }
    }
}
