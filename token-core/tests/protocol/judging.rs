//! Step 4: what is judged under the lease, after everything has been loaded again.

use std::sync::Arc;

use token_core::{BrokerError, Fingerprint, Freshness, Kind, OTHER_HOST, Profile, SETTLE, State, TokenCache};
use tokio::sync::Barrier;

use crate::world::{Act, BOTH, Leases, Op, Rotation, Step, World, millis, seconds, until};

#[tokio::test(start_paused = true)]
async fn fifty_who_force_and_have_all_seen_the_same_token_make_one_refresh() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let barrier = Arc::new(Barrier::new(50));
        let mut asked = Vec::new();
        for process in world.processes(50) {
            let barrier = barrier.clone();
            process.after(
                Op::Load,
                Kind::AccessToken,
                0,
                Act::run(async move {
                    barrier.wait().await;
                }),
            );
            asked.push(process.ask(&world.forced()));
        }
        for got in asked {
            assert_ne!(got.await.unwrap().unwrap().secret.expose(), "first of rt-1");
        }
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_who_ask_for_more_than_the_issuer_gives_make_one_refresh() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let barrier = Arc::new(Barrier::new(50));
        let mut asked = Vec::new();
        for process in world.processes(50) {
            let barrier = barrier.clone();
            process.after(
                Op::Load,
                Kind::AccessToken,
                0,
                Act::run(async move {
                    barrier.wait().await;
                }),
            );
            asked.push(process.ask(&world.lasting(24 * 3600)));
        }
        for got in asked {
            assert_ne!(got.await.unwrap().unwrap().secret.expose(), "first of rt-1");
        }
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn claims_are_answered_only_by_a_token_that_was_stored_for_the_same_claims() {
    let world = World::fleet().await;
    // A new token that was not asked for with these claims.
    let (process, store) = (world.process("a"), world.memory.clone());
    let (request, token) = (world.request(), world.token("without claims", 3600));
    let stored = world.seal(&request.key(), &serde_json::json!({
        "sign_in": request.sign_in, "account": request.account, "authority": request.authority, "token": token,
    }));
    process.before(
        Op::Lease,
        Kind::Credential,
        0,
        Act::run(async move {
            let current = store.load(&request.key()).await.unwrap().unwrap();
            drop(store.swap(&request.key(), Some(&current.version), Some(&stored)).await.unwrap());
        }),
    );
    let challenge = r#"{"access_token":{"nbf":{"essential":true}}}"#;
    let token = process.get(&world.answering(challenge)).await.unwrap();
    assert_eq!(token.claims, Some(Fingerprint::of(challenge)));
    assert_eq!(world.issuer.requests(), 1);
    // It is stored in the place of the other one, and serves those who have no claims to answer.
    assert_eq!(
        world.process("b").get(&world.request()).await.unwrap().secret.expose(),
        token.secret.expose()
    );
}

