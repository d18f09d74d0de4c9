//! OAuth errors in the two styles that clients meet.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Authority, answer::Answer};

/// An OAuth error (RFC 6749 section 5.2), with what Microsoft adds to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthError {
    /// The status it is sent with.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// The code.
    pub error: String,
    /// The text. The Microsoft style adds trace id, correlation id and time to it, the other leaves a leading
    /// `AADSTS…:` out.
    #[serde(default)]
    pub error_description: Option<String>,
    /// What the code leaves open, as in `bad_token`.
    #[serde(default)]
    pub suberror: Option<String>,
    /// A claims challenge.
    #[serde(default)]
    pub claims: Option<String>,
}

fn bad_request() -> u16 {
    400
}

impl OAuthError {
    /// An error with status 400 and nothing but its code.
    pub fn new(error: &str) -> Self {
        Self { status: 400, error: error.into(), error_description: None, suberror: None, claims: None }
    }

    /// With another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With a text. One that begins `AADSTS70043:` gives the Microsoft style its `error_codes`.
    pub fn description(mut self, text: &str) -> Self {
        self.error_description = Some(text.into());
        self
    }

    /// With a suberror.
    pub fn suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.into());
        self
    }

    /// With a claims challenge.
    pub fn claims(mut self, claims: &str) -> Self {
        self.claims = Some(claims.into());
        self
    }

    pub(crate) fn answer(&self, authority: Authority) -> Answer {
        let mut body = json!({ "error": self.error });
        let mut set = |name: &str, value: Value| {
            body[name] = value;
        };
        match (authority, &self.error_description) {
            (Authority::OpenIdConnect, Some(text)) => {
                let plain = text.split_once(": ").filter(|(code, _)| code.starts_with("AADSTS"));
                set("error_description", json!(plain.map_or(text.as_str(), |(_, text)| text)));
            }
            (Authority::OpenIdConnect, None) => {}
            (Authority::Microsoft, text) => {
                let text = text.as_deref().unwrap_or("AADSTS90000: No description.");
                let code =
                    text.strip_prefix("AADSTS").and_then(|rest| rest.split(':').next()?.parse::<u64>().ok());
                let timestamp = chrono::Utc::now().format("%Y-%m-%d %H:%M:%SZ").to_string();
                let (trace, correlation) = (crate::jwks::random_guid(), crate::jwks::random_guid());
                set(
                    "error_description",
                    json!(format!(
                        "{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}"
                    )),
                );
                set("error_codes", json!(code.into_iter().collect::<Vec<_>>()));
                set("timestamp", json!(timestamp));
                set("trace_id", json!(trace));
                set("correlation_id", json!(correlation));
            }
        }
        if let Some(suberror) = &self.suberror {
            set("suberror", json!(suberror));
        }
        if let Some(claims) = &self.claims {
            set("claims", json!(claims));
        }
        let answer = Answer::json(self.status, &body).header("cache-control", "no-store");
        // RFC 6749 section 5.2: a 401 names the scheme that the client may try.
        if self.status == 401 { answer.header("www-authenticate", "Basic realm=\"token\"") } else { answer }
    }
}
