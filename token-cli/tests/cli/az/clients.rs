//! The command lines of those who run Azure CLI, and how they run it.

use super::*;

/// Through a shell, as the SDKs do, with a stdin that stays open.
fn in_a_shell(lab: &Lab, line: &str) -> Output {
    let program = lab.home().join("az");
    if !program.exists() {
        std::os::unix::fs::symlink(crate::harness::TOKEN, &program).unwrap();
    }
    let (held, _open) = std::io::pipe().unwrap();
    let path = format!("{}:/usr/bin:/bin", lab.home().display());
    start(lab.program("/bin/sh", &["-c", line]).env("PATH", path).stdin(held)).finish()
}

#[test]
fn sdks_parse_what_is_printed() {
    let lab = Lab::signed_in(Settings::auto_approving());
    for line in [
        "az account get-access-token --output json --resource https://vault.azure.net",
        "az account get-access-token -o json --resource https://vault.azure.net --subscription \"Build\"",
        "cd /bin && az account get-access-token -o json --scope https://vault.azure.net/.default",
        // Java reads both streams as one.
        "az account get-access-token --output json --resource https://vault.azure.net 2>&1",
    ] {
        let token = in_a_shell(&lab, line).json();
        assert!(token["expires_on"].is_i64() && token["tokenType"] == "Bearer", "{line}: {token}");
        let local = token["expiresOn"].as_str().unwrap();
        assert!(chrono_form(local), "{local}");
    }
    // The one line of all scripts.
    let bare = in_a_shell(&lab, "az account get-access-token --output tsv");
    assert_eq!(bare.stdout.split('\t').count(), 6, "{bare}");
    let missing =
        in_a_shell(&lab, "az account get-access-token -o json --resource x --subscription \"nosuch\"");
    assert_eq!(missing.code(), 1);
}

/// `2006-01-02 15:04:05.000000`
fn chrono_form(text: &str) -> bool {
    let digits = "dddd-dd-dd dd:dd:dd.dddddd";
    text.len() == digits.len()
        && text
            .chars()
            .zip(digits.chars())
            .all(|(c, form)| if form == 'd' { c.is_ascii_digit() } else { c == form })
}

#[test]
fn terraforms_sequence() {
    let lab = Lab::new(Settings::auto_approving());
    sign_in_principal(&lab).json();
    assert_eq!(az(&lab, "version -o=json").json()["azure-cli"], "2.91.0");
    let shown = az(&lab, "account show -o=json").json();
    assert_eq!(shown["user"], json!({ "name": World::CLIENT_ID, "type": "servicePrincipal" }));
    az(&lab, "account list -o=json").json();
    let id = World::BUILD.to_lowercase();
    let line = format!(
        "account get-access-token --scope https://management.azure.com/.default --subscription {id} -o=json"
    );
    assert_eq!(keys(&az(&lab, &line).json()), MICROSOFT);
    let tenant = World::HOME_TENANT;
    az(&lab, &format!("account get-access-token --resource-type=ms-graph --tenant {tenant} -o=json")).json();
}

#[test]
fn pipelines_sign_in_and_out() {
    let lab = Lab::new(Settings::auto_approving());
    let text = az(&lab, "--version");
    assert!(text.stdout.starts_with("azure-cli                         2.91.0\n"), "{text}");
    assert_eq!((text.code(), text.stderr.as_str()), (0, ""));
    assert_eq!(az(&lab, "cloud set -n lab").json_or_nothing(), "");
    let (id, secret, tenant) = (World::CLIENT_ID, World::CLIENT_SECRET, World::HOME_TENANT);
    for options in ["--allow-no-subscriptions", "--allow-no-subscriptions --output none"] {
        let line = format!(
            "login --service-principal --username {id} --tenant {tenant} --password={secret} {options}"
        );
        let output = az(&lab, &line);
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{output}");
    }
    assert_eq!(az(&lab, &format!("account set --subscription {}", World::PRODUCTION)).json_or_nothing(), "");
    assert_eq!(az(&lab, "account show").json()["id"], World::PRODUCTION);
    assert_eq!(az(&lab, "account clear").json_or_nothing(), "");
    assert_eq!(az(&lab, "account show").stderr, NOBODY);
}
