//! Many processes on several hosts, with random faults, stops and kills, at an issuer that is strict but for a grace.
//!
//! A failure names its seed. Jitter is not seeded, so a seed may have to be run a few times.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use token_core::{CacheErrorKind, Fingerprint, Kind, TokenRequest};

use crate::world::{Act, Got, Leases, Op, Process, Rotation, Step, World, millis, seconds};

const ROUNDS: usize = 6;
const GRACE: u64 = 600;

macro_rules! seeds {
    ($($name:ident: $seeds:expr, $leases:expr, $rotation:expr;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            for seed in $seeds {
                storm(seed, $leases, $rotation).await;
            }
        }
    )*};
}

seeds! {
    a_fleets_sign_in_lives_through_anything: 0..12, Leases::Time, Rotation::Grace(seconds(GRACE));
    a_fleets_sign_in_lives_where_a_reuse_brings_the_same_again: 100..106, Leases::Time, Rotation::SameAgain(seconds(GRACE));
    a_hosts_sign_in_lives_through_anything: 200..212, Leases::Kernel, Rotation::Grace(seconds(GRACE));
}

async fn storm(seed: u64, leases: Leases, rotation: Rotation) {
    let random = &mut StdRng::seed_from_u64(seed);
    let world = World::unsealed(leases, rotation).await;
    for round in 0..ROUNDS {
        world.clock.advance(seconds(*[0, 14, 61, 3601].choose(random).unwrap()));
        let steps = random.random_range(0..4);
        world.issuer.script((0..steps).map(|_| step(random)));
        let mut asked = Vec::new();
        if random.random_bool(0.3) {
            // One is stopped under its lease, begins late, and is still in flight when the lease ends.
            let process = world.process("a");
            let time = seconds(random.random_range(8..14));
            process.after(
                Op::Load,
                Kind::Credential,
                0,
                Act::run(async move { tokio::time::sleep(time).await }),
            );
            world.issuer.calm();
            world.issuer.script([Step::HangAfter]);
            let request = world.forced();
            asked.push((process.ask(&request), process, request));
            tokio::time::sleep(millis(50)).await;
        }
        for _ in 0..random.random_range(1..6) {
            let process = world.process(["a", "b", "c"].choose(random).unwrap());
            for _ in 0..random.random_range(0..3) {
                trouble(random, &world, &process);
            }
            for _ in 0..random.random_range(1..3) {
                let request = request(random, &world);
                asked.push((process.ask(&request), process.clone(), request));
            }
            tokio::time::sleep(millis(random.random_range(0..300))).await;
        }
        for (got, process, request) in asked {
            let abort = got.abort_handle();
            match tokio::time::timeout(seconds(120), got).await {
                Ok(got) => belongs(seed, &request, &got.unwrap()),
                Err(_) => {
                    abort.abort();
                    assert!(process.is_dead(), "seed {seed}, round {round}: a request was never answered");
                }
            }
        }
        // Whatever has happened, the sign-in lives.
        world.issuer.calm();
        let mut last = None;
        for _ in 0..4 {
            let host = ["a", "b", "c"].choose(random).unwrap();
            match world.process(host).get(&world.forced()).await {
                Ok(_) => {
                    last = None;
                    break;
                }
                Err(error) => last = Some(error),
            }
            world.clock.advance(seconds(31));
        }
        assert!(last.is_none(), "seed {seed}, round {round}: {last:?}");
        assert!(world.lives().await, "seed {seed}, round {round}: what is stored is spent");
        assert!(world.issuer.most_in_flight() <= 1, "seed {seed}, round {round}: two refreshes in flight");
    }
}

fn request(random: &mut StdRng, world: &World) -> TokenRequest {
    match random.random_range(0..6) {
        0 | 1 => world.request(),
        2 => world.request_for("api:read"),
        3 => world.request_for("api:write"),
        4 => world.forced(),
        _ => world.answering("{}"),
    }
}

/// Nobody gets another scope's token, nor one that answers no claims.
fn belongs(seed: u64, request: &TokenRequest, got: &Got) {
    let Ok(token) = got else { return };
    let secret = token.secret.expose();
    for scope in ["api:read", "api:write"] {
        assert_eq!(
            secret.contains(scope),
            request.scopes.iter().any(|wanted| wanted == scope),
            "seed {seed}: {secret}"
        );
    }
    if let Some(claims) = &request.claims {
        assert_eq!(token.claims, Some(Fingerprint::of(claims)), "seed {seed}");
    }
}

fn step(random: &mut StdRng) -> Step {
    match random.random_range(0..10) {
        0 => Step::Unreachable,
        1 => Step::InterruptedBefore,
        2 => Step::InterruptedAfter,
        3 => Step::HangBefore,
        4 => Step::HangAfter,
        5 => Step::Status(502, "<html>"),
        6 => Step::Throttle(429, Some(2)),
        7 => Step::Throttle(503, Some(1)),
        _ => Step::Answer,
    }
}

/// Something happens to a process at one of its next operations on the cache.
fn trouble(random: &mut StdRng, world: &World, process: &Process) {
    let op = *[Op::Swap, Op::Swap, Op::Swap, Op::Load, Op::Lease, Op::Release].choose(random).unwrap();
    let kind = match op {
        Op::Lease | Op::Release => Kind::Credential,
        _ => *[Kind::Credential, Kind::Credential, Kind::AccessToken].choose(random).unwrap(),
    };
    let skip = random.random_range(0..3);
    let after = random.random_bool(0.5);
    let act = match random.random_range(0..8) {
        0..=2 => {
            let process = process.clone();
            Act::run(async move { process.kill() })
        }
        // Stopped for a while, and then it goes on.
        3 | 4 => {
            let time = millis(*[500, 2500, 9000, 14_000, 20_000].choose(random).unwrap());
            Act::run(async move { tokio::time::sleep(time).await })
        }
        // The whole world is stopped for a while.
        5 => {
            let (clock, time) = (world.clock.clone(), millis(random.random_range(100..2000)));
            Act::run(async move { clock.advance(time) })
        }
        6 => Act::LoseAnswer,
        _ => Act::Fail(CacheErrorKind::Unavailable),
    };
    if after {
        process.after(op, kind, skip, act);
    } else {
        process.before(op, kind, skip, act);
    }
}
