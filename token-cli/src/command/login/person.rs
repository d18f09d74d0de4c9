//! Signing in a person at Microsoft, by device code.

use token_core::grant::device_code::DeviceRequest;
use token_core::{AccountKind, Client, ClientAuthentication, Credential, TokenRequest};

use super::microsoft::{account, scopes};
use super::way::Page;
use super::{Signed, device_code, refused, register};
use crate::app::App;
use crate::args::Login;
use crate::az;
use crate::report::Failure;

/// Lets a person sign in to a tenant, or to their own where none is named.
pub(super) async fn sign_in(
    app: &App,
    typed: &Login,
    page: Page,
    tenant: Option<&str>,
) -> Result<Signed, Failure> {
    match page {
        Page::Here | Page::Anywhere => by_code(app, typed, tenant).await,
    }
}

async fn by_code(app: &App, typed: &Login, tenant: Option<&str>) -> Result<Signed, Failure> {
    let client = Client { id: az::CLIENT_ID.to_owned(), authentication: ClientAuthentication::None };
    let capabilities = az::capabilities(app.config.handles_claims);
    let scopes = scopes(app, typed);
    let host = &app.cloud.authority_host;
    let request = DeviceRequest::microsoft(
        host,
        tenant.unwrap_or("organizations"),
        client.clone(),
        &scopes,
        &capabilities,
        None,
    )
    .map_err(|error| refused(&error, "could not start the sign-in"))?;
    let answer = device_code(app, &request).await?;
    let (claims, home) = (answer.id_claims().unwrap_or_default(), answer.home());
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
    let request = TokenRequest { tenant: Some(tenant), scopes, capabilities, ..TokenRequest::new(&account) };
    Ok(Signed { account, credential, request, answer })
}
