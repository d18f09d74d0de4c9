//! Where a job of a build server gets its assertion: as at GitHub Actions and Azure Pipelines.

use serde_json::json;

use crate::{SeenRequest, World, answer::Answer, state::State};

pub(super) fn github(state: &State, request: &SeenRequest) -> Answer {
    if !is_job(request) {
        return Answer::json(401, &json!({ "message": "The job may not have an id token." }));
    }
    if request.header("accept").is_none_or(|accept| !accept.contains("api-version=2.0")) {
        return Answer::json(400, &json!({ "message": "The version of the API is missing." }));
    }
    let Some(audience) = request.query.get("audience") else {
        return Answer::json(400, &json!({ "message": "The audience is missing." }));
    };
    let assertion = given(state, "github", World::GITHUB_SUBJECT, audience);
    Answer::json(200, &json!({ "count": assertion.len(), "value": assertion }))
}

pub(super) fn pipelines(state: &State, request: &SeenRequest) -> Answer {
    if !is_job(request) {
        // Without that header it is a page that asks a person to sign in.
        return match request.header("x-tfs-fedauthredirect") {
            Some("Suppress") => Answer::json(401, &json!({ "message": "The job may not have an id token." })),
            _ => Answer::empty(302).header("location", "https://spsprodeus24.vssps.visualstudio.com/_signin"),
        };
    }
    if request.query.get("api-version").map(String::as_str) != Some("7.1")
        || request.header("content-type") != Some("application/json")
    {
        return Answer::json(400, &json!({ "message": "The request is not in form." }));
    }
    match request.query.get("serviceConnectionId").map(String::as_str) {
        Some(World::CONNECTION) => {
            let assertion = given(state, "pipelines", World::PIPELINES_SUBJECT, World::AUDIENCE);
            Answer::json(200, &json!({ "oidcToken": assertion }))
        }
        _ => Answer::json(404, &json!({ "message": "There is no such service connection." })),
    }
}

fn is_job(request: &SeenRequest) -> bool {
    request
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token == World::JOB_TOKEN)
}

fn given(state: &State, provider: &str, subject: &str, audience: &str) -> String {
    let lifetime = state.read().settings.assertion_lifetime;
    state.assertion(provider, subject, audience, i64::try_from(lifetime).unwrap_or(i64::MAX))
}
