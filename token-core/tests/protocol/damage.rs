//! Entries that cannot be read, and credentials that do not rotate.

use token_core::{
    BrokerError, CacheErrorKind, Client, ClientAuthentication, Entry, Freshness, Grant, KeyRing, SealError,
    Secret, State, TokenCache, Version,
};

use crate::world::{BOTH, Op, Rotation, Step, World, seconds};

fn damaged(entry: Entry) -> Entry {
    let mut entry = entry;
    let last = entry.body.len() - 1;
    entry.body[last] ^= 1;
    Entry { version: Version::random(), ..entry }
}

#[tokio::test(start_paused = true)]
async fn an_access_token_that_fails_its_seal_counts_as_missing_and_is_replaced_on_its_version() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        let key = world.request().key();
        let entry = damaged(world.memory.load(&key).await.unwrap().unwrap());
        world.write_entry(&key, &entry).await;
        let token = world.process("a").get(&world.request()).await.unwrap();
        assert_eq!(
            world.stored_token(&world.request()).await.unwrap().secret.expose(),
            token.secret.expose()
        );
        assert_eq!(world.issuer.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_access_token_whose_frame_is_broken_is_set_aside() {
    let world = World::fleet().await;
    let process = world.process("a");
    process.cache.break_frame(&world.request().key());
    let token = process.get(&world.request()).await.unwrap();
    assert_eq!(world.stored_token(&world.request()).await.unwrap().secret.expose(), token.secret.expose());
}

#[tokio::test(start_paused = true)]
async fn a_damaged_credential_is_an_error_and_stays() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let key = world.credential_key();
        let entry = damaged(world.memory.load(&key).await.unwrap().unwrap());
        world.write_entry(&key, &entry).await;
        let error = world.process("a").get(&world.request()).await.unwrap_err();
        assert!(matches!(&error, BrokerError::Sealed { source: SealError::Damaged, .. }), "{error:?}");
        assert_eq!(world.memory.load(&key).await.unwrap().unwrap(), entry);
        assert_eq!(world.issuer.requests(), 0);
    }
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    process.cache.break_frame(&world.credential_key());
    let error = process.get(&world.request()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Cache(error) if error.kind() == CacheErrorKind::Corrupt),
        "{error:?}"
    );
    assert_eq!((world.issuer.requests(), process.cache.calls(Op::Swap)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sealed_under_a_key_we_do_not_hold_is_never_overwritten() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let foreign = KeyRing::parse(KeyRing::generate_line().expose()).unwrap();
    let (key_id, credential) = (foreign.key_id().unwrap(), world.credential_key());
    for key in [world.request().key(), credential] {
        let world = World::fleet().await;
        let key = if key.kind() == token_core::Kind::Credential {
            world.credential_key()
        } else {
            world.request().key()
        };
        world.age(Freshness::Dead).await;
        let version = Version::random();
        let entry =
            Entry { version, body: foreign.seal(&key, &version, b"{}").unwrap(), discard_after: None };
        world.write_entry(&key, &entry).await;
        let process = world.process("a");
        for request in [world.request(), world.forced()] {
            let error = process.get(&request).await.unwrap_err();
            let BrokerError::Sealed { source: SealError::MissingKey { key_id: named }, .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!(named, key_id);
        }
        assert!(
            process.broker.sign_out(&world.account).await.is_err()
                || key.kind() != token_core::Kind::Credential
        );
        assert_eq!(world.memory.load(&key).await.unwrap().unwrap(), entry);
        assert_eq!(world.issuer.requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_metadata_keeps_nobody_from_a_token() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Throttle(429, Some(60))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    let [listed] = world.memory.list(token_core::Kind::Metadata).await.unwrap().try_into().unwrap();
    let entry = damaged(world.memory.load(&listed.key).await.unwrap().unwrap());
    world.write_entry(&listed.key, &entry).await;
    world.process("a").get(&world.request()).await.unwrap();
}

/// A client that asks in its own name.
async fn client(leases: crate::world::Leases) -> World {
    let world = World::new(leases, Rotation::Strict).await;
    let credential = token_core::Credential {
        client: Client {
            id: "deploy".into(),
            authentication: ClientAuthentication::Post(Secret::new("hunter2")),
        },
        state: State::Idle(Grant::ClientCredentials),
        ..world.credential().await
    };
    world.write(&world.credential_key(), &credential).await;
    world.age(Freshness::Dead).await;
    world
}

#[tokio::test(start_paused = true)]
async fn client_credentials_take_the_same_steps_without_note_and_rescue() {
    for leases in BOTH {
        let world = client(leases).await;
        let before = world.memory.load(&world.credential_key()).await.unwrap();
        let mut asked = Vec::new();
        for process in world.processes(20) {
            asked.push(process.ask(&world.request()));
        }
        for got in asked {
            got.await.unwrap().unwrap();
        }
        assert_eq!(world.issuer.requests(), 1);
        assert_eq!(world.issuer.asked()[0].form["grant_type"], "client_credentials");
        assert_eq!(world.memory.load(&world.credential_key()).await.unwrap(), before, "no note was left");
        assert!(world.rescue_files("a").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_secret_is_remembered_and_another_secret_is_not_bound_by_that() {
    let world = client(crate::world::Leases::Time).await;
    world.issuer.script([Step::Refuse("invalid_client", None)]);
    for _ in 0..2 {
        assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::Refused { .. })));
    }
    assert_eq!(world.issuer.requests(), 1);
    let credential = world.credential().await;
    let client = Client {
        authentication: ClientAuthentication::Post(Secret::new("hunter3")),
        ..credential.client.clone()
    };
    world.write(&world.credential_key(), &token_core::Credential { client, ..credential }).await;
    world.process("a").get(&world.request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_request_timed_out_may_ask_again_when_its_host_may() {
    let world = client(crate::world::Leases::Time).await;
    world.issuer.script([Step::HangBefore]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    assert!(matches!(world.process("a").get(&world.request()).await, Err(BrokerError::LeftAlone { .. })));
    world.clock.advance(seconds(31));
    world.process("a").get(&world.request()).await.unwrap();
}
