//! Where an answer's refresh token is secured before anything else happens to it.
//!
//! Between an issuer's answer and the cache's acknowledgement a rotated refresh token exists in one process only.
//! A plain write to a local file takes microseconds and outlives the process; whoever comes next brings the
//! token home. The file is open and its room is reserved before the old token is spent.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::broker::{Inner, blocking};
use crate::cache::{Entry, Owner, Version};
use crate::credential::{Credential, Register};
use crate::error::BrokerError;
use crate::key::{Key, hex};
use crate::store::{Slot, Written};
use crate::token::Fingerprint;

/// A directory of rescued credentials, all of them sealed.
#[derive(Clone, Debug)]
pub struct Rescue {
    dir: PathBuf,
    beside_cache: bool,
}

/// A rescued entry, still in its file.
#[derive(Debug)]
pub(crate) struct Rescued {
    path: PathBuf,
    pub(crate) entry: Entry,
}

/// A file that is ready to take what is about to be received.
#[derive(Debug)]
pub(crate) struct Reserved {
    path: PathBuf,
    file: File,
}

/// Room for a sealed credential; most take 3 KiB, and a larger one is written all the same.
const ROOM: u64 = 16 * 1024;
/// How long a rescue stays where the store may forget what it acknowledged, and an empty file anywhere.
const KEPT: Duration = Duration::from_secs(24 * 3600);
const HOST: &str = "host";

impl Rescue {
    /// A rescue directory, made when it is first needed.
    ///
    /// `beside_cache` says that the cache lives on this host and the directory beside it, where everybody who reaches
    /// the cache finds it. A rescue then goes when the cache has acknowledged the token. Elsewhere it stays a day.
    pub fn new(dir: impl Into<PathBuf>, beside_cache: bool) -> Self {
        Self { dir: dir.into(), beside_cache }
    }

    /// The random id of this directory, which is the *host* of notes: two processes that share it find each other's
    /// rescues. It is made when it is first asked for.
    pub fn host(&self) -> io::Result<String> {
        let path = self.dir.join(HOST);
        let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let damaged = match read(&path) {
            Ok(host) if !host.is_empty() => return Ok(host),
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        self.make_dir()?;
        let fresh = self.dir.join(format!(".{HOST}-{}", hex(&rand::random::<[u8; 8]>())));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(hex(&rand::random::<[u8; 16]>()).as_bytes())?;
        file.sync_all()?;
        if damaged {
            fs::rename(&fresh, &path)?;
            return read(&path);
        }
        // link(2) fails where the name exists: the loser of a race takes the winner's id.
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => read(&path),
        }
    }

    /// Opens a file for the successor of `parent` and reserves its room.
    pub(crate) fn reserve(&self, key: &Key, parent: &Fingerprint, flight: &Owner) -> io::Result<Reserved> {
        self.make_dir()?;
        let path = self.dir.join(format!("{}{}", prefix(key, parent), hex(flight.as_bytes())));
        reserve(path)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reserves a file and removes it again: whether a rescue could be written.
    pub fn try_out(&self) -> io::Result<()> {
        self.make_dir()?;
        reserve(self.dir.join(format!(".scratch-{}", hex(&rand::random::<[u8; 8]>())))).map(Reserved::discard)
    }

    /// The successors of `parent` that were rescued. Files of this credential that will never be of use are removed
    /// on the way; an empty one is a living flight's unless we hold the credential's lease.
    pub(crate) fn successors(
        &self,
        key: &Key,
        parent: &Fingerprint,
        leased: bool,
    ) -> io::Result<Vec<Rescued>> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let (ours, successor) = (format!("{key}."), prefix(key, parent));
        let mut rescued = Vec::new();
        for file in entries {
            let file = file?;
            let name = file.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(&ours)) else {
                continue;
            };
            let path = file.path();
            // One that cannot be read, or was removed this moment, must not hide another that can.
            let (Ok(entry), Ok(modified)) =
                (read_entry(&path), file.metadata().and_then(|metadata| metadata.modified()))
            else {
                continue;
            };
            let old = modified.elapsed().is_ok_and(|age| age > KEPT);
            match entry {
                Some(entry) if name.starts_with(&successor) => rescued.push(Rescued { path, entry }),
                // With a kernel lock in our hand, an empty file here is a dead flight's.
                entry if old || (leased && self.beside_cache && entry.is_none()) => {
                    // One that stays is tried again by the next one who looks.
                    drop(fs::remove_file(path));
                }
                _ => {}
            }
        }
        Ok(rescued)
    }

    /// Whether a rescue goes as soon as the cache has acknowledged its token.
    pub(crate) fn is_beside_cache(&self) -> bool {
        self.beside_cache
    }

    fn make_dir(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }
}

