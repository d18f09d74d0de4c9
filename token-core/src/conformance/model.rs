//! The law that covers what nobody thought of.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{LONG, Store, entry};
use crate::cache::{Entry, Lease, Owner, Swap, TokenCache, TryLease, Version};
use crate::error::CacheError;
use crate::key::{Key, Kind};

/// Random operations answer as a map would, on two handles. A failure is shrunk to the shortest sequence that shows it.
pub async fn any_sequence_of_operations_agrees_with_a_model<S: Store>(store: S) {
    const SEQUENCES: usize = 24;
    let mut runner = TestRunner::default();
    let strategy = proptest::collection::vec(operation(), 1..40);
    let mut run = 0;
    for _ in 0..SEQUENCES {
        let mut tree = strategy
            .new_tree(&mut runner)
            .unwrap_or_else(|reason| panic!("no operations could be generated: {reason}"));
        let mut failure = None;
        // As `TestRunner` does, which cannot wait for a future.
        loop {
            run += 1;
            let operations = tree.current();
            let go_on = match Model::run(&store, run, &operations).await {
                Ok(()) if failure.is_none() => break,
                Ok(()) => tree.complicate(),
                Err(reason) => {
                    failure = Some((operations, reason));
                    tree.simplify()
                }
            };
            if !go_on {
                break;
            }
        }
        if let Some((operations, reason)) = failure {
            panic!("the cache disagrees with a map: {reason}\nafter {operations:#?}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Load(Place),
    Swap { place: Place, expected: Expected, delete: bool },
    List { handle: bool, kind: usize },
    TryLease { key: usize, owner: usize },
    Release { key: usize, owner: usize },
}

/// An entry, through one of two handles.
#[derive(Clone, Copy, Debug)]
struct Place {
    handle: bool,
    key: usize,
}

/// The version a swap expects.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Current,
    Nothing,
    /// One that was current before.
    Old,
    Unknown,
}

const KINDS: [Kind; 2] = [Kind::Credential, Kind::AccessToken];
const KEYS: usize = 4;
const OWNERS: usize = 3;

fn operation() -> impl Strategy<Value = Operation> {
    let place = || (any::<bool>(), 0..KEYS).prop_map(|(handle, key)| Place { handle, key });
    let expected = prop_oneof![
        4 => Just(Expected::Current),
        2 => Just(Expected::Nothing),
        2 => Just(Expected::Old),
        1 => Just(Expected::Unknown),
    ];
    prop_oneof![
        3 => place().prop_map(Operation::Load),
        6 => (place(), expected, prop::bool::weighted(0.3))
            .prop_map(|(place, expected, delete)| Operation::Swap { place, expected, delete }),
        1 => (any::<bool>(), 0..KINDS.len()).prop_map(|(handle, kind)| Operation::List { handle, kind }),
        2 => (0..KEYS, 0..OWNERS).prop_map(|(key, owner)| Operation::TryLease { key, owner }),
        1 => (0..KEYS, 0..OWNERS).prop_map(|(key, owner)| Operation::Release { key, owner }),
    ]
}

struct Model {
    handles: [Arc<dyn TokenCache>; 2],
    keys: Vec<Key>,
    owners: Vec<Owner>,
    entries: BTreeMap<Key, Entry>,
    old: BTreeMap<Key, Version>,
    holders: BTreeMap<Key, usize>,
    /// Every grant that was not released.
    leases: BTreeMap<(usize, usize), Lease>,
}

impl Model {
    async fn run<S: Store>(store: &S, run: usize, operations: &[Operation]) -> Result<(), String> {
        let key = |n: usize| Key::new(KINDS[n % KINDS.len()], &["model", &run.to_string(), &n.to_string()]);
        let mut model = Self {
            handles: [store.open().await, store.open().await],
            keys: (0..KEYS).map(key).collect(),
            owners: (0..OWNERS).map(|_| Owner::random()).collect(),
            entries: BTreeMap::new(),
            old: BTreeMap::new(),
            holders: BTreeMap::new(),
            leases: BTreeMap::new(),
        };
        for (n, operation) in operations.iter().enumerate() {
            let step = model.step(*operation).await;
            step.map_err(|reason| format!("operation {n}, {operation:?}, {reason}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::Load(place) => {
                let (cache, key) = self.at(place);
                agree(cache.load(key).await, self.entries.get(key).cloned())
            }
            Operation::Swap { place, expected, delete } => self.swap(place, expected, delete).await,
            Operation::List { handle, kind } => {
                let listed = self.handles[usize::from(handle)].list(KINDS[kind]).await;
                // The store holds the entries of other runs too.
                let listed = listed.map(|listed| {
                    let ours = listed.into_iter().filter(|listed| self.keys.contains(&listed.key));
                    ours.map(|listed| (listed.key, listed.version)).collect::<BTreeMap<_, _>>()
                });
                let expected = self.entries.iter().filter(|(key, _)| key.kind() == KINDS[kind]);
                agree(listed, expected.map(|(key, entry)| (key.clone(), Some(entry.version))).collect())
            }
            Operation::TryLease { key, owner } => self.try_lease(key, owner).await,
            Operation::Release { key, owner } => {
                let Some(lease) = self.leases.remove(&(key, owner)) else { return Ok(()) };
                if self.holders.get(&self.keys[key]) == Some(&owner) {
                    self.holders.remove(&self.keys[key]);
                }
                agree(self.handles[0].release(lease).await, ())
            }
        }
    }

    async fn swap(&mut self, place: Place, expected: Expected, delete: bool) -> Result<(), String> {
        let (cache, key) = self.at(place);
        let current = self.entries.get(key).cloned();
        let version = match expected {
            Expected::Current => current.as_ref().map(|entry| entry.version),
            Expected::Nothing => None,
            Expected::Old => self.old.get(key).copied(),
            Expected::Unknown => Some(Version::random()),
        };
        let next = (!delete).then(|| entry(key.to_string()));
        let swap = cache.swap(key, version.as_ref(), next.as_ref()).await;
        if version != current.as_ref().map(|entry| entry.version) {
            return agree(swap, Swap::Conflict(current));
        }
        agree(swap, Swap::Done)?;
        let key = key.clone();
        if let Some(current) = current {
            self.old.insert(key.clone(), current.version);
        }
        match next {
            Some(next) => self.entries.insert(key, next),
            None => self.entries.remove(&key),
        };
        Ok(())
    }

    /// On one handle only: a kernel's lock knows its owner on the handle where it was granted.
    async fn try_lease(&mut self, key: usize, owner: usize) -> Result<(), String> {
        let name = &self.keys[key];
        let outcome = self.handles[0].try_lease(name, &self.owners[owner], LONG).await;
        let free = self.holders.get(name).is_none_or(|holder| *holder == owner);
        match outcome {
            Ok(TryLease::Granted(lease)) if free => {
                self.holders.insert(name.clone(), owner);
                // An earlier grant to the same owner is dropped, which must not end this one.
                self.leases.insert((key, owner), lease);
                Ok(())
            }
            Ok(TryLease::Held { .. }) if !free => Ok(()),
            outcome => agree(outcome.map(|lease| matches!(lease, TryLease::Granted(_))), free),
        }
    }

    fn at(&self, place: Place) -> (&dyn TokenCache, &Key) {
        (&*self.handles[usize::from(place.handle)], &self.keys[place.key])
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(answer: Result<T, CacheError>, expected: T) -> Result<(), String> {
    match answer {
        Ok(answer) if answer == expected => Ok(()),
        Ok(answer) => Err(format!("answered {answer:?}, and a map answers {expected:?}")),
        Err(error) => Err(format!("failed: {error} ({:?})", error.kind())),
    }
}
