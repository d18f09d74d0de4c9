//! The device flow, on a clock that the test winds.

use std::sync::Arc;
use std::time::Duration;

use token_core::authority::Discovery;
use token_core::grant::TokenAnswer;
use token_core::grant::device_code::{DeviceAuthorization, DeviceRequest, poll, start};
use token_core::{ClientAuthentication, GrantError, GrantErrorKind, ManualClock};
use url::Url;

use crate::support::*;

const CODE: &str =
    r#""device_code":"dc-secret","user_code":"ABCD-1234","verification_uri":"https://idp.example/d""#;
const PENDING: &str = r#"{"error":"authorization_pending"}"#;
const SLOW: &str = r#"{"error":"slow_down"}"#;
const TOKEN: &str = r#"{"access_token":"at","token_type":"Bearer"}"#;

struct Flow {
    script: Script,
    clock: Arc<ManualClock>,
}

impl Flow {
    fn new(code: &str) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        Self { script: Script::new(clock.clone()).answer(200, &format!("{{{code}}}")), clock }
    }

    fn then(self, body: &str) -> Self {
        let status = if body.contains("error") { 400 } else { 200 };
        Self { script: self.script.answer(status, body), ..self }
    }

    fn fails(self, kind: GrantErrorKind) -> Self {
        Self { script: self.script.fail(kind), ..self }
    }

    async fn start(&self) -> Result<DeviceAuthorization, GrantError> {
        start(&self.script, &at_microsoft(), &*self.clock, CONNECT, WITHIN).await
    }

    async fn run(&self) -> Result<TokenAnswer, GrantError> {
        let authorization = self.start().await?;
        poll(&self.script, &at_microsoft(), &authorization, &*self.clock).await
    }
}

fn at_microsoft() -> DeviceRequest {
    let host = Url::parse("https://login.microsoftonline.com").unwrap();
    let client = client(ClientAuthentication::None);
    DeviceRequest::microsoft(&host, "organizations", client, &texts(&[ARM]), &texts(&["cp1"]), None).unwrap()
}

