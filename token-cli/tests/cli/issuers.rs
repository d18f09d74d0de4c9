//! Any issuer will do: mounted under a path, behind TLS with a private authority, with opaque tokens, refresh tokens
//! that rotate, and scopes that the server narrows.

use serde_json::{Value, json};
use token_testkit::{Fault, Matching, Route, SeenRequest, Settings, Times, Transport, World};

use crate::harness::{FORCE, GET, Lab, Output, start, strict};

/// What the person at the keyboard asks for, and what of it the server grants.
const ASKED: [&str; 2] = ["api:read", "api:write"];
const GRANTED: &str = "api:read";

fn https() -> Settings {
    let granted = ["openid", "offline_access", GRANTED].map(str::to_owned).to_vec();
    Settings { transport: Transport::Https, granted_scopes: Some(granted), ..strict(0) }
}

/// A person has signed in at the issuer by its URL.
fn signed_in() -> Lab {
    let lab = Lab::new(https());
    let issuer = lab.issuer.oidc_issuer();
    assert!(issuer.starts_with("https://") && issuer.ends_with("/realms/eng"), "{issuer}");
    let login = ["login", "--issuer", &issuer, "--client-id", "tool", "--scope", ASKED[0], ASKED[1]];
    let output = lab.run(&login);
    assert!(output.status.success(), "{output}");
    lab
}

fn last_token_request(lab: &Lab) -> SeenRequest {
    lab.issuer.requests_to(Route::Token).pop().unwrap()
}

/// Asserts that this is a token for Ada and these scopes, and that nothing of Azure's is said.
fn assert_answer(lab: &Lab, answer: &Value, scope: &str) {
    let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["accessToken", "expiresOn", "expires_on", "tokenType"]);
    let issued = lab.issued(answer);
    assert_eq!((issued.account.as_str(), issued.client_id.as_str()), (World::USER, "tool"));
    assert!(issued.scopes.iter().any(|granted| granted == scope), "{issued:?}");
}

/// The bare token that `get` prints.
fn bare(output: &Output) -> Value {
    assert!(output.status.success() && output.stderr.is_empty(), "{output}");
    json!({ "accessToken": output.stdout.strip_suffix('\n').unwrap() })
}

#[test]
fn a_person_signs_in_at_an_issuer_by_its_url() {
    let lab = signed_in();
    let asked = lab.issuer.requests_to(Route::Device).pop().unwrap();
    for scope in ["openid", "offline_access", ASKED[0], ASKED[1]] {
        assert!(asked.scopes().contains(&scope), "{:?}", asked.scopes());
    }
    lab.issuer.reset_counts();
    let cached = lab.get(GET);
    assert_answer(&lab, &cached, GRANTED);
    assert!(cached["accessToken"].as_str().unwrap().starts_with("at-"), "they are opaque here");
    assert_eq!(bare(&lab.run(&["get"]))["accessToken"], cached["accessToken"]);
    assert_eq!(lab.issuer.counts().requests(Route::Any), 0);
    // Each of them spends the refresh token that the one before it brought.
    for _ in 0..3 {
        let fresh = lab.get(FORCE);
        assert_answer(&lab, &fresh, GRANTED);
        assert_ne!(fresh["accessToken"], cached["accessToken"]);
    }
    lab.assert_refreshes(3);
    // A refresh asks for what was granted, or less: RFC 6749, section 6.
    assert!(!last_token_request(&lab).scopes().contains(&ASKED[1]));
}

#[test]
fn scopes_that_were_granted_can_be_asked_for_and_no_others() {
    let lab = signed_in();
    let granted = bare(&lab.run(&["get", "--scope", GRANTED, "--force-refresh"]));
    assert!(lab.issued(&granted).scopes.iter().any(|scope| scope == GRANTED));
    let asked = last_token_request(&lab);
    assert!(asked.scopes().contains(&GRANTED) && !asked.scopes().contains(&ASKED[1]), "{asked:?}");
    lab.issuer.reset_counts();
    let refused = lab.run(&["get", "--scope", ASKED[1]]);
    assert_eq!((refused.code(), refused.stdout.as_str()), (4, ""), "{refused}");
    assert!(refused.stderr.contains(ASKED[1]) && refused.stderr.contains("--scope asks for it"), "{refused}");
    assert_eq!(lab.issuer.counts().requests(Route::Token), 0, "what was not granted need not be asked for");
    bare(&lab.run(&["get"]));
}

#[test]
fn a_resource_is_indicated_as_rfc_8707_says() {
    let lab = signed_in();
    let resource = "https://api.example/v1";
    let answer = lab.get(&["account", "get-access-token", "--resource", resource]);
    assert_answer(&lab, &answer, GRANTED);
    assert_eq!(last_token_request(&lab).field("resource"), Some(resource));
    lab.issuer.reset_counts();
    assert_eq!(bare(&lab.run(&["get", resource]))["accessToken"], answer["accessToken"]);
    assert_eq!(lab.issuer.counts().requests(Route::Any), 0);
    assert_ne!(lab.get(GET)["accessToken"], answer["accessToken"]);
}

