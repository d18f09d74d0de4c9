//! How the issuer behaves when nothing is made to fail.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Route, World};

/// How the issuer behaves. All but [`host`](Self::host), [`port`](Self::port), [`path`](Self::path) and
/// [`transport`](Self::transport), which are read once at the start, may change while it runs. Times are seconds where
/// the name says nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What clients know it by: `127.0.0.1`, `::1`, where it listens then, or any name that a proxy leads here.
    pub host: String,
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// Where the OpenID Connect issuer is mounted: empty, or as in `/realms/eng`.
    pub path: String,
    /// http, https, or https that no client should trust.
    pub transport: Transport,

    /// What happens to a refresh token that is spent.
    pub rotation: Rotation,
    /// With [`Rotation::Strict`]: how long the immediately previous refresh token is still accepted.
    pub grace: u64,
    /// How long access tokens live.
    pub lifetime: u64,
    /// How a token answer says so.
    pub expires_in: ExpiresIn,
    /// What a token answer says in `refresh_in`.
    pub refresh_in: Option<u64>,
    /// Whether access tokens can be read by their owner.
    pub access_tokens: AccessTokenForm,
    /// The scopes that the OpenID Connect issuer grants; whatever else is asked for is left out. `None` grants all.
    pub granted_scopes: Option<Vec<String>>,

    /// How long a device code lives.
    pub device_code_lifetime: u64,
    /// What a device authorization says in `interval`. RFC 8628 lets an issuer leave it out, and so does `None`.
    pub interval: Option<u64>,
    /// How many first polls of a device code are answered `slow_down`.
    pub slow_down: u32,
    /// Answer `slow_down` to every poll that comes sooner than it may.
    pub enforce_interval: bool,
    /// What becomes of a device code, and of a sign-in in a browser, without anybody's doing.
    pub decision: Option<Decision>,
    /// How many polls (after those answered `slow_down`) stay pending before [`decision`](Self::decision) counts.
    pub pending_polls: u32,
    /// Whether a device authorization of the OpenID Connect issuer holds `verification_uri_complete`.
    pub verification_uri_complete: bool,

    /// Whether the OpenID Connect issuer lets people sign in in a browser.
    pub authorization: bool,
    /// How it says that it can answer them; `None` where it does not say.
    pub response_modes: Option<Vec<String>>,
    /// Which kinds of PKCE challenge it says it knows; `None` where it does not say.
    pub code_challenge_methods: Option<Vec<String>>,
    /// Whether it says who it is in such an answer (RFC 9207).
    pub authorization_iss: bool,
    /// What is wrong with such an answer.
    pub authorization_flaw: Option<AuthorizationFlaw>,
    /// What is wrong with id tokens.
    pub id_token_flaw: Option<IdTokenFlaw>,

    /// Whether `{issuer}/.well-known/openid-configuration` exists.
    pub openid_configuration: bool,
    /// Whether `/.well-known/oauth-authorization-server{path}` exists.
    pub oauth_authorization_server: bool,
    /// Whether the OpenID Connect issuer offers revocation.
    pub revocation: bool,

    /// How many subscriptions or tenants a page of Azure Resource Manager holds; `None` for all.
    pub page_size: Option<usize>,
    /// How long the answer of a route waits once it is made, in milliseconds. [`Route::Any`] is for all without their own.
    pub latency_ms: BTreeMap<Route, u64>,
    /// How far the `Date` of every answer is off.
    pub date_skew: i64,
    /// How far the issuer's whole clock is ahead.
    pub clock_shift: i64,
    /// How long assertions live that a build server gives.
    pub assertion_lifetime: u64,
    /// How the managed identity services of the host behave.
    pub managed_identity: ManagedIdentitySettings,
    /// Who and what exists.
    pub world: World,
}

/// How the managed identity services of the host behave.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ManagedIdentitySettings {
    /// How an answer says when its token ends.
    pub expiry: ExpiryForm,
    /// The file that the agent of Azure Arc says its key is in.
    pub arc_key_file: String,
    /// What has to be in that file.
    pub arc_key: String,
    /// Whether the agent of Azure Arc knows the machine's own identity only, and says nothing when asked for another.
    pub old_arc_agent: bool,
}

/// How an answer says when its token ends: what has been seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryForm {
    /// `expires_in` and `expires_on`, both texts.
    #[default]
    Both,
    /// `"expires_on": "1800003600"`
    UnixText,
    /// `"expires_on": 1800003600`
    UnixNumber,
    /// `"expires_on": "2027-01-15T08:00:00+00:00"`
    Iso8601,
    /// `"expires_on": "01/15/2027 08:00:00 +00:00"`
    MonthFirst,
    /// `"expires_on": "01/15/2027 8:00:00 AM +00:00"`
    HalfDays,
    /// `"expires_in": "3600"`
    SecondsText,
}

