//! The token endpoint: authorization codes, device codes, refresh tokens and client credentials turn into tokens.

use serde_json::{Value, json};

use super::authorization::{self, AuthenticatedClient};
use crate::{
    AccessTokenForm, Authority, ExpiresIn, IdTokenFlaw, IssuedToken, OAuthError, SeenRequest, Settings,
    answer::Answer,
    device_code::Poll,
    family::{Ended, Refused},
    jwks,
    state::{Memory, State, Subject},
};

const ID_TOKEN_LIFETIME: i64 = 3600;
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the issuer decided to give. Everything about it is settled; only signatures are missing.
struct Grant {
    subject: Subject,
    client_id: String,
    tenant: Option<String>,
    scopes: Vec<String>,
    family: Option<u64>,
    refresh_token: Option<String>,
    with_id_token: bool,
    nonce: Option<String>,
}

pub(super) fn answer(
    state: &State,
    request: &SeenRequest,
    authority: Authority,
) -> Result<Answer, OAuthError> {
    let (grant, settings) = state.change(|memory| {
        let client = authorization::client(state, memory, request, authority)?;
        let tenant = authorization::tenant(request, &memory.settings.world)?;
        let grant = match request.grant_type() {
            Some(DEVICE_CODE) => redeem_device_code(memory, request, authority, &client),
            Some("authorization_code") => redeem_code(memory, request, authority, &client),
            Some("refresh_token") => refresh(memory, request, authority, &client, tenant),
            Some("client_credentials") => client_credentials(memory, request, authority, &client, tenant),
            Some(other) => Err(OAuthError::new("unsupported_grant_type").description(&format!(
                "AADSTS70003: The app requested an unsupported grant type '{other}'."
            ))),
            None => Err(OAuthError::new("invalid_request").description(
                "AADSTS900144: The request body must contain the following parameter: 'grant_type'.",
            )),
        };
        if request.is_refresh() {
            match &grant {
                Ok(_) => memory.counts.refreshes_succeeded += 1,
                Err(_) => memory.counts.refreshes_refused += 1,
            }
        }
        Ok((grant?, Form::of(&memory.settings)))
    })?;
    // Signing costs more than all the rest together, so it holds nobody up.
    let issued = IssuedToken {
        account: grant.subject.account.clone(),
        client_id: grant.client_id.clone(),
        tenant: grant.tenant.clone(),
        scopes: grant.scopes.clone(),
        expires_on: state.read().now() + settings.lifetime as i64,
        family: grant.family,
    };
    let access_token = match settings.access_tokens {
        AccessTokenForm::Opaque => format!("at-{}", jwks::random_text(32)),
        AccessTokenForm::Jwt => state.keys.sign(&access_token_claims(state, &grant, &issued, authority)),
    };
    let body = token_answer(state, request, authority, &grant, &settings, &access_token);
    state.change(|memory| memory.access_tokens.insert(access_token, issued).is_some());
    Ok(Answer::json(200, &body).header("cache-control", "no-store").header("pragma", "no-cache"))
}

fn redeem_device_code(
    memory: &mut Memory,
    request: &SeenRequest,
    authority: Authority,
    client: &AuthenticatedClient,
) -> Result<Grant, OAuthError> {
    let code = required(request, "device_code")?;
    memory.counts.polls += 1;
    let user = match memory.device_codes.poll(code, authority, &client.id, &memory.settings) {
        Poll::Approved(user) => user,
        refused => return Err(unredeemed(&refused, authority)),
    };
    let device = memory.device_codes.get(code).expect("it was polled just now");
    let asked = Asked { tenant: device.tenant.clone(), scopes: device.scopes.clone(), nonce: None };
    signed_in(memory, authority, &client.id, user.as_deref(), asked)
}

fn redeem_code(
    memory: &mut Memory,
    request: &SeenRequest,
    authority: Authority,
    client: &AuthenticatedClient,
) -> Result<Grant, OAuthError> {
    let [code, redirect_uri, verifier] = ["code", "redirect_uri", "code_verifier"];
    let (code, redirect_uri) = (required(request, code)?, required(request, redirect_uri)?);
    let verifier = required(request, verifier)?;
    let code = memory
        .authorization_codes
        .redeem(code, authority, &client.id, redirect_uri, verifier)
        .map_err(|why| OAuthError::new("invalid_grant").description(why))?;
    let asked = Asked { tenant: code.tenant, scopes: code.scopes, nonce: code.nonce };
    signed_in(memory, authority, &client.id, code.user.as_deref(), asked)
}

