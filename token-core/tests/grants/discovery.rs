//! Clouds and issuers.

use std::sync::Arc;
use std::time::Duration;

use token_core::authority::{Cloud, Discovery, require_https, scope_of, tenant_id};
use token_core::{GrantError, GrantErrorKind, HttpResponse, ManualClock};
use url::Url;

use crate::support::*;

fn document(issuer: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"https://idp.example/t","revocation_endpoint":"https://idp.example/r",
            "device_authorization_endpoint":"https://idp.example/d","scopes_supported":["openid"],
            "code_challenge_methods_supported":["S256"],"mtls_endpoint_aliases":{{}}}}"#
    )
}

async fn fetch(
    issuer: &str,
    lines: impl IntoIterator<Item = HttpResponse>,
) -> (Result<Discovery, GrantError>, Vec<String>) {
    let clock = Arc::new(ManualClock::at(NOW));
    let script = lines
        .into_iter()
        .fold(Script::new(clock.clone()), |script, line| script.line(Duration::ZERO, Ok(line)));
    let found = Discovery::fetch(&script, issuer, &*clock, CONNECT, WITHIN).await;
    (found, script.urls())
}

#[tokio::test]
async fn an_issuer_is_found_in_both_places() {
    let issuer = "https://idp.example/realms/eng";
    let (found, asked) = fetch(issuer, [HttpResponse::new(200, document(issuer))]).await;
    let found = found.unwrap();
    assert_eq!(asked, ["https://idp.example/realms/eng/.well-known/openid-configuration"]);
    assert_eq!(found.revocation_endpoint.as_ref().unwrap().as_str(), "https://idp.example/r");
    assert!(found.may_offer("openid") && !found.may_offer("offline_access"));
    let stored = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Discovery>(&stored).unwrap(), found, "it is kept as it serializes");

    let lines = [HttpResponse::new(404, "<html>"), HttpResponse::new(200, document(issuer))];
    let (found, asked) = fetch(issuer, lines).await;
    found.unwrap();
    assert_eq!(asked[1], "https://idp.example/.well-known/oauth-authorization-server/realms/eng");

    let (missing, _) = fetch(issuer, [HttpResponse::new(404, ""), HttpResponse::new(410, "")]).await;
    assert!(matches!(missing.unwrap_err().kind, GrantErrorKind::Unintelligible { status: 404 }));
}

#[tokio::test]
async fn an_issuer_is_compared_to_the_letter() {
    for (asked, named) in [
        ("https://idp.example", "https://idp.example/"),
        ("https://idp.example/", "https://idp.example"),
        ("https://idp.example/a", "https://idp.example/A"),
        ("https://idp.example", "https://evil.example"),
    ] {
        let (found, _) = fetch(asked, [HttpResponse::new(200, document(named))]).await;
        let said = everything_said(&found.unwrap_err());
        assert!(said.contains(&format!("{asked:?}")) && said.contains(&format!("{named:?}")), "{said}");
    }
    let slash = "https://idp.example/";
    let (found, asked) = fetch(slash, [HttpResponse::new(200, document(slash))]).await;
    assert_eq!(found.unwrap().issuer, slash);
    assert_eq!(asked, ["https://idp.example/.well-known/openid-configuration"]);
}

#[tokio::test]
async fn a_document_is_kept_as_long_as_it_says() {
    let issuer = "https://idp.example";
    for (max_age, kept) in [(None, 86_400), (Some(0), 0), (Some(600), 600), (Some(1 << 40), 86_400)] {
        let mut response = HttpResponse::new(200, document(issuer));
        response.max_age = max_age.map(Duration::from_secs);
        let found = fetch(issuer, [response]).await.0.unwrap();
        assert_eq!(found.keep_until - NOW as i64, kept);
        assert_eq!(found.is_current(NOW as i64), kept > 0);
        assert!(!found.is_current(NOW as i64 + kept));
        assert!(!found.is_current(NOW as i64 - 100_000), "a clock that was turned back keeps nothing");
    }
}

