//! `token`: OAuth 2.0 access tokens from one sign-in kept alive for everybody.

mod app;
mod args;
mod az;
mod backend;
mod cache_location;
mod choice;
mod command;
mod config;
mod countdown;
mod key_ring;
mod log;
mod output;
mod paths;
mod private_file;
mod program;
mod report;
mod select;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;
use crate::config::{Config, PROCESS};

/// Parse, read the config, run, report.
fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return report::usage(&error),
    };
    if arguments.verbosity.only_show_errors {
        report::silence_warnings();
    }
    let colours = PROCESS.text("NO_COLOR").is_none();
    let outcome = match command::run_without_config(&arguments.command) {
        Some(outcome) => outcome,
        None => Config::load(&PROCESS).and_then(|config| {
            log::start(&arguments.verbosity, config.log.as_deref())?;
            command::run(arguments.command, config)
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failure(&failure, colours);
            ExitCode::from(failure.exit_code())
        }
    }
}
