//! Which service of the host gives tokens, and how it is asked.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::{ManagedIdentityError, Wanted};
use crate::credential::ManagedIdentity;
use crate::grant::answer;
use crate::secret::Secret;
use crate::surroundings::Surroundings;
use crate::transport::{HttpRequest, HttpResponse};

/// A service that gives tokens to the processes of its host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ManagedIdentitySource {
    /// App Service, Functions, Container Apps.
    AppService {
        /// Where it is.
        endpoint: Url,
        /// Proves that we are of the app.
        header: Secret,
    },
    /// A job or instance of Azure Machine Learning.
    MachineLearning {
        /// Where it is.
        endpoint: Url,
        /// Proves that we are of the job.
        secret: Secret,
    },
    /// Cloud Shell, where the person who opened it is the identity.
    CloudShell {
        /// Where it is.
        endpoint: Url,
    },
    /// A machine elsewhere, which the agent of Azure Arc connects.
    Arc {
        /// Where it is.
        endpoint: Url,
    },
    /// A virtual machine's instance metadata.
    Imds {
        /// Where it is.
        endpoint: Url,
    },
}

/// Where every virtual machine in Azure has its metadata.
const METADATA: &str = "http://169.254.169.254";

/// Where Arc's agent answers unless a variable says otherwise, and by what its presence is known.
const ARC: &str = "http://localhost:40342/metadata/identity/oauth2/token";
const ARC_AGENT: &str = "opt/azcmagent/bin/himds";

impl ManagedIdentitySource {
    /// The service that the host's surroundings name, in Azure CLI's order.
    pub(super) fn find(surroundings: &Surroundings) -> Result<Self, ManagedIdentityError> {
        let variable = |name| surroundings.variable(name);
        let url = |variable, text: String| {
            Url::parse(&text).map_err(|source| ManagedIdentityError::NotAUrl { variable, source })
        };
        let (identity, header) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"));
        let (older, secret) = (variable("MSI_ENDPOINT"), variable("MSI_SECRET"));
        if identity.is_some() && header.is_some() && variable("IDENTITY_SERVER_THUMBPRINT").is_some() {
            return Err(ManagedIdentityError::ServiceFabric);
        }
        if let (Some(text), Some(header)) = (&identity, header) {
            let endpoint = url("IDENTITY_ENDPOINT", text.clone())?;
            return Ok(Self::AppService { endpoint, header: Secret::new(header) });
        }
        if let (Some(text), Some(secret)) = (&older, secret) {
            let endpoint = url("MSI_ENDPOINT", text.clone())?;
            return Ok(Self::MachineLearning { endpoint, secret: Secret::new(secret) });
        }
        if let (Some(text), Some(_)) = (&identity, variable("IMDS_ENDPOINT")) {
            return Ok(Self::Arc { endpoint: url("IDENTITY_ENDPOINT", text.clone())? });
        }
        if let Some(text) = older {
            return Ok(Self::CloudShell { endpoint: url("MSI_ENDPOINT", text)? });
        }
        if surroundings.place(ARC_AGENT).exists() {
            return Ok(Self::Arc { endpoint: url("IDENTITY_ENDPOINT", ARC.to_owned())? });
        }
        const NAMED: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
        let mut endpoint = url(NAMED, variable(NAMED).unwrap_or_else(|| METADATA.to_owned()))?;
        endpoint.set_path("metadata/identity/oauth2/token");
        Ok(Self::Imds { endpoint })
    }

    /// The request for a token.
    pub(super) fn request(&self, wanted: &Wanted) -> Result<HttpRequest, ManagedIdentityError> {
        let selector = self.selector(&wanted.identity)?;
        let asked = |endpoint: &Url, version: &str| {
            let mut url = endpoint.clone();
            let mut query = url.query_pairs_mut();
            query.append_pair("api-version", version).append_pair("resource", &wanted.resource);
            if let Some((name, value)) = &selector {
                query.append_pair(name, value);
            }
            drop(query);
            HttpRequest::get(url)
        };
        let request = match self {
            Self::AppService { endpoint, header } => {
                asked(endpoint, "2019-08-01").secret_header("x-identity-header", header.clone())
            }
            Self::MachineLearning { endpoint, secret } => {
                asked(endpoint, "2017-09-01").secret_header("secret", secret.clone())
            }
            Self::CloudShell { endpoint } => HttpRequest::post(endpoint.clone())
                .header("Metadata", "true")
                .field("resource", &wanted.resource),
            Self::Arc { endpoint } => asked(endpoint, "2020-06-01").header("Metadata", "true"),
            Self::Imds { endpoint } => asked(endpoint, "2018-02-01").header("Metadata", "true"),
        };
        Ok(request.to_host())
    }