#[test]
fn an_issuer_may_have_a_name_in_the_config() {
    let lab = Lab::new(https());
    let login = lab.run(&["login", "--issuer", "eng"]);
    assert!(login.status.success() && login.stdout.starts_with("Signed in as eng at https://"), "{login}");
    bare(&lab.run(&["get", "--account", "eng", "--force-refresh"]));
}

#[test]
fn an_authority_that_nobody_named_is_not_trusted() {
    let lab = Lab::new(https());
    let output = start(lab.token(&["login", "--issuer", "eng"]).env_remove("SSL_CERT_FILE")).finish();
    assert_eq!(output.code(), 1, "{output}");
    assert_eq!(lab.issuer.counts().requests(Route::Any), 0);
    for transport in [Transport::UnknownAuthority, Transport::WrongHost, Transport::Expired] {
        let lab = Lab::new(Settings { transport, ..https() });
        let output = lab.run(&["login", "--issuer", "eng"]);
        assert_eq!(output.code(), 1, "{transport:?}: {output}");
        assert_eq!(lab.issuer.counts().requests(Route::Any), 0);
    }
}

/// Signs the client itself in, and shows how it proved itself.
fn client_signs_in(lab: &Lab) -> SeenRequest {
    let issuer = lab.issuer.oidc_issuer();
    let arguments =
        ["login", "--issuer", &issuer, "--client-id", World::CLIENT_ID, "--client-secret", "env:SECRET"];
    let mut command = lab.token(&arguments);
    command.args(["--scope", GRANTED]).env("SECRET", World::CLIENT_SECRET);
    let output = start(&mut command).finish();
    assert!(output.status.success(), "{output}");
    // Nobody names the secret any more: it is in the sign-in.
    let fresh = lab.get(FORCE);
    let issued = lab.issued(&fresh);
    assert_eq!((issued.account.as_str(), issued.scopes), (World::CLIENT_ID, vec![GRANTED.to_owned()]));
    assert_eq!(lab.issuer.counts().client_credentials, 2);
    assert_eq!(lab.issuer.counts().refreshes, 0);
    last_token_request(lab)
}

#[test]
fn a_client_proves_itself_in_the_header() {
    let lab = Lab::new(https());
    let request = client_signs_in(&lab);
    assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")), "{request:?}");
    assert_eq!(request.field("client_secret"), None);
}

#[test]
fn a_client_proves_itself_in_the_body_where_the_issuer_wants_it() {
    let lab = Lab::new(https());
    let issuer = lab.issuer.oidc_issuer();
    let document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
    });
    let fault =
        Fault::Answer { status: 200, content_type: "application/json".into(), body: document.to_string() };
    lab.issuer.fault(Route::Discovery, fault, Times::Always);
    let request = client_signs_in(&lab);
    assert_eq!(request.field("client_secret"), Some(World::CLIENT_SECRET));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_logout_revokes_the_refresh_token_at_the_issuer() {
    let lab = signed_in();
    lab.get(FORCE);
    let spent = lab.issuer.requests_to(Matching::refreshes()).pop().unwrap();
    let output = lab.run(&["logout"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output}");
    let revocation = lab.issuer.requests_to(Route::Revocation).pop().unwrap();
    let revoked = revocation.field("token").unwrap();
    assert!(revoked.starts_with("rt-") && Some(revoked) != spent.field("refresh_token"));
    assert_eq!(lab.issuer.counts().families_signed_out, 1);
    assert!(!lab.issuer.is_alive(World::USER));
    let output = lab.run(&["get"]);
    assert_eq!((output.code(), output.stdout.as_str()), (4, ""), "{output}");
}

#[test]
fn the_authorities_that_azure_cli_is_told_of_are_trusted_too() {
    let lab = Lab::new(Settings { transport: Transport::Https, ..Settings::auto_approving() });
    let login = |variables: &[(&str, &std::path::Path)]| {
        let mut command = lab.token(&["login", "--use-device-code"]);
        command.env_remove("SSL_CERT_FILE").envs(variables.iter().copied());
        start(&mut command).finish()
    };
    let (ca, nowhere) = (lab.ca(), std::path::Path::new("/nowhere/ca.pem"));
    assert_eq!(login(&[]).code(), 1);
    let output = login(&[("REQUESTS_CA_BUNDLE", &ca)]);
    assert!(output.status.success(), "{output}");
    let output = login(&[("REQUESTS_CA_BUNDLE", nowhere)]);
    assert!(
        output.stderr.contains("the certificates of authorities in /nowhere/ca.pem cannot be read"),
        "{output}"
    );
    // What is said to everybody counts.
    assert!(login(&[("REQUESTS_CA_BUNDLE", nowhere), ("SSL_CERT_FILE", &ca)]).status.success());
}
