//! The authorization endpoint (RFC 6749 section 3.1): a page with two buttons, and the way back to the client.

use url::{Url, form_urlencoded};

use super::authorization;
use crate::{
    Authority, AuthorizationFlaw, Decision, OAuthError, SeenRequest, answer::Answer,
    authorization_code::AuthorizationCode, jwks, state::State,
};

pub(super) fn answer(state: &State, request: &SeenRequest, authority: Authority) -> Answer {
    let asked = |name: &str| request.query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    // Nobody is sent to a place that no client can be at.
    let (Some(client_id), Some(redirect_uri)) = (asked("client_id"), asked("redirect_uri")) else {
        return Answer::html(400, "<h1>There is no client, or no place to go back to</h1>");
    };
    if !is_loopback(redirect_uri) {
        return Answer::html(400, "<h1>The redirect URI is not registered for this client</h1>");
    }
    let back = Back { state, request, authority, redirect_uri };
    if let Some(error) = malformed(request) {
        return back.refuse(&error);
    }
    let tenant = match authorization::tenant(request, &state.read().settings.world) {
        Ok(tenant) => tenant,
        Err(error) => return back.refuse(&error),
    };
    let decided = match request.field("decision") {
        Some("approve") => Some(Decision::Approve),
        Some("decline") => Some(Decision::Decline),
        _ => state.read().settings.decision,
    };
    match decided {
        Some(Decision::Approve) => {
            let code = AuthorizationCode {
                authority,
                tenant,
                client_id: client_id.to_owned(),
                redirect_uri: redirect_uri.to_owned(),
                scopes: asked("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
                challenge: asked("code_challenge").unwrap_or_default().to_owned(),
                nonce: asked("nonce").map(str::to_owned),
                user: request.field("user").map(str::to_owned),
                redeemed: false,
            };
            let code = state.change(|memory| memory.authorization_codes.create(code));
            back.go(vec![("code", code)])
        }
        Some(Decision::Decline) => back.refuse(
            &OAuthError::new("access_denied")
                .description("AADSTS65004: User declined to consent to access the app."),
        ),
        None | Some(Decision::Expire) => Answer::html(200, &consent(request, client_id)),
    }
}

fn malformed(request: &SeenRequest) -> Option<OAuthError> {
    let asked = |name: &str| request.query.get(name).map(String::as_str);
    let wrong = |text: &str| Some(OAuthError::new("invalid_request").description(text));
    if asked("response_type") != Some("code") {
        return Some(OAuthError::new("unsupported_response_type"));
    }
    if asked("code_challenge_method") != Some("S256")
        || asked("code_challenge").is_none_or(|challenge| challenge.len() != 43)
    {
        return wrong("Proof Key for Code Exchange is required, with S256.");
    }
    match asked("response_mode") {
        None | Some("query" | "form_post") => None,
        Some(_) => wrong("The response mode is not supported."),
    }
}

fn is_loopback(redirect_uri: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| {
        url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    })
}

/// The way back to the client.
struct Back<'a> {
    state: &'a State,
    request: &'a SeenRequest,
    authority: Authority,
    redirect_uri: &'a str,
}

impl Back<'_> {
    fn refuse(&self, error: &OAuthError) -> Answer {
        let mut parameters = vec![("error", error.error.clone())];
        if let Some(text) = &error.error_description {
            parameters.push(("error_description", text.clone()));
        }
        if self.authority == Authority::Microsoft && error.error == "access_denied" {
            parameters.push(("error_subcode", "cancel".to_owned()));
        }
        self.go(parameters)
    }

    fn go(&self, mut parameters: Vec<(&'static str, String)>) -> Answer {
        let settings = self.state.read().settings.clone();
        let flaw = settings.authorization_flaw;
        let asked = |name: &str| self.request.query.get(name).cloned();
        match flaw {
            Some(AuthorizationFlaw::NoState) => {}
            Some(AuthorizationFlaw::WrongState) => parameters.push(("state", jwks::random_text(16))),
            _ => parameters.extend(asked("state").map(|state| ("state", state))),
        }
        if self.authority == Authority::OpenIdConnect && settings.authorization_iss {
            match flaw {
                Some(AuthorizationFlaw::NoIssuer) => {}
                Some(AuthorizationFlaw::WrongIssuer) => {
                    parameters.push(("iss", "https://elsewhere.example".to_owned()));
                }
                _ => parameters.push(("iss", self.state.oidc_issuer())),
            }
        }
        if flaw == Some(AuthorizationFlaw::CodeTwice) {
            parameters.push(("code", "another".to_owned()));
        }
        let form_post = asked("response_mode").as_deref() == Some("form_post");
        if form_post == (flaw != Some(AuthorizationFlaw::OtherMode)) {
            return Answer::html(200, &posted(self.redirect_uri, &parameters));
        }
        let mut url = Url::parse(self.redirect_uri).expect("it was looked at before");
        url.query_pairs_mut().extend_pairs(&parameters);
        // Url writes the slash that the client's own spelling may lack; a browser would too.
        Answer::empty(303).header("location", url.as_str())
    }
}

/// The page that sends a form by itself, or by its button where there are no scripts.
fn posted(redirect_uri: &str, parameters: &[(&str, String)]) -> String {
    let fields: String = parameters
        .iter()
        .map(|(name, value)| {
            format!(r#"<input type="hidden" name="{}" value="{}">"#, escaped(name), escaped(value))
        })
        .collect();
    format!(
        "<form method=\"post\" action=\"{}\">{fields}<button>Continue</button></form>\n\
         <script>document.forms[0].submit()</script>",
        escaped(redirect_uri)
    )
}

fn consent(request: &SeenRequest, client_id: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
    format!(
        "<h1>Sign in</h1>\n<p>{} asks for: {}</p>\n<form method=\"post\" action=\"{}?{}\">\n\
         <button name=\"decision\" value=\"approve\">Approve</button>\n\
         <button name=\"decision\" value=\"decline\">Decline</button>\n</form>",
        escaped(client_id),
        escaped(request.query.get("scope").map_or("nothing", String::as_str)),
        escaped(&request.path),
        escaped(&query)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