/// What a person was asked for.
struct Asked {
    tenant: Option<String>,
    scopes: Vec<String>,
    nonce: Option<String>,
}

fn signed_in(
    memory: &mut Memory,
    authority: Authority,
    client_id: &str,
    user: Option<&str>,
    asked: Asked,
) -> Result<Grant, OAuthError> {
    let Asked { tenant, scopes: asked, nonce } = asked;
    let subject = memory
        .settings
        .world
        .subject(user)
        .ok_or_else(|| OAuthError::new("access_denied").description("The world has no such user."))?;
    let tenant = match authority {
        Authority::OpenIdConnect => None,
        Authority::Microsoft => tenant.or_else(|| subject.home_tenant.clone()),
    };
    let scopes = granted_scopes(&asked, authority, &memory.settings);
    let has = |scope: &str| asked.iter().any(|asked| asked == scope);
    let (family, refresh_token) = if authority == Authority::OpenIdConnect || has("offline_access") {
        let (family, token) = memory.families.sign_in(
            authority,
            subject.clone(),
            client_id,
            scopes.clone(),
            &mut memory.counts,
        );
        (Some(family), Some(token))
    } else {
        (None, None)
    };
    Ok(Grant {
        subject,
        client_id: client_id.to_owned(),
        tenant,
        with_id_token: has("openid"),
        nonce,
        scopes,
        family,
        refresh_token,
    })
}

fn refresh(
    memory: &mut Memory,
    request: &SeenRequest,
    authority: Authority,
    client: &AuthenticatedClient,
    tenant: Option<String>,
) -> Result<Grant, OAuthError> {
    let token = required(request, "refresh_token")?;
    let Memory { families, settings, counts, .. } = memory;
    let family = families
        .admit(token, authority, &client.id, settings, counts)
        .map_err(|refused| unaccepted(refused, authority))?;
    let (subject, id, granted) = (family.subject.clone(), family.id, family.scopes.clone());
    let mut asked: Vec<String> = request.scopes().into_iter().map(str::to_owned).collect();
    match authority {
        // RFC 6749 section 6: what was granted, or less.
        Authority::OpenIdConnect => {
            if let Some(extra) = asked.iter().find(|scope| !granted.contains(scope)) {
                return Err(OAuthError::new("invalid_scope")
                    .description(&format!("The scope '{extra}' was not granted at the sign-in.")));
            }
            if asked.is_empty() {
                asked = granted;
            }
        }
        // One refresh token serves every resource.
        Authority::Microsoft if asked.is_empty() => {
            return Err(OAuthError::new("invalid_request").description(
                "AADSTS900144: The request body must contain the following parameter: 'scope'.",
            ));
        }
        Authority::Microsoft => {}
    }
    let has = |scope: &str| asked.iter().any(|asked| asked == scope);
    let successor = families.spend(token, settings.rotation);
    Ok(Grant {
        client_id: client.id.clone(),
        tenant: match authority {
            Authority::OpenIdConnect => None,
            Authority::Microsoft => tenant.or_else(|| subject.home_tenant.clone()),
        },
        with_id_token: has("openid"),
        nonce: None,
        scopes: granted_scopes(&asked, authority, settings),
        family: Some(id),
        refresh_token: successor.filter(|_| authority == Authority::OpenIdConnect || has("offline_access")),
        subject,
    })
}

