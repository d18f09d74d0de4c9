//! A refresh outlives the wish for it: who is told to end while a refresh token is being spent waits for the answer.

use std::fs::File;
use std::io::{Read as _, Write as _};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use token_testkit::{Matching, Settings};

use crate::harness::{FORCE, GET, Lab, RESOURCE, Running, TOKEN, start, strict};

pub(crate) const CTRL_C: &[u8] = b"\x03";
const NOTICE: &str =
    "Waiting for a refresh that is under way; Ctrl-C again ends at once and may lose the sign-in.";

/// A refresh whose request has arrived at the issuer, which does not answer yet.
fn in_the_middle(lab: &Lab, run: impl FnOnce() -> Running) -> Running {
    lab.issuer.reset_counts();
    lab.issuer.hold(Matching::refreshes());
    let run = run();
    lab.issuer.wait_until(|counts| counts.at_gate == 1);
    run
}

#[test]
fn a_signal_waits_for_the_answer_and_repeats_change_nothing() {
    let lab = Lab::signed_in(strict(0));
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let run = in_the_middle(&lab, || start(&mut lab.token(FORCE)));
        run.signal(signal);
        run.signal(signal);
        run.signal(Signal::TERM);
        lab.issuer.release();
        let ended = run.finish();
        // Which of two signals is seen first, when both are there, is nobody's promise.
        assert!([code, 143].contains(&ended.code()), "{ended}");
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
        // What was received is not lost: it is in the cache, and the next one gets it without asking anybody.
        let output = lab.run(GET);
        lab.assert_token_for(&output, RESOURCE);
        lab.assert_refreshes(1);
        lab.assert_alive();
    }
}

#[test]
fn who_only_waits_for_anothers_refresh_ends_at_once() {
    let lab = Lab::signed_in(strict(0));
    lab.let_run_out(GET);
    let refresher = in_the_middle(&lab, || start(&mut lab.token(GET)));
    let waiter = start(lab.token(GET).env("TOKEN_FAULT", "loaded=stop"));
    waiter.wait_for_stop();
    waiter.signal(Signal::CONT);
    waiter.signal(Signal::TERM);
    let ended = waiter.finish();
    assert_eq!((ended.code(), ended.stderr.as_str()), (143, ""), "{ended}");
    assert_eq!(lab.issuer.counts().at_gate, 1, "the other one waits all the while");
    lab.issuer.release();
    lab.assert_token_for(&refresher.finish(), RESOURCE);
    lab.assert_refreshes(1);
}

/// `token` on a terminal of its own, where Ctrl-C is a signal to it; and the terminal's other end.
pub(crate) fn on_a_terminal(lab: &Lab, arguments: &[&str]) -> (Running, Terminal) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let theirs = File::options().read(true).write(true).open(path).unwrap();
    let mut command = lab.program("setsid", &["--ctty", TOKEN]);
    command.args(arguments).stdin(theirs.try_clone().unwrap());
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs.try_clone().unwrap());
    let run = Running::spawn(&mut command, tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    // Only the process has it open from here on, so that its end is the end of what can be read.
    drop((command, theirs));
    (run, Terminal { end: ours.into(), seen: String::new() })
}

pub(crate) struct Terminal {
    end: File,
    seen: String,
}

impl Terminal {
    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.end.write_all(keys).unwrap();
    }

    /// Reads until the text is there, or until the process has gone.
    pub(crate) fn read_until(&mut self, text: &str) {
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            // A terminal that nobody has open any more is an error to read.
            match self.end.read(&mut buffer) {
                Ok(length) if length > 0 => self.seen.push_str(&String::from_utf8_lossy(&buffer[..length])),
                _ => panic!("'{text}' never came: {}", self.seen),
            }
        }
    }

    /// Reads what is left, after the process has gone.
    pub(crate) fn read_rest(mut self) -> String {
        let mut rest = Vec::new();
        drop(self.end.read_to_end(&mut rest));
        self.seen + &String::from_utf8_lossy(&rest)
    }
}

#[test]
fn on_a_terminal_the_first_ctrl_c_says_that_it_waits() {
    let lab = Lab::signed_in(strict(0));
    let mut terminal = None;
    let run = in_the_middle(&lab, || {
        let (run, its_terminal) = on_a_terminal(&lab, FORCE);
        terminal = Some(its_terminal);
        run
    });
    let mut terminal = terminal.unwrap();
    terminal.press(CTRL_C);
    terminal.read_until(NOTICE);
    lab.issuer.release();
    assert_eq!(run.finish().code(), 130);
    let said = terminal.read_rest();
    assert!(!said.contains("accessToken") && said.matches(NOTICE).count() == 1, "{said}");
    lab.assert_token_for(&lab.run(GET), RESOURCE);
    lab.assert_refreshes(1);
    lab.assert_alive();
}

#[test]
fn on_a_terminal_the_second_ctrl_c_ends_at_once() {
    let lab = Lab::signed_in(Settings { grace: 30, ..strict(0) });
    let mut terminal = None;
    let run = in_the_middle(&lab, || {
        let (run, its_terminal) = on_a_terminal(&lab, FORCE);
        terminal = Some(its_terminal);
        run
    });
    let mut terminal = terminal.unwrap();
    terminal.press(CTRL_C);
    terminal.read_until(NOTICE);
    terminal.press(CTRL_C);
    assert_eq!(run.finish().code(), 130);
    assert_eq!(lab.issuer.counts().at_gate, 1, "it did not wait for the answer");
    lab.issuer.release();
    // The issuer works it off all the same, and forgives that the token comes back.
    lab.issuer.wait_until(|counts| counts.refreshes_succeeded == 1);
    lab.assert_alive();
}
