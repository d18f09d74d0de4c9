//! Which directories may hold a cache that lives on one host: theirs alone, local, and where they seem to be.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CacheErrorKind;

/// A directory for a cache of one host: it belongs to this user alone, is no symbolic link, and lies on a local file
/// system, where locks hold.
#[derive(Debug)]
pub struct HostDirectory {
    path: PathBuf,
    any_file_system: bool,
    /// It was there once, and suited.
    suits: AtomicBool,
}

/// Why a directory cannot hold a cache, and what to do about it.
#[derive(Debug)]
pub enum DirectoryFault {
    /// It is a symbolic link.
    SymbolicLink(PathBuf),
    /// It is something else than a directory.
    NoDirectory(PathBuf),
    /// It belongs to another user.
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Group or others may reach what is in it.
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Other hosts may share its file system.
    Network {
        /// The directory.
        path: PathBuf,
        /// What file system it is.
        file_system: &'static str,
    },
    /// The system did not let us look, or make it.
    System {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl HostDirectory {
    /// The directory of this path, made absolute, so that a later change of the working directory does not move it;
    /// and without a slash at the end, which would make the system follow a symbolic link. Nothing is looked at yet.
    ///
    /// With `any_file_system` a network file system is taken too.
    pub fn new(path: &Path, any_file_system: bool) -> Self {
        let path =
            std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.components().collect());
        Self { path, any_file_system, suits: AtomicBool::new(false) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there. Once it was there and suited, it is not looked at again: this is for reading.
    pub fn is_there(&self) -> Result<bool, DirectoryFault> {
        if self.suits.load(Ordering::Relaxed) { Ok(true) } else { self.inspect() }
    }

    /// Whether there is a directory that may hold a cache, or none yet: two system calls, and nothing is written.
    pub fn inspect(&self) -> Result<bool, DirectoryFault> {
        let suits = self.look()?;
        self.suits.store(suits, Ordering::Relaxed);
        Ok(suits)
    }

    /// Makes it if it is not there, and looks at it again: writes are rare.
    pub fn prepare(&self) -> Result<(), DirectoryFault> {
        if !self.inspect()? {
            self.create()?;
            self.inspect()?;
        }
        Ok(())
    }

    fn look(&self) -> Result<bool, DirectoryFault> {
        let metadata = match self.path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(DirectoryFault::at(&self.path)(error)),
        };
        judge(&self.path, &metadata, rustix::process::geteuid().as_raw())?;
        refuse_network(&self.path, self.any_file_system)?;
        Ok(true)
    }

    /// Makes the directory and those above it, for their owner alone from the first moment, and durably.
    fn create(&self) -> Result<(), DirectoryFault> {
        let missing: Vec<_> =
            self.path.ancestors().take_while(|path| path.symlink_metadata().is_err()).collect();
        if let Some(parent) = missing.last().and_then(|path| path.parent()) {
            refuse_network(parent, self.any_file_system)?;
        }
        for path in missing.into_iter().rev() {
            Self::make(path).map_err(DirectoryFault::at(path))?;
            path.parent().map_or(Ok(()), Self::sync).map_err(DirectoryFault::at(path))?;
        }
        Ok(())
    }

    /// Makes one directory (0700), unless it is there.
    pub fn make(path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the names in a directory durable: a file that was renamed or removed is so only after this.
    pub fn sync(path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl DirectoryFault {
    /// What it means for the cache.
    pub fn kind(&self) -> CacheErrorKind {
        match self {
            Self::System { error, .. } => CacheErrorKind::from(error),
            _ => CacheErrorKind::Unsuitable,
        }
    }

    fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { path: path.to_owned(), error }
    }
}

impl fmt::Display for DirectoryFault {
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
            // The system's own errors do not say what they are about.
            Self::System { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for DirectoryFault {}

fn judge(path: &Path, metadata: &Metadata, user: u32) -> Result<(), DirectoryFault> {
    let (path, mode, owner) = (path.to_owned(), metadata.mode() & 0o7777, metadata.uid());
    if metadata.is_symlink() {
        Err(DirectoryFault::SymbolicLink(path))
    } else if !metadata.is_dir() {
        Err(DirectoryFault::NoDirectory(path))
    } else if owner != user {
        Err(DirectoryFault::ForeignOwner { path, owner, user })
    } else if mode & 0o077 != 0 {
        Err(DirectoryFault::OpenToOthers { path, mode })
    } else {
        Ok(())
    }
}

fn refuse_network(path: &Path, any_file_system: bool) -> Result<(), DirectoryFault> {
    if any_file_system {
        return Ok(());
    }
    match network_file_system(path).map_err(DirectoryFault::at(path))? {
        Some(file_system) => Err(DirectoryFault::Network { path: path.to_owned(), file_system }),
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
                DirectoryFault::SymbolicLink(path()),
                "/cache is a symbolic link; name the directory that it points to",
            ),
            (
                DirectoryFault::NoDirectory(path()),
                "/cache is not a directory; move it away or name another directory",
            ),
            (
                DirectoryFault::ForeignOwner { path: path(), owner: 0, user: 1000 },
                "/cache belongs to user 0, and this is user 1000; name a directory of your own, or run `chown 1000 /cache`",
            ),
            (
                DirectoryFault::OpenToOthers { path: path(), mode: 0o2755 },
                "/cache is open to other users (mode 2755); run `chmod 700 /cache`",
            ),
            (
                DirectoryFault::Network { path: path(), file_system: "nfs" },
                "/cache is on a file system that other hosts may share (nfs), where locks cannot be relied on; \
                 name a directory on a local disk, or share a cache through Redis",
            ),
        ];
        for (reason, text) in texts {
            assert_eq!(reason.to_string(), text);
        }
    }
}
