//! The laws that take several processes: the test's binary starts itself again, as one of its tests.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use super::{LeaseEnd, Store, Succeeds as _, granted, load, number, raise};
use crate::cache::Owner;
use crate::key::{Key, Kind};

/// Compare and swap is one step among processes too.
pub async fn counter_raised_by_many_processes_loses_nothing<S: Store>(store: S) {
    let cache = store.open().await;
    let Some(processes) =
        (0..5).map(|_| Process::start(&store, Role::RaiseACounter)).collect::<Option<Vec<_>>>()
    else {
        assert_eq!(S::LEASE, LeaseEnd::Timed, "a store of one process has no use for a kernel's lock");
        return;
    };
    for process in processes {
        process.succeeds();
    }
    let counter = load(&*cache, &Role::key()).await;
    assert_eq!(counter.as_ref().map(number), Some(50), "5 processes that raise a counter 10 times make 50");
}

/// What the laws' other processes do: the body of the test `as_another_process`, which does nothing unless it was
/// started by a law.
pub async fn act_as_another_process<S: Store>() {
    if variable(STORE).as_deref() != Some(std::any::type_name::<S>()) {
        return;
    }
    let address = variable(ADDRESS).unwrap_or_default();
    let cache = S::open_at(&address).await;
    match variable(ROLE).as_deref() {
        Some("raise a counter") => {
            for _ in 0..10 {
                raise(&*cache, &Role::key()).await;
            }
        }
        Some("hold a lease") => {
            let lease = granted(&*cache, &Role::key(), &Owner::random()).await;
            io::stdout().write_all(HOLDS.as_bytes()).succeeds("tell that the lease is held");
            io::stdout().write_all(b"\n").succeeds("tell that the lease is held");
            // Until somebody kills us, or who started us is gone.
            io::stdin().read_to_end(&mut Vec::new()).succeeds("wait for the end");
            drop(lease);
        }
        role => panic!("no process has the role {role:?}"),
    }
}

const STORE: &str = "TOKEN_CONFORMANCE_STORE";
const ADDRESS: &str = "TOKEN_CONFORMANCE_ADDRESS";
const ROLE: &str = "TOKEN_CONFORMANCE_ROLE";
const HOLDS: &str = "[the lease is held]";

/// What another process does.
#[derive(Clone, Copy)]
pub(super) enum Role {
    RaiseACounter,
    HoldALease,
}

impl Role {
    /// What it does it to.
    pub(super) fn key() -> Key {
        Key::new(Kind::Credential, &["conformance", "another process"])
    }
}

/// Another process on the same store; killed when it is dropped.
pub(super) struct Process(Child);

impl Process {
    /// Starts one, unless the store lives in this process.
    pub(super) fn start<S: Store>(store: &S, role: Role) -> Option<Self> {
        let address = store.address()?;
        let binary = std::env::current_exe().succeeds("find the test's binary");
        let role = match role {
            Role::RaiseACounter => "raise a counter",
            Role::HoldALease => "hold a lease",
        };
        let mut command = Command::new(binary);
        command
            .args(["as_another_process", "--ignored", "--nocapture", "--test-threads=1"])
            .env(STORE, std::any::type_name::<S>())
            .env(ADDRESS, address)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Some(Self(command.spawn().succeeds("start another process")))
    }

    /// Waits until it says so.
    pub(super) fn holds_its_lease(&mut self) {
        let Some(output) = self.0.stdout.take() else { return };
        let told = BufReader::new(output).lines().any(|line| line.is_ok_and(|line| line.contains(HOLDS)));
        assert!(told, "another process is granted a lease that nobody holds");
    }

    /// Kills it as SIGKILL does, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        self.0.kill().succeeds("kill another process");
        self.0.wait().succeeds("wait for another process");
    }

    fn succeeds(mut self) {
        let mut output = String::new();
        if let Some(mut pipe) = self.0.stdout.take() {
            pipe.read_to_string(&mut output).succeeds("read what another process says");
        }
        let status = self.0.wait().succeeds("wait for another process");
        // A binary that runs the laws on several stores has a test of that name for each; one of them acts.
        let ran = output.contains(" passed") && !output.contains(" 0 passed");
        assert!(status.success() && ran, "another process failed:\n{output}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's processes are told what to do by their environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
