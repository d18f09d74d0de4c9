//! What can go wrong, with its text and its exit code.

use token_testkit::{Fault, Issuer, Route, Settings, Times};

use crate::desk::{Desk, willing_issuer};

#[test]
fn nobody_is_signed_in() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    for line in ["account get-access-token", "get", "get graph", "account show", "account set -s x"] {
        let said = desk.run(line);
        assert_eq!(said.code, Some(4), "{line}");
        assert_eq!(said.stderr, "error: Please run 'token login' to setup account.\n", "{line}");
        assert_eq!(said.stdout, "");
    }
    assert!(!desk.path(".local").exists() && !desk.path(".config/token/key").exists(), "nothing is made");
}

#[test]
fn command_lines_that_cannot_be_meant() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    desk.run("login");
    for line in [
        "",
        "account",
        "bogus",
        "account get-access-token --bogus",
        "account get-access-token extra",
        "account get-access-token -o bogus",
        "account get-access-token --min-validity soon",
        "account set",
        "get nonsense",
        "get graph --resource https://vault.azure.net",
        "login --client-id x",
        "login --username x",
        "login --service-principal -u x",
        "login --issuer nosuch",
        "login --issuer http://idp.example --client-id x",
        "login --issuer https://idp.example",
        "login --issuer corp --tenant x",
    ] {
        let said = desk.run(line);
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "token {line}");
        assert!(
            said.stderr.contains("error: ") || said.stderr.contains("Usage: "),
            "token {line}: {}",
            said.stderr
        );
    }
    let both = desk.run("account get-access-token -s x -t y");
    assert_eq!(both.stderr, "error: Please specify only one of subscription and tenant, not both\n");
    assert_eq!(desk.run("account show -s nosuch").code, Some(3));
    assert_eq!(desk.run("get --account nosuch").code, Some(3));
}

#[test]
fn the_issuer_cannot_be_reached() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    desk.run("login");
    issuer.close();
    let said = desk.run("get vault");
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    let expected = format!(
        "error: could not get a token for ada@contoso.example\ncause: could not connect to {}\n\
         cause: Connection refused (os error 111)\n",
        issuer.base_url()
    );
    assert!(said.stderr.starts_with(&expected), "{}", said.stderr);
    assert_eq!(desk.run("login").code, Some(1));
}

#[test]
fn a_sign_in_that_ended_at_the_issuer_has_to_be_made_again() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    desk.run("login --issuer corp");
    issuer.end_sign_ins(token_testkit::World::USER);
    let said = desk.run("get --force-refresh");
    assert_eq!(said.code, Some(4), "{}", said.stderr);
    assert!(said.stderr.ends_with("hint: 'token login --issuer corp' signs in again\n"), "{}", said.stderr);
}

#[test]
fn a_declined_code_and_an_expired_one() {
    let issuer = Issuer::spawn(Settings { interval: Some(1), ..Settings::default() });
    let desk = Desk::new(&issuer);
    let declined = desk.start("login");
    assert!(issuer.decline(&issuer.wait_for_user_code()));
    let declined = declined.wait_with_output().unwrap();
    assert_eq!(declined.status.code(), Some(1));
    let expired = desk.start("login --issuer corp");
    assert!(issuer.expire(&issuer.wait_for_user_code()));
    let expired = expired.wait_with_output().unwrap();
    assert_eq!(expired.status.code(), Some(1));
    for said in [declined.stderr, expired.stderr] {
        assert!(String::from_utf8(said).unwrap().contains("\nerror: the sign-in was not completed\ncause: "));
    }
}

#[test]
fn a_missing_key_beside_a_filled_cache() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    desk.run("login");
    let key = desk.path(".config/token/key");
    let saved = desk.path("saved");
    std::fs::rename(&key, &saved).unwrap();
    for line in ["get", "account list", "login"] {
        let said = desk.run(line);
        assert_eq!(said.code, Some(1), "{line}");
        assert!(
            said.stderr.contains("are sealed under key ") && said.stderr.contains("TOKEN_KEY"),
            "{}",
            said.stderr
        );
    }
    assert!(!key.exists());
    let desk = desk.with("TOKEN_KEY", &format!("file:{}", saved.display()));
    desk.ok("get");
}

#[test]
fn a_tenant_that_fails_is_told_of_and_passed_over() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    issuer.fault(Route::Arm, Fault::Status(500), Times::Once);
    let said = desk.run("login");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(
        said.stderr.contains("\nwarning: The tenants of ada@contoso.example could not be listed: "),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("without a subscription"), "{}", said.stdout);
    desk.ok("get");
}

#[test]
fn the_reader_of_the_output_may_go() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let mut child = desk.start("completion bash");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
