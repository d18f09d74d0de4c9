//! Readers, who hold the access key only.

use token_core::{BrokerError, Fingerprint, Freshness};

use crate::world::{Op, World, millis, seconds};

#[tokio::test(start_paused = true)]
async fn a_reader_is_served_what_is_good_and_never_leases_nor_writes() {
    for wanted in [Freshness::Fresh, Freshness::Due] {
        let world = World::fleet().await;
        world.age(wanted).await;
        let reader = world.reader();
        let began = crate::world::moment();
        assert_eq!(reader.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
        assert_eq!(began.elapsed(), seconds(0));
        for op in [Op::Lease, Op::Swap, Op::Release, Op::List] {
            assert_eq!(reader.cache.calls(op), 0);
        }
        assert_eq!(world.issuer.requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_refresher_to_the_deadline() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let reader = world.reader();
    let began = crate::world::moment();
    let error = reader.get(&world.request()).await.unwrap_err();
    assert!(matches!(error, BrokerError::NoRefresher { .. }), "{error:?}");
    assert!(error.to_string().contains("no refresher is running"));
    assert!(began.elapsed() >= seconds(30) && began.elapsed() < seconds(31));
    assert_eq!(reader.cache.calls(Op::Lease), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_what_a_refresher_brings() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let asked = world.reader().ask(&world.request());
    tokio::time::sleep(seconds(3)).await;
    let token = world.process("a").get(&world.request()).await.unwrap();
    let began = crate::world::moment();
    assert_eq!(asked.await.unwrap().unwrap().secret.expose(), token.secret.expose());
    // At its next look, of which the rarest are so far apart.
    assert!(began.elapsed() <= millis(201));
}

#[tokio::test(start_paused = true)]
async fn a_short_token_serves_a_reader_when_nobody_refreshes() {
    let world = World::fleet().await;
    world.age(Freshness::Short).await;
    let reader = world.reader();
    let began = crate::world::moment();
    assert_eq!(reader.get(&world.request()).await.unwrap().secret.expose(), "first of rt-1");
    assert_eq!(began.elapsed().as_secs(), 5);
    assert!(matches!(reader.get(&world.lasting(600)).await, Err(BrokerError::NoRefresher { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_reader_with_claims_waits_for_a_token_that_answers_them() {
    let world = World::fleet().await;
    let asked = world.reader().ask(&world.answering("{}"));
    tokio::time::sleep(seconds(1)).await;
    let token = world.process("a").get(&world.answering("{}")).await.unwrap();
    let got = asked.await.unwrap().unwrap();
    assert_eq!(got.claims, Some(Fingerprint::of("{}")));
    assert_eq!(got.secret.expose(), token.secret.expose());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_forces_waits_for_another_token_than_the_one_it_has_seen() {
    let world = World::fleet().await;
    let reader = world.reader();
    assert!(matches!(reader.get(&world.forced()).await, Err(BrokerError::NoRefresher { .. })));
    let asked = reader.ask(&world.forced());
    tokio::time::sleep(seconds(1)).await;
    let token = world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().secret.expose(), token.secret.expose());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_asks_for_more_than_the_issuer_gives_takes_what_is_new() {
    let world = World::fleet().await;
    let asked = world.reader().ask(&world.lasting(24 * 3600));
    tokio::time::sleep(seconds(1)).await;
    let token = world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().secret.expose(), token.secret.expose());
}
