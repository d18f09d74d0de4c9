//! The sign-in in a browser, against a real issuer over real sockets: what is asked for, and every refusal of every
//! step.

use std::sync::Arc;
use std::time::Duration;

use token_core::authority::Discovery;
use token_core::grant::authorization_code::{Attempt, BrowserRequest, Identified, Redirect};
use token_core::grant::http::HttpTransport;
use token_core::{ClientAuthentication, Clock, GrantError, GrantErrorKind, ManualClock, Signer, SystemClock};
use token_testkit::{
    AuthorizationFlaw, Decision, Fault, IdTokenFlaw, Issuer, Matching, Page, Redirection, Route, Settings,
    Times, World,
};
use url::Url;

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who signs in.
struct Desk {
    issuer: Issuer,
    clock: Arc<dyn Clock>,
}

impl Desk {
    async fn new(settings: Settings) -> Self {
        Self { issuer: Issuer::start(settings).await, clock: Arc::new(SystemClock) }
    }

    async fn willing() -> Self {
        Self::new(Settings::auto_approving()).await
    }

    fn host(&self) -> Url {
        Url::parse(self.issuer.base_url()).unwrap()
    }

    async fn discovery(&self) -> Discovery {
        let issuer = self.issuer.oidc_issuer();
        Discovery::fetch(&HttpTransport::new(), &issuer, &SystemClock, CONNECT, WITHIN).await.unwrap()
    }

    /// A sign-in at the OpenID Connect issuer, and who is to be believed about it.
    async fn at_issuer(&self) -> (Attempt, Signer) {
        let discovery = self.discovery().await;
        let request = BrowserRequest::issuer(
            &discovery,
            client(ClientAuthentication::None),
            &texts(&["api:read"]),
            Redirect::address(),
        );
        (Attempt::start(request.unwrap()).await.unwrap(), Signer::issuer(&discovery).unwrap())
    }

    async fn at_microsoft(&self, tenant: &str) -> (Attempt, Signer) {
        let client = client(ClientAuthentication::None);
        let request = BrowserRequest::microsoft(
            &self.host(),
            tenant,
            client,
            &texts(&[ARM]),
            &texts(&["cp1"]),
            Some(r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#),
        );
        let host = self.host();
        let transport = HttpTransport::new();
        let signer = Signer::microsoft(&transport, &host, tenant, &SystemClock, CONNECT, WITHIN);
        (Attempt::start(request.unwrap()).await.unwrap(), signer.await.unwrap())
    }

    async fn finish(&self, attempt: Attempt, signer: &Signer) -> Result<Identified, GrantError> {
        attempt.finish(&HttpTransport::new(), Some(signer), &*self.clock, PATIENCE).await
    }

    /// Signs in at the OpenID Connect issuer, with a browser that does this with the URL.
    async fn sign_in(
        &self,
        browse: impl FnOnce(&str) -> Page + Send + 'static,
    ) -> (Result<Identified, GrantError>, Page) {
        let (attempt, signer) = self.at_issuer().await;
        self.browse(attempt, signer, browse).await
    }

    async fn browse(
        &self,
        attempt: Attempt,
        signer: Signer,
        browse: impl FnOnce(&str) -> Page + Send + 'static,
    ) -> (Result<Identified, GrantError>, Page) {
        let url = attempt.url().to_string();
        let browser = tokio::task::spawn_blocking(move || browse(&url));
        let outcome = self.finish(attempt, &signer).await;
        (outcome, browser.await.unwrap())
    }
}

/// What an error says, in one line.
fn said(error: &GrantError) -> String {
    let mut said = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        said = format!("{said}: {source}");
        next = source.source();
    }
    let port = said.find("127.0.0.1:").map(|at| at + "127.0.0.1:".len());
    match port {
        Some(at) => {
            let digits = said[at..].bytes().take_while(u8::is_ascii_digit).count();
            format!("{}PORT{}", &said[..at], &said[at + digits..])
        }
        None => said,
    }
}

