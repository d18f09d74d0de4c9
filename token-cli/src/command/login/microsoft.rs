//! Signing in at Microsoft, in any way, and what follows from it.

use token_core::authority::tenant_id;
use token_core::{Account, AccountKind, GrantError, GrantErrorKind, SignInId};

use super::federated_token::Federation;
use super::way::Way;
use super::{ANSWER, CONNECT, conclude, managed_identity, person, refused, selector, service_principal};
use crate::app::App;
use crate::args::{Login, given, given_all};
use crate::az;
use crate::az::subscriptions::{self, Discovery, Scope};
use crate::output;
use crate::program;
use crate::report::{self, Exit, Failure};

pub(super) fn run(app: &App, typed: &Login) -> Result<(), Failure> {
    let way = Way::of(typed)?;
    let broker = app.broker_to_sign_in()?;
    let asks = matches!(way, Way::Person(_)) && !typed.no_interactive && selector::can_ask(app);
    let signed_in = app.run(broker, async {
        let pod = Federation::of_pod(typed).tenant;
        let tenant = match given(&typed.tenant).or(pod.as_deref()) {
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
            Way::Person(_) => tenant,
            Way::ServicePrincipal { .. } | Way::ManagedIdentity(_) => signed.account.tenant.clone(),
        };
        let account = signed.keep(broker).await?;
        let discovery = Discovery {
            broker,
            transport: app.transport(),
            clock: app.clock(),
            cloud: &app.cloud,
            account: &account,
            capabilities: az::capabilities(app.config.handles_claims),
            claims: az::claims_challenge(given(&typed.claims_challenge))?,
            allow_no_subscriptions: typed.subscriptions.allow_no_subscriptions,
        };
        let scope = scope(typed, only.as_deref());
        if asks && program::is_az() && !typed.subscriptions.skip_subscription_discovery {
            selector::announce(&scope)?;
        }
        let found = discovery.run(scope).await?;
        for warning in &found.warnings {
            report::warning(warning);
        }
        broker
            .update_profile(|profile| subscriptions::keep(profile, &account, scope, &found))
            .await
            .map_err(|error| app.failure(error, None))?;
        let before = app.choice.load().ok().and_then(|choice| choice.active);
        let before = before.as_ref().and_then(|active| active.subscription_id());
        let active = subscriptions::pick(&found.subscriptions, wanted(typed), before).cloned();
        let mut shown = found.subscriptions;
        if let Some(wanted) = wanted(typed) {
            shown.retain(|seen| subscriptions::is(seen, wanted));
        }
        let conclusion = conclude(app, broker, typed, &account, active.as_ref(), &shown).await?;
        Ok::<_, Failure>((account, shown, active, conclusion))
    });
    let (account, matching, active, conclusion) = signed_in??;
    if let (Some(wanted), []) = (wanted(typed), &matching[..]) {
        let failure =
            Failure::new(format!("Subscription '{wanted}' not found. Check the ID or name and try again."));
        let program = program::name();
        return Err(failure
            .hint(format!("{} is signed in; '{program} account list' lists what there is", account.name))
            .exit(Exit::NotFound));
    }
    let (Some(active), true) = (&active, asks && matching.len() > 1) else {
        return conclusion.print();
    };
    let chosen = selector::ask(app, &matching, active)?;
    let concluded = conclude(app, broker, typed, &account, Some(chosen), &matching);
    let conclusion = app.run(broker, concluded)??;
    if program::is_az() {
        let tenant = chosen.tenant_display_name.as_deref().unwrap_or(&chosen.tenant_id);
        return output::text(&format!(
            "\nTenant: {tenant}\nSubscription: {} ({})\n\n",
            chosen.name, chosen.id
        ));
    }
    output::text("\n")?;
    conclusion.print()
}

/// The subscription that was asked for.
fn wanted(typed: &Login) -> Option<&str> {
    given(&typed.subscriptions.subscription)
}

/// What is looked for.
fn scope<'a>(typed: &'a Login, tenant: Option<&'a str>) -> Scope<'a> {
    match (tenant, wanted(typed)) {
        (None, _) => Scope::EveryTenant,
        (Some(tenant), _) if !typed.subscriptions.skip_subscription_discovery => Scope::Tenant(tenant),
        (Some(tenant), Some(id)) => Scope::Subscription { tenant, id },
        (Some(tenant), None) => Scope::TenantAlone(tenant),
    }
}

/// The id of a tenant that may be named by its domain.
async fn resolve(app: &App, name: &str) -> Result<String, Failure> {
    let (transport, clock) = (app.transport(), app.clock());
    tenant_id(&*transport, &app.cloud.authority_host, name, &*clock, CONNECT, ANSWER).await.map_err(|error| {
        let message = format!("Failed to resolve tenant '{name}'.");
        if program::is_az() { in_az_words(&error, message) } else { refused(&error, &message) }
    })
}

/// As Azure CLI tells of it, which names the tenant first.
fn in_az_words(error: &GrantError, message: String) -> Failure {
    let detail = match &error.kind {
        GrantErrorKind::Refused(refusal) => refusal.to_string(),
        _ => Failure::of(error).one_line(),
    };
    Failure::new(message).because("").because(format!("Error detail: {detail}"))
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
