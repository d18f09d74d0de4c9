//! Which account and subscription are meant, and command lines that mean nothing.

use token_testkit::{Settings, Subscription, World};

use super::{Table, row, row_with};
use crate::harness::{GET, Lab};

#[test]
fn nobody_is_signed_in() {
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    for arguments in [GET, &["get"], &["account", "show"], &["account", "set", "-s", "x"], &["logout"]] {
        table.add(&arguments.join(" "), &row(&lab, arguments));
    }
    insta::assert_snapshot!(table.0, @"
    --- account get-access-token
    exit 4
    error: Please run 'token login' to setup account.
    --- get
    exit 4
    error: Please run 'token login' to setup account.
    --- account show
    exit 4
    error: Please run 'token login' to setup account.
    --- account set -s x
    exit 4
    error: Please run 'token login' to setup account.
    --- logout
    exit 4
    error: There are no active accounts.
    ");
    for arguments in [&["account", "list"], &["account", "clear"], &["cache", "list"], &["cache", "purge"]] {
        assert_eq!(row(&lab, arguments), "exit 0\n", "{arguments:?}");
    }
    assert_eq!(lab.files().len(), 1, "nothing but the config is there");
}

#[test]
fn there_are_several_and_none_is_chosen() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let eng = row(&lab, &["login", "--issuer", "eng"]);
    assert_eq!(eng.lines().next(), Some("exit 0"));
    // The shared default goes with its account, and the local choice with its own.
    assert_eq!(row(&lab, &["account", "set", "--account", "eng", "--shared"]), "exit 0\n");
    assert_eq!(row(&lab, &["logout"]), "exit 0\n");
    insta::assert_snapshot!(row(&lab, GET), @"
    exit 1
    error: No subscription found. Run 'token account set' to select a subscription.
    hint: there are: Build (bbbbbbbb-0000-4000-8000-000000000001), Production (bbbbbbbb-0000-4000-8000-000000000002), Lab (bbbbbbbb-0000-4000-8000-000000000003)
    ");
    insta::assert_snapshot!(row(&lab, &["account", "show"]), @"
    exit 1
    error: No subscription found. Run 'token account set' to select a subscription.
    hint: there are: Build (bbbbbbbb-0000-4000-8000-000000000001), Production (bbbbbbbb-0000-4000-8000-000000000002), Lab (bbbbbbbb-0000-4000-8000-000000000003)
    ");
    insta::assert_snapshot!(row(&lab, &["logout"]), @"
    exit 1
    error: No subscription found. Run 'token account set' to select a subscription.
    hint: there are: Build (bbbbbbbb-0000-4000-8000-000000000001), Production (bbbbbbbb-0000-4000-8000-000000000002), Lab (bbbbbbbb-0000-4000-8000-000000000003)
    ");
}

#[test]
fn what_is_named_is_not_there_or_there_twice() {
    let mut settings = Settings::auto_approving();
    let lab_twice = Subscription {
        id: "bbbbbbbb-0000-4000-8000-000000000004".to_owned(),
        ..settings.world.subscriptions[2].clone()
    };
    settings.world.subscriptions.push(lab_twice);
    let lab = Lab::signed_in(settings);
    let mut table = Table::default();
    for arguments in [
        &["account", "get-access-token", "-s", "nosuch"][..],
        &["account", "get-access-token", "-n", "lab"],
        &["account", "get-access-token", "-s", "Build", "-t", World::HOME_TENANT],
        &["account", "get-access-token", "-t", "nosuch"],
        &["account", "get-access-token", "--account", "nosuch"],
        &["account", "show", "-s", "nosuch"],
        &["account", "set", "-s", "nosuch"],
        &["logout", "--account", "nosuch"],
        &["get", "nonsense"],
        &["get", "graph", "--resource", "https://graph.example"],
        &["login", "--issuer", "nosuch"],
        &["login", "--issuer", "http://idp.example", "--client-id", "x"],
        &["login", "--issuer", "https://ada:hunter2@idp.example", "--client-id", "x"],
        &["login", "--issuer", "https://idp.example"],
        &["login", "--issuer", "eng", "--tenant", "x"],
        &["login", "--service-principal", "-u", "x"],
        &["login", "--username", "x"],
        &["login", "--client-id", "x"],
    ] {
        table.add(&arguments.join(" ").replace("ada:hunter2", "…"), &row(&lab, arguments));
    }
    for (variable, value) in
        [("TOKEN_SUBSCRIPTION", "nosuch"), ("TOKEN_CLOUD", "nosuch"), ("TOKEN_LOG", "nosuch")]
    {
        table.add(&format!("{variable}={value}"), &row_with(&lab, &[(variable, value)], GET));
    }
    assert!(!table.0.contains("hunter2"));
    insta::assert_snapshot!(table.0, @r#"
    --- account get-access-token -s nosuch
    exit 3
    error: Subscription 'nosuch' not found. Check the spelling and casing and try again.
    hint: 'token account list' lists what there is
    --- account get-access-token -n lab
    exit 1
    error: Multiple subscriptions with the name 'lab' found. Specify the subscription ID.
    hint: they are: bbbbbbbb-0000-4000-8000-000000000003 (ada@contoso.example), bbbbbbbb-0000-4000-8000-000000000004 (ada@contoso.example)
    --- account get-access-token -s Build -t 11111111-1111-1111-1111-111111111111
    exit 1
    error: Please specify only one of subscription and tenant, not both
    --- account get-access-token -t nosuch
    exit 1
    error: the issuer refused a token for ada@contoso.example
    cause: AADSTS90002: Tenant 'nosuch' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Trace ID: GUID Correlation ID: GUID Timestamp: DATE TIME
    cause: there is no such tenant in this cloud
    hint: --tenant names another tenant
    --- account get-access-token --account nosuch
    exit 3
    error: nobody is signed in as 'nosuch'
    hint: signed in are: ada@contoso.example
    --- account show -s nosuch
    exit 3
    error: Subscription 'nosuch' not found. Check the spelling and casing and try again.
    hint: 'token account list' lists what there is
    --- account set -s nosuch
    exit 3
    error: Subscription 'nosuch' not found. Check the spelling and casing and try again.
    hint: 'token account list' lists what there is
    --- logout --account nosuch
    exit 3
    error: nobody is signed in as 'nosuch'
    hint: signed in are: ada@contoso.example
    --- get nonsense
    exit 2
    error: 'nonsense' is not a resource
    hint: a resource is a URL, or in lab one of arm, graph, vault, storage
    --- get graph --resource https://graph.example
    exit 2
    error: the resource is given twice, behind 'get' and with --resource
    --- login --issuer nosuch
    exit 2
    error: 'nosuch' is neither a URL nor an issuer in the config
    hint: issuers in the config are: eng
    --- login --issuer http://idp.example --client-id x
    exit 2
    error: "http://idp.example" is plain http: only https is allowed, except on loopback
    --- login --issuer https://…@idp.example --client-id x
    exit 2
    error: "…@idp.example" has a user name or password in it, which a URL may not carry here
    --- login --issuer https://idp.example
    exit 2
    error: the client id is missing
    hint: --client-id, or client_id of the issuer in the config, names the client to sign in with
    --- login --issuer eng --tenant x
    exit 2
    error: --tenant is Microsoft's, and --issuer names another issuer
    --- login --service-principal -u x
    exit 2
    error: Please specify both username and password in non-interactive mode.
    hint: --password env:NAME, file:PATH or - names it
    --- login --username x
    exit 2
    error: a person cannot sign in with a user name and a password
    cause: Microsoft asks persons for a second factor, which takes a browser
    hint: 'token login' signs in a person
    hint: --service-principal signs in an application
    --- login --client-id x
    exit 2
    error: --client-id goes with --issuer or --identity
    hint: a service principal signs in with 'token login --service-principal'
    --- TOKEN_SUBSCRIPTION=nosuch
    exit 3
    error: Subscription 'nosuch' not found. Check the spelling and casing and try again.
    hint: 'token account list' lists what there is
    hint: it is set by TOKEN_SUBSCRIPTION
    --- TOKEN_CLOUD=nosuch
    exit 1
    error: the cloud 'nosuch' is not known
    hint: known are: lab, AzureCloud, AzureChinaCloud, AzureUSGovernment, AzureBleuCloud
    hint: it is set by TOKEN_CLOUD
    --- TOKEN_LOG=nosuch
    exit 1
    error: TOKEN_LOG=nosuch is not a level
    hint: levels are off, error, warn, info, debug and trace
    "#);
}

#[test]
fn the_command_line_means_nothing() {
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    for arguments in [
        &["account", "get-acces-token"][..],
        &["account", "get-access-token", "--bogus"],
        &["account", "get-access-token", "extra"],
        &["account", "get-access-token", "--resource"],
        &["account", "get-access-token", "--resource-type", "bogus"],
        &["account", "get-access-token", "-o", "bogus"],
        &["account", "get-access-token", "--min-validity", "soon"],
        &["account", "get-access-token", "--min-validity", "99999999999999999999999999"],
        &["account", "get-access-token", "--min-validity", "99999999999999999999999999d"],
        &["account", "get-access-token", "--min-validity=-5"],
        &["account", "set"],
    ] {
        table.add(&arguments.join(" "), &row(&lab, arguments));
    }
    insta::assert_snapshot!(table.0, @"
    --- account get-acces-token
    exit 2
    error: 'get-acces-token' is misspelled or not recognized by the system.
    hint: Did you mean 'get-access-token' ?
    --- account get-access-token --bogus
    exit 2
    error: unrecognized arguments: --bogus
    hint: 'token account get-access-token --help' lists what goes with it
    --- account get-access-token extra
    exit 2
    error: unrecognized arguments: extra
    hint: 'token account get-access-token --help' lists what goes with it
    --- account get-access-token --resource
    exit 2
    error: argument --resource: expected one argument
    hint: 'token account get-access-token --help' lists what goes with it
    --- account get-access-token --resource-type bogus
    exit 2
    error: token account get-access-token: 'bogus' is not a valid value for '--resource-type'. Allowed values: oss-rdbms, arm, aad-graph, ms-graph, batch, media, data-lake.
    hint: 'token account get-access-token --help' lists what goes with it
    --- account get-access-token -o bogus
    exit 2
    error: token account get-access-token: 'bogus' is not a valid value for '--output'. Allowed values: json, jsonc, yaml, yamlc, table, tsv, none, header.
    hint: 'token account get-access-token --help' lists what goes with it
    --- account get-access-token --min-validity soon
    exit 2
    error: invalid value 'soon' for '--min-validity <TIME>': expected seconds, or a time such as 10m or 1h30m

    For more information, try '--help'.
    --- account get-access-token --min-validity 99999999999999999999999999
    exit 2
    error: invalid value 'HEX' for '--min-validity <TIME>': expected at most a year

    For more information, try '--help'.
    --- account get-access-token --min-validity 99999999999999999999999999d
    exit 2
    error: invalid value 'HEX' for '--min-validity <TIME>': expected at most a year

    For more information, try '--help'.
    --- account get-access-token --min-validity=-5
    exit 2
    error: invalid value '-5' for '--min-validity <TIME>': expected seconds, or a time such as 10m or 1h30m

    For more information, try '--help'.
    --- account set
    exit 2
    error: the following arguments are required: --subscription/-s/--name/-n
    hint: 'token account set --help' lists what goes with it
    ");
}

#[test]
fn the_local_choice_cannot_be_read() {
    let lab = Lab::signed_in(Settings::auto_approving());
    let state = lab.home().join(".local/state/token");
    let choice = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some())
        .unwrap();
    let whole = std::fs::read(&choice).unwrap();
    for broken in
        [&b"{"[..], b"", b"null", b"{\"active\": {\"account\": 5}}", b"\xff\xfe", &whole[..whole.len() / 2]]
    {
        std::fs::write(&choice, broken).unwrap();
        let said = row(&lab, GET);
        assert!(said.starts_with("exit 1\nerror: could not read the local choice in HOME/.local/state/token/choice-HEX.json\ncause: "), "{said}");
    }
    insta::assert_snapshot!(row(&lab, GET), @"
    exit 1
    error: could not read the local choice in HOME/.local/state/token/choice-HEX.json
    cause: EOF while parsing a string at line 7 column 22
    hint: 'token account set --subscription …' writes it anew
    ");
    assert_eq!(row(&lab, &["account", "set", "-s", "Build"]), "exit 0\n");
    assert_eq!(row(&lab, GET), "exit 0\n");
}

#[test]
fn the_chosen_subscription_is_not_seen_any_more() {
    let lab = Lab::signed_in(Settings::auto_approving());
    lab.issuer.settings(|settings| drop(settings.world.subscriptions.remove(0)));
    let other = lab.home().join("other");
    let elsewhere = [("XDG_STATE_HOME", other.to_str().unwrap())];
    assert_eq!(row_with(&lab, &elsewhere, &["login"]).lines().next(), Some("exit 0"));
    insta::assert_snapshot!(row(&lab, &["get", "--force-refresh"]), @"
    exit 3
    error: ada@contoso.example does not see the subscription bbbbbbbb-0000-4000-8000-000000000001 any more, which was chosen here
    hint: 'token account list' lists what there is, 'token account set' chooses
    ");
}
