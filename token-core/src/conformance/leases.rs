//! The laws of leases.

use std::time::Duration;

use super::{
    LONG, LeaseEnd, Process, Role, Store, Succeeds as _, create, entry, eventually, key, load, replace,
};
use crate::cache::{Hold, Lease, Owner, Swap, TokenCache, TryLease};
use crate::key::{Key, Kind};

/// While one has it, nobody else gets it.
pub async fn lease_is_exclusive<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let lease = granted(&*one, &key("a"), &Owner::random()).await;
    let kernel = matches!(lease.hold, Hold::Kernel(_));
    assert_eq!(kernel, S::LEASE == LeaseEnd::Kernel, "a lease is held as the store says, by {}", S::LEASE);
    if let Hold::Until(end) = lease.hold {
        assert!(end > lease.granted_at, "a lease ends after it was granted");
    }
    for cache in [&one, &other, &store.open().await] {
        assert_held(&**cache, &key("a"), "somebody else").await;
    }
    one.release(lease).await.succeeds("release");
}

/// Of those who try at once, one is granted.
pub async fn one_of_many_tries_is_granted<S: Store>(store: S) {
    let shared = store.open().await;
    for round in 0..10 {
        let key = key(&format!("round {round}"));
        let mut tries = Vec::new();
        for task in 0..6 {
            let cache = if task % 2 == 0 { store.open().await } else { shared.clone() };
            let key = key.clone();
            tries.push(tokio::spawn(async move {
                let lease = cache.try_lease(&key, &Owner::random(), LONG).await.succeeds("try");
                // The handle lives as long as the lease.
                (lease, cache)
            }));
        }
        let mut outcomes = Vec::new();
        for lease in tries {
            outcomes.push(lease.await.succeeds("join a task"));
        }
        let granted = outcomes.iter().filter(|(lease, _)| matches!(lease, TryLease::Granted(_))).count();
        assert_eq!(granted, 1, "one of many who try at once is granted the lease");
    }
}

/// A lease on one key is none on another, of whatever kind.
pub async fn lease_is_per_key<S: Store>(store: S) {
    let cache = store.open().await;
    let mut leases = Vec::new();
    for kind in Kind::ALL {
        for name in ["a", "b"] {
            leases.push(granted(&*cache, &Key::new(kind, &[name]), &Owner::random()).await);
        }
    }
    for lease in leases {
        cache.release(lease).await.succeeds("release");
    }
}

/// Released, it is free at once, for everybody.
pub async fn lease_is_freed_by_release<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    for cache in [&one, &other] {
        let lease = granted(&**cache, &key("a"), &Owner::random()).await;
        cache.release(lease).await.succeeds("release");
    }
    // One release is enough, however often it was granted.
    let owner = Owner::random();
    let first = granted(&*one, &key("a"), &owner).await;
    let again = granted(&*one, &key("a"), &owner).await;
    one.release(again).await.succeeds("release");
    let lease = granted(&*other, &key("a"), &Owner::random()).await;
    other.release(lease).await.succeeds("release");
    drop(first);
}

/// Its owner is granted it again, with a new end, and others are not.
pub async fn lease_is_granted_again_to_its_owner<S: Store>(store: S) {
    let (cache, owner) = (store.open().await, Owner::random());
    let first = granted(&*cache, &key("a"), &owner).await;
    assert_held(&*cache, &key("a"), "somebody else").await;
    let TryLease::Granted(again) = cache.try_lease(&key("a"), &owner, LONG * 2).await.succeeds("try again")
    else {
        panic!("a lease is granted again to its owner");
    };
    assert_eq!((&again.key, again.owner), (&key("a"), owner), "a lease names its key and its owner");
    if let (Hold::Until(first), Hold::Until(again)) = (&first.hold, &again.hold) {
        assert!(again > first, "a lease that is granted again has a new end");
    }
    assert_held(&*cache, &key("a"), "somebody else, after it was granted again").await;
    // The first grant is not needed any more.
    drop(first);
    assert_held(&*cache, &key("a"), "somebody else, after the first grant was dropped").await;
    cache.release(again).await.succeeds("release");
}

/// Time ends the lease that it is said to end, and no other.
pub async fn lease_ends_by_time_or_not_at_all<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let (ours, theirs) = (Owner::random(), Owner::random());
    let lease = granted(&*one, &key("a"), &ours).await;
    assert_held(&*other, &key("a"), "somebody else").await;
    // A new end that is near, or, if nothing happens then, past already.
    let short = Duration::from_millis(if S::LEASE == LeaseEnd::Timed { 20 } else { 0 });
    let again = one.try_lease(&key("a"), &ours, short).await.succeeds("try again");
    match S::LEASE {
        LeaseEnd::Timed => {
            let taken = eventually("a lease ends by its time", || async {
                match other.try_lease(&key("a"), &theirs, LONG).await.succeeds("try") {
                    TryLease::Granted(lease) => Some(lease),
                    TryLease::Held { .. } => None,
                }
            })
            .await;
            assert!(taken.granted_at >= lease.granted_at, "the store's clock goes forward");
            assert!(
                matches!(
                    one.try_lease(&key("a"), &ours, LONG).await.succeeds("try late"),
                    TryLease::Held { .. }
                ),
                "a former holder is somebody else"
            );
        }
        LeaseEnd::Kernel => {
            assert_held(&*other, &key("a"), "somebody else: no time ends a kernel's lock").await
        }
    }
    drop((lease, again));
}

