//! The laws of entries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{LONG, Store, Succeeds as _, create, delete, entry, key, load, number, raise, replace};
use crate::cache::{Entry, Listed, Owner, Swap, TryLease, Version};
use crate::clock::{Clock as _, SystemClock};
use crate::error::CacheErrorKind;
use crate::key::{Key, Kind};

/// Where nothing was ever written, nothing is.
pub async fn load_of_a_missing_entry_is_none<S: Store>(store: S) {
    let cache = store.open().await;
    for kind in Kind::ALL {
        let key = Key::new(kind, &["missing"]);
        assert_eq!(load(&*cache, &key).await, None, "there is no {key} in a fresh store");
        assert_eq!(cache.list(kind).await.succeeds("list"), [], "a fresh store lists nothing");
        let swap = cache.swap(&key, None, None).await.succeeds("delete nothing");
        assert_eq!(swap, Swap::Done, "expecting nothing and leaving nothing is done where nothing is");
    }
}

/// What is loaded is what was written: version, body and time to discard.
pub async fn created_entry_is_loaded_as_it_was_written<S: Store>(store: S) {
    let cache = store.open().await;
    let later = SystemClock.posix() + 86_400;
    for (name, discard_after) in [("kept", None), ("bounded", Some(later))] {
        let written = Entry { discard_after, ..entry("sealed") };
        create(&*cache, &key(name), &written).await;
        assert_eq!(load(&*cache, &key(name)).await, Some(written), "an entry is loaded as it was created");
        let replaced = load(&*cache, &key(name)).await.unwrap_or_else(|| entry(""));
        let written = Entry { discard_after, ..entry("sealed again") };
        replace(&*cache, &key(name), &replaced, &written).await;
        assert_eq!(load(&*cache, &key(name)).await, Some(written), "an entry is loaded as it was replaced");
    }
}

/// Who expects nothing meets what is there.
pub async fn second_create_conflicts_with_the_first<S: Store>(store: S) {
    let cache = store.open().await;
    let (first, second) = (entry("first"), entry("second"));
    create(&*cache, &key("a"), &first).await;
    let swap = cache.swap(&key("a"), None, Some(&second)).await.succeeds("create again");
    assert_eq!(swap, Swap::Conflict(Some(first.clone())), "a second create meets the first entry");
    let swap = cache.swap(&key("a"), None, None).await.succeeds("expect nothing");
    assert_eq!(swap, Swap::Conflict(Some(first.clone())), "expecting nothing meets the first entry");
    assert_eq!(load(&*cache, &key("a")).await, Some(first), "a create that conflicted has changed nothing");
}

/// Who expects an old version, or one that never was, meets the current entry, and leaves it as it is.
pub async fn stale_version_conflicts_and_changes_nothing<S: Store>(store: S) {
    let cache = store.open().await;
    let (old, current, next) = (entry("old"), entry("current"), entry("next"));
    create(&*cache, &key("a"), &old).await;
    replace(&*cache, &key("a"), &old, &current).await;
    for stale in [old.version, Version::random(), Version::from_bytes([0; 16])] {
        let swap = cache.swap(&key("a"), Some(&stale), Some(&next)).await.succeeds("swap on a stale version");
        assert_eq!(swap, Swap::Conflict(Some(current.clone())), "a stale version meets the current entry");
        assert_eq!(load(&*cache, &key("a")).await, Some(current.clone()), "a conflict changes nothing");
    }
    let swap = cache.swap(&key("b"), Some(&old.version), Some(&next)).await.succeeds("swap where nothing is");
    assert_eq!(swap, Swap::Conflict(None), "a version meets nothing where nothing is");
    assert_eq!(load(&*cache, &key("b")).await, None, "a conflict creates nothing");
}