#[tokio::test]
async fn at_an_issuer_everything_that_is_asked_has_its_parameter() {
    let desk = Desk::willing().await;
    let (outcome, page) = desk.sign_in(Page::sign_in).await;
    let identified = outcome.unwrap();
    assert_eq!(identified.claims.unwrap().name(), Some(World::USER));
    assert!(identified.answer.refresh_token.is_some());
    assert_eq!(page.status, 200);
    assert!(page.body.contains("You are signed in") && page.body.contains(World::USER), "{}", page.body);

    let [authorize] = &desk.issuer.requests_to(Route::Authorize)[..] else { panic!() };
    let asked = |name: &str| authorize.query[name].as_str();
    let redirect_uri = asked("redirect_uri");
    let port: u16 = redirect_uri.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    assert!(port > 1024);
    assert_eq!(asked("client_id"), "client-1");
    assert_eq!(asked("response_type"), "code");
    assert_eq!(asked("response_mode"), "form_post");
    assert_eq!(asked("scope"), "api:read openid offline_access");
    assert_eq!(asked("prompt"), "consent");
    assert_eq!(asked("code_challenge_method"), "S256");
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked(random).len(), 43, "{random}");
    }
    assert_eq!(authorize.query.len(), 10, "{:?}", authorize.query);

    let [token] = &desk.issuer.requests_to(Route::Token)[..] else { panic!() };
    let fields: Vec<&str> = token.form.keys().map(String::as_str).collect();
    assert_eq!(fields, ["client_id", "code", "code_verifier", "grant_type", "redirect_uri"]);
    assert_eq!(token.field("grant_type"), Some("authorization_code"));
    assert_eq!(token.field("redirect_uri"), Some(redirect_uri));
    assert_eq!(token.field("code_verifier").unwrap().len(), 43);
    assert_ne!(token.field("code_verifier"), Some(asked("code_challenge")));
}

#[tokio::test]
async fn at_microsoft_the_request_is_that_of_azure_cli() {
    let desk = Desk::willing().await;
    let (attempt, signer) = desk.at_microsoft("organizations").await;
    let names: Vec<String> = attempt.url().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(
        names,
        [
            "client_id",
            "response_type",
            "redirect_uri",
            "scope",
            "state",
            "response_mode",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "client_info",
            "claims",
            "prompt"
        ]
    );
    let (outcome, _) = desk.browse(attempt, signer, Page::sign_in).await;
    let identified = outcome.unwrap();
    assert_eq!(identified.claims.unwrap().tid.as_deref(), Some(World::HOME_TENANT));
    assert_eq!(identified.answer.home().unwrap().uid, World::USER_OID);
    // The token is the answer to a challenge, and is kept as such.
    assert!(identified.answer.access_token.claims.is_some());

    let [authorize] = &desk.issuer.requests_to(Route::Authorize)[..] else { panic!() };
    assert!(authorize.query["redirect_uri"].starts_with("http://localhost:"));
    assert_eq!(authorize.query["scope"], format!("{ARM} offline_access openid profile"));
    assert_eq!(authorize.query["prompt"], "select_account");
    let claims =
        r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"},"xms_cc":{"values":["CP1"]}}}"#;
    assert_eq!(authorize.query["claims"], claims);
    let [token] = &desk.issuer.requests_to(Route::Token)[..] else { panic!() };
    let fields: Vec<&str> = token.form.keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "claims",
            "client_id",
            "client_info",
            "code",
            "code_verifier",
            "grant_type",
            "redirect_uri",
            "scope"
        ]
    );
    assert_eq!(token.field("claims"), Some(claims));
    assert_eq!(token.field("scope"), Some(&*authorize.query["scope"]));
}

