//! `cargo xtask demo`: the main job, from a sign-in to fifty processes that find their token expired.

use std::process::Output;
use std::sync::Barrier;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::measure::{self, Times};
use crate::process::{self, milliseconds};

const PROCESSES: usize = 50;
const LATENCY_MS: u64 = 100;
const GET: [&str; 2] = ["account", "get-access-token"];
/// The lifetime of the token that is left to run out, in seconds: the issuer counts in whole ones.
const SHORT_LIFE: u64 = 2;
/// How often a hit and the floor are timed.
const ROUNDS: usize = 100;

/// Runs it, and fails if a number is wrong.
pub(crate) fn run() -> Result<()> {
    eprintln!("Building token and a local issuer …");
    let lab = Lab::start(LATENCY_MS)?;
    let floor = process::build("xtask", "floor", &["--release"])?;

    println!("A local issuer listens at {}.", lab.issuer().url);
    println!(
        "It revokes a sign-in whose refresh token is used twice, and takes {LATENCY_MS} ms for an answer."
    );

    command("token login --use-device-code");
    let sign_in = lab.sign_in()?;
    println!("{}", sign_in.prompt);
    note(&format!("the demo approves {} at the issuer", sign_in.code));
    println!("{}", sign_in.printed);

    command("token account get-access-token");
    let first = lab.get(&GET)?;
    show(&first)?;

    let other = another_subscription(&lab, &first)?;
    command(&format!("token account get-access-token --subscription {other}"));
    let named = lab.get(&[GET[0], GET[1], "--subscription", &other])?;
    show(&named)?;
    ensure!(named["subscription"] != first["subscription"], "both tokens are for one subscription");

    command("token account get-access-token");
    let before = requests(&lab)?;
    let start = Instant::now();
    let again = lab.get(&GET)?;
    let took = start.elapsed();
    ensure!(again["accessToken"] == first["accessToken"], "the second call gave another token");
    ensure!(requests(&lab)? == before, "the second call asked the issuer");
    note(&format!("the same token from the cache: {}, no request", milliseconds(took)));

    let [hit, floor] = hit_and_floor(&lab, &floor)?;
    ensure!(requests(&lab)? == before, "a hit asked the issuer");

    println!();
    note(&format!("the token runs out; then {PROCESSES} processes ask for one at the same moment"));
    let storm = storm(&lab)?;
    println!();
    row(
        "calls at once",
        &PROCESSES.to_string(),
        &format!("the last was answered after {:.0} ms", storm.took.as_secs_f64() * 1e3),
    );
    row("failures", &storm.failures.to_string(), "");
    row("refreshes", &storm.refreshes.to_string(), &format!("in flight at once: {}", storm.in_flight));
    row("sign-in", if storm.alive { "alive" } else { "dead" }, "as one more refresh shows");
    row(
        "a hit",
        &milliseconds(hit.median()),
        &format!("median of {ROUNDS}, fastest {}", milliseconds(hit.min())),
    );
    let least = "a program that reads 3 KiB and prints them";
    row("the floor", &milliseconds(floor.median()), least);
    row("hit / floor", &format!("{:.2}", hit.ratio(&floor)), "");
    storm.verdict()
}

/// What happened when everybody asked at once.
#[derive(Debug)]
struct Storm {
    took: Duration,
    failures: usize,
    refreshes: u64,
    in_flight: u64,
    alive: bool,
}

impl Storm {
    fn verdict(&self) -> Result<()> {
        ensure!(self.alive, "the sign-in is dead");
        ensure!(self.failures == 0, "{} of {PROCESSES} processes got no token", self.failures);
        ensure!(self.refreshes == 1, "{PROCESSES} processes made {} refreshes, not 1", self.refreshes);
        ensure!(self.in_flight == 1, "{} refreshes were in flight at once", self.in_flight);
        Ok(())
    }
}