#[tokio::test(start_paused = true)]
async fn fifty_with_the_same_claims_make_one_refresh() {
    let world = World::fleet().await;
    let barrier = Arc::new(Barrier::new(50));
    let mut asked = Vec::new();
    for process in world.processes(50) {
        let barrier = barrier.clone();
        process.after(
            Op::Load,
            Kind::AccessToken,
            0,
            Act::run(async move {
                barrier.wait().await;
            }),
        );
        asked.push(process.ask(&world.answering("{}")));
    }
    for got in asked {
        assert_eq!(got.await.unwrap().unwrap().claims, Some(Fingerprint::of("{}")));
    }
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_came_with_a_dead_token_takes_a_good_one_due_or_not() {
    for wanted in [Freshness::Fresh, Freshness::Due] {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        // While the process gets the lease, another one's token comes, which is of that age by now.
        let mut other = world.token("another's", 3600);
        if wanted == Freshness::Due {
            other.received_at -= 3250;
            other.expires_on = token_core::Expiry::from_posix(other.received_at + 3600);
        }
        let request = world.request();
        assert_eq!(
            token_core::freshness(
                &other,
                &request.key(),
                other.expires_on.posix() - if wanted == Freshness::Due { 350 } else { 3600 },
                None
            ),
            wanted
        );
        let stored = world.seal(&request.key(), &serde_json::json!({
            "sign_in": request.sign_in, "account": request.account, "authority": request.authority, "token": other,
        }));
        let store = world.memory.clone();
        process.after(
            Op::Lease,
            Kind::Credential,
            0,
            Act::run(async move {
                let current = store.load(&request.key()).await.unwrap();
                let version = current.map(|entry| entry.version);
                drop(store.swap(&request.key(), version.as_ref(), Some(&stored)).await.unwrap());
            }),
        );
        assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "another's");
        assert_eq!(world.issuer.requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_and_refused_and_sign_in_needed_are_said_at_once() {
    // Throttled.
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Throttle(429, Some(60))]);
    let process = world.process("a");
    assert!(process.get(&world.request()).await.is_err());
    let began = crate::world::moment();
    let error = world.process("b").get(&world.request()).await.unwrap_err();
    assert!(matches!(error, BrokerError::LeftAlone { throttled: true, seconds: 59..=60, .. }), "{error:?}");
    assert_eq!((world.issuer.requests(), began.elapsed()), (1, seconds(0)));

    // Refused a moment ago.
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::Refused { .. })));
    assert!(matches!(world.process("b").get(&world.request()).await, Err(BrokerError::Refused { .. })));
    assert_eq!(world.issuer.requests(), 1);

    // Sign-in needed.
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.need_sign_in().await;
    let error = world.process("a").get(&world.request()).await.unwrap_err();
    assert!(matches!(error, BrokerError::SignInNeeded { .. }) && error.needs_sign_in(), "{error:?}");
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_is_moving_is_left_alone() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.set_state(|grant| State::Moving(Box::new(State::Idle(grant)), "elsewhere".to_owned())).await;
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::Moving { .. })));
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_ended_replaced_or_missing_sign_in_leads_to_the_new_one_once() {
    for end in ["ended", "replaced", "missing"] {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let new = world.sign_in_again().await;
        match end {
            "ended" => {
                world
                    .write(
                        &world.credential_key(),
                        &token_core::Credential { state: State::Ended, ..world.credential().await },
                    )
                    .await
            }
            "missing" => world.delete(&world.credential_key()).await,
            _ => assert!(matches!(world.state().await, State::Replaced)),
        }
        let token = world.process("a").get(&world.request()).await.unwrap();
        assert_eq!(token.secret.expose(), "first of rt-2", "{end}: the new sign-in's token is good");
        let forced = world.process("a").get(&world.forced()).await.unwrap();
        assert_eq!(forced.secret.expose(), "first of rt-2", "{end}: it has not seen that one");

        // The new sign-in is gone as well: nobody goes further than that.
        let key = new.sign_in.credential();
        world.delete(&key).await;
        world.delete(&token_core::TokenRequest::new(&new).key()).await;
        let error = world.process("a").get(&world.request()).await.unwrap_err();
        assert!(
            matches!(error, BrokerError::NotSignedIn { .. } | BrokerError::SignedOut { .. }),
            "{error:?}"
        );
        assert_eq!(world.issuer.requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_nobody_followed_is_reported_signed_out() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world
        .write(
            &world.credential_key(),
            &token_core::Credential { state: State::Ended, ..world.credential().await },
        )
        .await;
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::SignedOut { .. })));
    world.delete(&world.credential_key()).await;
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::NotSignedIn { .. })));
    world.delete(&Profile::key()).await;
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::NotSignedIn { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_young_note_of_the_same_host_is_respected_until_the_settle_time() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    let host = token_core::Rescue::new(world.rescue_dir("a"), false).host().unwrap();
    world.leave_note(&host, seconds(1)).await;
    let began = crate::world::moment();
    process.get(&world.request()).await.unwrap();
    let waited = world.issuer.asked()[0].at;
    assert!(began.elapsed() >= SETTLE - seconds(1), "{:?}", began.elapsed());
    assert!(began.elapsed() < SETTLE - seconds(1) + seconds(1), "{:?} {waited:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn another_hosts_note_is_respected_three_seconds_more() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.leave_note("another", seconds(1)).await;
    let began = crate::world::moment();
    world.process("a").get(&world.request()).await.unwrap();
    let least = SETTLE + OTHER_HOST - seconds(1);
    assert!(began.elapsed() >= least && began.elapsed() < least + seconds(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn under_a_kernel_lock_a_notes_writer_is_dead_and_nobody_waits() {
    let world = World::one_host().await;
    world.age(Freshness::Dead).await;
    world.leave_note("another", seconds(1)).await;
    let began = crate::world::moment();
    world.process("a").get(&world.request()).await.unwrap();
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_note_releases_the_lease_and_goes_on_when_the_note_is_gone() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.leave_note("another", seconds(1)).await;
    let process = world.process("a");
    let got = process.ask(&world.request());
    until("it has released the lease", || process.cache.calls(Op::Release) == 1).await;
    let owner = token_core::Owner::random();
    let lease = world.memory.try_lease(&world.credential_key(), &owner, millis(1)).await.unwrap();
    assert!(matches!(lease, token_core::TryLease::Granted(_)));
    world.set_state(State::Idle).await;
    let began = crate::world::moment();
    got.await.unwrap().unwrap();
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_note_from_far_in_the_future_binds_nobody() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.leave_note("another", seconds(0)).await;
    world.clock.turn_back(seconds(3600));
    let began = crate::world::moment();
    world.store_token(&world.request(), &world.token("dead", 0)).await;
    world.process("a").get(&world.request()).await.unwrap();
    assert!(began.elapsed() < seconds(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_note_that_is_a_blink_ahead_of_our_reading_of_the_stores_clock_is_respected() {
    // Given a note whose writer read the store's clock a little later than we did.
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.clock.advance(seconds(1));
    world.leave_note("another", seconds(0)).await;
    world.clock.turn_back(millis(50));
    // When somebody gets the lease
    let began = crate::world::moment();
    world.process("a").get(&world.request()).await.unwrap();
    // Then it waits like for any young note.
    assert!(began.elapsed() >= SETTLE, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn another_flight_may_bring_the_token_while_its_note_is_waited_for() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.leave_note("another", seconds(1)).await;
    let got = world.process("a").ask(&world.request());
    tokio::time::sleep(seconds(2)).await;
    world.store_token(&world.request(), &world.token("another's", 3600)).await;
    let began = crate::world::moment();
    assert_eq!(got.await.unwrap().unwrap().secret.expose(), "another's");
    assert!(began.elapsed() <= millis(201));
    assert_eq!(world.issuer.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_was_stopped_after_its_lease_dates_its_note_right() {
    // Given a process that is stopped for ten seconds when it has been granted the lease.
    let world = World::new(Leases::Time, Rotation::Strict).await;
    world.age(Freshness::Dead).await;
    let (stopped, other) = (world.process("a"), world.process("a"));
    let clock = world.clock.clone();
    stopped.after(Op::Lease, Kind::Credential, 0, Act::run(async move { clock.advance(seconds(10)) }));
    world.issuer.script([Step::HangBefore]);
    let lost = stopped.ask(&world.request());
    until("it is at it", || world.issuer.requests() == 1).await;
    // When its lease is over, and its exchange is not.
    world.clock.advance(seconds(6));
    let got = other.ask(&world.request());
    drop(lost.await);
    drop(got.await);
    // Then nobody else had begun before its end.
    assert_eq!(world.issuer.most_in_flight(), 1);
}
