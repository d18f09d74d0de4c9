//! When a token ends, and how much of its life is left.

use serde::{Deserialize, Serialize};

/// The moment a token ends, in POSIX seconds: `expires_on`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Expiry(i64);

impl Expiry {
    /// From POSIX seconds.
    pub fn from_posix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// In POSIX seconds.
    pub fn posix(self) -> i64 {
        self.0
    }
}
