//! Steps 5 and 6: the note, and what becomes of the request.

use token_core::{
    BEGIN_SENDING, BrokerError, CacheErrorKind, EXCHANGE, Freshness, GrantErrorKind, Kind, Note, State,
};

use crate::world::{Act, BOTH, Leases, Op, Rotation, Step, World, millis, seconds, until};

#[tokio::test(start_paused = true)]
async fn the_note_is_there_while_the_request_is_in_flight_and_gone_afterwards() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let process = world.process("a");
    world.issuer.script([Step::Answer]);
    let got = process.ask(&world.request());
    until("it is in flight", || world.issuer.requests() == 1).await;
    let State::Spending(_, note) = world.state().await else { panic!("no note") };
    assert!(note.who.starts_with("process "), "{note:?}");
    assert_eq!(note.host, token_core::Rescue::new(world.rescue_dir("a"), false).host().unwrap());
    assert!(!note.host_name.is_empty());
    assert_eq!(note.unsettled, None);
    got.await.unwrap().unwrap();
    let State::Idle(_) = world.state().await else { panic!("not idle") };
    let register = world.register().await;
    assert_eq!(register.parent, Some(token_core::Fingerprint::of("rt-1")));
    assert_eq!(register.sent_at, note.at);
    let last = world.credential().await.last_refresh.unwrap();
    assert!(last.by.starts_with(&note.who), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_the_note_is_judged_again() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let (memory, key) = (world.memory.clone(), world.request().key());
        let token = world.token("another's", 3600);
        let request = world.request();
        let stored = world.seal(&key, &serde_json::json!({
            "sign_in": request.sign_in, "account": request.account, "authority": request.authority, "token": token,
        }));
        let (credential, same) = (world.credential_key(), world.credential().await);
        let written = world.seal(&credential, &same);
        process.before(
            Op::Swap,
            Kind::Credential,
            0,
            Act::run(async move {
                use token_core::TokenCache;
                for (key, entry) in [(credential, written), (key, stored)] {
                    let current = memory.load(&key).await.unwrap().map(|entry| entry.version);
                    drop(memory.swap(&key, current.as_ref(), Some(&entry)).await.unwrap());
                }
            }),
        );
        assert_eq!(process.get(&world.request()).await.unwrap().secret.expose(), "another's");
        assert_eq!(world.issuer.requests(), 0);
        assert!(world.rescue_files("a").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_take_the_note_gets_nothing_sent() {
    for kind in [CacheErrorKind::Unavailable, CacheErrorKind::Full, CacheErrorKind::Denied] {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        process.before(Op::Swap, Kind::Credential, 0, Act::Fail(kind));
        assert!(matches!(process.get(&world.request()).await, Err(BrokerError::Cache(_))));
        assert_eq!(world.issuer.requests(), 0);
        assert!(world.rescue_files("a").is_empty());
        // The lease is free again.
        process.get(&world.request()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_older_than_two_seconds_is_put_back_and_begun_anew() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        let process = world.process("a");
        let clock = world.clock.clone();
        // Stopped between the note and the request.
        process.after(
            Op::Swap,
            Kind::Credential,
            0,
            Act::run(async move {
                clock.advance(BEGIN_SENDING + millis(1));
            }),
        );
        let before = world.credential().await;
        process.get(&world.request()).await.unwrap();
        assert_eq!(world.issuer.requests(), 1);
        // Note, put back, note, answer; and the lease was given back in between.
        assert_eq!(process.cache.calls(Op::Lease), 2);
        assert_eq!(process.cache.calls(Op::Swap), 5);
        assert_eq!(
            world.register().await.parent,
            Some(before.state.register().unwrap().refresh_token.fingerprint())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_finds_that_others_have_gone_on() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let (stopped, other) = (world.process("a"), world.process("a"));
    let clock = world.clock.clone();
    let there = other.clone();
    let request = world.request();
    stopped.after(
        Op::Swap,
        Kind::Credential,
        0,
        Act::run(async move {
            clock.advance(seconds(16));
            there.get(&request).await.unwrap();
        }),
    );
    let token = stopped.get(&world.request()).await.unwrap();
    assert_eq!(world.issuer.requests(), 1);
    assert_eq!(token.secret.expose(), world.stored_token(&world.request()).await.unwrap().secret.expose());
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn what_was_surely_not_spent_is_idle_again_and_good_for_the_next_one() {
    let cases: Vec<(&str, Vec<Step>)> = vec![
        ("unreachable", vec![Step::Unreachable, Step::Unreachable, Step::Unreachable]),
        ("429", vec![Step::Throttle(429, Some(5))]),
        ("503", vec![Step::Throttle(503, Some(5))]),
        ("transient", vec![Step::Refuse("temporarily_unavailable", None)]),
        ("configuration", vec![Step::Refuse("invalid_scope", None)]),
        ("client", vec![Step::Refuse("invalid_client", None)]),
    ];
    for (what, steps) in cases {
        let world = World::fleet().await;
        world.age(Freshness::Dead).await;
        let requests = steps.len();
        world.issuer.script(steps);
        assert!(world.process("a").get(&world.request()).await.is_err(), "{what}");
        assert_eq!(world.issuer.requests(), requests, "{what}");
        assert!(matches!(world.state().await, State::Idle(_)), "{what}");
        assert_eq!(world.refresh_token().await, "rt-1", "{what}");
        assert!(world.rescue_files("a").is_empty(), "{what}");
        world.clock.advance(seconds(61));
        world.process("a").get(&world.request()).await.unwrap();
        assert!(world.lives().await, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_stood_is_tried_three_times() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::Unreachable, Step::Unreachable]);
    world.process("a").get(&world.request()).await.unwrap();
    assert_eq!(world.issuer.requests(), 3);
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_spent_is_sent_once_more_at_once() {
    let garbled = || Step::Status(200, "{\"access_token\":");
    let failures: [fn() -> Step; 4] = [
        || Step::InterruptedBefore,
        || Step::InterruptedAfter,
        || Step::Status(502, "<html>bad gateway"),
        || Step::Status(500, ""),
    ];
    for failure in failures {
        let world = World::new(Leases::Time, Rotation::Grace(seconds(10))).await;
        world.age(Freshness::Dead).await;
        let what = format!("{:?}", failure());
        world.issuer.script([failure()]);
        world.process("a").get(&world.request()).await.unwrap();
        let asked = world.issuer.asked();
        assert_eq!(asked.len(), 2, "{what}");
        assert_eq!(asked[0].form["refresh_token"], asked[1].form["refresh_token"], "{what}");
        assert!(asked[1].at - asked[0].at < seconds(1), "{what}");
        assert!(world.lives().await, "{what}");
    }
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([garbled(), garbled()]);
    let error = world.process("a").get(&world.request()).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Grant { source, .. }
        if matches!(source.kind, GrantErrorKind::Unintelligible { status: 200 })),
        "{error:?}"
    );
    assert_eq!(world.issuer.requests(), 2);
    assert!(matches!(world.state().await, State::Spending(..)), "the note stays");
}

#[tokio::test(start_paused = true)]
async fn a_strict_issuer_that_lost_its_answer_ends_the_sign_in_and_the_error_says_who_was_interrupted() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::InterruptedAfter]);
    let error = world.process("a").get(&world.request()).await.unwrap_err();
    let BrokerError::SignInNeeded { interrupted: Some(note), refusal, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(refusal.error, "invalid_grant");
    assert!(note.who.starts_with("process "));
    let State::SignInNeeded { interrupted: Some(kept), .. } = world.state().await else { panic!() };
    assert_eq!(kept, note);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_never_resent_and_leaves_the_note_and_the_issuer_alone() {
    for leases in BOTH {
        for step in [Step::HangBefore, Step::HangAfter] {
            let world = World::new(leases, Rotation::Grace(seconds(120))).await;
            world.age(Freshness::Dead).await;
            world.issuer.script([step]);
            let began = now(&world);
            let error = world.process("a").get(&world.request()).await.unwrap_err();
            assert!(
                matches!(&error, BrokerError::Grant { source, .. }
                if matches!(source.kind, GrantErrorKind::TimedOut)),
                "{error:?}"
            );
            assert!(now(&world) - began <= EXCHANGE.as_secs() + 1);
            let State::Spending(_, note) = world.state().await else { panic!("the note is gone") };

            // This host, a kernel lock's successor too, leaves the issuer alone for thirty seconds.
            let error = world.process("a").get(&world.request()).await.unwrap_err();
            let BrokerError::LeftAlone { throttled: false, .. } = error else {
                panic!("{leases:?} {error:?}")
            };
            assert_eq!(world.issuer.requests(), 1);

            world.clock.advance(seconds(31));
            world.issuer.script([Step::HangBefore]);
            drop(world.process("a").get(&world.request()).await);
            assert_eq!(world.issuer.requests(), 2);
            let State::Spending(_, next) = world.state().await else { panic!("the note is gone") };
            assert_eq!(next.unsettled.as_deref(), Some(&note));
            world.settle();
            world.process("a").get(&world.request()).await.unwrap();
            assert!(world.lives().await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_host_goes_on_when_a_timeout_has_settled() {
    let world = World::new(Leases::Time, Rotation::Grace(seconds(120))).await;
    world.age(Freshness::Dead).await;
    world.issuer.script([Step::HangAfter]);
    drop(world.process("a").get(&world.request()).await);
    world.process("b").get(&world.request()).await.unwrap();
    let asked = world.issuer.asked();
    assert!(asked[1].at - asked[0].at >= seconds(15), "{:?}", asked[1].at - asked[0].at);
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn an_older_note_comes_back_when_the_token_was_not_spent_and_is_named_when_it_was_refused() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let note: Note = world.leave_note("another", seconds(60)).await;
    // Not spent: the older note is back.
    world.issuer.script([Step::Throttle(429, Some(5))]);
    assert!(world.process("a").get(&world.request()).await.is_err());
    let State::Spending(_, back) = world.state().await else { panic!("the older note is lost") };
    assert_eq!(back, note);
    // Refused: it is named, with who, host and when.
    world.clock.advance(seconds(10));
    world.issuer.end("rt-1");
    let error = world.process("a").get(&world.request()).await.unwrap_err();
    let BrokerError::SignInNeeded { interrupted: Some(named), .. } = error else { panic!("{error:?}") };
    assert_eq!((named.who, named.host_name, named.at), (note.who, note.host_name, note.at));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_on_the_socket_when_the_time_is_over_is_taken() {
    let world = World::fleet().await;
    world.age(Freshness::Dead).await;
    let clock = world.clock.clone();
    // The process is stopped while the request is in flight, and the answer waits for it.
    world.issuer.meanwhile(async move { clock.advance(seconds(60)) });
    world.process("a").get(&world.request()).await.unwrap();
    assert_eq!(world.issuer.requests(), 1);
    assert!(world.lives().await);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_sends_no_refresh_token_keeps_the_old_one_good() {
    for leases in BOTH {
        let world = World::new(leases, Rotation::Strict).await;
        world.age(Freshness::Dead).await;
        world.issuer.script([Step::NoRefreshToken]);
        world.process("a").get(&world.request()).await.unwrap();
        assert_eq!(world.refresh_token().await, "rt-1");
        assert!(matches!(world.state().await, State::Idle(_)));
        assert!(world.rescue_files("a").is_empty(), "nothing was to be rescued");
    }
}

#[tokio::test(start_paused = true)]
async fn narrower_scopes_are_what_the_token_has() {
    let world = World::fleet().await;
    world.issuer.script([Step::Scopes("api:read"), Step::Answer]);
    let token = world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(token.scopes, ["api:read"]);
    let token = world.process("a").get(&world.forced()).await.unwrap();
    assert_eq!(token.scopes, ["api:read", "api:write", "offline_access"]);
    let stored = world.stored_token(&world.request()).await.unwrap();
    assert_eq!(stored.scopes, token.scopes);
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_was_never_granted_costs_no_request_and_leaves_no_note() {
    let world = World::fleet().await;
    let error = world.process("a").get(&world.request_for("api:admin")).await.unwrap_err();
    assert!(matches!(error, BrokerError::NotGranted { .. }), "{error:?}");
    assert!(matches!(world.state().await, State::Idle(_)));
    assert_eq!(world.issuer.requests(), 0);
}

fn now(world: &World) -> u64 {
    use token_core::Clock;
    world.clock.uptime().as_secs()
}
