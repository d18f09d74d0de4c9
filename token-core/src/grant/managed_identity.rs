//! Managed identities: a host's own service gives the token, and no secret of ours is asked for.

mod arc;
mod source;

use std::time::Duration;

use serde_json::Value;

use super::{Means, TokenAnswer, answer};
use crate::credential::{Credential, ManagedIdentity};
use crate::error::{BrokerError, GrantError, GrantErrorKind};
use crate::jwt;
use crate::oauth_error::OAuthError;
use crate::request::TokenRequest;
use crate::transport::{HttpRequest, HttpResponse, endpoint, send_within};
use crate::wait::Deadline;
pub use source::ManagedIdentitySource;

/// What is asked of a host.
#[derive(Clone, Debug)]
pub struct Wanted {
    identity: ManagedIdentity,
    resource: String,
}

impl Wanted {
    /// What a token request asks of a host: a token for one resource, in the identity's own tenant.
    pub(super) fn of(
        credential: &Credential,
        identity: &ManagedIdentity,
        request: &TokenRequest,
    ) -> Result<Self, BrokerError> {
        let refused = |source: ManagedIdentityError| BrokerError::Grant {
            account: credential.account.clone(),
            source: unusable(source),
        };
        if let (Some(home), Some(asked)) = (credential.endpoints.tenant(), request.tenant.as_deref())
            && !home.eq_ignore_ascii_case(asked)
        {
            return Err(refused(ManagedIdentityError::OtherTenant { tenant: home.to_owned() }));
        }
        match &super::asked(credential, request)[..] {
            [scope] => Ok(Self { identity: identity.clone(), resource: resource_of(scope).to_owned() }),
            _ => Err(refused(ManagedIdentityError::NotOneResource)),
        }
    }
}

