//! Clients whom somebody else vouches for.

use std::time::Duration;

use token_core::Clock as _;
use token_core::grant::assertion_source::AUDIENCE;
use token_core::{
    AssertionSource, BrokerError, ClientAuthentication, Credential, Freshness, OAuthError, Secret, freshness,
};
use token_testkit::{Fault, Route, Settings, Times, World};

use crate::support::{Bench, said};

fn federated(bench: &Bench, source: AssertionSource) -> Credential {
    bench.client(bench.microsoft(), ClientAuthentication::Assertion(source))
}

fn github(bench: &Bench) -> AssertionSource {
    let url = format!("{}/github/id-token?job=4711", bench.issuer.base_url());
    bench.set("ACTIONS_ID_TOKEN_REQUEST_URL", url);
    bench.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", World::JOB_TOKEN);
    AssertionSource::GitHubActions { audience: AUDIENCE.to_owned() }
}

fn pipelines(bench: &Bench, connection: &str) -> AssertionSource {
    bench.set("SYSTEM_OIDCREQUESTURI", format!("{}/pipelines/oidc", bench.issuer.base_url()));
    bench.set("SYSTEM_ACCESSTOKEN", World::JOB_TOKEN);
    AssertionSource::AzurePipelines { service_connection: connection.to_owned() }
}

fn pod(bench: &Bench, lifetime: i64) -> AssertionSource {
    let path = bench.root.path().join("token");
    let assertion = bench.issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, lifetime);
    std::fs::write(&path, assertion + "\n").unwrap();
    AssertionSource::File(path)
}

#[tokio::test]
async fn an_assertion_goes_as_it_is_and_a_file_is_read_for_every_exchange() {
    let bench = Bench::new(Settings::default()).await;
    let source = pod(&bench, 300);
    let request = bench.sign_in(federated(&bench, source)).await.unwrap();
    let seen = bench.last(Route::Token);
    let mut names: Vec<&String> = seen.form.keys().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["client_assertion", "client_assertion_type", "client_id", "client_info", "grant_type", "scope"]
    );
    let first = seen.field("client_assertion").unwrap().to_owned();

    bench.refresh(&request).await.unwrap();
    assert_eq!(bench.last(Route::Token).field("client_assertion"), Some(first.as_str()));
    pod(&bench, 301);
    bench.refresh(&request).await.unwrap();
    assert_ne!(bench.last(Route::Token).field("client_assertion"), Some(first.as_str()));

    let text = bench.issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, 300);
    bench.sign_in(federated(&bench, AssertionSource::Text(Secret::new(text.clone())))).await.unwrap();
    assert_eq!(bench.last(Route::Token).field("client_assertion"), Some(text.as_str()));
}

#[tokio::test]
async fn a_job_of_github_actions_asks_for_its_assertion_as_documented() {
    let bench = Bench::new(Settings::default()).await;
    let source = github(&bench);
    bench.sign_in(federated(&bench, source)).await.unwrap();
    let seen = bench.last(Route::Assertion);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/github/id-token"));
    assert_eq!(seen.query["job"], "4711", "what the URL says stays");
    assert_eq!(seen.query["audience"], "api://AzureADTokenExchange");
    assert_eq!(seen.header("authorization"), Some("Bearer job-token/s3cret"));
    assert_eq!(seen.header("accept"), Some("application/json; api-version=2.0"));
    assert_eq!(bench.last_assertion().1["sub"], World::GITHUB_SUBJECT);
}

