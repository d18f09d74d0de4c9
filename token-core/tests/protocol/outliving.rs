//! Work that outlives its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use token_core::{BrokerError, Freshness, Kind, Owner, TokenCache, TryLease};

use crate::world::{Act, BOTH, Leases, Op, Rotation, World, millis, seconds, until};

#[tokio::test(start_paused = true)]
async fn a_refresh_goes_on_when_its_caller_is_gone() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let asked = process.ask(&world.request());
        until("it is in flight", || world.issuer.requests() == 1).await;
        asked.abort();
        assert!(process.broker.is_spending());
        process.broker.settled().await;
        assert!(!process.broker.is_spending());
        assert!(world.stored_token(&world.request()).await.unwrap().secret.expose().starts_with("at-"));
        assert!(world.lives().await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_has_released_its_lease() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    // Given a store that takes its time over a release.
    process.before(
        Op::Release,
        Kind::Credential,
        0,
        Act::run(async { tokio::time::sleep(millis(50)).await }),
    );
    let asked = process.ask(&world.request());
    until("it is in flight", || world.issuer.requests() == 1).await;
    // When the process has settled and ends
    process.broker.settled().await;
    process.kill();
    asked.abort();
    // Then the next one need not wait for the lease's end.
    let lease = world.memory.try_lease(&world.credential_key(), &Owner::random(), seconds(1)).await.unwrap();
    assert!(matches!(lease, TryLease::Granted(_)), "{lease:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_under_which_nothing_is_spent_yet_is_released_before_the_process_is_settled() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    let leased = Arc::new(AtomicBool::new(false));
    let reached = leased.clone();
    process.after(
        Op::Lease,
        Kind::Credential,
        0,
        Act::run(async move {
            reached.store(true, Ordering::Relaxed);
            tokio::time::sleep(millis(50)).await;
        }),
    );
    let asked = process.ask(&world.request());
    until("it has the lease", || leased.load(Ordering::Relaxed)).await;
    process.broker.settled().await;
    process.kill();
    asked.abort();
    let lease = world.memory.try_lease(&world.credential_key(), &Owner::random(), seconds(1)).await.unwrap();
    assert!(matches!(lease, TryLease::Granted(_)), "{lease:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_new_begins_once_a_process_is_settled() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.broker.settled().await;
    assert!(matches!(process.get(&world.request()).await, Err(BrokerError::Closing)));
    assert_eq!(world.issuer.requests(), 0);
    // Nobody is kept waiting by it, and what is good is still served.
    let began = crate::world::moment();
    world.process("a").get(&world.request()).await.unwrap();
    assert!(began.elapsed() < seconds(1));
    process.get(&world.request()).await.unwrap();
    world.age(Freshness::Due).await;
    process.get(&world.request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_the_answer_to_be_stored() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.set_latency(seconds(5));
    drop(process.ask(&world.request()));
    until("it is in flight", || world.issuer.requests() == 1).await;
    let began = crate::world::moment();
    process.broker.settled().await;
    assert!(began.elapsed() >= seconds(4));
    assert_ne!(world.refresh_token().await, "rt-1");
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_ends_frees_a_kernel_lock() {
    let world = World::one_host().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.script([crate::world::Step::HangBefore]);
    drop(process.ask(&world.request()));
    until("it is in flight", || world.issuer.requests() == 1).await;
    process.kill();
    let began = crate::world::moment();
    world.process("a").get(&world.request()).await.unwrap();
    assert!(began.elapsed() < seconds(1));
    assert!(world.lives().await);
}