fn storm(lab: &Lab) -> Result<Storm> {
    lab.issuer().post("settings", &json!({ "lifetime": SHORT_LIFE }))?;
    let expiring = lab.get(&[GET[0], GET[1], "--force-refresh"])?;
    lab.issuer().post("settings", &json!({ "lifetime": 3600 }))?;
    let end = expiring["expires_on"].as_u64().context("expires_on is not a number")?;
    while posix() <= end {
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.issuer().post("reset", &json!({}))?;

    let barrier = Barrier::new(PROCESSES + 1);
    let (outputs, took) = std::thread::scope(|scope| {
        let ask = || {
            let mut command = lab.token(&GET);
            barrier.wait();
            command.output()
        };
        let asking: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(ask)).collect();
        barrier.wait();
        let start = Instant::now();
        let outputs: Vec<_> = asking.into_iter().map(|thread| thread.join()).collect();
        (outputs, start.elapsed())
    });
    let mut failures = 0;
    for output in outputs {
        let output = output.ok().context("a thread of the demo panicked")??;
        if let Err(error) = good(lab, &output) {
            if failures == 0 {
                eprintln!("the first failure: {error:#}");
            }
            failures += 1;
        }
    }
    let counts = lab.issuer().counts()?;
    let count =
        |name: &str| counts[name].as_u64().with_context(|| format!("the issuer does not count {name}"));
    let (refreshes, in_flight) = (count("refreshes")?, count("max_refreshes_in_flight")?);
    // After the counts, since it is not one of them.
    let alive = lab.get(&[GET[0], GET[1], "--force-refresh"]).is_ok();
    Ok(Storm { took, failures, refreshes, in_flight, alive })
}

/// A process did its job if it printed a token that lives and that the issuer made.
fn good(lab: &Lab, output: &Output) -> Result<()> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, stderr.trim());
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let token = answer["accessToken"].as_str().context("no accessToken")?;
    ensure!(answer["expires_on"].as_u64().is_some_and(|end| end > posix()), "the token has expired");
    ensure!(lab.issuer().knows(token)?, "the issuer never made this token");
    Ok(())
}

fn hit_and_floor(lab: &Lab, floor: &std::path::Path) -> Result<[Times; 2]> {
    let file = lab.home().join("3-KiB");
    std::fs::write(&file, vec![b'x'; 3 << 10])?;
    let mut least = std::process::Command::new(floor);
    least.arg(file);
    measure::interleaved(ROUNDS, [lab.token(&GET), least])
}

/// The name of a subscription that is not the one the token is for.
fn another_subscription(lab: &Lab, token: &Value) -> Result<String> {
    let list = lab.get(&["account", "list", "-o", "json"])?;
    let other = list.as_array().into_iter().flatten().find(|entry| entry["id"] != token["subscription"]);
    let name = other.and_then(|entry| entry["name"].as_str());
    Ok(name.context("there is no other subscription")?.to_owned())
}

/// How many requests of any kind the issuer has had.
fn requests(lab: &Lab) -> Result<u64> {
    let counts = lab.issuer().counts()?;
    let routes = counts["requests"].as_object().context("the issuer does not count requests")?;
    Ok(routes.values().filter_map(Value::as_u64).sum())
}

/// Prints a token answer with the access token cut short.
fn show(answer: &Value) -> Result<()> {
    let mut answer = answer.clone();
    let token = answer["accessToken"].as_str().context("no accessToken")?;
    let start: String = token.chars().take(12).collect();
    answer["accessToken"] = json!(format!("{start}… ({} characters)", token.len()));
    println!("{}", serde_json::to_string_pretty(&answer)?);
    Ok(())
}

fn command(line: &str) {
    println!("\n$ {line}");
}

fn note(text: &str) {
    println!("# {text}");
}

fn row(name: &str, value: &str, remark: &str) {
    let line = format!("{name:<14} {value:>9}   {remark}");
    println!("{}", line.trim_end());
}

fn posix() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
