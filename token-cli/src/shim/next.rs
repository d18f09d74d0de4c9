//! The next `az` on PATH.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::config::Environment;
use crate::report::Failure;

/// What was handed on to whom: `ROUND FILE,FILE,…`. Another `az` may be a script that calls `az` again; then the one
/// behind it is meant, and never the same one for ever.
pub(super) const VARIABLE: &str = "TOKEN_AZ_PASSED";

/// Azure CLI may run scripts that call `az`, which is us, and those may run it again. A program that does so this deep
/// calls itself.
const DEEPEST: u32 = 12;

/// Where programs are looked for when there is no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Another program called `az`.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) path: PathBuf,
    /// The value of [`VARIABLE`] for it.
    pub(super) passed: String,
}

/// A file, whatever its names: its device and inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

/// What came down to us in [`VARIABLE`].
#[derive(Debug, Default, Eq, PartialEq)]
struct Passed {
    round: u32,
    through: Vec<Identity>,
}

impl Next {
    /// The first `az` on PATH that is neither us nor one that passed this call on to us.
    pub(crate) fn find(environment: &Environment<'_>) -> Result<Option<Self>, Failure> {
        let passed = environment.text(VARIABLE).map(|text| Passed::parse(&text)).unwrap_or_default();
        let others = others(&on_path(environment, OsStr::new("az")), Identity::own());
        Self::among(others, passed)
    }

    fn among(others: Vec<(PathBuf, Identity)>, mut passed: Passed) -> Result<Option<Self>, Failure> {
        let mut fresh = others.iter().find(|(_, identity)| !passed.through.contains(identity));
        if fresh.is_none() && !others.is_empty() {
            // All of them are above us. So one of them calls `az` anew, for something else.
            passed = Passed { round: passed.round + 1, through: Vec::new() };
            fresh = others.first();
        }
        let Some((path, identity)) = fresh else { return Ok(None) };
        if passed.round > DEEPEST {
            return Err(Failure::new(format!(
                "{} calls az, which calls it again, and so on",
                path.display()
            ))
            .hint("one of the programs called az on PATH has to be Azure CLI"));
        }
        passed.through.extend(Identity::own());
        passed.through.push(*identity);
        Ok(Some(Self { path: path.clone(), passed: passed.to_string() }))
    }
}

impl Identity {
    /// That of a file, or of what a link leads to.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self { device: file.dev(), inode: file.ino() })
    }

    /// The program that runs. Linux knows it even where its name is gone.
    pub(crate) fn own() -> Option<Self> {
        Self::of(Path::new("/proc/self/exe")).or_else(|| Self::of(&env::current_exe().ok()?))
    }
}

/// Every program of this name on PATH. What is relative depends on where the caller stands, and is left out.
pub(crate) fn on_path(environment: &Environment<'_>, name: &OsStr) -> Vec<PathBuf> {
    let path = environment.path("PATH").map_or_else(|| OsString::from(DEFAULT_PATH), PathBuf::into_os_string);
    env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .filter(|path| access(path, Access::EXEC_OK).is_ok())
        .collect()
}

fn others(programs: &[PathBuf], own: Option<Identity>) -> Vec<(PathBuf, Identity)> {
    let mut others: Vec<(PathBuf, Identity)> = Vec::new();
    for path in programs {
        let Some(identity) = Identity::of(path) else { continue };
        if Some(identity) != own && others.iter().all(|(_, known)| *known != identity) {
            others.push((path.clone(), identity));
        }
    }
    others
}

impl Passed {
    /// What cannot be read counts as nothing: it was not us who wrote it.
    fn parse(text: &str) -> Self {
        let read = || {
            let (round, through) = text.split_once(' ')?;
            let through = through.split(',').map(|file| {
                let (device, inode) = file.split_once(':')?;
                Some(Identity { device: device.parse().ok()?, inode: inode.parse().ok()? })
            });
            Some(Self { round: round.parse().ok()?, through: through.collect::<Option<_>>()? })
        };
        read().unwrap_or_default()
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.round)?;
        for (index, Identity { device, inode }) in self.through.iter().enumerate() {
            write!(f, "{}{device}:{inode}", if index == 0 { ' ' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64) -> (PathBuf, Identity) {
        (PathBuf::from(format!("/bin/{inode}")), Identity { device: 1, inode })
    }

    /// Whom we hand to, and what it hands back to us.
    fn next(others: &[u64], passed: &str) -> Result<Option<(String, String)>, Failure> {
        let others = others.iter().map(|inode| file(*inode)).collect();
        let next = Next::among(others, Passed::parse(passed))?;
        Ok(next.map(|next| (next.path.display().to_string(), next.passed)))
    }

    #[test]
    fn a_script_that_calls_az_gets_the_one_behind_it() {
        let (first, passed) = next(&[7, 8], "").unwrap().unwrap();
        assert_eq!(first, "/bin/7");
        let (second, passed) = next(&[7, 8], &passed).unwrap().unwrap();
        assert_eq!(second, "/bin/8");
        // The last one runs a script of its own that calls az.
        let (third, passed) = next(&[7, 8], &passed).unwrap().unwrap();
        assert_eq!(third, "/bin/7");
        assert!(passed.starts_with("1 "), "{passed}");
        assert_eq!(next(&[], &passed).unwrap(), None);
    }

    #[test]
    fn a_program_that_calls_itself_is_told_so_in_the_end() {
        let mut passed = String::new();
        let ended = (0..100).find_map(|_| match next(&[7], &passed) {
            Ok(Some((_, onward))) => {
                passed = onward;
                None
            }
            other => Some(other),
        });
        assert!(ended.unwrap().is_err());
    }

    #[test]
    fn nonsense_counts_as_nothing() {
        for text in ["", "x", "1", "1 ", "1 2", "-1 1:2", "1 1:2,"] {
            assert_eq!(Passed::parse(text), Passed::default(), "{text:?}");
        }
        let passed = Passed { round: 3, through: vec![file(1).1, file(2).1] };
        assert_eq!(Passed::parse(&passed.to_string()), passed);
    }
}
