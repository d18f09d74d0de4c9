//! `account set`

use token_core::Choice as SharedDefault;

use crate::app::App;
use crate::args::{Set, given};
use crate::az::subscriptions;
use crate::choice::{Choice, Selected};
use crate::program;
use crate::report::{self, Failure};
use crate::select::Selection;

pub(super) fn run(app: &App, typed: &Set) -> Result<(), Failure> {
    let (account, subscription) = (given(&typed.account), given(&typed.subscription));
    if account.is_none() && subscription.is_none() {
        // An empty name is one that nothing has.
        return Err(if program::is_az() {
            no_such("", app)
        } else {
            Failure::usage("there is nothing to set: --subscription or --account says what")
        });
    }
    let nobody = || match subscription {
        Some(wanted) if program::is_az() => no_such(wanted, app),
        _ => Failure::nobody_signed_in(),
    };
    let broker = app.broker()?.ok_or_else(nobody)?;
    let profile = app.profile()?;
    // A choice that cannot be read is about to be made anew.
    let choice = app.choice.load().unwrap_or_else(|_| Choice::default());
    let selection = app.selection(&profile, &choice);
    let (account, seen) = match (selection.select(account, subscription), subscription) {
        (Err(_), Some(wanted)) if program::is_az() => return Err(unclear(&selection, wanted, app)),
        (found, _) => found?,
    };
    let selected = Selected::new(account, seen);
    app.choice.update(|choice| choice.choose(selected.clone()))?;
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

/// Why nothing was chosen, in Azure CLI's words.
fn unclear(selection: &Selection<'_>, wanted: &str, app: &App) -> Failure {
    let mut ids: Vec<&str> = selection
        .accounts()
        .flat_map(|account| selection.subscriptions(account))
        .filter(|seen| subscriptions::is(seen, wanted))
        .map(|seen| seen.id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    match ids[..] {
        [_, _, ..] => Failure::new(format!(
            "The subscription of '{}' has more than one match in cloud '{}'.",
            wanted.to_lowercase(),
            app.cloud.name
        )),
        _ => no_such(wanted, app),
    }
}

fn no_such(wanted: &str, app: &App) -> Failure {
    Failure::new(format!(
        "The subscription of '{}' doesn't exist in cloud '{}'.",
        wanted.to_lowercase(),
        app.cloud.name
    ))
}