    /// The request that tells whether anybody is there, where that is not known. It lacks the header without which no
    /// token is given.
    pub(super) fn probe(&self) -> Option<HttpRequest> {
        match self {
            Self::Imds { endpoint } => {
                let mut url = endpoint.clone();
                url.query_pairs_mut().append_pair("api-version", "2018-02-01");
                Some(HttpRequest::get(url).to_host())
            }
            _ => None,
        }
    }

    /// How long to wait after the answer to this attempt (from 0 on) before the next; `None` where it is final.
    ///
    /// Instance metadata is documented to answer 404 while it learns of an identity, and 410 while it is being upgraded,
    /// for at most 70 seconds.
    pub(super) fn pause(&self, status: u16, attempt: u32) -> Option<Duration> {
        let upgrading = status == 410;
        let passes = match self {
            Self::Imds { .. } => matches!(status, 404 | 408 | 410 | 429 | 500..),
            _ => matches!(status, 408 | 429 | 500..),
        };
        let seconds = match self {
            _ if !passes => return None,
            Self::Imds { .. } if upgrading => (attempt < 7).then_some(10),
            Self::Imds { .. } => (attempt < 3).then(|| 1 << attempt),
            _ => (attempt < 3).then_some(1),
        };
        seconds.map(Duration::from_secs)
    }

    /// Whether the answer is about the identity that was asked for: older agents of Arc know only the machine's own,
    /// and give that whatever they are asked.
    pub(super) fn echoes(&self, wanted: &Wanted, response: &HttpResponse) -> bool {
        let (Self::Arc { .. }, Ok(Some((name, value))), 200) =
            (self, self.selector(&wanted.identity), response.status)
        else {
            return true;
        };
        let members = answer::object(&response.body).unwrap_or_default();
        members.get(name).and_then(|echo| echo.as_str()).is_some_and(|echo| echo.eq_ignore_ascii_case(value))
    }

    /// The parameter that says which identity is meant; none for the host's own.
    fn selector<'a>(
        &self,
        identity: &'a ManagedIdentity,
    ) -> Result<Option<(&'static str, &'a str)>, ManagedIdentityError> {
        let none =
            |selector| Err(ManagedIdentityError::NoSuchSelector { source_name: self.to_string(), selector });
        let selector = match (identity, self) {
            (ManagedIdentity::SystemAssigned, _) => return Ok(None),
            (ManagedIdentity::ClientId(_), Self::CloudShell { .. }) => return none("client id"),
            (ManagedIdentity::ClientId(id), Self::MachineLearning { .. }) => ("clientid", id),
            (ManagedIdentity::ClientId(id), _) => ("client_id", id),
            (ManagedIdentity::ObjectId(_), Self::CloudShell { .. } | Self::MachineLearning { .. }) => {
                return none("object id");
            }
            (ManagedIdentity::ObjectId(id), Self::AppService { .. }) => ("principal_id", id),
            (ManagedIdentity::ObjectId(id), _) => ("object_id", id),
            (ManagedIdentity::ResourceId(_), Self::CloudShell { .. } | Self::MachineLearning { .. }) => {
                return none("resource id");
            }
            (ManagedIdentity::ResourceId(id), Self::AppService { .. }) => ("mi_res_id", id),
            (ManagedIdentity::ResourceId(id), _) => ("msi_res_id", id),
        };
        Ok(Some((selector.0, selector.1)))
    }
}

/// As it stands in a sentence.
impl fmt::Display for ManagedIdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppService { .. } => "App Service",
            Self::MachineLearning { .. } => "Azure Machine Learning",
            Self::CloudShell { .. } => "Cloud Shell",
            Self::Arc { .. } => "Azure Arc",
            Self::Imds { .. } => "the instance metadata of this machine",
        })
    }
}
