//! `az install`

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::app::App;
use crate::args::Link;
use crate::az::directory::AzureDirectory;
use crate::az::import::{self, Follow, Outcome, Which};
use crate::config::PROCESS;
use crate::output;
use crate::paths::Paths;
use crate::report::{self, Failure};
use crate::shim::{Identity, on_path};

/// The name that we stand in for.
const NAME: &str = "az";

pub(super) fn run(app: &App, typed: &Link) -> Result<(), Failure> {
    let directory = directory(typed)?;
    let link = directory.join(NAME);
    let target = target()?;
    let done = install(&link, &target)?;
    let mut lines = vec![match done {
        Done::Made => format!("{} now runs {}.", link.display(), target.display()),
        Done::WasThere => format!("{} runs {} already.", link.display(), target.display()),
    }];
    lines.extend(on_the_way(&link));
    lines.extend(imported(app)?);
    lines.push(format!("To undo it: token az uninstall {}", quoted(&directory)));
    output::text(&(lines.join("\n") + "\n"))
}

enum Done {
    Made,
    WasThere,
}

/// Makes the link. What stands there and is not ours stays.
fn install(link: &Path, target: &Path) -> Result<Done, Failure> {
    let could_not = |error: &io::Error| {
        Failure::new(format!("could not make {}", link.display()))
            .caused_by(error)
            .hint("another directory on PATH will do: token az install DIR")
    };
    if let Some(directory) = link.parent() {
        fs::create_dir_all(directory).map_err(|error| could_not(&error))?;
    }
    match symlink(target, link) {
        Ok(()) => return Ok(Done::Made),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(could_not(&error)),
    }
    if Identity::of(link).is_some_and(|there| Identity::own() == Some(there)) {
        return Ok(Done::WasThere);
    }
    if !is_ours(link) {
        return Err(Failure::new(format!("{} is another program's, and stays as it is", link.display()))
            .hint("a directory that stands before it on PATH will do: token az install DIR"));
    }
    // A link to an earlier build of ours.
    fs::remove_file(link).and_then(|()| symlink(target, link)).map_err(|error| could_not(&error))?;
    Ok(Done::Made)
}

/// Whether what stands there is us, or a link to a program of our name.
pub(super) fn is_ours(link: &Path) -> bool {
    let is_us = Identity::of(link).is_some_and(|there| Identity::own() == Some(there));
    is_us || fs::read_link(link).is_ok_and(|target| target.file_name().is_some_and(|name| name == "token"))
}

/// The directory that was named, or the one where users put programs of their own.
pub(super) fn directory(typed: &Link) -> Result<PathBuf, Failure> {
    match &typed.directory {
        Some(directory) => std::path::absolute(directory).map_err(|error| {
            Failure::new(format!("could not tell where {} is", directory.display())).caused_by(&error)
        }),
        None => Ok(Paths::home(&PROCESS)?.join(".local/bin")),
    }
}

/// What the link leads to: our name on PATH, which stays through upgrades, else the program itself.
fn target() -> Result<PathBuf, Failure> {
    let own = Identity::own();
    let named = on_path(&PROCESS, "token".as_ref());
    if let Some(named) = named.into_iter().find(|path| own.is_some() && Identity::of(path) == own) {
        return Ok(named);
    }
    std::env::current_exe()
        .map_err(|error| Failure::new("could not tell where this program is").caused_by(&error))
}

/// Whether a shell finds it, and what happens to what is not ours.
fn on_the_way(link: &Path) -> Vec<String> {
    let own = Identity::own();
    let all = on_path(&PROCESS, NAME.as_ref());
    let other = all.iter().find(|path| Identity::of(path) != own);
    let directory = link.parent().unwrap_or(link);
    let first = match all.first() {
        Some(first) if first == link => {
            "It comes first on PATH; a shell that has run az before forgets that with: hash -r".to_owned()
        }
        Some(first) if all.contains(&link.to_owned()) => format!(
            "{} comes before it on PATH. To change that: export PATH={}:$PATH",
            first.display(),
            quoted(directory)
        ),
        _ => format!("Its directory is not on PATH. To change that: export PATH={}:$PATH", quoted(directory)),
    };
    let rest = match other {
        Some(other) => format!("What is not a command of token's is passed on to {}.", other.display()),
        None => "Azure CLI is not on PATH: only the commands of token's work.".to_owned(),
    };
    vec![first, rest]
}

/// Imports who is signed in, if anybody is.
fn imported(app: &App) -> Result<Vec<String>, Failure> {
    let directory = AzureDirectory::of(&PROCESS)?;
    let outcome = match import::run(app, &directory, Which::All, Follow::IfNone) {
        Ok(outcome) => outcome,
        Err(failure) => {
            report::warning(&format!("nothing was imported: {}", failure.one_line()));
            return Ok(Vec::new());
        }
    };
    for trouble in &outcome.trouble {
        report::warning(&format!("{trouble} (in {})", directory.path().display()));
    }
    let lines = outcome.rows.iter().map(|row| match &row.outcome {
        Outcome::Imported | Outcome::Updated => {
            format!("Imported {} ({}, {} subscriptions).", row.account, row.cloud, row.subscriptions)
        }
        Outcome::Unchanged => format!("{} ({}) is signed in already.", row.account, row.cloud),
        Outcome::Left(why) => format!("Not imported: {} ({}): {why}.", row.account, row.cloud),
    });
    Ok(lines.collect())
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|letter| letter.is_alphanumeric() || "/._-+".contains(letter)) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