impl Default for ManagedIdentitySettings {
    fn default() -> Self {
        Self {
            expiry: ExpiryForm::default(),
            arc_key_file: "/var/opt/azcmagent/tokens/agent.key".into(),
            arc_key: "arc-key-s3cret".into(),
            old_arc_agent: false,
        }
    }
}

/// How clients connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// http.
    #[default]
    Http,
    /// https, with a certificate of the issuer's own authority.
    Https,
    /// https, with a certificate of an authority that nobody can know.
    UnknownAuthority,
    /// https, with a certificate of the issuer's own authority for another host.
    WrongHost,
    /// https, with a certificate of the issuer's own authority that has expired.
    Expired,
}

/// What happens to a refresh token that is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// It is replaced, and showing it again after [`Settings::grace`] ends its whole family.
    Strict,
    /// It is replaced and stays valid, as at Microsoft.
    #[default]
    Lenient,
    /// It stays the only one; answers to a refresh hold no refresh token.
    Never,
}

/// How a token answer says how long the token lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiresIn {
    /// `3600`
    #[default]
    Number,
    /// `"3600"`
    Text,
    /// Not at all.
    Absent,
}

/// What an access token looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessTokenForm {
    /// A random string. It costs no signature.
    #[default]
    Opaque,
    /// A JWT, signed ES256.
    Jwt,
}

/// What is wrong with an answer that goes through a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizationFlaw {
    /// Another state than the client's.
    WrongState,
    /// No state.
    NoState,
    /// Another issuer.
    WrongIssuer,
    /// No issuer, though the discovery document promises one.
    NoIssuer,
    /// Two codes.
    CodeTwice,
    /// The mode that was not asked for.
    OtherMode,
}

/// What is wrong with an id token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdTokenFlaw {
    /// There is none.
    Missing,
    /// Another nonce than the client's.
    WrongNonce,
    /// No nonce.
    NoNonce,
    /// Another issuer.
    WrongIssuer,
    /// At Microsoft: a tenant that is none.
    NoTenant,
    /// Another client.
    WrongAudience,
    /// This client among others, and no word of who may use it.
    ManyAudiences,
    /// This client, but for another to use.
    WrongParty,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    Early,
    /// No end.
    Endless,
    /// The hash of another access token.
    WrongAccessToken,
    /// Nobody's.
    NoSubject,
    /// A signature of other claims.
    BadSignature,
    /// Signed by a key that is not published.
    UnknownKey,
    /// Not signed: `alg: none`.
    Unsigned,
    /// Signed with the published key as though it were a secret: `alg: HS256`.
    Hmac,
    /// Signed under conditions that nobody knows.
    Critical,
}

/// What a user says to a device code, or in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Decline,
    /// Nothing, for too long.
    Expire,
}

impl Settings {
    /// The default, with every device code approved at its first poll, and every sign-in in a browser at once.
    pub fn auto_approving() -> Self {
        Self { decision: Some(Decision::Approve), ..Self::default() }
    }

    pub(crate) fn latency_ms(&self, route: Route) -> u64 {
        self.latency_ms.get(&route).or_else(|| self.latency_ms.get(&Route::Any)).copied().unwrap_or(0)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 0,
            path: "/realms/eng".into(),
            transport: Transport::default(),
            rotation: Rotation::default(),
            grace: 0,
            lifetime: 3600,
            expires_in: ExpiresIn::default(),
            refresh_in: None,
            access_tokens: AccessTokenForm::default(),
            granted_scopes: None,
            device_code_lifetime: 900,
            // The least that makes a client wait at all: tests should not.
            interval: Some(1),
            slow_down: 0,
            enforce_interval: false,
            decision: None,
            pending_polls: 0,
            verification_uri_complete: true,
            authorization: true,
            response_modes: Some(vec!["query".into(), "fragment".into(), "form_post".into()]),
            code_challenge_methods: Some(vec!["S256".into()]),
            authorization_iss: true,
            authorization_flaw: None,
            id_token_flaw: None,
            openid_configuration: true,
            oauth_authorization_server: true,
            revocation: true,
            page_size: None,
            latency_ms: BTreeMap::new(),
            date_skew: 0,
            clock_shift: 0,
            assertion_lifetime: 300,
            managed_identity: ManagedIdentitySettings::default(),
            world: World::default(),
        }
    }
}
