//! `cloud set`

use crate::app::App;
use crate::args::SetCloud;
use crate::az::cloud;
use crate::choice::Selected;
use crate::program;
use crate::report::{self, Failure};

pub(super) fn run(app: &App, typed: &SetCloud) -> Result<(), Failure> {
    let wanted = cloud::named(&app.config, &typed.name)?;
    if wanted.name == app.cloud.name {
        return Ok(());
    }
    cloud::choose(&app.config, &wanted.name)?;
    report::remark(&format!("Switched active cloud to '{}'.", wanted.name));
    if let crate::config::Origin::Environment(variable) = app.config.cloud.origin {
        report::warning(&format!("{variable} names another cloud, and goes before what is set"));
    }
    // What was active there before is active again; else the first that can be used.
    let profile = app.profile()?;
    let enabled = || {
        profile.accounts.iter().filter(|account| account.authority == wanted.name).find_map(|account| {
            let seen = profile.subscriptions.iter().filter(|seen| crate::select::sees(account, seen));
            seen.filter(|seen| seen.state == "Enabled").map(|seen| Selected::new(account, Some(seen))).next()
        })
    };
    app.choice.update(|choice| {
        choice.leave(&app.cloud.name);
        choice.enter(&wanted.name);
        if choice.active.is_none()
            && let Some(first) = enabled()
        {
            choice.choose(first);
        }
    })?;
    let active = app.choice.load()?.active;
    let id = active.as_ref().and_then(Selected::subscription_id);
    match id.and_then(|id| profile.subscriptions.iter().find(|seen| seen.id == id)) {
        Some(seen) => {
            report::remark(&format!("Active subscription switched to '{} ({})'.", seen.name, seen.id));
        }
        None => {
            let program = program::name();
            report::remark(&format!("Use '{program} login' to log in to this cloud."));
            report::remark(&format!("Use '{program} account set' to set the active subscription."));
        }
    }
    Ok(())
}
