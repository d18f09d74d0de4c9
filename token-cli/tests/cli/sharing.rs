//! Several users of one cache.

use token_testkit::World;

use crate::desk::{Desk, willing_issuer};

#[test]
fn who_made_the_sign_in_ends_it_and_others_only_forget_it() {
    let issuer = willing_issuer();
    let ada = Desk::new(&issuer);
    ada.run("login");
    let bob = Desk::sharing(&issuer, &ada);
    let token = bob.ok("get");
    assert_eq!(token, ada.ok("get"));

    bob.ok("logout");
    assert_eq!(bob.run("get").code, Some(4));
    assert_eq!(bob.ok("account list"), "[]\n");
    assert_eq!(ada.ok("get"), token);
    assert!(issuer.is_alive(World::USER));

    ada.ok("logout");
    let said = ada.run("get");
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(4), "error: Please run 'token login' to setup account.\n")
    );
}

#[test]
fn everywhere_has_to_be_meant() {
    let issuer = willing_issuer();
    let ada = Desk::new(&issuer);
    ada.run("login");
    let bob = Desk::sharing(&issuer, &ada);
    let said = bob.run("logout --everywhere");
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("--yes"), "{}", said.stderr);
    ada.ok("get");
    bob.ok("account clear --everywhere --yes");
    assert_eq!(ada.run("get").code, Some(4));
}

#[test]
fn a_new_sign_in_of_the_account_serves_those_who_chose_the_old_one() {
    let issuer = willing_issuer();
    let ada = Desk::new(&issuer);
    ada.run("login");
    let bob = Desk::sharing(&issuer, &ada);
    bob.ok("account set -s production");
    bob.ok("get");
    ada.run("login");
    let token = bob.ok("get");
    assert_eq!(token, ada.ok("get"));
    issuer.close();
    let before = bob.files();
    assert_eq!(bob.ok("get"), token);
    assert_eq!(bob.files(), before, "the choice follows the new sign-in once");
}

#[test]
fn azure_config_dir_isolates_a_job() {
    let issuer = willing_issuer();
    let ada = Desk::new(&issuer);
    ada.run("login");
    let dir = ada.path("job");
    let mut job = ada.command("get");
    job.env("AZURE_CONFIG_DIR", &dir);
    assert_eq!(job.output().unwrap().status.code(), Some(4));
}
