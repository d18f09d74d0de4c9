//! Step 8: a refusal, and whom it binds.

use token_core::{BrokerError, Freshness, Grant, RefreshToken, Register, State};

use crate::world::{BOTH, Rotation, Step, World, seconds};

#[tokio::test(start_paused = true)]
async fn another_refresh_token_that_is_there_by_now_is_tried_once() {
    for leases in BOTH {
        let world = std::sync::Arc::new(World::new(leases, Rotation::Strict).await);
        world.age(Freshness::Dead).await;
        // The token was rotated behind our back, and its successor is stored while we are being refused.
        let there = world.clone();
        world.issuer.script([Step::Refuse("invalid_grant", None)]);
        world.issuer.meanwhile(async move {
            let next = there.issuer.rotate("rt-1");
            there.set_state(|_| idle(&next)).await;
        });
        world.process("a").get(&world.request()).await.unwrap();
        let asked = world.issuer.asked();
        assert_eq!(asked.len(), 2);
        assert_ne!(asked[1].form["refresh_token"], "rt-1");
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_generic_invalid_grant_makes_sign_in_needed_and_says_why() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        world.issuer.end("rt-1");
        let error = world.process("a").get(&world.request()).await.unwrap_err();
        let BrokerError::SignInNeeded { refusal, interrupted: None, .. } = error else { panic!("{error:?}") };
        assert_eq!(refusal.error, "invalid_grant");
        assert!(matches!(world.state().await, State::SignInNeeded { .. }));
        assert_eq!(world.refresh_token().await, "rt-1", "the token is kept");
        // Nobody asks again, not even later.
        world.settle();
        assert!(world.process("b").get(&world.request()).await.is_err());
        assert!(world.process("b").get(&world.request_for("api:read")).await.is_err());
        assert_eq!(world.issuer.requests(), 1);
        assert!(world.rescue_files("a").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn microsofts_invalid_grant_concerns_one_token_only() {
    let world = World::microsoft().await;
    let process = world.process("a");
    world.issuer.script([Step::Refuse("invalid_grant", Some("basic_action"))]);
    let refused = world.request_for("api:read");
    assert!(matches!(process.get(&refused).await, Err(BrokerError::Refused { .. })));
    assert!(matches!(world.state().await, State::Idle(_)));
    process.get(&world.request_for("api:write")).await.unwrap();
    // That has brought another refresh token, which the refusal does not bind.
    process.get(&refused).await.unwrap();
    assert_eq!(world.issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn microsofts_bad_token_ends_the_credential() {
    let world = World::microsoft().await;
    let process = world.process("a");
    world.issuer.script([Step::Refuse("invalid_grant", Some("bad_token"))]);
    assert!(matches!(
        process.get(&world.request_for("api:read")).await,
        Err(BrokerError::SignInNeeded { .. })
    ));
    assert!(matches!(
        process.get(&world.request_for("api:write")).await,
        Err(BrokerError::SignInNeeded { .. })
    ));
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_for_sixty_seconds_for_a_thousand_waiters() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Refuse("interaction_required", None)]);
    let mut asked = Vec::new();
    for process in world.processes(20) {
        asked.extend((0..50).map(|_| process.ask(&world.request())));
    }
    for got in asked {
        let error = got.await.unwrap().unwrap_err();
        let BrokerError::Refused { refusal, .. } = error else { panic!("{error:?}") };
        assert_eq!(refusal.error, "interaction_required");
    }
    assert_eq!(world.issuer.requests(), 1);
    world.clock.advance(seconds(58));
    assert!(world.process("b").get(&world.request()).await.is_err());
    assert_eq!(world.issuer.requests(), 1);
    world.clock.advance(seconds(3));
    world.process("b").get(&world.request()).await.unwrap();
    assert_eq!(world.issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_binds_a_host_whose_clock_is_a_little_behind() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    world.clock.advance(seconds(10));
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    world.clock.turn_back(seconds(2));
    assert!(matches!(world.process("b").get(&world.request()).await, Err(BrokerError::Refused { .. })));
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_bind_another_refresh_token_nor_a_new_sign_in() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    assert!(process.get(&world.request()).await.is_err());
    let next = world.issuer.rotate("rt-1");
    world.set_state(|_| idle(&next)).await;
    process.get(&world.request()).await.unwrap();

    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    assert!(process.get(&world.request()).await.is_err());
    let new = world.sign_in_again().await;
    let request = token_core::TokenRequest { force_refresh: true, ..token_core::TokenRequest::new(&new) };
    process.get(&request).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_usable_token_is_still_served_while_a_refusal_holds() {
    let world = World::microsoft().await;
    world.age(Freshness::Short).await;
    let process = world.process("a");
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    for _ in 0..3 {
        assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
    }
    assert_eq!(world.issuer.requests(), 1);
    // It is still in its entry, with the refusal beside it.
    assert!(world.stored(&world.request()).await.unwrap().get("refusal").is_some());
    assert!(matches!(process.get(&world.lasting(3000)).await, Err(BrokerError::Refused { .. })));
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_an_interrupted_refresh_names_it_and_so_it_does_for_those_who_come_later() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    let note = world.leave_note("another", seconds(60)).await;
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    for _ in 0..2 {
        let error = world.process("a").get(&world.request()).await.unwrap_err();
        let BrokerError::Refused { interrupted: Some(named), .. } = error else { panic!("{error:?}") };
        assert_eq!(*named, note);
    }
    assert_eq!(world.issuer.requests(), 1);
    let State::Spending(_, back) = world.state().await else { panic!("the older note is lost") };
    assert_eq!(back, note);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_goes_when_a_token_comes() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.script([Step::Refuse("invalid_grant", None)]);
    assert!(process.get(&world.request()).await.is_err());
    world.clock.advance(seconds(61));
    process.get(&world.request()).await.unwrap();
    assert!(world.stored(&world.request()).await.unwrap().get("refusal").is_none());
}

fn idle(token: &str) -> State {
    State::Idle(Grant::RefreshToken(Register::first(RefreshToken::new(token), seconds(1_800_000_000))))
}
