//! Bringing over who is signed in with Azure CLI.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::{Value, json};
use token_testkit::{Authority, RunningIssuer, World};

use crate::desk::{Desk, willing_issuer};

const CLIENT: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
const HOME_ACCOUNT: &str = "33333333-3333-3333-3333-333333333333.11111111-1111-1111-1111-111111111111";

/// Puts Azure CLI's files into a home, in the form that it gives them.
fn azure_cli(desk: &Desk, files: &[(&str, &Value)]) {
    fs::create_dir_all(desk.path(".azure")).unwrap();
    for (name, content) in files {
        let mark = if *name == "azureProfile.json" { "\u{feff}" } else { "" };
        fs::write(desk.path(".azure").join(name), format!("{mark}{content}")).unwrap();
    }
}

fn subscription(id: &str, name: &str, user: Value, active: bool) -> Value {
    json!({"id": id, "name": name, "state": "Enabled", "user": user, "isDefault": active,
           "tenantId": World::HOME_TENANT, "environmentName": "lab", "homeTenantId": World::HOME_TENANT,
           "managedByTenants": []})
}

fn ada() -> Value {
    json!({"name": World::USER, "type": "user"})
}

fn profile() -> Value {
    json!({"installationId": "i", "subscriptions": [
        subscription(World::BUILD, "Build", ada(), false),
        subscription(World::PRODUCTION, "Production", ada(), true),
    ]})
}

fn tokens(refresh_token: &str, host: &str, at: u64) -> Value {
    json!({
        "Account": {"a": {"home_account_id": HOME_ACCOUNT, "environment": host, "realm": "organizations",
            "local_account_id": World::USER_OID, "username": World::USER, "authority_type": "MSSTS"}},
        "RefreshToken": {"r": {"credential_type": "RefreshToken", "secret": refresh_token,
            "home_account_id": HOME_ACCOUNT, "environment": host, "client_id": CLIENT,
            "target": "https://management.core.windows.net//.default",
            "last_modification_time": at.to_string()}},
        "AccessToken": {}, "IdToken": {}, "AppMetadata": {}, "Future": {"kept": true},
    })
}

/// Ada signs in with Azure CLI.
fn sign_in(issuer: &RunningIssuer) -> String {
    issuer.sign_in(
        Authority::Microsoft,
        World::USER,
        CLIENT,
        &["https://management.core.windows.net//.default"],
    )
}

fn imported(desk: &Desk) -> Value {
    desk.json("account import")
}

/// The files alone: that a sign-in could be stored is tried in a directory.
fn files(desk: &Desk) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    desk.files().into_iter().filter(|(path, _)| path.is_file()).collect()
}

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[test]
fn a_person_goes_on_here_and_importing_again_changes_nothing() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let refresh_token = sign_in(&issuer);
    azure_cli(
        &desk,
        &[
            ("azureProfile.json", &profile()),
            ("msal_token_cache.json", &tokens(&refresh_token, "127.0.0.1", now())),
        ],
    );
    let theirs = fs::read(desk.path(".azure/msal_token_cache.json")).unwrap();
    assert_eq!(imported(&desk)[0]["outcome"], "imported");
    let token = desk.json("account get-access-token");
    assert_eq!(token["subscription"], World::PRODUCTION, "what is active there is active here");
    let issued = issuer.access_token(token["accessToken"].as_str().unwrap()).unwrap();
    assert_eq!((issued.account.as_str(), issued.client_id.as_str()), (World::USER, CLIENT));

    // Ours has another refresh token by now, which came from theirs.
    let before = files(&desk);
    assert_eq!(imported(&desk)[0]["outcome"], "unchanged");
    assert_eq!(files(&desk), before);
    assert_eq!(desk.json("account get-access-token"), token);
    assert_eq!(fs::read(desk.path(".azure/msal_token_cache.json")).unwrap(), theirs, "theirs is only read");
    assert_eq!(fs::read_dir(desk.path(".azure")).unwrap().count(), 2);
}

