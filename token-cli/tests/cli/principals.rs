//! Clients and hosts that sign in without a person and without a secret.

use std::process::Command;

use token_testkit::{Issuer, Route, RunningIssuer, Settings, World};

use crate::desk::Desk;

const P256: [&str; 5] = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn openssl(desk: &Desk, words: &[&str]) {
    let output = Command::new("openssl").args(words).current_dir(desk.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A file with a key and a certificate that the issuer knows, in the desk's home.
pub(crate) fn certificate(issuer: &RunningIssuer, desk: &Desk) -> String {
    openssl(desk, &[&P256[..], &["-out", "agent.key"]].concat());
    let request =
        ["req", "-x509", "-key", "agent.key", "-out", "agent.crt", "-days", "30", "-subj", "/CN=agent"];
    openssl(desk, &request);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    std::fs::write(desk.path("agent.pem"), read("agent.key") + &read("agent.crt")).unwrap();
    issuer.settings(|settings| settings.world.clients[0].certificates = vec![read("agent.crt")]);
    desk.path("agent.pem").display().to_string()
}

#[test]
fn a_service_principal_signs_in_with_a_certificate() {
    let issuer = Issuer::spawn(Settings::default());
    let desk = Desk::new(&issuer);
    let file = certificate(&issuer, &desk);
    let login = format!("login --service-principal -u {} -t {}", World::CLIENT_ID, World::HOME_TENANT);
    let said = desk.ok(&format!("{login} --certificate {file}"));
    assert!(said.starts_with(&format!("Signed in as {} at lab.", World::CLIENT_ID)), "{said}");
    desk.ok("get graph");
    assert_eq!(desk.json("account show")["user"]["type"], "servicePrincipal");

    openssl(
        &desk,
        &[
            "pkcs12",
            "-export",
            "-passout",
            "pass:hunter2",
            "-inkey",
            "agent.key",
            "-in",
            "agent.crt",
            "-out",
            "agent.p12",
        ],
    );
    let archive = desk.path("agent.p12").display().to_string();
    let desk = desk.with("PASSWORD", "hunter2");
    desk.ok(&format!("{login} --certificate {archive} --certificate-password env:PASSWORD"));
    let wrong = desk.run(&format!("{login} --certificate {archive} --certificate-password hunter3"));
    assert_eq!(
        wrong.stderr,
        format!(
            "error: the certificate {archive} cannot be used\n\
             cause: the password does not open it\n\
             hint: --certificate-password env:NAME, file:PATH or - says the password\n"
        )
    );
    assert_eq!(wrong.code, Some(1));
}

#[test]
fn a_client_of_another_issuer_signs_in_with_a_certificate() {
    let issuer = Issuer::spawn(Settings::default());
    let desk = Desk::new(&issuer);
    let file = certificate(&issuer, &desk);
    desk.ok(&format!("login --issuer corp --client-id {} --certificate {file}", World::CLIENT_ID));
    let token = desk.ok("get --force-refresh");
    assert_eq!(issuer.access_token(token.trim_end()).unwrap().client_id, World::CLIENT_ID);
}

#[test]
fn a_job_of_a_build_server_signs_in_and_its_sign_in_stays_where_the_job_is() {
    let issuer = Issuer::spawn(Settings::default());
    let base = issuer.base_url().to_owned();
    let desk = Desk::new(&issuer)
        .with("ACTIONS_ID_TOKEN_REQUEST_URL", &format!("{base}/github/id-token?job=1"))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", World::JOB_TOKEN)
        .with("SYSTEM_OIDCREQUESTURI", &format!("{base}/pipelines/oidc"))
        .with("SYSTEM_ACCESSTOKEN", World::JOB_TOKEN);
    let login = format!("login --service-principal -u {} -t {}", World::CLIENT_ID, World::HOME_TENANT);
    desk.ok(&format!("{login} --azure-pipelines {}", World::CONNECTION));
    desk.ok("get --force-refresh");
    desk.ok(&format!("{login} --github-actions"));
    desk.ok("get --force-refresh");
    assert_eq!(issuer.counts().requests(Route::Assertion), 4, "each exchange has an assertion of its own");

    let elsewhere = Desk::sharing(&issuer, &desk);
    elsewhere.ok("get");
    let said = elsewhere.run("get --force-refresh");
    assert_eq!(said.code, Some(1));
    assert_eq!(
        said.stderr,
        format!(
            "error: could not get a token for {}\n\
             cause: could not make a request to {base}\n\
             cause: this sign-in gets its assertions from GitHub Actions, and ACTIONS_ID_TOKEN_REQUEST_URL is not set \
             here\n\
             hint: a job of GitHub Actions with 'permissions: id-token: write' has it; elsewhere another way to sign in \
             is needed\n",
            World::CLIENT_ID
        )
    );
}

#[test]
fn a_pod_signs_in_by_its_environment_and_a_mismatch_shows_what_to_compare() {
    let issuer = Issuer::spawn(Settings::default());
    let file = tempfile::NamedTempFile::new().unwrap();
    let put = |subject: &str| {
        let assertion = issuer.assertion("cluster", subject, World::AUDIENCE, 300);
        std::fs::write(file.path(), &assertion).unwrap();
        assertion
    };
    put(World::POD_SUBJECT);
    let desk = Desk::new(&issuer)
        .with("AZURE_CLIENT_ID", World::CLIENT_ID)
        .with("AZURE_TENANT_ID", World::HOME_TENANT)
        .with("AZURE_AUTHORITY_HOST", issuer.base_url())
        .with("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap());
    // The cloud is the one whose authority the environment names.
    let config = std::fs::read_to_string(desk.path(".config/token/config.toml")).unwrap();
    desk.configure(&config.replace("cloud = 'lab'\n", ""));
    desk.ok("login --service-principal");
    assert_eq!(desk.json("account show")["environmentName"], "lab");

    let assertion = put("system:serviceaccount:build:other");
    let said = desk.run("get --force-refresh");
    for part in [
        "cause: AADSTS700213: No matching federated identity record",
        &format!("cause: the assertion that was sent has the issuer {:?}\n", issuer.federation("cluster")),
        "cause: its subject is \"system:serviceaccount:build:other\", and its audience \"api://AzureADTokenExchange\"\n",
        "hint: a federated credential of the application has to have these three",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert!(!said.stderr.contains(&assertion));
    let unknown = desk.with("AZURE_AUTHORITY_HOST", "https://login.example");
    assert!(
        unknown.run("get").stderr.starts_with("error: AZURE_AUTHORITY_HOST names the authority of no cloud")
    );
}

#[test]
fn a_host_signs_in_as_what_it_is() {
    let issuer = Issuer::spawn(Settings::default());
    let desk = Desk::new(&issuer).with("AZURE_POD_IDENTITY_AUTHORITY_HOST", issuer.base_url());
    let said = desk.ok("login --identity");
    assert!(
        said.starts_with("Signed in as systemAssignedIdentity at lab.\nActive subscription: Build"),
        "{said}"
    );
    desk.ok("get");
    desk.ok("get");
    assert_eq!(issuer.counts().requests(Route::ManagedIdentity), 2, "the probe, and the one token");
    let user = desk.json("account show")["user"].clone();
    assert_eq!(user["name"], "systemAssignedIdentity");
    assert_eq!((&user["assignedIdentityInfo"], &user["type"]), (&"MSI".into(), &"servicePrincipal".into()));

    desk.ok(&format!("login --identity --client-id {}", World::USER_ASSIGNED));
    let user = desk.json("account show")["user"].clone();
    assert_eq!(user["name"], "userAssignedIdentity");
    assert_eq!(user["assignedIdentityInfo"], format!("MSIClient-{}", World::USER_ASSIGNED));
    let token = desk.ok("get vault");
    assert_eq!(issuer.access_token(token.trim_end()).unwrap().account, World::USER_ASSIGNED);

    issuer.close();
    let laptop = desk.run("login --identity");
    assert_eq!(laptop.code, Some(1));
    assert!(laptop.stderr.contains("this is no machine in Azure"), "{}", laptop.stderr);
    assert!(
        laptop.stderr.contains("hint: --identity signs in on machines and services in Azure"),
        "{}",
        laptop.stderr
    );
}
