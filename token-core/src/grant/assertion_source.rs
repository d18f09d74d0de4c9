//! Where the assertions of a federated client come from.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use url::Url;
use zeroize::Zeroizing;

use super::{Means, answer};
use crate::broker::blocking;
use crate::credential::AssertionSource;
use crate::error::{GrantError, GrantErrorKind};
use crate::secret::Secret;
use crate::transport::{HttpRequest, endpoint, send_within};
use crate::wait::Deadline;

/// Whom the assertions are for that Microsoft's public cloud takes.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// An assertion from its source, asked anew.
pub(super) async fn fetch(
    means: &Means<'_>,
    source: &AssertionSource,
    deadline: Deadline,
) -> Result<Secret, AssertionError> {
    let assertion = match source {
        AssertionSource::Text(text) => text.clone(),
        AssertionSource::File(path) => {
            let file = path.clone();
            blocking(move || read(&file))
                .await
                .map_err(|source| AssertionError::Unreadable { path: path.clone(), source })?
        }
        AssertionSource::GitHubActions { audience } => {
            let (mut url, token) = job(means, source, GITHUB)?;
            url.query_pairs_mut().append_pair("audience", audience);
            let request = HttpRequest::get(url).accept("application/json; api-version=2.0").bearer(token);
            ask(means, source, request, "value", deadline).await?
        }
        AssertionSource::AzurePipelines { service_connection } => {
            let (mut url, token) = job(means, source, PIPELINES)?;
            url.query_pairs_mut()
                .append_pair("api-version", "7.1")
                .append_pair("serviceConnectionId", service_connection);
            let request = HttpRequest::post(url)
                .header("Content-Type", "application/json")
                // Without it a wrong token is answered by a page that asks a person to sign in.
                .header("X-TFS-FedAuthRedirect", "Suppress")
                .bearer(token);
            ask(means, source, request, "oidcToken", deadline).await?
        }
    };
    match is_jwt(assertion.expose()) {
        true => Ok(assertion),
        false => Err(AssertionError::NotAnAssertion { source_name: source.to_string() }),
    }
}

impl AssertionSource {
    /// Whether another assertion may be had where one has expired.
    pub fn is_renewable(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// As it stands in a sentence.
impl fmt::Display for AssertionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("the federated token that was given at sign-in"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::GitHubActions { .. } => f.write_str("GitHub Actions"),
            Self::AzurePipelines { .. } => f.write_str("Azure Pipelines"),
        }
    }
}

/// Why there is no assertion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// We do not run where the source is.
    #[error("this sign-in gets its assertions from {source_name}, and {variable} is not set here")]
    Elsewhere {
        /// The source.
        source_name: String,
        /// What the source sets.
        variable: &'static str,
    },
    /// A variable that the source sets is of no use.
    #[error("{variable} is not a URL")]
    NotAUrl {
        /// Its name; its value may be a secret.
        variable: &'static str,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// The file is not here, or not for us.
    #[error("could not read the assertion in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What came is not signed JSON.
    #[error("{source_name}: that is no JWT, and an assertion has to be one")]
    NotAnAssertion {
        /// The source.
        source_name: String,
    },
    /// The source was asked and gave none.
    #[error("{source_name} gave no assertion")]
    Refused {
        /// The source.
        source_name: String,
        /// Why.
        #[source]
        source: GrantError,
    },
}

/// A build server's variables: where a job asks for its assertion, and the token that it asks with.
type Variables = (&'static str, &'static str);
const GITHUB: Variables = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN");
const PIPELINES: Variables = ("SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN");

/// An assertion is a few kilobytes, and a header of a request at the most.
const LARGEST_FILE: u64 = 64 * 1024;

/// How often a source is asked that did not answer: asking changes nothing there.
const ATTEMPTS: u32 = 2;

fn job(
    means: &Means<'_>,
    source: &AssertionSource,
    (url, token): Variables,
) -> Result<(Url, Secret), AssertionError> {
    let variable = |variable: &'static str| {
        means
            .surroundings
            .variable(variable)
            .ok_or_else(|| AssertionError::Elsewhere { source_name: source.to_string(), variable })
    };
    let place = variable(url)?;
    let place = Url::parse(&place).map_err(|source| AssertionError::NotAUrl { variable: url, source })?;
    Ok((place, Secret::new(variable(token)?)))
}

async fn ask(
    means: &Means<'_>,
    source: &AssertionSource,
    request: HttpRequest,
    member: &'static str,
    deadline: Deadline,
) -> Result<Secret, AssertionError> {
    let refused = |error| AssertionError::Refused { source_name: source.to_string(), source: error };
    let mut attempt = 1;
    loop {
        let left = deadline.left(means.clock);
        let sent =
            send_within(means.transport, request.clone(), means.clock, means.connect_timeout, left).await;
        let error = match sent {
            Ok(response) if response.status >= 500 => {
                answer::unintelligible(&response, &request, "it has trouble")
            }
            Ok(response) => {
                let members = match response.status {
                    200..300 => answer::object(&response.body).ok(),
                    _ => None,
                };
                let given = members.and_then(|mut members| answer::take_secret(&mut members, member));
                let Some(given) = given else {
                    return Err(refused(no_assertion(response.status, &request)));
                };
                return Ok(given);
            }
            Err(error) => error,
        };
        if attempt == ATTEMPTS || matches!(error.kind, GrantErrorKind::Unsendable | GrantErrorKind::TimedOut)
        {
            return Err(refused(error));
        }
        attempt += 1;
    }
}

fn no_assertion(status: u16, request: &HttpRequest) -> GrantError {
    let why = match status {
        401 | 403 => "it does not let this job have one",
        300..=399 => "it points to another place, where no credential is sent",
        404 => "it knows no such job or service connection",
        _ => "there is none in its answer",
    };
    GrantError::new(GrantErrorKind::Unintelligible { status }, endpoint(&request.url)).because(why)
}

fn read(path: &Path) -> io::Result<Secret> {
    let mut text = Zeroizing::new(String::with_capacity(8 * 1024));
    std::fs::File::open(path)?.take(LARGEST_FILE).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim()))
}

/// Three parts in base64url. What else it has to be, its issuer and the one that it is for know.
fn is_jwt(text: &str) -> bool {
    let parts = || text.split('.');
    parts().count() == 3
        && parts().all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
        })
}
