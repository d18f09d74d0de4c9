//! Sign-ins that move from one cache to another.

use token_testkit::{RedisServer, RedisSettings, RunningIssuer, World};

use crate::desk::{Desk, Said, willing_issuer};

/// A desk with three sign-ins: a person's, a service principal's, and a subject's at another issuer, whose refresh
/// token rotates.
fn desk(issuer: &RunningIssuer) -> Desk {
    let desk = Desk::new(issuer).with("SECRET", World::CLIENT_SECRET);
    let (id, tenant) = (World::CLIENT_ID, World::HOME_TENANT);
    for login in [
        "login".to_owned(),
        format!("login --service-principal -u {id} -p env:SECRET --tenant {tenant}"),
        "login --issuer corp".to_owned(),
    ] {
        assert_eq!(desk.run(&login).code, Some(0), "{login}");
    }
    desk.ok("account set --account corp");
    desk
}

const ACCOUNTS: [&str; 3] = [World::USER, World::CLIENT_ID, "corp"];

fn run(desk: &Desk, line: &str, variables: &[(&str, &str)]) -> Said {
    desk.command(line).envs(variables.iter().copied()).current_dir(desk.path("")).output().unwrap().into()
}

/// Everything in a text that differs from run to run, by name.
fn named(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (differs, name)| text.replace(differs, name))
}

#[track_caller]
fn assert_lives_in(desk: &Desk, variables: &[(&str, &str)]) {
    for account in ACCOUNTS {
        let said = run(desk, &format!("get --force-refresh --account {account}"), variables);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{account}");
    }
    // What was chosen came along.
    let said = run(desk, "account show -o json", variables);
    assert!(said.stdout.contains("corp"), "{said:?}");
}

#[track_caller]
fn assert_is_empty(desk: &Desk, variables: &[(&str, &str)]) {
    assert_eq!(run(desk, "account list -o json", variables).stdout, "[]\n");
    assert_eq!(run(desk, "cache list -o json", variables).stdout, "[]\n");
}

