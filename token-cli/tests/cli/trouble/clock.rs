//! A clock that was turned back, as far as it can be told: what was received then is dated in the future now.

use token_testkit::{Fault, Matching, Settings, Times};

use super::row;
use crate::harness::{FORCE, GET, Lab};

/// Ada's token was received tomorrow.
fn turned_back() -> Lab {
    let lab = Lab::signed_in(Settings::auto_approving());
    lab.issuer.settings(|settings| settings.date_skew = 86400);
    lab.get(FORCE);
    lab.issuer.settings(|settings| settings.date_skew = 0);
    lab
}

#[test]
fn a_token_from_the_future_is_replaced_without_a_word() {
    let lab = turned_back();
    lab.issuer.reset_counts();
    lab.get(GET);
    lab.assert_refreshes(1);
    lab.get(GET);
    lab.assert_refreshes(1);
}

#[test]
fn a_token_from_the_future_serves_while_it_cannot_be_replaced() {
    let lab = turned_back();
    lab.issuer.reset_counts();
    lab.issuer.fault(Matching::refreshes(), Fault::Status(500), Times::Always);
    assert_eq!(row(&lab, GET), "exit 0\n");
    assert!(lab.issuer.counts().refreshes > 0, "nobody tried");
}
