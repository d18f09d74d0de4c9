//! Accounts and subscriptions as Azure CLI shows them.

use token_core::{Account, AccountKind, Subscription};

use crate::value::Value;

/// What the cloud's name is called: `cloudName` in lists, `environmentName` in `show`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CloudKey {
    InList,
    InShow,
}

/// The columns of Azure CLI's table of subscriptions, and the fields that are in them.
pub(crate) const COLUMNS: &[(&str, &str)] = &[
    ("Name", "name"),
    ("CloudName", "cloudName"),
    ("SubscriptionId", "id"),
    ("TenantId", "tenantId"),
    ("State", "state"),
    ("IsDefault", "isDefault"),
];

/// A subscription with the account that sees it; an account alone where it has none. The fields stand in the order
/// of Azure CLI, which queries show.
pub(crate) fn subscription(
    account: &Account,
    subscription: Option<&Subscription>,
    is_default: bool,
    key: CloudKey,
) -> Value {
    let user = user(account);
    let Some(seen) = subscription else {
        let mut fields = vec![
            ("name", (&account.name).into()),
            ("state", "Enabled".into()),
            ("user", user),
            ("isDefault", is_default.into()),
        ];
        if account.kind.is_microsoft() {
            fields.push(("tenantId", account.tenant.as_ref().into()));
            fields.push(("environmentName", (&account.authority).into()));
        } else {
            let scopes: Vec<Value> = account.scopes.iter().map(Value::from).collect();
            fields.push(("issuer", (&account.authority).into()));
            fields.push(("scopes", scopes.into()));
        }
        return named(key, fields);
    };
    let mut fields = vec![
        ("id", (&seen.id).into()),
        ("name", (&seen.name).into()),
        ("state", (&seen.state).into()),
        ("user", user),
        ("isDefault", is_default.into()),
        ("tenantId", (&seen.tenant_id).into()),
        ("environmentName", (&seen.cloud).into()),
    ];
    let optional = [
        ("homeTenantId", &seen.home_tenant_id),
        ("tenantDefaultDomain", &seen.tenant_default_domain),
        ("tenantDisplayName", &seen.tenant_display_name),
    ];
    fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?.into()))));
    if let Some(managed_by) = &seen.managed_by_tenants {
        let tenants: Vec<Value> =
            managed_by.iter().map(|tenant| Value::object([("tenantId", tenant.into())])).collect();
        fields.push(("managedByTenants", tenants.into()));
    }
    named(key, fields)
}

/// With the cloud's name under its key. Renamed, the field goes to the end, as in Azure CLI.
fn named(key: CloudKey, mut fields: Vec<(&str, Value)>) -> Value {
    if let (CloudKey::InList, Some(index)) =
        (key, fields.iter().position(|(name, _)| *name == "environmentName"))
    {
        let (_, cloud) = fields.remove(index);
        fields.push(("cloudName", cloud));
    }
    Value::object(fields)
}

/// A managed identity is a service principal whose name is what kind of identity it is.
fn user(account: &Account) -> Value {
    let assigned = match account.kind {
        AccountKind::SystemAssignedIdentity => Some(("systemAssignedIdentity", "MSI")),
        AccountKind::UserAssignedIdentity => Some(("userAssignedIdentity", account.name.as_str())),
        _ => None,
    };
    let mut fields = match assigned {
        Some((name, identity)) => vec![("name", name.into()), ("assignedIdentityInfo", identity.into())],
        None => vec![("name", (&account.name).into())],
    };
    fields.push(("type", user_type(account.kind).into()));
    Value::object(fields)
}

fn user_type(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "user",
        AccountKind::ServicePrincipal
        | AccountKind::SystemAssignedIdentity
        | AccountKind::UserAssignedIdentity => "servicePrincipal",
        AccountKind::Client => "client",
        _ => "subject",
    }
}

#[cfg(test)]
mod tests {
    use token_core::SignInId;

    use super::*;
    use crate::value::json;

    #[test]
    fn a_subscription_is_shown_as_az_shows_it() {
        let account = Account {
            name: "user@contoso.com".to_owned(),
            kind: AccountKind::User,
            sign_in: SignInId::random(),
            authority: "AzureCloud".to_owned(),
            tenant: Some("1111".to_owned()),
            scopes: Vec::new(),
            signed_in_from: String::new(),
            signed_in_at: 0,
        };
        let seen = Subscription {
            id: "aaaa".to_owned(),
            name: "Fake Subscription One".to_owned(),
            state: "Enabled".to_owned(),
            tenant_id: "1111".to_owned(),
            home_tenant_id: Some("1111".to_owned()),
            tenant_default_domain: Some("contoso.onmicrosoft.com".to_owned()),
            tenant_display_name: Some("Contoso".to_owned()),
            managed_by_tenants: Some(Vec::new()),
            account: account.name.clone(),
            cloud: "AzureCloud".to_owned(),
        };
        let shown = |seen, key| json::compact(&subscription(&account, seen, true, key));
        insta::assert_snapshot!(shown(Some(&seen), CloudKey::InShow), @r#"{"id":"aaaa","name":"Fake Subscription One","state":"Enabled","user":{"name":"user@contoso.com","type":"user"},"isDefault":true,"tenantId":"1111","environmentName":"AzureCloud","homeTenantId":"1111","tenantDefaultDomain":"contoso.onmicrosoft.com","tenantDisplayName":"Contoso","managedByTenants":[]}"#);
        insta::assert_snapshot!(shown(None, CloudKey::InList), @r#"{"name":"user@contoso.com","state":"Enabled","user":{"name":"user@contoso.com","type":"user"},"isDefault":true,"tenantId":"1111","cloudName":"AzureCloud"}"#);
    }
}
