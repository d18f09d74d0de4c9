//! `completion`

use clap::CommandFactory;

use crate::args::{Arguments, Completion};
use crate::output;
use crate::program;
use crate::report::Failure;

pub(super) fn run(typed: &Completion) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut Arguments::command(), program::name(), &mut script);
    output::text(&String::from_utf8_lossy(&script))
}
