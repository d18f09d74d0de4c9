//! What is said on the way, for whoever asked for it: on stderr, and never a secret.

use tracing_subscriber::filter::LevelFilter;

use crate::args::Verbosity;
use crate::report::Failure;

/// Starts logging if `--verbose`, `--debug` or `TOKEN_LOG` asks for it. A hit pays nothing for what is not asked.
pub(crate) fn start(verbosity: &Verbosity, environment: Option<&str>) -> Result<(), Failure> {
    let level = match environment {
        _ if verbosity.debug => LevelFilter::DEBUG,
        _ if verbosity.verbose => LevelFilter::INFO,
        None => return Ok(()),
        Some(text) => match text.to_ascii_lowercase().as_str() {
            "off" => return Ok(()),
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => {
                return Err(Failure::new(format!("TOKEN_LOG={text} is not a level"))
                    .hint("levels are off, error, warn, info, debug and trace"));
            }
        },
    };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false).init();
    Ok(())
}
