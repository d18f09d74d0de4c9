//! The example of a service, run as a process of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use token_cache_file::FileCache;
use token_core::grant::TokenAnswer;
use token_core::grant::http::HttpTransport;
use token_core::{
    AccessToken, Account, AccountKind, Broker, Client, ClientAuthentication, Credential, Endpoints, Expiry,
    Grant, KeyRing, RefreshToken, Register, Secret, SignIn, SignInId, State, TokenRequest,
};
use token_testkit::{Authority, Issuer, Settings, World};

#[tokio::test]
async fn the_service_of_the_example_refreshes_a_sign_in_that_it_did_not_make() {
    let issuer = Issuer::start(Settings::default()).await;
    let home = tempfile::tempdir().unwrap();
    let (directory, key) = (home.path().join("cache"), home.path().join("key"));
    let line = KeyRing::generate_line();
    fs::write(&key, line.expose()).unwrap();
    let cache = Arc::new(FileCache::open(&directory).unwrap());
    let keys = KeyRing::parse(line.expose()).unwrap();
    let broker = Broker::new(cache, keys, Arc::new(HttpTransport::new()));
    broker.sign_in(sign_in(&issuer)).await.unwrap();

    let service = example("service");
    let run = tokio::task::spawn_blocking(move || {
        Command::new(service).arg(directory).arg(key).env("TZ", "UTC").output().unwrap()
    });
    let output = run.await.unwrap();

    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.starts_with(&format!("{} has a token until 20", World::USER)), "{printed}");
    assert!(printed.trim_end().ends_with("+00:00"), "{printed}");
    assert_eq!(issuer.counts().refreshes_succeeded, 1);
}

/// A sign-in whose access token has run out.
fn sign_in(issuer: &Issuer) -> SignIn {
    let scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
    let wanted: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let refresh_token = issuer.sign_in(Authority::OpenIdConnect, World::USER, "service", &wanted);
    let account = Account {
        name: World::USER.to_owned(),
        kind: AccountKind::Subject,
        sign_in: SignInId::random(),
        authority: issuer.oidc_issuer(),
        tenant: None,
        scopes: scopes.clone(),
        signed_in_from: "here".to_owned(),
        signed_in_at: 0,
    };
    let token = format!("{}/oauth/token", issuer.oidc_issuer()).parse().unwrap();
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: account.name.clone(),
        endpoints: Endpoints::Issuer { issuer: issuer.oidc_issuer(), token, revocation: None },
        client: Client { id: "service".to_owned(), authentication: ClientAuthentication::None },
        scopes,
        state: State::Idle(Grant::RefreshToken(Register::first(
            RefreshToken::new(refresh_token),
            std::time::Duration::ZERO,
        ))),
        last_refresh: None,
    };
    let access_token = AccessToken {
        secret: Secret::new("ran-out"),
        token_type: "Bearer".to_owned(),
        scopes: Vec::new(),
        received_at: 0,
        expires_on: Expiry::from_posix(1),
        refresh_in: None,
        claims: None,
    };
    let answer = TokenAnswer { access_token, refresh_token: None, id_token: None, client_info: None };
    SignIn { request: TokenRequest::new(&account), account, credential, answer }
}

/// An example of this package. Cargo builds it along with all tests, but not where one test is asked for.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", name]).status().unwrap();
    assert!(built.success());
    path
}
