//! Many at once, while somebody signs in and chooses.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::harness::{GET, TOKEN, strict};

/// Starts so many `az` at once, each with its own arguments.
fn at_once(lab: &Lab, times: usize, arguments: impl Fn(usize) -> Vec<&'static str>) -> Vec<Output> {
    let runs: Vec<_> = (0..times)
        .map(|number| {
            let mut command = lab.program(TOKEN, &arguments(number));
            start(command.arg0("az").stdin(Stdio::null()))
        })
        .collect();
    runs.into_iter().map(|run| run.finish()).collect()
}

#[test]
fn fifty_at_expiry_cost_one_refresh() {
    let lab = Lab::signed_in(strict(100));
    lab.let_run_out(GET);
    lab.issuer.reset_counts();
    for output in at_once(&lab, 50, |_| GET.to_vec()) {
        lab.assert_token_for(&output, RESOURCE);
    }
    lab.assert_refreshes(1);
}

#[test]
fn nobody_gets_anothers_token_while_somebody_signs_in_and_chooses() {
    // Tokens run out all the time.
    let lab = Lab::signed_in(Settings { lifetime: 2, ..strict(20) });
    let (done, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let wanted = [(World::BUILD, World::HOME_TENANT), (World::LAB, World::SECOND_TENANT)];
    let mut outputs = Vec::new();
    std::thread::scope(|scope| {
        let signing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let turn = turns.load(Ordering::Relaxed);
                let signed_in = match turn % 2 {
                    0 => sign_in_principal(&lab),
                    _ => az(&lab, "login --use-device-code"),
                };
                let chosen = az(&lab, &format!("account set -s {}", wanted[turn % 2].0));
                for output in [signed_in, chosen] {
                    assert_eq!(output.code(), 0, "{output}");
                }
                turns.store(turn + 1, Ordering::Relaxed);
            }
        });
        // As often as it takes for both to have signed in and chosen meanwhile.
        while turns.load(Ordering::Relaxed) < 3 && !signing.is_finished() {
            outputs.extend(at_once(&lab, 50, |number| {
                vec!["account", "get-access-token", "--subscription", wanted[number % 2].0]
            }));
        }
        done.store(true, Ordering::Relaxed);
    });
    let mut accounts = BTreeSet::new();
    for (number, output) in outputs.iter().enumerate() {
        let (id, tenant) = wanted[number % 2];
        let answer = output.json();
        assert_eq!((&answer["subscription"], &answer["tenant"]), (&json!(id), &json!(tenant)));
        let issued = lab.issued(&answer);
        assert_eq!(issued.tenant.as_deref(), Some(tenant), "{output}");
        assert!(issued.scopes.contains(&format!("{RESOURCE}/.default")), "{output}");
        accounts.insert(issued.account);
    }
    assert_eq!(accounts, BTreeSet::from([World::CLIENT_ID.to_owned(), World::USER.to_owned()]));
}
