//! The command that is shown to somebody whose sign-in has ended: the one that made it.

use token_testkit::{Fault, Issuer, OAuthError, Route, RunningIssuer, Settings, Times, World};

use crate::desk::Desk;
use crate::principals::certificate;

/// Signs in with `login`, lets the sign-in end, and returns what is shown then.
fn command(issuer: &RunningIssuer, desk: &Desk, login: &str) -> String {
    let said = desk.run(login);
    assert_eq!(said.code, Some(0), "{login}: {}", said.stderr);
    if login.contains("--identity") {
        // An issuer has no say in it.
        for entry in std::fs::read_dir(desk.entries()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("credential-") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    let refused = OAuthError::new("interaction_required").description("AADSTS53003: Blocked by a policy.");
    issuer.fault(Route::Token, Fault::OAuth(refused), Times::Always);
    let said = desk.run("get --force-refresh");
    issuer.clear_faults();
    assert_eq!(said.code, Some(4), "{login}: {}", said.stderr);
    let hint = said.stderr.lines().find_map(|line| line.strip_prefix("hint: '"));
    let hint = hint.unwrap_or_else(|| panic!("{login}: {}", said.stderr));
    hint.strip_suffix("' signs in again").unwrap().to_owned()
}

#[test]
fn it_says_what_proves_the_account_and_no_secret() {
    let issuer = Issuer::spawn(Settings::auto_approving());
    let base = issuer.base_url().to_owned();
    let (id, tenant, connection) = (World::CLIENT_ID, World::HOME_TENANT, World::CONNECTION);
    let assertion = issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, 300);
    let desk = Desk::new(&issuer)
        .with("SECRET", World::CLIENT_SECRET)
        .with("JWT", &assertion)
        .with("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{base}/github/id-token?job=1"))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", World::JOB_TOKEN)
        .with("SYSTEM_OIDCREQUESTURI", &format!("{base}/pipelines/oidc"))
        .with("SYSTEM_ACCESSTOKEN", World::JOB_TOKEN)
        .with("AZURE_POD_IDENTITY_AUTHORITY_HOST", &base);
    let pem = certificate(&issuer, &desk);
    let file = desk.path("assertion").display().to_string();
    std::fs::write(desk.path("assertion"), &assertion).unwrap();
    let (oidc, principal) = (issuer.oidc_issuer(), format!("login --service-principal -u {id} -t {tenant}"));
    let shown = format!("token login --service-principal --username {id}");

    // What is not a secret is shown whole, and does it.
    for (login, shown) in [
        (
            format!("{principal} --certificate {pem}"),
            format!("{shown} --certificate {pem} --tenant {tenant}"),
        ),
        (
            format!("{principal} --federated-token-file {file}"),
            format!("{shown} --federated-token-file {file} --tenant {tenant}"),
        ),
        (format!("{principal} --github-actions"), format!("{shown} --github-actions --tenant {tenant}")),
        (
            format!("{principal} --azure-pipelines {connection}"),
            format!("{shown} --azure-pipelines {connection} --tenant {tenant}"),
        ),
        ("login --identity".to_owned(), "token login --identity".to_owned()),
        (
            format!("login --identity --object-id {}", World::USER_ASSIGNED_OBJECT),
            format!("token login --identity --object-id {}", World::USER_ASSIGNED_OBJECT),
        ),
        (
            format!("login --issuer corp --client-id {id} --certificate {pem}"),
            format!("token login --issuer corp --client-id {id} --certificate {pem}"),
        ),
        ("login --issuer corp".to_owned(), "token login --issuer corp".to_owned()),
        (
            format!("login --issuer {oidc} --client-id other --scope api:write"),
            format!("token login --issuer {oidc} --client-id other --scope api:write"),
        ),
    ] {
        assert_eq!(command(&issuer, &desk, &login), shown);
        let again = desk.run(shown.strip_prefix("token ").unwrap());
        assert_eq!(again.code, Some(0), "{shown}: {}", again.stderr);
    }

    // What is a secret is left out.
    for (login, shown) in [
        (format!("{principal} -p env:SECRET"), format!("{shown} --password … --tenant {tenant}")),
        (
            format!("{principal} --federated-token env:JWT"),
            format!("{shown} --federated-token … --tenant {tenant}"),
        ),
        (
            format!("login --issuer corp --client-id {id} --client-secret env:SECRET"),
            format!("token login --issuer corp --client-id {id} --client-secret …"),
        ),
    ] {
        assert_eq!(command(&issuer, &desk, &login), shown);
    }

    // What the config says need not be typed.
    let config = std::fs::read_to_string(desk.path(".config/token/config.toml")).unwrap();
    let config = config.replace("'build-tools'", &format!("'{id}'\nclient_secret = 'env:SECRET'"));
    desk.configure(&config);
    assert_eq!(command(&issuer, &desk, "login --issuer corp"), "token login --issuer corp");
}

#[test]
fn the_config_speaks_for_its_own_client_only() {
    let issuer = Issuer::spawn(Settings::auto_approving());
    let desk = Desk::new(&issuer).with("SECRET", World::CLIENT_SECRET);
    let oidc = issuer.oidc_issuer();
    assert_eq!(desk.run("login --issuer corp").code, Some(0));
    // Another client at the same issuer is another account.
    desk.ok(&format!("login --issuer {oidc} --client-id {} --client-secret env:SECRET", World::CLIENT_ID));
    let mut names: Vec<String> = desk
        .json("account list")
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["user"]["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, [World::CLIENT_ID, "corp"]);
    // And it is never proved by the secret of the one in the config.
    let config = std::fs::read_to_string(desk.path(".config/token/config.toml")).unwrap();
    desk.configure(&format!("{config}client_secret = 'env:SECRET'\n"));
    for login in ["--issuer corp", &format!("--issuer {oidc}")] {
        let said = desk.run(&format!("login {login} --client-id other --no-interactive"));
        assert!(said.stderr.starts_with("error: this sign-in asks a person"), "{login}: {}", said.stderr);
    }
}
