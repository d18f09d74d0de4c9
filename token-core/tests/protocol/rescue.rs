//! The rescue: a process killed at any point loses nothing that can be kept.

#![allow(clippy::disallowed_methods, reason = "the test breaks files on purpose")]

use std::fs;

use token_core::{
    Credential, Freshness, Kind, OAuthError, Owner, Rescue, SETTLE, State, TokenCache, TryLease, Version,
};

use crate::world::{Act, BOTH, Leases, Op, Rotation, Step, World, seconds, until};

/// Where a refresh is killed, and whether the sign-in can live at a strict issuer afterwards.
const POINTS: [(&str, bool); 7] = [
    ("before the note", true),
    ("after the note", true),
    ("in flight, unspent", true),
    ("in flight, spent", false),
    ("after the rescue", true),
    ("after the swap of the answer", true),
    ("after the swap of the access token", true),
];

/// Kills a refresh of a dead token at a point.
async fn kill_at(world: &World, host: &str, point: &str) {
    let process = world.process(host);
    match point {
        "before the note" => process.dies_before(Op::Swap, Kind::Credential, 0),
        "after the note" => process.dies_after(Op::Swap, Kind::Credential, 0),
        "in flight, unspent" => world.issuer.script([Step::HangBefore]),
        "in flight, spent" => world.issuer.script([Step::HangAfter]),
        "after the rescue" => process.dies_before(Op::Swap, Kind::Credential, 1),
        "after the swap of the answer" => process.dies_after(Op::Swap, Kind::Credential, 1),
        _ => process.dies_after(Op::Swap, Kind::AccessToken, 0),
    }
    let asked = process.ask(&world.request());
    tokio::time::sleep(seconds(3)).await;
    process.kill();
    asked.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_killed_at_any_point_leaves_a_sign_in_that_lives() {
    for leases in BOTH {
        for (point, lives) in POINTS {
            let world = World::new(leases, Rotation::Strict).await;
            world.age(Freshness::Dead).await;
            kill_at(&world, "a", point).await;
            let began = crate::world::moment();
            let token = world.process("a").get(&world.request()).await;
            assert_eq!(token.is_ok(), lives, "{leases:?} {point}: {token:?}");
            assert_eq!(world.lives().await, lives, "{leases:?} {point}");
            if leases == Leases::Kernel {
                assert!(began.elapsed() < seconds(1), "{point}: the lock was free at once");
                // One whose token was home when its flight was killed stays for a day, and does no harm.
                if lives
                    && point != "after the swap of the answer"
                    && point != "after the swap of the access token"
                {
                    assert!(world.rescue_files("a").is_empty(), "{point}");
                }
            }
            // And it goes on living.
            if lives {
                world.process("b").get(&world.forced()).await.unwrap();
                assert!(world.lives().await, "{leases:?} {point}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_an_issuers_grace_even_a_kill_in_flight_is_survived() {
    for leases in BOTH {
        for (point, _) in POINTS {
            let world = World::new(leases, Rotation::Grace(seconds(60))).await;
            world.age(Freshness::Dead).await;
            kill_at(&world, "a", point).await;
            world.process("a").get(&world.request()).await.unwrap();
            assert!(world.lives().await, "{leases:?} {point}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_refresh_that_cost_the_sign_in_is_named() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        kill_at(&world, "a", "in flight, spent").await;
        let error = world.process("a").get(&world.request()).await.unwrap_err();
        let token_core::BrokerError::SignInNeeded { interrupted: Some(note), .. } = error else {
            panic!("{error:?}")
        };
        assert!(
            note.who.starts_with("process ")
                && !note.host_name.is_empty()
                && note.at > seconds(1_800_000_000)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_home_onto_any_entry_that_still_holds_its_parent() {
    for leases in BOTH {
        for state in ["sign-in needed", "spending", "idle, rewritten"] {
            let world = World::new(leases, Rotation::Strict).await;
            world.age(Freshness::Dead).await;
            kill_at(&world, "a", "after the rescue").await;
            world
                .set_state(|grant| match state {
                    "sign-in needed" => {
                        State::SignInNeeded { grant, refusal: OAuthError::default(), interrupted: None }
                    }
                    "spending" => State::Spending(grant, old_note()),
                    _ => State::Idle(grant),
                })
                .await;
            world.clock.advance(seconds(20));
            world.process("a").get(&world.request()).await.unwrap();
            assert!(world.lives().await, "{leases:?} {state}");
        }
    }
}

/// Another host has spent the token once more and was refused; nobody but the one who waits here can mend that.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_lease_brings_it_home_onto_a_refused_entry() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    kill_at(&world, "a", "after the rescue").await;
    tokio::time::sleep(seconds(20)).await;
    let granted = world.memory.try_lease(&world.credential_key(), &Owner::random(), SETTLE).await.unwrap();
    assert!(matches!(granted, TryLease::Granted(_)));
    let asked = world.process("a").ask(&world.request());
    tokio::time::sleep(seconds(1)).await;
    world.need_sign_in().await;
    asked.await.unwrap().unwrap();
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_forgot_what_it_acknowledged_gets_it_again() {
    let world = World::fleet().await;
    let key = world.credential_key();
    let old: Credential = world.credential().await;
    world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(world.rescued("a").len(), 1, "it stays a day where the store may forget");
    // The store fails over to a replica that is behind.
    world.write(&key, &old).await;
    world.process("a").get(&world.forced()).await.unwrap();
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_two_comes_home_together() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let (key, old) = (world.credential_key(), world.credential().await);
        // Two refreshes that are in the rescue and not in the store.
        for _ in 0..2 {
            let process = world.process("a");
            process.after(Op::Swap, Kind::Credential, 1, Act::run(async {}));
            let files = if leases == Leases::Kernel { keep_rescue(&world, &process) } else { None };
            process.get(&world.forced()).await.unwrap();
            if let Some(files) = files {
                files.await.unwrap();
            }
        }
        let newest = world.refresh_token().await;
        world.write(&key, &old).await;
        world.process("a").get(&world.forced()).await.unwrap();
        let register = world.register().await;
        assert_eq!(register.parent, Some(token_core::Fingerprint::of(&newest)), "{leases:?}");
        assert!(world.lives().await);
    }
}

/// Copies the rescue of a flight before the flight removes it.
fn keep_rescue(world: &World, process: &crate::world::Process) -> Option<tokio::task::JoinHandle<()>> {
    let dir = world.rescue_dir("a");
    let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let copies = kept.clone();
    let there = dir;
    process.before(
        Op::Swap,
        Kind::Credential,
        1,
        Act::run(async move {
            for file in fs::read_dir(&there).unwrap() {
                let path = file.unwrap().path();
                copies.lock().unwrap().push((path.clone(), fs::read(&path).unwrap()));
            }
        }),
    );
    let cache = process.cache.clone();
    Some(tokio::spawn(async move {
        until("the flight has ended", || cache.calls(Op::Release) == 1).await;
        for (path, bytes) in kept.lock().unwrap().iter() {
            fs::write(path, bytes).unwrap();
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_empty_or_sealed_under_another_key_is_ignored() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        kill_at(&world, "a", "after the rescue").await;
        let good = world.rescue_files("a").pop().unwrap();
        let name = good.file_name().unwrap().to_str().unwrap().to_owned();
        let prefix = name.rsplit_once('.').unwrap().0;
        let dir = world.rescue_dir("a");
        let bytes = fs::read(&good).unwrap();
        fs::write(dir.join(format!("{prefix}.0empty")), "").unwrap();
        fs::write(dir.join(format!("{prefix}.1zeros")), [0; 16384]).unwrap();
        fs::write(dir.join(format!("{prefix}.2torn")), &bytes[..100]).unwrap();
        let mut altered = bytes.clone();
        altered[60] ^= 1;
        fs::write(dir.join(format!("{prefix}.3altered")), altered).unwrap();
        let foreign = token_core::KeyRing::parse(token_core::KeyRing::generate_line().expose()).unwrap();
        let (key, version) = (world.credential_key(), Version::random());
        let body = foreign.seal(&key, &version, b"{}").unwrap();
        let frame =
            [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], version.as_bytes(), &body].concat();
        fs::write(dir.join(format!("{prefix}.4foreign")), frame).unwrap();
        world.clock.advance(seconds(20));
        world.process("a").get(&world.request()).await.unwrap();
        assert!(world.lives().await, "{leases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_read_does_not_hide_another_that_can() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        kill_at(&world, "a", "after the rescue").await;
        let good = world.rescue_files("a").pop().unwrap();
        let name = good.file_name().unwrap().to_str().unwrap().to_owned();
        // A directory cannot be read as a file, by nobody.
        let prefix = name.rsplit_once('.').unwrap().0;
        for unreadable in ["0", "5", "a", "f", "z"] {
            fs::create_dir(world.rescue_dir("a").join(format!("{prefix}.{unreadable}"))).unwrap();
        }
        world.clock.advance(seconds(20));
        world.process("a").get(&world.request()).await.unwrap();
        assert!(world.lives().await, "{leases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_hosts_rescue_is_out_of_reach_and_comes_home_from_there_first() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let living = world.process("a");
    kill_at(&world, "a", "after the rescue").await;
    // Given a living process over there that waits, and one on another host.
    let there = living.ask(&world.request());
    let here = world.process("b").ask(&world.request());
    there.await.unwrap().unwrap();
    here.await.unwrap().unwrap();
    assert!(world.lives().await);
    assert_eq!(world.issuer.most_in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn beside_the_cache_it_goes_with_the_swap_and_elsewhere_it_stays_a_day() {
    let world = World::one_host().await;
    world.process("a").get(&world.forced()).await.unwrap();
    assert!(world.rescue_files("a").is_empty());

    let world = World::fleet().await;
    world.process("a").get(&world.forced()).await.unwrap();
    let [kept] = world.rescue_files("a").try_into().unwrap();
    world.process("a").get(&world.forced()).await.unwrap();
    assert!(kept.exists());
    let yesterday = std::time::SystemTime::now() - seconds(25 * 3600);
    fs::File::options().write(true).open(&kept).unwrap().set_modified(yesterday).unwrap();
    world.process("a").get(&world.forced()).await.unwrap();
    assert!(!kept.exists());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_writable_the_refresh_goes_on() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        // A file stands where the directory would be.
        fs::write(world.rescue_dir("a"), "in the way").unwrap();
        world.process("a").get(&world.request()).await.unwrap();
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rescue_whose_token_is_home_does_no_harm() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.process("a").get(&world.request()).await.unwrap();
    for _ in 0..3 {
        world.process("a").get(&world.forced()).await.unwrap();
        assert!(world.lives().await);
    }
    assert_eq!(world.rescued("a").len(), 4);
    assert_eq!(world.issuer.requests(), 4);
    assert!(world.issuer.revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_store_failing_while_it_comes_home_spends_nothing() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        kill_at(&world, "a", "after the rescue").await;
        world.clock.advance(seconds(20));
        let process = world.process("a");
        process.before(Op::Swap, Kind::Credential, 0, Act::Fail(token_core::CacheErrorKind::Unavailable));
        assert!(process.get(&world.request()).await.is_err());
        assert_eq!(world.issuer.requests(), 1);
        process.before(Op::Swap, Kind::Credential, 0, Act::LoseAnswer);
        process.get(&world.request()).await.unwrap();
        assert!(world.lives().await, "{leases:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_host_of_notes_is_the_directorys_id() {
    let dir = tempfile::tempdir().unwrap();
    let (one, same) = (Rescue::new(dir.path().join("r"), false), Rescue::new(dir.path().join("r"), false));
    assert_eq!(one.host().unwrap(), same.host().unwrap());
    assert_ne!(one.host().unwrap(), Rescue::new(dir.path().join("s"), false).host().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_sealed_credential_is_all_that_a_rescue_shows() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    kill_at(&world, "a", "after the rescue").await;
    for path in world.rescue_files("a") {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"rt-"));
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
    }
    assert!(world.memory.load(&world.credential_key()).await.unwrap().is_some());
}

fn old_note() -> token_core::Note {
    token_core::Note {
        flight: "another".into(),
        who: "ada".into(),
        host: "h".into(),
        host_name: "engine".into(),
        at: seconds(1_700_000_000),
        unsettled: None,
    }
}
