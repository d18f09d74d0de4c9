//! Nothing leaks: every command with all logging on, over success and every error, and no secret in what is said or in
//! what is written, beyond the access token where it was asked for.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use rustix::process::Signal;
use token_testkit::{Decision, Fault, Matching, OAuthError, RetryAfter, Route, Settings, Times, World};

use crate::harness::{FORCE, Lab, Output, Running, start, strict};

/// Another secret, which is nobody's.
const WRONG_SECRET: &str = "wr0ng:+ö/%~";

/// A lab whose every run is kept, with all that it said.
struct Ward {
    lab: Lab,
    outputs: Vec<(Output, Asked)>,
}

/// Whether a command was asked for an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    ForToken,
    ForNone,
}

impl Ward {
    fn new(settings: Settings) -> Self {
        Self { lab: Lab::new(settings), outputs: Vec::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.token(arguments);
        command
            .env("TOKEN_LOG", "trace")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .env("SECRET", World::CLIENT_SECRET)
            .env("WRONG", WRONG_SECRET);
        command
    }

    fn start(&self, arguments: &[&str]) -> Running {
        start(&mut self.command(arguments))
    }

    /// Runs a command that is not asked for a token; the answer is its exit code.
    fn run(&mut self, arguments: &[&str]) -> i32 {
        let output = self.start(arguments).finish();
        self.keep(output, Asked::ForNone)
    }

    /// Runs a command that is asked for a token.
    fn ask(&mut self, arguments: &[&str]) -> i32 {
        let output = self.start(arguments).finish();
        self.keep(output, Asked::ForToken)
    }

    fn keep(&mut self, output: Output, asked: Asked) -> i32 {
        let code = output.code();
        self.outputs.push((output, asked));
        code
    }

    /// Makes a request of this kind fail, and runs what sends it. The issuer is asked again the next time, whatever
    /// it answers now.
    fn suffer(&mut self, which: impl Into<Matching>, fault: Fault, arguments: &[&str]) -> i32 {
        forgive(&self.lab.entries());
        self.lab.issuer.fault(which, fault, Times::Always);
        let code = self.ask(arguments);
        self.lab.issuer.clear_faults();
        code
    }

    /// Lets the issuer quote what the next request says, in an error made from the quotes.
    fn quote(
        &mut self,
        which: impl Into<Matching>,
        field: &str,
        fault: impl Fn(&str) -> Fault,
        arguments: &[&str],
    ) {
        forgive(&self.lab.entries());
        let which = which.into();
        self.lab.issuer.reset_counts();
        self.lab.issuer.hold(which.clone());
        let run = self.start(arguments);
        self.lab.issuer.wait_until(|counts| counts.at_gate == 1);
        let request = self.lab.issuer.requests_to(which.clone()).pop().unwrap();
        let secret = match request.field(field) {
            Some(secret) => secret.to_owned(),
            None => request.header(field).unwrap().split_once(' ').unwrap().1.to_owned(),
        };
        self.lab.issuer.fault(which, fault(&secret), Times::Always);
        self.lab.issuer.release();
        self.keep(run.finish(), Asked::ForNone);
        self.lab.issuer.clear_faults();
        self.assert_unsaid(&[form_encoded(&secret), secret]);
    }

    /// Looks for every secret that there was in everything that was said and written.
    fn assert_nothing_leaked(&self) {
        let logged = self.outputs.iter().filter(|(output, _)| output.stderr.contains("TRACE")).count();
        assert!(logged > 0, "nothing was logged");
        self.assert_unsaid(&secrets(&self.lab));
        assert_unwritten(&self.lab);
    }

    fn assert_unsaid(&self, secrets: &[String]) {
        for (output, asked) in &self.outputs {
            let allowed = match asked {
                Asked::ForToken if output.code() == 0 => access_token(output),
                _ => None,
            };
            for text in [&output.stderr, &output.stdout] {
                let mut text = text.to_owned();
                if let Some(token) = allowed.as_ref().filter(|_| text == output.stdout) {
                    assert_eq!(text.matches(token.as_str()).count(), 1, "{output}");
                    text = text.replace(token, "");
                }
                for secret in secrets {
                    assert!(!text.contains(secret.as_str()), "{secret} was said: {output}");
                }
                let tokens = tokens_in(&text);
                assert!(tokens.is_empty(), "{tokens:?} was said: {output}");
            }
        }
    }
}

/// Shares the work out among some wards of these settings that work side by side, for most of it is waiting.
fn share_out<T: Send>(settings: &Settings, work: Vec<T>, each: impl Fn(&mut Ward, T) + Sync) {
    const WARDS: usize = 6;
    let queue = Mutex::new(work.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..WARDS {
            scope.spawn(|| {
                let mut ward = Ward::new(settings.clone());
                loop {
                    let Some(work) = queue.lock().unwrap().next() else { break };
                    each(&mut ward, work);
                }
                ward.assert_nothing_leaked();
            });
        }
    });
}

