//! What is made of an answer.

use std::sync::Arc;
use std::time::Duration;

use token_core::grant::{TokenAnswer, exchange};
use token_core::{
    Authorization, Clock, Fingerprint, GrantError, GrantErrorKind, HttpRequest, HttpResponse, ManualClock,
    Secret,
};
use url::Url;

use crate::support::*;

const GOOD: &str = r#""access_token":"at","token_type":"Bearer""#;

async fn answered(response: HttpResponse) -> Result<TokenAnswer, GrantError> {
    let clock = Arc::new(ManualClock::at(NOW));
    let script = Script::new(clock.clone()).line(Duration::ZERO, Ok(response));
    let request = HttpRequest::post(Url::parse("https://idp.example/token?hint=1").unwrap())
        .secret("refresh_token", Secret::new("rt-0"));
    exchange(&script, request, &texts(&["a", "b"]), None, &*clock, CONNECT, WITHIN).await
}

async fn token(members: &str) -> TokenAnswer {
    answered(HttpResponse::new(200, format!("{{{members}}}"))).await.unwrap()
}

async fn life(expires_in: &str) -> i64 {
    let answer = token(&format!("{GOOD},{expires_in}")).await.access_token;
    answer.expires_on.posix() - answer.received_at
}

#[tokio::test]
async fn a_whole_answer() {
    let clock = Arc::new(ManualClock::at(NOW));
    let body = format!(
        r#"{{{GOOD},"expires_in":3599,"ext_expires_in":3599,"refresh_in":"1800","scope":"b c","refresh_token":"rt-1",
            "id_token":"{}","client_info":"eyJ1aWQiOiJ1IiwidXRpZCI6InQifQ","foci":"1","unknown":[{{}}]}}"#,
        "e30.eyJpc3MiOiJodHRwczovL2kiLCJzdWIiOiJzIiwicHJlZmVycmVkX3VzZXJuYW1lIjoiYVx1MDAxYltkYUBiIiwib2lkIjo3fQ.x"
    );
    let script = Script::new(clock.clone()).answer(200, &body);
    let request = HttpRequest::post(Url::parse("https://idp.example/token").unwrap());
    let claims = Some(Fingerprint::of("{}"));
    let answer = exchange(&script, request, &[], claims, &*clock, CONNECT, WITHIN).await.unwrap();
    let token = &answer.access_token;
    assert_eq!(token.secret.expose(), "at");
    assert_eq!(token.scopes, ["b", "c"]);
    assert_eq!(token.received_at, NOW as i64);
    assert_eq!(token.expires_on.posix(), NOW as i64 + 3599);
    assert_eq!(token.refresh_in, Some(1800));
    assert_eq!(token.claims, claims);
    assert_eq!(answer.refresh_token.as_ref().unwrap().expose(), "rt-1");
    let home = answer.home().unwrap();
    assert_eq!((home.uid.as_str(), home.utid.as_str()), ("u", "t"));
    let names = answer.id_claims().unwrap();
    assert_eq!(names.name(), Some("a[da@b"), "without the escape character");
    assert_eq!((names.sub.as_deref(), names.oid), (Some("s"), None));
}

