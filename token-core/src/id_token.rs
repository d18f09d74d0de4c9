//! Who an issuer says has signed in.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwt;
use crate::secret::Secret;

/// The names in an ID token. Who signs in verifies it first, see [`Signer`](crate::Signer).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdClaims {
    /// The issuer.
    pub iss: Option<String>,
    /// The subject, unique at its issuer.
    pub sub: Option<String>,
    /// What the person signs in with.
    pub preferred_username: Option<String>,
    /// The same in older tokens of Microsoft's.
    pub upn: Option<String>,
    /// A mail address.
    pub email: Option<String>,
    /// Microsoft: the person's object in the tenant.
    pub oid: Option<String>,
    /// Microsoft: the tenant.
    pub tid: Option<String>,
    /// Microsoft, in an access token: the client it was given to.
    pub appid: Option<String>,
}

impl IdClaims {
    /// Reads the claims of an ID token, unverified; `None` where it is none. They lose the characters that a terminal obeys, and
    /// a claim that is no text counts as absent.
    pub fn read(id_token: &Secret) -> Option<Self> {
        Some(Self::of(&jwt::claims(id_token.expose())?))
    }

    pub(crate) fn of(claims: &Map<String, Value>) -> Self {
        let text = |name| claims.get(name).and_then(Value::as_str).map(printable);
        Self {
            iss: text("iss"),
            sub: text("sub"),
            preferred_username: text("preferred_username"),
            upn: text("upn"),
            email: text("email"),
            oid: text("oid"),
            tid: text("tid"),
            appid: text("appid"),
        }
    }

    /// What an account is called: the user name, else the mail address, else the subject.
    pub fn name(&self) -> Option<&str> {
        [&self.preferred_username, &self.upn, &self.email, &self.sub]
            .into_iter()
            .filter_map(Option::as_deref)
            .find(|name| !name.is_empty())
    }
}

/// Microsoft's `client_info`: an account's home, whatever tenant the token is for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct ClientInfo {
    /// The person's object in the home tenant.
    pub uid: String,
    /// The home tenant.
    pub utid: String,
}

impl ClientInfo {
    /// Reads what `client_info=1` brought; `None` where it is not that.
    pub fn read(client_info: &Secret) -> Option<Self> {
        jwt::decode(client_info.expose())
    }
}

/// Text of an issuer's as it may go to a terminal: without control characters, which move the cursor and recolour
/// what stands there, and without those that turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|&c| !c.is_control() && !turns(c)).collect()
}
