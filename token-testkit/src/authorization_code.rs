//! Authorization codes (RFC 6749 section 4.1, RFC 7636) and what became of them.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::Authority;

/// A code, and everything that has to be the same when it is redeemed.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    pub(crate) authority: Authority,
    pub(crate) tenant: Option<String>,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) redeemed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct AuthorizationCodes(HashMap<String, AuthorizationCode>);

impl AuthorizationCodes {
    /// Makes the code itself.
    pub(crate) fn create(&mut self, code: AuthorizationCode) -> String {
        let text = format!("ac-{}", crate::jwks::random_text(24));
        self.0.insert(text.clone(), code);
        text
    }

    /// Redeems a code; the error says why it is not good.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        authority: Authority,
        client_id: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<AuthorizationCode, &'static str> {
        let known = self.0.get_mut(code).ok_or("AADSTS70000: The provided authorization code is unknown.")?;
        if known.redeemed {
            return Err("AADSTS54005: OAuth2 Authorization code was already redeemed.");
        }
        // Whatever is wrong with it, a code is good for one try.
        known.redeemed = true;
        if known.authority != authority || known.client_id != client_id {
            return Err("AADSTS700005: The provided authorization code is intended for another client.");
        }
        if known.redirect_uri != redirect_uri {
            return Err("AADSTS50011: The redirect URI is not that of the authorization request.");
        }
        if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) != known.challenge {
            return Err("AADSTS501481: The Code_Verifier does not match the code_challenge.");
        }
        Ok(known.clone())
    }
}
