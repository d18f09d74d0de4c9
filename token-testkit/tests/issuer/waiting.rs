//! The gate, the counts and the conditions that tests wait for.

use token_testkit::{Authority, Issuer, Matching, Rotation, Route, Settings, World};

use crate::client::{CLIENT, USER, refresh, send_refresh};

fn refreshing(issuer: &Issuer, token: &str) -> tokio::task::JoinHandle<u16> {
    let (issuer, token) = (issuer.clone(), token.to_owned());
    tokio::spawn(async move { refresh(&issuer, &token).await.0 })
}

#[tokio::test]
async fn the_gate_holds_what_it_is_told_to_hold() {
    let issuer = Issuer::start(Settings { rotation: Rotation::Strict, ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    issuer.hold(Matching::refreshes());
    let racers = [refreshing(&issuer, &token), refreshing(&issuer, &token)];
    let counts = issuer.until(|counts| counts.at_gate == 2).await;
    assert_eq!((counts.refreshes, counts.refreshes_in_flight, counts.refreshes_succeeded), (2, 2, 0));
    issuer.let_pass(1);
    issuer.until(|counts| counts.refreshes_succeeded == 1).await;
    assert!(issuer.is_alive(USER));
    issuer.release();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert!(!issuer.is_alive(USER));

    let counts = issuer.counts();
    assert_eq!((counts.held, counts.at_gate, counts.max_refreshes_in_flight), (2, 0, 2));
    assert_eq!((counts.refreshes_in_flight, counts.families_revoked), (0, 1));
}

#[tokio::test]
async fn a_request_that_arrived_is_worked_off_without_its_sender() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    issuer.hold(Route::Token);
    let stream = send_refresh(&issuer, &token).await;
    issuer.until_token_requests(1).await;
    drop(stream);
    issuer.release();
    issuer.until(|counts| counts.refreshes_succeeded == 1).await;
}

#[tokio::test]
async fn requests_are_kept_and_counted_until_the_reset() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::Microsoft, USER, CLIENT, &[]);
    let url = format!("{}/{}/oauth2/v2.0/token", issuer.base_url(), World::SECOND_TENANT);
    let mut form = crate::client::refresh_form(&token).to_vec();
    form.push(("scope", "https://graph.microsoft.com/.default"));
    crate::client::post(&url, &form).await;

    let seen = &issuer.requests_to(Matching::refreshes())[0];
    assert_eq!(seen.tenant.as_deref(), Some(World::SECOND_TENANT));
    assert_eq!(seen.field("refresh_token"), Some(token.as_str()));
    assert_eq!(seen.scopes(), ["https://graph.microsoft.com/.default"]);
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((seen.method.as_str(), seen.grant_type()), ("POST", Some("refresh_token")));
    assert_eq!(issuer.counts().requests(Route::Any), 1);

    issuer.reset_counts();
    assert_eq!(issuer.counts(), Default::default());
    assert!(issuer.requests().is_empty());
    assert!(issuer.is_alive(USER));
}

#[tokio::test]
async fn two_hundred_clients_at_once_are_all_answered() {
    let issuer = Issuer::start(Settings { rotation: Rotation::Strict, ..Settings::default() }).await;
    issuer.hold(Route::Token);
    let tokens: Vec<String> = (0..200)
        .map(|_| issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["openid", "api:read"]))
        .collect();
    let clients: Vec<_> = tokens.iter().map(|token| refreshing(&issuer, token)).collect();
    issuer.until(|counts| counts.at_gate == 200).await;
    issuer.release();
    for client in clients {
        assert_eq!(client.await.unwrap(), 200);
    }
    let counts = issuer.counts();
    assert_eq!((counts.refreshes_succeeded, counts.max_refreshes_in_flight), (200, 200));
}

#[test]
fn a_test_without_a_runtime_has_an_issuer_too() {
    let issuer = Issuer::spawn(Settings::default());
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    let client = std::thread::spawn({
        let issuer = Issuer::clone(&issuer);
        move || tokio::runtime::Runtime::new().unwrap().block_on(async { refresh(&issuer, &token).await.0 })
    });
    issuer.wait_for_token_requests(1);
    issuer.wait_until(|counts| counts.refreshes_succeeded == 1);
    assert_eq!(client.join().unwrap(), 200);
    issuer.close();
    issuer.reopen();
}