#[test]
fn they_move_through_every_cache_and_live_in_one_at_a_time() {
    let Some(server) = RedisServer::start(RedisSettings::default()) else { return };
    let issuer = willing_issuer();
    let desk = desk(&issuer);
    let (url, home) = (server.url(), desk.path("").display().to_string());
    let names = [(home.as_str(), "HOME/"), (url.as_str(), "redis://SERVER")];

    let said = run(&desk, "cache migrate file: sqlite:", &[]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(named(&said.stdout, &names), @r#"
    Moved 3 sign-ins to sqlite:HOME/.local/share/token/cache.db:
      aaaaaaaa-0000-4000-8000-000000000001
      ada@contoso.example
      corp
    Next: cache = "sqlite:HOME/.local/share/token/cache.db" in the config, or TOKEN_CACHE=sqlite:HOME/.local/share/token/cache.db.
    "#);
    let sqlite = [("TOKEN_CACHE", "sqlite:")];
    assert_is_empty(&desk, &[]);
    assert_lives_in(&desk, &sqlite);

    // A shared cache is not filled under a key that nobody else has.
    let to_redis = format!("cache migrate sqlite: {url} --to-key file:team.key");
    let said = run(&desk, &to_redis, &[]);
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!(named(&said.stderr, &names), @"
    error: there is no key: file:HOME/team.key does not exist
    hint: everybody who shares a cache has the same key, and TOKEN_KEY names it (file:PATH or env:NAME); 'token key new' prints one for a cache that is new
    ");
    assert_lives_in(&desk, &sqlite);
    let key = run(&desk, "key new", &[]).stdout;
    std::fs::write(desk.path("team.key"), key).unwrap();
    let said = run(&desk, &format!("{to_redis} -o json"), &[]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let moved: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((moved["moved"].as_array().unwrap().len(), &moved["left"]), (3, &serde_json::json!([])));
    let team = [("TOKEN_CACHE", url.as_str()), ("TOKEN_KEY", "file:team.key")];
    assert_is_empty(&desk, &sqlite);
    assert_lives_in(&desk, &team);

    // One is made for a cache of this host that is empty.
    let said = run(&desk, &format!("cache migrate {url} file:mine --to-key file:my.key"), &team);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_is_empty(&desk, &team);
    assert_lives_in(&desk, &[("TOKEN_CACHE", "file:mine"), ("TOKEN_KEY", "file:my.key")]);
    assert_eq!(issuer.counts().families_revoked, 0);

    let said = run(&desk, &format!("cache migrate {url} file:mine"), &team);
    assert_eq!(said.code, Some(1), "it is filled under another key: {said:?}");
    let said = run(&desk, "cache migrate sqlite: file:", &[]);
    assert_eq!(said.code, Some(0));
    insta::assert_snapshot!(named(&said.stdout, &names), @"Moved nothing: there is no sign-in in sqlite:HOME/.local/share/token/cache.db that could go.");
}

#[test]
fn one_that_is_on_its_way_names_the_command_that_goes_on_with_it() {
    let issuer = willing_issuer();
    let desk = Desk::new(&issuer);
    assert_eq!(desk.run("login --issuer corp").code, Some(0));
    let killed = run(&desk, "cache migrate file: sqlite:", &[("TOKEN_FAULT", "moving=kill")]);
    assert_eq!(killed.code, None, "{killed:?}");
    let home = desk.path("").display().to_string();
    let said = run(&desk, "get --force-refresh", &[]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    insta::assert_snapshot!(named(&said.stderr, &[(&home, "HOME/")]), @"
    error: the sign-in of corp is being moved to sqlite:HOME/.local/share/token/cache.db
    hint: 'token cache migrate file:HOME/.local/share/token/entries sqlite:HOME/.local/share/token/cache.db', with the same --to-key if there was one, goes on with it; what has arrived is used with TOKEN_CACHE=sqlite:HOME/.local/share/token/cache.db
    ");
    assert_eq!(issuer.counts().refreshes, 0);

    // To a third it does not go, for it may have arrived.
    let said = run(&desk, "cache migrate file: file:third", &[]);
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!(named(&said.stderr, &[(&home, "HOME/")]), @"
    error: a sign-in stays in file:HOME/.local/share/token/entries
    cause: corp: it is on its way to another cache, and may have arrived there
    hint: 'token doctor' with TOKEN_CACHE=file:HOME/.local/share/token/entries names the command that goes on with that
    ");
    let found = run(&desk, "doctor -o table", &[]);
    assert!(found.stdout.contains("'token cache migrate "), "{found:?}");

    // What it says is what helps.
    let said = run(&desk, "get --force-refresh", &[]);
    let command =
        said.stderr.split('\'').find_map(|words| words.strip_prefix("token cache migrate")).unwrap();
    desk.ok(&format!("cache migrate{command}"));
    let cache = said.stderr.trim_end().rsplit("TOKEN_CACHE=").next().unwrap();
    assert_eq!(run(&desk, "get --force-refresh", &[("TOKEN_CACHE", cache)]).code, Some(0));
}

#[test]
fn a_copy_leaves_those_whose_token_rotates() {
    let issuer = willing_issuer();
    let desk = desk(&issuer);
    let home = desk.path("").display().to_string();
    let said = run(&desk, "cache migrate file: sqlite: --keep", &[]);
    assert_eq!(said.code, Some(1));
    insta::assert_snapshot!(named(&(said.stdout + &said.stderr), &[(&home, "HOME/")]), @r#"
    Copied 2 sign-ins to sqlite:HOME/.local/share/token/cache.db:
      aaaaaaaa-0000-4000-8000-000000000001
      ada@contoso.example
    Next: cache = "sqlite:HOME/.local/share/token/cache.db" in the config, or TOKEN_CACHE=sqlite:HOME/.local/share/token/cache.db.
    error: a sign-in stays in file:HOME/.local/share/token/entries
    cause: corp: its refresh token changes with every use, and two caches would spend it against each other
    hint: without --keep it is moved
    "#);
    for account in [World::USER, World::CLIENT_ID] {
        for cache in ["file:", "sqlite:"] {
            let line = format!("get --force-refresh --account {account}");
            assert_eq!(run(&desk, &line, &[("TOKEN_CACHE", cache)]).code, Some(0), "{account} in {cache}");
        }
    }
    assert_eq!(run(&desk, "get --force-refresh --account corp", &[]).code, Some(0));
}

#[test]
fn what_cannot_be_meant_moves_nothing() {
    let issuer = willing_issuer();
    let desk = desk(&issuer);
    let before = desk.files();
    let home = desk.path("").display().to_string();
    let mut table = String::new();
    for line in [
        "cache migrate file: file:",
        "cache migrate file: nonsense",
        "cache migrate file: redis://:hunter2@127.0.0.1:1",
        "cache migrate file: redis://127.0.0.1:1",
        "cache migrate file: sqlite: --to-key nonsense",
        "cache migrate file: sqlite:/proc/cache.db",
    ] {
        let said = run(&desk, line, &[]);
        let line = line.replace("hunter2", "…");
        assert!(!said.stderr.contains("hunter2"));
        table +=
            &format!("--- {line}\nexit {}\n{}", said.code.unwrap(), named(&said.stderr, &[(&home, "HOME/")]));
    }
    insta::assert_snapshot!(table, @"
    --- cache migrate file: file:
    exit 2
    error: both are the same cache, file:HOME/.local/share/token/entries
    --- cache migrate file: nonsense
    exit 1
    error: a cache is file:[PATH], sqlite:[PATH], redis://HOST[:PORT][/DB], rediss://HOST (over TLS) or redis+unix:PATH
    --- cache migrate file: redis://:…@127.0.0.1:1
    exit 2
    error: a URL with a password does not go on the command line: every user of the host can read it in the list of processes
    hint: `password` of [redis] in the config names it (env:NAME or file:PATH); TOKEN_CACHE in the environment may hold it
    --- cache migrate file: redis://127.0.0.1:1
    exit 1
    error: could not load profile-1e6efe46cbefa69079cfdb32caf20ea38234f492ed1c871d9861192815c995b8 in redis://127.0.0.1:1/0 (prefix token)
    cause: there is no connection
    cause: Connection refused (os error 111)
    hint: check that the server runs there and that this host reaches it
    --- cache migrate file: sqlite: --to-key nonsense
    exit 1
    error: the key has to be file:[PATH], env:NAME or none
    hint: it is --to-key
    --- cache migrate file: sqlite:/proc/cache.db
    exit 1
    error: could not open the cache in sqlite:/proc/cache.db
    cause: /proc is open to other users (mode 0555); run `chmod 700 /proc`
    hint: TOKEN_CACHE or `cache` in the config names another place; 'token config show' shows the present one
    ");
    assert_eq!(desk.files(), before);
    assert_lives_in(&desk, &[]);
}
