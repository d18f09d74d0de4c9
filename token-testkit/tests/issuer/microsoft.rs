//! The routes of the Microsoft identity platform, and Azure Resource Manager.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use token_testkit::{Authority, Issuer, Settings, World};

use crate::client::{CLIENT, USER, get, http, post, text};

const ARM: &str = "https://management.core.windows.net//.default offline_access openid profile";

fn url(issuer: &Issuer, tenant: &str, last: &str) -> String {
    format!("{}/{tenant}/oauth2/v2.0/{last}", issuer.base_url())
}

async fn refresh(issuer: &Issuer, tenant: &str, token: &str, scope: &str) -> (u16, Value) {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", token),
        ("scope", scope),
        ("client_info", "1"),
    ];
    post(&url(issuer, tenant, "token"), &form).await
}

async fn arm(url: &str, token: &str) -> (u16, Value) {
    let response = http().get(url).bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn names(page: &Value) -> Vec<&str> {
    page["value"].as_array().unwrap().iter().map(|item| text(item, "displayName")).collect()
}

#[tokio::test]
async fn a_device_code_becomes_tokens_of_the_home_tenant() {
    let issuer = Issuer::start(Settings::auto_approving()).await;
    let (status, device) =
        post(&url(&issuer, "organizations", "devicecode"), &[("client_id", CLIENT), ("scope", ARM)]).await;
    assert_eq!(status, 200);
    assert!(text(&device, "message").contains(text(&device, "user_code")));
    assert!(device.get("verification_uri_complete").is_none());

    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT),
        ("device_code", text(&device, "device_code")),
        ("client_info", "1"),
    ];
    let (status, tokens) = post(&url(&issuer, "organizations", "token"), &form).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(
        text(&tokens, "scope"),
        "https://management.core.windows.net//user_impersonation https://management.core.windows.net//.default"
    );
    assert_eq!((&tokens["expires_in"], &tokens["ext_expires_in"]), (&json!(3600), &json!(3600)));
    let id = claims(text(&tokens, "id_token"));
    assert_eq!((text(&id, "oid"), text(&id, "tid")), (World::USER_OID, World::HOME_TENANT));
    let info: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text(&tokens, "client_info")).unwrap()).unwrap();
    assert_eq!(info, json!({ "uid": World::USER_OID, "utid": World::HOME_TENANT }));
    assert!(issuer.is_alive(USER));
}

#[tokio::test]
async fn one_refresh_token_serves_every_tenant_and_resource() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::Microsoft, USER, CLIENT, &[]);
    let (status, tokens) = refresh(&issuer, World::HOME_TENANT, &token, ARM).await;
    assert_eq!(status, 200);
    let (_, page) =
        arm(&format!("{}/tenants?api-version=2022-12-01", issuer.base_url()), text(&tokens, "access_token"))
            .await;
    assert_eq!(names(&page), ["Contoso", "Fabrikam"]);
    let subscriptions = format!("{}/subscriptions?api-version=2022-12-01", issuer.base_url());
    let (_, page) = arm(&subscriptions, text(&tokens, "access_token")).await;
    assert_eq!(names(&page), ["Build", "Production"]);

    let (_, tokens) = refresh(&issuer, "fabrikam.example", &token, ARM).await;
    assert_eq!(text(&claims(text(&tokens, "id_token")), "tid"), World::SECOND_TENANT);
    let (_, page) = arm(&subscriptions, text(&tokens, "access_token")).await;
    assert_eq!(names(&page), ["Lab"]);

    let (_, tokens) =
        refresh(&issuer, World::HOME_TENANT, &token, "https://graph.microsoft.com/.default").await;
    assert!(tokens.get("refresh_token").is_none(), "it was not asked for");
    assert!(tokens.get("id_token").is_none());
    let issued = issuer.access_token(text(&tokens, "access_token")).unwrap();
    assert_eq!(issued.scopes[1], "https://graph.microsoft.com/.default");
    assert_eq!(issued.tenant.as_deref(), Some(World::HOME_TENANT));
}

