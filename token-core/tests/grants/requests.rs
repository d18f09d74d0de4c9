//! The letters that go out.

use std::sync::Arc;
use token_core::grant::revocation::Revoked;
use token_core::grant::{request, revocation};
use token_core::{
    Authorization, BrokerError, ClientAuthentication, Endpoints, GrantErrorKind, HttpRequest, ManualClock,
    RefreshToken, State,
};
use url::Url;

use crate::support::*;

fn body(request: &HttpRequest) -> String {
    request.body().unwrap().to_string()
}

#[test]
fn a_refresh_at_microsoft_is_that_of_azure_cli() {
    let credential = person(microsoft("https://login.microsoftonline.com"), &[ARM]);
    let mut wanted = wanted(&[ARM]);
    wanted.capabilities = texts(&["cp1"]);
    let request = request(&credential, &wanted).unwrap();
    assert_eq!(request.url.as_str(), "https://login.microsoftonline.com/home/oauth2/v2.0/token");
    assert_eq!(
        body(&request),
        "client_id=client-1&grant_type=refresh_token&refresh_token=rt-0%2Fsecret&client_info=1\
         &scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default+offline_access+openid+profile\
         &claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22CP1%22%5D%7D%7D%7D"
    );
    assert!(request.authorization.is_none());
    let id = &request.headers.iter().find(|(name, _)| *name == "client-request-id").unwrap().1;
    assert_eq!((id.len(), id.matches('-').count(), &id[14..15]), (36, 4, "4"));
}

#[test]
fn a_tenant_of_the_request_is_asked_and_stays_one_segment() {
    let credential = person(microsoft("https://login.microsoftonline.com/"), &[ARM]);
    let mut wanted = wanted(&[]);
    wanted.tenant = Some("a/../b?x".to_owned());
    let request = request(&credential, &wanted).unwrap();
    assert_eq!(request.url.path(), "/a%2F..%2Fb%3Fx/oauth2/v2.0/token");
    assert!(body(&request).contains("&scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default+"));
    assert!(!body(&request).contains("claims"), "without capabilities there are none");
}

