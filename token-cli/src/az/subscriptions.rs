//! Which subscriptions an account sees: Resource Manager is asked, tenant by tenant.
//!
//! An account has one refresh token, so the tokens of the tenants are got one after the other, through the broker.
//! What they are for, reading, is done side by side.

use std::sync::Arc;

use token_core::authority::Cloud;
use token_core::{AccessToken, Account, Broker, Clock, Profile, Subscription, TokenRequest, Transport};
use tokio::task::JoinSet;

use super::arm::{self, ListedSubscription, Tenant};
use super::refusal;
use crate::program;
use crate::report::{Exit, Failure};
use crate::select::sees;

/// How many tenants are read at once.
const AT_ONCE: usize = 8;

/// Everything that finding subscriptions takes.
pub(crate) struct Discovery<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cloud: &'a Cloud,
    pub(crate) account: &'a Account,
    pub(crate) capabilities: Vec<String>,
    /// A claims challenge that the sign-in answered, and every tenant's token has to.
    pub(crate) claims: Option<String>,
    /// Whether a tenant without subscriptions is kept, as an account of its own.
    pub(crate) allow_no_subscriptions: bool,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope<'a> {
    /// What is seen in all tenants of the account.
    EveryTenant,
    /// What is seen in one.
    Tenant(&'a str),
    /// One subscription, by its id.
    Subscription { tenant: &'a str, id: &'a str },
    /// The tenant alone.
    TenantAlone(&'a str),
}

impl<'a> Scope<'a> {
    /// The only tenant that is looked at, if it is one.
    pub(crate) fn tenant(self) -> Option<&'a str> {
        match self {
            Self::EveryTenant => None,
            Self::Tenant(tenant) | Self::Subscription { tenant, .. } | Self::TenantAlone(tenant) => {
                Some(tenant)
            }
        }
    }
}

/// What was found, and what went wrong on the way.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) warnings: Vec<String>,
    /// The tenants that answered.
    tenants: Vec<String>,
    /// Whether one did not.
    has_failed: bool,
}

