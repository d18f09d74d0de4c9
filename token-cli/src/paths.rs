//! Where our files are, by the XDG base directory specification.

use std::path::{Path, PathBuf};

use crate::config::{Environment, Origin};
use crate::report::Failure;

/// The directories, none of which need exist.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The config file and the key.
    pub(crate) config: PathBuf,
    /// The host's id, and the rescue of caches that are not on this host.
    pub(crate) state: PathBuf,
    /// The local choice.
    pub(crate) choice: PathBuf,
    /// The name of the cloud that `cloud set` made active.
    pub(crate) cloud: PathBuf,
    /// The entries of the default cache.
    pub(crate) entries: PathBuf,
    /// The default database of those who ask for one.
    pub(crate) database: PathBuf,
}

impl Paths {
    pub(crate) fn new(environment: &Environment<'_>) -> Result<Self, Failure> {
        let config = base(environment, "XDG_CONFIG_HOME", ".config")?;
        let data = base(environment, "XDG_DATA_HOME", ".local/share")?;
        let state = base(environment, "XDG_STATE_HOME", ".local/state")?;
        // Jobs that isolate themselves from each other by AZURE_CONFIG_DIR stay isolated.
        let (choice, data) = match environment.path("AZURE_CONFIG_DIR") {
            Some(dir) => {
                let dir = std::path::absolute(&dir).unwrap_or(dir).join("token");
                (dir.clone(), dir)
            }
            None => (state.clone(), data),
        };
        let cloud = choice.join("cloud");
        let (entries, database) = (data.join("entries"), data.join("cache.db"));
        Ok(Self { config, state, choice, cloud, entries, database })
    }

    /// `~/…`, absolute paths, and `///path` as URLs have it. Who sets a variable or types an argument means a relative
    /// path from where they are. In the config file it would depend on who runs us from where, and is refused.
    pub(crate) fn expand(
        environment: &Environment<'_>,
        path: &str,
        origin: Origin,
    ) -> Result<PathBuf, Failure> {
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        if let Some(rest) = path.strip_prefix("~/") {
            return Ok(Self::home(environment)?.join(rest));
        }
        if Path::new(path).is_absolute() {
            return Ok(path.into());
        }
        match origin {
            Origin::Environment(_) | Origin::Argument => std::path::absolute(path)
                .map_err(|error| Failure::new(format!("could not tell where {path:?} is")).caused_by(&error)),
            _ => Err(Failure::new(format!("{path:?} is not an absolute path")).hint("begin it with / or ~/")),
        }
    }

    /// The user's home directory.
    pub(crate) fn home(environment: &Environment<'_>) -> Result<PathBuf, Failure> {
        environment
            .path("HOME")
            .or_else(|| environment.passwd_home())
            .filter(|home| home.is_absolute())
            .ok_or_else(|| {
                Failure::new(
                    "there is no home directory: neither HOME nor the user's entry in passwd names one",
                )
                .hint("set HOME, or XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_STATE_HOME")
            })
    }
}

fn base(environment: &Environment<'_>, variable: &str, default: &str) -> Result<PathBuf, Failure> {
    // The specification tells to ignore relative paths.
    let base = match environment.path(variable).filter(|path| path.is_absolute()) {
        Some(base) => base,
        None => Paths::home(environment)?.join(default),
    };
    Ok(base.join("token"))
}
