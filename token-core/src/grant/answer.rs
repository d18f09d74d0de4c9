//! Reading what an issuer answers.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Map, Value};

use super::TokenAnswer;
use crate::error::{GrantError, GrantErrorKind};
use crate::expiry::Expiry;
use crate::oauth_error::OAuthError;
use crate::secret::Secret;
use crate::token::{AccessToken, Fingerprint, RefreshToken};
use crate::transport::{HttpRequest, HttpResponse, endpoint};

/// Reads a token endpoint's answer to `said`, received at `now` (POSIX seconds).
pub(super) fn token(
    response: HttpResponse,
    said: &HttpRequest,
    asked: &[String],
    claims: Option<Fingerprint>,
    now: i64,
) -> Result<TokenAnswer, GrantError> {
    if let Some(failure) = failure(&response, said) {
        return Err(failure);
    }
    let unintelligible = |why| unintelligible(&response, said, why);
    if !(200..300).contains(&response.status) {
        return Err(unintelligible(
            object(&response.body).err().unwrap_or("it is neither a token nor a refusal"),
        ));
    }
    let mut members = object(&response.body).map_err(&unintelligible)?;
    let access_token =
        take_secret(&mut members, "access_token").ok_or_else(|| unintelligible("it has no access token"))?;
    // It goes into a header, where a line break would begin another one.
    if !access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unintelligible("its access token has characters that no token has"));
    }
    let token_type = match members.remove("token_type") {
        Some(Value::String(token_type)) if token_type.eq_ignore_ascii_case("bearer") => token_type,
        Some(_) => return Err(unintelligible("its token is of a type other than Bearer")),
        // RFC 6749 §5.1 requires it, and yet some leave it out; a refresh token came with it that must not be lost.
        None => "Bearer".to_owned(),
    };
    let received_at = received_at(now, response.date);
    let life = number(members.get("expires_in"))
        .or_else(|| end(members.get("expires_on")?).map(|end| end.saturating_sub(received_at)))
        .unwrap_or(DEFAULT_LIFE)
        .clamp(0, LONGEST_LIFE);
    let scopes = match members.get("scope").and_then(Value::as_str) {
        Some(scope) if !scope.trim().is_empty() => scope.split_whitespace().map(str::to_owned).collect(),
        _ => asked.to_vec(),
    };
    Ok(TokenAnswer {
        access_token: AccessToken {
            secret: access_token,
            token_type,
            scopes,
            received_at,
            expires_on: Expiry::from_posix(received_at.saturating_add(life)),
            refresh_in: number(members.get("refresh_in")).filter(|&seconds| seconds > 0),
            claims,
        },
        refresh_token: take_secret(&mut members, "refresh_token").map(RefreshToken::from_secret),
        id_token: take_secret(&mut members, "id_token"),
        client_info: take_secret(&mut members, "client_info"),
    })
}

/// What every endpoint may answer instead of what it was asked for: that it asks to wait, or an OAuth error, whatever
/// the status of that (some issuers send it with 200). `None` is no judgement on the answer.
pub(crate) fn failure(response: &HttpResponse, said: &HttpRequest) -> Option<GrantError> {
    let kind = match response.status {
        429 => GrantErrorKind::Throttled { retry_after: wait(response.retry_after) },
        503 if response.retry_after.is_some() => {
            GrantErrorKind::Throttled { retry_after: wait(response.retry_after) }
        }
        // Nobody is followed to another place, whatever is in the body.
        300..400 => return None,
        _ => GrantErrorKind::Refused(refusal(response, said)?),
    };
    Some(GrantError::new(kind, endpoint(&said.url)))
}

/// The failure of an answer that says nothing we know; `why` completes "the answer is of no use: …".
pub(crate) fn unintelligible(response: &HttpResponse, said: &HttpRequest, why: &'static str) -> GrantError {
    let why = match response.status {
        300..400 => "it points to another place, where no credential is sent",
        _ => why,
    };
    GrantError::new(GrantErrorKind::Unintelligible { status: response.status }, endpoint(&said.url))
        .because(why)
}

/// The members of a JSON object. The reasons quote nothing of the body, as serde's would.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("it is JSON but not an object"),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => Err("it is a page for people, not JSON"),
        Err(_) if body.trim_ascii().is_empty() => Err("it is empty"),
        Err(_) => Err("it is not JSON"),
    }
}

/// How many letters of an issuer's explanation are shown and kept: it is for people, and may be as large as an answer.
const LONGEST_TEXT: usize = 2000;

/// A whole number, which some endpoints write as a text. One too large is the largest there is.
pub(crate) fn number(value: Option<&Value>) -> Option<i64> {
    let text = match value? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    // The cast saturates.
    text.parse()
        .ok()
        .or_else(|| text.parse::<f64>().ok().filter(|float| float.is_finite()).map(|float| float as i64))
}

/// When a token ends by its `expires_on`, which managed identities write in many ways: POSIX seconds as a number or a
/// text, and a date and time in ISO 8601 or as in the United States.
fn end(value: &Value) -> Option<i64> {
    if let Some(number) = number(Some(value)) {
        return Some(number);
    }
    let text = value.as_str()?.trim();
    let with_zone = ["%m/%d/%Y %I:%M:%S %p %:z", "%m/%d/%Y %H:%M:%S %:z", "%Y-%m-%dT%H:%M:%S%.f%:z"];
    if let Some(end) = with_zone.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()) {
        return Some(end.timestamp());
    }
    let without = ["%m/%d/%Y %H:%M:%S %p %:z", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%d %H:%M:%S%.f"];
    let naive = without.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    naive.map(|end| end.and_utc().timestamp())
}

/// Takes a text out of an answer without leaving a copy of it behind. An empty one counts as absent.
pub(super) fn take_secret(members: &mut Map<String, Value>, name: &str) -> Option<Secret> {
    match members.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    }
}

/// How long a token lives whose issuer does not say, in seconds, as in MSAL.
const DEFAULT_LIFE: i64 = 600;

/// The longest life that is believed, in seconds: ten years. More is a mistake in the issuer's arithmetic.
const LONGEST_LIFE: i64 = 10 * 365 * 24 * 60 * 60;

/// From which difference on an issuer's clock counts instead of ours, in seconds.
const CLOCK_DIFFERENCE: i64 = 60;

/// How long to leave an issuer alone that says 429 and no time.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// The longest that we let ourselves be told to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

fn wait(retry_after: Option<Duration>) -> Duration {
    retry_after.unwrap_or(DEFAULT_WAIT).min(LONGEST_WAIT)
}

fn received_at(now: i64, date: Option<i64>) -> i64 {
    match date {
        Some(date) if date.abs_diff(now) > CLOCK_DIFFERENCE.unsigned_abs() => date,
        _ => now,
    }
}

fn refusal(response: &HttpResponse, said: &HttpRequest) -> Option<OAuthError> {
    let members = object(&response.body).ok()?;
    let text = |name| match members.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(shown(text, said)),
        _ => None,
    };
    // `claims` is not for people but for the next request, and goes on as it is.
    let claims = members.get("claims").and_then(Value::as_str).map(str::to_owned);
    Some(OAuthError {
        error: text("error")?,
        description: text("error_description"),
        suberror: text("suberror"),
        claims,
        assertion: None,
    })
}

/// An issuer's words as they may be shown and kept: without what a terminal obeys (line breaks stay, Microsoft's
/// texts have them), and without any secret of the request, which some issuers quote.
pub(super) fn shown(text: &str, said: &HttpRequest) -> String {
    let mut text = said
        .secrets()
        .iter()
        .map(Secret::expose)
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"));
    text.retain(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}
