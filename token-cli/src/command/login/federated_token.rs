//! Who vouches for a service principal, by the options or by the environment of a pod.

use token_core::grant::assertion_source::AUDIENCE;
use token_core::{AssertionSource, Secret};

use super::{certificate, secret};
use crate::args::{Login, given};
use crate::config::PROCESS;
use crate::program;
use crate::report::Failure;

/// Where a service principal's assertions come from. Whom a build server makes them for is the cloud's to say.
#[derive(Debug)]
pub(super) enum Federation {
    Text(Secret),
    File(String),
    GitHubActions,
    AzurePipelines { connection: String },
}

/// What the workload identity of Kubernetes sets in a pod.
#[derive(Debug, Default)]
pub(super) struct Pod {
    pub(super) client_id: Option<String>,
    pub(super) tenant: Option<String>,
    file: Option<String>,
}

impl Federation {
    /// What the options say, or else the pod that we run in.
    pub(super) fn of(typed: &Login) -> Result<Option<Self>, Failure> {
        let principal = &typed.principal;
        let file = given(&principal.federated_token_file);
        let connection = given(&principal.azure_pipelines);
        let token = given(&principal.federated_token);
        let chosen = [token.is_some(), file.is_some(), principal.github_actions, connection.is_some()];
        if chosen.into_iter().filter(|chosen| *chosen).count() > 1 {
            return Err(Failure::usage(
                "--federated-token, --federated-token-file, --github-actions and --azure-pipelines exclude each other",
            ));
        }
        if let Some(token) = token {
            // What az takes is the token itself, whatever it looks like.
            return match program::is_az() {
                true => Ok(Some(Self::Text(Secret::new(token)))),
                false => secret::read("--federated-token", token).map(|token| Some(Self::Text(token))),
            };
        }
        let connection =
            connection.map(|connection| Self::AzurePipelines { connection: connection.to_owned() });
        let github = principal.github_actions.then_some(Self::GitHubActions);
        let file = file.map(str::to_owned).or_else(|| Self::of_pod(typed).file);
        Ok(github.or(connection).or_else(|| file.map(Self::File)))
    }

    /// The pod that we run in, where nothing else says who is meant; Azure CLI looks at none.
    pub(super) fn of_pod(typed: &Login) -> Pod {
        let principal = &typed.principal;
        let otherwise = given(&principal.password).is_some()
            || given(&principal.certificate).is_some()
            || given(&principal.federated_token).is_some()
            || given(&principal.azure_pipelines).is_some()
            || principal.github_actions;
        if program::is_az() || !principal.service_principal || otherwise {
            return Pod::default();
        }
        Pod {
            client_id: PROCESS.text("AZURE_CLIENT_ID"),
            tenant: PROCESS.text("AZURE_TENANT_ID"),
            file: PROCESS.text("AZURE_FEDERATED_TOKEN_FILE"),
        }
    }

    /// The source, in a cloud whose issuer takes assertions for this audience.
    pub(super) fn source(&self, audience: &str) -> Result<AssertionSource, Failure> {
        Ok(match self {
            Self::Text(token) => AssertionSource::Text(token.clone()),
            Self::File(path) => AssertionSource::File(certificate::absolute(path)?),
            Self::GitHubActions => AssertionSource::GitHubActions { audience: audience.to_owned() },
            Self::AzurePipelines { connection } => {
                AssertionSource::AzurePipelines { service_connection: connection.clone() }
            }
        })
    }
}

/// Whom assertions have to be for in a cloud.
pub(super) fn audience(cloud: &str) -> String {
    match cloud {
        "AzureChinaCloud" => format!("{AUDIENCE}China"),
        "AzureUSGovernment" => format!("{AUDIENCE}USGov"),
        _ => AUDIENCE.to_owned(),
    }
}
