//! The device authorization grant (RFC 8628): a person enters a code in a browser somewhere else.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::person::PersonRequest;
use super::{TokenAnswer, answer, exchange, unsendable};
use crate::authority::Discovery;
use crate::clock::Clock;
use crate::credential::{Client, microsoft_endpoint};
use crate::error::{GrantError, GrantErrorKind};
use crate::id_token::printable;
use crate::oauth_error::OAuthError;
use crate::secret::Secret;
use crate::transport::{Transport, endpoint, send_within};

/// Whom a device asks, and for what.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    person: PersonRequest,
    start: Url,
}

/// What a person needs for signing in. The texts are safe to print.
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    /// What to enter.
    pub user_code: String,
    /// Where to enter it.
    pub verification_uri: String,
    /// The same with the code in it, for a link or a QR code.
    pub verification_uri_complete: Option<String>,
    /// A sentence that says all this: the issuer's, or one like Microsoft's.
    pub message: String,
    /// When the code ends, in POSIX seconds.
    pub expires_at: i64,
    /// How long to wait between two questions.
    pub interval: Duration,
    /// What we ask with.
    pub device_code: Secret,
    /// When the code ends, on the clock for deadlines.
    deadline: Duration,
}

impl DeviceRequest {
    /// A sign-in at a tenant of a Microsoft cloud (`organizations` for any). `openid profile offline_access` are
    /// added to the scopes.
    ///
    /// # Errors
    /// `Unsendable` for claims that are no JSON object.
    pub fn microsoft(
        authority_host: &Url,
        tenant: &str,
        client: Client,
        scopes: &[String],
        capabilities: &[String],
        challenge: Option<&str>,
    ) -> Result<Self, GrantError> {
        let start = microsoft_endpoint(authority_host, tenant, "oauth2/v2.0/devicecode")
            .map_err(|source| unsendable(authority_host, source))?;
        let person =
            PersonRequest::microsoft(authority_host, tenant, client, scopes, capabilities, challenge)?;
        Ok(Self { person, start })
    }

    /// A sign-in at an issuer; `None` where it offers none to devices. `openid` and `offline_access` are added to the
    /// scopes, where the issuer offers them or does not say what it offers.
    pub fn issuer(discovery: &Discovery, client: Client, scopes: &[String]) -> Option<Self> {
        let start = discovery.device_authorization_endpoint.clone()?;
        Some(Self { person: PersonRequest::issuer(discovery, client, scopes), start })
    }
}

