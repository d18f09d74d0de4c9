//! A process is ended in the middle of a refresh. Signals that can be answered never cost the sign-in; a kill costs it
//! only where OAuth knows no remedy, and then everybody is told what happened.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::DateTime;
use rustix::process::Signal;
use token_testkit::{Fault, Matching, Settings, Times, World};

use crate::harness::{FORCE, Lab, Output, RESOURCE, rounds, start, strict};

/// Long enough that many a moment falls between a request and its answer.
const LATENCY_MS: u64 = 20;
/// Seconds in which a grace forgives the token that was spent last.
const GRACE: u64 = 30;

/// The points of a refresh before its request is sent.
const UNSENT: [&str; 4] = ["loaded", "before-note", "noted", "before-send"];
/// Those between the request and the rescue's write. `sent` is ours: the issuer has spent the token, and its answer
/// is on the way.
const UNSECURED: [&str; 2] = ["sent", "answered"];
/// Those after the rescue's write.
const SECURED: [&str; 3] = ["rescued", "stored", "served"];

const KILLS_AT_A_POINT: usize = 50;
const KILLS_AT_RANDOM: usize = 500;
const SIGNALS: usize = 200;

/// A refresh that ends itself at this point, or is ended when its request has been worked off.
fn killed_at(lab: &Lab, point: &str) -> Output {
    lab.issuer.reset_counts();
    let mut command = lab.token(FORCE);
    let run = if point == "sent" {
        lab.issuer.fault(Matching::refreshes(), Fault::HangAfter, Times::Once);
        let run = start(&mut command);
        lab.issuer.wait_until(|counts| counts.refreshes_succeeded == 1);
        run.signal(Signal::KILL);
        run
    } else {
        start(command.env("TOKEN_FAULT", format!("{point}=kill")))
    };
    let killed = run.finish();
    assert_eq!((killed.code(), killed.stdout.as_str()), (137, ""), "at {point}: {killed}");
    let sent = u64::from(!UNSENT.contains(&point));
    assert_eq!(lab.issuer.counts().refreshes_succeeded, sent, "at {point}: {killed}");
    killed
}

/// Asserts that the cache is as whole as ever: everything in it can be read, and nothing was set aside.
fn assert_whole(lab: &Lab) {
    let listed = lab.run_promptly(&["cache", "list", "--output", "json"]).json();
    assert!(listed.as_array().is_some_and(|tokens| !tokens.is_empty()), "{listed}");
    assert!(!lab.entries().join("damaged").exists());
}

/// Asserts that this call, the next after one that was ended, got a token that nobody had before.
fn assert_went_on(lab: &Lab, ended: &Output, next: &Output) {
    assert!(next.status.success(), "after {ended}\n{next}");
    lab.assert_token_for(next, RESOURCE);
    assert_ne!(next.stdout, ended.stdout);
}

/// The next call gets a token, and leaves nothing of the dead behind.
fn assert_goes_on(lab: &Lab, killed: &Output) {
    assert_went_on(lab, killed, &lab.run_promptly(FORCE));
    for directory in ["rescue", "staging"] {
        let path = lab.entries().join(directory);
        let names = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name != "host").collect();
        assert!(left.is_empty(), "{left:?} in {directory}");
    }
}

/// The next call tells that the sign-in is lost: who was interrupted, and when. Then Ada signs in again.
fn assert_lost(lab: &Lab, killed: &Output, next: &Output) {
    assert_eq!((next.code(), next.stdout.as_str()), (4, ""), "after {killed}\n{next}");
    let by = format!(" by process {} on ", killed.pid);
    let told = next.stderr.lines().find_map(|line| {
        let (at, by) = line.strip_prefix("cause: a refresh was interrupted at ")?.split_once(&by)?;
        (!by.is_empty()).then_some(at)
    });
    let at = told.unwrap_or_else(|| panic!("it is not said who was interrupted: {next}"));
    let at = DateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S %:z").unwrap();
    let ago = chrono::Utc::now().signed_duration_since(at);
    assert!((0..60).contains(&ago.num_seconds()), "interrupted {ago} ago? {next}");
    assert!(next.stderr.contains("\nhint: 'token login' signs in again\n"), "{next}");
    assert!(!lab.issuer.is_alive(World::USER));
    lab.sign_in();
}

fn with_grace() -> Settings {
    Settings { grace: GRACE, ..strict(LATENCY_MS) }
}

#[test]
fn a_kill_before_the_request_costs_nothing() {
    rounds(&strict(0), KILLS_AT_A_POINT, |lab| {
        for point in UNSENT {
            let killed = killed_at(lab, point);
            assert_whole(lab);
            assert_goes_on(lab, &killed);
        }
    });
}

