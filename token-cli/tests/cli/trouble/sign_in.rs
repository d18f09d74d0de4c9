//! Signing in, and sign-ins that have ended.

use token_testkit::{Decision, Fault, Matching, OAuthError, Rotation, Route, Settings, Times, World};

use super::{Table, each, entries, row, row_with, said};
use crate::harness::{FORCE, GET, Lab, start};

fn decided(decision: Decision) -> Lab {
    Lab::new(Settings { decision: Some(decision), ..Settings::default() })
}

#[test]
fn the_code_is_declined_or_expires() {
    let soon = || Lab::new(Settings { device_code_lifetime: 1, ..Settings::default() });
    let ways: [&[&str]; 2] = [&["login"], &["login", "--issuer", "eng"]];
    let tables = each(ways, |arguments| {
        let labs: [(&str, &(dyn Fn() -> Lab + Sync)); 3] = [
            ("declined", &|| decided(Decision::Decline)),
            ("expired at the issuer", &|| decided(Decision::Expire)),
            ("expired here", &soon),
        ];
        let mut table = Table::default();
        each(labs, |(name, lab)| (name, row(&lab(), arguments)))
            .iter()
            .for_each(|(name, row)| table.add(name, row));
        table.0
    });
    insta::assert_snapshot!(tables[0], @"
    --- declined
    exit 1
    To sign in, use a web browser to open the page ISSUER/devicelogin and enter the code CODE to authenticate.
    error: the sign-in was not completed
    cause: AADSTS70017: The end user declined the authorization. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    hint: the same command starts again
    --- expired at the issuer
    exit 1
    To sign in, use a web browser to open the page ISSUER/devicelogin and enter the code CODE to authenticate.
    error: the sign-in was not completed
    cause: AADSTS70020: The provided value for the device code has expired. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    hint: the same command starts again
    --- expired here
    exit 1
    To sign in, use a web browser to open the page ISSUER/devicelogin and enter the code CODE to authenticate.
    error: the sign-in was not completed
    cause: The code ended before anybody entered it.
    hint: the same command starts again
    ");
    insta::assert_snapshot!(tables[1], @"
    --- declined
    exit 1
    To sign in, use a web browser to open the page ISSUER/realms/eng/device and enter the code CODE to authenticate.
    Or open ISSUER/realms/eng/device?user_code=CODE
    error: the sign-in was not completed
    cause: The end user declined.
    hint: the same command starts again
    --- expired at the issuer
    exit 1
    To sign in, use a web browser to open the page ISSUER/realms/eng/device and enter the code CODE to authenticate.
    Or open ISSUER/realms/eng/device?user_code=CODE
    error: the sign-in was not completed
    cause: The provided value for the device code has expired.
    hint: the same command starts again
    --- expired here
    exit 1
    To sign in, use a web browser to open the page ISSUER/realms/eng/device and enter the code CODE to authenticate.
    Or open ISSUER/realms/eng/device?user_code=CODE
    error: the sign-in was not completed
    cause: The code ended before anybody entered it.
    hint: the same command starts again
    ");
}

#[test]
fn the_issuer_gives_no_code() {
    let refused = |fault| {
        let lab = Lab::new(Settings::auto_approving());
        lab.issuer.fault(Route::Device, fault, Times::Always);
        row(&lab, &["login"])
    };
    let client = OAuthError::new("unauthorized_client").description("AADSTS700016: No such application.");
    let elsewhere = "https://elsewhere.example/".to_owned();
    let json = "application/json".to_owned();
    let mut table = Table::default();
    for (name, fault) in [
        ("no such client", Fault::OAuth(client)),
        ("500", Fault::Status(500)),
        ("a page", Fault::Html),
        ("429", Fault::Status(429)),
        ("302", Fault::Redirect { status: 302, location: elsewhere }),
        ("no code", Fault::Answer { status: 200, content_type: json, body: "{}".to_owned() }),
        ("closed", Fault::CloseBefore),
    ] {
        table.add(name, &refused(fault));
    }
    insta::assert_snapshot!(table.0, @"
    --- no such client
    exit 1
    error: could not start the sign-in
    cause: AADSTS700016: No such application. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the tenant has no application with this client id
    hint: check the client's id, and its secret or certificate if it has one
    --- 500
    exit 1
    error: could not start the sign-in
    cause: ISSUER gave an answer of no use (status 500)
    cause: it is empty
    hint: the same command tries again
    --- a page
    exit 1
    error: could not start the sign-in
    cause: ISSUER gave an answer of no use (status 200)
    cause: it is a page for people, not JSON
    hint: a proxy or a guest network may have answered in its place; the same command tries again
    --- 429
    exit 1
    error: could not start the sign-in
    cause: ISSUER asked to wait 10 seconds
    hint: the same command tries again
    --- 302
    exit 1
    error: could not start the sign-in
    cause: ISSUER gave an answer of no use (status 302)
    cause: it points to another place, where no credential is sent
    hint: a proxy or a guest network may have answered in its place; the same command tries again
    --- no code
    exit 1
    error: could not start the sign-in
    cause: ISSUER gave an answer of no use (status 200)
    cause: it has no code, or no page to enter it on
    hint: a proxy or a guest network may have answered in its place; the same command tries again
    --- closed
    exit 1
    error: could not start the sign-in
    cause: the connection to ISSUER ended before its answer
    cause: connection closed before message completed
    hint: the same command tries again
    ");
}

#[test]
fn the_issuer_gives_no_refresh_token() {
    let lab = Lab::new(Settings::auto_approving());
    let body =
        r#"{"access_token": "secret-of-the-answer", "token_type": "Bearer", "expires_in": 3600}"#.to_owned();
    lab.issuer.fault(
        Route::Token,
        Fault::Answer { status: 200, content_type: "application/json".to_owned(), body },
        Times::Always,
    );
    insta::assert_snapshot!(row(&lab, &["login", "--issuer", "eng"]), @"
    exit 1
    To sign in, use a web browser to open the page ISSUER/realms/eng/device and enter the code CODE to authenticate.
    Or open ISSUER/realms/eng/device?user_code=CODE
    error: the issuer gave no refresh token, so the sign-in would end with its first access token
    hint: the issuer may want another client, or a scope such as offline_access
    ");
    assert_eq!(
        row(&lab, &["account", "show"]),
        "exit 4\nerror: Please run 'token login' to setup account.\n"
    );
}

#[test]
fn the_client_is_unknown() {
    let lab = Lab::new(Settings::auto_approving());
    let (home, id) = (World::HOME_TENANT, World::CLIENT_ID);
    let mut table = Table::default();
    let secret = [("SECRET", "hunter2")];
    for (name, arguments) in [
        (
            "a service principal",
            &["login", "--service-principal", "-u", "nosuch", "-p", "env:SECRET", "-t", home][..],
        ),
        ("another secret", &["login", "--service-principal", "-u", id, "-p", "env:SECRET", "-t", home]),
        (
            "another tenant",
            &["login", "--service-principal", "-u", id, "-p", "env:SECRET", "-t", "nosuch.example"],
        ),
        ("a client at the issuer", &["login", "--issuer", "eng", "--client-secret", "env:SECRET"]),
        (
            "another issuer",
            &["login", "--issuer", &format!("{}/realms/other", lab.issuer.base_url()), "--client-id", "x"],
        ),
        (
            "a slash too many",
            &["login", "--issuer", &format!("{}/", lab.issuer.oidc_issuer()), "--client-id", "x"],
        ),
        ("no secret there", &["login", "--service-principal", "-u", id, "-p", "env:NOSUCH", "-t", home]),
        (
            "no secret in the file",
            &["login", "--service-principal", "-u", id, "-p", "file:/nowhere", "-t", home],
        ),
        ("no secret on stdin", &["login", "--service-principal", "-u", id, "-p", "-", "-t", home]),
    ] {
        table.add(name, &row_with(&lab, &secret, arguments));
    }
    assert!(!table.0.contains("hunter2"));
    insta::assert_snapshot!(table.0, @r#"
    --- a service principal
    exit 1
    error: could not sign in as nosuch
    cause: AADSTS700016: Application with identifier 'nosuch' was not found in the directory. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the tenant has no application with this client id
    hint: check the client's id, and its secret or certificate if it has one
    --- another secret
    exit 1
    error: could not sign in as aaaaaaaa-0000-4000-8000-000000000001
    cause: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'aaaaaaaa-0000-4000-8000-000000000001'. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the secret is wrong; its value is wanted, which is shown once, and not its id
    hint: check the client's id, and its secret or certificate if it has one
    --- another tenant
    exit 1
    error: Failed to resolve tenant 'nosuch.example'.
    cause: AADSTS90002: Tenant 'nosuch.example' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: there is no such tenant in this cloud
    hint: --tenant names another tenant
    --- a client at the issuer
    exit 1
    error: could not sign in as eng
    cause: No such client.
    hint: check the client's id, and its secret or certificate if it has one
    --- another issuer
    exit 1
    error: could not discover the endpoints of ISSUER/realms/other
    cause: ISSUER gave an answer of no use (status 404)
    cause: it has no discovery document
    hint: an issuer is named exactly as it names itself, slash or no slash
    --- a slash too many
    exit 1
    error: could not discover the endpoints of ISSUER/realms/eng/
    cause: ISSUER gave an answer of no use (status 200)
    cause: its discovery document names the issuer "ISSUER/realms/eng", where "ISSUER/realms/eng/" was asked for
    hint: an issuer is named exactly as it names itself, slash or no slash
    --- no secret there
    exit 1
    error: the environment variable NOSUCH is not set
    hint: --password names it
    --- no secret in the file
    exit 1
    error: could not read /nowhere
    cause: No such file or directory (os error 2)
    hint: --password names it
    --- no secret on stdin
    exit 1
    error: standard input is empty
    hint: --password names it
    "#);
    let stored = ["credential", "profile", "access"].map(|kind| entries(&lab, kind).len());
    assert_eq!(stored, [0; 3], "something was stored");
}

#[test]
fn the_client_has_another_secret_by_now() {
    let lab = Lab::new(Settings::auto_approving());
    let id = World::CLIENT_ID;
    let secret = [("SECRET", World::CLIENT_SECRET)];
    let login = ["login", "--service-principal", "-u", id, "-p", "env:SECRET", "-t", World::HOME_TENANT];
    assert_eq!(row_with(&lab, &secret, &login), "exit 0\n");
    assert_eq!(
        row_with(
            &lab,
            &secret,
            &["login", "--issuer", "eng", "--client-id", id, "--client-secret", "env:SECRET"]
        ),
        "exit 0\n"
    );
    lab.issuer.settings(|settings| settings.world.clients[0].secret = "another".to_owned());
    insta::assert_snapshot!(row(&lab, &["get", "--account", id, "--force-refresh"]), @"
    exit 1
    error: the issuer refused a token for aaaaaaaa-0000-4000-8000-000000000001
    cause: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'aaaaaaaa-0000-4000-8000-000000000001'. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the secret is wrong; its value is wanted, which is shown once, and not its id
    hint: 'token login --service-principal --username aaaaaaaa-0000-4000-8000-000000000001 --password … --tenant 11111111-1111-1111-1111-111111111111' gives it another secret
    ");
    insta::assert_snapshot!(row(&lab, &["get", "--account", "eng", "--force-refresh"]), @"
    exit 1
    error: the issuer refused a token for eng
    cause: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'aaaaaaaa-0000-4000-8000-000000000001'.
    hint: 'token login --issuer eng --client-id aaaaaaaa-0000-4000-8000-000000000001 --client-secret …' gives it another secret
    ");
}

#[test]
fn the_sign_in_has_ended_at_the_issuer() {
    let lab = Lab::signed_in(Settings::auto_approving());
    assert_eq!(row(&lab, &["login", "--issuer", "eng"]).lines().next(), Some("exit 0"));
    assert_eq!(row(&lab, &["account", "set", "--account", World::USER]), "exit 0\n");
    lab.issuer.end_sign_ins(World::USER);
    let first = row(&lab, FORCE);
    insta::assert_snapshot!(first, @"
    exit 4
    error: the sign-in of ada@contoso.example has to be made again
    cause: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: nobody used the sign-in for too long
    hint: 'token login' signs in again
    ");
    // It is known from now on, and the issuer is asked no more; what is cached serves.
    let seen = lab.issuer.counts().refreshes;
    assert_eq!(row(&lab, FORCE), first);
    assert_eq!(lab.issuer.counts().refreshes, seen);
    assert_eq!(row(&lab, GET), "exit 0\n");
    insta::assert_snapshot!(row(&lab, &["get", "--account", "eng", "--force-refresh"]), @"
    exit 4
    error: the sign-in of eng has to be made again
    cause: The sign-in has ended.
    hint: 'token login --issuer eng' signs in again
    ");
    lab.sign_in();
    lab.assert_alive();
}

#[test]
fn the_sign_in_was_lost_in_an_interrupted_refresh() {
    let lab = Lab::signed_in(Settings { rotation: Rotation::Strict, ..Settings::auto_approving() });
    let killed = start(lab.token(FORCE).env("TOKEN_FAULT", "answered=kill")).finish();
    assert_eq!(killed.code(), 128 + 9, "{killed}");
    let after = lab.run(FORCE);
    assert!(after.stderr.contains(&format!("process {} on ", killed.pid)), "{after}");
    insta::assert_snapshot!(said(&lab, &after), @"
    exit 4
    error: the sign-in of ada@contoso.example has to be made again
    cause: AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the password was changed, or an administrator ended the sign-in
    cause: a refresh was interrupted at DATE TIME +00:00 by process PID on HOST
    hint: 'token login' signs in again
    ");
    insta::assert_snapshot!(row(&lab, FORCE), @"
    exit 4
    error: the sign-in of ada@contoso.example has to be made again
    cause: AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: the password was changed, or an administrator ended the sign-in
    cause: a refresh was interrupted at DATE TIME +00:00 by process PID on HOST
    hint: 'token login' signs in again
    ");
}

#[test]
fn the_sign_in_was_ended_by_somebody_else() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let other = lab.home().join("other");
    let elsewhere = [("XDG_STATE_HOME", other.to_str().unwrap())];
    insta::assert_snapshot!(row_with(&lab, &elsewhere, &["logout", "--everywhere"]), @"
    exit 2
    error: --everywhere ends sign-ins for everybody who shares the cache
    hint: --yes says that this is meant
    ");
    assert_eq!(row_with(&lab, &elsewhere, &["logout", "--everywhere", "--yes"]), "exit 0\n");
    insta::assert_snapshot!(row(&lab, GET), @"
    exit 4
    error: Please run 'token login' to setup account.
    ");
    insta::assert_snapshot!(row(&lab, &["logout"]), @"
    exit 4
    error: There are no active accounts.
    ");
}

#[test]
fn a_scope_is_refused() {
    let lab = Lab::new(Settings::auto_approving());
    assert_eq!(
        row(&lab, &["login", "--issuer", "eng", "--scope", "api:read"]).lines().next(),
        Some("exit 0")
    );
    insta::assert_snapshot!(row(&lab, &["get", "--scope", "api:read", "api:write"]), @"
    exit 4
    error: api:write was not granted to eng at sign-in
    hint: 'token login --issuer eng' with --scope asks for it
    ");
    let refused = OAuthError::new("invalid_scope").description("The scope is not for you.");
    lab.issuer.fault(Matching::refreshes(), Fault::OAuth(refused), Times::Always);
    insta::assert_snapshot!(row(&lab, &["get", "--scope", "api:read", "--force-refresh"]), @"
    exit 1
    error: the issuer refused a token for eng
    cause: The scope is not for you.
    hint: --scope, --resource and --tenant say what is asked for, and where
    ");
}

#[test]
fn the_issuer_is_not_told_of_a_sign_out() {
    let lab = Lab::new(Settings::auto_approving());
    assert_eq!(row(&lab, &["login", "--issuer", "eng"]).lines().next(), Some("exit 0"));
    lab.issuer.fault(Route::Revocation, Fault::Status(500), Times::Always);
    insta::assert_snapshot!(row(&lab, &["logout"]), @"
    exit 0
    warning: eng is signed out here, but the issuer could not be told, and its refresh token lives on there: ISSUER gave an answer of no use (status 500)
    ");
}

#[test]
fn some_tenants_cannot_be_asked() {
    let lab = Lab::new(Settings::auto_approving());
    lab.issuer.fault(
        Matching::refreshes().tenant(World::SECOND_TENANT),
        Fault::OAuth(OAuthError::new("interaction_required").description("AADSTS50076: MFA.")),
        Times::Always,
    );
    insta::assert_snapshot!(row(&lab, &["login"]), @"
    exit 0
    To sign in, use a web browser to open the page ISSUER/devicelogin and enter the code CODE to authenticate.
    warning: Authentication failed against tenant 22222222-2222-2222-2222-222222222222 'Fabrikam': AADSTS50076: MFA. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    warning: If you need to access subscriptions in the following tenants, please use `token login --tenant TENANT_ID`.
    warning: 22222222-2222-2222-2222-222222222222 'Fabrikam'
    ");
}

#[test]
fn under_the_name_of_azure_cli() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let az = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt as _;
        said(&lab, &start(lab.token(arguments).arg0("az")).finish())
    };
    insta::assert_snapshot!(az(&["account", "get-access-token", "-s", "nosuch"]), @"
    exit 1
    ERROR: Subscription 'nosuch' not found. Check the spelling and casing and try again.
    'az account list' lists what there is
    ");
    insta::assert_snapshot!(az(&["account", "get-access-token", "-s", "x", "-t", "y"]), @"
    exit 1
    ERROR: Please specify only one of subscription and tenant, not both
    ");
    lab.issuer.end_sign_ins(World::USER);
    insta::assert_snapshot!(az(FORCE), @r#"
    exit 1
    ERROR: AADSTS700082: The refresh token has expired due to inactivity. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    Run the command below to authenticate interactively; additional arguments may be added as needed:
    az logout
    az login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://management.core.windows.net//.default"
    "#);
    assert_eq!(az(&["account", "clear"]), "exit 0\n");
    insta::assert_snapshot!(az(GET), @"
    exit 1
    ERROR: Please run 'az login' to setup account.
    ");
}
