//! Under the name of Azure CLI: what programs run, and what they read.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use token_testkit::{Fault, Matching, OAuthError, Route, Settings, Subscription, Times, World};

use crate::harness::{Lab, Output, RESOURCE, start};

mod clients;
mod parallel;
mod words;

const NOBODY: &str = "ERROR: Please run 'az login' to setup account.\n";
const MICROSOFT: [&str; 6] =
    ["accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType"];
const OF_A_TENANT: [&str; 5] = ["accessToken", "expiresOn", "expires_on", "tenant", "tokenType"];

fn command(lab: &Lab, line: &str) -> Command {
    let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('\'')).collect();
    let mut command = lab.token(&words);
    command.arg0("az");
    command
}

fn az(lab: &Lab, line: &str) -> Output {
    start(&mut command(lab, line)).finish()
}

/// What was said, with its exit code and without what differs from run to run.
fn said(lab: &Lab, line: &str) -> String {
    super::trouble::said(lab, &az(lab, line))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sign_in_principal(lab: &Lab) -> Output {
    let (id, secret) = (World::CLIENT_ID, World::CLIENT_SECRET);
    az(lab, &format!("login --service-principal -u {id} --tenant {} --password={secret}", World::HOME_TENANT))
}

#[test]
fn nobody_is_signed_in() {
    let lab = Lab::new(Settings::auto_approving());
    for line in
        ["account get-access-token", "account show", "account show -s x", "account get-access-token -t x"]
    {
        let output = az(&lab, line);
        assert_eq!(
            (output.code(), output.stdout.as_str(), output.stderr.as_str()),
            (1, "", NOBODY),
            "{line}"
        );
    }
    let list = az(&lab, "account list");
    let warning = "WARNING: Please run \"az login\" to access your accounts.\n";
    assert_eq!((list.code(), list.stdout.as_str(), list.stderr.as_str()), (0, "[]\n", warning));
    assert_eq!(az(&lab, "account list --only-show-errors").stderr, "");
    insta::assert_snapshot!(said(&lab, "logout"), @"
    exit 1
    ERROR: There are no active accounts.
    ");
    insta::assert_snapshot!(said(&lab, "account set -s Nosuch"), @"
    exit 1
    ERROR: The subscription of 'nosuch' doesn't exist in cloud 'lab'.
    ");
    assert_eq!(said(&lab, "logout --username nosuch"), "exit 0\n");
    assert_eq!(said(&lab, "account clear"), "exit 0\n");
}

#[test]
fn a_sign_in_prints_what_it_found() {
    let lab = Lab::new(Settings::auto_approving());
    let output = az(&lab, "login --use-device-code");
    assert_eq!(output.code(), 0, "{output}");
    assert!(output.stderr.starts_with("To sign in, use a web browser to open the page "), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 3);
    assert_eq!(
        list[0],
        json!({
            "cloudName": "lab",
            "homeTenantId": World::HOME_TENANT,
            "id": World::BUILD,
            "isDefault": true,
            "managedByTenants": [],
            "name": "Build",
            "state": "Enabled",
            "tenantDefaultDomain": "contoso.example",
            "tenantDisplayName": "Contoso",
            "tenantId": World::HOME_TENANT,
            "user": { "name": World::USER, "type": "user" },
        })
    );
    assert_eq!(az(&lab, "account list").json(), list);
    let shown = az(&lab, "account show").json();
    assert_eq!((&shown["environmentName"], &shown["cloudName"]), (&json!("lab"), &Value::Null));
    assert_eq!(az(&lab, "account set -n LAB").json_or_nothing(), "");
    assert_eq!(az(&lab, "account show").json()["id"], World::LAB);
    // What is active stays so where the new sign-in sees it too.
    let again = az(&lab, "login --use-device-code -o none");
    assert_eq!(again.stdout, "");
    assert_eq!(az(&lab, "account show").json()["id"], World::LAB);
    assert_eq!(az(&lab, "logout").json_or_nothing(), "");
    assert_eq!(az(&lab, "account show").stderr, NOBODY);
}

#[test]
fn the_fields_of_a_token_depend_on_what_was_asked() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let token = az(&lab, "account get-access-token").json();
    assert_eq!(keys(&token), MICROSOFT);
    assert_eq!(token["subscription"], World::BUILD);
    let named = az(&lab, "account get-access-token -s lab").json();
    assert_eq!(
        (&named["subscription"], &named["tenant"]),
        (&json!(World::LAB), &json!(World::SECOND_TENANT))
    );
    // The tenant as it was typed, and no subscription.
    let of_tenant = az(&lab, "account get-access-token --tenant fabrikam.example").json();
    assert_eq!(keys(&of_tenant), OF_A_TENANT);
    assert_eq!(of_tenant["tenant"], "fabrikam.example");
    sign_in_principal(&lab).json();
    assert_eq!(keys(&az(&lab, "account get-access-token").json()), MICROSOFT);
    let elsewhere = az(&lab, &format!("account get-access-token -t {}", World::SECOND_TENANT)).json();
    assert_eq!(keys(&elsewhere), OF_A_TENANT);
}

#[test]
fn a_refusal_begins_with_the_issuers_words() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let refused =
        OAuthError::new("invalid_grant").description("AADSTS50076: Use multi-factor authentication.");
    lab.issuer.fault(Matching::refreshes(), Fault::OAuth(refused), Times::Always);
    insta::assert_snapshot!(said(&lab, "account get-access-token --resource https://graph.example"), @r#"
    exit 1
    ERROR: AADSTS50076: Use multi-factor authentication. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    Run the command below to authenticate interactively; additional arguments may be added as needed:
    az logout
    az login --tenant "11111111-1111-1111-1111-111111111111" --scope "https://graph.example/.default"
    "#);
    lab.issuer.clear_faults();
    let wrong =
        format!("login --service-principal -u {} -p wrong --tenant {}", World::CLIENT_ID, World::HOME_TENANT);
    insta::assert_snapshot!(said(&lab, &wrong), @"
    exit 1
    ERROR: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'aaaaaaaa-0000-4000-8000-000000000001'. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    The error may be caused by passing a service principal certificate with --password. Please note that --password no longer accepts a service principal certificate. To pass a service principal certificate, use --certificate instead.
    ");
}

#[test]
fn a_tenant_that_fails_is_told_of_and_passed_over() {
    let lab = Lab::new(Settings { page_size: Some(1), ..Settings::auto_approving() });
    lab.issuer.fault(
        Matching::refreshes().tenant(World::SECOND_TENANT),
        Fault::OAuth(OAuthError::new("interaction_required").description("AADSTS50076: MFA.")),
        Times::Always,
    );
    let output = az(&lab, "login --use-device-code");
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&list[0]["id"], &list[1]["id"], &list[2]),
        (&json!(World::BUILD), &json!(World::PRODUCTION), &Value::Null)
    );
    let warnings: Vec<&str> = output.stderr.lines().skip(1).collect();
    assert!(
        warnings[0].starts_with(
            "WARNING: Authentication failed against tenant 22222222-2222-2222-2222-222222222222 'Fabrikam': AADSTS50076: MFA."
        ),
        "{output}"
    );
    assert_eq!(
        warnings[1..],
        [
            "WARNING: If you need to access subscriptions in the following tenants, please use `az login --tenant TENANT_ID`.",
            "WARNING: 22222222-2222-2222-2222-222222222222 'Fabrikam'"
        ]
    );
    // A later failure takes nothing away.
    lab.issuer.clear_faults();
    assert_eq!(az(&lab, "login --use-device-code").code(), 0);
    assert_eq!(az(&lab, "account list --refresh").json().as_array().unwrap().len(), 3);
    lab.issuer.fault(Route::Arm, Fault::Status(500), Times::Always);
    let refreshed = az(&lab, "account list --refresh");
    assert!(refreshed.stderr.starts_with("WARNING: "), "{refreshed}");
    assert_eq!(az(&lab, "account list").json().as_array().unwrap().len(), 3);
}

#[test]
fn what_is_looked_for_can_be_said() {
    let mut settings = Settings::auto_approving();
    let in_both =
        Subscription { tenant: World::SECOND_TENANT.to_owned(), ..settings.world.subscriptions[0].clone() };
    settings.world.subscriptions.push(in_both);
    settings.world.subscriptions[1].state = "Disabled".to_owned();
    let lab = Lab::new(settings);
    let both = az(&lab, "login --use-device-code -s lab");
    let warning = format!(
        "WARNING: Subscription {} 'Build' can be accessed from tenants {}(default) and {}. To select a specific tenant \
         when accessing this subscription, use 'az login --tenant TENANT_ID'.",
        World::BUILD,
        World::HOME_TENANT,
        World::SECOND_TENANT
    );
    assert_eq!(both.stderr.lines().nth(1), Some(warning.as_str()), "{both}");
    let matching: Value = serde_json::from_str(&both.stdout).unwrap();
    assert_eq!((&matching[0]["id"], &matching[1]), (&json!(World::LAB), &Value::Null));
    let list = az(&lab, "account list");
    assert_eq!(
        list.stderr,
        "WARNING: A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.\n"
    );
    assert_eq!(az(&lab, "account list --all").json().as_array().unwrap().len(), 3);

    let nosuch = az(&lab, "login --use-device-code -s nosuch");
    assert_eq!(nosuch.code(), 1);
    assert!(
        nosuch
            .stderr
            .contains("\nERROR: Subscription 'nosuch' not found. Check the ID or name and try again.\n"),
        "{nosuch}"
    );

    let home = World::HOME_TENANT;
    let alone = az(&lab, &format!("login --use-device-code --skip-sub -t {home}"));
    let alone: Value = serde_json::from_str(&alone.stdout).unwrap();
    assert_eq!(alone[0]["name"], "N/A(tenant level account)");
    assert_eq!((&alone[0]["id"], &alone[0]["homeTenantId"]), (&json!(home), &Value::Null));
    let one = az(&lab, &format!("login --use-device-code --skip-sub -t {home} -s {}", World::PRODUCTION));
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(
        (&one[0]["id"], &one[0]["isDefault"], &one[1]),
        (&json!(World::PRODUCTION), &json!(true), &Value::Null)
    );
    let missing = az(&lab, &format!("login --use-device-code --skip-sub -t {home} -s {}", World::LAB));
    assert_eq!(missing.code(), 1);
    assert!(
        missing
            .stderr
            .contains("could not be retrieved for 'ada@contoso.example'. Ensure the subscription exists"),
        "{missing}"
    );

    lab.issuer.settings(|settings| settings.world.subscriptions.clear());
    let none = az(&lab, "login --use-device-code");
    assert_eq!(none.code(), 1);
    assert!(none.stderr.ends_with("ERROR: No subscriptions found for ada@contoso.example.\n"), "{none}");
    let tenants = az(&lab, "login --use-device-code --allow-no-subscriptions");
    let tenants: Value = serde_json::from_str(&tenants.stdout).unwrap();
    assert_eq!((&tenants[0]["id"], &tenants[1]["id"]), (&json!(home), &json!(World::SECOND_TENANT)));
}

#[test]
fn clouds_are_listed_shown_and_set() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let shown = az(&lab, "cloud show").json();
    assert_eq!((&shown["name"], &shown["isActive"]), (&json!("lab"), &json!(true)));
    assert_eq!(shown["endpoints"]["activeDirectoryResourceId"], RESOURCE);
    let china = az(&lab, "cloud show -n AzureChinaCloud").json();
    assert_eq!(china["endpoints"]["activeDirectoryDataLakeResourceId"], Value::Null);
    assert_eq!(china["suffixes"]["keyvaultDns"], ".vault.azure.cn");
    let names: Vec<String> = az(&lab, "cloud list")
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|cloud| cloud["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment", "AzureBleuCloud", "lab"]);
    insta::assert_snapshot!(said(&lab, "cloud show -n Nope"), @"
    exit 1
    ERROR: The cloud 'Nope' is not registered.
    there are: lab, AzureCloud, AzureChinaCloud, AzureUSGovernment, AzureBleuCloud
    ");
    assert_eq!(said(&lab, "cloud set -n LAB"), "exit 0\n");
    insta::assert_snapshot!(said(&lab, "cloud set -n azurechinacloud"), @"
    exit 0
    WARNING: Switched active cloud to 'AzureChinaCloud'.
    WARNING: Use 'az login' to log in to this cloud.
    WARNING: Use 'az account set' to set the active subscription.
    ");
    assert_eq!(az(&lab, "account show").stderr, NOBODY);
    insta::assert_snapshot!(said(&lab, "account get-access-token --resource-type data-lake"), @"
    exit 1
    ERROR: The endpoint 'active_directory_data_lake_resource_id' for this cloud is not set but is used.
    <clouds.config> may be corrupt or invalid.
    Resolve the error or delete this file and try again.
    ");
    insta::assert_snapshot!(said(&lab, "cloud set -n lab"), @"
    exit 0
    WARNING: Switched active cloud to 'lab'.
    WARNING: Active subscription switched to 'Build (bbbbbbbb-0000-4000-8000-000000000001)'.
    ");
    assert_eq!(az(&lab, "account show").json()["name"], "Build");
    let variable = start(command(&lab, "cloud show").env("AZURE_CLOUD_NAME", "AzureUSGovernment")).finish();
    assert_eq!(variable.json()["name"], "AzureUSGovernment");
}

#[test]
fn azure_clis_settings_are_heeded() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let with = |line: &str, name: &str, value: &str| start(command(&lab, line).env(name, value)).finish();
    let tsv = with("account show", "AZURE_CORE_OUTPUT", "tsv");
    assert!(tsv.stdout.starts_with("lab\t"), "{tsv}");
    assert!(with("account show -o json", "AZURE_CORE_OUTPUT", "tsv").stdout.starts_with('{'));
    let silent = with("cloud set -n AzureCloud", "AZURE_CORE_ONLY_SHOW_ERRORS", "true");
    assert_eq!((silent.code(), silent.stderr.as_str()), (0, ""));
    let wrong = with("account show", "AZURE_CORE_NO_COLOR", "perhaps");
    assert_eq!(wrong.stderr.lines().next(), Some("ERROR: Not a boolean: perhaps"));

    let directory = lab.home().join("job");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("config"), "[core]\noutput = yaml\n[cloud]\nname = AzureChinaCloud\n")
        .unwrap();
    std::fs::write(lab.home().join("token.toml"), "").unwrap();
    let job = with("cloud show", "AZURE_CONFIG_DIR", directory.to_str().unwrap());
    assert!(job.stdout.contains("\nname: AzureChinaCloud\n"), "{job}");
    let token = start(lab.token(&["cloud", "show"]).env("AZURE_CONFIG_DIR", &directory)).finish();
    assert_eq!(token.json()["name"], "AzureCloud", "it is Azure CLI's config, and no other program's");
}

#[test]
fn values_may_stand_in_files() {
    let lab = Lab::new(Settings::auto_approving());
    std::fs::write(lab.home().join("secret"), format!("{}\r\n", World::CLIENT_SECRET)).unwrap();
    let secret = lab.home().join("secret");
    let line = format!(
        "login --service-principal -u {} --tenant {} -p @{}",
        World::CLIENT_ID,
        World::HOME_TENANT,
        secret.display()
    );
    az(&lab, &line).json();
    let mut piped = command(&lab, "account get-access-token --resource @-");
    piped.stdin(std::fs::File::open(&secret).unwrap());
    let output = start(&mut piped).finish();
    let issued = lab.issued(&output.json());
    assert!(issued.scopes[0].starts_with("s3cret"), "{issued:?}");
}

impl Output {
    /// What it printed; it must have succeeded and said nothing on stderr.
    fn json_or_nothing(&self) -> &str {
        assert!(self.status.success() && self.stderr.is_empty(), "{self}");
        &self.stdout
    }
}
