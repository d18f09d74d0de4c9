//! Who asks, and in which tenant.

use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::client_assertion;
use crate::{
    Authority, OAuthError, SeenRequest, World,
    state::{Memory, State},
};

/// The client of a request, authenticated where it is a confidential one.
pub(super) struct AuthenticatedClient {
    pub(super) id: String,
    pub(super) confidential: bool,
}

/// Authenticates the client (RFC 6749 section 2.3).
pub(super) fn client(
    state: &State,
    memory: &mut Memory,
    request: &SeenRequest,
    authority: Authority,
) -> Result<AuthenticatedClient, OAuthError> {
    let basic = match request.header("authorization") {
        None => None,
        Some(value) => Some(basic(value).ok_or_else(|| {
            OAuthError::new("invalid_client")
                .status(401)
                .description("The authorization header is not Basic.")
        })?),
    };
    if basic.is_some() && request.field("client_secret").is_some() {
        return Err(OAuthError::new("invalid_request").description("More than one way to authenticate."));
    }
    let id = match (&basic, request.field("client_id")) {
        (Some((id, _)), None) => id.clone(),
        (Some((id, _)), Some(named)) if id == named => id.clone(),
        (None, Some(named)) if !named.is_empty() => named.to_owned(),
        _ => {
            return Err(OAuthError::new("invalid_request").description(
                "AADSTS900144: The request body must contain the following parameter: 'client_id'.",
            ));
        }
    };
    let secret = basic.as_ref().map(|(_, secret)| secret.as_str()).or_else(|| request.field("client_secret"));
    let Some(known) = memory.settings.world.client(&id).cloned() else {
        return match secret {
            None => Ok(AuthenticatedClient { id, confidential: false }),
            Some(_) => Err(unknown(&id, authority)),
        };
    };
    let asserted = request.field("client_assertion_type")
        == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    match secret {
        Some(secret) if secret == known.secret => {}
        None if asserted => client_assertion::check(state, memory, request, &known, authority)?,
        Some(_) => {
            return Err(OAuthError::new("invalid_client").status(401).description(&format!(
                "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the \
                 client secret value, not the client secret ID, for a secret added to app '{id}'."
            )));
        }
        None => {
            return Err(OAuthError::new("invalid_client").status(401).description(
                "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or \
                 'client_secret'.",
            ));
        }
    }
    Ok(AuthenticatedClient { id, confidential: true })
}

pub(super) fn unknown(client_id: &str, authority: Authority) -> OAuthError {
    match authority {
        Authority::OpenIdConnect => {
            OAuthError::new("invalid_client").status(401).description("No such client.")
        }
        Authority::Microsoft => OAuthError::new("unauthorized_client").description(&format!(
            "AADSTS700016: Application with identifier '{client_id}' was not found in the directory."
        )),
    }
}

/// Id and secret of a Basic header. Both are form-encoded inside (RFC 6749 section 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    // A value alone is a pair without a name once a sign of equality stands before it.
    let decode = |text: &str| {
        form_urlencoded::parse(format!("={text}").as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

/// The id of the tenant that the path names. `organizations`, `common` and `consumers` leave it to the account.
pub(super) fn tenant(request: &SeenRequest, world: &World) -> Result<Option<String>, OAuthError> {
    match request.tenant.as_deref() {
        None | Some("organizations" | "common" | "consumers") => Ok(None),
        Some(segment) => match world.tenant(segment) {
            Some(tenant) => Ok(Some(tenant.id.clone())),
            None => Err(OAuthError::new("invalid_request").description(&format!(
                "AADSTS90002: Tenant '{segment}' not found. Check to make sure you have the correct tenant ID and are \
                 signing into the correct cloud."
            ))),
        },
    }
}