impl Discovery<'_> {
    /// Looks for subscriptions. A tenant that fails is told of and passed over.
    pub(crate) async fn run(&self, scope: Scope<'_>) -> Result<Found, Failure> {
        let mut found = match scope {
            Scope::EveryTenant => self.every_tenant().await,
            Scope::Tenant(tenant) => self.read(vec![unnamed(tenant)]).await,
            Scope::Subscription { tenant, id } => self.one(tenant, id).await?,
            Scope::TenantAlone(tenant) => Found { tenants: vec![tenant.to_owned()], ..Found::default() },
        };
        let alone = matches!(scope, Scope::TenantAlone(_));
        if self.allow_no_subscriptions || alone {
            for tenant in std::mem::take(&mut found.tenants) {
                if found.subscriptions.iter().all(|seen| seen.tenant_id != tenant) {
                    found.subscriptions.push(self.tenant_level(&unnamed(&tenant)));
                }
            }
        }
        if !found.subscriptions.is_empty() {
            return Ok(found);
        }
        match scope {
            Scope::Subscription { id, .. } => Err(Failure::new(format!(
                "The subscription '{id}' could not be retrieved for '{}'. Ensure the subscription exists and that you \
                 have access to it.",
                self.account.name
            ))
            .exit(Exit::NotFound)),
            _ if program::is_az() => {
                Err(Failure::new(format!("No subscriptions found for {}.", self.account.name)))
            }
            // Many tokens need no subscription, and the sign-in is good for them.
            _ => {
                let home = scope.tenant().or(self.account.tenant.as_deref());
                found.subscriptions.extend(home.map(|tenant| self.tenant_level(&unnamed(tenant))));
                Ok(found)
            }
        }
    }

    async fn every_tenant(&self) -> Found {
        match self.tenants().await {
            Ok(tenants) => self.read(tenants).await,
            Err(failure) => Found {
                has_failed: true,
                warnings: vec![format!(
                    "The tenants of {} could not be listed: {}",
                    self.account.name,
                    failure.one_line()
                )],
                ..Found::default()
            },
        }
    }

    /// Reads what is seen in each of these tenants.
    async fn read(&self, tenants: Vec<Tenant>) -> Found {
        let (mut found, mut empty, mut failed) = (Found::default(), Vec::new(), Vec::new());
        let several = tenants.len() > 1;
        for some in tenants.chunks(AT_ONCE) {
            let mut tokens = Vec::new();
            for tenant in some {
                tokens.push(self.token(Some(&tenant.tenant_id)).await);
            }
            for (tenant, seen) in some.iter().zip(self.side_by_side(tokens).await) {
                match seen {
                    Ok(seen) => {
                        if seen.is_empty() {
                            empty.push(named(tenant));
                        }
                        found.tenants.push(tenant.tenant_id.clone());
                        found.take(seen.into_iter().map(|seen| self.subscription(seen, tenant)));
                    }
                    Err(failure) => {
                        let name = named(tenant);
                        found.warnings.push(format!(
                            "Authentication failed against tenant {name}: {}",
                            failure.one_line()
                        ));
                        failed.push(name);
                        found.has_failed = true;
                    }
                }
            }
        }
        let program = program::name();
        let lists = [
            (
                format!(
                    "The following tenants don't contain accessible subscriptions. Use `{program} login \
                     --allow-no-subscriptions` to have tenant level access."
                ),
                if several && !self.allow_no_subscriptions { empty } else { Vec::new() },
            ),
            (
                format!(
                    "If you need to access subscriptions in the following tenants, please use `{program} login \
                     --tenant TENANT_ID`."
                ),
                if several { failed } else { Vec::new() },
            ),
        ];
        for (text, tenants) in lists.into_iter().filter(|(_, tenants)| !tenants.is_empty()) {
            found.warnings.push(text);
            found.warnings.extend(tenants);
        }
        found
    }

    /// The lists that these tokens see, in the same order.
    async fn side_by_side(
        &self,
        tokens: Vec<Result<AccessToken, Failure>>,
    ) -> Vec<Result<Vec<ListedSubscription>, Failure>> {
        let mut reads = JoinSet::new();
        let mut lists = Vec::new();
        for (at, token) in tokens.into_iter().enumerate() {
            lists.push(Err(Failure::new("it was not read")));
            match token {
                Err(failure) => lists[at] = Err(failure),
                Ok(token) => {
                    let (transport, clock) = (self.transport.clone(), self.clock.clone());
                    let manager = self.cloud.resource_manager.clone();
                    reads.spawn(async move {
                        (at, arm::list(&*transport, &*clock, &manager, "subscriptions", &token).await)
                    });
                }
            }
        }
        while let Some(read) = reads.join_next().await {
            if let Ok((at, list)) = read {
                lists[at] = list;
            }
        }
        lists
    }

    async fn one(&self, tenant: &str, id: &str) -> Result<Found, Failure> {
        let token = self.token(Some(tenant)).await?;
        let manager = &self.cloud.resource_manager;
        let mut found = Found { tenants: vec![tenant.to_owned()], ..Found::default() };
        match arm::subscription(&*self.transport, &*self.clock, manager, id, &token).await {
            Ok(seen) => found.subscriptions.push(self.subscription(seen, &unnamed(tenant))),
            Err(failure) => {
                found.warnings.push(format!("Failed to retrieve subscription {id}: {}", failure.one_line()));
            }
        }
        Ok(found)
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, Failure> {
        let token = self.token(self.account.tenant.as_deref()).await?;
        arm::list(&*self.transport, &*self.clock, &self.cloud.resource_manager, "tenants", &token).await
    }

    fn subscription(&self, seen: ListedSubscription, tenant: &Tenant) -> Subscription {
        Subscription {
            id: seen.subscription_id,
            name: seen.display_name,
            state: seen.state,
            home_tenant_id: seen.tenant_id,
            managed_by_tenants: Some(seen.managed_by_tenants.into_iter().map(|by| by.tenant_id).collect()),
            tenant_default_domain: tenant.default_domain.clone(),
            tenant_display_name: tenant.display_name.clone(),
            ..self.tenant_level(tenant)
        }
    }

    /// A tenant as an account of its own, in Azure CLI's form.
    fn tenant_level(&self, tenant: &Tenant) -> Subscription {
        Subscription {
            id: tenant.tenant_id.clone(),
            name: "N/A(tenant level account)".to_owned(),
            state: "Enabled".to_owned(),
            tenant_id: tenant.tenant_id.clone(),
            home_tenant_id: None,
            tenant_default_domain: None,
            tenant_display_name: None,
            managed_by_tenants: None,
            account: self.account.name.clone(),
            cloud: self.cloud.name.clone(),
        }
    }

    async fn token(&self, tenant: Option<&str>) -> Result<AccessToken, Failure> {
        let request = TokenRequest {
            tenant: tenant.map(str::to_owned),
            scopes: vec![self.cloud.default_scope()],
            capabilities: self.capabilities.clone(),
            claims: self.claims.clone(),
            ..TokenRequest::new(self.account)
        };
        self.broker.access_token(&request).await.map_err(|error| match refusal::of(&error) {
            Some(refusal) => Failure::new(refusal.to_string()),
            None => Failure::of(&error),
        })
    }
}

