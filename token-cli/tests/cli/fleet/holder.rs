//! The holder of the lease is killed or stopped, and another host goes on without it.

use std::time::Duration;

use rustix::process::Signal;
use token_testkit::{Persistence, Settings};

use super::{Team, side_by_side};
use crate::harness::{GET, start, strict};

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(15);
/// How much longer another host's note is respected.
const OTHER_HOST: Duration = Duration::from_secs(3);
/// What a machine under load may add to a time that is promised.
const LOAD: Duration = Duration::from_secs(10);

/// The points before anything was sent.
const UNSENT: [&str; 4] = ["before-note", "noted", "before-send", "connected"];

fn team(settings: Settings) -> Option<Team> {
    let team = Team::signed_in(Persistence::Always, settings)?;
    team.let_run_out();
    Some(team)
}

fn killed_before_sending(point: &str) {
    let Some(team) = team(strict(0)) else { return };
    let holder = team.stopped_at(point);
    let others = [GET; 4].map(|arguments| start(&mut team.bob(arguments)));
    holder.signal(Signal::KILL);
    assert!(others[0].ends_within(LEASE + OTHER_HOST + LOAD), "at {point}");
    for other in others {
        team.assert_token(&other.finish());
    }
    team.ada.assert_refreshes(1);
    team.assert_alive();
}

fn stopped_before_sending(point: &str) {
    let Some(team) = team(strict(0)) else { return };
    let holder = team.stopped_at(point);
    let other = start(&mut team.bob(GET)).finish();
    let token = team.assert_token(&other);
    holder.signal(Signal::CONT);
    // It finds out that its time is over, sends nothing, and takes what the other one brought.
    assert_eq!(team.assert_token(&holder.finish()), token, "at {point}");
    team.ada.assert_refreshes(1);
    team.assert_alive();
}

/// The answer has come, and its holder is stopped with it in its hand.
fn stopped_after_sending_with_a_grace() {
    let Some(team) = team(Settings { grace: 60, ..strict(0) }) else { return };
    let holder = team.stopped_at("answered");
    team.assert_token(&start(&mut team.bob(GET)).finish());
    holder.signal(Signal::CONT);
    team.assert_token(&holder.finish());
    assert_eq!(team.ada.issuer.counts().graced, 1);
    team.assert_alive();
}

fn stopped_after_sending_to_a_strict_issuer() {
    let Some(team) = team(strict(0)) else { return };
    let holder = team.stopped_at("answered");
    let pid = holder.pid();
    let other = start(&mut team.bob(GET));
    // It does not spend the token as long as the holder might still bring its successor.
    assert!(!other.ends_within(Duration::from_secs(12)), "the other host did not wait the settle time");
    assert_eq!(team.ada.issuer.counts().refreshes, 1);
    team.assert_lost(pid, &other.finish());
    holder.signal(Signal::CONT);
    holder.finish();
    team.sign_in();
    team.assert_alive();
}

/// What was rescued comes home from the host that has it, and no other host is faster.
fn killed_with_the_answer_in_its_rescue() {
    let Some(team) = team(strict(0)) else { return };
    let holder = team.stopped_at("rescued");
    let elsewhere = start(&mut team.bob(GET));
    let here = start(&mut team.ada(GET));
    holder.signal(Signal::KILL);
    let token = team.assert_token(&here.finish());
    assert_eq!(team.assert_token(&elsewhere.finish()), token);
    team.ada.assert_refreshes(2);
    team.assert_alive();
}

#[test]
fn a_dead_or_stopped_holder_costs_the_others_its_lease_and_nothing_else() {
    side_by_side(&[
        ("killed before the note", || killed_before_sending(UNSENT[0])),
        ("killed after the note", || killed_before_sending(UNSENT[1])),
        ("killed before the request", || killed_before_sending(UNSENT[2])),
        ("stopped before the note", || stopped_before_sending(UNSENT[0])),
        ("stopped after the note", || stopped_before_sending(UNSENT[1])),
        ("stopped before the request", || stopped_before_sending(UNSENT[2])),
        ("stopped when it was connected", || stopped_before_sending(UNSENT[3])),
        ("stopped after it, with a grace", stopped_after_sending_with_a_grace),
        ("stopped after it, strict", stopped_after_sending_to_a_strict_issuer),
        ("killed after the rescue", killed_with_the_answer_in_its_rescue),
    ]);
}
