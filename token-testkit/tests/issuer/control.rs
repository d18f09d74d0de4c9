//! The same controls from another process.

use serde_json::{Value, json};
use token_testkit::{Authority, Issuer, Rotation, Settings};

use crate::client::{CLIENT, USER, get, http, post, refresh, text};

async fn control(issuer: &Issuer, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/{path}", issuer.control_url());
    let request = http().post(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn show(issuer: &Issuer, path: &str) -> Value {
    let (status, body) = get(&format!("{}/{path}", issuer.control_url())).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn settings_change_one_by_one() {
    let issuer = Issuer::start(Settings::default()).await;
    let change =
        json!({ "rotation": "strict", "grace": 30, "latency_ms": { "token": 1 }, "expires_in": "text" });
    let (status, settings) = control(&issuer, "settings", change).await;
    assert_eq!((status, &settings["rotation"], &settings["lifetime"]), (200, &json!("strict"), &json!(3600)));
    issuer.settings(|settings| assert_eq!((settings.rotation, settings.grace), (Rotation::Strict, 30)));

    let (status, error) = control(&issuer, "settings", json!({ "lifetme": 1 })).await;
    assert_eq!(status, 400);
    assert!(text(&error, "error").contains("lifetme"));
    assert_eq!(show(&issuer, "settings").await, settings);
}

#[tokio::test]
async fn device_codes_are_decided() {
    let issuer = Issuer::start(Settings::default()).await;
    let device = format!("{}/oauth/device", issuer.oidc_issuer());
    for decision in ["approve", "decline", "expire"] {
        let (_, code) = post(&device, &[("client_id", CLIENT)]).await;
        let body = json!({ "user_code": code["user_code"] });
        assert_eq!(control(&issuer, decision, body).await.0, 200);
    }
    assert_eq!(control(&issuer, "approve", json!({ "user_code": "NONE" })).await.0, 400);
    assert_eq!(show(&issuer, "device-codes").await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn faults_wait_and_are_cleared() {
    let issuer = Issuer::start(Settings::default()).await;
    let fault =
        json!({ "on": { "route": "token", "grant_type": "refresh_token" }, "fault": { "status": 503 } });
    assert_eq!(control(&issuer, "faults", fault).await.0, 200);
    for fault in [
        json!("close-before"),
        json!("hang-after"),
        json!({ "retry-after": { "status": 429, "after": { "date": 5 } } }),
        json!({ "oauth": { "error": "invalid_grant", "suberror": "bad_token" } }),
        json!({ "drip": { "bytes": 1, "every_ms": 5 } }),
    ] {
        let (status, answer) =
            control(&issuer, "faults", json!({ "fault": fault, "times": { "next": 3 } })).await;
        assert_eq!(status, 200, "{fault}: {answer}");
    }
    assert_eq!(show(&issuer, "faults").await.as_array().unwrap().len(), 6);
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    assert_eq!(refresh(&issuer, &token).await.0, 503);
    http().delete(format!("{}/faults", issuer.control_url())).send().await.unwrap();
    assert_eq!(refresh(&issuer, &token).await.0, 200);
    assert_eq!(control(&issuer, "faults", json!({ "fault": "earthquake" })).await.0, 400);
}

#[tokio::test]
async fn sign_ins_are_made_shown_and_ended() {
    let issuer = Issuer::start(Settings::default()).await;
    let wanted = json!({
        "authority": "openid-connect", "account": USER, "client_id": CLIENT, "scopes": ["api:read"],
    });
    let (_, made) = control(&issuer, "sign-in", wanted).await;
    let (_, body) = refresh(&issuer, text(&made, "refresh_token")).await;
    let (_, shown) = control(&issuer, "refresh-token", json!({ "token": made["refresh_token"] })).await;
    assert_eq!(shown, json!({ "state": "superseded" }));
    let (_, shown) = control(&issuer, "access-token", json!({ "token": body["access_token"] })).await;
    assert_eq!(text(&shown, "account"), USER);
    control(&issuer, "end-sign-ins", json!({ "account": USER })).await;
    assert_eq!(text(&show(&issuer, "families").await[0], "ended"), "expired");
}

#[tokio::test]
async fn the_gate_and_the_waits_work_from_afar() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    control(&issuer, "hold", json!({ "route": "token" })).await;
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (issuer, token) = (issuer.clone(), token.clone());
            tokio::spawn(async move { refresh(&issuer, &token).await.0 })
        })
        .collect();
    assert_eq!(show(&issuer, "await?at_gate=3").await["refreshes"], 3);
    control(&issuer, "let-pass", json!({ "requests": 1 })).await;
    let counts = show(&issuer, "await?refreshes_succeeded=1&token=3").await;
    assert_eq!(counts["at_gate"], 2);
    control(&issuer, "release", json!({})).await;
    for client in clients {
        assert_eq!(client.await.unwrap(), 200);
    }
    assert_eq!(show(&issuer, "requests").await.as_array().unwrap().len(), 3);
    control(&issuer, "reset", json!({})).await;
    assert_eq!(show(&issuer, "state").await["counts"]["refreshes"], 0);
    let (status, _) = get(&format!("{}/await?sheep=3", issuer.control_url())).await;
    assert_eq!(status, 400);
    assert_eq!(get(&format!("{}/nowhere", issuer.control_url())).await.0, 404);
}
