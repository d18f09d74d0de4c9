//! Which subscriptions an account sees: Resource Manager is asked, one tenant after the other.

use token_core::authority::Cloud;
use token_core::{Account, Broker, Clock, Profile, Subscription, TokenRequest, Transport};

use super::arm::{self, ListedSubscription, Tenant};
use crate::report::Failure;
use crate::select::sees;

/// Everything that finding subscriptions takes.
pub(crate) struct Discovery<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) transport: &'a dyn Transport,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) cloud: &'a Cloud,
    pub(crate) account: &'a Account,
    pub(crate) capabilities: Vec<String>,
    /// A claims challenge that the sign-in answered, and every tenant's token has to.
    pub(crate) claims: Option<String>,
    /// Whether a tenant without subscriptions is kept, as an account of its own.
    pub(crate) allow_no_subscriptions: bool,
}

/// What was found, and what went wrong on the way.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) warnings: Vec<String>,
}

impl Discovery<'_> {
    /// All tenants of the account, or only one. A tenant that fails is told of and passed over.
    pub(crate) async fn run(&self, only: Option<&str>) -> Found {
        let mut found = Found::default();
        let tenants = match only {
            Some(tenant) => {
                vec![Tenant { tenant_id: tenant.to_owned(), display_name: None, default_domain: None }]
            }
            None => match self.tenants().await {
                Ok(tenants) => tenants,
                Err(failure) => {
                    found.warnings.push(format!(
                        "The tenants of {} could not be listed: {}",
                        self.account.name,
                        failure.one_line()
                    ));
                    Vec::new()
                }
            },
        };
        for tenant in &tenants {
            match self.subscriptions(tenant).await {
                Ok(seen) if seen.is_empty() && self.allow_no_subscriptions => {
                    found.subscriptions.push(self.tenant_level(tenant));
                }
                Ok(seen) => found.take(seen),
                Err(failure) => found.warnings.push(format!(
                    "Authentication failed against tenant {} '{}': {}",
                    tenant.tenant_id,
                    tenant.display_name.as_deref().unwrap_or_default(),
                    failure.one_line()
                )),
            }
        }
        if found.subscriptions.is_empty()
            && let Some(tenant_id) = only.map(str::to_owned).or_else(|| self.account.tenant.clone())
        {
            let known = tenants.into_iter().find(|tenant| tenant.tenant_id == tenant_id);
            let tenant = known.unwrap_or(Tenant { tenant_id, display_name: None, default_domain: None });
            found.subscriptions.push(self.tenant_level(&tenant));
        }
        found
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, Failure> {
        let token = self.token(self.account.tenant.as_deref()).await?;
        arm::list(self.transport, self.clock, &self.cloud.resource_manager, "tenants", &token).await
    }

    async fn subscriptions(&self, tenant: &Tenant) -> Result<Vec<Subscription>, Failure> {
        let token = self.token(Some(&tenant.tenant_id)).await?;
        let manager = &self.cloud.resource_manager;
        let seen: Vec<ListedSubscription> =
            arm::list(self.transport, self.clock, manager, "subscriptions", &token).await?;
        Ok(seen
            .into_iter()
            .map(|seen| Subscription {
                id: seen.subscription_id,
                name: seen.display_name,
                state: seen.state,
                home_tenant_id: seen.tenant_id,
                managed_by_tenants: Some(
                    seen.managed_by_tenants.into_iter().map(|by| by.tenant_id).collect(),
                ),
                ..self.tenant_level(tenant)
            })
            .collect())
    }

    /// A tenant as an account of its own, in Azure CLI's form.
    fn tenant_level(&self, tenant: &Tenant) -> Subscription {
        Subscription {
            id: tenant.tenant_id.clone(),
            name: "N/A(tenant level account)".to_owned(),
            state: "Enabled".to_owned(),
            tenant_id: tenant.tenant_id.clone(),
            home_tenant_id: None,
            tenant_default_domain: tenant.default_domain.clone(),
            tenant_display_name: tenant.display_name.clone(),
            managed_by_tenants: None,
            account: self.account.name.clone(),
            cloud: self.cloud.name.clone(),
        }
    }

    async fn token(&self, tenant: Option<&str>) -> Result<token_core::AccessToken, Failure> {
        let request = TokenRequest {
            tenant: tenant.map(str::to_owned),
            scopes: vec![self.cloud.default_scope()],
            capabilities: self.capabilities.clone(),
            claims: self.claims.clone(),
            ..TokenRequest::new(self.account)
        };
        self.broker.access_token(&request).await.map_err(|error| Failure::of(&error))
    }
}

impl Found {
    /// The first tenant that lists a subscription has it.
    fn take(&mut self, seen: Vec<Subscription>) {
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
                    crate::program::name()
                )),
            }
        }
    }
}

/// Puts what was found in the place of what the account saw before, in all tenants or in one.
pub(crate) fn keep(profile: &mut Profile, account: &Account, only: Option<&str>, found: &[Subscription]) {
    profile.subscriptions.retain(|known| {
        !sees(account, known)
            || (only.is_some_and(|tenant| known.tenant_id != tenant)
                && !found.iter().any(|new| new.id == known.id))
    });
    profile.subscriptions.extend(found.iter().cloned());
}

/// Which of the subscriptions that were found becomes active: the one that was before, else the first enabled one,
/// else the first.
pub(crate) fn pick<'a>(found: &'a [Subscription], before: Option<&str>) -> Option<&'a Subscription> {
    let active = before.and_then(|id| found.iter().find(|new| new.id == id));
    active.or_else(|| found.iter().find(|new| new.state == "Enabled")).or_else(|| found.first())
}
