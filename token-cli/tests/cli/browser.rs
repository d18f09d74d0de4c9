//! Signing in in a browser: BROWSER is a script that says where it was sent, and the test goes there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use token_testkit::{AuthorizationFlaw, Decision, IdTokenFlaw, Page, Route, Settings, World};

use crate::harness::{FORCE, GET, Lab, RESOURCE, Running, start};
use crate::terminal::Terminal;

/// A claims challenge as an API sends it, and what it says.
const CHALLENGE: &str =
    "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ==";
const CLAIMS: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;
const CLAIMS_WITH_CP1: &str =
    r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"},"xms_cc":{"values":["CP1"]}}}"#;

/// Somebody with a browser.
struct Desk(Lab);

impl Desk {
    fn new(settings: Settings) -> Self {
        Self(Lab::new(settings))
    }

    fn willing() -> Self {
        Self::new(Settings::auto_approving())
    }

    /// A browser that does this; `$1` is where it is sent.
    fn browser(&self, name: &str, script: &str) -> PathBuf {
        let path = self.0.home().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let browser = self.browser("browser", "printf '%s\\n' \"$1\" > \"$0.url\"");
        let mut command = self.0.token(arguments);
        command.env("BROWSER", browser);
        command
    }

    /// Where the browser was sent, once it was.
    fn url(&self, running: &Running) -> String {
        let file = self.0.home().join("browser.url");
        loop {
            if let Ok(text) = fs::read_to_string(&file)
                && let Some(url) = text.strip_suffix('\n')
            {
                fs::remove_file(&file).unwrap();
                return url.to_owned();
            }
            assert!(!running.ends_within(std::time::Duration::from_millis(5)), "it ended without a browser");
        }
    }

    /// Signs in, with a browser that goes where it is sent; the answer is what was said, and the last page.
    fn sign_in(&self, arguments: &[&str]) -> (crate::harness::Output, Page) {
        let running = start(&mut self.command(arguments));
        let page = Page::sign_in(&self.url(&running));
        (running.finish(), page)
    }
}

/// What was said, with names for what differs.
fn said(desk: &Desk, output: &crate::harness::Output) -> String {
    format!("exit {}\n{}", output.code(), output.stderr.replace(desk.0.issuer.base_url(), "ISSUER"))
}

