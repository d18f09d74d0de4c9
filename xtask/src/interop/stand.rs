//! A side of a comparison: an issuer over TLS, and a home with an `az` that talks to it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Result;
use tempfile::TempDir;
use token_testkit::{
    AccessTokenForm, Decision, Issuer, RunningIssuer, Settings, Subscription, Transport, World,
};

use crate::process;

/// The cloud that both programs know the issuer as.
pub(crate) const CLOUD: &str = "lab";

/// Which `az` a side runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    /// The real one.
    AzureCli,
    /// A link to `token`.
    Token,
    /// A link to `token`, with the real one behind it on PATH.
    Both,
}

/// One home with its `az`.
#[derive(Debug)]
pub(crate) struct Side {
    home: TempDir,
    path: String,
    issuer: String,
}

impl Side {
    /// A home that nobody has used before, configured for an issuer.
    pub(crate) fn new(program: Program, issuer: &RunningIssuer) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("token-interop-").tempdir()?;
        let mut path = Vec::new();
        if program != Program::AzureCli {
            let bin = home.path().join("bin");
            std::fs::create_dir(&bin)?;
            symlink(token()?, bin.join("az"))?;
            path.push(bin);
        }
        if program != Program::Token {
            path.push(super::azure_cli::program()?.parent().map(Path::to_owned).unwrap_or_default());
        }
        path.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
        let path =
            std::env::join_paths(path)?.into_string().map_err(|_| anyhow::anyhow!("PATH is not UTF-8"))?;
        let side = Self { home, path, issuer: issuer.base_url().to_owned() };
        std::fs::write(side.ca(), issuer.ca_pem().unwrap_or_default())?;
        side.configure_azure_cli(issuer.base_url())?;
        side.configure_token(issuer.base_url())?;
        Ok(side)
    }

    /// Its home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A line of shell, in an environment that holds nothing else of ours.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut command = self.program(Path::new("/bin/sh"));
        command.args(["-c", line]);
        command
    }

    /// Any program, in that environment.
    pub(crate) fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(self.home()).stdin(Stdio::null());
        command
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        let ca = self.ca().display().to_string();
        BTreeMap::from([
            ("HOME", self.home().display().to_string()),
            ("PATH", self.path.clone()),
            // A zone whose local time differs from UTC, for `expiresOn`.
            ("TZ", "Asia/Kolkata".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            // For scripts; neither program knows it.
            ("ISSUER", self.issuer.clone()),
            ("REQUESTS_CA_BUNDLE", ca.clone()),
            ("SSL_CERT_FILE", ca),
            // Whether our issuer is Microsoft's is asked at Microsoft's.
            ("AZURE_CORE_INSTANCE_DISCOVERY", "false".to_owned()),
            ("AZURE_CORE_COLLECT_TELEMETRY", "false".to_owned()),
            ("AZURE_CORE_SURVEY_MESSAGE", "false".to_owned()),
        ])
    }

    fn ca(&self) -> PathBuf {
        self.home().join("ca.pem")
    }

    /// `az cloud register` would ask the issuer's Resource Manager for what else the cloud has.
    fn configure_azure_cli(&self, issuer: &str) -> Result<()> {
        let azure = self.home().join(".azure");
        std::fs::create_dir(&azure)?;
        let clouds = format!(
            "[{CLOUD}]\n\
             endpoint_active_directory = {issuer}\n\
             endpoint_resource_manager = {issuer}/\n\
             endpoint_management = https://management.core.windows.net/\n\
             endpoint_active_directory_resource_id = https://management.core.windows.net/\n\
             endpoint_active_directory_graph_resource_id = https://graph.windows.net/\n\
             endpoint_microsoft_graph_resource_id = https://graph.microsoft.com/\n\
             endpoint_ossrdbms_resource_id = https://ossrdbms-aad.database.windows.net\n\
             endpoint_batch_resource_id = https://batch.core.windows.net/\n\
             endpoint_media_resource_id = https://rest.media.azure.net\n\
             endpoint_active_directory_data_lake_resource_id = https://datalake.azure.net/\n\n"
        );
        std::fs::write(azure.join("clouds.config"), clouds)?;
        Ok(std::fs::write(azure.join("config"), format!("[cloud]\nname = {CLOUD}\n"))?)
    }

    fn configure_token(&self, issuer: &str) -> Result<()> {
        let directory = self.home().join(".config/token");
        std::fs::create_dir_all(&directory)?;
        let config = format!(
            "cloud = \"{CLOUD}\"\n\n\
             [clouds.{CLOUD}]\n\
             authority_host   = \"{issuer}\"\n\
             resource_manager = \"{issuer}\"\n\
             resource         = \"https://management.core.windows.net/\"\n"
        );
        Ok(std::fs::write(directory.join("config.toml"), config)?)
    }
}

/// The program under test: a copy, so that a build meanwhile does not change it.
pub(super) fn token() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built.clone());
    }
    let built = process::build("token-cli", "token", &[])?;
    let copy = super::directory().join("token");
    std::fs::create_dir_all(super::directory())?;
    drop(std::fs::remove_file(&copy));
    std::fs::copy(built, &copy)?;
    Ok(BUILT.get_or_init(|| copy).clone())
}

/// An issuer with what selections can trip over: names that occur twice, that hold spaces and more than ASCII, and a
/// subscription that is not enabled.
pub(crate) fn issuer() -> RunningIssuer {
    let mut settings = Settings {
        transport: Transport::Https,
        access_tokens: AccessTokenForm::Jwt,
        decision: Some(Decision::Approve),
        ..Settings::default()
    };
    let more = [
        ("bbbbbbbb-0000-4000-8000-000000000004", "Duplicate Name", World::HOME_TENANT, "Enabled"),
        ("bbbbbbbb-0000-4000-8000-000000000005", "Duplicate Name", World::SECOND_TENANT, "Enabled"),
        ("bbbbbbbb-0000-4000-8000-000000000006", "Größe & Co", World::HOME_TENANT, "Enabled"),
        ("bbbbbbbb-0000-4000-8000-000000000007", "Retired", World::HOME_TENANT, "Disabled"),
    ];
    settings.world.subscriptions.extend(more.map(|(id, name, tenant, state)| Subscription {
        id: id.into(),
        display_name: name.into(),
        tenant: tenant.into(),
        state: state.into(),
    }));
    Issuer::spawn(settings)
}
