//! `account set`

use token_core::Choice as SharedDefault;

use crate::app::App;
use crate::args::{Set, given};
use crate::choice::{Choice, Selected};
use crate::report::{self, Failure};

pub(super) fn run(app: &App, typed: &Set) -> Result<(), Failure> {
    let (account, subscription) = (given(&typed.account), given(&typed.subscription));
    if account.is_none() && subscription.is_none() {
        return Err(Failure::usage("there is nothing to set: --subscription or --account says what"));
    }
    let broker = app.broker()?.ok_or_else(Failure::nobody_signed_in)?;
    let profile = app.profile()?;
    // A choice that cannot be read is about to be made anew.
    let choice = app.choice.load().unwrap_or_else(|_| Choice::default());
    let (account, seen) = app.selection(&profile, &choice).select(account, subscription)?;
    let selected = Selected::new(account, seen);
    app.choice.update(|choice| choice.active = Some(selected.clone()))?;
    if typed.shared {
        let default = SharedDefault {
            subscription: seen.map(|seen| seen.id.clone()),
            account: account.name.clone(),
            authority: account.authority.clone(),
        };
        app.run(broker, broker.update_profile(|profile| profile.default = Some(default.clone())))?
            .map_err(|error| app.failure(error, None))?;
    }
    report::notice(&super::login::active_line(&selected, seen));
    Ok(())
}