fn client_credentials(
    memory: &mut Memory,
    request: &SeenRequest,
    authority: Authority,
    client: &AuthenticatedClient,
    tenant: Option<String>,
) -> Result<Grant, OAuthError> {
    if !client.confidential {
        return Err(authorization::unknown(&client.id, authority));
    }
    let asked: Vec<String> = request.scopes().into_iter().map(str::to_owned).collect();
    if authority == Authority::Microsoft {
        if tenant.is_none() {
            return Err(OAuthError::new("invalid_request").description(
                "AADSTS50059: No tenant-identifying information found in either the request or implied by any \
                 provided credentials.",
            ));
        }
        if !matches!(&asked[..], [scope] if scope.ends_with("/.default")) {
            return Err(OAuthError::new("invalid_scope").description(&format!(
                "AADSTS1002012: The provided value for scope {} is not valid. Client credential flows must have a \
                 scope value with /.default suffixed to the resource identifier (application ID URI).",
                asked.join(" ")
            )));
        }
    }
    let known = memory.settings.world.client(&client.id).expect("only known clients are confidential");
    memory.counts.client_credentials += 1;
    Ok(Grant {
        subject: Subject {
            account: known.id.clone(),
            display_name: known.id.clone(),
            oid: known.oid.clone(),
            home_tenant: None,
        },
        client_id: client.id.clone(),
        tenant,
        scopes: granted_scopes(&asked, authority, &memory.settings),
        family: None,
        refresh_token: None,
        with_id_token: false,
        nonce: None,
    })
}

fn required<'a>(request: &'a SeenRequest, name: &str) -> Result<&'a str, OAuthError> {
    request.field(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        OAuthError::new("invalid_request").description(&format!(
            "AADSTS900144: The request body must contain the following parameter: '{name}'."
        ))
    })
}

/// What is granted of what is asked. Microsoft answers with the scopes of the resource alone, the permission granted
/// among them.
fn granted_scopes(asked: &[String], authority: Authority, settings: &Settings) -> Vec<String> {
    match authority {
        Authority::OpenIdConnect => asked
            .iter()
            .filter(|scope| settings.granted_scopes.as_ref().is_none_or(|granted| granted.contains(scope)))
            .cloned()
            .collect(),
        Authority::Microsoft => asked
            .iter()
            .filter(|scope| !matches!(scope.as_str(), "openid" | "profile" | "offline_access"))
            .flat_map(|scope| match scope.strip_suffix("/.default") {
                Some(resource) => vec![format!("{resource}/user_impersonation"), scope.clone()],
                None => vec![scope.clone()],
            })
            .collect(),
    }
}

