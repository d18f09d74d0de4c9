//! Signing in an application at Microsoft, in its own name.

use token_core::grant::{self};
use token_core::{AccountKind, Client, ClientAuthentication, Credential, Grant, State, TokenRequest};

use super::microsoft::{account, scopes};
use super::way::Proof;
use super::{ANSWER, CONNECT, Signed, refused};
use crate::app::App;
use crate::args::Login;
use crate::az;
use crate::report::Failure;

/// Signs a service principal in to its tenant.
pub(super) async fn sign_in(
    app: &App,
    typed: &Login,
    id: &str,
    proof: &Proof,
    tenant: String,
) -> Result<Signed, Failure> {
    let authentication = match proof {
        Proof::Secret(secret) => ClientAuthentication::Post(secret.clone()),
        Proof::Certificate { .. } => {
            return Err(Failure::new("this version cannot sign in with a certificate yet"));
        }
        Proof::FederatedToken(_) => {
            return Err(Failure::new("this version cannot sign in with a federated token yet"));
        }
    };
    let account = account(app, id, AccountKind::ServicePrincipal, &tenant)?;
    let scopes = scopes(app, typed);
    let credential = Credential {
        sign_in: account.sign_in.clone(),
        account: id.to_owned(),
        endpoints: app.cloud.endpoints(&tenant),
        client: Client { id: id.to_owned(), authentication },
        scopes: scopes.clone(),
        state: State::Idle(Grant::ClientCredentials),
        last_refresh: None,
    };
    let capabilities = az::capabilities(app.config.handles_claims);
    let request = TokenRequest { tenant: Some(tenant), scopes, capabilities, ..TokenRequest::new(&account) };
    let answer = client_credentials(app, &credential, &request).await?;
    Ok(Signed { account, credential, request, answer })
}

/// Asks for the first token in the client's own name; a secret that is wrong is never stored.
pub(super) async fn client_credentials(
    app: &App,
    credential: &Credential,
    request: &TokenRequest,
) -> Result<grant::TokenAnswer, Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    let failed = format!("could not sign in as {}", credential.account);
    let form =
        grant::request(credential, request).map_err(|error| Failure::new(&failed).caused_by(&error))?;
    let asked = grant::asked(credential, request);
    grant::exchange(&*transport, form, &asked, None, &*clock, CONNECT, ANSWER)
        .await
        .map_err(|error| refused(&error, &failed))
}
