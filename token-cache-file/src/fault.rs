//! What went wrong, before it is said in which operation.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use token_core::{CacheError, CacheErrorKind, DirectoryFault};

#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: CacheErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl Fault {
    pub(crate) fn new(kind: CacheErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The system's own errors do not say which file they are about.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::new(CacheErrorKind::from(&error), format!("{}: {error}", path.display()))
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