#[tokio::test]
async fn a_job_of_azure_pipelines_asks_for_its_assertion_as_documented() {
    let bench = Bench::new(Settings::default()).await;
    let source = pipelines(&bench, World::CONNECTION);
    bench.sign_in(federated(&bench, source)).await.unwrap();
    let seen = bench.last(Route::Assertion);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/pipelines/oidc"));
    assert_eq!(seen.query["api-version"], "7.1");
    assert_eq!(seen.query["serviceConnectionId"], World::CONNECTION);
    assert_eq!(seen.header("authorization"), Some("Bearer job-token/s3cret"));
    assert_eq!(seen.header("x-tfs-fedauthredirect"), Some("Suppress"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some("0"));
    assert_eq!(bench.last_assertion().1["sub"], World::PIPELINES_SUBJECT);
}

#[tokio::test]
async fn every_refusal_of_a_source_says_whose_it_is() {
    let bench = Bench::new(Settings::default()).await;
    let refused = async |source: AssertionSource| {
        let text = bench.sign_in(federated(&bench, source)).await.unwrap_err();
        assert!(!text.contains("s3cret") && !text.contains("wrong"), "{text}");
        assert!(
            text.starts_with(&format!("could not make a request to {}\n", bench.issuer.base_url())),
            "{text}"
        );
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let source = github(&bench);
    bench.set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong");
    let lines = refused(source.clone()).await;
    assert_eq!(lines[0], "GitHub Actions gave no assertion");
    assert_eq!(lines.last().unwrap(), "it does not let this job have one");

    bench.unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    assert_eq!(
        refused(source).await,
        [
            "this sign-in gets its assertions from GitHub Actions, and ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set here"
        ]
    );
    let other = pipelines(&bench, "no such connection");
    assert_eq!(refused(other).await.last().unwrap(), "it knows no such job or service connection");
    bench.issuer.fault(
        Route::Assertion,
        Fault::Redirect { status: 302, location: "http://elsewhere.example".into() },
        Times::Once,
    );
    let source = pipelines(&bench, World::CONNECTION);
    assert_eq!(
        refused(source).await.last().unwrap(),
        "it points to another place, where no credential is sent"
    );

    let path = bench.root.path().join("token");
    assert_eq!(
        refused(AssertionSource::File(path.clone())).await,
        [
            format!("could not read the assertion in {}", path.display()),
            "No such file or directory (os error 2)".to_owned()
        ]
    );
    std::fs::write(&path, "<html>wrong</html>").unwrap();
    assert_eq!(
        refused(AssertionSource::File(path.clone())).await,
        [format!("the file {}: that is no JWT, and an assertion has to be one", path.display())]
    );
    assert_eq!(bench.issuer.counts().requests(Route::Token), 0, "nothing was sent");
}

#[tokio::test]
async fn a_source_that_stumbles_is_asked_again() {
    let bench = Bench::new(Settings::default()).await;
    let source = github(&bench);
    for fault in [Fault::Status(503), Fault::CloseBefore] {
        bench.issuer.fault(Route::Assertion, fault, Times::Once);
        bench.sign_in(federated(&bench, source.clone())).await.unwrap();
    }
    bench.issuer.fault(Route::Assertion, Fault::Status(503), Times::Next(2));
    let text = bench.sign_in(federated(&bench, source)).await.unwrap_err();
    assert!(text.contains("GitHub Actions gave no assertion\n"), "{text}");
}

#[tokio::test]
async fn a_mismatch_says_what_the_assertion_that_was_sent_says() {
    let bench = Bench::new(Settings::default()).await;
    let request = bench.sign_in(federated(&bench, pod(&bench, 300))).await.unwrap();
    let path = bench.root.path().join("token");
    let cases = [
        ("elsewhere", World::POD_SUBJECT, World::AUDIENCE, "AADSTS700211"),
        ("cluster", "system:serviceaccount:build:other", World::AUDIENCE, "AADSTS700213"),
        ("cluster", World::POD_SUBJECT, "api://else", "AADSTS700212"),
    ];
    for (provider, subject, audience, code) in cases {
        let assertion = bench.issuer.assertion(provider, subject, audience, 300);
        std::fs::write(&path, &assertion).unwrap();
        let error = bench.refresh(&request).await.unwrap_err();
        let BrokerError::Refused { refusal, .. } = &error else { panic!("{error:?}") };
        assert!(refusal.to_string().starts_with(code), "{refusal}");
        let names = refusal.assertion.as_deref().unwrap();
        assert_eq!(names.issuer, bench.issuer.federation(provider));
        assert_eq!((names.subject.as_str(), names.audience.as_str()), (subject, audience));
        let signature = assertion.rsplit('.').next().unwrap();
        assert!(!format!("{error:?}").contains(signature));
        // Who comes within the minute is told the same, and nobody is asked.
        let asked = bench.issuer.counts().requests(Route::Token);
        let again = bench.refresh(&request).await.unwrap_err();
        assert!(matches!(&again, BrokerError::Refused { refusal, .. } if refusal.assertion.is_some()));
        assert_eq!(bench.issuer.counts().requests(Route::Token), asked);
        bench.advance(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn an_assertion_that_expired_is_fetched_anew_once() {
    let bench = Bench::new(Settings::default()).await;
    let request = bench.sign_in(federated(&bench, github(&bench))).await.unwrap();
    let expired = || {
        token_testkit::OAuthError::new("invalid_client")
            .status(401)
            .description("AADSTS700024: Client assertion is not within its valid time range.")
    };
    let asked = || {
        let counts = bench.issuer.counts();
        (counts.requests(Route::Assertion), counts.requests(Route::Token))
    };
    let before = asked();
    bench.issuer.fault(Route::Token, Fault::OAuth(expired()), Times::Once);
    bench.refresh(&request).await.unwrap();
    assert_eq!(asked(), (before.0 + 2, before.1 + 2));

    bench.issuer.fault(Route::Token, Fault::OAuth(expired()), Times::Always);
    let error = bench.refresh(&request).await.unwrap_err();
    assert!(said(&error).contains("AADSTS700024"), "{}", said(&error));
    assert_eq!(asked(), (before.0 + 4, before.1 + 4), "once, and no more");
    bench.issuer.clear_faults();

    // The same text again would be refused again.
    let text = bench.issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, 300);
    let request = bench.sign_in(federated(&bench, AssertionSource::Text(Secret::new(text)))).await.unwrap();
    bench.advance(Duration::from_secs(600));
    let before = asked();
    let error = bench.refresh(&request).await.unwrap_err();
    let BrokerError::Refused { refusal: OAuthError { assertion: Some(names), .. }, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(names.expires_at.unwrap() < bench.clock.posix());
    assert_eq!(asked(), (before.0, before.1 + 1));
}

#[tokio::test]
async fn a_job_of_half_an_hour_never_fails_on_assertions_of_five_minutes_and_tokens_of_ten() {
    let settings = Settings { lifetime: 600, assertion_lifetime: 300, ..Settings::default() };
    let bench = Bench::new(settings).await;
    let request = bench.sign_in(federated(&bench, github(&bench))).await.unwrap();
    let mut tokens = std::collections::BTreeSet::new();
    for _ in 0..180 {
        bench.advance(Duration::from_secs(10));
        let token = bench.broker.access_token(&request).await.unwrap();
        assert_ne!(freshness(&token, &request.key(), bench.clock.posix(), None), Freshness::Dead);
        let issued = bench.issuer.access_token(token.secret.expose()).unwrap();
        assert!(issued.expires_on > bench.clock.posix() + 60, "as the issuer sees it, the token lives");
        tokens.insert(token.secret.expose().to_owned());
    }
    let counts = bench.issuer.counts();
    // Each token serves until it is due, between a third and a half of its life.
    assert!((5..=9).contains(&tokens.len()), "{} tokens", tokens.len());
    assert_eq!(counts.requests(Route::Assertion), counts.requests(Route::Token), "each exchange has its own");
    assert_eq!(counts.requests(Route::Token) as usize, tokens.len());

    // Where there is no job there is no assertion, and the token that lives serves to its end.
    bench.unset("ACTIONS_ID_TOKEN_REQUEST_URL");
    bench.advance(Duration::from_secs(310));
    bench.broker.access_token(&request).await.unwrap();
    bench.advance(Duration::from_secs(600));
    let error = bench.broker.access_token(&request).await.unwrap_err();
    assert!(said(&error).ends_with("ACTIONS_ID_TOKEN_REQUEST_URL is not set here"), "{}", said(&error));
    assert!(!error.needs_sign_in());
}
