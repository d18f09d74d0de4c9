//! Steps 1 to 3: who is served what there is, who refreshes, and who waits.

use std::collections::HashSet;

use token_core::{BrokerError, CacheErrorKind, Freshness, Kind, SETTLE, Swap, TokenCache, TokenRequest};

use crate::world::{Act, BOTH, Leases, Op, Process, Rotation, Step, World, millis, seconds, until};

#[tokio::test(start_paused = true)]
async fn a_fresh_token_takes_no_issuer_no_lease_and_no_write() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let process = world.process("a");
        let token = process.get(&world.request()).await.unwrap();
        assert_eq!(token.secret.expose(), "first of rt-1");
        assert_eq!(
            process.broker.cached(&world.request()).await.unwrap().unwrap().secret.expose(),
            "first of rt-1"
        );
        assert_eq!(process.cache.calls(Op::Load), 2);
        for op in [Op::Swap, Op::Lease, Op::Release, Op::List] {
            assert_eq!(process.cache.calls(op), 0, "{op:?}");
        }
        assert_eq!(world.issuer.requests(), 0);
        assert!(!world.rescue_dir("a").exists(), "a hit never looks at the rescue");
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_token_is_refreshed_by_one_and_serves_the_others_without_waiting() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Due).await;
        let processes = world.processes(10);
        world.issuer.set_latency(seconds(1));
        let first = processes[0].ask(&world.request());
        until("the first one is at it", || world.issuer.requests() == 1).await;

        let began = crate::world::moment();
        for process in &processes {
            assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
        }
        assert_eq!(began.elapsed(), seconds(0));
        assert_ne!(first.await.unwrap().unwrap().secret.expose(), "first of rt-1");
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_token_serves_while_another_flights_note_is_young() {
    let world = World::fleet().await;
    world.age(Freshness::Due).await;
    world.leave_note("another host", seconds(1)).await;
    let process = world.process("a");
    let began = crate::world::moment();
    assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
    assert_eq!(began.elapsed(), seconds(0));
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_due_token_serves_when_its_refresh_fails() {
    let steps =
        [Step::Unreachable, Step::Throttle(429, None), Step::Refuse("invalid_grant", None), Step::HangBefore];
    for step in steps {
        let world = World::fleet().await;
        world.age(Freshness::Due).await;
        let process = world.process("a");
        process.wire.set_cut(matches!(step, Step::Unreachable));
        let what = format!("{step:?}");
        world.issuer.script([step]);
        assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1", "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_gets_two_seconds_for_a_due_token_and_the_whole_exchange_for_a_dead_one() {
    let world = World::fleet().await;
    world.age(Freshness::Due).await;
    world.process("a").get(&world.request()).await.unwrap();
    world.clock.advance(seconds(3600));
    world.process("a").get(&world.request()).await.unwrap();
    let timeouts: Vec<_> = world.issuer.asked().iter().map(|asked| asked.connect_timeout).collect();
    assert_eq!(timeouts[0], seconds(2));
    assert!(timeouts[1] > seconds(7), "{timeouts:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_needs_more_than_the_due_token_waits_although_a_due_flight_gave_up() {
    // Given a due token, another process at work, and a flight of ours that only looks whether the lease is free.
    let world = World::fleet().await;
    world.age(Freshness::Due).await;
    let (busy, ours) = (world.process("a"), world.process("a"));
    world.issuer.set_latency(seconds(1));
    let other = busy.ask(&world.request());
    until("the other one is at it", || world.issuer.requests() == 1).await;
    let (reached, gate) =
        (std::sync::Arc::new(tokio::sync::Notify::new()), std::sync::Arc::new(tokio::sync::Notify::new()));
    let (reach, open) = (reached.clone(), gate.clone());
    ours.before(
        Op::Lease,
        Kind::Credential,
        0,
        Act::run(async move {
            reach.notify_one();
            open.notified().await;
        }),
    );
    let due = ours.ask(&world.request());
    reached.notified().await;

    // When somebody joins for whom the token is too short.
    let demanding = ours.ask(&world.lasting(3500));
    tokio::task::yield_now().await;
    gate.notify_one();

    // Then the first is served at once, and the second gets the new token.
    assert_eq!(due.await.unwrap().unwrap().secret.expose(), "first of rt-1");
    let token = demanding.await.unwrap().unwrap();
    assert_ne!(token.secret.expose(), "first of rt-1");
    other.await.unwrap().unwrap();
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn fifty_processes_with_a_dead_token_make_one_refresh() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let asked: Vec<_> = world.processes(50).iter().map(|process| process.ask(&world.request())).collect();
        assert_eq!(secrets(asked).await.len(), 1);
        assert_eq!(world.issuer.requests(), 1);
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn one_process_with_fifty_tasks_makes_one_refresh_and_one_flight() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    let asked: Vec<_> = (0..50).map(|_| process.ask(&world.request())).collect();
    assert_eq!(secrets(asked).await.len(), 1);
    assert_eq!(world.issuer.requests(), 1);
    assert_eq!(process.cache.calls(Op::Lease), 1);
}

#[tokio::test(start_paused = true)]
async fn two_tokens_wanted_at_once_are_fetched_one_after_the_other_and_nobody_gets_anothers() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let (one, other) = (world.process("a"), world.process("b"));
        let scopes = ["api:read", "api:write"];
        let mut asked = Vec::new();
        for process in [&one, &other, &one, &other] {
            for scope in scopes {
                asked.push((scope, process.ask(&world.request_for(scope))));
            }
        }
        for (scope, got) in asked {
            let token = got.await.unwrap().unwrap();
            assert!(token.secret.expose().contains(scope), "{:?}", token.secret.expose());
        }
        assert_eq!(world.issuer.requests(), 2);
        assert_eq!(world.issuer.most_in_flight(), 1);
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_before_the_lease_is_released() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let (holder, waiter) = (world.process("a"), world.process("a"));
        // Given a holder that dies before it releases the lease.
        let kept = holder.clone();
        holder.before(
            Op::Release,
            Kind::Credential,
            0,
            Act::run(async move {
                tokio::time::sleep(seconds(10)).await;
                kept.kill();
            }),
        );
        drop(holder.ask(&world.request()));
        until("the holder is at it", || world.issuer.requests() == 1).await;
        let began = crate::world::moment();
        waiter.get(&world.request()).await.unwrap();
        assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn claims_and_force_have_flights_of_their_own() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.set_latency(seconds(1));
    let plain = process.ask(&world.request());
    until("the plain flight is at it", || world.issuer.requests() == 1).await;
    let (one, other) = (world.answering(r#"{"access_token":{"nbf":{"value":"1"}}}"#), world.answering("{}"));
    let asked = [process.ask(&one), process.ask(&one), process.ask(&other)];
    let plain = plain.await.unwrap().unwrap();
    assert_eq!(plain.claims, None);
    let mut claims = HashSet::new();
    for (request, got) in [&one, &one, &other].into_iter().zip(asked) {
        let token = got.await.unwrap().unwrap();
        assert_eq!(token.claims, request.claims.as_deref().map(token_core::Fingerprint::of));
        claims.insert(token.secret.expose().to_owned());
    }
    assert_eq!(claims.len(), 2);
    assert_eq!(world.issuer.requests(), 3);
    let asked = world.issuer.asked();
    assert_eq!(asked.iter().filter(|asked| asked.form.contains_key("claims")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_forced_caller_is_not_given_the_token_that_it_has_just_seen() {
    // Given a forced flight that has seen the first token and waits for another process's lease.
    let world = World::fleet().await;
    let process = world.process("a");
    let owner = token_core::Owner::random();
    let lease = match world.memory.try_lease(&world.credential_key(), &owner, seconds(10)).await.unwrap() {
        token_core::TryLease::Granted(lease) => lease,
        held => panic!("{held:?}"),
    };
    let (gate, open) = gate();
    let early = process.ask(&world.forced());
    until("it has tried the lease", || process.cache.calls(Op::Lease) > 0).await;
    process.before(Op::Load, Kind::AccessToken, 0, Act::run(async move { gate.notified().await }));
    tokio::time::sleep(millis(100)).await;

    // When a second token comes, and another caller forces who has already seen that one.
    world.store_token(&world.request(), &world.token("second", 3600)).await;
    let late = process.ask(&world.forced());
    tokio::time::sleep(millis(1)).await;
    open.notify_one();
    assert_eq!(early.await.unwrap().unwrap().secret.expose(), "second");
    world.memory.release(lease).await.unwrap();

    // Then it gets a third one.
    assert_ne!(late.await.unwrap().unwrap().secret.expose(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_thirty_seconds_and_five_with_a_usable_token() {
    let world = World::fleet().await;
    let process = world.process("a");
    let owner = token_core::Owner::random();
    let hold = async || {
        let lease = world.memory.try_lease(&world.credential_key(), &owner, seconds(1000)).await.unwrap();
        assert!(matches!(lease, token_core::TryLease::Granted(_)));
    };

    world.age(Freshness::Short).await;
    hold().await;
    let began = crate::world::moment();
    assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
    assert_eq!(began.elapsed().as_secs(), 5);

    world.age(Freshness::Dead).await;
    hold().await;
    let began = crate::world::moment();
    let process = world.process("a");
    assert!(matches!(process.get(&world.request()).await, Err(BrokerError::Busy { .. })));
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_token_serves_on_failure_unless_a_least_validity_was_named() {
    let world = World::fleet().await;
    world.age(Freshness::Short).await;
    let process = world.process("a");
    process.wire.set_cut(true);
    assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
    assert!(process.get(&world.lasting(600)).await.is_err());
    assert!(process.get(&world.forced()).await.is_err());
    assert!(process.get(&world.answering("{}")).await.is_err());
    // One second of life is all that this one asks for.
    assert_eq!(process.get(&world.lasting(1)).await.unwrap().secret.expose(), "first of rt-1");
    world.age(Freshness::Dead).await;
    assert!(process.get(&world.request()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_an_error_and_costs_no_request() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.cache.set_down(true);
    match process.get(&world.request()).await {
        Err(BrokerError::Cache(error)) => assert_eq!(error.kind(), CacheErrorKind::Unavailable),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_from_a_clock_that_ran_ahead_is_replaced_and_not_refreshed_for_ever() {
    // Given a token that was received, by a clock a year ahead, a year from now.
    let world = World::fleet().await;
    let mut ahead = world.token("ahead", 365 * 24 * 3600 + 3600);
    ahead.received_at += 365 * 24 * 3600;
    world.store_token(&world.request(), &ahead).await;

    // When two processes ask one after the other.
    let token = world.process("a").get(&world.request()).await.unwrap();
    let again = world.process("a").get(&world.request()).await.unwrap();

    // Then the first one's token serves the second.
    assert_eq!(token.secret.expose(), again.secret.expose());
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_held_is_tried_again_soon_after_its_release() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let owner = token_core::Owner::random();
    let granted = world.memory.try_lease(&world.credential_key(), &owner, SETTLE).await.unwrap();
    let token_core::TryLease::Granted(lease) = granted else { panic!("held") };
    let got = world.process("a").ask(&world.request());
    tokio::time::sleep(seconds(2)).await;
    world.memory.release(lease).await.unwrap();
    let began = crate::world::moment();
    got.await.unwrap().unwrap();
    assert!(began.elapsed() < millis(600), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiters_hear_of_a_refusal_without_the_lease() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    let processes = world.processes(20);
    world.issuer.script([Step::Refuse("invalid_grant", Some("basic_action"))]);
    let asked: Vec<_> = processes.iter().map(|process| process.ask(&world.request())).collect();
    for got in asked {
        assert!(matches!(got.await.unwrap(), Err(BrokerError::Refused { .. })));
    }
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_hear_that_a_sign_in_is_needed_without_the_lease() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let owner = token_core::Owner::random();
    let granted = world.memory.try_lease(&world.credential_key(), &owner, SETTLE).await.unwrap();
    assert!(matches!(granted, token_core::TryLease::Granted(_)));
    let asked: Vec<_> = world.processes(20).iter().map(|process| process.ask(&world.request())).collect();
    tokio::time::sleep(seconds(1)).await;
    let began = crate::world::moment();
    world.need_sign_in().await;
    for got in asked {
        assert!(matches!(got.await.unwrap(), Err(BrokerError::SignInNeeded { .. })));
    }
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_somebody_deleted_is_fetched_again() {
    let world = World::fleet().await;
    let key = world.request().key();
    let entry = world.memory.load(&key).await.unwrap().unwrap();
    assert_eq!(world.memory.swap(&key, Some(&entry.version), None).await.unwrap(), Swap::Done);
    world.process("a").get(&TokenRequest::new(&world.account)).await.unwrap();
    assert!(world.stored_token(&world.request()).await.is_some());
}

/// A gate, from both sides.
fn gate() -> (std::sync::Arc<tokio::sync::Notify>, std::sync::Arc<tokio::sync::Notify>) {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    (gate.clone(), gate)
}

async fn secrets(asked: Vec<tokio::task::JoinHandle<crate::world::Got>>) -> HashSet<String> {
    let mut secrets = HashSet::new();
    for got in asked {
        secrets.insert(got.await.unwrap().unwrap().secret.expose().to_owned());
    }
    secrets
}

#[tokio::test(start_paused = true)]
async fn two_processes_of_different_hosts_share_one_refresh() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    world.age(Freshness::Dead).await;
    let hosts: Vec<Process> = (0..10).map(|host| world.process(&format!("host {host}"))).collect();
    let asked: Vec<_> = hosts.iter().map(|process| process.ask(&world.request())).collect();
    assert_eq!(secrets(asked).await.len(), 1);
    assert_eq!(world.issuer.requests(), 1);
}

/// A server that is started again fails nobody who waits for another one's refresh.
#[tokio::test(start_paused = true)]
async fn who_waits_puts_up_with_a_store_that_is_away_as_long_as_the_answer_may_still_come() {
    for (away, back_in_time) in [(seconds(10), true), (SETTLE + seconds(2), false)] {
        for reads_only in [false, true] {
            let world = World::fleet().await;
            world.age(Freshness::Dead).await;
            let holder = world.process("a");
            let waiter = if reads_only { world.reader() } else { world.process("b") };
            world.issuer.set_latency(seconds(4));
            let refresh = holder.ask(&world.request());
            until("the first one is at it", || world.issuer.requests() == 1).await;
            let waiting = waiter.ask(&world.request());
            until("the other one waits", || waiter.cache.calls(Op::Load) > 3).await;
            waiter.cache.set_down(true);
            tokio::time::sleep(away).await;
            waiter.cache.set_down(false);
            let token = refresh.await.unwrap().unwrap();
            let case = format!("away for {away:?}, reads only: {reads_only}");
            match waiting.await.unwrap() {
                Ok(served) => {
                    assert!(back_in_time, "{case}");
                    assert_eq!(served.secret.expose(), token.secret.expose(), "{case}");
                }
                Err(BrokerError::Cache(error)) => {
                    assert!(!back_in_time && error.kind() == CacheErrorKind::Unavailable, "{case}: {error}");
                }
                Err(error) => panic!("{case}: {error:?}"),
            }
            assert_eq!(world.issuer.requests(), 1, "{case}");
        }
    }
}

/// Who has not begun to wait is told at once, and a store that says no is not waited for.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_from_the_start_or_refuses_is_an_error_at_once() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let began = crate::world::moment();
    let newcomer = world.process("a");
    newcomer.before(Op::Lease, Kind::Credential, 0, Act::Fail(CacheErrorKind::Unavailable));
    newcomer.get(&world.request()).await.unwrap_err();
    world.leave_note("another host", seconds(1)).await;
    let waiter = world.process("b");
    waiter.before(Op::Load, Kind::Credential, 1, Act::Fail(CacheErrorKind::Denied));
    let error = waiter.get(&world.request()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Cache(error) if error.kind() == CacheErrorKind::Denied),
        "{error:?}"
    );
    assert!(began.elapsed() < seconds(1));
    assert_eq!(world.issuer.requests(), 0);
}
