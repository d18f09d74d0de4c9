//! Every fault, as it arrives and as it leaves the issuer.

use std::time::Instant;

use serde_json::Value;
use token_testkit::{
    Authority, Fault, Issuer, Matching, OAuthError, RefreshTokenState, RetryAfter, Rotation, Route, Settings,
    Times,
};
use tokio::io::AsyncReadExt;

use crate::client::{
    CLIENT, USER, get, http, post, raw_refresh, refresh, refresh_form, send_refresh, text, token_url,
};

async fn with(fault: Fault) -> (Issuer, String) {
    let issuer = Issuer::start(Settings { rotation: Rotation::Strict, ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    issuer.fault(Route::Token, fault, Times::Once);
    (issuer, token)
}

/// Nothing was done: the token is as good as before.
async fn unspent(issuer: &Issuer, token: &str) {
    assert_eq!(issuer.refresh_token(token), RefreshTokenState::Current);
    assert_eq!(refresh(issuer, token).await.0, 200);
    assert_eq!(issuer.counts().faults, 1);
}

/// The refresh was done, whatever the client knows about it.
fn spent(issuer: &Issuer, token: &str) {
    assert_eq!(issuer.refresh_token(token), RefreshTokenState::Superseded);
    assert_eq!(issuer.counts().refreshes_succeeded, 1);
    assert!(issuer.is_alive(USER));
}

fn parts(answer: &[u8]) -> (&str, &str) {
    std::str::from_utf8(answer).unwrap().split_once("\r\n\r\n").unwrap()
}

#[tokio::test]
async fn any_status_with_any_body() {
    let (issuer, token) = with(Fault::Status(503)).await;
    assert_eq!(refresh(&issuer, &token).await, (503, Value::Null));
    unspent(&issuer, &token).await;

    let body = r#"{"token_type":"Bearer"}"#.to_owned();
    let fault = Fault::Answer { status: 200, content_type: "application/json".into(), body };
    let (issuer, token) = with(fault).await;
    assert_eq!(text(&refresh(&issuer, &token).await.1, "token_type"), "Bearer");
    unspent(&issuer, &token).await;
}

#[tokio::test]
async fn retry_after_in_both_forms() {
    let (issuer, token) = with(Fault::RetryAfter { status: 429, after: RetryAfter::Seconds(7) }).await;
    let ask = || http().post(token_url(&issuer)).form(&refresh_form(&token)).send();
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"7".parse().unwrap()));

    issuer.fault(Route::Token, Fault::RetryAfter { status: 503, after: RetryAfter::Date(60) }, Times::Once);
    let answer = ask().await.unwrap();
    assert_eq!(answer.status(), 503);
    let (after, date) = (&answer.headers()["retry-after"], &answer.headers()["date"]);
    let wait = http_date(after.to_str().unwrap()) - http_date(date.to_str().unwrap());
    assert!((59..=61).contains(&wait), "{wait}");
}

fn http_date(text: &str) -> i64 {
    assert!(text.ends_with(" GMT"), "{text}");
    chrono::DateTime::parse_from_rfc2822(text).unwrap().timestamp()
}

#[tokio::test]
async fn oauth_errors_in_the_style_of_the_issuer_asked() {
    let error =
        OAuthError::new("interaction_required").description("AADSTS50076: MFA.").suberror("basic_action");
    let (issuer, token) = with(Fault::OAuth(error.clone())).await;
    let (status, body) = refresh(&issuer, &token).await;
    assert_eq!(
        (status, text(&body, "error"), text(&body, "suberror")),
        (400, "interaction_required", "basic_action")
    );
    assert!(body.get("error_codes").is_none());
    unspent(&issuer, &token).await;

    issuer.fault(Route::Token, Fault::OAuth(error.claims("{}")), Times::Once);
    let (_, body) = post(&format!("{}/organizations/oauth2/v2.0/token", issuer.base_url()), &[]).await;
    assert_eq!(body["error_codes"][0], 50076);
    assert_eq!(text(&body, "claims"), "{}");

    let (issuer, token) = with(Fault::OAuth(OAuthError::new("invalid_grant").status(200))).await;
    let (status, body) = refresh(&issuer, &token).await;
    assert_eq!((status, text(&body, "error")), (200, "invalid_grant"));
}

