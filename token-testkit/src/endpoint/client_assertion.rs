//! Client assertions (RFC 7523 section 2.2): the client's own, by a certificate, or those of a provider it trusts.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::Value;
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem, prelude::FromDer};

use crate::{
    Authority, Client, OAuthError, SeenRequest, jwks,
    state::{Memory, State},
};

/// How far a client's clock may be off (seconds).
const SKEW: i64 = 300;

/// The longest life of an assertion that a client signs (seconds).
const LONGEST_LIFE: i64 = 600;

pub(super) fn check(
    state: &State,
    memory: &mut Memory,
    request: &SeenRequest,
    client: &Client,
    authority: Authority,
) -> Result<(), OAuthError> {
    let jwt = request.field("client_assertion").unwrap_or_default();
    let parts: Vec<&str> = jwt.split('.').collect();
    let decoded = match parts[..] {
        [header, claims, _] => jwks::decode(header).zip(jwks::decode(claims)),
        _ => None,
    };
    let Some((header, claims)) = decoded else {
        return refuse("AADSTS50027: JWT token is invalid or malformed.");
    };
    let own = claims["iss"] == *client.id;
    if own {
        signed_by_client(state, request, client, authority, (&header, &claims), jwt)?;
    } else {
        federated(state, client, &claims, jwt)?;
    }
    let now = memory.now();
    // A NumericDate may have a fraction (RFC 7519 §2), and those of Microsoft's own libraries have one.
    let time = |name: &str| claims[name].as_f64().map(|seconds| seconds as i64);
    let in_time = time("exp").is_some_and(|exp| exp + SKEW * i64::from(own) > now)
        && time("nbf").is_none_or(|nbf| nbf - SKEW <= now);
    if !in_time {
        return refuse(&format!(
            "AADSTS700024: Client assertion is not within its valid time range. Current time: {now}, assertion valid \
             from {}, expiry time of assertion {}.",
            claims["nbf"], claims["exp"]
        ));
    }
    if !own {
        // Azure takes an assertion of a provider as often as it is shown while it lives.
        return Ok(());
    }
    if time("exp").zip(time("nbf")).is_some_and(|(exp, nbf)| exp - nbf > LONGEST_LIFE) {
        return refuse("AADSTS700024: The client assertion lives too long.");
    }
    match claims["jti"].as_str() {
        Some(jti) if memory.shown_assertions.insert(jti.to_owned()) => Ok(()),
        Some(_) => refuse("AADSTS50034: The client assertion was shown before."),
        None => refuse("AADSTS50027: The client assertion has no jti."),
    }
}

fn signed_by_client(
    state: &State,
    request: &SeenRequest,
    client: &Client,
    authority: Authority,
    (header, claims): (&Value, &Value),
    jwt: &str,
) -> Result<(), OAuthError> {
    if claims["sub"] != claims["iss"] {
        return refuse(
            "AADSTS700021: Client assertion application identifier doesn't match 'client_id' parameter.",
        );
    }
    let (audience, typ) = match authority {
        Authority::Microsoft => (format!("{}{}", state.base, request.path), "JWT"),
        Authority::OpenIdConnect => (state.oidc_issuer(), "client-authentication+jwt"),
    };
    if claims["aud"] != *audience {
        return refuse(&format!(
            "AADSTS700023: Client assertion audience claim does not match Realm issuer: {} instead of {audience}.",
            claims["aud"]
        ));
    }
    if header["typ"] != typ {
        return refuse(&format!("AADSTS50027: The client assertion is of the type {}.", header["typ"]));
    }
    let certificate = known(client, header).or_else(|| named(client, header));
    let Some(certificate) = certificate else {
        return refuse(
            "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on \
             application.",
        );
    };
    let algorithm: &dyn VerificationAlgorithm = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_2048_8192_SHA256,
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        Some("ES256") => &ECDSA_P256_SHA256_FIXED,
        Some("ES384") => &ECDSA_P384_SHA384_FIXED,
        _ => return refuse("AADSTS5002738: The algorithm of the client assertion is not supported."),
    };
    let verified = jwt.rsplit_once('.').is_some_and(|(signed, signature)| {
        let (_, parsed) = X509Certificate::from_der(&certificate).expect("it was parsed before");
        let key = UnparsedPublicKey::new(algorithm, &parsed.public_key().subject_public_key.data);
        URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| key.verify(signed.as_bytes(), &signature).is_ok())
    });
    if verified { Ok(()) } else { refuse("AADSTS700027: Client assertion failed signature validation.") }
}

/// The registered certificate that the header names by its SHA-256, or by its SHA-1 as older clients do.
fn known(client: &Client, header: &Value) -> Option<Vec<u8>> {
    let mut certificates = client.certificates.iter().map(|pem| der(pem));
    let names = [("x5t#S256", &digest::SHA256), ("x5t", &digest::SHA1_FOR_LEGACY_USE_ONLY)];
    // Microsoft's own libraries pad theirs.
    let named = |name| header[name].as_str().unwrap_or_default().trim_end_matches('=');
    certificates.find(|der| {
        names
            .iter()
            .any(|(name, algorithm)| named(*name) == URL_SAFE_NO_PAD.encode(digest::digest(algorithm, der)))
    })
}

/// The certificate that came along, where its subject is known and the authority of it has signed it.
fn named(client: &Client, header: &Value) -> Option<Vec<u8>> {
    let trusted = client.subject_name_issuer.as_ref()?;
    let leaf = STANDARD.decode(header["x5c"].as_array()?.first()?.as_str()?).ok()?;
    let authority = der(&trusted.authority);
    let (_, authority) = X509Certificate::from_der(&authority).ok()?;
    let (_, parsed) = X509Certificate::from_der(&leaf).ok()?;
    let is_theirs = parsed.subject().to_string() == trusted.subject
        && parsed.verify_signature(Some(authority.public_key())).is_ok();
    is_theirs.then_some(leaf)
}

fn der(pem: &str) -> Vec<u8> {
    parse_x509_pem(pem.as_bytes()).expect("a certificate of the world is PEM").1.contents
}

fn federated(state: &State, client: &Client, claims: &Value, jwt: &str) -> Result<(), OAuthError> {
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let (issuer, subject, audience) = (text("iss"), text("sub"), text("aud"));
    if state.keys.verified(jwt).is_none() {
        return refuse("AADSTS700027: Client assertion failed signature validation.");
    }
    let of_issuer: Vec<_> =
        client.federated.iter().filter(|known| state.federation(&known.provider) == issuer).collect();
    let no_match = |code: u32, what: &str, value: &str| {
        refuse(&format!(
            "AADSTS{code}: No matching federated identity record found for presented assertion {what} '{value}'."
        ))
    };
    if of_issuer.is_empty() {
        return no_match(700211, "issuer", &issuer);
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|known| known.subject == subject).collect();
    if of_subject.is_empty() {
        return no_match(700213, "subject", &subject);
    }
    if !of_subject.iter().any(|known| known.audience == audience) {
        return no_match(700212, "audience", &audience);
    }
    Ok(())
}

fn refuse(text: &str) -> Result<(), OAuthError> {
    Err(OAuthError::new("invalid_client").status(401).description(text))
}