#[tokio::test]
async fn no_endpoint_is_in_the_clear() {
    let issuer = "https://idp.example";
    for at in ["t", "r", "d"] {
        let body = document(issuer)
            .replace(&format!("\"https://idp.example/{at}\""), &format!("\"http://idp.example/{at}\""));
        let said = everything_said(&fetch(issuer, [HttpResponse::new(200, body)]).await.0.unwrap_err());
        assert!(said.contains("http://idp.example is neither https"), "{said}");
    }
    for issuer in
        ["http://idp.example", "idp.example", "https://idp.example?a=b", "https://u:p@idp.example", ""]
    {
        let (found, asked) = fetch(issuer, []).await;
        assert!(matches!(found.unwrap_err().kind, GrantErrorKind::Unsendable), "{issuer}");
        assert!(asked.is_empty());
    }
}

#[tokio::test]
async fn a_document_that_is_none() {
    let issuer = "https://idp.example";
    for (status, body) in [(200, "<html>"), (200, "{}"), (302, ""), (500, "")] {
        let (found, asked) = fetch(issuer, [HttpResponse::new(status, body)]).await;
        let error = found.unwrap_err();
        assert!(
            matches!(error.kind, GrantErrorKind::Unintelligible { status: seen } if seen == status),
            "{error:?}"
        );
        assert_eq!(asked.len(), 1, "only a document that is not there is looked for elsewhere");
    }
}

#[test]
fn credentials_go_over_https_or_nowhere() {
    for good in [
        "https://a.example",
        "http://127.0.0.1:1",
        "http://127.8.9.1",
        "http://[::1]:4470",
        "http://localhost",
    ] {
        assert_eq!(require_https(&Url::parse(good).unwrap()), Ok(()), "{good}");
    }
    for bad in [
        "http://a.example",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://localhost",
        "file:///etc/passwd",
        "mailto:a@b",
        "https://user:password@a.example",
    ] {
        let error = require_https(&Url::parse(bad).unwrap()).unwrap_err();
        assert!(!error.to_string().contains("password@"), "{error}");
    }
}

#[test]
fn clouds_are_those_of_azure_cli() {
    let names: Vec<String> = Cloud::built_in().into_iter().map(|cloud| cloud.name).collect();
    assert_eq!(names, ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment", "AzureBleuCloud"]);
    let public = Cloud::named("azurecloud").unwrap();
    assert_eq!(public.default_scope(), "https://management.core.windows.net//.default");
    assert_eq!(scope_of("https://vault.azure.net"), "https://vault.azure.net/.default");
    assert_eq!(public.resource_named("ARM"), Some("https://management.core.windows.net/"));
    assert_eq!(public.resource_named("graph"), public.resource_named("ms-graph"));
    assert_eq!(public.resource_named("storage"), Some("https://storage.azure.com"));
    assert_eq!(public.resource_named("nonsense"), None);
    assert_eq!(Cloud::named("AzureChinaCloud").unwrap().resource_named("data-lake"), None);
    assert_eq!(Cloud::named("AzureGermanCloud"), None);
    for cloud in Cloud::built_in() {
        assert_eq!(require_https(&cloud.authority_host), Ok(()));
        assert_eq!(require_https(&cloud.resource_manager), Ok(()));
    }
}

#[tokio::test]
async fn a_domain_leads_to_its_tenant() {
    let host = Url::parse("https://login.microsoftonline.com").unwrap();
    let id = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let clock = Arc::new(ManualClock::at(NOW));
    let script = Script::new(clock.clone())
        .answer(200, &format!(r#"{{"issuer":"https://login.microsoftonline.com/{id}/v2.0"}}"#))
        .answer(400, r#"{"error":"invalid_tenant","error_description":"AADSTS90002: Tenant 'x' not found."}"#)
        .answer(200, r#"{"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0"}"#);
    let resolve = |tenant: &'static str| tenant_id(&script, &host, tenant, &*clock, CONNECT, WITHIN);
    assert_eq!(resolve(id).await.unwrap(), id);
    assert!(script.urls().is_empty(), "an id is not asked about");
    assert_eq!(resolve("contoso.com").await.unwrap(), id);
    let url = "https://login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration";
    assert_eq!(script.urls(), [url]);
    assert!(resolve("nowhere.example").await.unwrap_err().to_string().starts_with("AADSTS90002"));
    let common = resolve("common").await.unwrap_err();
    assert!(matches!(common.kind, GrantErrorKind::Unintelligible { status: 200 }));
}
