//! Named points of a refresh at which a test ends or stops the process; nothing unless the feature `faults` is on.

/// Does what the environment variable `TOKEN_FAULT` says of this point: `POINT=kill` or `POINT=stop`.
#[cfg(feature = "faults")]
pub(crate) fn point(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};

    // A test build only, and not a matter for the CLI's config.
    #[allow(clippy::disallowed_methods)]
    let Ok(fault) = std::env::var("TOKEN_FAULT") else {
        return;
    };
    let signal = match fault.split_once('=') {
        Some((point, "kill")) if point == name => Signal::KILL,
        Some((point, "stop")) if point == name => Signal::STOP,
        _ => return,
    };
    // Signalling ourselves cannot fail.
    let _ = kill_process(getpid(), signal);
}

#[cfg(not(feature = "faults"))]
#[inline]
pub(crate) fn point(_name: &str) {}
