//! `logout`

use std::io::{self, BufRead, IsTerminal};

use token_core::{Account, SignedOut};

use crate::app::{App, made_here};
use crate::args::{Logout, Reach, given};
use crate::program;
use crate::report::{self, Exit, Failure};

pub(super) fn run(app: &App, typed: &Logout) -> Result<(), Failure> {
    let (profile, choice) = (app.profile()?, app.choice.load().unwrap_or_default());
    let selection = app.selection(&profile, &choice);
    let account = match given(&typed.account) {
        // Who is not signed in is signed out: Azure CLI says nothing.
        Some(name) if program::is_az() => match selection.account(name) {
            Ok(account) => account,
            Err(_) => return Ok(()),
        },
        None if program::is_az() => match selection.select(None, None) {
            Ok((account, _)) => account,
            Err(_) => return Err(Failure::new("There are no active accounts.")),
        },
        Some(name) => selection.account(name)?,
        None if selection.accounts().next().is_none() => {
            return Err(Failure::new("There are no active accounts.").exit(Exit::SignInNeeded));
        }
        None => selection.select(None, None)?.0,
    };
    match Confirmed::ask(&typed.reach, &[account])? {
        Confirmed::Yes => sign_out(app, account, typed.reach.everywhere),
        Confirmed::No => Ok(()),
    }
}

/// Whether sign-ins of others may be ended.
pub(super) enum Confirmed {
    Yes,
    No,
}

impl Confirmed {
    /// Asks before anything is ended for everybody; what concerns this user alone needs no question.
    pub(super) fn ask(reach: &Reach, accounts: &[&Account]) -> Result<Self, Failure> {
        if !reach.everywhere || reach.yes || accounts.is_empty() {
            return Ok(Self::Yes);
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure::usage("--everywhere ends sign-ins for everybody who shares the cache")
                .hint("--yes says that this is meant"));
        }
        let names: Vec<&str> = accounts.iter().map(|account| account.name.as_str()).collect();
        report::ask(&format!(
            "End the sign-in of {} for everybody who shares the cache? [y/N] ",
            names.join(", ")
        ));
        let mut answer = String::new();
        io::stdin()
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::new("could not read the answer").caused_by(&error))?;
        Ok(if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            Self::Yes
        } else {
            Self::No
        })
    }
}

/// Ends a sign-in that was made here, or any with `everywhere`; else only forgets it.
pub(super) fn sign_out(app: &App, account: &Account, everywhere: bool) -> Result<(), Failure> {
    let name = &account.name;
    let ends = everywhere || made_here(account, &app.state_id()?);
    if ends && let Some(broker) = app.broker()? {
        let signed_out = app
            .run(broker, broker.sign_out(account))?
            .map_err(|error| Failure::of(&error).hint(format!("{name} is still signed in")))?;
        match signed_out {
            SignedOut::Unreached(error) => report::warning(&format!(
                "{name} is signed out here, but the issuer could not be told, and its refresh token lives on there: {error}"
            )),
            _ => report::notice(&format!("{name} is signed out.")),
        }
    } else {
        report::notice(&format!(
            "{name} is signed out for you. The sign-in was made elsewhere and goes on there; '{} logout --everywhere' ends it.",
            program::name()
        ));
    }
    app.choice.update(|choice| {
        choice.leave_account(account);
        if !ends && !choice.forgotten.contains(&account.sign_in) {
            choice.forgotten.push(account.sign_in.clone());
        }
    })
}
