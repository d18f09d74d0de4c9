//! Signing in a person at Microsoft: in a browser of this host, or with a code in any.

use token_core::grant::TokenAnswer;
use token_core::grant::authorization_code::BrowserRequest;
use token_core::grant::device_code::DeviceRequest;
use token_core::{
    AccountKind, Client, ClientAuthentication, Credential, GrantError, IdClaims, Signer, TokenRequest,
};

use super::microsoft::{account, scopes};
use super::way::Page;
use super::{ANSWER, CONNECT, Signed, browser, device, may_ask, refused, register};
use crate::app::App;
use crate::args::{Login, given};
use crate::az;
use crate::report::Failure;

/// Lets a person sign in to a tenant, or to their own where none is named.
pub(super) async fn sign_in(
    app: &App,
    typed: &Login,
    page: Page,
    tenant: Option<&str>,
) -> Result<Signed, Failure> {
    may_ask(typed)?;
    let person = Person {
        client: Client { id: az::CLIENT_ID.to_owned(), authentication: ClientAuthentication::None },
        capabilities: az::capabilities(app.config.handles_claims),
        scopes: scopes(app, typed),
        challenge: az::claims_challenge(given(&typed.claims_challenge))?,
        tenant: tenant.unwrap_or("organizations"),
    };
    let (answer, claims) = person.sign_in(app, page).await?;
    let Person { client, capabilities, scopes, challenge, .. } = person;
    let (claims, home) = (claims.unwrap_or_default(), answer.home());
    let name = claims.name().map(str::to_owned).or_else(|| home.as_ref().map(|home| home.uid.clone()));
    let tenant = claims.tid.or_else(|| tenant.map(str::to_owned)).or_else(|| home.map(|home| home.utid));
    let (Some(name), Some(tenant)) = (name, tenant) else {
        return Err(Failure::new("the issuer did not say who signed in"));
    };
    let account = account(app, &name, AccountKind::User, &tenant)?;
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: name,
        endpoints: app.cloud.endpoints(&tenant),
        client,
        scopes: answer.access_token.scopes.clone(),
        state: register(app, &answer)?,
        last_refresh: None,
    };
    let request = TokenRequest {
        tenant: Some(tenant),
        scopes,
        capabilities,
        claims: challenge,
        ..TokenRequest::new(&account)
    };
    Ok(Signed { account, credential, request, answer })
}

/// What a person is asked for.
struct Person<'a> {
    client: Client,
    capabilities: Vec<String>,
    scopes: Vec<String>,
    challenge: Option<String>,
    tenant: &'a str,
}

impl Person<'_> {
    /// The tokens, and who signed in.
    async fn sign_in(&self, app: &App, page: Page) -> Result<(TokenAnswer, Option<IdClaims>), Failure> {
        let not_started = |error: GrantError| refused(&error, "could not start the sign-in");
        let (transport, clock) = (app.transport(), app.clock());
        let host = &app.cloud.authority_host;
        let signer = Signer::microsoft(&*transport, host, self.tenant, &*clock, CONNECT, ANSWER)
            .await
            .map_err(not_started)?;
        if page == Page::Here {
            let request = BrowserRequest::microsoft(
                host,
                self.tenant,
                self.client.clone(),
                &self.scopes,
                &self.capabilities,
                self.challenge.as_deref(),
            )
            .map_err(not_started)?;
            if let Some(identified) = browser::sign_in(app, request, Some(&signer)).await? {
                return Ok((identified.answer, identified.claims));
            }
        }
        let request = DeviceRequest::microsoft(
            host,
            self.tenant,
            self.client.clone(),
            &self.scopes,
            &self.capabilities,
            self.challenge.as_deref(),
        )
        .map_err(not_started)?;
        device::sign_in(app, &request, &self.client.id, Some(&signer)).await
    }
}