#[test]
fn a_person_signs_in_where_a_browser_opens() {
    let desk = Desk::willing();
    let (output, page) = desk.sign_in(&["login"]);
    assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{output}");
    insta::assert_snapshot!(output.stdout, @r"
    Signed in as ada@contoso.example at lab.
    Active subscription: Build, tenant Contoso.
    Next: token account get-access-token, or token get graph
    ");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("You are signed in") && page.body.contains(World::USER), "{}", page.body);
    assert!(desk.0.issuer.requests_to(Route::Device).is_empty());

    let requests = desk.0.issuer.requests().len();
    desk.0.assert_token_for(&desk.0.run(GET), RESOURCE);
    assert_eq!(desk.0.issuer.requests().len(), requests, "the first token is served from the cache");
    desk.0.assert_alive();
}

#[test]
fn a_person_signs_in_at_any_issuer_and_comes_back_to_where_it_wants() {
    let desk = Desk::willing();
    let config = fs::read_to_string(desk.0.home().join("token.toml")).unwrap();
    desk.0.configure(&format!("{config}redirect_uri = \"http://localhost/callback\"\n"));
    let (output, page) = desk.sign_in(&["login", "--issuer", "eng"]);
    assert_eq!((output.code(), output.stderr.as_str(), page.status), (0, "", 200), "{output}");
    let [authorize] = &desk.0.issuer.requests_to(Route::Authorize)[..] else { panic!() };
    let redirect_uri = &authorize.query["redirect_uri"];
    assert!(redirect_uri.starts_with("http://localhost:") && redirect_uri.ends_with("/callback"));
    assert!(desk.0.run(&["get"]).status.success());

    desk.0.configure(&format!("{config}redirect_uri = \"https://elsewhere.example/callback\"\n"));
    let output = desk.0.run(&["login", "--issuer", "eng"]);
    assert_eq!(output.code(), 1, "{output}");
    assert!(output.stderr.contains("is no http URL of this host's loopback"), "{output}");
}

#[test]
fn a_refusal_is_told_in_both_places() {
    let declined = Desk::new(Settings { decision: Some(Decision::Decline), ..Settings::default() });
    let (output, page) = declined.sign_in(&["login"]);
    insta::assert_snapshot!(said(&declined, &output), @r"
    exit 1
    error: the sign-in was not completed
    cause: AADSTS65004: User declined to consent to access the app.
    cause: consent was declined
    hint: the same command starts again
    ");
    assert!(page.body.contains("The sign-in failed") && page.body.contains("AADSTS65004"), "{}", page.body);

    let mixed_up = Desk::new(Settings {
        authorization_flaw: Some(AuthorizationFlaw::WrongIssuer),
        ..Settings::auto_approving()
    });
    let (output, _) = mixed_up.sign_in(&["login", "--issuer", "eng"]);
    insta::assert_snapshot!(said(&mixed_up, &output), @r"
    exit 1
    error: the sign-in was not completed
    cause: the answer of ISSUER cannot be trusted
    cause: the answer in the browser is from another issuer
    hint: whoever runs the issuer can mend that; until then nobody should sign in there
    ");
}

#[test]
fn who_is_not_proved_is_not_stored() {
    for way in [&["login"][..], &["login", "--use-device-code"], &["login", "--issuer", "eng"]] {
        let desk = Desk::new(Settings {
            id_token_flaw: Some(IdTokenFlaw::BadSignature),
            ..Settings::auto_approving()
        });
        let output = match way {
            [_, "--use-device-code"] => desk.0.run(way),
            way => desk.sign_in(way).0,
        };
        assert_eq!(output.code(), 1, "{output}");
        assert!(
            output
                .stderr
                .contains("cause: the ID token is not believed\ncause: its signature is not the issuer's"),
            "{output}"
        );
        assert_eq!(desk.0.run(&["account", "list", "-o", "json"]).stdout.trim(), "[]");
    }
}

#[test]
fn a_browser_that_does_not_open_leaves_the_code() {
    let desk = Desk::willing();
    let broken = desk.browser("broken", "exit 3");
    let list = format!("/nowhere/browser:{}", broken.display());
    let output = start(desk.0.token(&["login"]).env("BROWSER", list)).finish();
    assert_eq!(output.code(), 0, "{output}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let why = format!(
        "warning: no browser could be opened: '{}' ended with exit status: 3; a code does it too",
        broken.display()
    );
    assert_eq!(lines[0], why);
    assert!(lines[1].contains("and enter the code"), "{output}");
    assert_eq!(desk.0.issuer.counts().device_codes, 1);
}

#[test]
fn the_next_browser_of_the_list_is_tried() {
    let desk = Desk::willing();
    let (broken, browser) = (desk.browser("broken", "exit 3"), desk.0.home().join("browser"));
    let list = format!("{}:{} %s", broken.display(), browser.display());
    let running = start(desk.command(&["login"]).env("BROWSER", list));
    assert_eq!(Page::sign_in(&desk.url(&running)).status, 200);
    assert!(running.finish().status.success());
}

#[test]
fn a_code_is_used_where_it_is_asked_for_or_nothing_can_open() {
    let desk = Desk::willing();
    let output = start(&mut desk.command(&["login", "--use-device-code"])).finish();
    assert!(output.status.success() && !desk.0.home().join("browser.url").exists(), "{output}");
    // No BROWSER, and no screen either.
    assert!(desk.0.run(&["login"]).status.success());
    assert!(desk.0.issuer.requests_to(Route::Authorize).is_empty());

    let without = Desk::new(Settings { authorization: false, ..Settings::auto_approving() });
    let output = start(&mut without.command(&["login", "--issuer", "eng"])).finish();
    assert!(output.status.success() && !without.0.home().join("browser.url").exists(), "{output}");
}

#[test]
fn nobody_is_asked_who_shall_not_be() {
    let desk = Desk::willing();
    for way in [&["login"][..], &["login", "--use-device-code"], &["login", "--issuer", "eng"]] {
        let output = start(&mut desk.command(&[way, &["--no-interactive"]].concat())).finish();
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(&desk, &output), @r"
            exit 1
            error: this sign-in asks a person, and --no-interactive forbids that
            hint: without it 'token login' asks
            hint: --service-principal and --identity sign in without a person
            ");
        }
    }
    assert_eq!(desk.0.issuer.requests().len(), 0);
}

#[test]
fn an_interrupt_ends_the_wait_for_the_browser() {
    let desk = Desk::new(Settings::default());
    let running = start(&mut desk.command(&["login"]));
    let page = Page::get(&desk.url(&running));
    assert!(page.body.contains("Approve"), "{}", page.body);
    running.signal(Signal::INT);
    let output = running.finish();
    assert_eq!(output.code(), 130, "{output}");
}

#[test]
fn under_the_name_of_az_its_words_are_said() {
    let desk = Desk::willing();
    let running = start(desk.command(&["login"]).arg0("az"));
    assert_eq!(Page::sign_in(&desk.url(&running)).status, 200);
    let output = running.finish();
    assert!(output.status.success(), "{output}");
    assert_eq!(
        output.stderr.replace(desk.0.issuer.base_url(), "ISSUER"),
        "WARNING: A web browser has been opened at ISSUER/organizations/oauth2/v2.0/authorize. Please continue the login \
         in the web browser. If no web browser is available or if the web browser fails to open, use device code flow \
         with `az login --use-device-code`.\n"
    );

    let output = start(desk.0.token(&["login", "--use-device-code"]).arg0("az")).finish();
    let line = output.stderr.trim_end_matches('\n');
    assert!(
        line.starts_with("To sign in, use a web browser to open the page ") && !line.contains('\n'),
        "{output}"
    );
}

#[test]
fn a_claims_challenge_is_answered_with_a_new_token_that_replaces_the_old_one() {
    let desk = Desk::willing();
    let (output, _) = desk.sign_in(&["login", "--claims-challenge", CHALLENGE]);
    assert!(output.status.success(), "{output}");
    let [authorize] = &desk.0.issuer.requests_to(Route::Authorize)[..] else { panic!() };
    assert_eq!(authorize.query["claims"], CLAIMS_WITH_CP1);
    for token in desk.0.issuer.requests_to(Route::Token) {
        assert_eq!(token.field("claims"), Some(CLAIMS_WITH_CP1), "{token:?}");
    }

    let before = desk.0.get(GET);
    desk.0.issuer.reset_counts();
    let challenged = desk.0.get(&[GET, &["--claims-challenge", CHALLENGE]].concat());
    let [token] = &desk.0.issuer.requests_to(Route::Token)[..] else { panic!() };
    assert_eq!(token.field("claims"), Some(CLAIMS_WITH_CP1));
    assert_ne!(challenged["accessToken"], before["accessToken"]);
    assert_eq!(desk.0.get(GET)["accessToken"], challenged["accessToken"]);
    assert_eq!(desk.0.issuer.requests_to(Route::Token).len(), 1);

    // Who says that they cannot handle challenges has tokens of their own, and declares nothing.
    let plain = |arguments: &[&str]| {
        start(desk.0.token(arguments).env("AZURE_IDENTITY_DISABLE_CP1", "1")).finish().json()
    };
    assert_ne!(plain(GET)["accessToken"], challenged["accessToken"]);
    plain(&[GET, &["--claims-challenge", CHALLENGE]].concat());
    let claims: Vec<_> = desk.0.issuer.requests_to(Route::Token);
    let claims: Vec<_> = claims.iter().map(|token| token.field("claims")).collect();
    assert_eq!(claims, [Some(CLAIMS_WITH_CP1), None, Some(CLAIMS)]);
    assert_eq!(desk.0.get(GET)["accessToken"], challenged["accessToken"]);
}

#[test]
fn a_challenge_that_is_none_is_a_mistake() {
    let lab = Lab::signed_in(Settings::auto_approving());
    for command in [&["login"][..], GET, FORCE] {
        let output = lab.run(&[command, &["--claims-challenge", "bm9uc2Vuc2U="]].concat());
        assert_eq!(output.code(), 2, "{output}");
        assert!(
            output.stderr.starts_with("error: the claims challenge is not a JSON object in base64\n"),
            "{output}"
        );
    }
}

#[test]
fn on_a_terminal_a_code_can_be_scanned_and_its_time_is_shown() {
    let lab = Lab::new(Settings { pending_polls: 1, ..Settings::auto_approving() });
    let mut command = lab.token(&["login", "--issuer", "eng"]);
    let shown = Terminal::run(command.env("NO_COLOR", "1"), 100);
    for wanted in [
        "No browser opens here (no BROWSER, DISPLAY or WAYLAND_DISPLAY); so take a code.",
        "and enter the code",
        "or open  ",
        "▄▄▄▄▄",
        "Never enter a code that somebody else gave you",
        "Waiting; the code is good for another 14m ",
        "Signed in as eng",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(
        !Terminal::run(&mut lab.token(&["login", "--issuer", "eng"]), 30).contains('▄'),
        "no room for it"
    );
}
