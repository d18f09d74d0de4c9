//! Which subscription becomes active: a person at a terminal is asked, by number.

use std::io::{self, IsTerminal};

use token_core::Subscription;

use crate::app::App;
use crate::az::subscriptions::Scope;
use crate::output::{self, Column, Table};
use crate::program;
use crate::report::{self, Failure};

/// The longest name that is shown whole.
const NAME: usize = 36;

/// Whether there is somebody to ask.
pub(super) fn can_ask(app: &App) -> bool {
    app.config.asks_for_subscription && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Says, as Azure CLI does, what the question waits for.
pub(super) fn announce(scope: &Scope<'_>) -> Result<(), Failure> {
    output::text(match scope {
        Scope::EveryTenant => "\nRetrieving tenants and subscriptions for the selection...\n",
        _ => "\nRetrieving subscriptions for the selection...\n",
    })
}

/// Asks which of these is to be active, until the answer is one of them or nothing. The wait ends with Ctrl-C, and
/// then everything stays as it is.
pub(super) fn ask<'a>(
    app: &App,
    found: &'a [Subscription],
    active: &'a Subscription,
) -> Result<&'a Subscription, Failure> {
    let mut sorted: Vec<&Subscription> = found.iter().collect();
    sorted.sort_by_key(|seen| seen.name.to_lowercase());
    show(&sorted, active)?;
    let question = if program::is_az() {
        "Select a subscription and tenant (Type a number or Enter for no changes):"
    } else {
        "Which one shall be active? A number, or Enter for the one with the *:"
    };
    let Some(broker) = app.broker()? else { return Ok(active) };
    loop {
        report::ask(question);
        let line = app
            .run(broker, async { tokio::task::spawn_blocking(read_line).await })?
            .map_err(|error| Failure::new("could not read the answer").caused_by(&error))?
            .map_err(|error| Failure::new("could not read the answer").caused_by(&error))?;
        let Some(answer) = line else { return Ok(active) };
        let chosen =
            answer.parse::<usize>().ok().and_then(|number| sorted.get(number.checked_sub(1)?).copied());
        match (answer.as_str(), chosen) {
            ("", _) => return Ok(active),
            (_, Some(chosen)) => return Ok(chosen),
            _ if program::is_az() => report::warning("Invalid selection."),
            _ => report::instruct(&format!("That is none of the numbers from 1 to {}.", sorted.len())),
        }
    }
}

fn show(sorted: &[&Subscription], active: &Subscription) -> Result<(), Failure> {
    let mut table = Table::new(&[
        Column::whole("No"),
        Column::cut("Subscription name"),
        Column::whole("Subscription ID"),
        Column::cut("Tenant"),
    ]);
    for (at, seen) in sorted.iter().enumerate() {
        let is_active = seen.id == active.id;
        let mark = if is_active { " *" } else { "" };
        let number = format!("[{}]{mark}", at + 1);
        let cells = [number, cut(&seen.name), seen.id.clone(), tenant(seen).to_owned()];
        if is_active { table.active_row(cells) } else { table.row(cells) }
    }
    if program::is_az() {
        output::text("\n[Tenant and subscription selection]\n\n")?;
        output::table(&table)?;
        return output::text(&format!(
            "\nThe default is marked with an *; the default tenant is '{}' and subscription is '{}' ({}).\n\n",
            tenant(active),
            active.name,
            active.id
        ));
    }
    output::text("\n")?;
    output::table(&table)?;
    output::text("\n")
}

fn tenant(seen: &Subscription) -> &str {
    seen.tenant_display_name.as_deref().unwrap_or(&seen.tenant_id)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 3).chain("...".chars()).collect()
}

/// A line without its end; nothing where the terminal was closed.
fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_owned()))
}
