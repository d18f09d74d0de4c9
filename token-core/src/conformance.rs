//! The laws that every [`TokenCache`] keeps, as tests.
//!
//! A backend's test says how its stores are made, by implementing [`Store`], and runs every law on them:
//!
//! ```ignore
//! struct MyStore(/* a directory, a server */);
//! #[async_trait]
//! impl token_core::conformance::Store for MyStore { /* … */ }
//! token_core::conformance_tests!(MyStore);
//! ```
//!
//! Each law is one public function, and one `#[tokio::test]` of the same name on a fresh store. The names are the
//! specification. The test's crate needs tokio with `macros` and `rt-multi-thread`, and the macro may be used once in
//! a module. One more test, `as_another_process`, is ignored: the laws start it in processes of its own.
//!
//! What a cache cannot do is said in its [`Store`] and asserted too, where it shows.

mod entries;
mod leases;
mod model;
mod processes;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::cache::{Entry, Swap, TokenCache, Version};
use crate::key::{Key, Kind};

pub use entries::*;
pub use leases::*;
pub use model::*;
pub use processes::*;

/// What the laws need of the place where a cache's entries live: an empty directory, a server just started.
///
/// What belongs to it (a temporary directory, a server's process) is cleared away when it is dropped.
#[async_trait]
pub trait Store: Sized + Send + Sync + 'static {
    /// What ends a lease that is not released.
    const LEASE: LeaseEnd;

    /// Whether entries survive a [`restart`](Self::restart).
    const PERSISTENT: bool;

    /// A new and empty one. Where there can be none on this machine it says so, loudly, and answers `None`: the
    /// law is skipped.
    async fn fresh() -> Option<Self>;

    /// A new handle, as if no other were there.
    async fn open(&self) -> Arc<dyn TokenCache>;

    /// Where another process finds the store; `None` if it lives in this process.
    fn address(&self) -> Option<String>;

    /// A handle on the store at an address, in another process. It is not called where there is no address.
    async fn open_at(address: &str) -> Arc<dyn TokenCache>;

    /// Stops and starts the store. No handle is open meanwhile.
    async fn restart(&mut self);

    /// Damages the frame of an entry as a bad disk would; `false` if the store has no frames of its own that could
    /// break.
    async fn break_entry(&self, key: &Key) -> bool;

    /// Makes the store unreachable for the handles that are open; `false` if that cannot happen to it.
    async fn make_unavailable(&mut self) -> bool;
}

/// What ends a lease that is not released.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LeaseEnd {
    /// The death of its holder, and not before, as [`Hold::Kernel`](crate::Hold::Kernel) says.
    Kernel,
    /// Time on the store's clock, as [`Hold::Until`](crate::Hold::Until) says.
    Timed,
}

/// Makes one test of every law for a [`Store`].
#[macro_export]
macro_rules! conformance_tests {
    ($store:ty) => {
        $crate::conformance_tests! { @laws $store:
            load_of_a_missing_entry_is_none
            created_entry_is_loaded_as_it_was_written
            second_create_conflicts_with_the_first
            stale_version_conflicts_and_changes_nothing
            delete_needs_the_current_version
            recreated_entry_never_matches_an_old_version
            one_of_many_creates_wins
            counter_raised_by_many_tasks_loses_nothing
            counter_raised_by_many_processes_loses_nothing
            reader_never_sees_half_a_write_or_an_older_one
            dropped_swap_leaves_the_old_entry_or_the_new
            handles_on_one_store_see_each_other
            list_names_the_entries_of_one_kind
            keys_of_any_parts_are_kept_apart
            bodies_of_any_bytes_are_kept
            body_of_a_mebibyte_is_kept
            entry_may_go_after_discard_after_and_never_before
            broken_entry_is_corrupt_until_it_is_replaced
            broken_entry_disturbs_no_other
            entries_survive_a_restart_or_are_gone
            unavailable_store_says_so
            lease_is_exclusive
            one_of_many_tries_is_granted
            lease_is_per_key
            lease_is_freed_by_release
            lease_is_granted_again_to_its_owner
            lease_ends_by_time_or_not_at_all
            lease_ends_with_its_holder_or_not_at_all
            foreign_release_changes_nothing
            late_release_changes_nothing
            late_holder_cannot_overwrite
            lease_guards_no_data
            any_sequence_of_operations_agrees_with_a_model
        }

        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        #[ignore = "the laws start it, in processes of its own"]
        async fn as_another_process() {
            $crate::conformance::act_as_another_process::<$store>().await;
        }
    };
    (@laws $store:ty: $($law:ident)*) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $law() {
            if let Some(store) = <$store as $crate::conformance::Store>::fresh().await {
                $crate::conformance::$law(store).await;
            }
        }
    )*};
}

