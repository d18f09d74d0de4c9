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
mod proof;
mod qr;
mod query;
mod report;
mod select;
mod shim;
mod sign_in_command;
mod signals;
mod value;

use std::process::ExitCode;

use crate::args::Arguments;
use crate::az::settings::AzSettings;
use crate::config::{Config, PROCESS};
use crate::report::{Exit, Failure};

/// Hand on what is not ours; parse, read the config, run, report.
fn main() -> ExitCode {
    if PROCESS.text("NO_COLOR").is_some() {
        output::without_colours();
    }
    if program::is_az()
        && let Some(code) = shim::pass_on()
    {
        return code;
    }
    let settings = AzSettings::load(&PROCESS);
    if settings.as_ref().is_ok_and(|az| az.no_color) {
        output::without_colours();
    }
    let arguments = match args::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(unreadable) => return report::unreadable(unreadable),
    };
    report::ended(settings.and_then(|az| run(arguments, &az)))
}

fn run(mut arguments: Arguments, az: &AzSettings) -> Result<(), Failure> {
    let verbosity = &arguments.verbosity;
    if verbosity.only_show_errors && (verbosity.verbose || verbosity.debug) {
        let text = "--only-show-errors can't be used together with --debug or --verbose";
        return Err(Failure::new(text).exit(Exit::Misuse).bare());
    }
    if verbosity.only_show_errors || az.only_show_errors {
        report::silence_warnings();
    }
    arguments.command.format_by_default(az.output);
    match command::run_without_config(&arguments.command) {
        Some(outcome) => outcome,
        None => match Config::load(&PROCESS, az) {
            Ok(config) => {
                log::start(&arguments.verbosity, config.log.as_deref())?;
                command::run(arguments.command, config)
            }
            Err(failure) => command::fail(&arguments.command, failure),
        },
    }
}