#[tokio::test]
async fn the_least_answer() {
    let answer = token(GOOD).await;
    assert_eq!(answer.access_token.scopes, ["a", "b"]);
    assert_eq!(answer.access_token.refresh_in, None);
    assert!(answer.refresh_token.is_none() && answer.id_claims().is_none() && answer.home().is_none());
    assert!(token(&format!(r#"{GOOD},"refresh_token":"","scope":"""#)).await.refresh_token.is_none());
    let untyped = token(r#""access_token":"at""#).await.access_token;
    assert_eq!(untyped.token_type, "Bearer", "a new refresh token may have come with it");
    assert_eq!(token(r#""access_token":"at","token_type":"bEARER""#).await.access_token.token_type, "bEARER");
}

#[tokio::test]
async fn any_life_is_understood() {
    for (members, seconds) in [
        (r#""expires_in":300"#, 300),
        (r#""expires_in":"300""#, 300),
        (r#""expires_in":" 300 ""#, 300),
        (r#""expires_in":299.9"#, 299),
        (r#""expires_in":"299.9""#, 299),
        (r#""expires_in":0"#, 0),
        (r#""expires_in":-1"#, 0),
        (r#""expires_in":99999999999999999999999"#, 315_360_000),
        (r#""expires_in":1e300"#, 315_360_000),
        (r#""expires_in":"soon""#, 600),
        (r#""expires_in":"NaN""#, 600),
        (r#""expires_in":null"#, 600),
        (r#""expires_in":[1]"#, 600),
        (r#""expires_on":"1800000042""#, 42),
        (r#""expires_on":1"#, 0),
        (r#""ext_expires_in":7"#, 600),
    ] {
        assert_eq!(life(members).await, seconds, "{members}");
    }
}

#[tokio::test]
async fn the_issuers_clock_counts_where_ours_is_off() {
    for (off, counts) in [(0, false), (60, false), (-60, false), (61, true), (-61, true), (86_400, true)] {
        let mut response = HttpResponse::new(200, format!(r#"{{{GOOD},"expires_in":100}}"#));
        response.date = Some(NOW as i64 + off);
        let token = answered(response).await.unwrap().access_token;
        assert_eq!(token.received_at, NOW as i64 + if counts { off } else { 0 }, "{off}");
        assert_eq!(token.expires_on.posix(), token.received_at + 100);
    }
}

#[tokio::test]
async fn an_answer_that_leaves_out_the_type_of_its_token_is_not_thrown_away_with_its_refresh_token() {
    let body = r#"{"access_token":"at","refresh_token":"rt"}"#;
    let answer = answered(HttpResponse::new(200, body)).await.unwrap();
    assert_eq!(answer.access_token.token_type, "Bearer");
    assert_eq!(answer.refresh_token.unwrap().expose(), "rt");
}

#[tokio::test]
async fn what_is_no_token_is_unintelligible() {
    for (status, body, why) in [
        (200, "", "empty"),
        (200, "{}", "no access token"),
        (200, r#"{"token_type":"Bearer","access_token":""}"#, "no access token"),
        (200, r#"{"token_type":"Bearer","access_token":7}"#, "no access token"),
        (200, r#"{"access_token":"at-secret","token_type":"DPoP"}"#, "other than Bearer"),
        (200, r#"{"access_token":"at-secret","token_type":null}"#, "other than Bearer"),
        (200, "{\"access_token\":\"at-secret\\r\\nX: y\",\"token_type\":\"Bearer\"}", "characters"),
        (200, "{\"access_token\":\"at-secretü\",\"token_type\":\"Bearer\"}", "characters"),
        (200, r#""at-secret""#, "not an object"),
        (200, r#"{"access_token":"at-secret"#, "not JSON"),
        (200, "<!DOCTYPE html><p>at-secret", "a page for people"),
        (404, r#"{"access_token":"at-secret","token_type":"Bearer"}"#, "neither a token nor a refusal"),
        (502, "<html>Bad Gateway", "a page for people"),
        (500, r#"{"error":{"code":"Oops"}}"#, "neither a token nor a refusal"),
        (302, "", "another place"),
        (307, r#"{"error":"invalid_grant"}"#, "another place"),
    ] {
        let error = answered(HttpResponse::new(status, body)).await.unwrap_err();
        let GrantErrorKind::Unintelligible { status: seen } = error.kind else { panic!("{body}: {error:?}") };
        assert_eq!(seen, status);
        assert!(!error.surely_not_spent());
        let said = everything_said(&error);
        assert!(said.contains(why), "{body}: {said}");
        assert!(!said.contains("at-secret") && !said.contains("hint"), "{said}");
    }
}

#[tokio::test]
async fn a_refusal_is_one_with_any_status() {
    for status in [200, 400, 401, 403, 500, 503] {
        let body = r#"{"error":"invalid_grant","error_description":"AADSTS70008: \u001b[31mrt-0 is old.\r\nTrace ID: 1",
                       "suberror":"bad_token","claims":"{\"access_token\":{}}","error_codes":[70008],"error_uri":""}"#;
        let error = answered(HttpResponse::new(status, body)).await.unwrap_err();
        assert!(error.surely_not_spent());
        let GrantErrorKind::Refused(refusal) = &error.kind else { panic!("{status}: {error:?}") };
        assert_eq!(refusal.error, "invalid_grant");
        assert_eq!(
            refusal.description.as_deref(),
            Some("AADSTS70008: [31m[redacted] is old.\r\nTrace ID: 1"),
            "no escape character, and not the token that the issuer quotes"
        );
        assert_eq!(refusal.suberror.as_deref(), Some("bad_token"));
        assert_eq!(refusal.claims.as_deref(), Some(r#"{"access_token":{}}"#));
    }
}

#[tokio::test]
async fn a_quoted_secret_is_found_as_it_travelled_too() {
    let clock = Arc::new(ManualClock::at(NOW));
    let url = || HttpRequest::post(Url::parse("https://idp.example/token").unwrap());
    let authorization = Authorization::Basic { id: "client-1".to_owned(), secret: secret() };
    let header = authorization.header_value().expose().replace("Basic ", "");
    let in_header = HttpRequest { authorization: Some(authorization), ..url() };
    for (request, quoted) in [
        (url().secret("client_secret", secret()), secret().expose()),
        (url().secret("client_secret", secret()), "s3cr%3At%2F%2B+%25%C3%BC"),
        (in_header.clone(), secret().expose()),
        (in_header.clone(), "s3cr%3At%2F%2B+%25%C3%BC"),
        (in_header, header.as_str()),
    ] {
        let body = format!(r#"{{"error":"invalid_client","error_description":"'{quoted}'?"}}"#);
        let script = Script::new(clock.clone()).answer(401, &body);
        let error = exchange(&script, request, &[], None, &*clock, CONNECT, WITHIN).await.unwrap_err();
        let GrantErrorKind::Refused(refusal) = error.kind else { panic!("{quoted}: {error:?}") };
        let said = refusal.description.unwrap();
        assert!(said.starts_with("'[redacted]") && !said.contains(quoted), "{said}");
    }
}

#[tokio::test]
async fn an_issuer_may_ask_to_wait() {
    for (status, retry_after, waits) in [
        (429, None, Some(10)),
        (429, Some(0), Some(0)),
        (429, Some(7), Some(7)),
        (429, Some(86_400), Some(3600)),
        (503, Some(7), Some(7)),
        (503, None, None),
        (500, Some(7), None),
    ] {
        let mut response = HttpResponse::new(status, "slow down");
        response.retry_after = retry_after.map(Duration::from_secs);
        match (answered(response).await.unwrap_err().kind, waits) {
            (GrantErrorKind::Throttled { retry_after }, Some(seconds)) => {
                assert_eq!(retry_after.as_secs(), seconds);
            }
            (GrantErrorKind::Unintelligible { .. }, None) => {}
            (kind, _) => panic!("{status} {retry_after:?}: {kind:?}"),
        }
    }
}

/// What a process sees that was stopped while it waited: its deadline is over, and the answer is on the socket.
#[tokio::test(start_paused = true)]
async fn an_answer_already_there_is_taken_after_the_deadline() {
    for (answer_after, taken) in [(100, true), (300, true), (1000, false)] {
        let clock = Arc::new(ManualClock::at(NOW));
        let body = format!("{{{GOOD}}}");
        let script = Script::new(clock.clone())
            .line(Duration::from_millis(answer_after), Ok(HttpResponse::new(200, body)));
        let request = HttpRequest::post(Url::parse("https://idp.example/token").unwrap());
        let stopped = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            clock.advance(Duration::from_secs(3600));
        };
        let (answer, ()) =
            tokio::join!(exchange(&script, request, &[], None, &*clock, CONNECT, WITHIN), stopped);
        match answer {
            Ok(_) => assert!(taken, "{answer_after}"),
            Err(error) => {
                assert!(!taken && matches!(error.kind, GrantErrorKind::TimedOut), "{answer_after} {error:?}");
                assert!(clock.uptime() < Duration::from_secs(3601), "nobody waits for the whole time again");
            }
        }
    }
}
