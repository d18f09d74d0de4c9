//! Signing in as what the host we run on is.

use super::Signed;
use super::way::Selector;
use crate::app::App;
use crate::args::Login;
use crate::report::Failure;

/// Asks the host for a token in its own name.
pub(super) async fn sign_in(_app: &App, _typed: &Login, _selector: &Selector) -> Result<Signed, Failure> {
    Err(Failure::new("this version cannot sign in with a managed identity yet"))
}