/// A delete is a swap as any other.
pub async fn delete_needs_the_current_version<S: Store>(store: S) {
    let cache = store.open().await;
    let (old, current) = (entry("old"), entry("current"));
    create(&*cache, &key("a"), &old).await;
    replace(&*cache, &key("a"), &old, &current).await;
    let swap = cache.swap(&key("a"), Some(&old.version), None).await.succeeds("delete on a stale version");
    assert_eq!(
        swap,
        Swap::Conflict(Some(current.clone())),
        "a delete on a stale version meets the current entry"
    );
    assert_eq!(
        load(&*cache, &key("a")).await,
        Some(current.clone()),
        "a delete that conflicted deletes nothing"
    );
    delete(&*cache, &key("a"), &current).await;
    assert_eq!(load(&*cache, &key("a")).await, None, "a deleted entry is gone");
    assert_eq!(cache.list(Kind::Credential).await.succeeds("list"), [], "a deleted entry is not listed");
    let swap = cache.swap(&key("a"), Some(&current.version), None).await.succeeds("delete again");
    assert_eq!(swap, Swap::Conflict(None), "a second delete meets nothing");
}

/// A holder of an old version cannot mistake a new life of the key for the old one.
pub async fn recreated_entry_never_matches_an_old_version<S: Store>(store: S) {
    let cache = store.open().await;
    let (old, new) = (entry("same body"), entry("same body"));
    create(&*cache, &key("a"), &old).await;
    delete(&*cache, &key("a"), &old).await;
    create(&*cache, &key("a"), &new).await;
    let swap = cache.swap(&key("a"), Some(&old.version), Some(&entry("late"))).await.succeeds("swap late");
    assert_eq!(swap, Swap::Conflict(Some(new)), "the version of a former life meets the new entry");
}

/// Of those who create at once, one is done, and the others meet its entry.
pub async fn one_of_many_creates_wins<S: Store>(store: S) {
    for round in 0..10 {
        let key = key(&format!("round {round}"));
        let mut creates = Vec::new();
        for _ in 0..6 {
            let (cache, key, entry) = (store.open().await, key.clone(), entry("a body"));
            creates.push(tokio::spawn(async move {
                (cache.swap(&key, None, Some(&entry)).await.succeeds("create in a race"), entry)
            }));
        }
        let mut done = Vec::new();
        let mut met = Vec::new();
        for create in creates {
            match create.await.succeeds("join a task") {
                (Swap::Done, entry) => done.push(entry),
                (Swap::Conflict(winner), _) => met.push(winner),
            }
        }
        assert_eq!(done.len(), 1, "one of many creates is done");
        let winner = done.pop();
        assert!(met.iter().all(|met| *met == winner), "the others meet the winner's entry");
        assert_eq!(load(&*store.open().await, &key).await, winner, "the winner's entry is there");
    }
}

/// Compare and swap is one step, also among the threads of one process.
pub async fn counter_raised_by_many_tasks_loses_nothing<S: Store>(store: S) {
    let shared = store.open().await;
    let mut tasks = Vec::new();
    for task in 0..5 {
        // Some on a handle of their own, some on a shared one.
        let cache = if task % 2 == 0 { store.open().await } else { shared.clone() };
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                raise(&*cache, &key("counter")).await;
            }
        }));
    }
    for task in tasks {
        task.await.succeeds("join a task");
    }
    let counter = load(&*shared, &key("counter")).await;
    assert_eq!(counter.as_ref().map(number), Some(50), "5 tasks that raise a counter 10 times make 50");
}

/// A reader finds an entry at every moment, never part of one, and never an older one than before.
pub async fn reader_never_sees_half_a_write_or_an_older_one<S: Store>(store: S) {
    let (writer, counter) = (store.open().await, key("counter"));
    raise(&*writer, &counter).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (cache, counter, over) = (store.open().await, counter.clone(), over.clone());
        readers.push(tokio::spawn(async move {
            let mut last = 0;
            while !over.load(Ordering::SeqCst) {
                let current = load(&*cache, &counter).await.map(|entry| number(&entry));
                assert!(current >= Some(last), "a reader saw {current:?} after {last}");
                last = current.unwrap_or(last);
                let listed = cache.list(Kind::Credential).await.succeeds("list");
                assert!(listed.iter().all(|entry| entry.version.is_some()), "a list shows half a write");
            }
        }));
    }
    for _ in 0..50 {
        raise(&*writer, &counter).await;
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.succeeds("join a reader");
    }
}

