//! The name we were called by, which our texts use.

use std::path::Path;
use std::sync::OnceLock;

/// The file name of `argv[0]`: `token`, or whatever a link to it is called.
pub(crate) fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        // A test's own program has a name that changes with every build.
        if cfg!(test) {
            return "token".to_owned();
        }
        std::env::args_os()
            .next()
            .and_then(|path| Path::new(&path).file_name()?.to_str().map(str::to_owned))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "token".to_owned())
    })
}

/// Whether we stand in for Azure CLI.
pub(crate) fn is_az() -> bool {
    name() == "az"
}
