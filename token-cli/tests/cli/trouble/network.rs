//! A directory on a file system that other hosts may share: one of FUSE, which the kernel lets root mount anywhere.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use token_testkit::Settings;

use super::{Table, row_with};
use crate::harness::{GET, Lab};

/// An empty directory, shared as far as anybody can tell, until it is dropped.
struct Shared(TempDir);

impl Shared {
    /// `None` where the kernel does not let us.
    fn mount() -> Option<Self> {
        let mut fuse = OpenOptions::new().read(true).write(true).open("/dev/fuse").ok()?;
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "token-test"]);
        mount.arg(directory.path()).stdin(fuse.try_clone().unwrap()).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            return None;
        }
        std::thread::spawn(move || serve(&mut fuse));
        Some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}

/// Answers for an empty directory of root's, in the words of `fuse_kernel.h`, until it is unmounted.
fn serve(fuse: &mut File) {
    const LOOKUP: u32 = 1;
    const FORGET: u32 = 2;
    const GETATTR: u32 = 3;
    const STATFS: u32 = 17;
    const INIT: u32 = 26;
    const NO_ENTRY: i32 = -2;
    const NOT_IMPLEMENTED: i32 = -38;
    let mut request = vec![0; 1 << 17];
    while let Ok(length) = fuse.read(&mut request) {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        assert!(length >= 40, "a request has a head");
        let (error, body) = match word(4) {
            INIT => {
                let mut words = [0; 16];
                // Version 7.31, and how much a write may carry.
                (words[0], words[1], words[5]) = (7, 31, 1 << 16);
                (0, words.to_vec())
            }
            GETATTR => {
                let mut words = [0; 26];
                // The root, a directory of mode 0700, with the two names that each has.
                (words[4], words[4 + 15], words[4 + 16]) = (1, 0o40700, 2);
                (0, words.to_vec())
            }
            STATFS => (0, vec![0; 20]),
            LOOKUP => (NO_ENTRY, Vec::new()),
            FORGET => continue,
            _ => (NOT_IMPLEMENTED, Vec::new()),
        };
        let size = u32::try_from(16 + 4 * body.len()).unwrap();
        let mut answer = [size.to_ne_bytes(), error.to_ne_bytes()].concat();
        answer.extend_from_slice(&request[8..16]);
        answer.extend(body.iter().flat_map(|word: &u32| word.to_ne_bytes()));
        drop(fuse.write(&answer));
    }
}

#[test]
fn other_hosts_may_share_it() {
    let Some(shared) = Shared::mount() else {
        eprintln!("SKIPPED: only root may mount a file system, where the kernel has FUSE");
        return;
    };
    let lab = Lab::new(Settings::default());
    let config = fs::read_to_string(lab.home().join("token.toml")).unwrap();
    let mut table = Table::default();
    let place = shared.path().display().to_string();
    for allowed in [false, true] {
        lab.configure(&format!("allow_network_file_system = {allowed}\n{config}"));
        for cache in
            [format!("file:{place}"), format!("file:{place}/new"), format!("sqlite:{place}/cache.db")]
        {
            for arguments in [GET, &["login"]] {
                // Whoever says that locks hold there may sign in, which this directory takes from nobody.
                if allowed && arguments != GET {
                    continue;
                }
                let row = row_with(&lab, &[("TOKEN_CACHE", &cache), ("TOKEN_KEY", "none")], arguments);
                let name =
                    format!("{} {}{}", arguments.join(" "), cache, if allowed { ", allowed" } else { "" });
                table.add(&name.replace(&place, "SHARED"), &row.replace(&place, "SHARED"));
            }
        }
    }
    assert_eq!(lab.issuer.counts().device_codes, 0, "nobody is asked to sign in for nothing");
    insta::assert_snapshot!(table.0, @"
    --- account get-access-token file:SHARED
    exit 1
    error: could not open the cache in file:SHARED
    cause: SHARED is on a file system that other hosts may share (fuse), where locks cannot be relied on; name a directory on a local disk, or share a cache through Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- login file:SHARED
    exit 1
    error: could not open the cache in file:SHARED
    cause: SHARED is on a file system that other hosts may share (fuse), where locks cannot be relied on; name a directory on a local disk, or share a cache through Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- account get-access-token file:SHARED/new
    exit 4
    error: Please run 'token login' to setup account.
    --- login file:SHARED/new
    exit 1
    error: could not store access-HEX in file:SHARED/new
    cause: SHARED is on a file system that other hosts may share (fuse), where locks cannot be relied on; name a directory on a local disk, or share a cache through Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- account get-access-token sqlite:SHARED/cache.db
    exit 1
    error: could not open the cache in sqlite:SHARED/cache.db
    cause: SHARED is on a file system that other hosts may share (fuse), where locks cannot be relied on; name a directory on a local disk, or share a cache through Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- login sqlite:SHARED/cache.db
    exit 1
    error: could not open the cache in sqlite:SHARED/cache.db
    cause: SHARED is on a file system that other hosts may share (fuse), where locks cannot be relied on; name a directory on a local disk, or share a cache through Redis
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    --- account get-access-token file:SHARED, allowed
    exit 4
    error: Please run 'token login' to setup account.
    --- account get-access-token file:SHARED/new, allowed
    exit 4
    error: Please run 'token login' to setup account.
    --- account get-access-token sqlite:SHARED/cache.db, allowed
    exit 4
    error: Please run 'token login' to setup account.
    ");
}