/// A swap that is dropped while it runs takes effect or does not, now or later, and breaks nothing.
pub async fn dropped_swap_leaves_the_old_entry_or_the_new<S: Store>(store: S) {
    let cache = store.open().await;
    for round in 0..10 {
        let key = key(&format!("round {round}"));
        let (old, new, last) = (entry("old"), entry("new"), entry("last"));
        create(&*cache, &key, &old).await;
        // A timeout of nothing polls the swap once and drops it.
        let dropped =
            tokio::time::timeout(Duration::ZERO, cache.swap(&key, Some(&old.version), Some(&new))).await;
        drop(dropped);
        loop {
            let current = load(&*cache, &key).await;
            assert!(
                current.as_ref() == Some(&old) || current.as_ref() == Some(&new),
                "a dropped swap leaves the old entry or the new, not {current:?}"
            );
            let version = current.map(|entry| entry.version);
            match cache.swap(&key, version.as_ref(), Some(&last)).await.succeeds("swap after a dropped one") {
                Swap::Done => break,
                Swap::Conflict(_) => {}
            }
        }
        assert_eq!(load(&*cache, &key).await, Some(last), "a dropped swap overwrites nobody later");
    }
}

/// Every handle, and every handle opened later, sees what any of them wrote.
pub async fn handles_on_one_store_see_each_other<S: Store>(store: S) {
    let (one, other) = (store.open().await, store.open().await);
    let (first, second) = (entry("first"), entry("second"));
    create(&*one, &key("a"), &first).await;
    assert_eq!(load(&*other, &key("a")).await, Some(first.clone()), "another handle sees a create");
    replace(&*other, &key("a"), &first, &second).await;
    assert_eq!(load(&*one, &key("a")).await, Some(second.clone()), "another handle sees a replacement");
    let third = store.open().await;
    assert_eq!(load(&*third, &key("a")).await, Some(second.clone()), "a later handle sees what is there");
    delete(&*third, &key("a"), &second).await;
    for cache in [one, other] {
        assert_eq!(load(&*cache, &key("a")).await, None, "another handle sees a deletion");
    }
}

/// A list names the entries of one kind, with their versions, and nothing else.
pub async fn list_names_the_entries_of_one_kind<S: Store>(store: S) {
    let cache = store.open().await;
    let later = SystemClock.posix() + 86_400;
    let mut written = Vec::new();
    for kind in Kind::ALL {
        for (name, discard_after) in [("a", None), ("b", Some(later))] {
            let (key, entry) = (Key::new(kind, &[name]), Entry { discard_after, ..entry("a body") });
            create(&*cache, &key, &entry).await;
            written.push(Listed { key, version: Some(entry.version), discard_after });
        }
        // A lease is no entry.
        let lease =
            cache.try_lease(&Key::new(kind, &["leased"]), &Owner::random(), LONG).await.succeeds("lease");
        drop(lease);
    }
    for kind in Kind::ALL {
        let listed = sorted(cache.list(kind).await.succeeds("list"));
        let expected = sorted(written.iter().filter(|listed| listed.key.kind() == kind).cloned().collect());
        assert_eq!(listed, expected, "a list names the entries of the kind {kind} and no other");
    }
}

/// Keys are told apart whatever they were made from.
pub async fn keys_of_any_parts_are_kept_apart<S: Store>(store: S) {
    let cache = store.open().await;
    let parts: [&[&str]; 9] = [
        &[],
        &[""],
        &["", ""],
        &["../../etc/passwd"],
        &["a\0b"],
        &["a", "b"],
        &["\u{202e}ключ 鍵\n*?[x]{tag}"],
        &["%s' OR 1=1; --"],
        &["a/b\\c"],
    ];
    let keys: Vec<_> =
        parts.iter().flat_map(|parts| Kind::ALL.iter().map(|kind| Key::new(*kind, parts))).collect();
    let mut entries = Vec::new();
    for key in &keys {
        let entry = entry(key.to_string());
        create(&*cache, key, &entry).await;
        entries.push(entry);
    }
    for (key, entry) in keys.iter().zip(entries) {
        assert_eq!(load(&*cache, key).await, Some(entry), "every key has its own entry");
    }
}

