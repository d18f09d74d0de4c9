//! What is on this host: config, files and programs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Findings, State};
use crate::app::App;
use crate::config::PROCESS;

pub(super) fn config(app: &App, findings: &mut Findings) {
    let config = &app.config;
    let file = config.file.display();
    if !config.file.exists() {
        findings.ok("config", format!("{file} does not exist; all has its default"));
    } else if is_writable_by_others(&config.file) {
        findings.add(
            "config",
            State::Warning,
            format!("{file} can be changed by other users"),
            format!("chmod go-w {file}"),
        );
    } else {
        findings.ok("config", file.to_string());
    }
    let state = &config.paths.state;
    match app.state_id() {
        Ok(_) => findings.ok("state", state.display().to_string()),
        Err(failure) => findings.failure("state", &failure),
    }
}

/// Where nothing is writable a refresh goes on without.
pub(super) fn rescue(app: &App, in_use: bool, findings: &mut Findings) {
    let Ok(backend) = app.backend() else { return };
    if !in_use {
        return;
    }
    let rescue = backend.rescue(&app.config.paths.state);
    let dir = rescue.dir().display();
    match rescue.try_out() {
        Ok(()) => findings.ok("rescue", dir.to_string()),
        Err(error) => findings.add(
            "rescue",
            State::Warning,
            format!("{dir} cannot be written ({error}): a process that is killed when it has received a refresh token loses it"),
            "make the directory writable; for a cache on a server XDG_STATE_HOME names another place",
        ),
    }
}

/// Which program answers to the name `az`.
pub(super) fn az(findings: &mut Findings) {
    let path = PROCESS.path("PATH").unwrap_or_default();
    let first = std::env::split_paths(&path).map(|dir| dir.join("az")).find(|file| is_program(file));
    let found = match first {
        None => "there is no az on PATH".to_owned(),
        Some(az) if is_this_program(&az) => format!("{} is this program", az.display()),
        Some(az) => format!("{} is another program: what calls az asks it", az.display()),
    };
    findings.ok("az", found);
}

pub(super) fn others_can_read(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0)
}

fn is_writable_by_others(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.mode() & 0o022 != 0)
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

fn is_this_program(file: &Path) -> bool {
    let whole = |path: PathBuf| path.canonicalize().ok();
    let this = std::env::current_exe().ok().and_then(whole);
    this.is_some() && this == whole(file.to_owned())
}
