//! Signing in at Microsoft, in any way, and what follows from it.

use token_core::authority::tenant_id;
use token_core::{Account, AccountKind, SignInId};

use super::way::Way;
use super::{ANSWER, CONNECT, conclude, managed_identity, person, refused, service_principal};
use crate::app::App;
use crate::args::{Login, given, given_all};
use crate::az;
use crate::az::subscriptions::{self, Discovery};
use crate::report::{self, Failure};

pub(super) fn run(app: &App, typed: &Login) -> Result<(), Failure> {
    let way = Way::of(typed)?;
    let broker = app.broker_to_sign_in()?;
    let conclusion = app.run(broker, async {
        let tenant = match given(&typed.tenant) {
            Some(name) => Some(resolve(app, name).await?),
            None => None,
        };
        let signed = match &way {
            Way::Person(page) => person::sign_in(app, typed, *page, tenant.as_deref()).await?,
            Way::ServicePrincipal { id, proof } => {
                let tenant = tenant.clone().unwrap_or_default();
                service_principal::sign_in(app, typed, id, proof, tenant).await?
            }
            Way::ManagedIdentity(selector) => managed_identity::sign_in(app, typed, selector).await?,
        };
        // What is no person sees its own tenant only; a person who named a tenant wants that one.
        let only = match way {
            Way::Person(_) => tenant.as_deref(),
            Way::ServicePrincipal { .. } | Way::ManagedIdentity(_) => signed.account.tenant.as_deref(),
        }
        .map(str::to_owned);
        let account = signed.keep(broker).await?;
        let (transport, clock) = (app.transport(), app.clock());
        let discovery = Discovery {
            broker,
            transport: &*transport,
            clock: &*clock,
            cloud: &app.cloud,
            account: &account,
            capabilities: az::capabilities(app.config.handles_claims),
            claims: az::claims_challenge(given(&typed.claims_challenge))?,
            allow_no_subscriptions: typed.subscriptions.allow_no_subscriptions,
        };
        let found = discovery.run(only.as_deref()).await;
        for warning in &found.warnings {
            report::warning(warning);
        }
        broker
            .update_profile(|profile| {
                subscriptions::keep(profile, &account, only.as_deref(), &found.subscriptions)
            })
            .await
            .map_err(|error| app.failure(error, None))?;
        let before = app.choice.load().ok().and_then(|choice| choice.active);
        let before = before.filter(|active| active.is_account(&account));
        let active = subscriptions::pick(
            &found.subscriptions,
            before.as_ref().and_then(|active| active.subscription_id()),
        );
        conclude(app, broker, typed, &account, active).await
    })??;
    conclusion.print()
}

/// The id of a tenant that may be named by its domain.
async fn resolve(app: &App, name: &str) -> Result<String, Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    tenant_id(&*transport, &app.cloud.authority_host, name, &*clock, CONNECT, ANSWER)
        .await
        .map_err(|error| refused(&error, &format!("Failed to resolve tenant '{name}'.")))
}

/// A new sign-in of an account in the active cloud.
pub(super) fn account(app: &App, name: &str, kind: AccountKind, tenant: &str) -> Result<Account, Failure> {
    Ok(Account {
        name: name.to_owned(),
        kind,
        sign_in: SignInId::random(),
        authority: app.cloud.name.clone(),
        tenant: Some(tenant.to_owned()),
        scopes: Vec::new(),
        signed_in_from: app.state_id()?,
        signed_in_at: app.clock().posix(),
    })
}

/// What the first token is for.
pub(super) fn scopes(app: &App, typed: &Login) -> Vec<String> {
    let scopes = given_all(&typed.scope);
    if scopes.is_empty() { vec![app.cloud.default_scope()] } else { scopes }
}
