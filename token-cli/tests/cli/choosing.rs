//! A person at a terminal chooses which subscription is to be active.

use token_testkit::{Settings, World};

use crate::harness::Lab;
use crate::outliving::{CTRL_C, on_a_terminal};

const QUESTION: &str = "Enter for the one with the *:";
const SIGN_IN: &[&str] = &["login", "--use-device-code"];

fn active(lab: &Lab) -> String {
    lab.get(&["account", "show"])["id"].as_str().unwrap().to_owned()
}

#[test]
fn by_number_until_it_is_one() {
    let lab = Lab::new(Settings::auto_approving());
    let (run, mut terminal) = on_a_terminal(&lab, SIGN_IN);
    terminal.read_until(QUESTION);
    terminal.press(b"99\n");
    terminal.read_until("That is none of the numbers from 1 to 3.");
    terminal.press(b"2\n");
    assert_eq!(run.finish().code(), 0);
    let said = terminal.read_rest();
    assert!(said.contains("Active subscription: Lab, tenant Fabrikam."), "{said}");
    assert_eq!(active(&lab), World::LAB);
}

#[test]
fn enter_and_ctrl_c_leave_what_is() {
    let lab = Lab::new(Settings::auto_approving());
    for (keys, code) in [(&b"\n"[..], 0), (CTRL_C, 130)] {
        let (run, mut terminal) = on_a_terminal(&lab, SIGN_IN);
        terminal.read_until(QUESTION);
        terminal.press(keys);
        assert_eq!(run.finish().code(), code);
        assert_eq!(active(&lab), World::BUILD);
    }
}
