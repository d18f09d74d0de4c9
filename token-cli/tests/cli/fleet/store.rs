//! The store fails: before anybody begins, while a refresh is under way, or for good.

use std::time::Duration;

use rustix::process::Signal;
use token_testkit::{Persistence, RedisServer, RedisSettings, World};

use super::{Team, side_by_side};
use crate::harness::{FORCE, GET, start, strict};

/// From a note on, for so long another host leaves a refresh token alone. A store that is away for longer is tried with
/// this, which takes less time, and by `cargo xtask ci` with a minute.
const RESPECTED: Duration = Duration::from_secs(13 + 3);
const MINUTE: Duration = Duration::from_secs(61);

#[test]
fn a_server_that_is_down_is_named_and_nothing_is_sent_or_invented() {
    let Some(team) = Team::signed_in(Persistence::None, strict(0)) else { return };
    team.ada.issuer.reset_counts();
    team.server.kill();
    let before = team.ada.files();
    let address = team.proxy.address().to_string();
    let all = [GET, FORCE, &["account", "list"], &["logout"], &["login", "--use-device-code"]];
    // Side by side, since each of them insists for a while.
    let runs = all.map(|arguments| [team.ada(arguments), team.bob(arguments)].map(|mut run| start(&mut run)));
    for run in runs.into_iter().flatten() {
        team.assert_refused(&run.finish(), &address);
    }
    assert_eq!(team.ada.files(), before);
    assert_eq!(team.ada.issuer.counts().device_codes, 0, "nobody was asked to sign in for nothing");
    assert!(team.ada.issuer.is_alive(World::USER));
}

