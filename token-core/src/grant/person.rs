//! What a person's sign-in asks for, however they sign in.

use url::Url;

use super::{authenticated, claims, microsoft, microsoft_scopes, unsendable};
use crate::authority::Discovery;
use crate::credential::{Client, Endpoints};
use crate::error::GrantError;
use crate::token::Fingerprint;
use crate::transport::HttpRequest;

/// Whom a person signs in at, as which client, and for what.
#[derive(Clone, Debug)]
pub(super) struct PersonRequest {
    pub(super) endpoints: Endpoints,
    pub(super) client: Client,
    /// The scopes that the answer is for, where it names none.
    pub(super) scopes: Vec<String>,
    /// The scopes as they are sent.
    pub(super) scope: String,
    pub(super) claims: Option<String>,
    /// The claims challenge that the token answers.
    pub(super) challenge: Option<Fingerprint>,
}

impl PersonRequest {
    /// At a tenant of a Microsoft cloud.
    ///
    /// # Errors
    /// `Unsendable` for claims that are no JSON object.
    pub(super) fn microsoft(
        authority_host: &Url,
        tenant: &str,
        client: Client,
        scopes: &[String],
        capabilities: &[String],
        challenge: Option<&str>,
    ) -> Result<Self, GrantError> {
        Ok(Self {
            endpoints: Endpoints::Microsoft {
                authority_host: authority_host.clone(),
                tenant: tenant.to_owned(),
            },
            client,
            scopes: scopes.to_vec(),
            scope: microsoft_scopes(scopes.iter().map(String::as_str)),
            claims: claims(challenge, capabilities).map_err(|source| unsendable(authority_host, source))?,
            challenge: challenge.map(Fingerprint::of),
        })
    }

    /// At an issuer.
    pub(super) fn issuer(discovery: &Discovery, client: Client, scopes: &[String]) -> Self {
        let scopes = discovery.with_identity_scopes(scopes);
        let scope = scopes.join(" ");
        Self { endpoints: discovery.endpoints(), client, scopes, scope, claims: None, challenge: None }
    }

    /// A form that says who asks, and under which claims.
    pub(super) fn form(&self, url: Url) -> HttpRequest {
        let form = authenticated(HttpRequest::post(url), &self.client);
        let form = if self.endpoints.is_microsoft() { microsoft(form) } else { form };
        match &self.claims {
            Some(claims) => form.field("claims", claims),
            None => form,
        }
    }
}