#[test]
fn a_claims_challenge_is_merged_with_the_capabilities() {
    let credential = person(microsoft("https://login.microsoftonline.com"), &[]);
    let claims = |challenge: &str, capabilities: &[&str]| {
        let mut wanted = wanted(&[ARM]);
        wanted.claims = Some(challenge.to_owned());
        wanted.capabilities = texts(capabilities);
        let request = request(&credential, &wanted)?;
        let claims = request.form.iter().find(|(name, _)| *name == "claims").unwrap().1.expose().to_owned();
        Ok::<_, BrokerError>(claims)
    };
    let challenge = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}},"id_token":{}}"#;
    assert_eq!(
        claims(challenge, &["cp1"]).unwrap(),
        r#"{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["CP1"]}},"id_token":{}}"#
    );
    assert_eq!(claims(challenge, &[]).unwrap(), challenge);
    let null = claims(r#"{"access_token":null}"#, &["cp1"]).unwrap();
    assert_eq!(null, r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#);
    for bad in ["", "[]", "aGVsbG8", r#"{"access_token":1}"#] {
        let error = claims(bad, &["cp1"]).unwrap_err();
        let BrokerError::Grant { source, .. } = &error else { panic!("{error:?}") };
        assert!(matches!(source.kind, GrantErrorKind::Unsendable), "{bad}");
        assert!(everything_said(&error).contains("not a JSON object"), "{bad}");
    }
}

#[test]
fn a_refresh_elsewhere_asks_only_for_what_was_granted() {
    let credential = person(
        issuer("https://idp.example"),
        &["openid", "offline_access", "profile", "api:read", "api:write"],
    );
    let plain = request(&credential, &wanted(&[])).unwrap();
    assert_eq!(plain.url.as_str(), "https://idp.example/token");
    assert_eq!(body(&plain), "client_id=client-1&grant_type=refresh_token&refresh_token=rt-0%2Fsecret");

    let mut narrow = wanted(&["api:read"]);
    narrow.resource = Some("https://api.example/v1".to_owned());
    narrow.tenant = Some("no matter".to_owned());
    assert_eq!(
        body(&request(&credential, &narrow).unwrap()),
        "client_id=client-1&grant_type=refresh_token&refresh_token=rt-0%2Fsecret\
         &scope=api%3Aread+offline_access+openid&resource=https%3A%2F%2Fapi.example%2Fv1"
    );

    let error = request(&credential, &wanted(&["api:read", "api:admin", "api:root"])).unwrap_err();
    assert_eq!(error.to_string(), "api:admin was not granted to ada@example.com at sign-in");
}

#[test]
fn identity_is_not_added_back_where_it_was_not_granted() {
    let credential = person(issuer("https://idp.example"), &["api:read"]);
    let request = request(&credential, &wanted(&["api:read"])).unwrap();
    assert!(body(&request).ends_with("&scope=api%3Aread"));
}

#[test]
fn a_client_secret_is_in_the_body_or_in_the_header_and_never_in_both() {
    let post =
        service(microsoft("https://login.microsoftonline.com"), ClientAuthentication::Post(secret()), &[]);
    let request_post = request(&post, &wanted(&[ARM])).unwrap();
    assert_eq!(
        body(&request_post),
        "client_id=client-1&client_secret=s3cr%3At%2F%2B+%25%C3%BC&grant_type=client_credentials&client_info=1\
         &scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default"
    );
    assert!(request_post.authorization.is_none());

    let mut basic =
        service(issuer("https://idp.example"), ClientAuthentication::Basic(secret()), &["api:read"]);
    basic.client.id = "client:1".to_owned();
    let request_basic = request(&basic, &wanted(&[])).unwrap();
    assert_eq!(body(&request_basic), "grant_type=client_credentials&scope=api%3Aread");
    // client%3A1:s3cr%3At%2F%2B+%25%C3%BC
    assert_eq!(
        request_basic.authorization.unwrap().header_value().expose(),
        "Basic Y2xpZW50JTNBMTpzM2NyJTNBdCUyRiUyQislMjUlQzMlQkM="
    );
}

#[test]
fn a_client_may_ask_for_more_than_last_time() {
    let credential =
        service(issuer("https://idp.example"), ClientAuthentication::Post(secret()), &["api:read"]);
    let request = request(&credential, &wanted(&["api:write"])).unwrap();
    assert!(body(&request).ends_with("&scope=api%3Awrite"));
}

#[test]
fn nothing_is_made_of_an_ended_sign_in() {
    let mut credential = person(issuer("https://idp.example"), &[]);
    credential.state = State::Ended;
    assert!(matches!(request(&credential, &wanted(&[])), Err(BrokerError::SignedOut { .. })));
}

#[test]
fn a_request_shows_no_secret() {
    let credential = service(issuer("https://idp.example"), ClientAuthentication::Post(secret()), &[]);
    let shown = format!("{:?}", request(&credential, &wanted(&[])).unwrap());
    assert!(shown.contains("client_credentials") && shown.contains("[redacted]"), "{shown}");
    let bearer = HttpRequest::get(Url::parse("https://a.example").unwrap()).bearer(secret());
    let basic = Authorization::Basic { id: "id".to_owned(), secret: secret() };
    for shown in [shown, format!("{bearer:?}"), format!("{basic:?}")] {
        assert!(!shown.contains("s3cr"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_revocation_names_the_token_and_the_client() {
    let clock = Arc::new(ManualClock::at(NOW));
    let script = Script::new(clock.clone())
        .answer(200, "")
        .answer(400, r#"{"error":"unsupported_token_type"}"#)
        .answer(401, r#"{"error":"invalid_client"}"#)
        .answer(500, "oops");
    let credential = person(issuer("https://idp.example"), &[]);
    let token = RefreshToken::new("rt-9");
    let revoke = || revocation::revoke(&script, &credential, &token, &*clock, CONNECT, WITHIN);
    assert_eq!(revoke().await.unwrap(), Revoked::Done);
    assert_eq!(revoke().await.unwrap(), Revoked::NotOffered);
    let refused = revoke().await.unwrap_err();
    assert!(matches!(&refused.kind, GrantErrorKind::Refused(error) if error.error == "invalid_client"));
    let broken = revoke().await.unwrap_err();
    assert!(matches!(broken.kind, GrantErrorKind::Unintelligible { status: 500 }));
    assert_eq!(script.urls()[0], "https://idp.example/revoke");
    assert_eq!(script.bodies()[0], "client_id=client-1&token=rt-9&token_type_hint=refresh_token");
}

#[tokio::test]
async fn who_has_no_revocation_endpoint_is_not_asked() {
    let clock = Arc::new(ManualClock::at(NOW));
    let script = Script::new(clock.clone());
    let mut credential = person(microsoft("https://login.microsoftonline.com"), &[]);
    let token = RefreshToken::new("rt-9");
    for endpoints in [
        credential.endpoints.clone(),
        Endpoints::Issuer {
            issuer: "i".to_owned(),
            token: Url::parse("https://i.example").unwrap(),
            revocation: None,
        },
    ] {
        credential.endpoints = endpoints;
        let revoked = revocation::revoke(&script, &credential, &token, &*clock, CONNECT, WITHIN).await;
        assert_eq!(revoked.unwrap(), Revoked::NotOffered);
    }
}