/// What the issuer asked to be left alone for is forgotten.
fn forgive(entries: &Path) {
    for entry in fs::read_dir(entries).into_iter().flatten() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("metadata") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// All that must not be said, in the forms in which it travels. Tokens are found by their looks.
fn secrets(lab: &Lab) -> Vec<String> {
    let mut secrets = vec![World::CLIENT_SECRET.to_owned(), WRONG_SECRET.to_owned()];
    for request in lab.issuer.requests() {
        let fields =
            ["device_code", "refresh_token", "client_secret", "token"].map(|name| request.field(name));
        secrets.extend(fields.into_iter().flatten().map(str::to_owned));
        secrets
            .extend(request.header("authorization").map(|value| value.split_once(' ').unwrap().1.to_owned()));
    }
    secrets.extend(secrets.clone().iter().map(|secret| form_encoded(secret)));
    let key = fs::read_to_string(lab.key()).unwrap();
    secrets.extend(key.lines().map(str::to_owned));
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort();
    secrets.dedup();
    secrets
}

fn form_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Whatever looks like a token of the issuer: `at-…`, `rt-…`, or a JWT.
fn tokens_in(text: &str) -> Vec<&str> {
    let is_token = |word: &&str| {
        word.len() >= 20 && (word.starts_with("at-") || word.starts_with("rt-") || word.starts_with("eyJ"))
    };
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).filter(is_token).collect()
}

/// The token that a command was asked for and printed.
fn access_token(output: &Output) -> Option<String> {
    let tokens = tokens_in(&output.stdout);
    assert!(tokens.len() <= 1, "{output}");
    tokens.first().map(|&token| token.to_owned())
}

/// No file in the home but the key holds a secret as it is.
fn assert_unwritten(lab: &Lab) {
    let secrets = secrets(lab);
    let files = lab.files();
    assert!(files.len() > 2, "{files:?}");
    for (path, bytes) in files {
        let text = String::from_utf8_lossy(&bytes);
        assert!(tokens_in(&text).is_empty(), "a token is in {}", path.display());
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {}", path.display());
        }
    }
}

/// The lenient issuer, which forgives that a refresh token is spent again and again.
fn lenient() -> Settings {
    Settings { grace: 3600, ..strict(0) }
}

#[test]
fn no_secret_is_said_or_written_when_all_goes_well() {
    let mut ward = Ward::new(lenient());
    let issuer = ward.lab.issuer.oidc_issuer();
    let principal = ["login", "--service-principal", "-u", World::CLIENT_ID, "--tenant", World::HOME_TENANT];
    let as_client =
        ["login", "--issuer", &issuer, "--client-id", World::CLIENT_ID, "--client-secret", "env:SECRET"];
    assert_eq!(ward.run(&as_client), 0);
    assert_eq!(ward.ask(&["get", "--force-refresh"]), 0);
    // Another of its name comes next.
    assert_eq!(ward.run(&["logout"]), 0);
    for arguments in [
        &["login", "--use-device-code"][..],
        &["login", "--issuer", "eng"],
        &[&principal[..], &["-p", "env:SECRET"]].concat(),
    ] {
        assert_eq!(ward.run(arguments), 0, "{arguments:?}");
    }
    for account in ["eng", World::CLIENT_ID, World::USER] {
        for format in ["json", "jsonc", "yaml", "yamlc", "table", "tsv", "header"] {
            let options = ["--account", account, "--force-refresh", "--output", format];
            assert_eq!(ward.ask(&[&["account", "get-access-token"], &options[..]].concat()), 0);
        }
        ward.run(&["account", "get-access-token", "--account", account, "--output", "none"]);
        ward.ask(&["get", "--account", account]);
        ward.ask(&["get", "--account", account, "--debug", "--force-refresh"]);
        ward.ask(&["get", "--account", account, "--verbose", "--force-refresh"]);
    }
    assert!(ward.outputs.iter().filter(|(output, _)| access_token(output).is_some()).count() > 20);
    for arguments in [
        &["account", "show"][..],
        &["account", "list", "--all"],
        &["account", "list", "-o", "table"],
        &["account", "set", "--subscription", World::BUILD],
        &["account", "set", "--account", World::USER, "--shared"],
        &["cache", "list"],
        &["cache", "list", "-o", "table"],
        &["config", "show"],
        &["config", "path"],
        &["version"],
        &["completion", "bash"],
        &["--help"],
        &["login", "--help"],
        &["cache", "purge"],
    ] {
        assert_eq!(ward.run(arguments), 0, "{arguments:?}");
    }
    ward.assert_nothing_leaked();
    // The new refresh token, while only the rescue holds it.
    let stopped = start(ward.command(FORCE).args(["--account", "eng"]).env("TOKEN_FAULT", "rescued=stop"));
    stopped.wait_for_stop();
    assert_unwritten(&ward.lab);
    stopped.signal(Signal::CONT);
    assert_eq!(ward.keep(stopped.finish(), Asked::ForToken), 0);
    assert_eq!(ward.run(&["logout", "--account", "eng"]), 0);
    assert_eq!(ward.run(&["account", "clear"]), 0);
    ward.assert_nothing_leaked();
}