/// A body is bytes: none of them means anything.
pub async fn bodies_of_any_bytes_are_kept<S: Store>(store: S) {
    let cache = store.open().await;
    let bodies: [Vec<u8>; 6] = [
        vec![],
        vec![0],
        vec![0xff; 3],
        (0..=255).collect(),
        b"\r\n\x00$-1\r\n'\";{}".to_vec(),
        (0..=255).rev().cycle().take(70_000).collect(),
    ];
    for (name, body) in bodies.into_iter().enumerate() {
        let (key, entry) = (key(&name.to_string()), entry(body));
        create(&*cache, &key, &entry).await;
        assert!(load(&*cache, &key).await == Some(entry), "body {name} is loaded as it was written");
    }
}

/// One mebibyte fits, as the contract says.
pub async fn body_of_a_mebibyte_is_kept<S: Store>(store: S) {
    let cache = store.open().await;
    let (large, other) = (entry(vec![0xa5; 1 << 20]), entry(vec![0x5a; 1 << 20]));
    create(&*cache, &key("large"), &large).await;
    assert!(
        load(&*cache, &key("large")).await.as_ref() == Some(&large),
        "a large body is loaded as it was written"
    );
    let swap = cache.swap(&key("large"), None, Some(&other)).await.succeeds("create a large entry again");
    assert!(swap == Swap::Conflict(Some(large.clone())), "a conflict shows a large entry whole");
    replace(&*cache, &key("large"), &large, &other).await;
    assert!(load(&*cache, &key("large")).await == Some(other), "a large body is replaced");
}

/// After `discard_after` an entry may be gone, and then it is gone for everybody; without one it never is.
pub async fn entry_may_go_after_discard_after_and_never_before<S: Store>(store: S) {
    let cache = store.open().await;
    let now = SystemClock.posix();
    let kept = [("never", None), ("later", Some(now + 86_400))];
    for (name, discard_after) in kept {
        let entry = Entry { discard_after, ..entry(name) };
        create(&*cache, &key(name), &entry).await;
    }
    let past = Entry { discard_after: Some(now - 60), ..entry("past") };
    create(&*cache, &key("past"), &past).await;

    let loaded = load(&*cache, &key("past")).await;
    assert!(loaded.is_none() || loaded.as_ref() == Some(&past), "a discarded entry is whole or gone");
    let next = entry("next");
    match cache.swap(&key("past"), None, Some(&next)).await.succeeds("create where an entry was discarded") {
        Swap::Done => {}
        Swap::Conflict(current) => {
            assert!(loaded.is_some(), "what is gone for a load is gone for a swap");
            assert_eq!(current.as_ref(), Some(&past), "what is not gone is there");
            replace(&*cache, &key("past"), &past, &next).await;
        }
    }
    assert_eq!(load(&*cache, &key("past")).await, Some(next), "a new entry does not share the old one's end");
    for (name, _) in kept {
        assert!(load(&*cache, &key(name)).await.is_some(), "an entry stays before its end: {name}");
    }
}

/// Damage is an error that changes nothing, until somebody who expects nothing writes.
pub async fn broken_entry_is_corrupt_until_it_is_replaced<S: Store>(store: S) {
    let cache = store.open().await;
    let (broken, next) = (entry("broken"), entry("next"));
    create(&*cache, &key("a"), &broken).await;
    if !store.break_entry(&key("a")).await {
        return;
    }
    for _ in 0..2 {
        let error = cache.load(&key("a")).await.expect_err("a broken entry cannot be loaded");
        assert_eq!(
            error.kind(),
            CacheErrorKind::Corrupt,
            "a load of a broken entry says what it is: {error}"
        );
        for (expected, next) in
            [(broken.version, Some(&next)), (broken.version, None), (Version::random(), None)]
        {
            let error = cache.swap(&key("a"), Some(&expected), next).await;
            let error = error.expect_err("a broken entry cannot be swapped on a version");
            assert_eq!(
                error.kind(),
                CacheErrorKind::Corrupt,
                "a swap of a broken entry says what it is: {error}"
            );
        }
        let listed = cache.list(Kind::Credential).await.succeeds("list");
        let expected = Listed { key: key("a"), version: None, discard_after: None };
        assert_eq!(listed, [expected], "a broken entry is listed without a version");
    }
    create(&*cache, &key("a"), &next).await;
    assert_eq!(load(&*cache, &key("a")).await, Some(next.clone()), "a broken entry can be replaced");
    store.break_entry(&key("a")).await;
    let swap = cache.swap(&key("a"), None, None).await.succeeds("remove a broken entry");
    assert_eq!(swap, Swap::Done, "a broken entry can be removed");
    assert_eq!(load(&*cache, &key("a")).await, None, "a broken entry that was removed is gone");
}

