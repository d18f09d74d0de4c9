//! `version`

use serde_json::json;

use crate::args::Version;
use crate::az;
use crate::output;
use crate::program;
use crate::report::Failure;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn run(typed: &Version) -> Result<(), Failure> {
    match typed.output.format {
        format if program::is_az() => output::value(format, &az::version::value()),
        None => output::text(&format!("token {VERSION}\n")),
        format => output::value(format, &json!({ "token": VERSION })),
    }
}