#[tokio::test]
async fn resource_manager_pages_and_refuses() {
    let issuer = Issuer::start(Settings { page_size: Some(1), ..Settings::default() }).await;
    let token = issuer.sign_in(Authority::Microsoft, USER, CLIENT, &[]);
    let (_, tokens) = refresh(&issuer, World::HOME_TENANT, &token, ARM).await;
    let token = text(&tokens, "access_token");
    let subscriptions = format!("{}/subscriptions", issuer.base_url());
    let (_, first) = arm(&format!("{subscriptions}?api-version=2022-12-01"), token).await;
    assert_eq!(names(&first), ["Build"]);
    let (_, second) = arm(text(&first, "nextLink"), token).await;
    assert_eq!(names(&second), ["Production"]);
    assert!(second.get("nextLink").is_none());

    let one = |id: &str| format!("{subscriptions}/{id}?api-version=2022-12-01");
    let (status, one_of_them) = arm(&one(World::BUILD), token).await;
    assert_eq!((status, text(&one_of_them, "displayName")), (200, "Build"));
    let (status, error) = arm(&one(World::LAB), token).await;
    assert_eq!((status, text(&error["error"], "code")), (404, "SubscriptionNotFound"));
    assert_eq!(arm(&subscriptions, token).await.0, 400);
    let (status, error) = arm(&one(World::BUILD), "stolen").await;
    assert_eq!((status, text(&error["error"], "code")), (401, "InvalidAuthenticationToken"));

    issuer.end_sign_ins(USER);
    assert_eq!(arm(&one(World::BUILD), token).await.0, 401);
}

#[tokio::test]
async fn a_service_principal_gets_tokens_for_its_secret() {
    let issuer = Issuer::start(Settings::default()).await;
    let url = url(&issuer, "contoso.example", "token");
    let ask = async |secret: &str, scope: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", World::CLIENT_ID),
            ("client_secret", secret),
            ("scope", scope),
        ];
        post(&url, &form).await
    };
    let default = "https://management.core.windows.net//.default";
    let (status, tokens) = ask(World::CLIENT_SECRET, default).await;
    assert_eq!(status, 200, "{tokens}");
    for absent in ["refresh_token", "id_token", "client_info", "scope"] {
        assert!(tokens.get(absent).is_none());
    }
    let subscriptions = format!("{}/subscriptions?api-version=2022-12-01", issuer.base_url());
    assert_eq!(names(&arm(&subscriptions, text(&tokens, "access_token")).await.1), ["Build", "Production"]);

    let (status, error) = ask("wrong", default).await;
    assert_eq!(
        (status, text(&error, "error"), &error["error_codes"]),
        (401, "invalid_client", &json!([7000215]))
    );
    let (status, error) = ask(World::CLIENT_SECRET, "User.Read").await;
    assert_eq!((status, text(&error, "error")), (400, "invalid_scope"));
}

#[tokio::test]
async fn errors_look_like_microsofts() {
    let issuer = Issuer::start(Settings::default()).await;
    let token = issuer.sign_in(Authority::Microsoft, USER, CLIENT, &[]);
    issuer.end_sign_ins(USER);
    let (status, error) = refresh(&issuer, World::HOME_TENANT, &token, ARM).await;
    assert_eq!(
        (status, text(&error, "error"), text(&error, "suberror")),
        (400, "invalid_grant", "bad_token")
    );
    assert_eq!(error["error_codes"], json!([700082]));
    let description = text(&error, "error_description");
    assert!(description.starts_with("AADSTS700082: "), "{description}");
    assert!(description.contains(text(&error, "trace_id")));
    assert!(description.contains(text(&error, "correlation_id")));
    assert!(description.ends_with(text(&error, "timestamp")));

    let (_, error) = refresh(&issuer, "nowhere.example", &token, ARM).await;
    assert_eq!(error["error_codes"], json!([90002]));
}

#[tokio::test]
async fn discovery_tells_the_tenant_of_a_domain() {
    let issuer = Issuer::start(Settings::default()).await;
    let document =
        |tenant: &str| format!("{}/{tenant}/v2.0/.well-known/openid-configuration", issuer.base_url());
    let (_, found) = get(&document("fabrikam.example")).await;
    assert_eq!(text(&found, "issuer"), format!("{}/{}/v2.0", issuer.base_url(), World::SECOND_TENANT));
    let (_, template) = get(&document("organizations")).await;
    assert!(text(&template, "issuer").ends_with("/{tenantid}/v2.0"));
    assert_eq!(text(&template, "token_endpoint"), url(&issuer, "organizations", "token"));
    assert_eq!(get(&document("nowhere.example")).await.0, 400);
    assert_eq!(get(text(&found, "jwks_uri")).await.0, 200);
}
