//! A team on several hosts that share one Redis server and nothing else, and everything that can go wrong between them.

mod holder;
mod secrecy;
mod store;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use token_testkit::{Matching, Persistence, Proxy, RedisServer, RedisSettings, Settings, World};

use crate::harness::{FORCE, GET, Lab, Output, RESOURCE, Running, start};

/// Two hosts: `ada`'s, where the sign-in was made, and `bob`'s, where nobody ever signed in. Both reach the server
/// through a proxy.
struct Team {
    ada: Lab,
    bob: TempDir,
    server: RedisServer,
    proxy: Proxy,
    key: PathBuf,
}

impl Team {
    /// Ada has signed in. `None` where there is no Redis to test with.
    fn signed_in(persistence: Persistence, settings: Settings) -> Option<Self> {
        let settings_of_server = RedisSettings { persistence, ..RedisSettings::default() };
        let server = RedisServer::start(settings_of_server)?;
        let ada = Lab::new(settings);
        let key = ada.home().join("team.key");
        let made = ada.run(&["key", "new"]);
        assert!(made.status.success(), "{made}");
        fs::write(&key, &made.stdout).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let bob = tempfile::tempdir().unwrap();
        fs::copy(ada.home().join("token.toml"), bob.path().join("token.toml")).unwrap();
        let proxy = Proxy::start(server.address());
        let team = Self { ada, bob, server, proxy, key };
        team.sign_in();
        Some(team)
    }

    fn sign_in(&self) {
        self.ada.issuer.auto_approve(true);
        let output = start(&mut self.ada(&["login", "--use-device-code"])).finish();
        assert!(output.status.success(), "{output}");
    }

    /// `token` on Ada's host.
    fn ada(&self, arguments: &[&str]) -> Command {
        let mut command = self.ada.token(arguments);
        command
            .env("TOKEN_CACHE", format!("redis://{}", self.proxy.address()))
            .env("TOKEN_KEY", format!("file:{}", self.key.display()));
        command
    }

    /// `token` on Bob's host.
    fn bob(&self, arguments: &[&str]) -> Command {
        let mut command = self.ada(arguments);
        command.env("HOME", self.bob.path()).env("TOKEN_CONFIG", self.bob.path().join("token.toml"));
        command
    }

    /// Lets the cached token run out.
    fn let_run_out(&self) {
        self.ada.issuer.settings(|settings| settings.lifetime = 1);
        let answer = start(&mut self.ada(FORCE)).finish().json();
        self.ada.issuer.settings(|settings| settings.lifetime = 3600);
        crate::harness::wait_for_the_end_of(&answer);
        self.ada.issuer.reset_counts();
    }

    /// A refresh of Ada's whose request has arrived at the issuer, which does not answer yet.
    fn in_the_middle(&self) -> Running {
        self.ada.issuer.hold(Matching::refreshes());
        let run = start(&mut self.ada(FORCE));
        self.ada.issuer.wait_until(|counts| counts.at_gate == 1);
        run
    }

    /// A refresh of Ada's that has stopped itself at this point.
    fn stopped_at(&self, point: &str) -> Running {
        let run = start(self.ada(FORCE).env("TOKEN_FAULT", format!("{point}=stop")));
        run.wait_for_stop();
        run
    }

    fn assert_token(&self, output: &Output) -> Value {
        self.ada.assert_token_for(output, RESOURCE);
        output.json()["accessToken"].clone()
    }

    /// The sign-in is good for another token, on both hosts.
    fn assert_alive(&self) {
        let new = self.assert_token(&start(&mut self.bob(FORCE)).finish());
        assert_eq!(self.assert_token(&start(&mut self.ada(GET)).finish()), new);
        assert!(self.ada.issuer.is_alive(World::USER));
    }

    /// This call says that the sign-in is lost, and by whose interrupted refresh.
    fn assert_lost(&self, holder: u32, output: &Output) {
        assert_eq!((output.code(), output.stdout.as_str()), (4, ""), "{output}");
        let by = format!(" by process {holder} on ");
        let named = output.stderr.lines().any(|line| {
            line.strip_prefix("cause: a refresh was interrupted at ").is_some_and(|rest| rest.contains(&by))
        });
        assert!(named, "it is not said who was interrupted: {output}");
        assert!(!self.ada.issuer.is_alive(World::USER));
    }

    /// A call failed with one clear error that holds this text, named no secret, and nothing was sent to the issuer.
    fn assert_refused(&self, output: &Output, text: &str) {
        assert_eq!((output.code(), output.stdout.as_str()), (1, ""), "{output}");
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{output}");
        assert!(output.stderr.contains(text), "not '{text}': {output}");
        assert_eq!(self.ada.issuer.counts().refreshes, 0, "{output}");
    }
}

/// Each in a thread of its own, since they wait for time to pass and not for a processor.
fn side_by_side(scenarios: &[(&str, fn())]) {
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let started: Vec<_> = scenarios
            .iter()
            .map(|&(name, scenario)| {
                let thread = std::thread::Builder::new().name(name.to_owned());
                (name, thread.spawn_scoped(scope, scenario).unwrap())
            })
            .collect();
        started.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}