/// Every fault of the testkit that ends soon.
fn faults() -> Vec<Fault> {
    let error = |code: &str| OAuthError::new(code).description("AADSTS50076: No.\r\nTrace ID: 1");
    vec![
        Fault::Status(400),
        Fault::Status(500),
        Fault::RetryAfter { status: 429, after: RetryAfter::Seconds(1) },
        Fault::RetryAfter { status: 503, after: RetryAfter::Date(1) },
        Fault::OAuth(error("invalid_grant")),
        Fault::OAuth(error("invalid_scope")),
        Fault::OAuth(error("invalid_client").status(401)),
        Fault::OAuth(error("interaction_required").claims("{\"access_token\":{}}")),
        Fault::OAuth(error("temporarily_unavailable").status(503)),
        Fault::OAuth(error("invalid_request").status(200)),
        Fault::Html,
        Fault::Huge { mib: 2 },
        Fault::Redirect { status: 307, location: "https://elsewhere.example/token".to_owned() },
        Fault::Garbage,
        Fault::CloseBefore,
        Fault::CloseAfter,
        Fault::CloseMidway,
        Fault::StatusAfter(502),
        Fault::Cut,
    ]
}

#[test]
fn no_secret_is_said_or_written_when_a_refresh_fails() {
    share_out(&lenient(), faults(), |ward, fault| {
        let issuer = ward.lab.issuer.oidc_issuer();
        for (account, login) in [
            (World::USER, &["login"][..]),
            ("eng", &["login", "--issuer", "eng"]),
            (
                "eng",
                &[
                    "login",
                    "--issuer",
                    &issuer,
                    "--client-id",
                    World::CLIENT_ID,
                    "--client-secret",
                    "env:SECRET",
                ],
            ),
        ] {
            assert_eq!(ward.run(login), 0);
            let options = ["get", "--account", account, "--force-refresh"];
            let code = ward.suffer(Route::Token, fault.clone(), &options);
            assert_ne!(code, 0, "{fault:?} went unnoticed");
            // Some of it is remembered.
            ward.ask(&options);
        }
    });
}

#[test]
fn no_secret_is_said_or_written_when_a_sign_in_or_sign_out_fails() {
    // No code is polled for long.
    let settings = Settings { device_code_lifetime: 2, ..lenient() };
    share_out(&settings, faults(), |ward, fault| {
        let issuer = ward.lab.issuer.oidc_issuer();
        let principal =
            ["login", "--service-principal", "-u", World::CLIENT_ID, "--tenant", World::HOME_TENANT];
        for arguments in [
            &["login", "--issuer", "eng"][..],
            &[&principal[..], &["-p", "env:SECRET"]].concat(),
            &["login", "--issuer", &issuer, "--client-id", World::CLIENT_ID, "--client-secret", "env:SECRET"],
        ] {
            ward.suffer(Route::Token, fault.clone(), arguments);
        }
        for route in [Route::Device, Route::Discovery, Route::Arm] {
            ward.suffer(route, fault.clone(), &["login"]);
        }
        for route in [Route::Device, Route::Discovery] {
            ward.suffer(route, fault.clone(), &["login", "--issuer", "eng"]);
        }
        assert_eq!(ward.run(&["login", "--issuer", "eng"]), 0);
        ward.suffer(Route::Revocation, fault, &["logout", "--account", "eng"]);
    });
}

#[test]
fn no_secret_is_said_when_a_code_is_not_approved() {
    let mut ward = Ward::new(lenient());
    for decision in [Decision::Decline, Decision::Expire] {
        ward.lab.issuer.settings(|settings| settings.decision = Some(decision));
        assert_ne!(ward.run(&["login"]), 0);
        assert_ne!(ward.run(&["login", "--issuer", "eng"]), 0);
    }
    ward.assert_nothing_leaked();
}

