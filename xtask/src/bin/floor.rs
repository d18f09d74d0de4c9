//! The least a program can do that answers from a file: it reads one and prints it. `bench` and `demo` measure a
//! cached call against it.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else { return ExitCode::from(2) };
    let printed = std::fs::read(path).and_then(|bytes| std::io::stdout().write_all(&bytes));
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
