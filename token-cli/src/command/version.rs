//! `version`

use crate::args::Version;
use crate::az;
use crate::output::{self, Shape};
use crate::program;
use crate::report::Failure;
use crate::value::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(typed: &Version) -> Result<(), Failure> {
    let value = match program::is_az() {
        true => az::version::value(),
        false => Value::object([("token", VERSION.into())]),
    };
    output::print(&typed.output, value, Shape::Text(&format!("token {VERSION}\n")))
}
