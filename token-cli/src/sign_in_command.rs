//! The command that signs an account in again, as it was signed in before.

use std::collections::BTreeMap;
use std::path::Path;

use token_core::{AccountKind, AssertionSource, Client, ClientAuthentication, Credential};

use crate::choice::Selected;
use crate::config::IssuerTable;
use crate::program;

/// What one would type. What proves a client is known from its credential; without one that can be read, it is for the
/// reader to fill in.
pub(crate) fn sign_in_command(
    issuers: &BTreeMap<String, IssuerTable>,
    account: &Selected,
    credential: Option<&Credential>,
) -> String {
    let (program, name) = (program::name(), &account.account);
    match account.kind {
        AccountKind::ServicePrincipal => {
            let tenant = account.tenant.as_deref().unwrap_or("TENANT");
            let proof =
                credential.map_or("…".to_owned(), |credential| proof(&credential.client, "--password"));
            format!("{program} login --service-principal --username {name} {proof} --tenant {tenant}")
        }
        AccountKind::SystemAssignedIdentity => format!("{program} login --identity"),
        AccountKind::UserAssignedIdentity => {
            let (option, id) = match name.split_once('-') {
                Some(("MSIObject", id)) => ("--object-id", id),
                Some(("MSIResource", id)) => ("--resource-id", id),
                Some((_, id)) => ("--client-id", id),
                None => ("--client-id", name.as_str()),
            };
            format!("{program} login --identity {option} {id}")
        }
        AccountKind::Subject | AccountKind::Client => at_issuer(issuers, account, credential),
        _ => format!("{program} login"),
    }
}

/// At another issuer: by its name in the config, which says the rest, or by all that it takes.
fn at_issuer(
    issuers: &BTreeMap<String, IssuerTable>,
    account: &Selected,
    credential: Option<&Credential>,
) -> String {
    let table = issuers.get(&account.account);
    let mut command = format!("{} login --issuer ", program::name());
    command += if table.is_some() { &account.account } else { &account.authority };
    let Some(Credential { client, scopes, .. }) = credential else { return command };
    if table.and_then(|table| table.client_id.as_ref()) != Some(&client.id) {
        command += &format!(" --client-id {}", client.id);
    }
    // These are asked for by themselves.
    let scopes: Vec<&str> = scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| !["openid", "offline_access"].contains(scope))
        .collect();
    if table.is_none() && !scopes.is_empty() {
        command += &format!(" --scope {}", scopes.join(" "));
    }
    let is_in_config = table.is_some_and(|table| table.client_secret.is_some());
    let is_secret =
        matches!(client.authentication, ClientAuthentication::Post(_) | ClientAuthentication::Basic(_));
    match client.authentication {
        ClientAuthentication::None => {}
        _ if is_secret && is_in_config => {}
        _ => command += &format!(" {}", proof(client, "--client-secret")),
    }
    // A secret signs in the client itself, unless a person is asked for.
    if account.kind == AccountKind::Subject && is_secret {
        command += " --use-device-code";
    }
    command
}

/// The options that say what proves a client; never a secret.
fn proof(client: &Client, secret: &str) -> String {
    match &client.authentication {
        ClientAuthentication::None => "…".to_owned(),
        ClientAuthentication::Post(_) | ClientAuthentication::Basic(_) => format!("{secret} …"),
        ClientAuthentication::Certificate(certificate) => {
            let mut options = format!("--certificate {}", quoted(&certificate.path));
            if certificate.password.is_some() {
                options += " --certificate-password …";
            }
            if certificate.sends_chain {
                options += " --use-cert-sn-issuer";
            }
            options
        }
        ClientAuthentication::Assertion(source) => match source {
            AssertionSource::Text(_) => "--federated-token …".to_owned(),
            AssertionSource::File(path) => format!("--federated-token-file {}", quoted(path)),
            AssertionSource::GitHubActions { .. } => "--github-actions".to_owned(),
            AssertionSource::AzurePipelines { service_connection } => {
                format!("--azure-pipelines {service_connection}")
            }
            _ => "…".to_owned(),
        },
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+@".contains(letter);
    if path.chars().all(is_plain) { path } else { format!("\"{path}\"") }
}
