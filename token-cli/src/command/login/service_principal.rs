//! Signing in an application at Microsoft, in its own name.

use token_core::{
    AccountKind, Client, ClientAuthentication, Credential, Grant, RsaPadding, State, TokenRequest,
};

use super::first_token::first_token;
use super::microsoft::{account, scopes};
use super::way::Proof;
use super::{ANSWER, Signed, certificate, federated_token};
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
    let audience = federated_token::audience(&app.cloud.name);
    let authentication = authentication(app, proof, &audience, RsaPadding::Pss)?;
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
    let answer = first_token(app, &credential, &request, ANSWER).await?;
    Ok(Signed { account, credential, request, answer })
}

/// What a client proves itself with; assertions that are made for it are for that audience.
pub(super) fn authentication(
    app: &App,
    proof: &Proof,
    audience: &str,
    padding: RsaPadding,
) -> Result<ClientAuthentication, Failure> {
    Ok(match proof {
        Proof::Secret(secret) => ClientAuthentication::Post(secret.clone()),
        Proof::Certificate { file, password, subject_name } => ClientAuthentication::Certificate(
            certificate::read(app, file, password.clone(), *subject_name, padding)?,
        ),
        Proof::Federated(federation) => ClientAuthentication::Assertion(federation.source(audience)?),
    })
}
