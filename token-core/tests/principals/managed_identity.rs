//! Hosts that give tokens to their processes.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use token_core::Clock as _;
use token_core::grant::managed_identity::probe;
use token_core::{BrokerError, GrantErrorKind, ManagedIdentity, TokenRequest};
use token_testkit::{ExpiryForm, Fault, Route, SeenRequest, Settings, Times, World};

use crate::support::{ARM, Bench, said};

const RESOURCE: &str = "https://management.core.windows.net/";

fn imds(bench: &Bench) {
    bench.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", bench.issuer.base_url());
}

fn app_service(bench: &Bench) {
    bench.set("IDENTITY_ENDPOINT", format!("{}/msi/token", bench.issuer.base_url()));
    bench.set("IDENTITY_HEADER", World::IDENTITY_HEADER);
}

fn arc(bench: &Bench) -> PathBuf {
    let directory = bench.root.path().join("var/opt/azcmagent/tokens");
    std::fs::create_dir_all(&directory).unwrap();
    let key = directory.join("agent.key");
    std::fs::write(&key, "arc-key-s3cret\n").unwrap();
    names_key(bench, key.to_str().unwrap());
    bench.set("IDENTITY_ENDPOINT", format!("{}/metadata/identity/oauth2/token", bench.issuer.base_url()));
    bench.set("IMDS_ENDPOINT", "http://localhost:40342");
    key
}

fn names_key(bench: &Bench, path: &str) {
    bench.issuer.settings(|settings| settings.managed_identity.arc_key_file = path.to_owned());
}

fn query(request: &SeenRequest) -> Vec<(&str, &str)> {
    request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn client_id() -> ManagedIdentity {
    ManagedIdentity::ClientId(World::USER_ASSIGNED.to_owned())
}

#[tokio::test]
async fn each_platform_is_asked_as_it_documents() {
    let bench = Bench::new(Settings::default()).await;
    let object_id = || ManagedIdentity::ObjectId(World::USER_ASSIGNED_OBJECT.to_owned());
    let resource_id = || ManagedIdentity::ResourceId(World::USER_ASSIGNED_RESOURCE.to_owned());
    let asked = async |identity: ManagedIdentity| {
        bench.sign_in(bench.host(identity)).await.unwrap();
        bench.last(Route::ManagedIdentity)
    };

    imds(&bench);
    let seen = asked(ManagedIdentity::SystemAssigned).await;
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/metadata/identity/oauth2/token"));
    assert_eq!(query(&seen), [("api-version", "2018-02-01"), ("resource", RESOURCE)]);
    assert_eq!(seen.header("metadata"), Some("true"));
    assert_eq!(asked(client_id()).await.query["client_id"], World::USER_ASSIGNED);
    assert_eq!(asked(object_id()).await.query["object_id"], World::USER_ASSIGNED_OBJECT);
    assert_eq!(asked(resource_id()).await.query["msi_res_id"], World::USER_ASSIGNED_RESOURCE);

    app_service(&bench);
    let seen = asked(ManagedIdentity::SystemAssigned).await;
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/msi/token"));
    assert_eq!(query(&seen), [("api-version", "2019-08-01"), ("resource", RESOURCE)]);
    assert_eq!(seen.header("x-identity-header"), Some(World::IDENTITY_HEADER));
    assert_eq!(asked(client_id()).await.query["client_id"], World::USER_ASSIGNED);
    assert_eq!(asked(object_id()).await.query["principal_id"], World::USER_ASSIGNED_OBJECT);
    assert_eq!(asked(resource_id()).await.query["mi_res_id"], World::USER_ASSIGNED_RESOURCE);

    bench.unset("IDENTITY_HEADER");
    arc(&bench);
    let seen = asked(ManagedIdentity::SystemAssigned).await;
    assert_eq!(query(&seen), [("api-version", "2020-06-01"), ("resource", RESOURCE)]);
    assert_eq!(seen.header("metadata"), Some("true"));
    assert_eq!(seen.header("authorization"), Some("Basic arc-key-s3cret"));
    assert_eq!(asked(resource_id()).await.query["msi_res_id"], World::USER_ASSIGNED_RESOURCE);

    bench.unset("IDENTITY_ENDPOINT");
    bench.set("MSI_ENDPOINT", format!("{}/msi/token", bench.issuer.base_url()));
    bench.set("MSI_SECRET", World::IDENTITY_HEADER);
    let seen = asked(client_id()).await;
    assert_eq!(query(&seen)[0], ("api-version", "2017-09-01"));
    assert_eq!(seen.query["clientid"], World::USER_ASSIGNED);
    assert_eq!(seen.header("secret"), Some(World::IDENTITY_HEADER));

    bench.unset("MSI_SECRET");
    bench.set("MSI_ENDPOINT", format!("{}/oauth2/token", bench.issuer.base_url()));
    let seen = asked(ManagedIdentity::SystemAssigned).await;
    assert_eq!((seen.method.as_str(), seen.field("resource")), ("POST", Some(RESOURCE)));
    assert_eq!((query(&seen), seen.header("metadata")), (vec![], Some("true")));
    let refused = bench.sign_in(bench.host(client_id())).await.unwrap_err();
    assert!(refused.ends_with("Cloud Shell cannot be asked for an identity by its client id"), "{refused}");

    bench.set("IDENTITY_ENDPOINT", "https://fabric.example");
    bench.set("IDENTITY_HEADER", "x");
    bench.set("IDENTITY_SERVER_THUMBPRINT", "x");
    let refused = bench.sign_in(bench.host(client_id())).await.unwrap_err();
    assert!(refused.ends_with("managed identities of Service Fabric are not supported"), "{refused}");
}

#[tokio::test]
async fn the_end_of_a_token_is_read_in_every_form() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    for form in [
        ExpiryForm::Both,
        ExpiryForm::UnixText,
        ExpiryForm::UnixNumber,
        ExpiryForm::Iso8601,
        ExpiryForm::MonthFirst,
        ExpiryForm::HalfDays,
        ExpiryForm::SecondsText,
    ] {
        bench.issuer.settings(|settings| {
            settings.managed_identity.expiry = form;
            settings.lifetime = 5000;
        });
        let request = bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap();
        let token = bench.broker.access_token(&request).await.unwrap();
        let left = token.expires_on.posix() - bench.clock.posix();
        assert!((4990..=5005).contains(&left), "{form:?}: {left} seconds");
    }
}

