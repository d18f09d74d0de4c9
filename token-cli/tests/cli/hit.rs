//! A cached token costs reads and nothing else: no socket, no lock, no write, no thread.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::geteuid;

use crate::harness::{FORCE, GET, Lab, RESOURCE, TOKEN, start, strict};

/// The user and group that own nothing.
const NOBODY: u32 = 65534;

/// What a trace shows of what a hit must not do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Deeds {
    sockets: Vec<String>,
    locks: Vec<String>,
    writes: Vec<String>,
    threads: Vec<String>,
}

impl Deeds {
    /// What `token` with these arguments does.
    fn of(lab: &Lab, arguments: &[&str]) -> Self {
        let trace = lab.home().join("trace");
        let mut strace =
            lab.program("strace", &["-f", "-qq", "-s", "4096", "-o", trace.to_str().unwrap(), TOKEN]);
        let output = start(strace.args(arguments)).finish();
        lab.assert_token_for(&output, RESOURCE);
        let text = fs::read_to_string(&trace).unwrap();
        assert!(text.contains("execve("), "that is no trace: {text}");
        let mut deeds = Self::default();
        for line in text.lines() {
            // `4711  openat(AT_FDCWD, "/etc/…", O_RDONLY|O_CLOEXEC) = 3`
            let call = line.split_once(' ').unwrap().1.trim();
            let Some((name, rest)) = call.split_once('(') else { continue };
            if let Some(deeds) = deeds.list_for(name, rest) {
                deeds.push(line.to_owned());
            }
        }
        deeds
    }

    fn list_for(&mut self, call: &str, arguments: &str) -> Option<&mut Vec<String>> {
        let says = |words: &[&str]| words.iter().any(|word| arguments.contains(word));
        match call {
            "socket" | "socketpair" | "connect" | "bind" | "sendto" | "sendmsg" | "sendmmsg" => {
                Some(&mut self.sockets)
            }
            "flock" => Some(&mut self.locks),
            "fcntl" if says(&["F_SETLK", "F_OFD_SETLK"]) => Some(&mut self.locks),
            "clone" | "clone3" | "fork" | "vfork" => Some(&mut self.threads),
            "open" | "openat" | "openat2" => {
                let writes = says(&["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE", "O_APPEND"]);
                (writes && !arguments.contains("\"/dev/null\"")).then_some(&mut self.writes)
            }
            "creat" | "mkdir" | "mkdirat" | "mknod" | "mknodat" | "unlink" | "unlinkat" | "rmdir"
            | "rename" | "renameat" | "renameat2" | "link" | "linkat" | "symlink" | "symlinkat" | "chmod"
            | "fchmod" | "fchmodat" | "chown" | "fchown" | "fchownat" | "lchown" | "truncate"
            | "ftruncate" | "fallocate" | "fsync" | "fdatasync" | "sync_file_range" | "utimensat"
            | "setxattr" | "fsetxattr" => Some(&mut self.writes),
            _ => None,
        }
    }
}

#[test]
fn a_hit_opens_no_socket_takes_no_lock_and_writes_nothing() {
    let lab = Lab::signed_in(strict(0));
    for arguments in
        [GET, &["account", "get-access-token", "--tenant", "11111111-1111-1111-1111-111111111111"]]
    {
        lab.issuer.reset_counts();
        assert_eq!(Deeds::of(&lab, arguments), Deeds::default(), "{arguments:?}");
        assert_eq!(lab.issuer.counts().requests(token_testkit::Route::Any), 0);
    }
    // The same eyes see all of it in a refresh, or they would see nothing at all.
    let deeds = Deeds::of(&lab, FORCE);
    for list in [&deeds.sockets, &deeds.locks, &deeds.writes, &deeds.threads] {
        assert!(!list.is_empty(), "{deeds:#?}");
    }
}

#[test]
fn a_hit_needs_no_network() {
    let lab = Lab::signed_in(strict(0));
    lab.issuer.close();
    lab.assert_token_for(&lab.run(GET), RESOURCE);
    assert_eq!(lab.run(FORCE).code(), 1, "the issuer is not there");
}

#[test]
fn a_hit_works_where_nothing_can_be_written() {
    let lab = Lab::signed_in(strict(0));
    // Others may not be able to reach the program where it was built.
    let program = lab.home().join("token");
    fs::copy(TOKEN, &program).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = lab.program(program.to_str().unwrap(), arguments);
        if geteuid().is_root() {
            // Who may do everything is stopped by no permission.
            command.uid(NOBODY).gid(NOBODY);
        }
        start(&mut command).finish()
    };
    hand_over(lab.home(), 0o500);
    let (hit, forced) = (run(GET), run(FORCE));
    // So that it can be deleted.
    hand_over(lab.home(), 0o700);
    lab.assert_token_for(&hit, RESOURCE);
    assert_eq!(forced.code(), 1, "it was read-only, was it? {forced}");
}

/// Gives everything to nobody, where we may, with this mode.
fn hand_over(path: &Path, mode: u32) {
    if path.is_dir() {
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(path).unwrap() {
            hand_over(&entry.unwrap().path(), mode);
        }
    }
    if geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
