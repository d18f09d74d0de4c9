//! A config that cannot be meant, and places that are not there.

use std::process::Command;

use token_testkit::Settings;

use super::directory::{self, NOBODY};
use super::{Table, row, row_with, said};
use crate::harness::{GET, Lab, start};

#[test]
fn every_mistake_in_the_file() {
    let lab = Lab::new(Settings::default());
    let cloud =
        "cloud = \"lab\"\n[clouds.lab]\nresource = \"r\"\nresource_manager = \"https://arm.example\"\n";
    let issuer = "[issuers.corp]\nissuer = \"https://idp.example\"\n";
    let mut table = Table::default();
    for (name, text) in [
        ("an unknown key", "cach = \"file:\"".to_owned()),
        ("an unknown table", "[redix]\nprefix = \"x\"".to_owned()),
        ("an unknown key of a table", format!("{issuer}client = \"x\"")),
        ("a number for a text", "cache = 5".to_owned()),
        ("a list for a text", "cache = [\"file:\"]".to_owned()),
        ("a text for a list", format!("{issuer}scopes = \"api:read\"")),
        ("a text for a table", "clouds = \"lab\"".to_owned()),
        ("a number for one of them", "[issuers]\ncorp = 1".to_owned()),
        ("no TOML", "cache = ".to_owned()),
        ("an open text", "cache = \"file:".to_owned()),
        ("twice", "cloud = \"a\"\ncloud = \"b\"".to_owned()),
        ("something is missing", cloud.to_owned()),
        ("no URL", format!("{cloud}authority_host = \"nonsense\"")),
        ("a URL of another kind", format!("{cloud}authority_host = \"ftp://login.example\"")),
        ("plain http to another host", format!("{cloud}authority_host = \"http://login.example\"")),
        (
            "plain http to something like this host",
            format!("{cloud}authority_host = \"http://localhost.example\""),
        ),
        ("a password in a URL", format!("{cloud}authority_host = \"https://ada:hunter2@login.example\"")),
        ("and in one that is none", format!("{cloud}authority_host = \"https://ada:hunter2@:99999\"")),
        ("a secret in the clear", format!("{issuer}client_secret = \"hunter2\"")),
        ("a secret that is a number", format!("{issuer}client_secret = 12345")),
        ("a secret in a list", format!("{issuer}client_secret = [\"hunter2\"]")),
        ("a key in the clear", "key = \"hunter2hunter2hunter2hunter2hunter2hunter2h=\"".to_owned()),
        ("a relative cache", "cache = \"file:entries\"".to_owned()),
        ("no cache", "cache = \"nonsense\"".to_owned()),
        ("a cache of another program", "cache = \"redis://:hunter2@host\"".to_owned()),
        ("an unknown cloud", "cloud = \"nosuch\"".to_owned()),
        ("too deep", format!("cache = {}", "[".repeat(5000))),
    ] {
        lab.configure(&text);
        table.add(name, &row(&lab, GET));
    }
    std::fs::write(lab.home().join("token.toml"), b"cache = \"\xff\"").unwrap();
    table.add("no text", &row(&lab, GET));
    assert!(!table.0.contains("hunter2") && !table.0.contains("12345"));
    insta::assert_snapshot!(table.0, @r#"
    --- an unknown key
    exit 1
    error: HOME/token.toml, line 1: unknown field `cach`, expected one of `cache`, `key`, `cloud`, `allow_network_file_system`, `share_managed_identities`, `redis`, `clouds`, `issuers`
    --- an unknown table
    exit 1
    error: HOME/token.toml, line 1: unknown field `redix`, expected one of `cache`, `key`, `cloud`, `allow_network_file_system`, `share_managed_identities`, `redis`, `clouds`, `issuers`
    --- an unknown key of a table
    exit 1
    error: HOME/token.toml, line 3: unknown field `client`, expected one of `issuer`, `client_id`, `client_secret`, `scopes`, `redirect_uri`
    --- a number for a text
    exit 1
    error: HOME/token.toml, line 1: invalid type: integer `5`, expected a string
    --- a list for a text
    exit 1
    error: HOME/token.toml, line 1: invalid type: sequence, expected a string
    --- a text for a list
    exit 1
    error: HOME/token.toml, line 3: invalid type: string "api:read", expected a sequence
    --- a text for a table
    exit 1
    error: HOME/token.toml, line 1: invalid type: string "lab", expected a map
    --- a number for one of them
    exit 1
    error: HOME/token.toml, line 2: invalid type: integer `1`, expected a table
    --- no TOML
    exit 1
    error: HOME/token.toml, line 1: string values must be quoted, expected literal string
    --- an open text
    exit 1
    error: HOME/token.toml, line 1: invalid basic string, expected `"`
    --- twice
    exit 1
    error: HOME/token.toml, line 2: duplicate key
    --- something is missing
    exit 1
    error: HOME/token.toml, line 2: missing field `authority_host`
    --- no URL
    exit 1
    error: HOME/token.toml, line 5: "nonsense" is not a URL: relative URL without a base
    --- a URL of another kind
    exit 1
    error: HOME/token.toml, line 5: "ftp://login.example" is not an https URL
    --- plain http to another host
    exit 1
    error: HOME/token.toml, line 5: "http://login.example" is plain http: only https is allowed, except on loopback
    --- plain http to something like this host
    exit 1
    error: HOME/token.toml, line 5: "http://localhost.example" is plain http: only https is allowed, except on loopback
    --- a password in a URL
    exit 1
    error: HOME/token.toml, line 5: "…@login.example" has a user name or password in it, which a URL may not carry here
    --- and in one that is none
    exit 1
    error: HOME/token.toml, line 5: "…@:99999" is not a URL: empty host
    --- a secret in the clear
    exit 1
    error: HOME/token.toml, line 3: expected `env:NAME` or `file:PATH`: the config holds no secrets itself
    --- a secret that is a number
    exit 1
    error: HOME/token.toml, line 3: expected `env:NAME` or `file:PATH`: the config holds no secrets itself
    --- a secret in a list
    exit 1
    error: HOME/token.toml, line 3: invalid type: sequence, expected `env:NAME` or `file:PATH`
    --- a key in the clear
    exit 1
    error: the key has to be file:[PATH], env:NAME or none
    hint: it is `key` in HOME/token.toml
    --- a relative cache
    exit 1
    error: "entries" is not an absolute path
    hint: begin it with / or ~/
    hint: it is `cache` in HOME/token.toml
    --- no cache
    exit 1
    error: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is `cache` in HOME/token.toml
    --- a cache of another program
    exit 1
    error: the URL of the cache holds a password, and the config holds no secrets itself
    hint: `password` of [redis] in the config names it (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold it
    hint: it is `cache` in HOME/token.toml
    --- an unknown cloud
    exit 1
    error: the cloud 'nosuch' is not known
    hint: known are: AzureCloud, AzureChinaCloud, AzureUSGovernment, AzureBleuCloud
    hint: it is `cloud` in HOME/token.toml
    --- too deep
    exit 1
    error: HOME/token.toml, line 1: cannot recurse further; max recursion depth met
    --- no text
    exit 1
    error: could not read the config HOME/token.toml
    cause: it is not UTF-8 text
    hint: it is set by TOKEN_CONFIG
    "#);
}

#[test]
fn the_file_is_not_there_or_no_file() {
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    for config in ["/nowhere/token.toml", "token.toml", "/dev"] {
        table.add(config, &row_with(&lab, &[("TOKEN_CONFIG", config)], GET));
    }
    insta::assert_snapshot!(table.0, @"
    --- /nowhere/token.toml
    exit 1
    error: could not read the config /nowhere/token.toml
    cause: No such file or directory (os error 2)
    hint: it is set by TOKEN_CONFIG
    --- token.toml
    exit 1
    error: could not read the config /token.toml
    cause: No such file or directory (os error 2)
    hint: it is set by TOKEN_CONFIG
    --- /dev
    exit 1
    error: could not read the config /dev
    cause: Is a directory (os error 21)
    hint: it is set by TOKEN_CONFIG
    ");
}

#[test]
fn variables_that_cannot_be_meant() {
    let lab = Lab::new(Settings::default());
    let mut table = Table::default();
    for (variable, value) in [
        ("TOKEN_CACHE", "nonsense"),
        ("TOKEN_CACHE", "redis://:hunter2@127.0.0.1:1"),
        ("TOKEN_KEY", "nonsense"),
        ("TOKEN_KEY", "env:"),
        ("TOKEN_KEY", "env:NOSUCH"),
        ("TOKEN_CLOUD", "nosuch"),
    ] {
        let shown = value.replace("hunter2", "…");
        table.add(&format!("{variable}={shown}"), &row_with(&lab, &[(variable, value)], GET));
    }
    for variable in
        ["TOKEN_CONFIG", "TOKEN_CACHE", "TOKEN_KEY", "TOKEN_CLOUD", "TOKEN_SUBSCRIPTION", "TOKEN_LOG"]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let garbage = std::ffi::OsStr::from_bytes(b"/tmp/\xff\xfe");
        table.add(
            &format!("{variable} is no text"),
            &said(&lab, &start(lab.token(GET).env(variable, garbage)).finish()),
        );
    }
    assert!(!table.0.contains("hunter2"));
    insta::assert_snapshot!(table.0, @"
    --- TOKEN_CACHE=nonsense
    exit 1
    error: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    hint: it is set by TOKEN_CACHE
    --- TOKEN_CACHE=redis://:…@127.0.0.1:1
    exit 1
    error: could not list entries of kind profile in redis://127.0.0.1:1/0 (prefix token)
    cause: there is no connection
    cause: Connection refused (os error 111)
    hint: check that the server runs there and that this host reaches it
    --- TOKEN_KEY=nonsense
    exit 1
    error: the key has to be file:[PATH], env:NAME or none
    hint: it is set by TOKEN_KEY
    --- TOKEN_KEY=env:
    exit 1
    error: the key has to be file:[PATH], env:NAME or none
    hint: it is set by TOKEN_KEY
    --- TOKEN_KEY=env:NOSUCH
    exit 1
    error: the key's environment variable NOSUCH is not set
    hint: TOKEN_KEY or `key` in the config names it
    --- TOKEN_CLOUD=nosuch
    exit 1
    error: the cloud 'nosuch' is not known
    hint: known are: lab, AzureCloud, AzureChinaCloud, AzureUSGovernment, AzureBleuCloud
    hint: it is set by TOKEN_CLOUD
    --- TOKEN_CONFIG is no text
    exit 1
    error: the environment variable TOKEN_CONFIG is not UTF-8 text
    --- TOKEN_CACHE is no text
    exit 1
    error: the environment variable TOKEN_CACHE is not UTF-8 text
    --- TOKEN_KEY is no text
    exit 1
    error: the environment variable TOKEN_KEY is not UTF-8 text
    --- TOKEN_CLOUD is no text
    exit 1
    error: the environment variable TOKEN_CLOUD is not UTF-8 text
    --- TOKEN_SUBSCRIPTION is no text
    exit 1
    error: the environment variable TOKEN_SUBSCRIPTION is not UTF-8 text
    --- TOKEN_LOG is no text
    exit 1
    error: the environment variable TOKEN_LOG is not UTF-8 text
    ");
}

#[test]
fn a_relative_path_in_a_variable_is_meant_from_here() {
    let lab = Lab::new(Settings::default());
    let variables =
        [("TOKEN_CONFIG", "token.toml"), ("TOKEN_KEY", "file:../key"), ("TOKEN_CACHE", "file:cache")];
    let mut command = lab.token(&["config", "show", "-o", "tsv"]);
    let output = start(command.envs(variables).current_dir(lab.home())).finish();
    let home = lab.home().display();
    let is_shown = |path: &str| output.stdout.contains(path);
    assert!(is_shown(&format!("{home}/token.toml")) && is_shown(&format!("file:{home}/cache")), "{output}");
    assert!(is_shown(&format!("file:{home}/../key")), "{output}");
}

#[test]
fn without_home_the_passwd_entry_tells() {
    let lab = Lab::new(Settings::default());
    let user = rustix::process::getuid().as_raw().to_string();
    let entry = Command::new("getent").args(["passwd", &user]).output().unwrap();
    let entry = String::from_utf8(entry.stdout).unwrap();
    let home = entry.split(':').nth(5).unwrap();
    for home_variable in [None, Some("")] {
        let mut command = lab.token(&["config", "show", "-o", "tsv"]);
        match home_variable {
            None => command.env_remove("HOME"),
            Some(home) => command.env("HOME", home),
        };
        let output = start(&mut command).finish();
        assert_eq!((output.code(), output.stderr.as_str()), (0, ""), "{output}");
        assert!(output.stdout.contains(&format!("file:{home}/.config/token/key")), "{output}");
    }
}

#[test]
fn there_is_no_home_at_all() {
    let lab = Lab::new(Settings::default());
    insta::assert_snapshot!(row_with(&lab, &[("HOME", "relative")], GET), @"
    exit 1
    error: there is no home directory: neither HOME nor the user's entry in passwd names one
    hint: set HOME, or XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_STATE_HOME
    ");
    if !directory::is_root() {
        return;
    }
    directory::give(lab.home(), NOBODY);
    // Nobody has this number.
    let mut command = directory::token_as(&lab, 3_999_999_999, GET);
    command.env_remove("HOME");
    insta::assert_snapshot!(said(&lab, &start(&mut command).finish()), @"
    exit 1
    error: there is no home directory: neither HOME nor the user's entry in passwd names one
    hint: set HOME, or XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_STATE_HOME
    ");
}