/// Its holder's end, by a drop or by SIGKILL, ends a kernel's lock at once, and a lease by time not at all.
pub async fn lease_ends_with_its_holder_or_not_at_all<S: Store>(store: S) {
    let cache = store.open().await;
    let dropped = granted(&*cache, &key("dropped"), &Owner::random()).await;
    drop(dropped);
    let next = cache.try_lease(&key("dropped"), &Owner::random(), LONG).await.succeeds("try after a drop");
    assert_eq!(
        matches!(next, TryLease::Granted(_)),
        S::LEASE == LeaseEnd::Kernel,
        "{} that was dropped is free or not",
        S::LEASE
    );

    let Some(mut holder) = Process::start(&store, Role::HoldALease) else {
        assert_eq!(S::LEASE, LeaseEnd::Timed, "a kernel's lock is one between processes");
        return;
    };
    holder.holds_its_lease();
    assert_held(&*cache, &Role::key(), "another process").await;
    holder.kill();
    match S::LEASE {
        LeaseEnd::Kernel => {
            let lease = eventually("a kernel's lock ends with its holder", || async {
                match cache.try_lease(&Role::key(), &Owner::random(), LONG).await.succeeds("try") {
                    TryLease::Granted(lease) => Some(lease),
                    TryLease::Held { .. } => None,
                }
            })
            .await;
            cache.release(lease).await.succeeds("release");
        }
        LeaseEnd::Timed => {
            assert_held(&*cache, &Role::key(), "a killed process, until its time is over").await
        }
    }
}

/// Who does not have it cannot give it back.
pub async fn foreign_release_changes_nothing<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let ours = Owner::random();
    let lease = granted(&*one, &key("a"), &ours).await;
    for cache in [&one, &other] {
        let forged = Lease {
            key: key("a"),
            owner: Owner::random(),
            granted_at: lease.granted_at,
            hold: match &lease.hold {
                Hold::Kernel(_) => Hold::Kernel(Box::new(())),
                Hold::Until(end) => Hold::Until(*end),
            },
        };
        cache.release(forged).await.succeeds("a foreign release is no error");
        assert_held(&**cache, &key("a"), "somebody else, after a foreign release").await;
    }
    let elsewhere = granted(&*other, &key("b"), &ours).await;
    other.release(elsewhere).await.succeeds("release");
    assert_held(&*other, &key("a"), "somebody else, after its owner released another key").await;
    one.release(lease).await.succeeds("release");
}

/// Who had it once cannot take it from who has it now.
pub async fn late_release_changes_nothing<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let ours = Owner::random();
    let late = granted(&*one, &key("a"), &ours).await;
    let again = granted(&*one, &key("a"), &ours).await;
    one.release(again).await.succeeds("release");
    let theirs = granted(&*other, &key("a"), &Owner::random()).await;
    let again = one.try_lease(&key("a"), &ours, LONG).await.succeeds("try late");
    assert!(matches!(again, TryLease::Held { .. }), "a former holder that kept its grant is somebody else");
    one.release(late).await.succeeds("a late release is no error");
    assert_held(&*one, &key("a"), "who has it now, after a late release").await;
    other.release(theirs).await.succeeds("release");
}

/// A lease that is over does not let its former holder write over what came after.
pub async fn late_holder_cannot_overwrite<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let (old, theirs) = (entry("old"), entry("theirs"));
    create(&*one, &key("a"), &old).await;
    let lease = granted(&*one, &key("a"), &Owner::random()).await;
    let seen = load(&*one, &key("a")).await.map(|entry| entry.version);
    one.release(lease).await.succeeds("release");

    let lease = granted(&*other, &key("a"), &Owner::random()).await;
    replace(&*other, &key("a"), &old, &theirs).await;
    let swap = one.swap(&key("a"), seen.as_ref(), Some(&entry("late"))).await.succeeds("swap late");
    assert_eq!(swap, Swap::Conflict(Some(theirs)), "a late holder meets what came after it");
    other.release(lease).await.succeeds("release");
}

/// A lease keeps work single and does not guard the data: a swap on the current version is done, whoever holds it.
/// (A holder that was late may have the only refresh token that is still good.)
pub async fn lease_guards_no_data<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let (old, new) = (entry("old"), entry("new"));
    let lease = granted(&*one, &key("a"), &Owner::random()).await;
    create(&*other, &key("a"), &old).await;
    replace(&*other, &key("a"), &old, &new).await;
    assert_eq!(load(&*one, &key("a")).await, Some(new), "a swap needs no lease");
    one.release(lease).await.succeeds("release");
}

pub(super) async fn granted(cache: &dyn TokenCache, key: &Key, owner: &Owner) -> Lease {
    match cache.try_lease(key, owner, LONG).await.succeeds("try a lease") {
        TryLease::Granted(lease) => {
            assert_eq!((&lease.key, lease.owner), (key, *owner), "a lease names its key and its owner");
            lease
        }
        TryLease::Held { .. } => panic!("a lease on {key} that nobody else holds is granted"),
    }
}

async fn assert_held(cache: &dyn TokenCache, key: &Key, by: &str) {
    match cache.try_lease(key, &Owner::random(), LONG).await.succeeds("try a held lease") {
        TryLease::Held { .. } => {}
        TryLease::Granted(lease) => panic!("a lease that {by} holds is not granted: {lease:?}"),
    }
}
