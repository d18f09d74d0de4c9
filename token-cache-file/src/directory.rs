//! Which directories may hold a cache.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use token_core::CacheErrorKind;

use crate::fault::Fault;

/// A reason why a directory cannot hold a cache, and what to do about it.
#[derive(Debug)]
pub(crate) enum Unsuitable {
    SymbolicLink(PathBuf),
    NoDirectory(PathBuf),
    ForeignOwner { path: PathBuf, owner: u32, user: u32 },
    OpenToOthers { path: PathBuf, mode: u32 },
    Network { path: PathBuf, file_system: &'static str },
}

impl fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SymbolicLink(path) => {
                write!(f, "{} is a symbolic link; name the directory that it points to", path.display())
            }
            Self::NoDirectory(path) => {
                write!(f, "{} is not a directory; move it away or name another directory", path.display())
            }
            Self::ForeignOwner { path, owner, user } => write!(
                f,
                "{0} belongs to user {owner}, and this is user {user}; name a directory of your own, or run `chown {user} {0}`",
                path.display()
            ),
            Self::OpenToOthers { path, mode } => {
                write!(f, "{0} is open to other users (mode {mode:04o}); run `chmod 700 {0}`", path.display())
            }
            Self::Network { path, file_system } => write!(
                f,
                "{} is on a file system that other hosts may share ({file_system}), where locks cannot be relied on; \
                 name a directory on a local disk, or share a cache through Redis",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Unsuitable {}

impl From<Unsuitable> for Fault {
    fn from(reason: Unsuitable) -> Self {
        Self::new(CacheErrorKind::Unsuitable, reason)
    }
}

/// Whether there is a directory that may hold a cache, or none yet: two system calls, and nothing is written.
pub(crate) fn inspect(path: &Path, any_file_system: bool) -> Result<bool, Fault> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Fault::at(path)(error)),
    };
    judge(path, &metadata, rustix::process::geteuid().as_raw())?;
    refuse_network(path, any_file_system)?;
    Ok(true)
}

/// Makes a cache's directory and those above it, for their owner alone from the first moment, and durably.
pub(crate) fn create(path: &Path, any_file_system: bool) -> Result<(), Fault> {
    let missing: Vec<_> = path.ancestors().take_while(|path| path.symlink_metadata().is_err()).collect();
    if let Some(parent) = missing.last().and_then(|path| path.parent()) {
        refuse_network(parent, any_file_system)?;
    }
    for path in missing.into_iter().rev() {
        make(path).map_err(Fault::at(path))?;
        path.parent().map_or(Ok(()), sync).map_err(Fault::at(path))?;
    }
    Ok(())
}

/// Makes one directory (0700), unless it is there.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable: a file that was renamed or removed is so only after this.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn judge(path: &Path, metadata: &Metadata, user: u32) -> Result<(), Unsuitable> {
    let (path, mode, owner) = (path.to_owned(), metadata.mode() & 0o7777, metadata.uid());
    if metadata.is_symlink() {
        Err(Unsuitable::SymbolicLink(path))
    } else if !metadata.is_dir() {
        Err(Unsuitable::NoDirectory(path))
    } else if owner != user {
        Err(Unsuitable::ForeignOwner { path, owner, user })
    } else if mode & 0o077 != 0 {
        Err(Unsuitable::OpenToOthers { path, mode })
    } else {
        Ok(())
    }
}

fn refuse_network(path: &Path, any_file_system: bool) -> Result<(), Fault> {
    if any_file_system {
        return Ok(());
    }
    match network_file_system(path).map_err(Fault::at(path))? {
        Some(file_system) => Err(Unsuitable::Network { path: path.to_owned(), file_system }.into()),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn network_file_system(path: &Path) -> io::Result<Option<&'static str>> {
    // The magic number has 32 bits, in a field whose width and sign differ between architectures.
    Ok(network_name(rustix::fs::statfs(path)?.f_type as u32))
}

#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// Only Linux tells file systems apart by number; elsewhere nothing is refused.
#[cfg(not(target_os = "linux"))]
fn network_file_system(_: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// File systems that other hosts may share, by the magic number of statfs(2).
///
/// FUSE is among them because its number does not tell sshfs and its like from local ones, and a lock that holds
/// on one host only would let two hosts spend one refresh token.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: &[(u32, &str)] = &[
    (0x0000_517b, "smb"),
    (0x0000_564c, "ncp"),
    (0x0000_6969, "nfs"),
    (0x00c3_6400, "ceph"),
    (0x0102_1997, "9p"),
    (0x0116_1970, "gfs2"),
    (0x0bd0_0bd0, "lustre"),
    (0x1983_0326, "beegfs"),
    (0x2003_0528, "orangefs"),
    (0x4750_4653, "gpfs"),
    (0x5346_414f, "afs"),
    (0x6573_5546, "fuse"),
    (0x6b41_4653, "kafs"),
    (0x6163_6673, "acfs"),
    (0x7375_7245, "coda"),
    (0x7461_636f, "ocfs2"),
    (0x786f_4256, "vboxsf"),
    (0x7c7c_6673, "prl_fs"),
    (0xaad7_aaea, "panfs"),
    (0xbacb_acbc, "vmhgfs"),
    (0xbeef_dead, "snfs"),
    (0xfe53_4d42, "smb2"),
    (0xff53_4d42, "cifs"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of the kernel's `linux/magic.h` and of coreutils.
    #[test]
    #[cfg(target_os = "linux")]
    fn network_file_systems_are_known_and_local_ones_are_not_among_them() {
        for (magic, name) in
            [(0x6969, "nfs"), (0xff53_4d42, "cifs"), (0x0102_1997, "9p"), (0x6573_5546, "fuse")]
        {
            assert_eq!(network_name(magic), Some(name));
        }
        let local = [
            ("btrfs", 0x9123_683e),
            ("ecryptfs", 0xf15f),
            ("ext4", 0xef53),
            ("f2fs", 0xf2f5_2010),
            ("overlayfs", 0x794c_7630),
            ("ramfs", 0x8584_58f6),
            ("tmpfs", 0x0102_1994),
            ("xfs", 0x5846_5342),
            ("zfs", 0x2fc1_2fc1),
        ];
        for (name, magic) in local {
            assert_eq!(network_name(magic), None, "{name}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_what_to_do() {
        let path = || PathBuf::from("/cache");
        let texts = [
            (
                Unsuitable::SymbolicLink(path()),
                "/cache is a symbolic link; name the directory that it points to",
            ),
            (
                Unsuitable::NoDirectory(path()),
                "/cache is not a directory; move it away or name another directory",
            ),
            (
                Unsuitable::ForeignOwner { path: path(), owner: 0, user: 1000 },
                "/cache belongs to user 0, and this is user 1000; name a directory of your own, or run `chown 1000 /cache`",
            ),
            (
                Unsuitable::OpenToOthers { path: path(), mode: 0o2755 },
                "/cache is open to other users (mode 2755); run `chmod 700 /cache`",
            ),
            (
                Unsuitable::Network { path: path(), file_system: "nfs" },
                "/cache is on a file system that other hosts may share (nfs), where locks cannot be relied on; \
                 name a directory on a local disk, or share a cache through Redis",
            ),
        ];
        for (reason, text) in texts {
            assert_eq!(reason.to_string(), text);
        }
    }
}
