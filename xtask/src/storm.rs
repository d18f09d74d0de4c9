//! `cargo xtask storm`: the token of a whole fleet has run out, and every process on every host asks for one at the
//! same moment, round after round. One refresh serves them all, or this fails.

mod fleet;
mod options;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use crate::process::milliseconds;
use crate::programs::Programs;
use fleet::{Ended, LATENCY_MS, Running};
use options::{Blow, OUTAGE, Point, StoreFault};

pub(crate) use fleet::{FORCE, Fleet, GET, posix, wait_until};
pub(crate) use options::{Cache, Options};

/// How long a stopped holder stays so: the lease's fifteen seconds, and then the three for which others respect its
/// note, and some.
const STOPPED: Duration = Duration::from_secs(20);

/// What is said of an account whose refresh token was spent by somebody who never got the answer.
const INTERRUPTED: &str = "a refresh was interrupted";

/// What happened in a round, or in all.
#[derive(Debug, Default)]
struct Tally {
    refreshes: u64,
    duplicates: u64,
    failures: usize,
    /// Those in rounds in which the sign-in was lost, each of which has said why.
    excused: usize,
    losses: usize,
    /// From the moment from which there was something to get, sorted.
    waits: Vec<Duration>,
}

/// Runs what was typed.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    blow(&Options::parse(arguments)?)
}

/// The storm that every cache has to stand: four hosts, fifty processes on each, ten rounds.
pub(crate) fn on(cache: Cache) -> Result<()> {
    blow(&Options::on(cache))
}

/// How long everybody waits once there is something to get, and how long as many hits take that are started at once:
/// both sorted. Storms and hits take turns, so that whatever else the machine does meets both alike.
pub(crate) fn waits_and_hits(cache: Cache, programs: &Programs) -> Result<[Vec<Duration>; 2]> {
    let options = Options::on(cache);
    let fleet = Fleet::start(&options, programs)?;
    let mut all = Tally::default();
    let mut hits = Vec::new();
    for _ in 0..options.rounds {
        all.add(one_round(&fleet, &options)?);
        hits.extend(waits(&fleet.everybody(options.processes, || Ok(()))?, None));
    }
    verdict(&options, &all)?;
    all.waits.sort_unstable();
    hits.sort_unstable();
    Ok([all.waits, hits])
}

/// Runs a storm, and fails where a promise was broken.
fn blow(options: &Options) -> Result<()> {
    let fleet = Fleet::start(options, &Programs::as_tested()?)?;
    let (hosts, processes) = (options.hosts, options.processes);
    println!("{hosts} hosts with {processes} processes each, of which one host has signed in.");
    println!(
        "The issuer ends a sign-in whose refresh token is used twice, forgives that for {} s, and takes {LATENCY_MS} ms.",
        options.grace
    );
    let mut all = Tally::default();
    for round in 1..=options.rounds {
        let tally = one_round(&fleet, options)?;
        println!("round {round:>3}: {}", tally.line());
        all.add(tally);
    }
    // The last round's is not yet seen.
    let alive = fleet.first().get(&FORCE).map(drop);
    all.waits.sort_unstable();
    println!("\nall rounds: {}, the sign-in {}", all.line(), if alive.is_ok() { "lives" } else { "is dead" });
    alive.context("the sign-in is dead")?;
    let hits = waits(&fleet.everybody(processes, || Ok(()))?, None);
    println!(
        "as many hits at once: p50 {} p99 {}",
        milliseconds(share(&hits, 0.50)),
        milliseconds(share(&hits, 0.99))
    );
    verdict(options, &all)
}

/// What nobody can save is counted and not held against anyone: a strict issuer, and a holder that spent the refresh
/// token and never handed on the answer.
fn verdict(options: &Options, all: &Tally) -> Result<()> {
    let asked = options.rounds * options.hosts * options.processes;
    let failures = all.failures - all.excused;
    ensure!(failures == 0, "{failures} of {asked} processes got no token");
    ensure!(all.duplicates == 0, "{} refreshes too many", all.duplicates);
    Ok(())
}

fn one_round(fleet: &Fleet, options: &Options) -> Result<Tally> {
    fleet.let_run_out()?;
    fleet.issuer.post("reset", &json!({}))?;
    let (mut ended, served_from) = match options.holder {
        Some((blow, _)) => with_a_struck_holder(fleet, options, blow)?,
        None => with_a_faulty_store(fleet, options)?,
    };
    fleet.check(&mut ended)?;

    let refreshes = fleet.count("refreshes")?;
    let alive = fleet.is_signed_in()?;
    if !alive {
        ensure!(options.may_lose(), "the sign-in died");
        if let Some(Err(said)) = ended
            .iter()
            .map(|one| &one.outcome)
            .find(|outcome| outcome.as_ref().is_err_and(|said| !said.contains(INTERRUPTED)))
        {
            bail!(
                "the sign-in was lost, and a process did not name the refresh that was interrupted: {said}"
            );
        }
        fleet.sign_in()?;
    }
    let mut tally = Tally {
        refreshes,
        duplicates: refreshes.saturating_sub(options.needed_refreshes()),
        losses: usize::from(!alive),
        ..Tally::default()
    };
    tally.waits = waits(&ended, Some(served_from));
    for one in &ended {
        if let Err(said) = &one.outcome {
            if tally.failures == 0 {
                eprintln!("the first failure: {said}");
            }
            tally.failures += 1;
        }
    }
    tally.excused = if alive { 0 } else { tally.failures };
    Ok(tally)
}

