//! Azure Resource Manager, as far as a sign-in asks it: tenants and subscriptions.

use serde_json::{Value, json};

use crate::{IssuedToken, SeenRequest, Subscription, answer::Answer, state::State};

pub(super) fn tenants(state: &State, request: &SeenRequest) -> Answer {
    if let Err(refused) = bearer(state, request) {
        return refused;
    }
    let tenants: Vec<Value> = state
        .read()
        .settings
        .world
        .tenants
        .iter()
        .map(|tenant| {
            json!({
                "id": format!("/tenants/{}", tenant.id),
                "tenantId": tenant.id,
                "countryCode": "DE",
                "displayName": tenant.display_name,
                "domains": [tenant.domain],
                "tenantCategory": "Home",
                "defaultDomain": tenant.domain,
                "tenantType": "AAD",
            })
        })
        .collect();
    page(state, request, tenants)
}

pub(super) fn subscriptions(state: &State, request: &SeenRequest) -> Answer {
    let token = match bearer(state, request) {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    let subscriptions: Vec<Value> = state
        .read()
        .settings
        .world
        .subscriptions
        .iter()
        .filter(|subscription| Some(&subscription.tenant) == token.tenant.as_ref())
        .map(shown)
        .collect();
    page(state, request, subscriptions)
}

pub(super) fn subscription(state: &State, request: &SeenRequest) -> Answer {
    let token = match bearer(state, request) {
        Ok(token) => token,
        Err(refused) => return refused,
    };
    let wanted = request.subscription.as_deref().unwrap_or_default();
    let found = state
        .read()
        .settings
        .world
        .subscriptions
        .iter()
        .find(|subscription| {
            subscription.id.eq_ignore_ascii_case(wanted)
                && Some(&subscription.tenant) == token.tenant.as_ref()
        })
        .map(shown);
    match found {
        Some(subscription) => Answer::json(200, &subscription),
        None => {
            error(404, "SubscriptionNotFound", &format!("The subscription '{wanted}' could not be found."))
        }
    }
}

fn shown(subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.display_name,
        "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

/// The token presented, if it is one to answer.
fn bearer(state: &State, request: &SeenRequest) -> Result<IssuedToken, Answer> {
    let refused = |code: &str, text: &str| {
        let challenge =
            format!("Bearer authorization_uri=\"{}/organizations\", error=\"invalid_token\"", state.base);
        Err(error(401, code, text).header("www-authenticate", challenge))
    };
    let presented = request.header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let Some(presented) = presented else {
        return refused(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        );
    };
    let memory = state.read();
    let Some(token) = memory.access_tokens.get(presented) else {
        return refused("InvalidAuthenticationToken", "The access token is invalid.");
    };
    if token.expires_on <= memory.now() {
        return refused("ExpiredAuthenticationToken", "The access token expiry is in the past.");
    }
    if token.family.is_some_and(|family| !memory.families.is_alive(family)) {
        return refused("InvalidAuthenticationToken", "The sign-in of the access token has ended.");
    }
    if request.query.get("api-version").map(String::as_str) != Some("2022-12-01") {
        return Err(error(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    Ok(token.clone())
}

/// A page of a list, with the address of the next one.
fn page(state: &State, request: &SeenRequest, all: Vec<Value>) -> Answer {
    let size = state.read().settings.page_size.unwrap_or(all.len()).max(1);
    let skip = request.query.get("$skiptoken").and_then(|skip| skip.parse::<usize>().ok()).unwrap_or(0);
    let next = skip + size;
    let mut body = json!({ "value": all.iter().skip(skip).take(size).collect::<Vec<_>>() });
    if next < all.len() {
        body["nextLink"] =
            json!(format!("{}{}?api-version=2022-12-01&%24skiptoken={next}", state.base, request.path));
    }
    Answer::json(200, &body)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": message } }))
}