#[tokio::test]
async fn both_loopback_addresses_lead_to_the_same_place() {
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        let desk = Desk::willing().await;
        let (outcome, page) = desk
            .sign_in(move |url| {
                let mut back = Page::get(url).redirection();
                back.to.set_host(Some(host)).unwrap();
                back.follow()
            })
            .await;
        assert!(outcome.is_ok() && page.status == 200, "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_issuer_without_form_post_answers_in_the_url() {
    for modes in [None, Some(texts(&["query", "fragment"]))] {
        let desk = Desk::new(Settings { response_modes: modes, ..Settings::auto_approving() }).await;
        let (outcome, page) = desk.sign_in(Page::sign_in).await;
        assert!(outcome.is_ok() && page.status == 200, "{outcome:?}");
        let [authorize] = &desk.issuer.requests_to(Route::Authorize)[..] else { panic!() };
        assert!(!authorize.query.contains_key("response_mode"));
    }
}

#[tokio::test]
async fn an_issuer_that_offers_no_browser_or_no_safe_challenge_is_not_asked() {
    for settings in [
        Settings { authorization: false, ..Settings::default() },
        Settings { code_challenge_methods: Some(texts(&["plain"])), ..Settings::default() },
    ] {
        let desk = Desk::new(settings).await;
        let discovery = desk.discovery().await;
        let client = client(ClientAuthentication::None);
        assert!(BrowserRequest::issuer(&discovery, client, &[], Redirect::address()).is_none());
    }
}

/// What does not answer the sign-in, and gets 400; then the real answer comes all the same.
#[tokio::test]
async fn everything_but_the_answer_is_refused_and_changes_nothing() {
    let desk = Desk::willing().await;
    let (outcome, page) = desk
        .sign_in(|url| {
            let back = Page::get(url).redirection();
            let state = back.parameter("state").unwrap().to_owned();
            let refused = |page: Page, why: &str| {
                assert_eq!(page.status, 400, "{why}");
                assert!(page.body.contains(why), "{why}: {}", page.body);
            };
            let other = "The answer belongs to another sign-in, or to none.";
            refused(back.clone().with("state", Some("guessed")).follow(), other);
            refused(back.clone().with("state", None).follow(), other);
            refused(back.clone().with("state", Some("")).follow(), other);
            refused(back.clone().with("code", None).follow(), "The answer is neither a code nor a refusal.");
            refused(
                back.clone().with("error", Some("access_denied")).follow(),
                "The answer is neither a code nor a refusal.",
            );
            refused(
                Redirection { form_post: false, ..back.clone() }.follow(),
                "The issuer&#39;s answer came in another form than was asked for.",
            );
            let mut twice = back.clone();
            twice.parameters.push(("code".to_owned(), "another".to_owned()));
            refused(twice.follow(), "The answer says something twice.");
            let mut elsewhere = back.clone();
            elsewhere.to.set_path("/favicon.ico");
            refused(elsewhere.follow(), "There is nothing at this address.");
            refused(Page::get(back.to.as_str()), other);

            let port = back.to.port().unwrap();
            let raw = |text: String| Page::raw(&back.to, text.as_bytes());
            let form = format!("code=x&state={state}");
            let post = |host: &str, more: &str| {
                raw(format!(
                    "POST / HTTP/1.1\r\nHost: {host}\r\n{more}Content-Length: {}\r\n\r\n{form}",
                    form.len()
                ))
            };
            let typed = "Content-Type: application/x-www-form-urlencoded\r\n";
            let foreign = "The request is for another host.";
            refused(post(&format!("evil.example:{port}"), typed), foreign);
            refused(post("127.0.0.1", typed), foreign);
            refused(post(&format!("127.0.0.1:{}", port ^ 1), typed), foreign);
            refused(raw("GET / HTTP/1.0\r\n\r\n".to_owned()), foreign);
            let host = format!("127.0.0.1:{port}");
            refused(post(&host, ""), "not one that an issuer makes");
            refused(post(&host, "Content-Type: text/plain\r\n"), "not one that an issuer makes");
            refused(raw(format!("PUT / HTTP/1.1\r\nHost: {host}\r\n\r\n")), "not one that an issuer makes");
            refused(post(&host, &format!("{typed}Host: evil.example\r\n")), "not one that a browser makes");
            refused(post(&host, &format!("{typed}Content-Length: 7\r\n")), "not one that a browser makes");
            refused(
                post(&host, &format!("{typed}Transfer-Encoding: chunked\r\n")),
                "The request is too large.",
            );
            refused(raw("\r\n\r\n\u{16}\u{3}nonsense".to_owned()), "not one that a browser makes");
            let field = format!("X: {}\r\n", "x".repeat(1000));
            refused(post(&host, &field.repeat(60)), "The request is too large.");
            refused(
                raw(format!("POST / HTTP/1.1\r\nHost: {host}\r\n{typed}Content-Length: 70000\r\n\r\n")),
                "The request is too large.",
            );
            back.follow()
        })
        .await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(page.status, 200);
    assert_eq!(desk.issuer.requests_to(Route::Token).len(), 1);
}

#[tokio::test]
async fn who_says_nothing_holds_nobody_up() {
    let desk = Desk::willing().await;
    let (outcome, _) = desk
        .sign_in(|url| {
            let back = Page::get(url).redirection();
            let address = ("127.0.0.1", back.to.port().unwrap());
            let silent: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
            let page = back.follow();
            drop(silent);
            page
        })
        .await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn a_second_answer_is_refused_while_the_first_is_redeemed() {
    let desk = Desk::willing().await;
    desk.issuer.hold(Route::Token);
    let issuer = desk.issuer.clone();
    let (outcome, page) = desk
        .sign_in(move |url| {
            let back = Page::get(url).redirection();
            std::thread::scope(|scope| {
                let first = scope.spawn(|| back.follow());
                // The answer was taken when its code is at the issuer.
                while issuer.counts().at_gate == 0 {
                    std::thread::yield_now();
                }
                let second = back.follow();
                assert_eq!(second.status, 400);
                assert!(second.body.contains("This sign-in has been answered already."));
                issuer.let_pass(1);
                first.join().unwrap()
            })
        })
        .await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(page.status, 200);
    assert_eq!(desk.issuer.requests_to(Route::Token).len(), 1);
}

#[tokio::test]
async fn a_person_who_declines_ends_it() {
    let desk = Desk::new(Settings { decision: Some(Decision::Decline), ..Settings::default() }).await;
    let (outcome, page) = desk.sign_in(Page::sign_in).await;
    let error = outcome.unwrap_err();
    assert!(matches!(&error.kind, GrantErrorKind::Refused(refusal) if refusal.error == "access_denied"));
    assert_eq!(said(&error), "AADSTS65004: User declined to consent to access the app.");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("The sign-in failed") && page.body.contains("User declined"), "{}", page.body);
    assert!(desk.issuer.requests_to(Route::Token).is_empty());
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_never_redeemed() {
    for (flaw, why) in [
        (
            AuthorizationFlaw::WrongIssuer,
            "the answer of http://127.0.0.1:PORT cannot be trusted: the answer in the browser is from another issuer",
        ),
        (
            AuthorizationFlaw::NoIssuer,
            "the answer of http://127.0.0.1:PORT cannot be trusted: the answer in the browser does not say from which \
             issuer it is",
        ),
    ] {
        let settings = Settings { authorization_flaw: Some(flaw), ..Settings::auto_approving() };
        let desk = Desk::new(settings).await;
        let (outcome, page) = desk.sign_in(Page::sign_in).await;
        assert_eq!(said(&outcome.unwrap_err()), why);
        assert!(page.body.contains("The sign-in failed"), "{}", page.body);
        assert!(desk.issuer.requests_to(Route::Token).is_empty());
    }
}

#[tokio::test]
async fn an_answer_without_a_promised_issuer_is_taken_where_none_was_promised() {
    let desk = Desk::new(Settings { authorization_iss: false, ..Settings::auto_approving() }).await;
    let (outcome, _) = desk.sign_in(Page::sign_in).await;
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn flaws_that_belong_to_nobody_are_waited_past() {
    for flaw in [
        AuthorizationFlaw::WrongState,
        AuthorizationFlaw::NoState,
        AuthorizationFlaw::CodeTwice,
        AuthorizationFlaw::OtherMode,
    ] {
        let desk = Desk::new(Settings { authorization_flaw: Some(flaw), ..Settings::auto_approving() }).await;
        let issuer = desk.issuer.clone();
        let (outcome, page) = desk
            .sign_in(move |url| {
                assert_eq!(Page::sign_in(url).status, 400, "{flaw:?}");
                issuer.settings(|settings| settings.authorization_flaw = None);
                Page::sign_in(url)
            })
            .await;
        assert!(outcome.is_ok() && page.status == 200, "{flaw:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_id_token_is_believed_only_if_everything_about_it_is_right() {
    let all = [
        (IdTokenFlaw::Missing, "it does not say who signed in"),
        (IdTokenFlaw::WrongNonce, "the ID token does not belong to this sign-in: its nonce is another one"),
        (IdTokenFlaw::NoNonce, "the ID token does not belong to this sign-in: its nonce is another one"),
        (IdTokenFlaw::WrongIssuer, "the ID token is from \"https://elsewhere.example\""),
        (IdTokenFlaw::WrongAudience, "the ID token is for another client"),
        (IdTokenFlaw::ManyAudiences, "the ID token is for another client"),
        (IdTokenFlaw::WrongParty, "the ID token is for another client"),
        (IdTokenFlaw::Expired, "the ID token has expired"),
        (IdTokenFlaw::Endless, "the ID token has expired"),
        (IdTokenFlaw::Early, "the ID token is not valid yet"),
        (IdTokenFlaw::WrongAccessToken, "the ID token belongs to another access token"),
        (IdTokenFlaw::NoSubject, "the ID token names nobody"),
        (IdTokenFlaw::BadSignature, "the ID token is not believed: its signature is not the issuer's"),
        (IdTokenFlaw::UnknownKey, "the ID token is not believed: the issuer publishes no key \"unheard-of\""),
        (
            IdTokenFlaw::Unsigned,
            "the ID token is not believed: it is signed by \"none\", which is not accepted",
        ),
        (IdTokenFlaw::Hmac, "the ID token is not believed: it is signed by \"HS256\", which is not accepted"),
        (
            IdTokenFlaw::Critical,
            "the ID token is not believed: its signature has conditions that are not known here",
        ),
    ];
    for (flaw, why) in all {
        let settings = Settings { id_token_flaw: Some(flaw), ..Settings::auto_approving() };
        let desk = Desk::new(settings).await;
        let (outcome, page) = desk.sign_in(Page::sign_in).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.kind, GrantErrorKind::Untrusted), "{flaw:?}: {error:?}");
        let text = said(&error);
        assert!(
            text.starts_with(&format!("the answer of http://127.0.0.1:PORT cannot be trusted: {why}")),
            "{flaw:?}: {text}"
        );
        assert!(page.body.contains("The sign-in failed"), "{flaw:?}: {}", page.body);
        // Nothing of the sign-in is in what is said of it.
        let token = &desk.issuer.requests_to(Route::Token)[0];
        for name in ["code", "code_verifier"] {
            let secret = token.field(name).unwrap();
            assert!(!everything_said(&error).contains(secret) && !page.body.contains(secret), "{name}");
        }
    }
}

#[tokio::test]
async fn at_microsoft_the_tenant_of_the_token_names_the_issuer() {
    for flaw in [IdTokenFlaw::NoTenant, IdTokenFlaw::WrongIssuer] {
        let settings = Settings { id_token_flaw: Some(flaw), ..Settings::auto_approving() };
        let desk = Desk::new(settings).await;
        let (attempt, signer) = desk.at_microsoft("organizations").await;
        let (outcome, _) = desk.browse(attempt, signer, Page::sign_in).await;
        assert!(matches!(outcome.unwrap_err().kind, GrantErrorKind::Untrusted), "{flaw:?}");
    }
    // Who asked for one tenant gets no other.
    let desk = Desk::willing().await;
    let (attempt, _) = desk.at_microsoft(World::HOME_TENANT).await;
    let (_, second) = desk.at_microsoft(World::SECOND_TENANT).await;
    let (outcome, _) = desk.browse(attempt, second, Page::sign_in).await;
    let text = said(&outcome.unwrap_err());
    assert!(text.contains(&format!("the ID token is from \"{}", desk.issuer.base_url())), "{text}");
}

#[tokio::test]
async fn a_key_that_is_newer_than_the_set_is_looked_for_once_more() {
    let desk = Desk::willing().await;
    let old = || Fault::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: r#"{"keys":[]}"#.to_owned(),
    };
    desk.issuer.fault(Route::Jwks, old(), Times::Once);
    let (outcome, _) = desk.sign_in(Page::sign_in).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(desk.issuer.requests_to(Route::Jwks).len(), 2);

    desk.issuer.reset_counts();
    desk.issuer.fault(Route::Jwks, old(), Times::Always);
    let (outcome, _) = desk.sign_in(Page::sign_in).await;
    assert!(matches!(outcome.unwrap_err().kind, GrantErrorKind::Untrusted));
    assert_eq!(desk.issuer.requests_to(Route::Jwks).len(), 2);
}

#[tokio::test]
async fn the_token_endpoint_refuses_and_redirects() {
    let desk = Desk::willing().await;
    let elsewhere = desk.issuer.control_url();
    desk.issuer.fault(Route::Token, Fault::Redirect { status: 307, location: elsewhere }, Times::Once);
    let (outcome, page) = desk.sign_in(Page::sign_in).await;
    let error = outcome.unwrap_err();
    assert!(said(&error).ends_with("it points to another place, where no credential is sent"), "{error}");
    assert!(page.body.contains("The sign-in failed"), "{}", page.body);

    // Somebody else has redeemed the code.
    desk.issuer.hold(Matching::from(Route::Token).client_id("client-1"));
    let issuer = desk.issuer.clone();
    let (outcome, _) = desk
        .sign_in(move |url| {
            let back = Page::get(url).redirection();
            let code = back.parameter("code").unwrap().to_owned();
            std::thread::scope(|scope| {
                let page = scope.spawn(|| back.follow());
                while issuer.counts().at_gate == 0 {
                    std::thread::yield_now();
                }
                let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                let form = [
                    pair("grant_type", "authorization_code"),
                    pair("client_id", "thief"),
                    pair("code", &code),
                    pair("redirect_uri", "http://127.0.0.1"),
                    pair("code_verifier", "stolen"),
                ];
                let thief = Page::post(&format!("{}/oauth/token", issuer.oidc_issuer()), &form);
                assert_eq!(thief.status, 400, "{}", thief.body);
                issuer.let_pass(1);
                page.join().unwrap()
            })
        })
        .await;
    let error = outcome.unwrap_err();
    assert!(matches!(&error.kind, GrantErrorKind::Refused(refusal) if refusal.error == "invalid_grant"));
}

#[tokio::test]
async fn nobody_waits_for_longer_than_was_said() {
    let clock = Arc::new(ManualClock::at(NOW));
    let desk = Desk { issuer: Issuer::start(Settings::default()).await, clock: clock.clone() };
    let (attempt, signer) = desk.at_issuer().await;
    let url = attempt.url().to_string();
    let page = tokio::task::spawn_blocking(move || Page::get(&url)).await.unwrap();
    assert!(page.body.contains("Approve"), "{}", page.body);
    let (outcome, ()) = tokio::join!(desk.finish(attempt, &signer), async { clock.advance(PATIENCE) });
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind, GrantErrorKind::TimedOut));
    assert_eq!(
        said(&error),
        "http://127.0.0.1:PORT did not answer in time: nobody finished the sign-in in the browser"
    );
}

