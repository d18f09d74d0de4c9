//! What `doctor` finds, and that it changes nothing.

use serde_json::Value;
use token_testkit::{Persistence, RedisServer, RedisSettings, RunningIssuer, Settings, World};

use crate::desk::{Desk, willing_issuer};

/// What it prints of a host, with names for what differs from run to run.
fn examined(desk: &Desk, issuer: &RunningIssuer, more: &[(&str, &str)]) -> String {
    let said = desk.run("doctor -o table");
    let home = desk.path("").display().to_string();
    let mut names = vec![(home.as_str(), "HOME/"), (issuer.base_url(), "ISSUER")];
    names.extend(more);
    let mut text = format!("exit {}\n{}{}", said.code.unwrap(), said.stdout, said.stderr);
    for (differs, name) in names {
        text = text.replace(differs, name);
    }
    // Times, ids and versions.
    let lines = text.lines().map(|line| {
        let words = line.split(' ').map(|word| {
            let id = word.trim_end_matches(&[')', ','][..]);
            let hex = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            if hex { word.replace(id, "KEY") } else { word.to_owned() }
        });
        let line = words.collect::<Vec<_>>().join(" ");
        match line.split_once(" took ") {
            Some((before, _)) => format!("{before} took N ms"),
            None if line.contains("  Redis ") => "ok       server    Redis VERSION".to_owned(),
            None => line,
        }
    });
    lines.filter(|line| !line.contains("  az  ")).collect::<Vec<_>>().join("\n")
}

fn path(desk: Desk) -> Desk {
    desk.with("PATH", "/nowhere")
}

