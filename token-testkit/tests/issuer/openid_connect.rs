//! Discovery, token answers, keys and client authentication of the OpenID Connect issuer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use serde_json::{Value, json};
use token_testkit::{AccessTokenForm, Authority, ExpiresIn, Issuer, Route, Settings, World};

use crate::client::{CLIENT, USER, get, http, post, refresh, text, token_url};

#[tokio::test]
async fn discovery_has_both_well_known_forms() {
    let issuer = Issuer::start(Settings::default()).await;
    let suffixed = format!("{}/.well-known/openid-configuration", issuer.oidc_issuer());
    let inserted = format!("{}/.well-known/oauth-authorization-server/realms/eng", issuer.base_url());
    let (status, document) = get(&suffixed).await;
    assert_eq!((status, text(&document, "issuer")), (200, issuer.oidc_issuer().as_str()));
    assert_eq!(get(&inserted).await, (200, document.clone()));
    assert_eq!(text(&document, "token_endpoint"), token_url(&issuer));
    assert!(document.get("revocation_endpoint").is_some());

    issuer.settings(|settings| {
        settings.openid_configuration = false;
        settings.revocation = false;
    });
    assert_eq!(get(&suffixed).await.0, 404);
    let (_, document) = get(&inserted).await;
    assert!(document.get("revocation_endpoint").is_none());
    assert_eq!(issuer.counts().requests(Route::Discovery), 3, "the missing one has no route");
}

#[tokio::test]
async fn an_issuer_may_stand_at_the_root() {
    let issuer = Issuer::start(Settings { path: String::new(), ..Settings::default() }).await;
    assert_eq!(issuer.oidc_issuer(), issuer.base_url());
    for form in ["openid-configuration", "oauth-authorization-server"] {
        let (status, document) = get(&format!("{}/.well-known/{form}", issuer.base_url())).await;
        assert_eq!((status, text(&document, "issuer")), (200, issuer.base_url()));
    }
}

#[tokio::test]
async fn token_answers_take_the_form_that_is_set() {
    let issuer = Issuer::start(Settings { lifetime: 60, refresh_in: Some(30), ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read", "api:write"]);
    let (_, body) = refresh(&issuer, &token).await;
    assert_eq!((&body["expires_in"], &body["refresh_in"]), (&json!(60), &json!(30)));
    assert_eq!(text(&body, "scope"), "api:read api:write");

    issuer.settings(|settings| {
        settings.expires_in = ExpiresIn::Text;
        settings.granted_scopes = Some(vec!["api:read".into()]);
    });
    let (_, body) = refresh(&issuer, &token).await;
    assert_eq!((&body["expires_in"], text(&body, "scope")), (&json!("60"), "api:read"));
    let issued = issuer.access_token(text(&body, "access_token")).unwrap();
    assert_eq!((issued.account.as_str(), issued.scopes), (USER, vec!["api:read".to_owned()]));

    issuer.settings(|settings| settings.expires_in = ExpiresIn::Absent);
    let (_, body) = refresh(&issuer, &token).await;
    assert!(body.get("expires_in").is_none());
}

#[tokio::test]
async fn a_refresh_asks_for_no_more_than_was_granted() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["api:read"]);
    let mut form = crate::client::refresh_form(&token).to_vec();
    form.push(("scope", "api:read api:admin"));
    let (status, body) = post(&token_url(&issuer), &form).await;
    assert_eq!((status, text(&body, "error")), (400, "invalid_scope"));
}

#[tokio::test]
async fn signatures_hold_against_the_published_key() {
    let issuer = Issuer::start(Settings { access_tokens: AccessTokenForm::Jwt, ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::OpenIdConnect, USER, CLIENT, &["openid", "api:read"]);
    let (_, body) = refresh(&issuer, &token).await;
    let (_, jwks) = get(&format!("{}/oauth/jwks", issuer.oidc_issuer())).await;
    // Among keys of other kinds, of other times and for other purposes.
    let keys = jwks["keys"].as_array().unwrap();
    let current = |key: &&Value| key["use"] == "sig" && key["kid"] != "former";
    let key = keys.iter().find(current).unwrap();
    let claims = verified(text(&body, "id_token"), key);
    assert_eq!(text(&claims, "iss"), issuer.oidc_issuer());
    assert_eq!((text(&claims, "aud"), text(&claims, "preferred_username")), (CLIENT, USER));
    assert_eq!(text(&claims, "sub"), World::USER_OID);
    let claims = verified(text(&body, "access_token"), key);
    assert_eq!(text(&claims, "scp"), "openid api:read");
}

fn verified(jwt: &str, key: &Value) -> Value {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], bytes(text(key, "x")), bytes(text(key, "y"))].concat();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let key = VerifyingKey::from_sec1_bytes(&point).unwrap();
    key.verify(signed.as_bytes(), &Signature::from_slice(&bytes(signature)).unwrap()).unwrap();
    serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap()
}

#[tokio::test]
async fn a_secret_is_taken_from_the_body_and_from_basic() {
    let issuer = Issuer::start(Settings::default()).await;
    let url = token_url(&issuer);
    let grant = ("grant_type", "client_credentials");
    let id = ("client_id", World::CLIENT_ID);
    let (status, body) =
        post(&url, &[grant, id, ("client_secret", World::CLIENT_SECRET), ("scope", "api:read")]).await;
    assert_eq!((status, text(&body, "scope")), (200, "api:read"));
    assert!(body.get("refresh_token").is_none());

    // RFC 6749 section 2.3.1: form-encoded first.
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = |secret: &str| {
        http().post(&url).basic_auth(encode(World::CLIENT_ID), Some(encode(secret))).form(&[grant]).send()
    };
    assert_eq!(basic(World::CLIENT_SECRET).await.unwrap().status(), 200);
    let refused = basic("wrong").await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));

    let (status, body) = post(&url, &[grant, id]).await;
    assert_eq!((status, text(&body, "error")), (401, "invalid_client"));
    let (status, body) = post(&url, &[grant, ("client_id", "public")]).await;
    assert_eq!((status, text(&body, "error")), (401, "invalid_client"));
    assert_eq!(issuer.counts().client_credentials, 2);
}

#[tokio::test]
async fn requests_that_are_wrong_are_refused_as_the_rfcs_say() {
    let issuer = Issuer::start(Settings::default()).await;
    let url = token_url(&issuer);
    let error = async |form: &[(&str, &str)]| text(&post(&url, form).await.1, "error").to_owned();
    assert_eq!(error(&[("grant_type", "refresh_token")]).await, "invalid_request");
    assert_eq!(error(&[("client_id", CLIENT)]).await, "invalid_request");
    assert_eq!(error(&[("client_id", CLIENT), ("grant_type", "password")]).await, "unsupported_grant_type");
    assert_eq!(error(&[("client_id", CLIENT), ("grant_type", "refresh_token")]).await, "invalid_request");
    assert_eq!(get(&url).await.0, 405);
    assert_eq!(get(&format!("{}/nowhere", issuer.base_url())).await.0, 404);
}
