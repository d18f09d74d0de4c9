//! An issuer that is down, slow, or says what no issuer should.

use token_testkit::{Fault, Matching, OAuthError, RetryAfter, Route, Settings, Times, Transport};

use super::{Table, each, end_the_wait, row, row_with, said};
use crate::harness::{FORCE, GET, Lab, start};

fn lab() -> Lab {
    Lab::signed_in(Settings::auto_approving())
}

fn json(status: u16, body: &str) -> Fault {
    Fault::Answer { status, content_type: "application/json".to_owned(), body: body.to_owned() }
}

/// A forced refresh under each fault, after which the sign-in still lives.
fn table(faults: &[(&str, Fault)], arguments: &[&str]) -> String {
    let lab = lab();
    let mut table = Table::default();
    for (name, fault) in faults {
        lab.issuer.fault(Matching::refreshes(), fault.clone(), Times::Always);
        table.add(name, &row(&lab, arguments));
        lab.issuer.clear_faults();
        end_the_wait(&lab);
        lab.assert_alive();
    }
    table.0
}

#[test]
fn it_is_down() {
    let lab = lab();
    assert_eq!(lab.run(&["login", "--issuer", "eng"]).code(), 0);
    lab.issuer.close();
    insta::assert_snapshot!(row(&lab, &["get", "--account", "ada@contoso.example", "--force-refresh"]), @"
    exit 1
    error: could not get a token for ada@contoso.example
    cause: could not connect to ISSUER
    cause: Connection refused (os error 111)
    hint: check the network and HTTPS_PROXY; the same command tries again after 30 seconds
    ");
    insta::assert_snapshot!(row(&lab, &["get", "--account", "ada@contoso.example", "--force-refresh"]), @"
    exit 1
    error: ISSUER brought no token a moment ago and is left alone for another N seconds
    hint: the same command tries again afterwards
    ");
    insta::assert_snapshot!(row(&lab, &["login"]), @"
    exit 1
    error: could not start the sign-in
    cause: could not connect to ISSUER
    cause: Connection refused (os error 111)
    hint: check the network and HTTPS_PROXY; the same command tries again
    ");
    insta::assert_snapshot!(row(&lab, &["login", "--tenant", "contoso.example"]), @"
    exit 1
    error: Failed to resolve tenant 'contoso.example'.
    cause: could not connect to ISSUER
    cause: Connection refused (os error 111)
    hint: check the network and HTTPS_PROXY; the same command tries again
    ");
    insta::assert_snapshot!(row(&lab, &["login", "--issuer", "eng"]), @"
    exit 1
    error: could not start the sign-in
    cause: could not connect to ISSUER
    cause: Connection refused (os error 111)
    hint: check the network and HTTPS_PROXY; the same command tries again
    ");
    insta::assert_snapshot!(row(&lab, &["logout", "--account", "eng"]), @"
    exit 0
    warning: eng is signed out here, but the issuer could not be told, and its refresh token lives on there: could not connect to ISSUER
    ");
    // What is cached needs no issuer.
    assert_eq!(row(&lab, GET), "exit 0\n");
}

#[test]
fn it_answers_nonsense() {
    let guest = "<html><title>Welcome to the guest network</title></html>".to_owned();
    let said = table(
        &[
            ("500", Fault::Status(500)),
            ("503 without a time", Fault::Status(503)),
            ("502 behind its back", Fault::StatusAfter(502)),
            ("404", Fault::Status(404)),
            ("400 and nothing else", Fault::Status(400)),
            ("a page", Fault::Html),
            (
                "a page with an error's status",
                Fault::Answer { status: 511, content_type: "text/html".to_owned(), body: guest },
            ),
            ("50 MiB", Fault::Huge { mib: 50 }),
            ("302", Fault::Redirect { status: 302, location: "https://elsewhere.example/".to_owned() }),
            ("307", Fault::Redirect { status: 307, location: "https://elsewhere.example/".to_owned() }),
            ("no HTTP", Fault::Garbage),
            ("closed before", Fault::CloseBefore),
            ("closed midway", Fault::CloseMidway),
            ("closed after", Fault::CloseAfter),
            ("half an answer", Fault::Cut),
            ("nothing, and all is well", Fault::Status(200)),
            ("no token", json(200, "{}")),
            ("no object", json(200, "[1, 2]")),
            ("a token of another type", json(200, r#"{"access_token": "a", "token_type": "mac"}"#)),
            ("a token in two lines", json(200, r#"{"access_token": "a\nb", "token_type": "Bearer"}"#)),
            ("too deep", json(200, &"[".repeat(100_000))),
        ],
        FORCE,
    );
    insta::assert_snapshot!(said, @"
    --- 500
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 500)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- 503 without a time
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 503)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- 502 behind its back
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 502)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- 404
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 404)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- 400 and nothing else
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 400)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- a page
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is a page for people, not JSON
    hint: a proxy or a guest network may have answered in its place; the same command tries again after 30 seconds
    --- a page with an error's status
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 511)
    cause: it is a page for people, not JSON
    hint: a proxy or a guest network may have answered in its place; the same command tries again after 30 seconds
    --- 50 MiB
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: the answer is larger than any token's
    hint: the same command tries again after 30 seconds
    --- 302
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 302)
    cause: it points to another place, where no credential is sent
    hint: a proxy or a guest network may have answered in its place; the same command tries again after 30 seconds
    --- 307
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 307)
    cause: it points to another place, where no credential is sent
    hint: a proxy or a guest network may have answered in its place; the same command tries again after 30 seconds
    --- no HTTP
    exit 1
    error: could not get a token for ada@contoso.example
    cause: the connection to ISSUER ended before its answer
    cause: invalid HTTP version parsed
    hint: the same command tries again after 30 seconds
    --- closed before
    exit 1
    error: could not get a token for ada@contoso.example
    cause: the connection to ISSUER ended before its answer
    cause: connection closed before message completed
    hint: the same command tries again after 30 seconds
    --- closed midway
    exit 1
    error: could not get a token for ada@contoso.example
    cause: the connection to ISSUER ended before its answer
    cause: end of file before message length reached
    hint: the same command tries again after 30 seconds
    --- closed after
    exit 1
    error: could not get a token for ada@contoso.example
    cause: the connection to ISSUER ended before its answer
    cause: connection closed before message completed
    hint: the same command tries again after 30 seconds
    --- half an answer
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is not JSON
    hint: the same command tries again after 30 seconds
    --- nothing, and all is well
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    --- no token
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it has no access token
    hint: the same command tries again after 30 seconds
    --- no object
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is JSON but not an object
    hint: the same command tries again after 30 seconds
    --- a token of another type
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: its token is of a type other than Bearer
    hint: the same command tries again after 30 seconds
    --- a token in two lines
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: its access token has characters that no token has
    hint: the same command tries again after 30 seconds
    --- too deep
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is not JSON
    hint: the same command tries again after 30 seconds
    ");
}

#[test]
fn it_asks_to_wait() {
    let lab = lab();
    let mut table = Table::default();
    for (name, fault, longest) in [
        ("429, in seconds", Fault::RetryAfter { status: 429, after: RetryAfter::Seconds(17) }, 17),
        ("429, a date", Fault::RetryAfter { status: 429, after: RetryAfter::Date(100) }, 100),
        ("429, no time", Fault::Status(429), 10),
        ("503, in seconds", Fault::RetryAfter { status: 503, after: RetryAfter::Seconds(17) }, 17),
        ("503, a date", Fault::RetryAfter { status: 503, after: RetryAfter::Date(100) }, 100),
        ("429, a day", Fault::RetryAfter { status: 429, after: RetryAfter::Seconds(86400) }, 3600),
    ] {
        lab.issuer.fault(Matching::refreshes(), fault, Times::Once);
        let first = lab.run(FORCE);
        // A date counts from the second in which it was written.
        let told = said(&lab, &first)
            .replace(&format!("wait {} seconds", longest - 1), &format!("wait {longest} seconds"));
        table.add(name, &told);
        let seen = lab.issuer.counts().refreshes;
        let again = lab.run(FORCE);
        table.add(&format!("{name}, the next"), &said(&lab, &again));
        let named = again.stderr.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap();
        assert!((1..=longest).contains(&named), "{again}");
        assert_eq!(lab.issuer.counts().refreshes, seen, "it was asked all the same");
        end_the_wait(&lab);
    }
    lab.assert_alive();
    insta::assert_snapshot!(table.0, @"
    --- 429, in seconds
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 17 seconds
    hint: the same command tries again afterwards
    --- 429, in seconds, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    --- 429, a date
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 100 seconds
    hint: the same command tries again afterwards
    --- 429, a date, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    --- 429, no time
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 10 seconds
    hint: the same command tries again afterwards
    --- 429, no time, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    --- 503, in seconds
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 17 seconds
    hint: the same command tries again afterwards
    --- 503, in seconds, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    --- 503, a date
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 100 seconds
    hint: the same command tries again afterwards
    --- 503, a date, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    --- 429, a day
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER asked to wait 3600 seconds
    hint: the same command tries again afterwards
    --- 429, a day, the next
    exit 1
    error: ISSUER asked to be left alone for another N seconds
    hint: the same command tries again afterwards
    ");
}

#[test]
fn it_refuses() {
    let error = |error: &str, text: &str| OAuthError::new(error).description(text);
    let resource = ["account", "get-access-token", "--resource", "https://graph.example"];
    let said = table(
        &[
            (
                "the sign-in is too old for this",
                Fault::OAuth(error("invalid_grant", "AADSTS70043: The refresh token has expired.")),
            ),
            (
                "no consent",
                Fault::OAuth(
                    error("invalid_grant", "AADSTS65001: Nobody consented.").suberror("consent_required"),
                ),
            ),
            (
                "a person is wanted",
                Fault::OAuth(
                    error("interaction_required", "AADSTS50076: MFA.").claims("{\"access_token\":{}}"),
                ),
            ),
            (
                "an error with status 200",
                Fault::OAuth(error("invalid_grant", "AADSTS70043: Expired.").status(200)),
            ),
        ],
        &resource,
    );
    insta::assert_snapshot!(said, @r#"
    --- the sign-in is too old for this
    exit 4
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS70043: The refresh token has expired. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: a policy limits how long a sign-in lasts
    hint: 'token login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://graph.example/.default"' signs in again
    --- no consent
    exit 4
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS65001: Nobody consented. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: nobody has consented to this yet
    hint: 'token login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://graph.example/.default"' signs in again
    --- a person is wanted
    exit 4
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS50076: MFA. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: a second factor is wanted
    hint: 'token login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://graph.example/.default"' signs in again
    --- an error with status 200
    exit 4
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS70043: Expired. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: a policy limits how long a sign-in lasts
    hint: 'token login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://graph.example/.default"' signs in again
    "#);
    let once = |fault| {
        let lab = lab();
        lab.issuer.fault(Matching::refreshes(), fault, Times::Always);
        let first = row(&lab, &resource);
        lab.issuer.clear_faults();
        // It is remembered, and said again, and nothing is sent.
        let seen = lab.issuer.counts().refreshes;
        assert_eq!(row(&lab, &resource), first);
        assert_eq!(lab.issuer.counts().refreshes, seen);
        first
    };
    let endless = format!(r#"{{"error": "x", "error_description": "{}"}}"#, "No. ".repeat(200_000));
    // It cannot speak in our name, nor to the terminal.
    let forged = r#"{"error": "x", "error_description": "No.\r\nhint: \u001b[31mrun this\u009b\u202e\r\n\r\nerror: or that"}"#;
    let faults = [
        ("a scope", Fault::OAuth(error("invalid_scope", "AADSTS70011: No such scope."))),
        ("a secret", Fault::OAuth(error("invalid_client", "AADSTS7000218: A secret is wanted.").status(401))),
        ("a client", Fault::OAuth(error("unauthorized_client", "AADSTS700016: No such application."))),
        ("something new", Fault::OAuth(error("something_new", "AADSTS1: New."))),
        ("without a text", json(400, r#"{"error": "no_text"}"#)),
        ("forged lines", json(400, forged)),
        ("800 KB", json(400, &endless)),
    ];
    let names = faults.each_ref().map(|(name, _)| *name);
    let mut table = Table::default();
    for (name, row) in names.iter().zip(each(faults, |(_, fault)| once(fault))) {
        assert!(row.len() < 3000, "{} bytes", row.len());
        table.add(name, &row.replace(&"No. ".repeat(500), "(500 times) No. "));
    }
    insta::assert_snapshot!(table.0, @"
    --- a scope
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS70011: No such scope. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the scope is not in form, or not one of its resource
    hint: --scope, --resource and --tenant say what is asked for, and where
    --- a secret
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS7000218: A secret is wanted. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the client takes no sign-in without a proof; its registration may allow public client flows
    hint: whoever runs the issuer can allow the client
    --- a client
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS700016: No such application. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the tenant has no application with this client id
    hint: whoever runs the issuer can allow the client
    --- something new
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS1: New. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    --- without a text
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: no_text
    --- forged lines
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: No.
      hint: [31mrun this
      error: or that
    --- 800 KB
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: (500 times) No. …
    ");
}

#[test]
fn it_has_trouble_of_its_own() {
    let error =
        |error: &str, status| OAuthError::new(error).description("AADSTS90033: Try later.").status(status);
    let said = table(
        &[
            ("temporarily_unavailable", Fault::OAuth(error("temporarily_unavailable", 503))),
            ("server_error, status 200", Fault::OAuth(error("server_error", 200))),
        ],
        FORCE,
    );
    insta::assert_snapshot!(said, @"
    --- temporarily_unavailable
    exit 1
    error: could not get a token for ada@contoso.example
    cause: AADSTS90033: Try later. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    hint: the issuer has trouble of its own; the same command tries again after 10 seconds
    --- server_error, status 200
    exit 1
    error: could not get a token for ada@contoso.example
    cause: AADSTS90033: Try later. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    hint: the issuer has trouble of its own; the same command tries again after 10 seconds
    ");
}

#[test]
fn it_is_slow() {
    let force = |fault: Fault| {
        let lab = lab();
        lab.issuer.fault(Matching::refreshes(), fault, Times::Always);
        row(&lab, FORCE)
    };
    let sign_in = |route: Route, arguments: &[&str]| {
        let lab = Lab::new(Settings::auto_approving());
        lab.issuer.fault(route, Fault::Hang, Times::Always);
        row(&lab, arguments)
    };
    let short = || {
        let lab = lab();
        let before = nearly_over(&lab, 3500);
        lab.issuer.fault(Matching::refreshes(), Fault::Hang, Times::Always);
        assert_eq!(lab.get(GET), before);
    };
    // They wait for most of the time, so they wait together.
    let [hang, hang_after, drip, login, discovery] = std::thread::scope(|scope| {
        let rows = [
            scope.spawn(move || force(Fault::Hang)),
            scope.spawn(move || force(Fault::HangAfter)),
            scope.spawn(move || force(Fault::Drip { bytes: 1, every_ms: 500 })),
            scope.spawn(move || sign_in(Route::Device, &["login"])),
            scope.spawn(move || sign_in(Route::Discovery, &["login", "--issuer", "eng"])),
        ];
        let short = scope.spawn(short);
        let rows = rows.map(|row| row.join().unwrap());
        short.join().unwrap();
        rows
    });
    insta::assert_snapshot!(hang, @"
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER did not answer in time
    hint: the same command tries again after 30 seconds
    ");
    assert_eq!(hang_after, hang);
    assert_eq!(drip, hang);
    insta::assert_snapshot!(login, @"
    exit 1
    error: could not start the sign-in
    cause: ISSUER did not answer in time
    hint: the same command tries again
    ");
    insta::assert_snapshot!(discovery, @"
    exit 1
    error: could not discover the endpoints of ISSUER/realms/eng
    cause: ISSUER did not answer in time
    hint: the same command tries again
    ");
}

/// Has a new token that was issued so many seconds ago.
fn nearly_over(lab: &Lab, age: i64) -> serde_json::Value {
    lab.issuer.settings(|settings| settings.date_skew = -age);
    let token = lab.get(FORCE);
    lab.issuer.settings(|settings| settings.date_skew = 0);
    token
}

#[test]
fn what_is_usable_is_served_without_a_word() {
    // Short: less than five minutes are left. Due: it should be replaced, and need not.
    for age in [3500, 3250] {
        let lab = lab();
        let before = nearly_over(&lab, age);
        for fault in [
            Fault::Status(500),
            Fault::Status(429),
            Fault::Html,
            Fault::CloseBefore,
            Fault::OAuth(OAuthError::new("temporarily_unavailable").status(503)),
            // Last, for it is remembered.
            Fault::OAuth(OAuthError::new("invalid_grant").description("AADSTS70043: Expired.")),
        ] {
            lab.issuer.fault(Matching::refreshes(), fault, Times::Always);
            let seen = lab.issuer.counts().refreshes;
            assert_eq!(lab.get(GET), before);
            assert!(lab.issuer.counts().refreshes > seen, "nobody tried");
            lab.issuer.clear_faults();
            end_the_wait(&lab);
        }
    }
}

#[test]
fn what_is_usable_does_not_serve_who_wants_more() {
    let lab = lab();
    nearly_over(&lab, 3500);
    lab.issuer.fault(Matching::refreshes(), Fault::Status(500), Times::Always);
    insta::assert_snapshot!(row(&lab, &["get", "--min-validity", "10m"]), @"
    exit 1
    error: could not get a token for ada@contoso.example
    cause: ISSUER gave an answer of no use (status 500)
    cause: it is empty
    hint: the same command tries again after 30 seconds
    ");
    assert_eq!(row(&lab, GET), "exit 0\n");
}

#[test]
fn it_has_a_certificate_that_nobody_should_trust() {
    let cases = [
        ("of an unknown authority", Transport::UnknownAuthority, None),
        ("for another host", Transport::WrongHost, None),
        ("expired", Transport::Expired, None),
        (
            "of an authority in a file that is not there",
            Transport::Https,
            Some(("SSL_CERT_FILE", "/nowhere")),
        ),
    ];
    let mut table = Table::default();
    for (name, transport, variable) in cases {
        let lab = Lab::new(Settings { transport, ..Settings::auto_approving() });
        table.add(name, &row_with(&lab, variable.as_slice(), &["login"]));
    }
    insta::assert_snapshot!(table.0, @"
    --- of an unknown authority
    exit 1
    error: could not start the sign-in
    cause: could not connect to ISSUER
    cause: its certificate is from an authority that is not trusted here
    hint: SSL_CERT_FILE names a file with the certificates of more authorities
    --- for another host
    exit 1
    error: could not start the sign-in
    cause: could not connect to ISSUER
    cause: its certificate is for another host
    hint: check the URL, and the clock of this host
    --- expired
    exit 1
    error: could not start the sign-in
    cause: could not connect to ISSUER
    cause: its certificate has expired
    hint: check the URL, and the clock of this host
    --- of an authority in a file that is not there
    exit 1
    error: could not start the sign-in
    cause: could not make a request to ISSUER
    cause: no certificates of authorities were found on this system
    hint: SSL_CERT_FILE names a file with the certificates of more authorities
    ");
}

#[test]
fn it_is_no_such_host() {
    let lab = Lab::new(Settings::auto_approving());
    let output =
        start(&mut lab.token(&["login", "--issuer", "https://nosuch.invalid", "--client-id", "x"])).finish();
    // The resolver's own words differ between systems.
    let said = said(&lab, &output)
        .lines()
        .filter(|line| !line.starts_with("cause: failed to lookup"))
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(said, @"
    exit 1
    error: could not discover the endpoints of https://nosuch.invalid
    cause: could not connect to https://nosuch.invalid
    hint: check the network and HTTPS_PROXY; the same command tries again
    ");
}