#[test]
fn a_kill_after_the_rescue_costs_nothing() {
    rounds(&strict(0), KILLS_AT_A_POINT, |lab| {
        for point in SECURED {
            let killed = killed_at(lab, point);
            assert_whole(lab);
            assert_goes_on(lab, &killed);
        }
    });
}

#[test]
fn a_kill_in_between_is_forgiven_by_a_grace() {
    rounds(&with_grace(), KILLS_AT_A_POINT, |lab| {
        for point in UNSECURED {
            let killed = killed_at(lab, point);
            assert_whole(lab);
            assert_goes_on(lab, &killed);
            assert_eq!(lab.issuer.counts().graced, 1, "{killed}");
        }
    });
}

#[test]
fn a_kill_in_between_costs_the_sign_in_at_a_strict_issuer_and_is_told() {
    rounds(&strict(0), KILLS_AT_A_POINT, |lab| {
        for point in UNSECURED {
            let killed = killed_at(lab, point);
            assert_whole(lab);
            let next = lab.run_promptly(FORCE);
            assert_lost(lab, &killed, &next);
            lab.assert_alive();
        }
    });
}

/// How long a refresh took when last it was looked at, as a span for random moments.
struct Pace(Mutex<Duration>);

impl Pace {
    fn new() -> Self {
        Self(Mutex::new(Duration::from_millis(100)))
    }

    /// A refresh that is sent a signal at a random moment of its life, or just after it.
    fn signalled(&self, lab: &Lab, signal: Signal) -> Output {
        let moment = self.0.lock().unwrap().mul_f64(rand::random_range(0.0..1.1));
        lab.issuer.reset_counts();
        let run = start(&mut lab.token(FORCE));
        // A random moment is what the test is about: there is nothing to wait for.
        run.ends_within(moment);
        run.signal(signal);
        run.finish()
    }

    /// The call after it.
    fn next(&self, lab: &Lab) -> Output {
        let begun = Instant::now();
        let next = lab.run_promptly(FORCE);
        *self.0.lock().unwrap() = begun.elapsed();
        next
    }
}

#[test]
fn a_kill_at_any_moment_costs_nothing_but_what_oauth_cannot_mend() {
    let (pace, lost) = (Pace::new(), AtomicUsize::new(0));
    rounds(&strict(LATENCY_MS), KILLS_AT_RANDOM, |lab| {
        let killed = pace.signalled(lab, Signal::KILL);
        assert_whole(lab);
        let next = pace.next(lab);
        if killed.code() == 137 && !next.status.success() {
            // The issuer may have come to its request when it was dead already, but it answered nobody else.
            assert_eq!(lab.issuer.counts().refreshes_succeeded, 1, "after {killed}");
            assert_lost(lab, &killed, &next);
            lost.fetch_add(1, Ordering::Relaxed);
        } else {
            assert_went_on(lab, &killed, &next);
        }
    });
    let lost = lost.into_inner();
    println!("{lost} of {KILLS_AT_RANDOM} kills at random moments cost the sign-in");
    assert!(lost > 0, "no kill came between a request and its answer");
}

#[test]
fn a_kill_at_any_moment_costs_nothing_with_a_grace() {
    let (pace, forgiven) = (Pace::new(), AtomicUsize::new(0));
    rounds(&with_grace(), KILLS_AT_RANDOM, |lab| {
        let killed = pace.signalled(lab, Signal::KILL);
        assert_whole(lab);
        assert_went_on(lab, &killed, &pace.next(lab));
        forgiven.fetch_add(usize::from(lab.issuer.counts().graced > 0), Ordering::Relaxed);
    });
    assert!(forgiven.into_inner() > 0, "no kill came between a request and its answer");
}

/// Sends the signal at random moments; the sign-in lives on, always.
fn survives(signal: Signal, code: i32) {
    let (pace, during) = (Pace::new(), AtomicUsize::new(0));
    rounds(&strict(LATENCY_MS), SIGNALS, |lab| {
        let ended = pace.signalled(lab, signal);
        if ended.code() == 0 {
            lab.assert_token_for(&ended, RESOURCE);
        } else {
            let said = (ended.code(), ended.stdout.as_str(), ended.stderr.as_str());
            assert_eq!(said, (code, "", ""), "{ended}");
            let spent = lab.issuer.counts().refreshes_succeeded;
            during.fetch_add(usize::try_from(spent).unwrap(), Ordering::Relaxed);
        }
        assert_went_on(lab, &ended, &pace.next(lab));
    });
    assert!(during.into_inner() > 0, "no signal came in the middle of a refresh");
}

#[test]
fn sigint_at_any_moment_costs_nothing() {
    survives(Signal::INT, 130);
}

#[test]
fn sigterm_at_any_moment_costs_nothing() {
    survives(Signal::TERM, 143);
}

#[test]
fn sighup_at_any_moment_costs_nothing() {
    survives(Signal::HUP, 129);
}
