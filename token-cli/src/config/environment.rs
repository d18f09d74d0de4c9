//! The environment variables. Nothing else reads them.

use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variables, by name.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'_> {
    /// A variable that is set and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.path(name).and_then(|value| value.into_os_string().into_string().ok())
    }

    /// Whether a variable is set, but to no text.
    pub(super) fn is_garbled(&self, name: &str) -> bool {
        (self.0)(name).is_some_and(|value| value.to_str().is_none())
    }

    /// As [`Environment::text`], for paths, which need not be Unicode.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The home directory in the passwd entry of who runs us.
    pub(crate) fn passwd_home(&self) -> Option<PathBuf> {
        // Where HOME is unset or empty, std asks getpwuid_r.
        if self.path("HOME").is_none() { std::env::home_dir() } else { None }
    }
}

/// The variables of this process.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) const PROCESS: Environment<'static> = Environment(&|name| std::env::var_os(name));
