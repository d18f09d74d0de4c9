//! What each endpoint answers when nothing is made to fail.

pub(crate) mod control;

mod arm;
mod authorization;
mod authorize;
mod build_server;
mod client_assertion;
mod device;
mod discovery;
mod managed_identity;
mod revocation;
mod token;
mod verification;

use std::sync::Arc;

use crate::{Authority, SeenRequest, answer::Answer, oauth_error::OAuthError, route::Endpoint, state::State};

pub(crate) fn answer(state: &Arc<State>, request: &SeenRequest) -> Answer {
    let wants = |method: &str| request.method == method;
    let (endpoint, authority) = (request.endpoint, request.endpoint.authority());
    match endpoint {
        Endpoint::Device(_) | Endpoint::Token(_) | Endpoint::Revocation if !wants("POST") => {
            Answer::empty(405).header("allow", "POST")
        }
        Endpoint::Authorize(authority) if wants("GET") || wants("POST") => {
            authorize::answer(state, request, authority)
        }
        Endpoint::Verification if wants("GET") || wants("POST") => verification::answer(state, request),
        Endpoint::Authorize(_) | Endpoint::Verification => Answer::empty(405).header("allow", "GET, POST"),
        Endpoint::Device(_) => granted(device::answer(state, request, authority), authority),
        Endpoint::Token(_) => granted(token::answer(state, request, authority), authority),
        Endpoint::Revocation => granted(revocation::answer(state, request), authority),
        Endpoint::PipelinesAssertion if !wants("POST") => Answer::empty(405).header("allow", "POST"),
        Endpoint::PipelinesAssertion => build_server::pipelines(state, request),
        Endpoint::CloudShell if !wants("POST") => Answer::empty(405).header("allow", "POST"),
        Endpoint::CloudShell => managed_identity::cloud_shell(state, request),
        _ if !wants("GET") => Answer::empty(405).header("allow", "GET"),
        Endpoint::OidcDiscovery => discovery::openid_connect(state),
        Endpoint::MicrosoftDiscovery => granted(discovery::microsoft(state, request), authority),
        Endpoint::Jwks => Answer::json(200, &state.keys.jwks()),
        Endpoint::GitHubAssertion => build_server::github(state, request),
        Endpoint::AppService => managed_identity::app_service(state, request),
        Endpoint::Metadata => managed_identity::metadata(state, request),
        Endpoint::ArmTenants => arm::tenants(state, request),
        Endpoint::ArmSubscriptions => arm::subscriptions(state, request),
        Endpoint::ArmSubscription => arm::subscription(state, request),
        Endpoint::Unknown => Answer::html(404, "<h1>There is nothing here</h1>"),
    }
}

fn granted(answer: Result<Answer, OAuthError>, authority: Authority) -> Answer {
    answer.unwrap_or_else(|error| error.answer(authority))
}
