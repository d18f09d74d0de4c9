//! Device authorization (RFC 8628 section 3.1).

use serde_json::json;

use super::authorization;
use crate::{Authority, OAuthError, SeenRequest, answer::Answer, state::State};

pub(super) fn answer(
    state: &State,
    request: &SeenRequest,
    authority: Authority,
) -> Result<Answer, OAuthError> {
    state.change(|memory| {
        let client = authorization::client(state, memory, request, authority)?;
        let settings = &memory.settings;
        let tenant = authorization::tenant(request, &settings.world)?;
        let scopes: Vec<String> = request.scopes().into_iter().map(str::to_owned).collect();
        if authority == Authority::Microsoft && scopes.is_empty() {
            return Err(OAuthError::new("invalid_request").description(
                "AADSTS900144: The request body must contain the following parameter: 'scope'.",
            ));
        }
        let (device_code, user_code) =
            memory.device_codes.create(authority, tenant, &client.id, scopes, settings);
        memory.counts.device_codes += 1;
        let page = match authority {
            Authority::OpenIdConnect => format!("{}/device", state.oidc_issuer()),
            Authority::Microsoft => format!("{}/devicelogin", state.base),
        };
        let mut body = json!({
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": page,
            "expires_in": settings.device_code_lifetime,
        });
        if let Some(interval) = settings.interval {
            body["interval"] = json!(interval);
        }
        match authority {
            Authority::OpenIdConnect if settings.verification_uri_complete => {
                body["verification_uri_complete"] = json!(format!("{page}?user_code={user_code}"));
            }
            Authority::OpenIdConnect => {}
            Authority::Microsoft => {
                body["message"] = json!(format!(
                    "To sign in, use a web browser to open the page {page} and enter the code {user_code} to \
                     authenticate."
                ));
            }
        }
        Ok(Answer::json(200, &body).header("cache-control", "no-store"))
    })
}
