//! Whoever watches a store, or takes it away, learns nothing of whom and what it serves.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use token_testkit::{Persistence, RedisReply, World};

use super::Team;
use crate::harness::{FORCE, GET, Lab, RESOURCE, start, strict};

const GRAPH: &str = "https://recognisable-resource.example";
const GET_GRAPH: &[&str] = &["account", "get-access-token", "--resource", GRAPH];
const IN_FABRIKAM: &[&str] = &["account", "get-access-token", "--tenant", World::SECOND_TENANT];

/// Several tokens, a refresh and a sign-out, and what must not be seen of them.
fn life(run: impl Fn(&[&str]) -> crate::harness::Output, lab: &Lab) -> Vec<String> {
    let mut secrets: Vec<String> =
        [World::USER, World::HOME_TENANT, World::SECOND_TENANT, World::BUILD, RESOURCE, GRAPH]
            .map(str::to_owned)
            .to_vec();
    for arguments in [GET, GET_GRAPH, IN_FABRIKAM, FORCE] {
        let answer = run(arguments).json();
        secrets.push(answer["accessToken"].as_str().unwrap().to_owned());
    }
    for request in lab.issuer.requests() {
        secrets.extend(request.field("refresh_token").map(str::to_owned));
    }
    assert!(secrets.len() > 12, "it has no refresh tokens to look for");
    secrets.push(lab.issuer.base_url().to_owned());
    secrets
}

fn assert_unseen(what: &str, bytes: &[u8], secrets: &[String]) {
    assert!(!bytes.is_empty(), "{what} shows nothing at all");
    for secret in secrets {
        let seen = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!seen, "{what} shows {secret}");
    }
}

/// What `strings` finds under a directory, the names of its files, and the bytes as they are.
fn strings_under(directory: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        found.extend_from_slice(path.file_name().unwrap().as_encoded_bytes());
        found.push(b'\n');
        if path.is_dir() {
            found.extend(strings_under(&path));
        } else if path.is_file() {
            found.extend(fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn who_watches_or_dumps_a_redis_server_learns_nothing() {
    let Some(team) = Team::signed_in(Persistence::Always, strict(0)) else { return };
    let mut monitor = team.server.admin();
    assert_eq!(monitor.command(["MONITOR"]).text(), "OK");
    // Again, so that it is watched.
    team.sign_in();
    let secrets = life(|arguments| start(&mut team.ada(arguments)).finish(), &team.ada);
    let mut dump = Vec::new();
    for name in team.server.command(["KEYS", "*"]).text().lines() {
        dump.extend_from_slice(name.as_bytes());
        if let RedisReply::Bytes(bytes) = team.server.command(["DUMP", name]) {
            dump.extend(bytes);
        }
    }
    assert!(start(&mut team.ada(&["logout"])).finish().status.success());
    let mut watched = Vec::new();
    while let Some(line) = monitor.next_within(Duration::from_millis(200)) {
        watched.extend_from_slice(line.text().as_bytes());
        watched.push(b'\n');
    }
    assert_unseen("MONITOR", &watched, &secrets);
    assert_unseen("a dump", &dump, &secrets);
    assert_unseen("its directory", &strings_under(team.server.dir()), &secrets);
}

#[test]
fn who_takes_a_cache_of_one_host_away_learns_nothing() {
    let lab = Lab::new(strict(0));
    for scheme in ["file", "sqlite"] {
        let place = lab.home().join(scheme);
        fs::create_dir(&place).unwrap();
        // Private, as the program would make it.
        fs::set_permissions(&place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let cache = match scheme {
            "file" => format!("file:{}", place.join("entries").display()),
            _ => format!("sqlite:{}", place.join("cache.db").display()),
        };
        let token = |arguments: &[&str]| -> Command {
            let mut command = lab.token(arguments);
            command.env("TOKEN_CACHE", &cache);
            command
        };
        lab.issuer.auto_approve(true);
        let login = start(&mut token(&["login", "--use-device-code"])).finish();
        assert!(login.status.success(), "{login}");
        let secrets = life(|arguments| start(&mut token(arguments)).finish(), &lab);
        assert_unseen(scheme, &strings_under(&place), &secrets);
        assert!(start(&mut token(&["logout"])).finish().status.success());
        assert_unseen(scheme, &strings_under(&place), &secrets);
    }
}
