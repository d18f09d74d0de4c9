//! `account list`

use token_core::{Account, Subscription};

use crate::app::App;
use crate::args::List;
use crate::az::view::{self, CloudKey};
use crate::output::{self, Column, Shape, Table};
use crate::program;
use crate::report::{self, Failure};
use crate::select::{Selection, sees};
use crate::value::Value;

pub(super) fn run(app: &App, typed: &List) -> Result<(), Failure> {
    let (profile, choice) = (app.profile()?, app.choice.load()?);
    let selection = app.selection(&profile, &choice);
    let accounts: Vec<&Account> = if typed.all {
        profile.accounts.iter().filter(|account| !choice.forgotten.contains(&account.sign_in)).collect()
    } else {
        selection.accounts().collect()
    };
    let mut table = Table::new(&[
        Column::whole(""),
        Column::cut("Name"),
        Column::whole("Subscription ID"),
        Column::cut("Tenant"),
        Column::cut("Account"),
        Column::whole("State"),
    ])
    .with_az_columns(view::COLUMNS);
    let (mut list, mut skipped): (Vec<Value>, usize) = (Vec::new(), 0);
    for account in accounts {
        let mut seen: Vec<Option<&Subscription>> =
            profile.subscriptions.iter().filter(|seen| sees(account, seen)).map(Some).collect();
        if seen.is_empty() {
            seen.push(None);
        }
        for seen in seen {
            let state = seen.map_or("Enabled", |seen| &seen.state);
            if state != "Enabled" && !typed.all {
                skipped += 1;
                continue;
            }
            let active = is_active(&selection, account, seen);
            list.push(view::subscription(account, seen, active, CloudKey::InList));
            table.row([
                if active { "*" } else { "" }.to_owned(),
                seen.map_or(&account.name, |seen| &seen.name).clone(),
                seen.map_or("", |seen| &seen.id).to_owned(),
                tenant(account, seen),
                seen.map_or(&account.authority, |_| &account.name).clone(),
                // Nearly all are enabled, and a column that always says so only takes room.
                if state == "Enabled" { "" } else { state }.to_owned(),
            ]);
        }
    }
    if skipped > 0 {
        report::notice(
            "A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.",
        );
    }
    if list.is_empty() {
        report::notice(&format!("Please run \"{} login\" to access your accounts.", program::name()));
    }
    output::print(&typed.output, list, Shape::List(&table))
}

/// Whether a command that names nothing would use this one.
pub(super) fn is_active(selection: &Selection<'_>, account: &Account, seen: Option<&Subscription>) -> bool {
    selection.select(None, None).is_ok_and(|(active, subscription)| {
        active.sign_in == account.sign_in && subscription.map(|seen| &seen.id) == seen.map(|seen| &seen.id)
    })
}

/// The tenant's name where it is known.
fn tenant(account: &Account, seen: Option<&Subscription>) -> String {
    let named =
        seen.and_then(|seen| seen.tenant_display_name.clone().or_else(|| seen.tenant_default_domain.clone()));
    named
        .or_else(|| seen.map(|seen| seen.tenant_id.clone()))
        .or_else(|| account.tenant.clone())
        .unwrap_or_default()
}