#[test]
fn all_is_well_and_stays_as_it_is() {
    let issuer = willing_issuer();
    let desk = path(Desk::new(&issuer));
    insta::assert_snapshot!(examined(&desk, &issuer, &[]), @"
    exit 0
    ok       config    HOME/.config/token/config.toml
    ok       state     HOME/.local/state/token
    ok       key       file:HOME/.config/token/key does not exist yet; nobody has signed in to file:HOME/.local/share/token/entries
    ok       issuer    ISSUER/ answers
    ok       clock     agrees with that of ISSUER/

    Nothing is wrong; no warnings.
    ");
    desk.run("login");
    desk.ok("doctor");
    let (before, asked) = (desk.files(), issuer.counts());
    let text = examined(&desk, &issuer, &[]);
    let (checks, sign_ins) = text.split_once("\n\n").unwrap();
    insta::assert_snapshot!(checks, @"
    exit 0
    ok       config    HOME/.config/token/config.toml
    ok       state     HOME/.local/state/token
    ok       key       file:HOME/.config/token/key (key KEY)
    ok       cache     file:HOME/.local/share/token/entries: create, swap, lease and delete took N ms
    ok       rescue    HOME/.local/share/token/entries/rescue
    ok       issuer    ISSUER/ answers
    ok       clock     agrees with that of ISSUER/
    ");
    assert!(sign_ins.contains(World::USER) && sign_ins.contains("good"), "{sign_ins}");
    assert!(sign_ins.contains("Nothing is wrong; no warnings."), "{sign_ins}");

    let kept: Vec<_> = desk.files().into_keys().collect();
    assert_eq!(kept, before.into_keys().collect::<Vec<_>>());
    let counts = issuer.counts();
    assert_eq!((counts.refreshes, counts.device_codes), (asked.refreshes, asked.device_codes));
}

#[test]
fn monitoring_is_told_how_old_a_sign_in_is_and_who_refreshed_it() {
    let issuer = willing_issuer();
    let desk = path(Desk::new(&issuer)).with("USER", "ada");
    desk.run("login --issuer corp");
    let report: Value = desk.json("doctor");
    assert_eq!((&report["errors"], &report["warnings"]), (&Value::from(0), &Value::from(0)));
    let corp = &report["signIns"][0];
    assert_eq!((&corp["account"], &corp["state"]), (&Value::from("corp"), &Value::from("good")));
    assert_eq!((&corp["rotates"], corp.get("lastRefresh")), (&Value::from(true), None));
    assert!((0..60).contains(&corp["ageSeconds"].as_i64().unwrap()));
    desk.ok("get --force-refresh");
    let refreshed = &desk.json("doctor")["signIns"][0]["lastRefresh"];
    assert!(refreshed["by"].as_str().unwrap().starts_with("ada, process "), "{refreshed}");
    assert!((0..60).contains(&refreshed["ageSeconds"].as_i64().unwrap()));
}

#[test]
fn a_server_that_may_lose_sign_ins_is_named_with_what_helps() {
    let weak = RedisSettings {
        persistence: Persistence::EverySecond,
        lines: vec!["maxmemory-policy allkeys-lru".to_owned()],
        ..RedisSettings::default()
    };
    let Some(server) = RedisServer::start(weak) else { return };
    let issuer = willing_issuer();
    let desk = path(Desk::new(&issuer)).with("TOKEN_CACHE", &server.url()).with("TOKEN_KEY", "none");
    desk.run("login --issuer corp");
    let (url, dir) = (server.url(), server.dir().display().to_string());
    let names = [(url.as_str(), "redis://SERVER"), (dir.as_str(), "DIR")];
    let text = examined(&desk, &issuer, &names);
    insta::assert_snapshot!(text.split_once("\n\n").unwrap().0, @"
    exit 0
    ok       config    HOME/.config/token/config.toml
    ok       state     HOME/.local/state/token
    warning  key       none: nothing in the cache is encrypted
                       `key` in the config, or TOKEN_KEY, names a key; entries that are there have to be made again
    ok       cache     redis://SERVER/0 (prefix token): create, swap, lease and delete took N ms
    ok       server    Redis VERSION
    warning  server    may forget its last writes in a crash (appendfsync everysec), and a sign-in here rotates its refresh token
                       appendonly yes and appendfsync always on the server: an acknowledged write may be the only copy of a refresh token that has just been rotated
    warning  server    drops entries when its memory is full (maxmemory-policy allkeys-lru), sign-ins among them
                       maxmemory-policy noeviction: a full server is then an error that says so
    warning  server    lets the default user in without a password: whoever reaches it can delete and replace entries
                       a user of its own for the team (ACL SETUSER) and `user default off`
    ok       rescue    HOME/.local/state/token
    ok       issuer    ISSUER/realms/eng answers
    ok       clock     agrees with that of ISSUER/realms/eng
    ");
    server.command(["CONFIG", "SET", "appendonly", "no"]);
    let said = desk.run("doctor -o table");
    assert!(said.code == Some(0) && said.stdout.contains("(appendonly no)"), "{said:?}");
}

#[test]
fn a_server_that_is_set_as_the_page_says_gives_no_warning() {
    let rights = token_cache_rights();
    let settings = |rights: &str| RedisSettings {
        persistence: Persistence::Always,
        users: vec![format!("team on >hunter2 resetchannels ~token:* {rights}")],
        ..RedisSettings::default()
    };
    for (rights, state) in [(rights.clone(), "unknown"), (format!("{rights} +info +config|get"), "ok")] {
        let Some(server) = RedisServer::start(settings(&rights)) else { return };
        let issuer = willing_issuer();
        let url = server.url().replace("//", "//team:hunter2@");
        let desk = path(Desk::new(&issuer));
        let key = desk.ok("key new");
        let desk = desk.with("TOKEN_CACHE", &url).with("TOKEN_KEY", "env:TEAM").with("TEAM", key.trim());
        assert_eq!(desk.run("login --issuer corp").code, Some(0));
        let report = desk.json("doctor");
        assert_eq!((&report["errors"], &report["warnings"]), (&Value::from(0), &Value::from(0)), "{report}");
        let server: Vec<_> =
            report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == "server").collect();
        assert!(!server.is_empty() && server.iter().all(|check| check["state"] == state), "{report}");
        assert!(!report.to_string().contains("hunter2"));
    }
}

/// What the page says, as a line of a server's configuration.
fn token_cache_rights() -> String {
    let page = include_str!("../../../docs/teams.md");
    let line = page.lines().find(|line| line.starts_with("ACL SETUSER token ")).unwrap();
    let rights = line.split_once("~token:* ").unwrap().1;
    rights.to_owned()
}

#[test]
fn what_is_wrong_is_said_and_fails() {
    let issuer = willing_issuer();
    let desk = path(Desk::new(&issuer));
    desk.run("login --issuer corp");
    let key = desk.path(".config/token/key");
    std::fs::rename(&key, desk.path("key")).unwrap();
    let missing = examined(&desk, &issuer, &[]);
    std::fs::rename(desk.path("key"), &key).unwrap();
    insta::assert_snapshot!(missing, @"
    exit 1
    ok       config    HOME/.config/token/config.toml
    ok       state     HOME/.local/state/token
    error    key       the entries in file:HOME/.local/share/token/entries are sealed under key KEY, and HOME/.config/token/key does not exist
                       put the key there, or name it in TOKEN_KEY (file:PATH or env:NAME); without it the cache is of no use, and 'token login' works with another TOKEN_CACHE
    ok       issuer    ISSUER/ answers
    ok       clock     agrees with that of ISSUER/

    Wrong: 1; no warnings.
    error: something is wrong
    ");

    issuer.close();
    let closed = examined(&desk, &issuer, &[]);
    assert!(closed.starts_with("exit 1\n") && closed.contains("error    issuer"), "{closed}");

    let nowhere =
        path(Desk::new(&issuer)).with("TOKEN_CACHE", "redis://127.0.0.1:1").with("TOKEN_KEY", "none");
    let said = nowhere.run("doctor -o table");
    assert!(said.code == Some(1) && said.stdout.contains("Connection refused"), "{said:?}");
}

#[test]
fn a_clock_that_is_off_is_told() {
    let issuer = token_testkit::Issuer::spawn(Settings { date_skew: 600, ..Settings::auto_approving() });
    let desk = path(Desk::new(&issuer));
    let said = desk.run("doctor -o table");
    assert!(said.code == Some(0) && said.stdout.contains("seconds behind that of"), "{said:?}");
}

#[test]
fn a_config_that_cannot_be_used_is_a_finding_like_any_other() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    let mut table = String::new();
    for config in ["cach = 'file:'", "cache = 'nonsense'", "cloud = 'nowhere'"] {
        desk.configure(config);
        let said = desk.run("doctor -o json");
        assert_eq!((said.code, said.stderr.as_str()), (Some(1), "error: something is wrong\n"));
        let value: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!((&value["errors"], &value["signIns"]), (&Value::from(1), &serde_json::json!([])));
        let [check] = &value["checks"].as_array().unwrap()[..] else { panic!("{value}") };
        assert_eq!((&check["check"], &check["state"]), (&Value::from("config"), &Value::from("error")));
        table += &format!("{config}\n{}\n", desk.run("doctor -o table").stdout);
    }
    insta::assert_snapshot!(table.replace(&desk.path("").display().to_string(), "HOME/"), @"
    cach = 'file:'
    error    config    HOME/.config/token/config.toml, line 1: unknown field `cach`, expected one of `cache`, `key`, `cloud`, `allow_network_file_system`, `share_managed_identities`, `redis`, `clouds`, `issuers`

    Wrong: 1; no warnings.

    cache = 'nonsense'
    error    config    a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
                       it is `cache` in HOME/.config/token/config.toml

    Wrong: 1; no warnings.

    cloud = 'nowhere'
    error    config    the cloud 'nowhere' is not known
                       known are: AzureCloud, AzureChinaCloud, AzureUSGovernment, AzureBleuCloud; it is `cloud` in HOME/.config/token/config.toml

    Wrong: 1; no warnings.
    ");
    // Others still say what is wrong and stop.
    assert!(desk.run("account list").stderr.starts_with("error: "));
}
