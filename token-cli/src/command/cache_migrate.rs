//! `cache migrate`

use serde_json::json;
use token_core::{Account, KeyRing, Left, Migrated};

use crate::app::App;
use crate::args::{Migrate, given};
use crate::backend::Backend;
use crate::cache_location::CacheLocation;
use crate::choice::ChoiceFile;
use crate::config::{KeySource, PROCESS};
use crate::key_ring;
use crate::output::{self, Shape};
use crate::program;
use crate::report::Failure;

pub(super) fn run(app: &App, typed: &Migrate) -> Result<(), Failure> {
    let (from, to) =
        (app.config.cache_named(&typed.from, &PROCESS)?, app.config.cache_named(&typed.to, &PROCESS)?);
    if from.to_string() == to.to_string() {
        return Err(Failure::usage(format!("both are the same cache, {from}")));
    }
    let (here, there) = (app.open_backend(&from)?, app.open_backend(&to)?);
    let Some(keys) = app.poll(key_ring::load(&app.config.key.value, &PROCESS, &here))? else {
        return print(typed, &from, &to, &Migrated::default());
    };
    let to_keys = match given(&typed.to_key) {
        Some(text) => keys_there(app, text, &there)?,
        None => keys.clone(),
    };
    for (keys, cache) in [(&keys, &from), (&to_keys, &to)] {
        if !keys.refreshes() {
            return Err(Failure::new(format!("the key of {cache} can only read, and a sign-in takes the whole key"))
                .hint("TOKEN_KEY or `key` in the config names the key of the first cache, --to-key that of the second"));
        }
    }
    let (source, target) = (app.broker_on(&here, keys), app.broker_on(&there, to_keys.clone()));
    // Where it could not be stored, nothing is to be on its way.
    app.poll(target.profile()).map_err(|error| app.failure_in(error, &to))?;
    app.poll(there.try_to_write(&to_keys))?;
    let accounts = app.poll(source.profile()).map_err(|error| app.failure_in(error, &from))?.accounts;
    let again = |failure: Failure| {
        failure.hint("what has been moved is there whole; the same command moves the rest")
    };
    let migrated = app
        .run(&source, source.migrate(&target, typed.keep, app.host_identities(&there)))
        .map_err(again)?
        .map_err(|error| again(app.failure_in(error, &from)))?;
    take_choices_along(app, &from, &to, &accounts, &migrated)?;
    print(typed, &from, &to, &migrated)?;
    if migrated.left.is_empty() { Ok(()) } else { Err(stayed(app, typed, &from, &to, &migrated)) }
}

/// The key of the other cache; one is made where it is missing and the cache is this host's and empty.
fn keys_there(app: &App, text: &str, there: &Backend) -> Result<KeyRing, Failure> {
    let source = KeySource::named(text, &PROCESS, &app.config.paths)
        .map_err(|failure| failure.hint("it is --to-key"))?;
    app.poll(key_ring::load_or_create(&source, &PROCESS, there))
}

/// What is active here, and what this user has forgotten, is so in the other cache, too.
fn take_choices_along(
    app: &App,
    from: &CacheLocation,
    to: &CacheLocation,
    accounts: &[Account],
    migrated: &Migrated,
) -> Result<(), Failure> {
    let dir = &app.config.paths.choice;
    let before = ChoiceFile::of(dir, &from.to_string()).load()?;
    let has_moved = |account: &Account| migrated.moved.iter().any(|moved| moved.sign_in == account.sign_in);
    ChoiceFile::of(dir, &to.to_string()).update(|choice| {
        let active = before
            .active
            .filter(|active| accounts.iter().any(|account| active.is_account(account) && has_moved(account)));
        choice.active = choice.active.take().or(active);
        let forgotten = before.forgotten.into_iter().filter(|sign_in| !choice.forgotten.contains(sign_in));
        let forgotten: Vec<_> = forgotten
            .filter(|sign_in| {
                accounts.iter().any(|account| account.sign_in == *sign_in && has_moved(account))
            })
            .collect();
        choice.forgotten.extend(forgotten);
    })
}

fn print(
    typed: &Migrate,
    from: &CacheLocation,
    to: &CacheLocation,
    migrated: &Migrated,
) -> Result<(), Failure> {
    let Migrated { moved, left } = migrated;
    let moved: Vec<&str> = moved.iter().map(|moved| moved.account.as_str()).collect();
    let done = if typed.keep { "Copied" } else { "Moved" };
    let mut text = match moved.len() {
        0 => format!("{done} nothing: there is no sign-in in {from} that could go.\n"),
        1 => format!("{done} a sign-in to {to}:\n"),
        number => format!("{done} {number} sign-ins to {to}:\n"),
    };
    for account in &moved {
        text += &format!("  {account}\n");
    }
    if !moved.is_empty() {
        text += &format!("Next: cache = \"{0}\" in the config, or TOKEN_CACHE={0}", to.url());
        if let Some(key) = given(&typed.to_key) {
            text += &format!("; and TOKEN_KEY={key}");
        }
        text += ".\n";
    }
    let left: Vec<_> =
        left.iter().map(|(account, why)| json!({ "account": account, "why": reason(*why) })).collect();
    let value = json!({ "from": from.to_string(), "to": to.to_string(), "moved": moved, "left": left });
    output::print(&typed.output, value, Shape::Text(&text))
}

fn stayed(
    app: &App,
    typed: &Migrate,
    from: &CacheLocation,
    to: &CacheLocation,
    migrated: &Migrated,
) -> Failure {
    let failure = Failure::new(match migrated.left.len() {
        1 => format!("a sign-in stays in {from}"),
        number => format!("{number} sign-ins stay in {from}"),
    });
    let failure = migrated
        .left
        .iter()
        .fold(failure, |failure, (account, why)| failure.because(format!("{account}: {}", reason(*why))));
    let program = program::name();
    let key = given(&typed.to_key).map(|key| format!(" --to-key {key}")).unwrap_or_default();
    let hint = |left: Left| match left {
        Left::Busy => {
            format!("'{program} cache migrate {} {}{key}' once more moves it", from.url(), to.url())
        }
        Left::Rotates => "without --keep it is moved".to_owned(),
        Left::OfThisHost if app.config.share_managed_identities => {
            "--client-id names an identity that several hosts were given; the own one of a host is never \
             shared"
                .to_owned()
        }
        Left::OfThisHost => format!(
            "share_managed_identities = true in {} lets those go that several hosts were given",
            app.config.file.display()
        ),
        Left::OnItsWay => format!(
            "'{program} doctor' with TOKEN_CACHE={} names the command that goes on with that",
            from.url()
        ),
        Left::Unreadable => format!("a new sign-in, '{program} login', replaces what cannot be read"),
        _ => format!("'{program} logout' with one of the two as TOKEN_CACHE ends the sign-in there"),
    };
    let mut hints: Vec<String> = migrated.left.iter().map(|(_, why)| hint(*why)).collect();
    hints.sort();
    hints.dedup();
    hints.into_iter().fold(failure, Failure::hint)
}

fn reason(left: Left) -> &'static str {
    match left {
        Left::OfThisHost => {
            "a managed identity belongs to this host, and the other cache is shared with others"
        }
        Left::SignedInThere => "the other cache has another sign-in of this account",
        Left::Rotates => {
            "its refresh token changes with every use, and two caches would spend it against each other"
        }
        Left::OnItsWay => "it is on its way to another cache, and may have arrived there",
        Left::Busy => "somebody was at it the whole time",
        Left::Unreadable => {
            "its entry cannot be read, here or over there: it is damaged, or sealed under another key"
        }
        _ => "it could not be moved",
    }
}