/// Asks for a code (RFC 8628 §3.1).
pub async fn start(
    transport: &dyn Transport,
    request: &DeviceRequest,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<DeviceAuthorization, GrantError> {
    let DeviceRequest { person, start } = request;
    let mut form = person.form(start.clone());
    if !person.scope.is_empty() {
        form = form.field("scope", &person.scope);
    }
    let said = form.clone();
    // The code lives from when it was made, which is at the latest when it was asked for and a little before now.
    let asked_at = (clock.posix(), clock.uptime());
    let response = send_within(transport, form, clock, connect_timeout, within).await?;
    if let Some(failure) = answer::failure(&response, &said) {
        return Err(failure);
    }
    let unintelligible = |why| answer::unintelligible(&response, &said, why);
    if !(200..300).contains(&response.status) {
        let why = answer::object(&response.body).err();
        return Err(unintelligible(why.unwrap_or("it is neither a code nor a refusal")));
    }
    let mut members = answer::object(&response.body).map_err(&unintelligible)?;
    let device_code = answer::take_secret(&mut members, "device_code");
    let text =
        |name| members.get(name).and_then(Value::as_str).map(printable).filter(|text| !text.is_empty());
    let page = |name| text(name).filter(|page| is_page(page));
    // Google and some others named it before the RFC did.
    let verification_uri = page("verification_uri").or_else(|| page("verification_url"));
    let (Some(device_code), Some(user_code), Some(verification_uri)) =
        (device_code, text("user_code"), verification_uri)
    else {
        return Err(unintelligible("it has no code, or no page to enter it on"));
    };
    let message = text("message").unwrap_or_else(|| {
        format!(
            "To sign in, use a web browser to open the page {verification_uri} \
             and enter the code {user_code} to authenticate."
        )
    });
    let life = answer::number(members.get("expires_in")).unwrap_or(DEFAULT_LIFE).clamp(0, LONGEST_LIFE);
    let interval = answer::number(members.get("interval")).map_or(DEFAULT_INTERVAL, seconds);
    Ok(DeviceAuthorization {
        user_code,
        verification_uri_complete: page("verification_uri_complete"),
        verification_uri,
        message,
        expires_at: asked_at.0.saturating_add(life),
        interval: interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
        device_code,
        deadline: asked_at.1.saturating_add(seconds(life)),
    })
}

/// Asks for the token until the person has answered or the code has ended (RFC 8628 §3.4, §3.5). Nothing is asked
/// before the first interval is over.
///
/// # Errors
/// `Refused` with `expired_token` when the code has ended, with `access_denied` or Microsoft's
/// `authorization_declined` when the person declined, or with any other error of the issuer's.
pub async fn poll(
    transport: &dyn Transport,
    request: &DeviceRequest,
    authorization: &DeviceAuthorization,
    clock: &dyn Clock,
) -> Result<TokenAnswer, GrantError> {
    let DeviceRequest { person, start } = request;
    let url = person.endpoints.token_endpoint(None).map_err(|source| unsendable(start, source))?;
    let mut form = person
        .form(url)
        .field("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
        .secret("device_code", authorization.device_code.clone());
    if person.endpoints.is_microsoft() {
        form = form.field("client_info", "1");
    }
    let mut interval = authorization.interval;
    let mut wait = interval;
    loop {
        if !sleep(wait, authorization.deadline, clock).await {
            return Err(ended(endpoint(&form.url)));
        }
        let failure = match exchange(
            transport,
            form.clone(),
            &person.scopes,
            person.challenge,
            clock,
            CONNECT_TIMEOUT,
            ANSWER_TIMEOUT,
        )
        .await
        {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        wait = match &failure.kind {
            GrantErrorKind::Refused(refusal) => match refusal.error.as_str() {
                "authorization_pending" => interval,
                "slow_down" => {
                    interval += SLOW_DOWN;
                    interval
                }
                _ if refusal.is_transient() => backed_off(wait, interval),
                _ => return Err(failure),
            },
            GrantErrorKind::Throttled { retry_after } => {
                interval += SLOW_DOWN;
                interval.max(*retry_after)
            }
            GrantErrorKind::Unreachable | GrantErrorKind::Interrupted | GrantErrorKind::TimedOut => {
                backed_off(wait, interval)
            }
            GrantErrorKind::Unintelligible { status: 500.. } => backed_off(wait, interval),
            _ => return Err(failure),
        };
        tracing::debug!(error = %failure, seconds = wait.as_secs(), "asking again");
    }
}

/// What the RFC has a client assume (§3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// What `slow_down` adds for good (§3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// An interval of none would be a busy loop, whatever an issuer says.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// No person waits longer than this for us to notice.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);

/// Seconds that a code lives whose issuer does not say, though it must (§3.2): Microsoft's time.
const DEFAULT_LIFE: i64 = 900;

/// Seconds that a code lives at most: nobody waits for a day.
const LONGEST_LIFE: i64 = 24 * 60 * 60;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Doubles the time between questions that do not come through (§3.5), up to a minute.
fn backed_off(wait: Duration, interval: Duration) -> Duration {
    (wait * 2).clamp(interval, LONGEST_INTERVAL.max(interval))
}

/// Sleeps, at most until the code ends; `false` when it has. The timer does not count while the machine sleeps, so
/// the clock is looked at every so often.
async fn sleep(time: Duration, deadline: Duration, clock: &dyn Clock) -> bool {
    let until = clock.uptime().saturating_add(time).min(deadline);
    loop {
        let now = clock.uptime();
        if now >= deadline {
            return false;
        }
        if now >= until {
            return true;
        }
        tokio::time::sleep((until - now).min(Duration::from_secs(1))).await;
    }
}

fn ended(endpoint: String) -> GrantError {
    let refusal = OAuthError {
        error: "expired_token".to_owned(),
        description: Some("The code ended before anybody entered it.".to_owned()),
        ..OAuthError::default()
    };
    GrantError::new(GrantErrorKind::Refused(refusal), endpoint)
}

fn is_page(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}
