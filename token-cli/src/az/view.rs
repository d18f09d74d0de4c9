//! Accounts and subscriptions as Azure CLI shows them.

use serde_json::{Map, Value, json};
use token_core::{Account, AccountKind, Subscription};

/// What the cloud's name is called: `cloudName` in lists, `environmentName` in `show`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CloudKey {
    InList,
    InShow,
}

/// A subscription with the account that sees it; an account alone where it has none.
pub(crate) fn subscription(
    account: &Account,
    subscription: Option<&Subscription>,
    is_default: bool,
    key: CloudKey,
) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    let cloud_key = match key {
        CloudKey::InList => "cloudName",
        CloudKey::InShow => "environmentName",
    };
    put("isDefault", json!(is_default));
    put("user", json!({ "name": account.name, "type": user_type(account.kind) }));
    match subscription {
        Some(seen) => {
            put(cloud_key, json!(seen.cloud));
            put("id", json!(seen.id));
            put("name", json!(seen.name));
            put("state", json!(seen.state));
            put("tenantId", json!(seen.tenant_id));
            let optional = [
                ("homeTenantId", &seen.home_tenant_id),
                ("tenantDefaultDomain", &seen.tenant_default_domain),
                ("tenantDisplayName", &seen.tenant_display_name),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    put(name, json!(value));
                }
            }
            if let Some(managed_by) = &seen.managed_by_tenants {
                let tenants: Vec<Value> =
                    managed_by.iter().map(|tenant| json!({ "tenantId": tenant })).collect();
                put("managedByTenants", json!(tenants));
            }
        }
        None => {
            put("name", json!(account.name));
            put("state", json!("Enabled"));
            if account.kind.is_microsoft() {
                put(cloud_key, json!(account.authority));
                put("tenantId", json!(account.tenant));
            } else {
                put("issuer", json!(account.authority));
                put("scopes", json!(account.scopes));
            }
        }
    }
    Value::Object(fields)
}

fn user_type(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::User => "user",
        AccountKind::ServicePrincipal => "servicePrincipal",
        AccountKind::Client => "client",
        _ => "subject",
    }
}

#[cfg(test)]
mod tests {
    use token_core::SignInId;

    use super::*;

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
        insta::assert_snapshot!(subscription(&account, Some(&seen), true, CloudKey::InShow).to_string(), @r#"{"environmentName":"AzureCloud","homeTenantId":"1111","id":"aaaa","isDefault":true,"managedByTenants":[],"name":"Fake Subscription One","state":"Enabled","tenantDefaultDomain":"contoso.onmicrosoft.com","tenantDisplayName":"Contoso","tenantId":"1111","user":{"name":"user@contoso.com","type":"user"}}"#);
        insta::assert_snapshot!(subscription(&account, None, false, CloudKey::InList).to_string(), @r#"{"cloudName":"AzureCloud","isDefault":false,"name":"user@contoso.com","state":"Enabled","tenantId":"1111","user":{"name":"user@contoso.com","type":"user"}}"#);
    }
}
