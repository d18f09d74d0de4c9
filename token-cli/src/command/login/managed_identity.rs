//! Signing in as what the host we run on is.

use std::time::Duration;

use token_core::{
    AccountKind, Client, ClientAuthentication, Credential, Endpoints, Grant, HostIdentities, IdClaims,
    ManagedIdentity, State, TokenRequest,
};

use super::Signed;
use super::first_token::first_token;
use super::microsoft::{account, scopes};
use crate::app::App;
use crate::args::Login;
use crate::az;
use crate::report::Failure;

/// How long a host is asked for its first token: its metadata may be being upgraded, which takes 70 seconds at most,
/// and a machine that is starting waits for that.
const ANSWER: Duration = Duration::from_secs(80);

/// Asks the host for a token in its own name.
pub(super) async fn sign_in(app: &App, typed: &Login, identity: &ManagedIdentity) -> Result<Signed, Failure> {
    may_be_kept(app, identity)?;
    let (kind, name) = named(identity);
    // Its tenant is in its first token.
    let mut account = account(app, &name, kind, "")?;
    let scopes = scopes(app, typed);
    let mut credential = Credential {
        sign_in: account.sign_in.clone(),
        account: name,
        endpoints: Endpoints::Host { tenant: None },
        client: Client { id: String::new(), authentication: ClientAuthentication::None },
        scopes: scopes.clone(),
        state: State::Idle(Grant::ManagedIdentity(identity.clone())),
        last_refresh: None,
    };
    // A host is told of no capabilities; they name the entry, as in every later request.
    let capabilities = az::capabilities(app.config.handles_claims);
    let request = TokenRequest { scopes, capabilities, ..TokenRequest::new(&account) };
    let answer = first_token(app, &credential, &request, ANSWER).await?;
    // As Azure CLI does: nothing else says who the host is.
    let claims = IdClaims::read(&answer.access_token.secret).unwrap_or_default();
    let tenant = claims.tid.ok_or_else(|| Failure::new("the token of this host does not say its tenant"))?;
    account.tenant = Some(tenant.clone());
    credential.client.id = claims.appid.unwrap_or_default();
    credential.endpoints = Endpoints::Host { tenant: Some(tenant.clone()) };
    Ok(Signed { account, credential, request: TokenRequest { tenant: Some(tenant), ..request }, answer })
}

/// What a host is goes to nobody else, unless somebody has said so: whoever shares the cache could be it.
fn may_be_kept(app: &App, identity: &ManagedIdentity) -> Result<(), Failure> {
    let admitted = app.host_identities(app.backend()?);
    if admitted.admit(identity) {
        return Ok(());
    }
    let kept_here = "TOKEN_CACHE=file: keeps its tokens on this host";
    Err(match admitted {
        HostIdentities::Assigned => Failure::new("the own identity of a host cannot be shared with others")
            .because("another host that refreshes its token would get one of another identity")
            .hint(kept_here)
            .hint("--client-id names an identity that several hosts were given"),
        _ => Failure::new("a managed identity belongs to this host, and the cache is shared with others")
            .because(format!("the cache is {}", app.config.cache.value))
            .hint(kept_here)
            .hint(format!(
                "share_managed_identities = true in {} lets them go to the shared cache",
                app.config.file.display()
            )),
    })
}

/// What an account of that identity is called: what Azure CLI calls its assigned identity, which tells several apart.
fn named(identity: &ManagedIdentity) -> (AccountKind, String) {
    match identity {
        ManagedIdentity::SystemAssigned => {
            (AccountKind::SystemAssignedIdentity, "systemAssignedIdentity".to_owned())
        }
        ManagedIdentity::ClientId(id) => (AccountKind::UserAssignedIdentity, format!("MSIClient-{id}")),
        ManagedIdentity::ObjectId(id) => (AccountKind::UserAssignedIdentity, format!("MSIObject-{id}")),
        ManagedIdentity::ResourceId(id) => (AccountKind::UserAssignedIdentity, format!("MSIResource-{id}")),
    }
}