impl Found {
    /// Whether everybody answered who was asked.
    pub(crate) fn is_whole(&self) -> bool {
        !self.has_failed
    }

    /// The first tenant that lists a subscription has it.
    fn take(&mut self, seen: impl Iterator<Item = Subscription>) {
        for subscription in seen {
            match self.subscriptions.iter().find(|known| known.id == subscription.id) {
                None => self.subscriptions.push(subscription),
                Some(known) => self.warnings.push(format!(
                    "Subscription {} '{}' can be accessed from tenants {}(default) and {}. To select a specific tenant \
                     when accessing this subscription, use '{} login --tenant TENANT_ID'.",
                    known.id,
                    known.name,
                    known.tenant_id,
                    subscription.tenant_id,
                    program::name()
                )),
            }
        }
    }
}

/// Puts what was found in the place of what the account saw before where it was looked for, and leaves the rest.
pub(crate) fn keep(profile: &mut Profile, account: &Account, scope: Scope<'_>, found: &Found) {
    let looked_at = |known: &Subscription| match scope {
        // A tenant that failed takes nothing away.
        Scope::EveryTenant => found.is_whole(),
        Scope::Tenant(tenant) => known.tenant_id == tenant,
        Scope::Subscription { .. } | Scope::TenantAlone(_) => false,
    };
    let is_new = |known: &Subscription| found.subscriptions.iter().any(|new| new.id == known.id);
    profile.subscriptions.retain(|known| !sees(account, known) || !looked_at(known) || is_new(known));
    for new in &found.subscriptions {
        match profile.subscriptions.iter_mut().find(|known| sees(account, known) && known.id == new.id) {
            Some(known) => known.clone_from(new),
            None => profile.subscriptions.push(new.clone()),
        }
    }
}

/// Which of the subscriptions that were found becomes active: the one that was asked for, else the one that was before,
/// else the first enabled one, else the first.
pub(crate) fn pick<'a>(
    found: &'a [Subscription],
    wanted: Option<&str>,
    before: Option<&str>,
) -> Option<&'a Subscription> {
    let wanted = wanted.and_then(|wanted| found.iter().find(|seen| is(seen, wanted)));
    wanted
        .or_else(|| before.and_then(|id| found.iter().find(|new| new.id == id)))
        .or_else(|| found.iter().find(|new| new.state == "Enabled"))
        .or_else(|| found.first())
}

/// Whether a subscription has this id or name.
pub(crate) fn is(seen: &Subscription, wanted: &str) -> bool {
    seen.id.eq_ignore_ascii_case(wanted) || seen.name.to_lowercase() == wanted.to_lowercase()
}

fn unnamed(tenant: &str) -> Tenant {
    Tenant { tenant_id: tenant.to_owned(), display_name: None, default_domain: None }
}

/// A tenant's id with its name, as Azure CLI writes it.
fn named(tenant: &Tenant) -> String {
    match &tenant.display_name {
        Some(name) => format!("{} '{name}'", tenant.tenant_id),
        None => tenant.tenant_id.clone(),
    }
}
