//! From a sign-in to a token, to the next one from the cache, to the sign-out.

use token_testkit::{Issuer, Rotation, Route, Settings, World};

use crate::desk::{Desk, Said, willing_issuer};

const FIELDS: [&str; 6] = ["accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType"];

fn fields(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_person_signs_in_and_is_served_from_the_cache() {
    let issuer =
        Issuer::spawn(Settings { interval: Some(1), rotation: Rotation::Strict, ..Settings::default() });
    let desk = Desk::new(&issuer);

    let login = desk.start("login");
    let code = issuer.wait_for_user_code();
    assert!(issuer.approve(&code));
    let said: Said = login.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(
        said.stderr,
        format!(
            "To sign in, use a web browser to open the page {}/devicelogin and enter the code {code} to \
             authenticate.\n",
            issuer.base_url()
        )
    );
    insta::assert_snapshot!(said.stdout, @r"
    Signed in as ada@contoso.example at lab.
    Active subscription: Build, tenant Contoso.
    Next: token account get-access-token, or token get graph
    ");

    let first = desk.json("account get-access-token");
    assert_eq!(fields(&first), FIELDS);
    assert_eq!((&first["tokenType"], &first["tenant"]), (&"Bearer".into(), &World::HOME_TENANT.into()));
    assert_eq!(first["subscription"], World::BUILD);
    let graph = desk.ok("get graph");
    assert!(
        issuer.access_token(graph.trim_end()).unwrap().scopes.iter().any(|scope| scope.contains("graph"))
    );

    // From here on nobody answers, and nothing is written.
    issuer.close();
    let before = desk.files();
    assert_eq!(desk.json("account get-access-token"), first);
    assert_eq!(desk.ok("get"), format!("{}\n", first["accessToken"].as_str().unwrap()));
    assert_eq!(desk.ok("get graph"), graph);
    assert_eq!(desk.ok("get graph -o header"), format!("Authorization: Bearer {graph}"));
    assert_eq!(desk.ok("account get-access-token -o none"), "");
    assert_eq!(desk.files(), before);
}

#[test]
fn every_tenant_and_page_is_found_and_a_subscription_is_chosen_by_name() {
    let issuer =
        Issuer::spawn(Settings { interval: Some(1), page_size: Some(1), ..Settings::auto_approving() });
    let desk = Desk::new(&issuer);
    desk.run("login");
    insta::assert_snapshot!(desk.ok("account list -o table"), @r"
       Name        Subscription ID                       Tenant
    -  ----------  ------------------------------------  --------
    *  Build       bbbbbbbb-0000-4000-8000-000000000001  Contoso
       Production  bbbbbbbb-0000-4000-8000-000000000002  Contoso
       Lab         bbbbbbbb-0000-4000-8000-000000000003  Fabrikam
    ");
    let other = desk.json("account get-access-token --subscription lab");
    assert_eq!(
        (&other["subscription"], &other["tenant"]),
        (&World::LAB.into(), &World::SECOND_TENANT.into())
    );
    let by_tenant = desk.json(&format!("account get-access-token -t {}", World::SECOND_TENANT));
    assert_eq!(by_tenant["accessToken"], other["accessToken"]);
    assert_eq!(by_tenant.get("subscription"), None);

    desk.ok("account set --name LAB");
    assert_eq!(desk.json("account get-access-token")["subscription"], World::LAB);
    assert_eq!(desk.json("account show")["name"], "Lab");
    let elsewhere = Desk::sharing(&issuer, &desk);
    assert_eq!(elsewhere.json("account show")["name"], "Build", "the choice of one is not the choice of all");
    desk.ok("account set -s lab --shared");
    assert_eq!(elsewhere.json("account show")["name"], "Lab");
    let production = Desk::sharing(&issuer, &desk).with("TOKEN_SUBSCRIPTION", "production");
    assert_eq!(production.json("account show")["name"], "Production");
}

#[test]
fn a_service_principal_signs_in_with_a_secret_that_is_not_an_argument() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer).with("SECRET", World::CLIENT_SECRET);
    let id = World::CLIENT_ID;
    let said = desk.run(&format!("login --service-principal -u {id} -p env:SECRET --tenant contoso.example"));
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let token = desk.json("account get-access-token");
    assert_eq!(fields(&token), FIELDS);
    assert_eq!(token["tenant"], World::HOME_TENANT);

    let wrong =
        desk.run(&format!("login --service-principal -u {id} -p wrong --tenant {}", World::HOME_TENANT));
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("cause: AADSTS7000215"), "{}", wrong.stderr);
    let forced = desk.json("account get-access-token --force-refresh");
    assert_ne!(forced["accessToken"], token["accessToken"], "a wrong secret does not replace a right one");
}

#[test]
fn an_issuer_serves_persons_and_clients() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer).with("SECRET", World::CLIENT_SECRET);
    let said = desk.run("login --issuer corp");
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(said.stdout.starts_with("Signed in as corp at "), "{}", said.stdout);
    let token = desk.json("account get-access-token");
    assert_eq!(fields(&token), ["accessToken", "expiresOn", "expires_on", "tokenType"]);
    assert_eq!(desk.json("account show")["issuer"], issuer.oidc_issuer());
    desk.ok("get --scope api:read --resource https://api.example/");
    let sent = issuer.requests_to(Route::Token).pop().unwrap();
    assert_eq!(sent.field("resource"), Some("https://api.example/"));

    let url = issuer.oidc_issuer();
    let id = World::CLIENT_ID;
    let said = desk
        .run(&format!("login --issuer {url} --client-id {id} --client-secret env:SECRET --scope api:read"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let sent = issuer.requests_to(Route::Token).pop().unwrap();
    assert_eq!(sent.grant_type(), Some("client_credentials"));
    assert_ne!(desk.json("account get-access-token")["accessToken"], token["accessToken"]);
}

#[test]
fn lists_say_until_when_and_never_what() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    assert_eq!(desk.ok("cache list"), "[]\n");
    desk.run("login");
    let token = desk.ok("get");
    let listed = desk.json("cache list");
    assert_eq!(listed[0]["account"], World::USER);
    assert_eq!(listed[0]["state"], "fresh");
    assert!(listed[0]["until"].as_str().unwrap().ends_with(" +00:00"));
    let table = desk.ok("cache list -o table");
    assert!(table.contains("  arm  Contoso ") && !table.contains(token.trim_end()), "{table}");
    assert_eq!(desk.ok("cache purge"), "Removed 0 expired and 0 damaged entries.\n");
    assert_eq!(desk.ok("get"), token);
}