/// Asks the host for a token.
///
/// # Errors
/// `Unsendable` with a [`ManagedIdentityError`] as its cause; `Unreachable` where nothing answers, which is soon known;
/// `Throttled` where the host's service asks for more time than there is, or is being upgraded.
pub(super) async fn ask(
    means: &Means<'_>,
    credential: &Credential,
    wanted: &Wanted,
    asked: &[String],
    deadline: Deadline,
) -> Result<TokenAnswer, GrantError> {
    let source = ManagedIdentitySource::find(means.surroundings).map_err(unusable)?;
    let request = source.request(wanted).map_err(unusable)?;
    let mut attempt = 0;
    loop {
        let response = exchange(means, &source, &request, deadline).await?;
        let Some(pause) = source.pause(response.status, attempt) else {
            return read(means, &source, credential, wanted, response, &request, asked);
        };
        let pause = pause.max(response.retry_after.unwrap_or_default());
        if deadline.left(means.clock) <= pause {
            return Err(answer::failure(&response, &request)
                .filter(|failure| matches!(failure.kind, GrantErrorKind::Throttled { .. }))
                .unwrap_or_else(|| {
                    let kind = GrantErrorKind::Throttled { retry_after: pause };
                    GrantError::new(kind, endpoint(&request.url))
                }));
        }
        tracing::debug!(status = response.status, seconds = pause.as_secs(), "asking the host again");
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// Whether a host that names no service of its own has Azure's instance metadata. Anything that answers at once is
/// taken for it; on a laptop nothing does, and nobody waits for a token that never comes.
///
/// # Errors
/// `Unsendable` with a [`ManagedIdentityError`] as its cause.
pub async fn probe(means: &Means<'_>) -> Result<ManagedIdentitySource, GrantError> {
    let source = ManagedIdentitySource::find(means.surroundings).map_err(unusable)?;
    if let Some(request) = source.probe() {
        let place = endpoint(&request.url);
        let answered = send_within(means.transport, request, means.clock, PROBE, PROBE).await;
        if let Err(error) = answered
            && !matches!(error.kind, GrantErrorKind::Unintelligible { .. } | GrantErrorKind::Interrupted)
        {
            return Err(unusable(ManagedIdentityError::Absent { place, source: error }));
        }
    }
    Ok(source)
}

/// Why a host gives no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagedIdentityError {
    /// The host is of a kind that we do not know.
    #[error("managed identities of Service Fabric are not supported")]
    ServiceFabric,
    /// A variable that the platform sets is of no use.
    #[error("{variable} is not a URL")]
    NotAUrl {
        /// Its name.
        variable: &'static str,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// There is no such service.
    #[error("nothing gives tokens at {place}: this is no machine in Azure, or it may not reach its metadata")]
    Absent {
        /// Scheme and host.
        place: String,
        /// Why.
        #[source]
        source: GrantError,
    },
    /// The platform cannot tell identities apart, or not in this way.
    #[error("{source_name} cannot be asked for an identity by its {selector}")]
    NoSuchSelector {
        /// The platform.
        source_name: String,
        /// How it was asked.
        selector: &'static str,
    },
    /// It gave a token of another identity than the one it was asked for.
    #[error("{source_name} gave a token of another identity than the one that was asked for")]
    OtherIdentity {
        /// The platform.
        source_name: String,
    },
    /// Tokens of other tenants are not to be had.
    #[error("a managed identity has one tenant, and this one's is {tenant}")]
    OtherTenant {
        /// Its tenant.
        tenant: String,
    },
    /// A host is asked for a resource, and not for scopes.
    #[error("a managed identity is asked for one resource at a time, as in https://vault.azure.net/.default")]
    NotOneResource,
    /// Arc's agent names no key.
    #[error("the agent of Azure Arc did not say where its key is")]
    NoArcKey,
    /// Arc's agent, or who answers in its place, names a file that is no key of its own.
    #[error("the agent of Azure Arc names {path:?} as its key, and {why}")]
    NotAnArcKey {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The key was not read.
    #[error("could not read {path}, the key of the agent of Azure Arc")]
    ArcKey {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How long a host that may have no service is waited for: one that has it answers in milliseconds.
const PROBE: Duration = Duration::from_secs(1);

fn unusable(source: ManagedIdentityError) -> GrantError {
    let kind = match &source {
        ManagedIdentityError::Absent { .. } => GrantErrorKind::Unreachable,
        _ => GrantErrorKind::Unsendable,
    };
    GrantError::new(kind, "the managed identity service of this host").because(source)
}

/// The resource whose tokens have this scope, as Azure CLI takes it out.
fn resource_of(scope: &str) -> &str {
    ["/.default", "/user_impersonation"]
        .into_iter()
        .find_map(|suffix| scope.strip_suffix(suffix))
        .unwrap_or(scope)
}

/// One request; with Arc the two that its key takes.
async fn exchange(
    means: &Means<'_>,
    source: &ManagedIdentitySource,
    request: &HttpRequest,
    deadline: Deadline,
) -> Result<HttpResponse, GrantError> {
    // A service on this host is reached at once or never.
    let connect = means.connect_timeout.min(PROBE);
    let send = async |request: HttpRequest| {
        send_within(means.transport, request, means.clock, connect, deadline.left(means.clock)).await
    };
    let response = send(request.clone()).await?;
    if !matches!(source, ManagedIdentitySource::Arc { .. }) || response.status != 401 {
        return Ok(response);
    }
    let key = arc::key(means.surroundings, response.www_authenticate.as_deref()).await.map_err(unusable)?;
    send(request.clone().secret_header("authorization", key)).await
}

fn read(
    means: &Means<'_>,
    source: &ManagedIdentitySource,
    credential: &Credential,
    wanted: &Wanted,
    response: HttpResponse,
    request: &HttpRequest,
    asked: &[String],
) -> Result<TokenAnswer, GrantError> {
    if let Some(refusal) = refusal(&response, request) {
        return Err(GrantError::new(GrantErrorKind::Refused(refusal), endpoint(&request.url)));
    }
    let echoes = source.echoes(wanted, &response);
    let answer = answer::token(response, request, asked, None, means.clock.posix())?;
    let client_id = jwt::claims(answer.access_token.secret.expose())
        .and_then(|claims| claims.get("appid").and_then(Value::as_str).map(str::to_owned));
    let known = &credential.client.id;
    // Another host of a shared cache may be another identity, and so may this one by now.
    let is_other = client_id.is_some_and(|id| !known.is_empty() && !id.eq_ignore_ascii_case(known));
    if is_other || !echoes {
        return Err(unusable(ManagedIdentityError::OtherIdentity { source_name: source.to_string() }));
    }
    Ok(answer)
}

/// A refusal in the forms of the platforms that do not speak as OAuth does.
fn refusal(response: &HttpResponse, request: &HttpRequest) -> Option<OAuthError> {
    if !(400..500).contains(&response.status) {
        return None;
    }
    let members = answer::object(&response.body).ok()?;
    let inner = members.get("error").and_then(Value::as_object).unwrap_or(&members);
    let text = |name: &str| inner.get(name).and_then(Value::as_str).map(|text| answer::shown(text, request));
    if members.get("error").is_some_and(Value::is_string) {
        return None;
    }
    let description = text("message").or_else(|| text("Message"))?;
    Some(OAuthError {
        error: text("code").unwrap_or_else(|| "invalid_request".to_owned()),
        description: Some(description),
        ..OAuthError::default()
    })
}
