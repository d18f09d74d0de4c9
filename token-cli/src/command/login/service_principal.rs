//! Signing in an application at Microsoft, in its own name.

use token_core::grant::{self, Means};
use token_core::{
    AccountKind, Client, ClientAuthentication, Credential, Grant, RsaPadding, State, TokenRequest,
};

use super::microsoft::{account, scopes};
use super::way::Proof;
use super::{ANSWER, CONNECT, Signed, certificate, federated_token, refused};
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
    let answer = client_credentials(app, &credential, &request).await?;
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

/// Asks for the first token in the client's own name; a secret that is wrong is never stored.
pub(super) async fn client_credentials(
    app: &App,
    credential: &Credential,
    request: &TokenRequest,
) -> Result<grant::TokenAnswer, Failure> {
    let (transport, clock, surroundings) = (app.transport(), app.clock(), app.surroundings());
    let means = Means {
        transport: &*transport,
        surroundings: &surroundings,
        clock: &*clock,
        connect_timeout: CONNECT,
    };
    let failed = format!("could not sign in as {}", credential.account);
    let asking =
        grant::asking(credential, request).map_err(|error| Failure::new(&failed).caused_by(&error))?;
    grant::obtain(&means, credential, &asking, request, ANSWER)
        .await
        .map_err(|error| refused(&error, &failed))
}