impl Rescued {
    /// Removes the file; its token is home.
    pub(crate) fn discard(self) {
        // A file that stays is found again and does no harm: its token is no longer the successor of anything.
        drop(fs::remove_file(self.path));
    }
}

impl Reserved {
    /// Writes an entry, unsynced: it outlives this process from here on.
    pub(crate) fn keep(&mut self, entry: &Entry) -> io::Result<()> {
        let length = u32::try_from(entry.body.len()).map_err(io::Error::other)?;
        let frame = [&length.to_be_bytes()[..], entry.version.as_bytes(), &entry.body].concat();
        self.file.rewind()?;
        self.file.write_all(&frame)
    }

    /// Makes what was written outlive the machine's crash too.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Removes the file; nothing has to be rescued.
    pub(crate) fn discard(self) {
        // As in `Rescued::discard`.
        drop(fs::remove_file(self.path));
    }
}

impl Inner {
    /// Brings home what was rescued for the refresh token that this credential still holds, whatever its version or
    /// mark of refusal. Who signs in or out may do so without the lease.
    pub(crate) async fn bring_home(
        &self,
        key: &Key,
        leased: bool,
        mut slot: Slot<Credential>,
    ) -> Result<Slot<Credential>, BrokerError> {
        let Some(rescue) = &self.rescue else {
            return Ok(slot);
        };
        loop {
            let Some(parent) = slot.value().and_then(|found| found.state.register()) else {
                return Ok(slot);
            };
            let parent = parent.refresh_token.fingerprint();
            let (search, name) = (rescue.clone(), key.clone());
            let found = match blocking(move || search.successors(&name, &parent, leased)).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "could not look for rescued credentials");
                    return Ok(slot);
                }
            };
            let mut latest: Option<(Register, Credential, _)> = None;
            for rescued in found {
                // A broken one is ignored; so is one that is sealed under a key we do not have.
                let Ok(credential) = self.store.read::<Credential>(key, &rescued.entry) else {
                    continue;
                };
                let Some(register) = credential.state.register().cloned() else {
                    continue;
                };
                if register.parent == Some(parent)
                    && latest.as_ref().is_none_or(|(other, ..)| other.sent_at < register.sent_at)
                {
                    latest = Some((register, credential, rescued));
                }
            }
            let Some((_, credential, rescued)) = latest else {
                return Ok(slot);
            };
            match self.store.write(key, slot.expected(), Some(&rescued.entry)).await? {
                Written::Done => {
                    tracing::info!("brought a rescued credential home");
                    slot = Slot::Filled(rescued.entry.version, credential);
                    if rescue.is_beside_cache() {
                        blocking(move || rescued.discard()).await;
                    }
                }
                Written::Conflict(current) => slot = current,
            }
        }
    }
}

/// Opens a file and reserves its room.
fn reserve(path: PathBuf) -> io::Result<Reserved> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let reserved = Reserved { path, file };
    match rustix::fs::fallocate(&reserved.file, rustix::fs::FallocateFlags::empty(), 0, ROOM) {
        // A file system that cannot reserve room still takes the write.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(reserved),
        Err(error) => {
            reserved.discard();
            Err(error.into())
        }
    }
}

/// One file a flight, named by credential and by the token that was spent.
fn prefix(key: &Key, parent: &Fingerprint) -> String {
    let parent = parent.to_string();
    format!("{key}.{}.", &parent[..16])
}

/// What [`Reserved::keep`] wrote, or `None` where it has not come to that.
fn read_entry(path: &Path) -> io::Result<Option<Entry>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Option<Entry> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (version, rest) = rest.split_first_chunk::<16>()?;
    let body = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    (!body.is_empty()).then(|| Entry {
        version: Version::from_bytes(*version),
        body: body.to_vec(),
        discard_after: None,
    })
}
