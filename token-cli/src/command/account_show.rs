//! `account show`

use crate::app::App;
use crate::args::{Show, given};
use crate::az::view::{self, CloudKey};
use crate::output::{self, Shape};
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Show) -> Result<(), Failure> {
    let (profile, choice) = (app.profile()?, app.choice.load()?);
    let selection = app.selection(&profile, &choice);
    let (account, seen) = selection.select(given(&typed.account), given(&typed.subscription))?;
    let is_default = super::account_list::is_active(&selection, account, seen);
    let value = view::subscription(account, seen, is_default, CloudKey::InShow);
    output::print(&typed.output, value, Shape::Value)
}
