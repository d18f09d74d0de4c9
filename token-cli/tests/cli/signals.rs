//! A signal ends the program, but not in the middle of a refresh.

use rustix::process::{Pid, Signal, kill_process};
use token_testkit::{Rotation, Route, World};

use crate::desk::{Desk, Said, willing_issuer};

#[test]
fn a_refresh_that_is_under_way_is_settled_first() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let issuer = willing_issuer();
        issuer.settings(|settings| settings.rotation = Rotation::Strict);
        let desk = Desk::new(&issuer);
        desk.run("login");
        let before = desk.ok("get");
        issuer.reset_counts();
        issuer.hold(Route::Token);
        let child = desk.start("get --force-refresh");
        issuer.wait_until(|counts| counts.at_gate == 1);
        kill_process(Pid::from_child(&child), signal).unwrap();
        issuer.release();
        let said: Said = child.wait_with_output().unwrap().into();
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(code), "", ""),
            "{signal:?}"
        );
        assert!(issuer.is_alive(World::USER));
        issuer.close();
        assert_ne!(desk.ok("get"), before, "the answer was kept");
    }
}

#[test]
fn a_sign_in_that_nobody_completes_ends_at_once() {
    let issuer = willing_issuer();
    issuer.auto_approve(false);
    let desk = Desk::new(&issuer);
    let child = desk.start("login");
    issuer.wait_for_user_code();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}