#[test]
fn a_later_sign_in_takes_the_place_of_ours_and_an_earlier_does_not() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let bring = |at: u64| {
        let cache = tokens(&sign_in(&issuer), "127.0.0.1", at);
        azure_cli(&desk, &[("azureProfile.json", &profile()), ("msal_token_cache.json", &cache)]);
        imported(&desk)[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(bring(1000), "imported");
    assert_eq!(bring(900), "unchanged");
    assert_eq!(bring(2000), "updated");
    desk.json("account get-access-token");
}

#[test]
fn a_living_access_token_comes_too() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let mut cache = tokens(&sign_in(&issuer), "127.0.0.1", now());
    cache["AccessToken"]["t"] = json!({"credential_type": "AccessToken", "secret": "theirs",
        "home_account_id": HOME_ACCOUNT, "environment": "127.0.0.1", "client_id": CLIENT,
        "realm": World::HOME_TENANT, "target": "https://management.core.windows.net//user_impersonation \
            https://management.core.windows.net//.default",
        "cached_at": now().to_string(), "expires_on": (now() + 3600).to_string()});
    azure_cli(&desk, &[("azureProfile.json", &profile()), ("msal_token_cache.json", &cache)]);
    imported(&desk);
    issuer.close();
    assert_eq!(desk.ok("get"), "theirs\n");
}

#[test]
fn a_service_principal_comes_with_its_secret_and_others_are_told_what_helps() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let principal = |name: &str| json!({"name": name, "type": "servicePrincipal"});
    let profile = json!({"subscriptions": [
        subscription("s1", "One", principal(World::CLIENT_ID), true),
        subscription("s2", "Two", principal("with-certificate"), false),
        subscription("s3", "Three", principal("without-secret"), false),
        subscription("s4", "Four", json!({"name": "systemAssignedIdentity", "type": "servicePrincipal"}), false),
    ]});
    let entries = json!([
        {"client_id": World::CLIENT_ID, "tenant": World::HOME_TENANT, "client_secret": World::CLIENT_SECRET},
        {"client_id": "with-certificate", "tenant": World::HOME_TENANT, "certificate": "/c.pem"},
        "nonsense",
    ]);
    azure_cli(&desk, &[("azureProfile.json", &profile), ("service_principal_entries.json", &entries)]);
    let said = desk.run("account import");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("1 of service_principal_entries.json cannot be read"), "{said:?}");
    let list: Value = serde_json::from_str(&said.stdout).unwrap();
    let why = |name: &str| {
        let row = list.as_array().unwrap().iter().find(|row| row["account"] == name).unwrap();
        row["why"].as_str().unwrap_or_default().to_owned()
    };
    assert!(why("with-certificate").starts_with("its certificate /c.pem cannot be used: "));
    assert_eq!(why("without-secret"), "Azure CLI keeps no secret of its");
    assert!(why("systemAssignedIdentity").contains("login --identity"));
    let token = desk.json("account get-access-token");
    assert_eq!(
        issuer.access_token(token["accessToken"].as_str().unwrap()).unwrap().account,
        World::CLIENT_ID
    );
}

#[test]
fn a_refresh_token_goes_to_no_authority_but_its_clouds() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let refresh_token = sign_in(&issuer);
    let mut elsewhere = profile();
    for entry in elsewhere["subscriptions"].as_array_mut().unwrap() {
        entry["environmentName"] = json!("Evil");
    }
    fs::create_dir_all(desk.path(".azure")).unwrap();
    let clouds = "[Evil]\nendpoint_active_directory = https://evil.example\n";
    fs::write(desk.path(".azure/clouds.config"), clouds).unwrap();
    for (profile, host, why) in [
        (profile(), "evil.example", "evil.example is not where lab signs in"),
        (elsewhere, "127.0.0.1", "the cloud Evil is not known; [clouds.Evil] in the config names it"),
    ] {
        let cache = tokens(&refresh_token, host, now());
        azure_cli(&desk, &[("azureProfile.json", &profile), ("msal_token_cache.json", &cache)]);
        let said = desk.run("account import");
        assert_eq!(said.code, Some(1), "{said:?}");
        let list: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(list[0]["why"], why);
        assert_eq!(desk.run("account get-access-token").code, Some(4));
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let said = desk.run("account import");
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("nobody is signed in with Azure CLI in "), "{said:?}");

    azure_cli(&desk, &[("azureProfile.json", &profile())]);
    fs::write(desk.path(".azure/msal_token_cache.bin"), "sealed").unwrap();
    let said = desk.run("account import");
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("encrypted, in msal_token_cache.bin"), "{said:?}");

    fs::remove_file(desk.path(".azure/msal_token_cache.bin")).unwrap();
    fs::write(desk.path(".azure/msal_token_cache.json"), "{\"Account\": {").unwrap();
    let said = desk.run("account import");
    assert!(said.stdout.contains("msal_token_cache.json is damaged"), "{said:?}");

    fs::write(desk.path(".azure/azureProfile.json"), "").unwrap();
    let said = desk.run("account import");
    assert_eq!(said.code, Some(3));
    assert!(said.stderr.contains("azureProfile.json is damaged"), "{said:?}");
}
