//! Steps 7, 9 and 10: an answer whose refresh token exists nowhere else.

use token_core::{
    BrokerError, CacheErrorKind, Credential, Fingerprint, Freshness, Grant, Kind, RefreshToken, Register,
    SETTLE, State, TokenCache, Version,
};

use crate::world::{Act, BOTH, Leases, Op, Process, Rotation, Step, World, millis, seconds, until};

/// A dead token, and a process whose answer's swap meets what `change` has put there meanwhile.
async fn meeting(world: &World, change: impl FnOnce(Credential) -> Option<Credential>) -> Process {
    world.age(Freshness::Dead).await;
    let key = world.credential_key();
    let next = change(world.credential().await).map(|credential| world.seal(&key, &credential));
    let memory = world.memory.clone();
    world.issuer.meanwhile(async move {
        let current = memory.load(&key).await.unwrap().map(|entry| entry.version);
        drop(memory.swap(&key, current.as_ref(), next.as_ref()).await.unwrap());
    });
    world.process("a")
}

fn with(state: impl FnOnce(Register) -> State) -> impl FnOnce(Credential) -> Option<Credential> {
    move |credential| {
        let register = credential.state.register().cloned().unwrap();
        Some(Credential { state: state(register), ..credential })
    }
}

fn successor(register: &Register, token: &str, later: i64) -> Register {
    Register {
        refresh_token: RefreshToken::new(token),
        parent: Some(register.refresh_token.fingerprint()),
        sent_at: if later < 0 { seconds(1) } else { seconds(4_000_000_000) },
        rotations: register.rotations + 1,
    }
}

