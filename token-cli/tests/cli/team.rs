//! A team that shares one sign-in on a server: the four lines that do it, and what its agents may do.

use std::process::{Command, Stdio};

use token_testkit::{RedisServer, RedisSettings, RunningIssuer};

use crate::desk::{Desk, willing_issuer};
use crate::harness::TOKEN;

/// A host: a home that is its own, with a config that names the test's issuer, and nothing else.
struct Host(Desk);

impl Host {
    fn new(issuer: &RunningIssuer) -> Self {
        Self(Desk::new(issuer))
    }

    /// What a shell makes of this script, with `token` on its path.
    fn shell(&self, script: &str, variables: &[(&str, &str)]) -> crate::desk::Said {
        let bin = self.0.path("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            std::os::unix::fs::symlink(TOKEN, bin.join("token")).unwrap();
        }
        let mut command = Command::new("/bin/sh");
        command
            .args(["-euc", script])
            .env_clear()
            .env("HOME", self.0.path(""))
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .envs(variables.iter().copied())
            .current_dir(self.0.path(""))
            .stdin(Stdio::null());
        command.output().unwrap().into()
    }
}

fn server() -> Option<RedisServer> {
    RedisServer::start(RedisSettings {
        tls: true,
        password: Some("hunter2".to_owned()),
        ..RedisSettings::default()
    })
}

/// What every line needs that the page leaves out: the server's name and its password, and whom to trust.
fn variables(server: &RedisServer) -> [(&'static str, String); 2] {
    [
        ("CACHE", server.url().replace("//", "//:hunter2@")),
        ("SSL_CERT_FILE", server.ca().display().to_string()),
    ]
}

#[test]
fn four_lines_share_one_sign_in() {
    let Some(server) = server() else { return };
    let issuer = willing_issuer();
    let (ada, agent) = (Host::new(&issuer), Host::new(&issuer));
    let variables = variables(&server);
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let said = ada.shell(
        "token key new > team.key\n\
         export TOKEN_KEY=file:team.key TOKEN_CACHE=$CACHE\n\
         token login\n\
         token get",
        &variables,
    );
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let token = said.stdout.lines().last().unwrap();
    let refreshes = issuer.counts().refreshes;

    std::fs::copy(ada.0.path("team.key"), agent.0.path("team.key")).unwrap();
    let said = agent.shell("export TOKEN_KEY=file:team.key TOKEN_CACHE=$CACHE\ntoken get", &variables);
    assert_eq!((said.code, said.stderr.as_str(), said.stdout.trim()), (Some(0), "", token));
    assert_eq!(issuer.counts().refreshes, refreshes, "it is Ada's token");
    assert!(!agent.0.path(".config/token/key").exists() && !agent.0.entries().exists());

    // And when it has run out, any of them gets the next one.
    let said = agent
        .shell("export TOKEN_KEY=file:team.key TOKEN_CACHE=$CACHE\ntoken get --force-refresh", &variables);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let said = ada.shell("export TOKEN_KEY=file:team.key TOKEN_CACHE=$CACHE\ntoken get", &variables);
    assert_ne!(said.stdout.trim(), token);
    assert_eq!(issuer.counts().refreshes, refreshes + 1);
}

/// A team's cache with Ada signed in, its server and its issuer.
struct Team {
    server: RedisServer,
    issuer: RunningIssuer,
    ada: Desk,
    key: String,
}

impl Team {
    fn new() -> Option<Self> {
        let server = RedisServer::start(RedisSettings::default())?;
        let issuer = willing_issuer();
        let desk = Desk::new(&issuer);
        let key = desk.ok("key new").trim_end().to_owned();
        let ada = desk.with("TOKEN_CACHE", &server.url()).with("TOKEN_KEY", "env:TEAM").with("TEAM", &key);
        assert_eq!(ada.run("login").code, Some(0));
        Some(Self { server, issuer, ada, key })
    }

    fn agent(&self) -> Desk {
        let desk = Desk::new(&self.issuer).with("TOKEN_CACHE", &self.server.url());
        desk.with("TOKEN_KEY", "env:TEAM").with("TEAM", &self.key)
    }

    /// Everything the server holds.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.server.command(["KEYS", "*"]).text().lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

#[test]
fn an_agent_without_the_key_changes_nothing_and_is_told_which() {
    let Some(team) = Team::new() else { return };
    let key_id = token_core::KeyRing::parse(&team.key).unwrap().key_id().unwrap();
    let (before, asked) = (team.names(), team.issuer.counts());
    let another = team.ada.ok("key new");
    let agent = || Desk::new(&team.issuer).with("TOKEN_CACHE", &team.server.url());
    for agent in [agent(), agent().with("TOKEN_KEY", "env:OTHER").with("OTHER", another.trim_end())] {
        for line in ["get", "login", "account list", "cache purge", "logout"] {
            let said = agent.run(line);
            if line == "cache purge" && said.code == Some(0) {
                // It looks at times alone, and what is sealed under a key it does not hold stays.
                continue;
            }
            assert_eq!(said.code, Some(1), "{line}: {said:?}");
            assert!(said.stderr.contains(&key_id) && said.stderr.contains("TOKEN_KEY"), "{line}: {said:?}");
        }
        assert!(!agent.path(".config/token/key").exists() && !agent.entries().exists());
    }
    assert_eq!(team.names(), before);
    assert_eq!(team.issuer.counts(), asked, "nobody is asked to sign in for nothing");
    team.ada.ok("get --force-refresh");
}

#[test]
fn an_agent_that_signs_out_at_the_end_of_its_job_ends_nobodys_sign_in() {
    let Some(team) = Team::new() else { return };
    for end in ["logout", "account clear"] {
        let agent = team.agent();
        agent.ok("get");
        agent.ok(end);
        let said = agent.run("get");
        assert_eq!(said.code, Some(4), "{end}: {said:?}");
        team.ada.ok("get --force-refresh");
        team.agent().ok("get");
    }
    assert_eq!(team.issuer.counts().families_signed_out, 0);
    // Who signed in ends it for everybody.
    team.ada.ok("logout");
    assert_eq!(team.agent().run("get").code, Some(4));
}

#[test]
fn a_host_that_never_signed_in_follows_the_shared_default() {
    let Some(team) = Team::new() else { return };
    let wanted = |desk: &Desk| desk.json("account show -o json")["id"].clone();
    assert_eq!(wanted(&team.agent()), wanted(&team.ada));
    team.ada.ok("account set -s production --shared");
    assert_eq!(wanted(&team.agent()), wanted(&team.ada));
}
