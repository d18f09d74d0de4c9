//! The commands, one file each.

mod account_clear;
mod account_import;
mod account_list;
mod account_set;
mod account_show;
mod az_install;
mod az_uninstall;
mod cache_list;
mod cache_migrate;
mod cache_purge;
mod cloud_list;
mod cloud_set;
mod cloud_show;
mod completion;
mod config_show;
mod doctor;
mod get;
mod get_access_token;
mod key_new;
mod login;
mod logout;
mod version;

use crate::app::App;
use crate::args::{Account, Az, Cache, Cloud, Command, Config as ConfigCommand, Key};
use crate::config::Config;
use crate::output;
use crate::report::Failure;

/// Runs a command that works whatever the config says; `None` for any other.
pub(crate) fn run_without_config(command: &Command) -> Option<Result<(), Failure>> {
    match command {
        Command::Version(typed) => Some(version::run(typed)),
        Command::Completion(typed) => Some(completion::run(typed)),
        Command::Key(Key::New) => Some(key_new::run()),
        _ => None,
    }
}

/// What a command comes to whose config cannot be used.
pub(crate) fn fail(command: &Command, failure: Failure) -> Result<(), Failure> {
    match command {
        Command::Doctor(typed) => doctor::unconfigured(typed, &failure),
        _ => Err(failure),
    }
}

/// Runs a command.
pub(crate) fn run(command: Command, config: Config) -> Result<(), Failure> {
    if let Command::Config(ConfigCommand::Path) = command {
        return output::text(&format!("{}\n", config.file.display()));
    }
    let app = match App::new(config) {
        Ok(app) => app,
        Err(failure) => return fail(&command, failure),
    };
    let outcome = match command {
        Command::Login(typed) => login::run(&app, &typed),
        Command::Logout(typed) => logout::run(&app, &typed),
        Command::Account(Account::GetAccessToken(typed)) => get_access_token::run(&app, &typed),
        Command::Account(Account::Show(typed)) => account_show::run(&app, &typed),
        Command::Account(Account::List(typed)) => account_list::run(&app, &typed),
        Command::Account(Account::Set(typed)) => account_set::run(&app, &typed),
        Command::Account(Account::Clear(typed)) => account_clear::run(&app, &typed),
        Command::Account(Account::Import(typed)) => account_import::run(&app, &typed),
        Command::Az(Az::Install(typed)) => az_install::run(&app, &typed),
        Command::Az(Az::Uninstall(typed)) => az_uninstall::run(&typed),
        Command::Cloud(Cloud::List(typed)) => cloud_list::run(&app, &typed),
        Command::Cloud(Cloud::Show(typed)) => cloud_show::run(&app, &typed),
        Command::Cloud(Cloud::Set(typed)) => cloud_set::run(&app, &typed),
        Command::Get(typed) => get::run(&app, &typed),
        Command::Cache(Cache::List(typed)) => cache_list::run(&app, &typed),
        Command::Cache(Cache::Migrate(typed)) => cache_migrate::run(&app, &typed),
        Command::Cache(Cache::Purge(typed)) => cache_purge::run(&app, &typed),
        Command::Doctor(typed) => doctor::run(&app, &typed),
        Command::Config(ConfigCommand::Show(typed)) => config_show::run(&app, &typed),
        // These were run before there was a config.
        Command::Config(ConfigCommand::Path)
        | Command::Key(_)
        | Command::Version(_)
        | Command::Completion(_) => Ok(()),
    };
    app.close();
    outcome
}
