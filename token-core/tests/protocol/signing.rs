//! Sign-in and sign-out.

use std::sync::Arc;

use token_core::{
    Account, BrokerError, Freshness, GrantErrorKind, Kind, Profile, SignInId, SignedOut, State, TokenCache,
    TokenRequest, Version,
};

use crate::world::{Act, BOTH, Leases, Op, Rotation, Step, World, issuer_endpoints, seconds, until};

async fn profile(world: &World) -> Profile {
    world.process("a").broker.profile().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_stores_its_credential_its_token_and_its_account() {
    let world = World::fleet().await;
    assert_eq!(profile(&world).await.accounts, std::slice::from_ref(&world.account));
    assert!(matches!(world.state().await, State::Idle(_)));
    assert!(world.lives().await);
    let token = world.process("a").get(&world.request()).await.unwrap();
    assert_eq!(token.secret.expose(), "first of rt-1");
}

#[tokio::test(start_paused = true)]
async fn a_new_sign_in_replaces_the_old_one_and_its_tokens_and_revokes_nothing() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let process = world.process("a");
        process.get(&world.request_for("api:read")).await.unwrap();
        let new = world.sign_in_again().await;
        assert!(matches!(world.state().await, State::Replaced));
        assert!(world.stored(&world.request()).await.is_none());
        assert!(world.stored(&world.request_for("api:read")).await.is_none());
        assert!(world.stored(&TokenRequest::new(&new)).await.is_some());
        assert_eq!(profile(&world).await.accounts.len(), 1);
        assert_eq!(profile(&world).await.accounts[0].sign_in, new.sign_in);
        assert!(world.issuer.revoked().is_empty());
        let entry = world.memory.load(&world.credential_key()).await.unwrap().unwrap();
        assert!(entry.discard_after.is_some(), "it is forgotten after an hour");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_sign_ins_at_once_one_stays_and_the_other_is_replaced() {
    // Given two sign-ins of the same account that have both read the profile.
    let world = World::fleet().await;
    let accounts =
        [SignInId::random(), SignInId::random()].map(|sign_in| Account { sign_in, ..world.account.clone() });
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let mut done = Vec::new();
    for account in &accounts {
        let process = world.process("a");
        let sign_in = world.new_sign_in(account, issuer_endpoints());
        let barrier = barrier.clone();
        process.before(
            Op::Swap,
            Kind::Profile,
            0,
            Act::run(async move {
                barrier.wait().await;
            }),
        );
        done.push(tokio::spawn(async move { process.broker.sign_in(sign_in).await }));
    }
    for done in done {
        done.await.unwrap().unwrap();
    }
    // Then exactly one of them is in the profile, and the other one is not left behind.
    let profile = profile(&world).await;
    assert_eq!(profile.accounts.len(), 1);
    for account in accounts {
        let entry = world.memory.load(&account.sign_in.credential()).await.unwrap().unwrap();
        let body = world.keys.open(&account.sign_in.credential(), &entry.version, &entry.body).unwrap();
        let credential: token_core::Credential = serde_json::from_slice(&body).unwrap();
        if profile.accounts[0].sign_in == account.sign_in {
            assert!(matches!(credential.state, State::Idle(_)));
        } else {
            assert!(matches!(credential.state, State::Replaced), "{:?}", credential.state);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_ends_revokes_and_deletes() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let process = world.process("a");
        process.get(&world.request_for("api:read")).await.unwrap();
        let live = world.refresh_token().await;
        let outcome = process.broker.sign_out(&world.account).await.unwrap();
        assert!(matches!(outcome, SignedOut::Revoked));
        assert_eq!(world.issuer.revoked(), [live]);
        assert!(matches!(world.state().await, State::Ended));
        assert!(world.stored(&world.request()).await.is_none());
        assert!(world.stored(&world.request_for("api:read")).await.is_none());
        assert!(profile(&world).await.accounts.is_empty());
        assert!(matches!(process.get(&world.request()).await, Err(BrokerError::SignedOut { .. })));
        // Once more changes nothing.
        let outcome = process.broker.sign_out(&world.account).await.unwrap();
        assert!(matches!(outcome, SignedOut::NotRevoked));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_leaves_other_sign_ins_alone() {
    let world = World::fleet().await;
    let other =
        Account { name: "grace@issuer.test".into(), sign_in: SignInId::random(), ..world.account.clone() };
    let sign_in = world.new_sign_in(&other, issuer_endpoints());
    let process = world.process("a");
    process.broker.sign_in(sign_in).await.unwrap();
    process.broker.sign_out(&world.account).await.unwrap();
    assert_eq!(profile(&world).await.accounts, std::slice::from_ref(&other));
    let request = TokenRequest::new(&other);
    assert!(process.get(&request).await.is_ok());
    assert!(process.get(&TokenRequest { force_refresh: true, ..request }).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_says_when_nothing_was_revoked() {
    let world = World::microsoft().await;
    let outcome = world.process("a").broker.sign_out(&world.account).await.unwrap();
    assert!(matches!(outcome, SignedOut::NotRevoked));

    let world = World::fleet().await;
    let process = world.process("a");
    process.wire.set_cut(true);
    let outcome = process.broker.sign_out(&world.account).await.unwrap();
    assert!(
        matches!(outcome, SignedOut::Unreached(error) if matches!(error.kind, GrantErrorKind::Unreachable))
    );
    assert!(matches!(world.state().await, State::Ended), "it has taken place all the same");
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_waits_for_a_refresh_under_way_and_revokes_what_it_brought() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let (refreshing, leaving) = (world.process("a"), world.process("a"));
        world.issuer.set_latency(seconds(2));
        let asked = refreshing.ask(&world.forced());
        until("it is in flight", || world.issuer.requests() == 1).await;
        assert!(matches!(leaving.broker.sign_out(&world.account).await.unwrap(), SignedOut::Revoked));
        asked.await.unwrap().unwrap();
        assert_eq!(world.issuer.revoked().len(), 1);
        assert_ne!(world.issuer.revoked(), ["rt-1"]);
        assert!(matches!(world.state().await, State::Ended));
        assert!(world.stored(&world.request()).await.is_none(), "the token that it brought is deleted too");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_waits_five_seconds_at_most_and_the_refresh_learns_of_it() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let (refreshing, leaving) = (world.process("a"), world.process("a"));
        world.issuer.set_latency(seconds(7));
        let asked = refreshing.ask(&world.forced());
        until("it is in flight", || world.issuer.requests() == 1).await;
        let began = crate::world::moment();
        world.issuer.set_latency(seconds(0));
        leaving.broker.sign_out(&world.account).await.unwrap();
        assert!(began.elapsed() >= seconds(5) && began.elapsed() < seconds(6), "{:?}", began.elapsed());
        let error = asked.await.unwrap().unwrap_err();
        assert!(
            matches!(error, BrokerError::SignedOut { .. } | BrokerError::SignInNeeded { .. }),
            "{error:?}"
        );
        assert!(matches!(world.state().await, State::Ended));
        assert!(world.stored(&world.request()).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_brings_the_rescue_home_so_that_the_live_token_is_revoked() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let killed = world.process("a");
        killed.dies_before(Op::Swap, Kind::Credential, 1);
        let asked = killed.ask(&world.request());
        tokio::time::sleep(seconds(1)).await;
        asked.abort();
        assert!(!world.lives().await);
        world.clock.advance(seconds(20));
        world.process("a").broker.sign_out(&world.account).await.unwrap();
        let revoked = world.issuer.revoked();
        assert_eq!(revoked.len(), 1);
        assert_ne!(revoked, ["rt-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_meets_a_refresh_of_the_old_one() {
    let world = Arc::new(World::new(Leases::Time, Rotation::Strict).await);
    world.age(Freshness::Dead).await;
    world.issuer.set_latency(seconds(1));
    let asked = world.process("a").ask(&world.request());
    until("it is in flight", || world.issuer.requests() == 1).await;
    let new = world.sign_in_again().await;
    // It was waited for, so its caller has its token; the next one goes on with the new sign-in.
    asked.await.unwrap().unwrap();
    assert!(matches!(world.state().await, State::Replaced));
    let token = world.process("a").get(&world.request()).await.unwrap();
    let stored = world.stored_token(&TokenRequest::new(&new)).await.unwrap();
    assert_eq!(token.secret.expose(), stored.secret.expose());
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_mends_a_sign_in_that_was_needed() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.end("rt-1");
    let process = world.process("a");
    assert!(matches!(process.get(&world.request()).await, Err(BrokerError::SignInNeeded { .. })));
    world.sign_in_again().await;
    let token = process.get(&world.request()).await.unwrap();
    assert_eq!(token.secret.expose().split(' ').next(), Some("first"));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_profile_is_an_error_until_a_sign_in_replaces_it() {
    let world = World::fleet().await;
    let key = Profile::key();
    let mut entry = world.memory.load(&key).await.unwrap().unwrap();
    entry.body.truncate(40);
    entry.version = Version::random();
    world.write_entry(&key, &entry).await;
    let process = world.process("a");
    assert!(matches!(process.broker.profile().await, Err(BrokerError::Sealed { .. })));

    // A sign-out, or any other change, does not touch it.
    assert!(process.broker.update_profile(|profile| profile.default = None).await.is_err());
    assert_eq!(world.memory.load(&key).await.unwrap().unwrap(), entry);

    // A sign-in does.
    let new = world.sign_in_again().await;
    assert_eq!(profile(&world).await.accounts, [new]);
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_two_change_at_once_has_both_changes() {
    let world = World::fleet().await;
    let mut done = Vec::new();
    for name in ["grace", "edsger", "barbara"] {
        let process = world.process("a");
        let account = Account { name: name.into(), sign_in: SignInId::random(), ..world.account.clone() };
        done.push(tokio::spawn(async move {
            process.broker.update_profile(|profile| profile.put_account(account.clone())).await
        }));
    }
    for done in done {
        done.await.unwrap().unwrap();
    }
    assert_eq!(profile(&world).await.accounts.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_of_a_moving_or_refused_sign_in_takes_place() {
    for state in ["moving", "sign-in needed", "spending"] {
        let world = World::fleet().await;
        match state {
            "moving" => {
                world
                    .set_state(|grant| State::Moving(Box::new(State::Idle(grant)), "elsewhere".to_owned()))
                    .await
            }
            "spending" => drop(world.leave_note("another", seconds(1)).await),
            _ => {
                world
                    .set_state(|grant| State::SignInNeeded {
                        grant,
                        refusal: token_core::OAuthError::default(),
                        interrupted: None,
                    })
                    .await;
            }
        }
        world.process("a").broker.sign_out(&world.account).await.unwrap();
        assert!(matches!(world.state().await, State::Ended), "{state}");
        assert_eq!(world.issuer.revoked(), ["rt-1"], "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_out_under_a_living_refresh_does_not_take_its_rescue_away() {
    // Given a refresh that takes its time, on the cache of one host, with its rescue reserved.
    let world = World::one_host().await;
    let (refreshing, leaving) = (world.process("a"), world.process("a"));
    world.issuer.script([Step::HangBefore]);
    drop(refreshing.ask(&world.forced()));
    until("it is in flight", || world.issuer.requests() == 1).await;
    assert_eq!(world.rescue_files("a").len(), 1);
    // When a sign-out cannot swap, having waited for the lease in vain
    leaving.before(Op::Swap, Kind::Credential, 0, Act::Fail(token_core::CacheErrorKind::Unavailable));
    assert!(leaving.broker.sign_out(&world.account).await.is_err());
    // Then the refresh still has where to rescue its answer.
    assert_eq!(world.rescue_files("a").len(), 1);
}
