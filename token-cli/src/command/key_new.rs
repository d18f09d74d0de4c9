//! `key new`

use token_core::KeyRing;

use crate::output;
use crate::report::Failure;

pub(super) fn run() -> Result<(), Failure> {
    output::text(&format!("{}\n", KeyRing::generate_line().expose()))
}