/// Everybody asks; the refresh stays at the issuer until all of them are there, and until the store has had its way.
fn with_a_faulty_store(fleet: &Fleet, options: &Options) -> Result<(Vec<Ended>, Instant)> {
    fleet.issuer.post("hold", &json!({ "route": "token", "grant_type": "refresh_token" }))?;
    let mut answered = Instant::now();
    if let (Some(StoreFault::Slow), Some(store)) = (options.store, &fleet.store) {
        store.tell("delay 250")?;
    }
    let ended = std::thread::scope(|scope| {
        fleet.everybody(options.processes, || {
            let arrived = wait_until(|| Ok(fleet.count("at_gate")? > 0));
            let mut back = Ok(None);
            if let (Some(fault), Some(store), Ok(())) = (options.store, &fleet.store, &arrived) {
                back = match fault {
                    StoreFault::Crash => store.tell("kill").map(|()| Some("start")),
                    StoreFault::BlackHole => store.tell("black-hole on").map(|()| Some("black-hole off")),
                    StoreFault::Cut => store.tell("cut").map(|()| None),
                    StoreFault::Slow => Ok(None),
                };
                if let Ok(Some(line)) = back {
                    scope.spawn(move || {
                        std::thread::sleep(OUTAGE);
                        store.tell(line)
                    });
                }
            }
            fleet.issuer.post("release", &json!({}))?;
            answered = Instant::now() + Duration::from_millis(LATENCY_MS);
            arrived.and(back.map(drop))
        })
    })?;
    if let (Some(StoreFault::Slow), Some(store)) = (options.store, &fleet.store) {
        store.tell("delay 0")?;
    }
    Ok((ended, answered))
}

/// One process of the first host comes first, and stops where it is told to. Then everybody else asks.
fn with_a_struck_holder(fleet: &Fleet, options: &Options, blow: Blow) -> Result<(Vec<Ended>, Instant)> {
    let point = options.fault_point().unwrap_or_default();
    let mut command = fleet.first().token(&FORCE);
    command.env("TOKEN_FAULT", format!("{point}=stop"));
    let mut holder = Running::start(command)?;
    holder.wait_for_stop()?;
    let struck = Instant::now();
    let mut ended = std::thread::scope(|scope| {
        fleet.everybody(options.processes, || {
            match blow {
                Blow::Kill => holder.signal("KILL")?,
                Blow::Stop => {
                    let holder = &holder;
                    scope.spawn(move || {
                        std::thread::sleep(STOPPED);
                        holder.signal("CONT")
                    });
                }
            }
            Ok(())
        })
    })?;
    let holder = holder.end()?;
    if blow == Blow::Stop {
        ended.push(holder);
    }
    Ok((ended, struck))
}

impl Options {
    /// How many refreshes a round takes: one more where a holder made one whose token it could not hand on.
    fn needed_refreshes(&self) -> u64 {
        match self.holder {
            Some((_, Point::Answered | Point::Rescued | Point::Stored)) => 2,
            _ => 1,
        }
    }

    /// Whether nobody can save the sign-in.
    fn may_lose(&self) -> bool {
        let gone = match self.holder {
            Some((Blow::Kill, Point::Answered)) => true,
            // With its lock in the kernel's hand nobody passes it by.
            Some((Blow::Stop, Point::Answered)) => !self.cache.is_on_one_host(),
            _ => false,
        };
        gone && self.grace == 0
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.refreshes += other.refreshes;
        self.duplicates += other.duplicates;
        self.failures += other.failures;
        self.excused += other.excused;
        self.losses += other.losses;
        self.waits.extend(other.waits);
    }

    fn line(&self) -> String {
        let Self { refreshes, duplicates, failures, losses, .. } = self;
        let lost = if *losses == 0 { String::new() } else { format!(", sign-ins lost {losses}") };
        format!(
            "refreshes {refreshes}, duplicates {duplicates}, failures {failures}{lost}, waits p50 {} p99 {}",
            milliseconds(share(&self.waits, 0.50)),
            milliseconds(share(&self.waits, 0.99))
        )
    }
}

/// How long each process took, from its start or from the moment from which there was something to get; sorted.
fn waits(ended: &[Ended], served_from: Option<Instant>) -> Vec<Duration> {
    let from = |one: &Ended| served_from.map_or(one.started, |served| served.max(one.started));
    let mut waits: Vec<_> = ended.iter().map(|one| one.ended.saturating_duration_since(from(one))).collect();
    waits.sort_unstable();
    waits
}

/// The wait that this share of the processes did not exceed.
pub(crate) fn share(waits: &[Duration], share: f64) -> Duration {
    let rank = (waits.len() as f64 * share).ceil() as usize;
    waits.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
