//! A command that runs in Azure CLI first, and whose outcome is then imported.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::{Change, Next, failed, to};
use crate::app::App;
use crate::args;
use crate::az::directory::{AzureDirectory, Source};
use crate::az::import::{self, Follow, Outcome, Which};
use crate::az::settings::AzSettings;
use crate::command;
use crate::config::{Config, PROCESS};
use crate::report::{self, Failure};

/// Runs it there, with our own streams, and says how it ended. `None` where we have to do it as well: their tokens
/// cannot be read.
pub(super) fn run(next: &Next, arguments: &[OsString], change: Change) -> Option<ExitCode> {
    let status = match attended(&mut to(next, arguments)) {
        Ok(status) => status,
        Err(failure) => return Some(failed(&failure)),
    };
    let Some(code) = status.code() else { return Some(die_alike(status)) };
    // What failed there may be ours alone: they do not know who signed in here only.
    if code == 0 || change == Change::SignOut {
        match follow(change) {
            Ok(Followed::Done) => {}
            Ok(Followed::SignInHereToo(why)) => {
                report::warning(&format!("{why}, so the sign-in is made here too."));
                return None;
            }
            Err(failure) => report::warning(&format!(
                "Azure CLI did what was asked, but token could not follow: {}",
                failure.one_line()
            )),
        }
    }
    Some(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Whether we are where Azure CLI is.
enum Followed {
    Done,
    SignInHereToo(String),
}

fn follow(change: Change) -> Result<Followed, Failure> {
    let directory = AzureDirectory::of(&PROCESS)?;
    match change {
        Change::SignIn => {
            let app = open()?;
            let report = import::run(&app, &directory, Which::All, Follow::Always);
            app.close();
            let report = report?;
            let sealed = match directory.read().tokens {
                Source::Unreadable(why) => Some(why),
                _ => None,
            };
            let came = report.rows.iter().any(|row| !matches!(row.outcome, Outcome::Left(_)));
            if let Some(why) = sealed.filter(|_| !came) {
                return Ok(Followed::SignInHereToo(why));
            }
            for row in &report.rows {
                if let Outcome::Left(why) = &row.outcome {
                    report::warning(&format!("{} is not signed in with token: {why}", row.account));
                }
            }
        }
        // The cloud is ours to choose as well; only then is it known which subscription is active.
        Change::Cloud | Change::Active => {
            if change == Change::Cloud {
                do_alike();
            }
            let app = open()?;
            let report = import::run(&app, &directory, Which::Missing, Follow::Always);
            app.close();
            report?;
        }
        Change::SignOut => do_alike(),
    }
    Ok(Followed::Done)
}

fn open() -> Result<App, Failure> {
    App::new(Config::load(&PROCESS, &AzSettings::load(&PROCESS)?)?)
}

/// Does here what was typed, without a word: whoever typed it has read theirs.
fn do_alike() {
    report::quietly(|| {
        let outcome = args::read(env::args_os()).ok().map(|arguments| {
            let settings = AzSettings::load(&PROCESS)?;
            command::run(arguments.command, Config::load(&PROCESS, &settings)?)
        });
        if let Some(Err(failure)) = outcome {
            tracing::info!("{}", failure.one_line());
        }
    });
}

/// Runs a program to its end, as a shell would: what a terminal sends reaches it without us, and what is sent to us
/// alone is passed on.
fn attended(command: &mut Command) -> Result<ExitStatus, Failure> {
    let could_not = |error: &std::io::Error| Failure::new("could not run Azure CLI").caused_by(error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| could_not(&error))?;
    runtime.block_on(async {
        // Listening before there is a child, or a signal in between would end us and not it.
        let listen = |kind| signal(kind).map_err(|error| could_not(&error));
        let mut keyboard = [listen(SignalKind::interrupt())?, listen(SignalKind::quit())?];
        let (mut terminate, mut hangup) =
            (listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
        let child = command.spawn().map_err(|error| could_not(&error))?;
        let id = Pid::from_child(&child);
        let pass = |number: Signal| {
            // A descriptor, for the number may be another's by now.
            let sent = pidfd_open(id, PidfdFlags::empty()).and_then(|process| pidfd_send_signal(process, number));
            if let Err(error) = sent {
                tracing::info!("could not pass a signal on: {error}");
            }
        };
        let [interrupt, quit] = &mut keyboard;
        // What is typed at a terminal reaches all that run there.
        let typed = std::fs::File::open("/dev/tty").is_ok();
        let mut end = tokio::task::spawn_blocking(move || wait(child));
        loop {
            tokio::select! {
                ended = &mut end => {
                    let ended = ended.map_err(|error| Failure::new("could not wait for Azure CLI").caused_by(&error))?;
                    return ended.map_err(|error| could_not(&error));
                }
                _ = interrupt.recv() => if !typed { pass(Signal::INT) },
                _ = quit.recv() => if !typed { pass(Signal::QUIT) },
                _ = terminate.recv() => pass(Signal::TERM),
                _ = hangup.recv() => pass(Signal::HUP),
            }
        }
    })
}

fn wait(mut child: Child) -> std::io::Result<ExitStatus> {
    child.wait()
}

/// A signal ended it: let whoever called us see the same. A shell does it, since we listen to some ourselves.
fn die_alike(status: ExitStatus) -> ExitCode {
    let number = status.signal().unwrap_or(15);
    drop(Command::new("/bin/sh").args(["-c", &format!("kill -{number} $$")]).exec());
    ExitCode::from(u8::try_from(128 + number).unwrap_or(1))
}