#[tokio::test]
async fn a_token_is_served_from_the_cache_and_refreshed_without_note_or_rescue() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    let request = bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap();
    for _ in 0..3 {
        bench.broker.access_token(&request).await.unwrap();
    }
    assert_eq!(bench.issuer.counts().requests(Route::ManagedIdentity), 1);
    bench.advance(Duration::from_secs(3500));
    bench.broker.access_token(&request).await.unwrap();
    assert_eq!(bench.issuer.counts().requests(Route::ManagedIdentity), 2);
    let vault =
        TokenRequest { scopes: vec!["https://vault.azure.net/.default".to_owned()], ..request.clone() };
    bench.broker.access_token(&vault).await.unwrap();
    assert_eq!(bench.last(Route::ManagedIdentity).query["resource"], "https://vault.azure.net");

    let two = TokenRequest { scopes: vec![ARM.to_owned(), "b".to_owned()], ..request };
    let error = bench.broker.access_token(&two).await.unwrap_err();
    assert!(said(&error).contains("asked for one resource at a time"), "{}", said(&error));
}

#[tokio::test]
async fn a_host_that_is_another_identity_by_now_is_found_out() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    let mut credential = bench.host(ManagedIdentity::SystemAssigned);
    credential.client.id = World::SYSTEM_ASSIGNED.to_owned();
    let request = bench.sign_in(credential).await.unwrap();
    bench.refresh(&request).await.unwrap();
    bench.issuer.settings(|settings| settings.world.identities.swap(0, 1));
    let error = bench.refresh(&request).await.unwrap_err();
    assert!(
        said(&error).ends_with(
            "the instance metadata of this machine gave a token of another identity than the one that was asked for"
        ),
        "{}",
        said(&error)
    );
}

#[tokio::test]
async fn refusals_are_passed_on_in_the_platforms_own_words() {
    let bench = Bench::new(Settings::default()).await;
    let refused = async || {
        let nobody = ManagedIdentity::ClientId("nobody".to_owned());
        bench.sign_in(bench.host(nobody)).await.unwrap_err()
    };
    imds(&bench);
    assert_eq!(refused().await, "Identity not found");
    app_service(&bench);
    bench.set("IDENTITY_HEADER", "wrong-s3cret");
    assert_eq!(refused().await, "The identity header is wrong.");
    bench.issuer.fault(
        Route::ManagedIdentity,
        Fault::Redirect { status: 302, location: "http://elsewhere.example".into() },
        Times::Once,
    );
    assert!(refused().await.ends_with("it points to another place, where no credential is sent"));
}

