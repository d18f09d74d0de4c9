//! What is Azure's: its clouds, the subscriptions its accounts see, and how Azure CLI shows them.

use token_core::claims_of;

use crate::report::Failure;

pub(crate) mod arm;
pub(crate) mod cloud;
pub(crate) mod directory;
pub(crate) mod endpoints;
pub(crate) mod import;
mod msal_cache;
pub(crate) mod refusal;
pub(crate) mod settings;
pub(crate) mod subscriptions;
pub(crate) mod version;
pub(crate) mod view;

/// Azure CLI's own client, which every tenant knows.
pub(crate) const CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// What our callers can do with a token, as Azure CLI says it: handle a claims challenge.
pub(crate) fn capabilities(handles_claims: bool) -> Vec<String> {
    if handles_claims { vec!["cp1".to_owned()] } else { Vec::new() }
}

/// A claims challenge that was typed, as the JSON that it is.
pub(crate) fn claims_challenge(typed: Option<&str>) -> Result<Option<String>, Failure> {
    typed
        .map(|text| {
            claims_of(text).ok_or_else(|| {
                Failure::usage("the claims challenge is not a JSON object in base64").hint(
                    "it is the value of claims in the WWW-Authenticate header that an API answered with",
                )
            })
        })
        .transpose()
}

/// Whether a text is the id of a tenant or a subscription, and no name.
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