#[tokio::test]
async fn a_page_of_html_and_a_redirect() {
    let (issuer, token) = with(Fault::Html).await;
    let answer = http().post(token_url(&issuer)).form(&refresh_form(&token)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));

    for status in [302, 307] {
        let location = "https://elsewhere.example/token".to_owned();
        issuer.fault(Route::Token, Fault::Redirect { status, location }, Times::Once);
        let answer = http().post(token_url(&issuer)).form(&refresh_form(&token)).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["location"], "https://elsewhere.example/token");
    }
    assert_eq!(issuer.refresh_token(&token), RefreshTokenState::Current);
}

#[tokio::test]
async fn fifty_mebibytes_of_json() {
    let (issuer, token) = with(Fault::Huge { mib: 50 }).await;
    let answer = http().post(token_url(&issuer)).form(&refresh_form(&token)).send().await.unwrap();
    let body = answer.bytes().await.unwrap();
    assert!(body.len() > 50 << 20);
    assert!(body.starts_with(b"{\"access_token\":\"xxx") && body.ends_with(b"}"));
    unspent(&issuer, &token).await;
}

#[tokio::test]
async fn bytes_that_are_not_http() {
    let (issuer, token) = with(Fault::Garbage).await;
    let answer = raw_refresh(&issuer, &token).await;
    assert!(!answer.is_empty() && !answer.starts_with(b"HTTP"), "{answer:?}");
    unspent(&issuer, &token).await;
}

#[tokio::test]
async fn closed_before_anything_is_done() {
    let (issuer, token) = with(Fault::CloseBefore).await;
    assert_eq!(raw_refresh(&issuer, &token).await, b"");
    unspent(&issuer, &token).await;
}

#[tokio::test]
async fn closed_after_everything_is_done() {
    let (issuer, token) = with(Fault::CloseAfter).await;
    assert_eq!(raw_refresh(&issuer, &token).await, b"");
    spent(&issuer, &token);
}

#[tokio::test]
async fn closed_in_the_middle_of_the_answer() {
    let (issuer, token) = with(Fault::CloseMidway).await;
    let answer = raw_refresh(&issuer, &token).await;
    let (head, body) = parts(&answer);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let announced = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert_eq!(body.len(), announced.parse::<usize>().unwrap() / 2);
    assert!(body.starts_with("{\""));
    spent(&issuer, &token);
}

#[tokio::test]
async fn half_an_answer_that_looks_whole() {
    let (issuer, token) = with(Fault::Cut).await;
    let answer = raw_refresh(&issuer, &token).await;
    let (head, body) = parts(&answer);
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(serde_json::from_str::<Value>(body).is_err());
    spent(&issuer, &token);
}

#[tokio::test]
async fn a_proxy_that_loses_the_answer() {
    let (issuer, token) = with(Fault::StatusAfter(502)).await;
    assert_eq!(refresh(&issuer, &token).await.0, 502);
    spent(&issuer, &token);
}

#[tokio::test]
async fn a_hang_before_and_after_the_work() {
    for (fault, spends) in [(Fault::Hang, false), (Fault::HangAfter, true)] {
        let (issuer, token) = with(fault).await;
        let mut stream = send_refresh(&issuer, &token).await;
        issuer.until(|counts| counts.faults == 1 && counts.refreshes_succeeded == u64::from(spends)).await;
        assert_eq!(issuer.counts().refreshes_in_flight, 1);
        let silence = tokio::time::timeout(std::time::Duration::from_millis(50), stream.read_u8()).await;
        assert!(silence.is_err());
        drop(stream);
        // Whoever leaves is noticed.
        issuer.until(|counts| counts.refreshes_in_flight == 0).await;
        if spends {
            spent(&issuer, &token);
        } else {
            unspent(&issuer, &token).await;
        }
    }
}

