//! Connections that wait for their next use.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::fault::Fault;
use crate::file::Identity;

/// Opening a connection takes longer than using it. So whoever needs one takes one that is idle, and opens another
/// where there is none; and a few are kept.
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
        let mut idle = self.idle();
        if idle.len() < self.keep {
            idle.push((file, connection));
        }
        Ok(value)
    }

    fn take(&self, file: Identity) -> Option<Connection> {
        let mut idle = self.idle();
        if idle.last().is_some_and(|(theirs, _)| *theirs != file) {
            // The file was replaced or deleted.
            idle.clear();
        }
        idle.pop().map(|(_, connection)| connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Identity, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
