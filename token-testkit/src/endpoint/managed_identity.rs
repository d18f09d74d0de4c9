//! Where a process gets a token of its host's: instance metadata, Azure Arc, App Service, Machine Learning, Cloud Shell.

use serde_json::{Value, json};

use crate::{
    ExpiryForm, Identity, IssuedToken, ManagedIdentitySettings, SeenRequest, World, answer::Answer, jwks,
    state::State,
};

/// Instance metadata and the agent of Azure Arc have one path, and tell themselves apart by the version of their API.
pub(super) fn metadata(state: &State, request: &SeenRequest) -> Answer {
    if request.header("metadata") != Some("true") {
        return refuse(400, "Required metadata header not specified");
    }
    if request.header("x-forwarded-for").is_some() {
        return refuse(400, "The request came through a proxy");
    }
    match request.query.get("api-version").map(String::as_str) {
        Some("2018-02-01") => give(state, request, ["client_id", "object_id", "msi_res_id"]),
        Some("2020-06-01") => arc(state, request),
        _ => refuse(400, "The version of the API is not supported"),
    }
}

fn arc(state: &State, request: &SeenRequest) -> Answer {
    let ManagedIdentitySettings { arc_key_file, arc_key, old_arc_agent, .. } =
        state.read().settings.managed_identity.clone();
    if request.header("authorization") != Some(&format!("Basic {arc_key}")) {
        let challenge = format!("Basic realm={arc_key_file}");
        return Answer::json(401, &json!({ "error": "unauthorized_client" }))
            .header("www-authenticate", challenge);
    }
    let names = ["client_id", "object_id", "msi_res_id"];
    if old_arc_agent { give(state, request, ["", "", ""]) } else { give(state, request, names) }
}

/// App Service, and by the older version of its API Azure Machine Learning.
pub(super) fn app_service(state: &State, request: &SeenRequest) -> Answer {
    let (header, names) = match request.query.get("api-version").map(String::as_str) {
        Some("2019-08-01") => ("x-identity-header", ["client_id", "principal_id", "mi_res_id"]),
        Some("2017-09-01") => ("secret", ["clientid", "", ""]),
        _ => return Answer::json(400, &json!({ "statusCode": 400, "message": "Unsupported version." })),
    };
    if request.header(header) != Some(World::IDENTITY_HEADER) {
        return Answer::json(401, &json!({ "statusCode": 401, "message": "The identity header is wrong." }));
    }
    give(state, request, names)
}

pub(super) fn cloud_shell(state: &State, request: &SeenRequest) -> Answer {
    if request.header("metadata") != Some("true") {
        return refuse(400, "Required metadata header not specified");
    }
    let identity = state.read().settings.world.identities[0].clone();
    match request.field("resource") {
        Some(resource) => token(state, request, resource, &identity),
        None => {
            Answer::json(400, &json!({ "error": { "code": "invalid_resource", "message": "No resource." } }))
        }
    }
}

/// A token for the identity that the parameters of these names say: client id, object id, resource id.
fn give(state: &State, request: &SeenRequest, names: [&str; 3]) -> Answer {
    let Some(resource) = request.query.get("resource") else {
        return refuse(400, "The resource is missing");
    };
    let identities = state.read().settings.world.identities.clone();
    let asked = |name: &str| request.query.get(name);
    let identity = if let Some(id) = asked(names[0]) {
        identities.iter().find(|identity| identity.client_id == *id)
    } else if let Some(id) = asked(names[1]) {
        identities.iter().find(|identity| identity.object_id == *id)
    } else if let Some(id) = asked(names[2]) {
        identities.iter().find(|identity| identity.resource_id == *id)
    } else {
        identities.first()
    };
    match identity {
        Some(identity) => token(state, request, resource, identity),
        None => refuse(400, "Identity not found"),
    }
}

fn token(state: &State, request: &SeenRequest, resource: &str, identity: &Identity) -> Answer {
    let (now, lifetime, form) = {
        let memory = state.read();
        (memory.now(), memory.settings.lifetime as i64, memory.settings.managed_identity.expiry)
    };
    let end = now + lifetime;
    let secret = state.keys.sign(&json!({
        "aud": resource,
        "iss": format!("{}/{}/", state.base, World::HOME_TENANT),
        "iat": now,
        "exp": end,
        "appid": identity.client_id,
        "oid": identity.object_id,
        "tid": World::HOME_TENANT,
        "jti": jwks::random_text(12),
    }));
    let mut body = json!({ "access_token": secret, "token_type": "Bearer", "resource": resource });
    for (name, value) in when(end, lifetime, form) {
        body[name] = value;
    }
    // What was asked for comes back, but for an agent that does not know it.
    if !state.read().settings.managed_identity.old_arc_agent {
        for name in ["client_id", "object_id", "msi_res_id"] {
            if let Some(value) = request.query.get(name) {
                body[name] = json!(value);
            }
        }
    }
    let issued = IssuedToken {
        account: identity.client_id.clone(),
        client_id: identity.client_id.clone(),
        tenant: Some(World::HOME_TENANT.into()),
        scopes: vec![format!("{resource}/.default")],
        expires_on: end,
        family: None,
    };
    state.change(|memory| memory.access_tokens.insert(secret, issued));
    Answer::json(200, &body)
}

fn when(end: i64, lifetime: i64, form: ExpiryForm) -> Vec<(&'static str, Value)> {
    let moment = chrono::DateTime::from_timestamp(end, 0).expect("the end of a token is in a calendar");
    let on = |value: Value| vec![("expires_on", value)];
    let written = |form: &str| on(json!(moment.format(form).to_string()));
    match form {
        ExpiryForm::Both => {
            vec![("expires_in", json!(lifetime.to_string())), ("expires_on", json!(end.to_string()))]
        }
        ExpiryForm::UnixText => on(json!(end.to_string())),
        ExpiryForm::UnixNumber => on(json!(end)),
        ExpiryForm::Iso8601 => written("%Y-%m-%dT%H:%M:%S+00:00"),
        ExpiryForm::MonthFirst => written("%m/%d/%Y %H:%M:%S +00:00"),
        ExpiryForm::HalfDays => written("%m/%d/%Y %-I:%M:%S %p +00:00"),
        ExpiryForm::SecondsText => vec![("expires_in", json!(lifetime.to_string()))],
    }
}

fn refuse(status: u16, text: &str) -> Answer {
    Answer::json(status, &json!({ "error": "invalid_request", "error_description": text }))
}
