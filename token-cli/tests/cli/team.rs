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
