//! The examples of `docs/sign-in`, run as they stand there: each block is a script for a shell.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use token_testkit::{Issuer, Page, Route, RunningIssuer, Settings, World};

use crate::desk::{Desk, Said};
use crate::harness::TOKEN;

/// Who reads a page and tries its examples.
struct Reader {
    desk: Desk,
    issuer: RunningIssuer,
    scripts: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Reader {
    /// Of that page, at an issuer that it may describe the settings of.
    fn of(page: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sign-in").join(page);
        let text = std::fs::read_to_string(file).unwrap();
        let scripts: Vec<String> =
            text.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned()).collect();
        assert!(!scripts.is_empty(), "{page} has no example");
        let described = text.split_once("--settings '").map(|(_, rest)| rest.split_once('\'').unwrap().0);
        let mut settings: Settings =
            described.map_or_else(Settings::auto_approving, |json| serde_json::from_str(json).unwrap());
        settings.interval = Some(1);
        // The page's own names for who signs in where.
        settings.world.tenants[0].domain = "contoso.com".to_owned();
        let issuer = Issuer::spawn(settings);
        let desk = Desk::new(&issuer);
        let bin = desk.path("bin");
        std::fs::create_dir(&bin).unwrap();
        symlink(TOKEN, bin.join("token")).unwrap();
        // The issuer that the page starts with it is running.
        program(&bin.join("cargo"), "exit 0");
        program(&bin.join("browser"), "printf '%s\\n' \"$1\" > \"$0.url\"");
        let variables = vec![
            ("CLIENT_ID", World::CLIENT_ID.to_owned()),
            ("TENANT", World::HOME_TENANT.to_owned()),
            ("BROWSER", bin.join("browser").display().to_string()),
        ];
        Self { desk, issuer, scripts, variables }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
        self
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.desk.path(name), content).unwrap();
    }

    /// Runs one block, with somebody at the browser.
    fn run(&self, block: usize) -> Said {
        let port = self.issuer.base_url().rsplit(':').next().unwrap();
        let script = self.scripts[block].replace(":PORT", &format!(":{port}"));
        let bin = self.desk.path("bin");
        let mut child = Command::new("/bin/sh")
            .args(["-euc", &script])
            .env_clear()
            .env("HOME", self.desk.path(""))
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.desk.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            let url = std::fs::read_to_string(bin.join("browser.url")).unwrap_or_default();
            if let Some(url) = url.strip_suffix('\n') {
                std::fs::remove_file(bin.join("browser.url")).unwrap();
                assert_eq!(Page::sign_in(url).status, 200);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap().into()
    }

    /// Runs one block, every line of which has to succeed, and counts the sign-ins.
    #[track_caller]
    fn signs_in(&self, block: usize, times: usize) {
        let said = self.run(block);
        assert_eq!(said.code, Some(0), "{}\n{}", self.scripts[block], said.stderr);
        let signed_in = said.stdout.lines().filter(|line| line.starts_with("Signed in as ")).count();
        assert_eq!(signed_in, times, "{}\n{}", self.scripts[block], said.stdout);
    }

    #[track_caller]
    fn has(&self, blocks: usize) {
        assert_eq!(self.scripts.len(), blocks, "every example of the page is tried here");
    }
}

fn program(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_browser() {
    let reader = Reader::of("browser.md");
    reader.has(2);
    reader.signs_in(0, 3);
    assert_eq!(reader.issuer.requests_to(Route::Authorize).len(), 3);
    reader.signs_in(1, 1);
    assert_eq!(reader.issuer.counts().device_codes, 0);
}

#[test]
fn a_device_code() {
    let reader = Reader::of("device-code.md");
    reader.has(2);
    reader.signs_in(0, 2);
    reader.signs_in(1, 1);
    assert_eq!(reader.issuer.counts().device_codes, 3);
}

#[test]
fn a_secret() {
    let mut reader = Reader::of("service-principal.md").with("CLIENT_SECRET", World::CLIENT_SECRET);
    reader.has(2);
    reader.write("secret.txt", World::CLIENT_SECRET);
    // Nobody but root writes there.
    reader.scripts[0] = reader.scripts[0].replace("/run/secrets/client", "secret.txt");
    reader.signs_in(0, 3);
    reader.signs_in(1, 1);
}

#[test]
fn a_certificate() {
    let reader = Reader::of("certificate.md").with("PFX_PASSWORD", "hunter2");
    reader.has(3);
    reader.signs_in(0, 0);
    let certificate = std::fs::read_to_string(reader.desk.path("agent.crt")).unwrap();
    reader.issuer.settings(|settings| settings.world.clients[0].certificates = vec![certificate]);
    reader.signs_in(1, 2);
    reader.signs_in(2, 1);
}

#[test]
fn federated_tokens() {
    let reader = Reader::of("federated.md");
    reader.has(1);
    let base = reader.issuer.base_url().to_owned();
    let assertion = reader.issuer.assertion("cluster", World::POD_SUBJECT, World::AUDIENCE, 300);
    reader.write("agent.jwt", &assertion);
    let pod = reader.desk.path("agent.jwt").display().to_string();
    let reader = reader
        .with("JWT", assertion)
        .with("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{base}/github/id-token?job=1"))
        .with("ACTIONS_ID_TOKEN_REQUEST_TOKEN", World::JOB_TOKEN)
        .with("SYSTEM_OIDCREQUESTURI", format!("{base}/pipelines/oidc"))
        .with("SYSTEM_ACCESSTOKEN", World::JOB_TOKEN)
        .with("CONNECTION_ID", World::CONNECTION)
        .with("AZURE_CLIENT_ID", World::CLIENT_ID)
        .with("AZURE_TENANT_ID", World::HOME_TENANT)
        .with("AZURE_AUTHORITY_HOST", base.as_str())
        .with("AZURE_FEDERATED_TOKEN_FILE", pod);
    reader.signs_in(0, 5);
    assert_eq!(reader.issuer.counts().requests(Route::Assertion), 2);
}

#[test]
fn managed_identities() {
    let reader = Reader::of("managed-identity.md").with("CLIENT_ID", World::USER_ASSIGNED);
    reader.has(1);
    let base = reader.issuer.base_url().to_owned();
    let reader = reader.with("AZURE_POD_IDENTITY_AUTHORITY_HOST", base);
    reader.signs_in(0, 2);
}
