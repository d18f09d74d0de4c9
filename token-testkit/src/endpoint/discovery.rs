//! Discovery documents: OpenID Connect Discovery, RFC 8414, and Microsoft's.

use serde_json::json;

use super::authorization;
use crate::{OAuthError, SeenRequest, answer::Answer, state::State};

pub(super) fn openid_connect(state: &State) -> Answer {
    let issuer = state.oidc_issuer();
    let settings = state.read().settings.clone();
    let mut document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth/token"),
        "device_authorization_endpoint": format!("{issuer}/oauth/device"),
        "jwks_uri": format!("{issuer}/oauth/jwks"),
        "response_types_supported": ["code"],
        "response_modes_supported": settings.response_modes,
        "code_challenge_methods_supported": settings.code_challenge_methods,
        "authorization_response_iss_parameter_supported": settings.authorization_iss,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", "offline_access", "api:read", "api:write"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "RS256", "ES256", "ES384"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        // What no client has heard of, it must leave alone (RFC 8414 section 3.2).
        "frontchannel_flux_supported": true,
        "x_regional_endpoints": { "north": { "token_endpoint": "https://north.example/token", "weight": 0.5 } },
        "x_maintenance": null,
    });
    if settings.authorization {
        document["authorization_endpoint"] = json!(format!("{issuer}/oauth/authorize"));
    }
    if settings.revocation {
        document["revocation_endpoint"] = json!(format!("{issuer}/oauth/revoke"));
    }
    Answer::json(200, &document)
}

pub(super) fn microsoft(state: &State, request: &SeenRequest) -> Result<Answer, OAuthError> {
    let tenant = authorization::tenant(request, &state.read().settings.world)?;
    let base = &state.base;
    let segment = request.tenant.as_deref().unwrap_or_default();
    // The document of `organizations` and `common` is a template, as Microsoft's is.
    let issuer = tenant.as_deref().unwrap_or("{tenantid}");
    let tenant = tenant.as_deref().unwrap_or(segment);
    Ok(Answer::json(
        200,
        &json!({
            "issuer": format!("{base}/{issuer}/v2.0"),
            "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
            "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
            "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
            "token_endpoint_auth_methods_supported":
                ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "request_uri_parameter_supported": false,
            "tenant_region_scope": "EU",
            "cloud_instance_name": "localhost",
        }),
    ))
}