/// Damage stays where it is.
pub async fn broken_entry_disturbs_no_other<S: Store>(store: S) {
    let cache = store.open().await;
    let (broken, whole) = (entry("broken"), entry("whole"));
    create(&*cache, &key("broken"), &broken).await;
    create(&*cache, &key("whole"), &whole).await;
    if !store.break_entry(&key("broken")).await {
        return;
    }
    assert_eq!(load(&*cache, &key("whole")).await, Some(whole.clone()), "another entry is loaded");
    let listed = sorted(cache.list(Kind::Credential).await.succeeds("list"));
    let expected = sorted(vec![
        Listed { key: key("broken"), version: None, discard_after: None },
        Listed { key: key("whole"), version: Some(whole.version), discard_after: None },
    ]);
    assert_eq!(listed, expected, "both are listed");
    delete(&*cache, &key("whole"), &whole).await;
    create(&*cache, &key("other"), &entry("other")).await;
    let error = cache.load(&key("broken")).await.expect_err("a broken entry stays broken");
    assert_eq!(
        error.kind(),
        CacheErrorKind::Corrupt,
        "what happens beside a broken entry does not change it"
    );
}

/// What survives is what the store says.
pub async fn entries_survive_a_restart_or_are_gone<S: Store>(mut store: S) {
    let cache = store.open().await;
    let (old, current, deleted) = (entry("old"), entry("current"), entry("deleted"));
    create(&*cache, &key("kept"), &old).await;
    replace(&*cache, &key("kept"), &old, &current).await;
    create(&*cache, &key("deleted"), &deleted).await;
    delete(&*cache, &key("deleted"), &deleted).await;
    drop(cache);
    store.restart().await;
    let cache = store.open().await;
    let expected = S::PERSISTENT.then_some(current);
    assert_eq!(load(&*cache, &key("kept")).await, expected, "entries survive a restart: {}", S::PERSISTENT);
    assert_eq!(load(&*cache, &key("deleted")).await, None, "a deleted entry stays deleted");
}

/// A store that cannot be reached is an error in every operation: never a missing entry, never a free lease.
pub async fn unavailable_store_says_so<S: Store>(mut store: S) {
    let cache = store.open().await;
    let written = entry("a body");
    create(&*cache, &key("a"), &written).await;
    let TryLease::Granted(lease) = cache.try_lease(&key("a"), &Owner::random(), LONG).await.succeeds("lease")
    else {
        panic!("a lease that nobody holds is granted");
    };
    if !store.make_unavailable().await {
        return;
    }
    let (next, a, b, owner) = (entry("next"), key("a"), key("b"), Owner::random());
    // Side by side: a cache may insist for a while.
    let (load, swap, list, try_lease, release) = tokio::join!(
        cache.load(&a),
        cache.swap(&a, Some(&written.version), Some(&next)),
        cache.list(Kind::Credential),
        cache.try_lease(&b, &owner, LONG),
        cache.release(lease),
    );
    let errors = [load.err(), swap.err(), list.err(), try_lease.err(), release.err()];
    let operations = ["load", "swap", "list", "try_lease", "release"];
    for (operation, error) in operations.into_iter().zip(errors) {
        let error = error.unwrap_or_else(|| panic!("{operation} fails while the store cannot be reached"));
        assert_eq!(
            error.kind(),
            CacheErrorKind::Unavailable,
            "{operation} says that the store is unavailable"
        );
        let text = error.to_string();
        assert!(text.contains(&cache.to_string()), "{operation} says where: {text}");
    }
}

fn sorted(mut listed: Vec<Listed>) -> Vec<Listed> {
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    let names: BTreeSet<_> = listed.iter().map(|listed| &listed.key).collect();
    assert_eq!(names.len(), listed.len(), "a list names every entry once");
    listed
}