/// How long a law waits for what must happen. Nothing depends on it but how long a broken cache's test takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Long enough that no lease ends in the course of a law.
const LONG: Duration = Duration::from_secs(3600);

/// Polls until `condition` answers with something.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(value) = condition().await {
                break value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}: it never happened"))
}

/// What an operation answered that has no reason to fail.
trait Succeeds<T> {
    fn succeeds(self, what: &str) -> T;
}

impl<T, E: Error> Succeeds<T> for Result<T, E> {
    #[track_caller]
    fn succeeds(self, what: &str) -> T {
        self.unwrap_or_else(|error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            panic!("{what}: it failed: {text}")
        })
    }
}

async fn create(cache: &dyn TokenCache, key: &Key, entry: &Entry) {
    let swap = cache.swap(key, None, Some(entry)).await.succeeds("create an entry");
    assert_eq!(swap, Swap::Done, "an entry that is not there can be created");
}

async fn replace(cache: &dyn TokenCache, key: &Key, old: &Entry, new: &Entry) {
    let swap = cache.swap(key, Some(&old.version), Some(new)).await.succeeds("replace an entry");
    assert_eq!(swap, Swap::Done, "an entry can be replaced on its current version");
}

async fn delete(cache: &dyn TokenCache, key: &Key, old: &Entry) {
    let swap = cache.swap(key, Some(&old.version), None).await.succeeds("delete an entry");
    assert_eq!(swap, Swap::Done, "an entry can be deleted on its current version");
}

async fn load(cache: &dyn TokenCache, key: &Key) -> Option<Entry> {
    cache.load(key).await.succeeds("load an entry")
}

fn entry(body: impl Into<Vec<u8>>) -> Entry {
    Entry { version: Version::random(), body: body.into(), discard_after: None }
}

fn key(name: &str) -> Key {
    Key::new(Kind::Credential, &["conformance", name])
}

/// Raises the number in an entry by one, and says what it was before.
async fn raise(cache: &dyn TokenCache, key: &Key) -> u64 {
    let mut current = load(cache, key).await;
    loop {
        // The moment at which others get in between.
        tokio::task::yield_now().await;
        let number = current.as_ref().map_or(0, number);
        let next = entry((number + 1).to_be_bytes());
        let version = current.as_ref().map(|entry| &entry.version);
        match cache.swap(key, version, Some(&next)).await.succeeds("raise a counter") {
            Swap::Done => return number,
            Swap::Conflict(winner) => {
                assert_ne!(winner, current, "a conflict shows another entry than the one expected");
                current = winner;
            }
        }
    }
}

fn number(entry: &Entry) -> u64 {
    let bytes = entry.body.as_slice().try_into();
    u64::from_be_bytes(bytes.unwrap_or_else(|_| panic!("{entry:?} holds no number: a body was altered")))
}

impl fmt::Display for LeaseEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "a lock of the kernel",
            Self::Timed => "a lease that ends by time",
        })
    }
}

#[cfg(test)]
mod tests {
    /// A law that the macro does not name would never run.
    #[test]
    fn every_law_is_in_the_macro() {
        let laws = [
            include_str!("conformance/entries.rs"),
            include_str!("conformance/leases.rs"),
            include_str!("conformance/model.rs"),
            include_str!("conformance/processes.rs"),
        ];
        let suite = include_str!("conformance.rs");
        for line in laws.iter().flat_map(|file| file.lines()) {
            if let Some(law) = line.strip_prefix("pub async fn ").and_then(|rest| rest.split('<').next()) {
                let named = format!("            {law}\n");
                assert!(
                    suite.contains(&named) || law == "act_as_another_process",
                    "{law} is not in the macro"
                );
            }
        }
    }
}