/// The server dies with the note in it and comes back: the refresh waits for it, and so does everybody else, whether
/// they waited before it went, came while it was away, or come later.
fn back_after_three_seconds() {
    let Some(team) = Team::signed_in(Persistence::Always, strict(0)) else { return };
    team.let_run_out();
    let holder = team.in_the_middle();
    let connected = team.proxy.connections();
    let mut others = vec![start(&mut team.bob(GET))];
    while team.proxy.connections() == connected {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Long enough to find the lease held.
    std::thread::sleep(Duration::from_millis(500));
    team.server.kill();
    team.ada.issuer.release();
    others.push(start(&mut team.bob(GET)));
    // How long it is away is what this is about.
    std::thread::sleep(Duration::from_secs(3));
    team.server.start_again();
    others.push(start(&mut team.bob(GET)));
    let token = team.assert_token(&holder.finish());
    for other in others {
        assert_eq!(team.assert_token(&other.finish()), token);
    }
    team.ada.assert_refreshes(1);
    team.assert_alive();
}

/// The same, and the holder dies too: the rescue has the new refresh token, and brings it home.
fn back_after_three_seconds_without_the_holder() {
    let Some(team) = Team::signed_in(Persistence::Always, strict(0)) else { return };
    team.let_run_out();
    let holder = team.stopped_at("rescued");
    team.server.kill();
    holder.signal(Signal::KILL);
    std::thread::sleep(Duration::from_secs(3));
    team.server.start_again();
    let (elsewhere, here) = (start(&mut team.bob(GET)), start(&mut team.ada(GET)));
    let token = team.assert_token(&here.finish());
    assert_eq!(team.assert_token(&elsewhere.finish()), token);
    team.ada.assert_refreshes(2);
    team.assert_alive();
}

/// The server is away until the holder has given up: its caller has a token, and its host the rescue.
fn away_for(time: Duration) -> Option<(Team, u32)> {
    let team = Team::signed_in(Persistence::Always, strict(0))?;
    team.let_run_out();
    let holder = team.in_the_middle();
    let pid = holder.pid();
    team.server.kill();
    let end = std::time::Instant::now() + time;
    team.ada.issuer.release();
    let output = holder.finish();
    assert!(output.status.success(), "its caller gets a token all the same: {output}");
    assert!(output.stderr.is_empty(), "{output}");
    std::thread::sleep(end.saturating_duration_since(std::time::Instant::now()));
    team.server.start_again();
    Some((team, pid))
}

fn back_to_the_host_with_the_rescue(away: Duration) {
    let Some((team, _)) = away_for(away) else { return };
    team.assert_token(&start(&mut team.ada(GET)).finish());
    team.ada.assert_refreshes(2);
    team.assert_alive();
}

fn back_to_another_host(away: Duration) {
    let Some((team, pid)) = away_for(away) else { return };
    let elsewhere = start(&mut team.bob(GET)).finish();
    team.assert_lost(pid, &elsewhere);
    // It is counted, too, and the host with the rescue learns of it.
    let counts = team.ada.issuer.counts();
    assert_eq!((counts.reuses, counts.families_revoked), (1, 1), "{counts:#?}");
    assert_eq!(start(&mut team.ada(GET)).finish().code(), 4);
    team.sign_in();
    team.assert_alive();
}

#[test]
fn a_server_that_dies_between_note_and_answer_costs_nothing_that_the_rescue_can_bring_home() {
    side_by_side(&[
        ("back after 3 s", back_after_three_seconds),
        ("back after 3 s, without the holder", back_after_three_seconds_without_the_holder),
        ("back when its time is over, the rescue first", || back_to_the_host_with_the_rescue(RESPECTED)),
        ("back when its time is over, another host first", || back_to_another_host(RESPECTED)),
    ]);
}

#[test]
#[ignore = "takes more than a minute: `cargo xtask ci` runs it"]
fn a_server_that_is_back_only_after_a_minute_gets_the_rescue_or_the_loss_is_named() {
    side_by_side(&[
        ("the rescue first", || back_to_the_host_with_the_rescue(MINUTE)),
        ("another host first", || back_to_another_host(MINUTE)),
    ]);
}

#[test]
fn a_server_that_forgets_loses_every_sign_in_but_the_one_being_refreshed() {
    let Some(team) = Team::signed_in(Persistence::None, strict(0)) else { return };
    let chosen = start(&mut team.bob(&["account", "set", "--subscription", World::BUILD])).finish();
    assert!(chosen.status.success(), "{chosen}");
    team.let_run_out();
    let holder = team.in_the_middle();
    team.server.kill();
    team.server.start_again();
    team.ada.issuer.release();
    let token = team.assert_token(&holder.finish());
    // Ada's host remembers which sign-in is hers, and the refresh has made it again.
    assert_eq!(team.assert_token(&start(&mut team.ada(GET)).finish()), token);
    // Nor has any other host on which it was chosen; but a host that comes anew can know nothing of it, and is told
    // what happened.
    assert_eq!(team.assert_token(&start(&mut team.bob(GET)).finish()), token);
    std::fs::remove_dir_all(team.bob.path().join(".local")).unwrap();
    let elsewhere = start(&mut team.bob(GET)).finish();
    assert_eq!((elsewhere.code(), elsewhere.stdout.as_str()), (4, ""), "{elsewhere}");
    let address = team.proxy.address();
    assert_eq!(
        elsewhere.stderr,
        format!(
            "error: Please run 'token login' to setup account.\n\
             cause: there is no sign-in in redis://{address}/0 (prefix token)\n\
             hint: a server that does not keep its data forgets every sign-in when it restarts; 'token doctor' looks at \
             that\n"
        )
    );
    team.ada.assert_refreshes(1);
    // What was made again lives on, for whom it was made.
    team.assert_token(&start(&mut team.ada(FORCE)).finish());
    // Where there is nothing at all any more, who had chosen it is told the same.
    team.server.command(["FLUSHALL"]);
    let here = start(&mut team.ada(GET)).finish();
    assert_eq!((here.code(), here.stdout.as_str()), (4, ""), "{here}");
    assert_eq!(here.stderr, elsewhere.stderr);
    team.sign_in();
    team.assert_alive();
}

#[test]
fn half_a_second_of_latency_costs_time_and_nothing_else() {
    let Some(team) = Team::signed_in(Persistence::None, strict(100)) else { return };
    team.let_run_out();
    team.proxy.delay(Duration::from_millis(250));
    let runs =
        [team.ada(GET), team.bob(GET), team.ada(GET), team.bob(GET)].map(|mut command| start(&mut command));
    for run in runs {
        team.assert_token(&run.finish());
    }
    team.ada.assert_refreshes(1);
    team.assert_alive();
}

#[test]
fn a_server_that_takes_no_writes_gets_no_refresh_token_spent() {
    let Some(team) = Team::signed_in(Persistence::None, strict(0)) else { return };
    let replica_of = RedisServer::start(RedisSettings::default()).unwrap();
    let port = replica_of.address().port().to_string();
    for (text, broken, mended) in [
        ("memory", vec!["CONFIG", "SET", "maxmemory", "1"], vec!["CONFIG", "SET", "maxmemory", "0"]),
        (
            "evalsha",
            vec!["ACL", "SETUSER", "default", "-evalsha"],
            vec!["ACL", "SETUSER", "default", "+@all"],
        ),
    ] {
        team.ada.issuer.reset_counts();
        assert_eq!(team.server.command(&broken).text(), "OK");
        for mut command in [team.ada(FORCE), team.bob(FORCE)] {
            team.assert_refused(&start(&mut command).finish(), text);
        }
        team.assert_token(&start(&mut team.bob(GET)).finish());
        assert_eq!(team.server.command(&mended).text(), "OK");
        team.assert_alive();
    }
    // What a replica has is read; nothing is written to it. Its own data go when it follows another server.
    team.ada.issuer.reset_counts();
    assert_eq!(team.server.command(["REPLICAOF", "127.0.0.1", &port]).text(), "OK");
    team.assert_refused(&start(&mut team.ada(FORCE)).finish(), "replica");
}

#[test]
fn an_agent_that_ends_its_job_leaves_the_teams_sign_in_alone() {
    let Some(team) = Team::signed_in(Persistence::None, strict(0)) else { return };
    let token = team.assert_token(&start(&mut team.bob(GET)).finish());
    for arguments in [&["logout"][..], &["account", "clear"]] {
        let output = start(&mut team.bob(arguments)).finish();
        assert!(output.status.success(), "{output}");
        assert_eq!(team.assert_token(&start(&mut team.ada(GET)).finish()), token);
        assert!(team.ada.issuer.is_alive(World::USER));
        // The next job on this host starts afresh.
        std::fs::remove_dir_all(team.bob.path().join(".local")).unwrap();
        assert_eq!(team.assert_token(&start(&mut team.bob(GET)).finish()), token);
    }
    team.assert_alive();
}

#[test]
fn an_agent_without_the_teams_key_changes_nothing() {
    let Some(team) = Team::signed_in(Persistence::None, strict(0)) else { return };
    let other = start(&mut team.bob(&["key", "new"])).finish();
    let before = everything(&team);
    for key in [None, Some(other.stdout.trim())] {
        let mut command = team.bob(FORCE);
        command.env_remove("TOKEN_KEY");
        if let Some(key) = key {
            command.env("TOKEN_KEY", "env:OTHER").env("OTHER", key);
        }
        let output = start(&mut command).finish();
        assert!(output.code() != 0 && output.stderr.contains("key"), "{output}");
    }
    assert_eq!(everything(&team), before);
    assert!(!team.bob.path().join(".config/token/key").exists(), "a key was invented");
    team.assert_alive();
}

/// All names and values.
fn everything(team: &Team) -> Vec<(String, String)> {
    let names = team.server.command(["KEYS", "*"]).text();
    let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
    names.sort();
    let value = |name: &String| team.server.command(["HGETALL", name]).text();
    names.iter().map(|name| (name.clone(), value(name))).collect()
}
