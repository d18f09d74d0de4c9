//! Many processes want a token at once, and one refresh serves them all.

use rustix::process::Signal;

use crate::harness::{FORCE, GET, Lab, RESOURCE, start, strict};

const GRAPH: &str = "https://graph.example";
const VAULT: &str = "https://vault.example";
const GET_GRAPH: &[&str] = &["account", "get-access-token", "--resource", GRAPH];
const GET_VAULT: &[&str] = &["account", "get-access-token", "--resource", VAULT];
const ROUNDS: usize = 5;
const LATENCY_MS: u64 = 100;

/// Lets the token run out, and so many processes ask for it, round after round.
fn storm(processes: usize, lifetime: u64) {
    let lab = Lab::signed_in(strict(LATENCY_MS));
    lab.issuer.settings(|settings| settings.lifetime = lifetime);
    for _ in 0..ROUNDS {
        lab.let_run_out(GET);
        lab.issuer.reset_counts();
        let outputs = lab.run_at_once(processes, |_| GET);
        for output in &outputs {
            lab.assert_token_for(output, RESOURCE);
        }
        lab.assert_refreshes(1);
    }
    lab.assert_alive();
}

#[test]
fn fifty_processes_cost_one_refresh() {
    storm(50, 3600);
}

#[test]
fn two_hundred_processes_cost_one_refresh() {
    storm(200, 3600);
}

#[test]
fn tokens_of_a_minute_cost_one_refresh_too() {
    storm(50, 60);
}

#[test]
fn two_resources_cost_two_refreshes_one_after_the_other() {
    let lab = Lab::signed_in(strict(LATENCY_MS));
    let wanted =
        |number: usize| if number.is_multiple_of(2) { (GRAPH, GET_GRAPH) } else { (VAULT, GET_VAULT) };
    for _ in 0..ROUNDS {
        lab.let_run_out(GET_GRAPH);
        lab.let_run_out(GET_VAULT);
        lab.issuer.reset_counts();
        let outputs = lab.run_at_once(50, |number| wanted(number).1);
        for (number, output) in outputs.iter().enumerate() {
            lab.assert_token_for(output, wanted(number).0);
        }
        lab.assert_refreshes(2);
    }
    lab.assert_alive();
}

#[test]
fn those_who_force_a_refresh_at_once_share_one() {
    let lab = Lab::signed_in(strict(LATENCY_MS));
    for _ in 0..ROUNDS {
        lab.issuer.reset_counts();
        let before = lab.get(GET);
        let runs: Vec<_> =
            (0..50).map(|_| start(lab.token(FORCE).env("TOKEN_FAULT", "loaded=stop"))).collect();
        // All of them have seen the token that they do not want.
        runs.iter().for_each(|run| run.wait_for_stop());
        runs.iter().for_each(|run| run.signal(Signal::CONT));
        for run in runs {
            let output = run.finish();
            lab.assert_token_for(&output, RESOURCE);
            assert_ne!(output.json()["accessToken"], before["accessToken"]);
        }
        lab.assert_refreshes(1);
    }
    lab.assert_alive();
}