/// Why a device code gives no tokens (RFC 8628 section 3.5).
fn unredeemed(poll: &Poll, authority: Authority) -> OAuthError {
    let microsoft = authority == Authority::Microsoft;
    let (error, text) = match poll {
        Poll::Pending => (
            "authorization_pending",
            "AADSTS70016: OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        Poll::SlowDown => ("slow_down", "AADSTS70021: Polling too fast."),
        Poll::Declined if microsoft => {
            ("authorization_declined", "AADSTS70017: The end user declined the authorization.")
        }
        Poll::Declined => ("access_denied", "The end user declined."),
        Poll::Expired => {
            ("expired_token", "AADSTS70020: The provided value for the device code has expired.")
        }
        Poll::Invalid | Poll::Approved(_) if microsoft => {
            ("bad_verification_code", "AADSTS70018: The provided value for the device code is not valid.")
        }
        Poll::Invalid | Poll::Approved(_) => ("invalid_grant", "The device code is not valid."),
    };
    OAuthError::new(error).description(text)
}

/// Why a refresh token gives no tokens.
fn unaccepted(refused: Refused, authority: Authority) -> OAuthError {
    let error = OAuthError::new("invalid_grant");
    match (refused, authority) {
        (Refused::Unknown, Authority::OpenIdConnect) => error.description("The refresh token is not valid."),
        (Refused::OtherClient, Authority::OpenIdConnect) => {
            error.description("The refresh token was issued to another client.")
        }
        (Refused::Reused, Authority::OpenIdConnect) => {
            error.description("The refresh token was used before; the sign-in has been revoked.")
        }
        (Refused::Ended(_), Authority::OpenIdConnect) => error.description("The sign-in has ended."),
        (Refused::Unknown, Authority::Microsoft) => error.suberror("bad_token").description(
            "AADSTS9002313: Invalid request. Request is malformed or invalid.",
        ),
        (Refused::OtherClient, Authority::Microsoft) => error.suberror("client_mismatch").description(
            "AADSTS700007: The grant was issued for a different client id.",
        ),
        (Refused::Ended(Ended::Expired), Authority::Microsoft) => error.suberror("bad_token").description(
            "AADSTS700082: The refresh token has expired due to inactivity.",
        ),
        (Refused::Reused | Refused::Ended(_), Authority::Microsoft) => error.suberror("bad_token").description(
            "AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed.",
        ),
    }
}

/// The settings that shape an answer, taken while they cannot change.
struct Form {
    lifetime: u64,
    expires_in: ExpiresIn,
    refresh_in: Option<u64>,
    access_tokens: AccessTokenForm,
    id_token_flaw: Option<IdTokenFlaw>,
}

impl Form {
    fn of(settings: &Settings) -> Self {
        Self {
            lifetime: settings.lifetime,
            expires_in: settings.expires_in,
            refresh_in: settings.refresh_in,
            access_tokens: settings.access_tokens,
            id_token_flaw: settings.id_token_flaw,
        }
    }
}

fn token_answer(
    state: &State,
    request: &SeenRequest,
    authority: Authority,
    grant: &Grant,
    form: &Form,
    access_token: &str,
) -> Value {
    let seconds = |seconds: u64| match form.expires_in {
        ExpiresIn::Number => Some(json!(seconds)),
        ExpiresIn::Text => Some(json!(seconds.to_string())),
        ExpiresIn::Absent => None,
    };
    let mut body = json!({ "token_type": "Bearer", "access_token": access_token });
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[name] = value;
        }
    };
    let user = grant.subject.home_tenant.is_some();
    if user || authority == Authority::OpenIdConnect {
        set("scope", Some(json!(grant.scopes.join(" "))));
    }
    set("expires_in", seconds(form.lifetime));
    set("refresh_in", form.refresh_in.and_then(seconds));
    set("refresh_token", grant.refresh_token.as_ref().map(|token| json!(token)));
    if grant.with_id_token && form.id_token_flaw != Some(IdTokenFlaw::Missing) {
        let mut claims = id_token_claims(state, grant, authority);
        claims["at_hash"] = json!(jwks::half_hash(access_token));
        let id_token = match form.id_token_flaw {
            None => state.keys.sign(&claims),
            Some(flaw) => state.keys.sign_flawed(claims, flaw),
        };
        set("id_token", Some(json!(id_token)));
    }
    if authority == Authority::Microsoft {
        set("ext_expires_in", seconds(form.lifetime));
        if user && request.field("client_info") == Some("1") {
            let info = json!({ "uid": grant.subject.oid, "utid": grant.subject.home_tenant });
            set("client_info", Some(json!(jwks::encode(&info))));
        }
    }
    body
}

fn issuer(state: &State, grant: &Grant) -> String {
    match &grant.tenant {
        Some(tenant) => format!("{}/{tenant}/v2.0", state.base),
        None => state.oidc_issuer(),
    }
}

fn id_token_claims(state: &State, grant: &Grant, authority: Authority) -> Value {
    let now = state.read().now();
    let mut claims = json!({
        "iss": issuer(state, grant),
        "aud": grant.client_id,
        "sub": grant.subject.oid,
        "iat": now,
        "nbf": now,
        "exp": now + ID_TOKEN_LIFETIME,
        "name": grant.subject.display_name,
        "preferred_username": grant.subject.account,
    });
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = json!(nonce);
    }
    if authority == Authority::Microsoft {
        claims["oid"] = json!(grant.subject.oid);
        claims["tid"] = json!(grant.tenant);
        claims["ver"] = json!("2.0");
    }
    claims
}

fn access_token_claims(state: &State, grant: &Grant, issued: &IssuedToken, authority: Authority) -> Value {
    let mut claims = id_token_claims(state, grant, authority);
    // The resource of Microsoft's scopes is what stands before the last slash.
    let audience = match (authority, grant.scopes.first().and_then(|scope| scope.rsplit_once('/'))) {
        (Authority::Microsoft, Some((resource, _))) => resource.to_owned(),
        _ => "api".to_owned(),
    };
    claims["aud"] = json!(audience);
    claims["exp"] = json!(issued.expires_on);
    claims["scp"] = json!(grant.scopes.join(" "));
    claims["appid"] = json!(grant.client_id);
    claims["jti"] = json!(jwks::random_text(12));
    claims
}