#[tokio::test(start_paused = true)]
async fn our_parent_is_replaced_whatever_its_version_or_state() {
    type Change = fn(Register) -> State;
    let states: [Change; 4] = [
        |register| State::Idle(Grant::RefreshToken(register)),
        |register| State::Spending(Grant::RefreshToken(register), note()),
        |register| State::SignInNeeded {
            grant: Grant::RefreshToken(register),
            refusal: token_core::OAuthError::default(),
            interrupted: None,
        },
        |register| {
            let idle = State::Idle(Grant::RefreshToken(register));
            State::Moving(Box::new(idle), "elsewhere".to_owned())
        },
    ];
    for state in states {
        let world = World::fleet().await;
        let process = meeting(&world, with(state)).await;
        process.get(&world.request()).await.unwrap();
        assert!(matches!(world.state().await, State::Idle(_)));
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn ours_may_be_there_already() {
    // Given somebody who brings our rescue home before our own swap.
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let (process, other) = (world.process("a"), world.process("a"));
        process.before(
            Op::Swap,
            Kind::Credential,
            1,
            Act::run({
                let (clock, request) = (world.clock.clone(), world.request_for("api:read"));
                async move {
                    if leases == Leases::Time {
                        clock.advance(seconds(16));
                        other.get(&request).await.unwrap();
                    }
                }
            }),
        );
        process.get(&world.request()).await.unwrap();
        assert!(world.lives().await, "{leases:?}");
        assert!(matches!(world.state().await, State::Idle(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_siblings_the_one_sent_later_stays() {
    let world = World::new(Leases::Time, Rotation::Grace(seconds(60))).await;
    let process =
        meeting(&world, with(|register| State::Idle(Grant::RefreshToken(successor(&register, "later", 1)))))
            .await;
    process.get(&world.request()).await.unwrap();
    assert_eq!(world.refresh_token().await, "later");

    let world = World::new(Leases::Time, Rotation::Grace(seconds(60))).await;
    let process = meeting(
        &world,
        with(|register| State::Idle(Grant::RefreshToken(successor(&register, "earlier", -1)))),
    )
    .await;
    process.get(&world.request()).await.unwrap();
    assert_ne!(world.refresh_token().await, "earlier");
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn an_ended_sign_in_has_our_token_revoked_and_is_reported() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let process = meeting(&world, with(|_| State::Ended)).await;
        let error = process.get(&world.request()).await.unwrap_err();
        assert!(matches!(error, BrokerError::SignedOut { .. }), "{error:?}");
        assert_eq!(world.issuer.revoked().len(), 1);
        assert_ne!(world.issuer.revoked(), ["rt-1"], "the live one is revoked");
        assert!(matches!(world.state().await, State::Ended));
        let stored = world.stored_token(&world.request()).await.unwrap();
        assert_eq!(stored.secret.expose(), "first of rt-1", "nothing new was stored");
        assert!(world.rescue_files("a").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_replaced_sign_in_leads_to_the_new_one() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let world = std::sync::Arc::new(world);
        let there = world.clone();
        world.issuer.meanwhile(async move {
            there.sign_in_again().await;
        });
        let token = world.process("a").get(&world.request()).await.unwrap();
        assert!(token.secret.expose().starts_with("first of rt-"), "{:?}", token.secret.expose());
        assert_ne!(token.secret.expose(), "first of rt-1");
        assert!(matches!(world.state().await, State::Replaced));
        assert!(world.issuer.revoked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_the_store_forgot_is_made_again() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let process = meeting(&world, |_| None).await;
        process.get(&world.request()).await.unwrap();
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_was_broken_meanwhile_is_made_again() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let (memory, key) = (world.memory.clone(), world.credential_key());
    world.issuer.meanwhile(async move {
        let mut entry = memory.load(&key).await.unwrap().unwrap();
        let before = entry.version;
        entry.body.truncate(20);
        entry.version = Version::random();
        drop(memory.swap(&key, Some(&before), Some(&entry)).await.unwrap());
    });
    world.process("a").get(&world.request()).await.unwrap();
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn a_credential_whose_frame_was_broken_meanwhile_is_made_again() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    let cache = process.cache.clone();
    let key = world.credential_key();
    world.issuer.meanwhile(async move { cache.break_frame(&key) });
    process.get(&world.request()).await.unwrap();
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn anything_else_stays() {
    let world = World::fleet().await;
    let stranger = |register: &Register| Register {
        parent: Some(Fingerprint::of("x")),
        ..successor(register, "stranger", 1)
    };
    let process =
        meeting(&world, with(move |register| State::Idle(Grant::RefreshToken(stranger(&register))))).await;
    process.get(&world.request()).await.unwrap();
    assert_eq!(world.refresh_token().await, "stranger");
}

#[tokio::test(start_paused = true)]
async fn what_a_key_we_do_not_hold_sealed_is_never_overwritten_by_an_answer() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let (memory, key) = (world.memory.clone(), world.credential_key());
    let foreign = foreign_entry(&world, &world.credential().await);
    let kept = foreign.clone();
    world.issuer.meanwhile(async move {
        let before = memory.load(&key).await.unwrap().unwrap().version;
        drop(memory.swap(&key, Some(&before), Some(&kept)).await.unwrap());
    });
    world.process("a").get(&world.request()).await.unwrap();
    assert_eq!(world.memory.load(&world.credential_key()).await.unwrap().unwrap(), foreign);
    assert_eq!(world.rescued("a").len(), 1, "the rescue keeps it");
}

#[tokio::test(start_paused = true)]
async fn of_two_access_tokens_the_one_that_lives_longer_stays() {
    for (life, stays) in [(7200, true), (1000, false)] {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let (memory, key, process) = (world.memory.clone(), world.request().key(), world.process("a"));
        let request = world.request();
        let other = world.seal(
            &key,
            &serde_json::json!({
                "sign_in": request.sign_in, "account": request.account, "authority": request.authority,
                "token": world.token("another's", life),
            }),
        );
        process.before(
            Op::Swap,
            Kind::AccessToken,
            0,
            Act::run(async move {
                let before = memory.load(&key).await.unwrap().map(|entry| entry.version);
                drop(memory.swap(&key, before.as_ref(), Some(&other)).await.unwrap());
            }),
        );
        let token = process.get(&world.request()).await.unwrap();
        let stored = world.stored_token(&world.request()).await.unwrap();
        assert_eq!(stored.secret.expose() == "another's", stays);
        assert_ne!(token.secret.expose(), "another's", "the caller gets its own");
    }
}

#[tokio::test(start_paused = true)]
async fn who_forces_or_answers_claims_replaces_whatever_lives_longer() {
    let world = World::fleet().await;
    for request in [world.forced(), world.answering("{}")] {
        world.store_token(&world.request(), &world.token("long", 24 * 3600)).await;
        let token = world.process("a").get(&request).await.unwrap();
        let stored = world.stored_token(&world.request()).await.unwrap();
        assert_eq!(stored.secret.expose(), token.secret.expose());
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_every_swap_may_be_lost() {
    let swaps = [
        ("note", Kind::Credential, 0),
        ("answer", Kind::Credential, 1),
        ("access token", Kind::AccessToken, 0),
    ];
    for leases in BOTH {
        for (what, kind, skip) in swaps {
            let world = World::new(leases, Rotation::Strict).await;
            world.age(Freshness::Dead).await;
            let process = world.process("a");
            process.before(Op::Swap, kind, skip, Act::LoseAnswer);
            let token = process.get(&world.request()).await.unwrap();
            let stored = world.stored_token(&world.request()).await.unwrap();
            assert_eq!(stored.secret.expose(), token.secret.expose(), "{what}");
            assert_eq!(world.issuer.requests(), 1, "{what}");
            assert!(matches!(world.state().await, State::Idle(_)), "{what}");
            assert!(world.lives().await, "{what}");
        }
        // Put back.
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        world.issuer.script([Step::Throttle(429, Some(1))]);
        process.before(Op::Swap, Kind::Credential, 1, Act::LoseAnswer);
        assert!(process.get(&world.request()).await.is_err());
        assert!(matches!(world.state().await, State::Idle(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_that_was_written_without_anybody_knowing_is_respected_and_no_more() {
    // Given a store that takes the note, loses the answer, and cannot be asked afterwards.
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.before(Op::Swap, Kind::Credential, 0, Act::LoseAnswer);
    process.before(Op::Load, Kind::Credential, 1, Act::Fail(CacheErrorKind::Unavailable));
    assert!(matches!(process.get(&world.request()).await, Err(BrokerError::Cache(_))));
    assert_eq!(world.issuer.requests(), 0);
    assert!(matches!(world.state().await, State::Spending(..)));
    // Then the next one waits until it has settled.
    process.get(&world.request()).await.unwrap();
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_the_answer_late_is_waited_for() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let cache = process.cache.clone();
        world.issuer.meanwhile(async move {
            cache.set_down(true);
            tokio::spawn(async move {
                tokio::time::sleep(seconds(8)).await;
                cache.set_down(false);
            });
        });
        process.get(&world.request()).await.unwrap();
        assert!(world.lives().await);
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_takes_the_answer_costs_nobody_the_token_and_the_rescue_keeps_the_sign_in() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let cache = process.cache.clone();
        world.issuer.meanwhile(async move { cache.set_down(true) });
        let began = crate::world::moment();
        let token = process.get(&world.request()).await.unwrap();
        assert!(token.secret.expose().starts_with("at-"));
        assert!(
            began.elapsed() >= SETTLE - millis(200) && began.elapsed() < SETTLE + seconds(1),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(world.rescued("a").len(), 1);
        assert!(!world.lives().await, "the cache still holds what was spent");

        // When the store is back it comes home.
        process.cache.set_down(false);
        if leases == Leases::Kernel {
            process.kill();
        }
        world.settle();
        let process = world.process("a");
        let forced = process.get(&world.forced()).await.unwrap();
        assert_ne!(forced.secret.expose(), token.secret.expose());
        assert!(world.lives().await);
        if leases == Leases::Kernel {
            assert!(world.rescue_files("a").is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_rescue_the_caller_gets_its_token_all_the_same() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process_without_rescue();
    let cache = process.cache.clone();
    world.issuer.meanwhile(async move { cache.set_down(true) });
    assert!(process.get(&world.request()).await.is_ok());
    assert!(matches!(world.state().await, State::Spending(..)));
}

#[tokio::test(start_paused = true)]
async fn an_access_token_that_cannot_be_stored_serves_its_caller() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.before(Op::Swap, Kind::AccessToken, 0, Act::Fail(CacheErrorKind::Full));
    process.get(&world.request()).await.unwrap();
    assert!(world.lives().await);
    assert!(matches!(world.state().await, State::Idle(_)));
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_released_last_on_every_outcome() {
    let steps: [fn() -> Step; 6] = [
        || Step::Answer,
        || Step::HangBefore,
        || Step::Throttle(429, None),
        || Step::Refuse("invalid_grant", None),
        || Step::Status(500, ""),
        || Step::Refuse("invalid_scope", None),
    ];
    for step in steps {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let what = format!("{:?}", step());
        world.issuer.script([step(), step()]);
        let (cache, swaps) = (process.cache.clone(), std::sync::Arc::new(std::sync::Mutex::new(0)));
        let seen = swaps.clone();
        process.before(
            Op::Release,
            Kind::Credential,
            0,
            Act::run(async move {
                *seen.lock().unwrap() = cache.calls(Op::Swap);
            }),
        );
        drop(process.get(&world.request()).await);
        until("it is released", || process.cache.calls(Op::Release) == 1).await;
        assert_eq!(*swaps.lock().unwrap(), process.cache.calls(Op::Swap), "{what}");
        let owner = token_core::Owner::random();
        let lease = world.memory.try_lease(&world.credential_key(), &owner, seconds(1)).await.unwrap();
        assert!(matches!(lease, token_core::TryLease::Granted(_)), "{what}");
    }
}

fn note() -> token_core::Note {
    token_core::Note {
        flight: "another".into(),
        who: "ada".into(),
        host: "h".into(),
        host_name: "engine".into(),
        at: seconds(1_800_000_000),
        unsettled: None,
    }
}

fn foreign_entry(world: &World, credential: &Credential) -> token_core::Entry {
    let keys = token_core::KeyRing::parse(token_core::KeyRing::generate_line().expose()).unwrap();
    let (key, version) = (world.credential_key(), Version::random());
    let body = keys.seal(&key, &version, &serde_json::to_vec(credential).unwrap()).unwrap();
    token_core::Entry { version, body, discard_after: None }
}
