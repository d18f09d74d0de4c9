//! What went wrong, before it is said in which operation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use token_core::{CacheError, CacheErrorKind};

/// Shared by everybody who waited for one connection.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    kind: CacheErrorKind,
    text: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
    is_absence: bool,
}

impl Fault {
    pub(crate) fn new(kind: CacheErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), source: None, is_absence: false }
    }

    /// Nobody is there, as while a server is started again.
    pub(crate) fn absence(self) -> Self {
        Self { is_absence: true, ..self }
    }

    pub(crate) fn is_absence(&self) -> bool {
        self.is_absence
    }

    /// With its cause, which says nothing that the text says already.
    pub(crate) fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into().into()), ..self }
    }

    pub(crate) fn kind(&self) -> CacheErrorKind {
        self.kind
    }

    pub(crate) fn into_error(self, operation: impl Into<String>, cache: &impl fmt::Display) -> CacheError {
        CacheError::new(self.kind, operation, cache, self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