fn refusal(error: GrantError) -> String {
    match error.kind {
        GrantErrorKind::Refused(refusal) => refusal.error,
        kind => panic!("{kind:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_at_microsoft() {
    let flow = Flow::new(&format!(r#"{CODE},"expires_in":900,"interval":5,"message":"To sign in, …""#))
        .then(PENDING)
        .then(PENDING)
        .then(TOKEN);
    let authorization = flow.start().await.unwrap();
    assert_eq!(authorization.user_code, "ABCD-1234");
    assert_eq!(authorization.verification_uri, "https://idp.example/d");
    assert_eq!(authorization.message, "To sign in, …");
    assert_eq!(authorization.expires_at, NOW as i64 + 900);
    assert!(!format!("{authorization:?}").contains("dc-secret"));
    let answer = poll(&flow.script, &at_microsoft(), &authorization, &*flow.clock).await.unwrap();
    assert_eq!(answer.access_token.scopes, [ARM]);
    assert_eq!(flow.script.seconds(), [0, 5, 10, 15]);
    assert_eq!(
        flow.script.urls()[0],
        "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode"
    );
    assert_eq!(flow.script.urls()[1], "https://login.microsoftonline.com/organizations/oauth2/v2.0/token");
    let claims =
        "claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22CP1%22%5D%7D%7D%7D";
    let bodies = flow.script.bodies();
    assert_eq!(
        bodies[0],
        format!(
            "client_id=client-1&{claims}&scope=https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default\
             +offline_access+openid+profile"
        )
    );
    assert_eq!(
        bodies[3],
        format!(
            "client_id=client-1&{claims}&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
             &device_code=dc-secret&client_info=1"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn slow_down_is_for_good() {
    let flow = Flow::new(&format!(r#"{CODE},"expires_in":900,"interval":"2""#))
        .then(PENDING)
        .then(SLOW)
        .then(PENDING)
        .then(SLOW)
        .then(PENDING)
        .then(TOKEN);
    flow.run().await.unwrap();
    assert_eq!(flow.script.seconds(), [0, 2, 4, 11, 18, 30, 42]);
}

#[tokio::test(start_paused = true)]
async fn questions_that_do_not_come_through_are_asked_ever_later() {
    let flow = Flow::new(&format!(r#"{CODE},"expires_in":900,"interval":5"#))
        .fails(GrantErrorKind::TimedOut)
        .fails(GrantErrorKind::Unreachable)
        .fails(GrantErrorKind::Interrupted)
        .fails(GrantErrorKind::Interrupted)
        .then(PENDING)
        .then(r#"{"error":"temporarily_unavailable"}"#)
        .fails(GrantErrorKind::Throttled { retry_after: Duration::from_secs(30) })
        .then(TOKEN);
    flow.run().await.unwrap();
    // 5, then doubled to 10, 20, 40 and at most 60; an answer brings the interval back; then 10 once, and the
    // issuer's 30.
    assert_eq!(flow.script.seconds(), [0, 5, 15, 35, 75, 135, 140, 150, 180]);
}

#[tokio::test(start_paused = true)]
async fn a_code_ends() {
    let flow = Flow::new(&format!(r#"{CODE},"expires_in":"12""#)).then(PENDING).then(PENDING);
    assert_eq!(refusal(flow.run().await.unwrap_err()), "expired_token");
    assert_eq!(flow.script.seconds(), [0, 5, 10], "and nothing is asked afterwards");
}

#[tokio::test(start_paused = true)]
async fn a_code_ends_while_the_machine_sleeps() {
    let flow = Flow::new(&format!(r#"{CODE},"expires_in":900"#));
    let authorization = flow.start().await.unwrap();
    let sleeps = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        flow.clock.advance(Duration::from_secs(3600));
    };
    let request = at_microsoft();
    let polled = poll(&flow.script, &request, &authorization, &*flow.clock);
    let (answer, ()) = tokio::join!(polled, sleeps);
    assert_eq!(refusal(answer.unwrap_err()), "expired_token");
    assert_eq!(flow.script.seconds(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_it() {
    for error in [
        "access_denied",
        "authorization_declined",
        "expired_token",
        "bad_verification_code",
        "invalid_client",
    ] {
        let flow = Flow::new(CODE).then(PENDING).then(&format!(r#"{{"error":"{error}"}}"#));
        assert_eq!(refusal(flow.run().await.unwrap_err()), error);
    }
    let flow = Flow::new(CODE).then("{}");
    assert!(matches!(flow.run().await.unwrap_err().kind, GrantErrorKind::Unintelligible { status: 200 }));
}

#[tokio::test(start_paused = true)]
async fn a_bare_answer_gets_the_defaults_of_the_rfc() {
    let authorization = Flow::new(CODE).start().await.unwrap();
    assert_eq!(authorization.interval, Duration::from_secs(5));
    assert_eq!(authorization.expires_at, NOW as i64 + 900);
    assert_eq!(
        authorization.message,
        "To sign in, use a web browser to open the page https://idp.example/d and enter the code ABCD-1234 to \
         authenticate."
    );
    let busy = Flow::new(&format!(r#"{CODE},"interval":0"#)).start().await.unwrap();
    assert_eq!(busy.interval, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_is_printed_cannot_command_a_terminal() {
    let flow = Flow::new(
        "\"device_code\":\"d\",\"user_code\":\"A\\u001b[2JB\\u202e\",\"verification_url\":\"https://idp.example/\\u0007d\",
         \"verification_uri_complete\":\"javascript:alert(1)\",\"message\":\"go\\u009b31m\\nthere\"",
    );
    let authorization = flow.start().await.unwrap();
    assert_eq!(authorization.user_code, "A[2JB");
    assert_eq!(authorization.verification_uri, "https://idp.example/d");
    assert_eq!(authorization.verification_uri_complete, None);
    assert_eq!(authorization.message, "go31mthere");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_code_is_unintelligible() {
    for code in [
        r#""user_code":"A","verification_uri":"https://idp.example/d""#,
        r#""device_code":"d","verification_uri":"https://idp.example/d""#,
        r#""device_code":"d","user_code":"A""#,
        r#""device_code":"d","user_code":"A","verification_uri":"file:///etc/passwd""#,
    ] {
        let error = Flow::new(code).start().await.unwrap_err();
        assert!(matches!(error.kind, GrantErrorKind::Unintelligible { status: 200 }), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn elsewhere_identity_is_asked_for_where_it_is_offered() {
    let discovery = |scopes: Option<&[&str]>| Discovery {
        issuer: "https://idp.example".to_owned(),
        token_endpoint: Url::parse("https://idp.example/token").unwrap(),
        device_authorization_endpoint: Some(Url::parse("https://idp.example/device").unwrap()),
        authorization_endpoint: None,
        jwks_uri: None,
        revocation_endpoint: None,
        response_modes_supported: None,
        code_challenge_methods_supported: None,
        authorization_response_iss_parameter_supported: false,
        scopes_supported: scopes.map(texts),
        token_endpoint_auth_methods_supported: None,
        token_endpoint_auth_signing_alg_values_supported: None,
        grant_types_supported: None,
        keep_until: 0,
    };
    for (offered, body) in [
        (None, "client_id=client-1&scope=api%3Aread+openid+offline_access"),
        (Some(&["openid"][..]), "client_id=client-1&scope=api%3Aread+openid"),
        (Some(&[][..]), "client_id=client-1&scope=api%3Aread"),
    ] {
        let flow = Flow::new(CODE).then(TOKEN);
        let client = client(ClientAuthentication::None);
        let request = DeviceRequest::issuer(&discovery(offered), client, &texts(&["api:read"])).unwrap();
        let authorization = start(&flow.script, &request, &*flow.clock, CONNECT, WITHIN).await.unwrap();
        poll(&flow.script, &request, &authorization, &*flow.clock).await.unwrap();
        assert_eq!(flow.script.urls(), ["https://idp.example/device", "https://idp.example/token"]);
        assert_eq!(flow.script.bodies()[0], body);
        assert_eq!(
            flow.script.bodies()[1],
            "client_id=client-1&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code\
             &device_code=dc-secret"
        );
    }
    let none = Discovery { device_authorization_endpoint: None, ..discovery(None) };
    assert!(DeviceRequest::issuer(&none, client(ClientAuthentication::None), &[]).is_none());
}