#[tokio::test]
async fn a_dropped_sign_in_listens_no_longer() {
    let desk = Desk::willing().await;
    let (attempt, _) = desk.at_issuer().await;
    let redirect_uri = attempt.url().query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
    let port = Url::parse(&redirect_uri).unwrap().port().unwrap();
    let connect = || std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(connect().is_ok());
    drop(attempt);
    // The socket goes with the task that had it, which the runtime ends when it comes to it.
    while connect().is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_redirect_uri_of_the_issuers_choice_is_used_to_the_letter() {
    let desk = Desk::willing().await;
    let discovery = desk.discovery().await;
    let redirect = Redirect::parse("http://localhost/oauth/callback").unwrap();
    let request =
        BrowserRequest::issuer(&discovery, client(ClientAuthentication::None), &[], redirect).unwrap();
    let attempt = Attempt::start(request).await.unwrap();
    let (outcome, page) = desk.browse(attempt, Signer::issuer(&discovery).unwrap(), Page::sign_in).await;
    assert!(outcome.is_ok() && page.status == 200, "{outcome:?}");
    let [authorize] = &desk.issuer.requests_to(Route::Authorize)[..] else { panic!() };
    let uri = Url::parse(&authorize.query["redirect_uri"]).unwrap();
    assert_eq!((uri.host_str(), uri.path()), (Some("localhost"), "/oauth/callback"));
    let [token] = &desk.issuer.requests_to(Route::Token)[..] else { panic!() };
    assert_eq!(token.field("redirect_uri"), Some(&*authorize.query["redirect_uri"]));
}

#[test]
fn a_redirect_uri_leads_to_this_host() {
    for text in ["http://localhost", "http://127.0.0.1/", "http://[::1]/cb", "http://localhost:8400/a/b"] {
        assert_eq!(Redirect::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "https://localhost/",
        "http://idp.example/",
        "http://localhost.evil.example/",
        "http://user@localhost/",
        "http://localhost/?x=1",
        "http://localhost/#x",
        "http://localhost:0/",
        "http://0.0.0.0/",
        "localhost",
        "",
    ] {
        assert!(Redirect::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_port_that_was_named_and_is_taken_is_an_error() {
    let taken = std::net::TcpListener::bind("[::1]:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let desk = Desk::willing().await;
    let redirect = Redirect::parse(&format!("http://localhost:{port}")).unwrap();
    let request =
        BrowserRequest::issuer(&desk.discovery().await, client(ClientAuthentication::None), &[], redirect);
    let error = Attempt::start(request.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
