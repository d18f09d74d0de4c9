//! Connections that wait for their next use.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::fault::Fault;
use crate::file::Identity;

/// How long one waits for a connection that is in use. That is a matter of microseconds, and opening another takes
/// hundreds; but who has it may be waiting for a lock or for the disk.
const PATIENCE: Duration = Duration::from_millis(5);

/// Opening a connection takes longer than using it. So whoever needs one takes one that is idle or soon will be, and
/// opens another where there is none.
#[derive(Debug)]
pub(crate) struct Pool {
    keep: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<(Identity, Connection)>,
    in_use: usize,
    waiting: usize,
}

/// A connection in somebody's hands, which ends when this is dropped, also where the work failed.
struct Loan<'a> {
    pool: &'a Pool,
    /// What others may use then.
    returned: Option<(Identity, Connection)>,
}

impl Pool {
    pub(crate) fn new(keep: usize) -> Self {
        Self { keep, state: Mutex::default(), returned: Condvar::new() }
    }

    /// Does some work over a connection to this file. One on which something failed is not used again.
    pub(crate) fn with<T>(
        &self,
        file: Identity,
        open: impl FnOnce() -> Result<Connection, Fault>,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (idle, mut loan) = self.take(file);
        let mut connection = match idle {
            Some(connection) => connection,
            None => open()?,
        };
        let value = work(&mut connection)?;
        loan.returned = Some((file, connection));
        Ok(value)
    }

    fn take(&self, file: Identity) -> (Option<Connection>, Loan<'_>) {
        let mut state = self.state();
        if self.all_in_use(&state) {
            state.waiting += 1;
            let waited = self.returned.wait_timeout_while(state, PATIENCE, |state| self.all_in_use(state));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        if state.idle.last().is_some_and(|(theirs, _)| *theirs != file) {
            // The file was replaced or deleted.
            state.idle.clear();
        }
        state.in_use += 1;
        (state.idle.pop().map(|(_, connection)| connection), Loan { pool: self, returned: None })
    }

    fn all_in_use(&self, state: &State) -> bool {
        state.idle.is_empty() && state.in_use >= self.keep
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.in_use -= 1;
        if state.idle.len() < self.pool.keep {
            state.idle.extend(self.returned.take());
        }
        // A system call, which most readers need not make.
        if state.waiting > 0 {
            self.pool.returned.notify_one();
        }
    }
}
