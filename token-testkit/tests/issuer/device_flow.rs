//! The device flow, from the code to the tokens or to their refusal.

use serde_json::{Value, json};
use token_testkit::{Decision, Issuer, Settings};

use crate::client::{CLIENT, USER, get, http, post, text, token_url};

async fn authorization(issuer: &Issuer) -> Value {
    let url = format!("{}/oauth/device", issuer.oidc_issuer());
    let (status, body) = post(&url, &[("client_id", CLIENT), ("scope", "openid api:read")]).await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn poll(issuer: &Issuer, authorization: &Value) -> Result<Value, String> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT),
        ("device_code", text(authorization, "device_code")),
    ];
    match post(&token_url(issuer), &form).await {
        (200, body) => Ok(body),
        (400, body) => Err(text(&body, "error").to_owned()),
        (status, body) => panic!("{status}: {body}"),
    }
}

fn refused(error: &str) -> Result<Value, String> {
    Err(error.to_owned())
}

#[tokio::test]
async fn a_code_is_pending_until_it_is_approved_and_redeemed_once() {
    let issuer = Issuer::start(Settings::default()).await;
    let device = authorization(&issuer).await;
    assert_eq!((&device["interval"], &device["expires_in"]), (&json!(1), &json!(900)));
    assert_eq!(poll(&issuer, &device).await, refused("authorization_pending"));
    assert_eq!(issuer.until_user_code().await, text(&device, "user_code"));

    assert!(issuer.approve(text(&device, "user_code")));
    let tokens = poll(&issuer, &device).await.unwrap();
    for name in ["access_token", "refresh_token", "id_token"] {
        assert!(!text(&tokens, name).is_empty());
    }
    assert!(issuer.is_alive(USER));
    assert_eq!(poll(&issuer, &device).await, refused("invalid_grant"));
    assert!(!issuer.approve(text(&device, "user_code")));
    assert_eq!((issuer.counts().device_codes, issuer.counts().polls), (1, 3));
}

#[tokio::test]
async fn slow_down_comes_as_often_as_asked() {
    let issuer = Issuer::start(Settings { slow_down: 2, ..Settings::auto_approving() }).await;
    let device = authorization(&issuer).await;
    assert_eq!(poll(&issuer, &device).await, refused("slow_down"));
    assert_eq!(poll(&issuer, &device).await, refused("slow_down"));
    assert!(poll(&issuer, &device).await.is_ok());
}

#[tokio::test]
async fn a_client_that_polls_too_fast_is_slowed_down() {
    let settings = Settings { interval: None, enforce_interval: true, ..Settings::auto_approving() };
    let issuer = Issuer::start(settings).await;
    let device = authorization(&issuer).await;
    assert!(device.get("interval").is_none());
    assert_eq!(poll(&issuer, &device).await, refused("slow_down"));
    assert_eq!(poll(&issuer, &device).await, refused("slow_down"));
}

#[tokio::test]
async fn a_code_is_approved_after_some_polls_without_anybody() {
    let issuer = Issuer::start(Settings { pending_polls: 2, ..Settings::auto_approving() }).await;
    let device = authorization(&issuer).await;
    assert_eq!(poll(&issuer, &device).await, refused("authorization_pending"));
    assert_eq!(poll(&issuer, &device).await, refused("authorization_pending"));
    assert!(poll(&issuer, &device).await.is_ok());
}

#[tokio::test]
async fn a_code_can_be_declined_and_can_expire() {
    let issuer = Issuer::start(Settings::default()).await;
    let declined = authorization(&issuer).await;
    let expired = authorization(&issuer).await;
    assert!(issuer.decline(text(&declined, "user_code")));
    assert!(issuer.expire(text(&expired, "user_code")));
    assert_eq!(poll(&issuer, &declined).await, refused("access_denied"));
    assert_eq!(poll(&issuer, &expired).await, refused("expired_token"));

    issuer.settings(|settings| settings.device_code_lifetime = 0);
    let expired = authorization(&issuer).await;
    assert_eq!(poll(&issuer, &expired).await, refused("expired_token"));
    assert_eq!(issuer.counts().sign_ins, 0);
}

#[tokio::test]
async fn a_person_decides_on_the_page() {
    let issuer = Issuer::start(Settings::default()).await;
    let device = authorization(&issuer).await;
    let link = text(&device, "verification_uri_complete");
    let page = http().get(link).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(text(&device, "user_code")), "{page}");
    assert_eq!(poll(&issuer, &device).await, refused("authorization_pending"), "a link decides nothing");

    // As people type it.
    let typed = text(&device, "user_code").replace('-', "").to_lowercase();
    let form = [("user_code", typed.as_str()), ("decision", "approve")];
    assert_eq!(post(text(&device, "verification_uri"), &form).await.0, 200);
    assert!(poll(&issuer, &device).await.is_ok());
    assert_eq!(post(text(&device, "verification_uri"), &form).await.0, 404);

    let device = authorization(&issuer).await;
    get(&format!("{}&decision=decline", text(&device, "verification_uri_complete"))).await;
    assert_eq!(poll(&issuer, &device).await, refused("access_denied"));
    assert_eq!(issuer.device_codes().iter().filter(|code| code.redeemed).count(), 1);
    assert!(issuer.device_codes().iter().any(|code| code.decision == Some(Decision::Decline)));
}