#[test]
fn no_secret_is_said_when_it_is_given_in_the_wrong_place() {
    let mut ward = Ward::new(lenient());
    assert_eq!(ward.run(&["login"]), 0);
    let key = fs::read_to_string(ward.lab.key()).unwrap();
    let (id, tenant) = (World::CLIENT_ID, World::HOME_TENANT);
    for arguments in [
        &["login", "--service-principal", "-u", id, "-p", WRONG_SECRET, "--tenant", tenant][..],
        &["login", "--service-principal", "-u", id, "-p", WRONG_SECRET],
        &["login", "-p", WRONG_SECRET],
        &["login", "--service-principal", "-u", id, "-p", WRONG_SECRET, "--tenant", "nowhere.example"],
        &["login", "--issuer", "eng", "--client-id", id, "--client-secret", WRONG_SECRET],
        &["login", "--issuer", "nowhere", "--client-secret", WRONG_SECRET],
        &["login", "--client-secret", WRONG_SECRET],
        &["login", "--client-secret", WRONG_SECRET, "--bogus"],
        &["login", "--service-principal", "-u", id, "-p", "env:NOWHERE", "--tenant", tenant],
    ] {
        assert_ne!(ward.run(arguments), 0, "{arguments:?}");
    }
    for (variable, value) in [
        ("TOKEN_KEY", key.trim()),
        ("TOKEN_KEY", "env:BROKEN_KEY"),
        ("TOKEN_CACHE", "redis://:wr0ng:+ö/%~@cache.example"),
        ("TOKEN_CACHE", WRONG_SECRET),
    ] {
        let mut command = ward.command(FORCE);
        command.env(variable, value).env("BROKEN_KEY", format!("{} {WRONG_SECRET}", key.trim()));
        let output = start(&mut command).finish();
        assert_ne!(output.code(), 0, "{variable}={value}");
        ward.keep(output, Asked::ForNone);
    }
    let issuer = ward.lab.issuer.oidc_issuer();
    for line in
        ["client_secret = \"SECRET\"", "client_secret = SECRET", "client_secret = [\"SECRET\"]", "SECRET = 1"]
    {
        let line = line.replace("SECRET", WRONG_SECRET);
        ward.lab.configure(&format!("[issuers.eng]\nissuer = \"{issuer}\"\nclient_id = \"tool\"\n{line}\n"));
        assert_ne!(ward.run(&["login", "--issuer", "eng"]), 0, "{line}");
    }
    ward.lab.configure("");
    ward.assert_nothing_leaked();
}

/// What an issuer does that says a secret back.
type Quote = fn(&str) -> Fault;

/// Quotes of a secret, as it is and as it was encoded, wherever there is room.
fn quotes() -> Vec<Quote> {
    fn error(code: &str, status: u16, secret: &str) -> Fault {
        let text = format!("AADSTS1: '{secret}', {}, {secret:?}", form_encoded(secret));
        Fault::OAuth(OAuthError::new(code).status(status).description(&text).suberror(secret))
    }
    fn answer(content_type: &str, body: String) -> Fault {
        Fault::Answer { status: 400, content_type: content_type.to_owned(), body }
    }
    vec![
        |secret| error("invalid_grant", 400, secret),
        |secret| error("invalid_scope", 400, secret),
        |secret| error("invalid_client", 401, secret),
        |secret| error("invalid_request", 200, secret),
        |secret| answer("application/json", format!("{{\"error\":\"no {secret}\"}}")),
        |secret| answer("application/json", format!("{{\"refresh_token\":\"{secret}\",")),
        |secret| answer("text/html", format!("<p>{secret}</p>")),
    ]
}

#[test]
fn a_secret_that_an_issuer_quotes_is_not_said_again() {
    let settings = Settings { device_code_lifetime: 2, ..lenient() };
    share_out(&settings, quotes(), |ward, quote| {
        let issuer = ward.lab.issuer.oidc_issuer();
        let principal =
            ["login", "--service-principal", "-u", World::CLIENT_ID, "--tenant", World::HOME_TENANT];
        let with_secret = [&principal[..], &["-p", "env:SECRET"]].concat();
        let as_client =
            ["login", "--issuer", &issuer, "--client-id", World::CLIENT_ID, "--client-secret", "env:SECRET"];
        for (login, account) in [(&["login"][..], World::USER), (&["login", "--issuer", "eng"], "eng")] {
            // The last refusal may have ended the sign-in.
            assert_eq!(ward.run(login), 0);
            let force = ["get", "--account", account, "--force-refresh"];
            ward.quote(Matching::refreshes(), "refresh_token", quote, &force);
            // What was kept of the refusal says no more than the refusal did.
            ward.ask(&force);
        }
        ward.quote(Route::Token, "client_secret", quote, &with_secret);
        ward.quote(Route::Token, "authorization", quote, &as_client);
        ward.quote(Route::Token, "authorization", |_| quote(World::CLIENT_SECRET), &as_client);
        ward.quote(Route::Token, "device_code", quote, &["login"]);
        assert_eq!(ward.run(&["login", "--issuer", "eng"]), 0);
        ward.quote(Route::Revocation, "token", quote, &["logout", "--account", "eng"]);
    });
}