#[tokio::test]
async fn a_slow_drip_is_whole_in_the_end() {
    let (issuer, token) = with(Fault::Drip { bytes: 16, every_ms: 2 }).await;
    let (status, body) = refresh(&issuer, &token).await;
    assert_eq!(status, 200);
    assert_eq!(issuer.refresh_token(text(&body, "refresh_token")), RefreshTokenState::Current);
    assert_eq!(issuer.counts().refreshes_in_flight, 0);
    spent(&issuer, &token);
}

#[tokio::test]
async fn latency_and_delay_come_after_the_work() {
    let (issuer, token) = with(Fault::Delay { ms: 60 }).await;
    issuer.settings(|settings| {
        settings.latency_ms.insert(Route::Token, 60);
    });
    let sent = Instant::now();
    let asking = tokio::spawn({
        let (issuer, token) = (issuer.clone(), token.clone());
        async move { refresh(&issuer, &token).await.0 }
    });
    issuer.until(|counts| counts.refreshes_succeeded == 1).await;
    assert_eq!(issuer.counts().refreshes_in_flight, 1);
    assert_eq!(asking.await.unwrap(), 200);
    assert!(sent.elapsed().as_millis() >= 120);
}

#[tokio::test]
async fn a_date_that_is_off_once_and_always() {
    let (issuer, token) = with(Fault::DateSkew(-3600)).await;
    let off = async || {
        let form = refresh_form(&token);
        let answer = http().post(token_url(&issuer)).form(&form).send().await.unwrap();
        chrono::Utc::now().timestamp() - http_date(answer.headers()["date"].to_str().unwrap())
    };
    issuer.settings(|settings| settings.rotation = Rotation::Lenient);
    let around = |seconds: i64| seconds - 5..=seconds + 5;
    assert!(around(3600).contains(&off().await));
    assert!(around(0).contains(&off().await));
    issuer.settings(|settings| settings.date_skew = 600);
    assert!(around(-600).contains(&off().await));
}

#[tokio::test]
async fn faults_are_taken_in_order_by_the_requests_they_match() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    issuer.fault(Route::Device, Fault::Status(500), Times::Always);
    issuer.fault(Matching::refreshes(), Fault::Status(501), Times::Next(2));
    issuer.fault(Matching::from(Route::Token).tenant("fabrikam.example"), Fault::Status(502), Times::Once);
    issuer.fault(Route::Token, Fault::Status(503), Times::Once);
    issuer.fault(Route::Any, Fault::Status(504), Times::Once);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(refresh(&issuer, &token).await.0);
    }
    assert_eq!(statuses, [501, 501, 503, 504, 200]);
    let tenant = format!("{}/fabrikam.example/oauth2/v2.0/token", issuer.base_url());
    assert_eq!(post(&tenant, &[]).await.0, 502);

    let device = format!("{}/oauth/device", issuer.oidc_issuer());
    assert_eq!(post(&device, &[("client_id", CLIENT)]).await.0, 500);
    assert_eq!(post(&device, &[("client_id", CLIENT)]).await.0, 500);
    issuer.clear_faults();
    assert_eq!(post(&device, &[("client_id", CLIENT)]).await.0, 200);
}

#[tokio::test]
async fn an_issuer_that_is_gone_comes_back_knowing_what_it_knew() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    issuer.close();
    let refused = loop {
        match http().post(token_url(&issuer)).form(&refresh_form(&token)).send().await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(refused.is_connect() || refused.is_request(), "{refused:?}");
    issuer.open().await;
    assert_eq!(refresh(&issuer, &token).await.0, 200);
    assert_eq!(get(&format!("{}/.well-known/openid-configuration", issuer.oidc_issuer())).await.0, 200);
}
