//! Whom to leave alone, and until when.

use token_core::{BrokerError, Freshness, TokenRequest};

use crate::world::{Leases, Rotation, Step, World, seconds};

/// How long the error says to wait.
async fn wait(world: &World, host: &str, request: &TokenRequest) -> (i64, bool) {
    match world.process(host).get(request).await.unwrap_err() {
        BrokerError::LeftAlone { seconds, throttled, .. } => (seconds, throttled),
        error => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_asks_to_wait_is_left_alone_by_every_host_for_that_long() {
    for (step, asked) in [
        (Step::Throttle(429, None), 10),
        (Step::Throttle(429, Some(120)), 120),
        (Step::Throttle(503, Some(45)), 45),
        (Step::Throttle(429, Some(24 * 3600)), 3600),
        (Step::Refuse("temporarily_unavailable", None), 10),
    ] {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let what = format!("{step:?}");
        world.issuer.script([step]);
        assert!(world.process("a").get(&world.request()).await.is_err());
        for host in ["a", "b"] {
            let (seconds, throttled) = wait(&world, host, &world.request()).await;
            assert!((asked - 1..=asked).contains(&seconds) && throttled, "{what}: {seconds}");
        }
        assert_eq!(world.issuer.requests(), 1, "{what}");
        world.clock.advance(seconds(u64::try_from(asked).unwrap() - 2));
        assert!(world.process("b").get(&world.request()).await.is_err(), "{what}");
        world.clock.advance(seconds(2));
        world.process("b").get(&world.request()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_names_the_time_and_the_issuer() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Throttle(429, Some(90))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    let text = world.process("a").get(&world.request()).await.unwrap_err().to_string();
    assert!(text.contains("issuer.test") && (text.contains("90") || text.contains("89")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn microsoft_throttles_by_tenant() {
    let world = World::microsoft().await;
    let in_tenant =
        |tenant: &str| TokenRequest { tenant: Some(tenant.into()), ..world.request_for("api:read") };
    world.issuer.script([Step::Throttle(429, Some(60))]);
    let process = world.process("a");
    assert!(process.get(&in_tenant("one")).await.is_err());
    assert!(matches!(process.get(&in_tenant("one")).await, Err(BrokerError::LeftAlone { .. })));
    process.get(&in_tenant("other")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_home_tenant_is_one_tenant_whether_it_is_named_or_not() {
    let world = World::microsoft().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Throttle(429, Some(60))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    let named = TokenRequest { tenant: Some("home".into()), ..world.request() };
    let (_, throttled) = wait(&world, "a", &named).await;
    assert!(throttled);
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_out_of_reach_is_left_alone_by_this_host_only() {
    let world = World::new(Leases::Time, Rotation::Strict).await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.wire.set_cut(true);
    let error = process.get(&world.request()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Grant { .. }), "{error:?}");
    let (seconds, throttled) = wait(&world, "a", &world.request()).await;
    assert!((29..=30).contains(&seconds) && !throttled);
    world.process("b").get(&world.request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_thirty_seconds_it_is_tried_again() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.wire.set_cut(true);
    assert!(process.get(&world.request()).await.is_err());
    process.wire.set_cut(false);
    world.clock.advance(seconds(28));
    assert!(process.get(&world.request()).await.is_err());
    world.clock.advance(seconds(3));
    process.get(&world.request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_usable_is_served_meanwhile() {
    for wanted in [Freshness::Due, Freshness::Short] {
        let world = World::fleet().await;
        world.age(wanted).await;
        world.issuer.script([Step::Throttle(429, Some(600))]);
        for _ in 0..5 {
            let began = crate::world::moment();
            let token = world.process("a").get(&world.request()).await.unwrap();
            assert_eq!(token.secret.expose(), "first of rt-1");
            assert!(began.elapsed() < seconds(1));
        }
        assert_eq!(world.issuer.requests(), 1);
        assert!(matches!(world.process("a").get(&world.forced()).await, Err(BrokerError::LeftAlone { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_turned_back_keeps_nobody_out_for_longer_than_was_ever_meant() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.wire.set_cut(true);
    assert!(process.get(&world.request()).await.is_err());
    process.wire.set_cut(false);
    // Half an hour: no host is left out for that long because it could not reach the issuer.
    world.clock.turn_back(seconds(1800));
    world.store_token(&world.request(), &world.token("dead", 0)).await;
    process.get(&world.request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_binds_a_host_whose_clock_is_a_little_behind() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.clock.advance(seconds(10));
    world.issuer.script([Step::Throttle(429, Some(3600))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    world.clock.turn_back(seconds(2));
    assert!(matches!(world.process("b").get(&world.request()).await, Err(BrokerError::LeftAlone { .. })));
    assert_eq!(world.issuer.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_never_meant_does_not_hide_one_that_was() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Throttle(429, Some(3600))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    // The clock is turned back, so that the throttling is from the future; then the issuer is out of reach.
    world.clock.turn_back(seconds(7200));
    world.store_token(&world.request(), &world.token("dead", 0)).await;
    let process = world.process("a");
    process.wire.set_cut(true);
    assert!(matches!(process.get(&world.request()).await, Err(BrokerError::Grant { .. })));
    let (seconds, throttled) = wait(&world, "a", &world.request()).await;
    assert!((29..=30).contains(&seconds) && !throttled);
}