#[tokio::test]
async fn the_agent_of_arc_gets_no_file_but_its_key() {
    let bench = Bench::new(Settings::default()).await;
    let key = arc(&bench);
    let directory = key.parent().unwrap().to_owned();
    let elsewhere = bench.root.path().join("shadow.key");
    std::fs::write(&elsewhere, "somebody's s3cret").unwrap();
    std::fs::write(directory.join("secret.txt"), "somebody's s3cret").unwrap();
    std::fs::write(directory.join("large.key"), vec![b'x'; 4097]).unwrap();
    symlink(&elsewhere, directory.join("link.key")).unwrap();
    std::fs::create_dir(directory.join("directory.key")).unwrap();
    std::fs::create_dir(directory.join("deeper")).unwrap();
    std::fs::write(directory.join("deeper/agent.key"), "somebody's s3cret").unwrap();
    let inside = |name: &str| directory.join(name).to_str().unwrap().to_owned();

    let not_there = "that is not in the directory of its keys";
    let cases = [
        (elsewhere.to_str().unwrap().to_owned(), not_there),
        ("/etc/shadow".to_owned(), not_there),
        ("agent.key".to_owned(), not_there),
        (inside("../tokens/agent.key"), not_there),
        (inside("deeper/agent.key"), not_there),
        (inside("../../../../shadow.key"), not_there),
        (inside("secret.txt"), "that is not named as a key"),
        (inside("large.key"), "that is larger than any key"),
        (inside("link.key"), "that is a symbolic link"),
        (inside("directory.key"), "that is no file"),
    ];
    for (path, why) in cases {
        names_key(&bench, &path);
        let before = bench.issuer.counts().requests(Route::ManagedIdentity);
        let text = bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap_err();
        assert!(text.ends_with(&format!("names {path:?} as its key, and {why}")), "{text}");
        assert_eq!(
            bench.issuer.counts().requests(Route::ManagedIdentity),
            before + 1,
            "{path}: nothing is sent"
        );
        assert!(!text.contains("s3cret"));
    }
    names_key(&bench, &inside("gone.key"));
    let text = bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap_err();
    assert!(text.contains("the key of the agent of Azure Arc\nNo such file"), "{text}");

    // An agent that knows no other identity than the machine's gives that, whatever it is asked.
    names_key(&bench, key.to_str().unwrap());
    bench.issuer.settings(|settings| settings.managed_identity.old_arc_agent = true);
    let text = bench.sign_in(bench.host(client_id())).await.unwrap_err();
    assert!(
        text.ends_with("Azure Arc gave a token of another identity than the one that was asked for"),
        "{text}"
    );
    bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap();
}

#[tokio::test]
async fn a_laptop_without_metadata_knows_it_at_once() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    // Any answer will do, and the header that asks for a token is not sent.
    probe(&bench.means()).await.unwrap();
    assert!(bench.last(Route::ManagedIdentity).header("metadata").is_none());

    // Somebody who takes the connection and says nothing is not waited for.
    bench.issuer.fault(Route::ManagedIdentity, Fault::Hang, Times::Always);
    let before = bench.clock.uptime();
    let error = probe(&bench.means()).await.unwrap_err();
    let waited = bench.clock.uptime() - before;
    assert!(matches!(error.kind, GrantErrorKind::Unreachable), "{error:?}");
    let text = said(&error);
    assert!(text.contains("this is no machine in Azure"), "{text}");
    // The limit is one second; a busy machine may add some.
    assert!(waited < Duration::from_secs(8), "{waited:?}");

    bench.issuer.close();
    assert!(said(&probe(&bench.means()).await.unwrap_err()).contains("this is no machine in Azure"));
}

#[tokio::test]
async fn metadata_that_is_being_upgraded_is_left_alone_for_a_while_and_asked_again() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    let request = bench.sign_in(bench.host(ManagedIdentity::SystemAssigned)).await.unwrap();
    bench.issuer.fault(Route::ManagedIdentity, Fault::Status(410), Times::Once);
    let error = bench.refresh(&request).await.unwrap_err();
    assert!(
        matches!(&error, BrokerError::Grant { source, .. } if matches!(source.kind, GrantErrorKind::Throttled { .. })),
        "{error:?}"
    );
    let error = bench.refresh(&request).await.unwrap_err();
    assert!(matches!(error, BrokerError::LeftAlone { seconds: 1..=10, .. }), "{error:?}");
    // Whoever has a token that lives is served.
    bench.broker.access_token(&request).await.unwrap();
    bench.advance(Duration::from_secs(11));
    bench.refresh(&request).await.unwrap();
}

#[tokio::test]
async fn another_tenant_is_not_asked_for() {
    let bench = Bench::new(Settings::default()).await;
    imds(&bench);
    let mut credential = bench.host(ManagedIdentity::SystemAssigned);
    credential.endpoints = token_core::Endpoints::Host { tenant: Some(World::HOME_TENANT.to_owned()) };
    let request = bench.sign_in(credential).await.unwrap();
    let home = TokenRequest { tenant: Some(World::HOME_TENANT.to_owned()), ..request.clone() };
    bench.broker.access_token(&home).await.unwrap();
    let elsewhere = TokenRequest { tenant: Some(World::SECOND_TENANT.to_owned()), ..request };
    let error = bench.broker.access_token(&elsewhere).await.unwrap_err();
    assert!(said(&error).contains("a managed identity has one tenant"), "{}", said(&error));
}
