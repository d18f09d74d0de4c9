//! What Azure CLI says where nothing is printed, and how.

use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::terminal::Terminal;

#[test]
fn after_a_sign_out_nothing_is_active_until_somebody_chooses() {
    let lab = Lab::signed_in(Settings::auto_approving());
    sign_in_principal(&lab).json();
    assert_eq!(az(&lab, "logout").json_or_nothing(), "");
    for line in
        ["account show", "account get-access-token", "account get-access-token -t fabrikam.example", "logout"]
    {
        let output = az(&lab, line);
        let text = match line {
            "logout" => "ERROR: There are no active accounts.\n",
            _ => "ERROR: No subscription found. Run 'az account set' to select a subscription.\n",
        };
        assert_eq!(output.code(), 1, "{output}");
        assert!(output.stderr.starts_with(text), "{line}: {output}");
    }
    assert_eq!(az(&lab, "account list --query [?isDefault]").json(), json!([]));
    az(&lab, "account get-access-token -s Build").json();
    // Whoever is there goes on under our own name.
    assert_eq!(lab.get(&["account", "show"])["name"], "Build");

    assert_eq!(az(&lab, "account set -s Lab").json_or_nothing(), "");
    assert_eq!(az(&lab, "account show").json()["name"], "Lab");
    assert_eq!(az(&lab, "logout").json_or_nothing(), "");
    sign_in_principal(&lab).json();
    assert_eq!(az(&lab, "account show").json()["name"], "Build");
}

#[test]
fn what_is_typed_is_azure_clis_and_so_is_what_it_means() {
    let lab = Lab::new(Settings::auto_approving());
    let both = az(&lab, "account show --only-show-errors --verbose");
    assert_eq!(
        (both.code(), both.stderr.as_str()),
        (1, "--only-show-errors can't be used together with --debug or --verbose\n")
    );
    for (line, text) in [
        ("logout -u x", "ERROR: unrecognized arguments: -u x\n"),
        ("logout --username", "ERROR: argument --username: expected one argument\n"),
    ] {
        let output = az(&lab, line);
        assert_eq!((output.code(), output.stderr.as_str()), (2, text), "{line}");
    }
    let cloud = start(command(&lab, "account list").env("AZURE_CLOUD_NAME", "nosuch")).finish();
    assert_eq!(
        (cloud.code(), cloud.stderr.lines().next()),
        (1, Some("ERROR: The cloud 'nosuch' is not registered."))
    );
    let tenant = az(&lab, "login --use-device-code --tenant nosuch.example");
    assert!(
        tenant
            .stderr
            .starts_with("ERROR: Failed to resolve tenant 'nosuch.example'.\n\nError detail: AADSTS90002: "),
        "{tenant}"
    );
    let mut garbled = command(&lab, "account show -s");
    let garbled = start(garbled.arg(std::ffi::OsStr::from_bytes(b"\xff"))).finish();
    assert_eq!(
        (garbled.code(), garbled.stdout.as_str(), garbled.stderr.as_str()),
        (2, "", "ERROR: invalid UTF-8 was detected in one or more arguments\n")
    );
    // A password without a name is no reason for Azure CLI not to ask a person.
    let person = az(&lab, "login --password x -o none");
    assert_eq!(person.code(), 0, "{person}");
    assert_eq!(az(&lab, "account show").json()["user"]["type"], "user");
}

#[test]
fn a_managed_identity_has_one_tenant() {
    let lab = Lab::new(Settings::default());
    let here = |line: &str| {
        let mut command = command(&lab, line);
        command.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", lab.issuer.base_url());
        command
    };
    let list = start(&mut here("login --identity")).finish().json();
    assert_eq!(list[0]["environmentName"], "lab");
    let own = format!("account get-access-token --tenant {}", World::HOME_TENANT);
    assert_eq!(keys(&start(&mut here(&own)).finish().json()), OF_A_TENANT);
    let elsewhere = format!("account get-access-token --tenant {}", World::SECOND_TENANT);
    for (shell, account) in [(None, "managed identity"), (Some("PROD"), "Cloud Shell")] {
        let mut command = here(&elsewhere);
        command.envs(shell.map(|name| ("ACC_CLOUD", name)));
        let output = start(&mut command).finish();
        let text = format!(
            "ERROR: For {account} account, getting access token for non-current tenants is not supported. The specified \
             tenant must be the current tenant {}\n",
            World::HOME_TENANT
        );
        assert_eq!((output.code(), output.stderr.as_str()), (1, text.as_str()));
    }
}

#[test]
fn who_is_known_and_has_no_credential_is_told_in_azure_clis_words() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let lose = || {
        for entry in std::fs::read_dir(lab.entries()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("credential-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    };
    let line = "account get-access-token --resource https://vault.example";
    lose();
    insta::assert_snapshot!(said(&lab, line), @"
    exit 1
    ERROR: User 'ada@contoso.example' does not exist in MSAL token cache. Run `az login`.
    ");
    sign_in_principal(&lab).json();
    lose();
    insta::assert_snapshot!(said(&lab, line), @"
    exit 1
    ERROR: Could not retrieve credential from local cache for service principal aaaaaaaa-0000-4000-8000-000000000001. Run `az login` for this service principal.
    ");
}

#[test]
fn on_a_terminal_colour_stands_for_the_label() {
    let lab = Lab::new(Settings::auto_approving());
    let program = lab.home().join("az");
    std::os::unix::fs::symlink(crate::harness::TOKEN, &program).unwrap();
    let shown = |line: &str, variable: &str| {
        let line = format!("{} {line} || true", program.display());
        Terminal::run(lab.program("/bin/sh", &["-c", &line]).env(variable, "true"), 100)
    };
    assert_eq!(
        shown("account list", "OTHER"),
        "\u{1b}[93mPlease run \"az login\" to access your accounts.\u{1b}[0m\r\n[]\r\n"
    );
    assert_eq!(
        shown("account show", "OTHER"),
        "\u{1b}[91mPlease run 'az login' to setup account.\u{1b}[0m\r\n"
    );
    for variable in ["NO_COLOR", "AZURE_CORE_NO_COLOR"] {
        assert_eq!(shown("account show", variable), "ERROR: Please run 'az login' to setup account.\r\n");
    }
    // Azure CLI's colours need both streams.
    assert_eq!(
        shown("account list 2>&1 | cat", "OTHER"),
        "WARNING: Please run \"az login\" to access your accounts.\r\n[]\r\n"
    );
}
