//! The key of Azure Arc's agent: a file that only who may manage the machine can read.
//!
//! Whoever answers on the agent's port names the file, and gets what is in it. So nothing is read that is not surely
//! a key.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::ManagedIdentityError;
use crate::broker::blocking;
use crate::secret::Secret;
use crate::surroundings::Surroundings;

/// Where the agent puts its keys.
const DIRECTORY: &str = "var/opt/azcmagent/tokens";

/// The largest that a key is, in bytes.
const LARGEST: u64 = 4096;

/// The `Authorization` that a challenge asks for: what is in the file that it names.
pub(super) async fn key(
    surroundings: &Surroundings,
    challenge: Option<&str>,
) -> Result<Secret, ManagedIdentityError> {
    let named = challenge
        .and_then(|challenge| challenge.trim().split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, rest)| rest.trim().strip_prefix("realm="))
        .map(|path| path.trim_matches('"').to_owned())
        .ok_or(ManagedIdentityError::NoArcKey)?;
    let directory = surroundings.place(DIRECTORY);
    let refused = |why| ManagedIdentityError::NotAnArcKey { path: named.clone(), why };
    let path = Path::new(&named);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain || path.parent() != Some(&directory) {
        return Err(refused("that is not in the directory of its keys"));
    }
    if path.extension().is_none_or(|extension| extension != "key") {
        return Err(refused("that is not named as a key"));
    }
    let file = path.to_owned();
    match blocking(move || read(&file)).await {
        Ok(Ok(key)) => Ok(Secret::new(format!("Basic {}", key.expose()))),
        Ok(Err(why)) => Err(refused(why)),
        Err(source) => Err(ManagedIdentityError::ArcKey { path: named, source }),
    }
}

fn read(path: &Path) -> io::Result<Result<Secret, &'static str>> {
    // Neither a link, which leads out of the directory, nor a pipe, which would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Ok(Err("that is a symbolic link")),
        opened => opened?.into(),
    };
    let described = file.metadata()?;
    if !described.is_file() {
        return Ok(Err("that is no file"));
    }
    if described.len() > LARGEST {
        return Ok(Err("that is larger than any key"));
    }
    let mut key = Zeroizing::new(String::with_capacity(LARGEST as usize));
    file.take(LARGEST).read_to_string(&mut key)?;
    Ok(Ok(Secret::new(key.trim())))
}
