//! What a host provides for the processes on it: variables, and the places of its agents.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Looks up a variable by its name.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where assertions and managed identities of a host are found. They are looked up at every use and never stored, for
/// a build server and a platform change them while a sign-in lives.
///
/// The library reads no environment by itself: whoever makes a broker says what there is.
///
/// ```
/// use token_core::Surroundings;
///
/// let surroundings = Surroundings::new(|name| std::env::var(name).ok());
/// ```
#[derive(Clone)]
pub struct Surroundings {
    variable: Arc<Lookup>,
    root: PathBuf,
}

impl Surroundings {
    /// Those in which `variable` looks up the environment's variables.
    pub fn new(variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { variable: Arc::new(variable), root: PathBuf::from("/") }
    }

    /// With the files of the host's agents below another root than `/`: for tests.
    #[must_use]
    pub fn below(self, root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..self }
    }

    /// A variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A place on the host, named from its root on.
    pub(crate) fn place(&self, below_root: &str) -> PathBuf {
        Path::new(&self.root).join(below_root)
    }
}

impl Default for Surroundings {
    /// No variables at all.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some of the variables are secrets.
        f.debug_struct("Surroundings").field("root", &self.root).finish_non_exhaustive()
    }
}
