//! `account list`

use token_core::{Account, AccountKind, Profile, Subscription};

use crate::app::App;
use crate::args::List;
use crate::az;
use crate::az::subscriptions::{Discovery, Scope, keep};
use crate::az::view::{self, CloudKey};
use crate::output::{self, Column, Shape, Table};
use crate::program;
use crate::report::{self, Failure};
use crate::select::{Selection, sees};
use crate::value::Value;

pub(super) fn run(app: &App, typed: &List) -> Result<(), Failure> {
    if typed.refresh {
        refresh(app)?;
    }
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
    for (account, seen) in rows(&profile, &accounts) {
        let state = seen.map_or("Enabled", |seen| &seen.state);
        if state != "Enabled" && !typed.all {
            skipped += 1;
            continue;
        }
        let active = is_active(&selection, account, seen);
        list.push(view::subscription(account, seen, active, CloudKey::InList));
        let cells = [
            if active { "*" } else { "" }.to_owned(),
            seen.map_or(&account.name, |seen| &seen.name).clone(),
            seen.map_or("", |seen| &seen.id).to_owned(),
            tenant(account, seen),
            // Where there is one account, everything is seen by it.
            match seen {
                Some(_) if accounts.len() == 1 => String::new(),
                Some(_) => account.name.clone(),
                None => account.authority.clone(),
            },
            // Nearly all are enabled, and a column that always says so only takes room.
            if state == "Enabled" { "" } else { state }.to_owned(),
        ];
        if active { table.active_row(cells) } else { table.row(cells) }
    }
    if skipped > 0 && program::is_az() {
        report::warning(
            "A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.",
        );
    } else if skipped > 0 {
        report::notice(&format!("{skipped} not enabled, and not shown; --all shows every one."));
    }
    if list.is_empty() {
        report::remark(&format!("Please run \"{} login\" to access your accounts.", program::name()));
    }
    output::print(&typed.output, list, Shape::List(&table))
}

/// What these accounts see, in the order in which it was found; then those that see nothing.
fn rows<'a>(profile: &'a Profile, accounts: &[&'a Account]) -> Vec<(&'a Account, Option<&'a Subscription>)> {
    let mut rows: Vec<(&Account, Option<&Subscription>)> = Vec::new();
    for seen in &profile.subscriptions {
        let Some(&account) = accounts.iter().find(|account| sees(account, seen)) else { continue };
        // With Azure CLI a subscription is there once, for whoever signed in last.
        let known = rows.iter_mut().find(|(_, known)| known.is_some_and(|known| known.id == seen.id));
        match known.filter(|_| program::is_az()) {
            Some(known) if known.0.signed_in_at > account.signed_in_at => {}
            Some(known) => *known = (account, Some(seen)),
            None => rows.push((account, Some(seen))),
        }
    }
    let sees_nothing = |account: &&&Account| !profile.subscriptions.iter().any(|seen| sees(account, seen));
    if !program::is_az() {
        rows.extend(accounts.iter().filter(sees_nothing).map(|account| (*account, None)));
    }
    rows
}

/// Asks anew what the accounts of this cloud see. What cannot be asked stays as it is.
fn refresh(app: &App) -> Result<(), Failure> {
    let Some(broker) = app.broker()? else { return Ok(()) };
    let (profile, choice) = (app.profile()?, app.choice.load().unwrap_or_default());
    for account in app.selection(&profile, &choice).accounts().filter(|account| account.kind.is_microsoft()) {
        // A person's tenants are listed anew; whoever is no person has one.
        let scope = match (account.kind, account.tenant.as_deref()) {
            (AccountKind::User, _) | (_, None) => Scope::EveryTenant,
            (_, Some(tenant)) => Scope::Tenant(tenant),
        };
        let discovery = Discovery {
            broker,
            transport: app.transport(),
            clock: app.clock(),
            cloud: &app.cloud,
            account,
            capabilities: az::capabilities(app.config.handles_claims),
            claims: None,
            allow_no_subscriptions: false,
        };
        let found = app.run(broker, async {
            let found = discovery.run(scope).await?;
            let kept = broker.update_profile(|profile| keep(profile, account, scope, &found)).await;
            kept.map(|_| found).map_err(|error| app.failure(error, None))
        })?;
        let warnings = match found {
            Ok(found) => found.warnings,
            Err(failure) => vec![format!(
                "Refreshing for '{}' failed with an error '{}'. The existing accounts were not modified. You can run \
                 '{} login' later to explicitly refresh them",
                account.name,
                failure.one_line(),
                program::name()
            )],
        };
        warnings.iter().for_each(|warning| report::warning(warning));
    }
    Ok(())
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
