//! `account clear`

use crate::app::App;
use crate::args::Clear;
use crate::command::logout::{Confirmed, sign_out};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Clear) -> Result<(), Failure> {
    let profile = app.profile()?;
    let choice = app.choice.load().unwrap_or_default();
    let accounts: Vec<_> =
        profile.accounts.iter().filter(|account| !choice.forgotten.contains(&account.sign_in)).collect();
    if let Confirmed::Yes = Confirmed::ask(&typed.reach, &accounts)? {
        for account in accounts {
            sign_out(app, account, typed.reach.everywhere)?;
        }
        app.choice.update(|choice| (choice.active, choice.signed_out) = (None, false))?;
    }
    Ok(())
}
