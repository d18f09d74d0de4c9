//! A user at a desk: a home directory of their own, the program, and what it said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use token_testkit::{Issuer, RunningIssuer, Settings};

/// A home directory, configured for an issuer.
pub(crate) struct Desk {
    home: TempDir,
    variables: BTreeMap<String, String>,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// An issuer where every device code is approved at once.
pub(crate) fn willing_issuer() -> RunningIssuer {
    Issuer::spawn(Settings { interval: Some(1), ..Settings::auto_approving() })
}

impl Desk {
    pub(crate) fn new(issuer: &RunningIssuer) -> Self {
        let desk = Self { home: TempDir::new().unwrap(), variables: BTreeMap::new() };
        let (base, oidc) = (issuer.base_url(), issuer.oidc_issuer());
        desk.configure(&format!(
            "cloud = 'lab'\n[clouds.lab]\nauthority_host = '{base}'\nresource_manager = '{base}'\n\
             resource = 'https://management.core.windows.net/'\n\
             [issuers.corp]\nissuer = '{oidc}'\nclient_id = 'build-tools'\nscopes = ['api:read']\n"
        ));
        desk
    }

    /// Another user, who shares the cache and the key of the first.
    pub(crate) fn sharing(issuer: &RunningIssuer, other: &Self) -> Self {
        Self::new(issuer)
            .with("TOKEN_CACHE", &format!("file:{}", other.entries().display()))
            .with("TOKEN_KEY", &format!("file:{}", other.path(".config/token/key").display()))
    }

    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    #[expect(clippy::disallowed_methods, reason = "nobody reads it meanwhile")]
    pub(crate) fn configure(&self, toml: &str) {
        std::fs::create_dir_all(self.path(".config/token")).unwrap();
        std::fs::write(self.path(".config/token/config.toml"), toml).unwrap();
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) fn entries(&self) -> PathBuf {
        self.path(".local/share/token/entries")
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_token"));
        command
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.home.path())
            .env("TZ", "UTC")
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    pub(crate) fn run(&self, line: &str) -> Said {
        self.command(line).output().unwrap().into()
    }

    /// Runs a command that has to succeed without a word on stderr.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "token {line}");
        said.stdout
    }

    /// The same, of a command that prints JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).unwrap()
    }

    /// Every file with its size and its time of change.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let (mut files, mut open) = (BTreeMap::new(), vec![self.home.path().to_owned()]);
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let (path, metadata) = (entry.as_ref().unwrap().path(), entry.unwrap().metadata().unwrap());
                if metadata.is_dir() {
                    open.push(path.clone());
                }
                files.insert(path, (metadata.len(), metadata.modified().unwrap()));
            }
        }
        files
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
