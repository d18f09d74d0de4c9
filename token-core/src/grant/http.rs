//! The transport over HTTP.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime};
use reqwest::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use reqwest::{Body, Client, redirect, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;
use zeroize::Zeroizing;

use super::punctual::{Late, Punctual};
use super::unsendable;
use crate::authority::is_loopback;
use crate::clock::{Clock, SystemClock};
use crate::error::{GrantError, GrantErrorKind};
use crate::transport::{Destination, HttpRequest, HttpResponse, MAX_ANSWER, Method, Transport, endpoint};

/// HTTP/1.1 over TLS, by the system's certificates (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, or of a file) and the proxy of
/// the environment (`HTTPS_PROXY`, `NO_PROXY`), which is never used for this host's loopback.
///
/// Every request has a connection of its own. A kept one may be dead when it is used again, and then nobody could
/// say whether a refresh token was spent on it. The certificates are read anew with each, so a changed file counts.
#[derive(Clone, Debug, Default)]
pub struct HttpTransport {
    authorities: Option<Arc<Path>>,
}

impl HttpTransport {
    /// The transport. It reads nothing and opens nothing before its first request.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the authorities whose certificates are in this file (PEM), in the place of the system's.
    #[must_use]
    pub fn trusting(self, file: impl AsRef<Path>) -> Self {
        Self { authorities: Some(file.as_ref().into()) }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(
        &self,
        request: HttpRequest,
        connect_timeout: Duration,
    ) -> Result<HttpResponse, GrantError> {
        request.check().map_err(|source| unsendable(&request.url, source))?;
        let direct = request.destination == Destination::Host || is_loopback(&request.url);
        let plain = request.url.scheme() == "http";
        // Reading a few hundred certificates blocks for milliseconds.
        let authorities = self.authorities.clone();
        let tls = move || if plain { Ok(tls_to_nobody()?) } else { tls(authorities.as_deref()) };
        let client = tokio::task::spawn_blocking(move || client(connect_timeout, direct, tls()?))
            .await
            .map_err(|source| unsendable(&request.url, source))?
            .map_err(|source| unsendable(&request.url, source))?;
        let from = endpoint(&request.url);
        let request = prepared(&client, request)?;
        let response = client.execute(request).await.map_err(|source| failed(source, &from))?;
        received(response, &from).await
    }
}

fn client(
    connect_timeout: Duration,
    direct: bool,
    tls: ClientConfig,
) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let mut client = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect_timeout)
        .http1_only()
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .user_agent(concat!("token/", env!("CARGO_PKG_VERSION")));
    if direct {
        // A proxy named for http would get in the clear what must not leave this host.
        client = client.no_proxy();
    }
    client.build().map_err(|source| source.without_url().into())
}

/// TLS by the system's certificates, or by those of a file.
fn tls(authorities: Option<&Path>) -> Result<ClientConfig, Box<dyn Error + Send + Sync>> {
    let Some(file) = authorities else {
        return Ok(versions()?.with_platform_verifier().map_err(NoAuthorities)?.with_no_client_auth());
    };
    let in_file = |source: Box<dyn Error + Send + Sync>| BadAuthorities { file: file.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|source| in_file(source.into()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate.map_err(|source| in_file(source.into()))?)
            .map_err(|source| in_file(source.into()))?;
    }
    if roots.is_empty() {
        return Err(in_file("it holds no certificate".into()).into());
    }
    Ok(versions()?.with_root_certificates(roots).with_no_client_auth())
}

/// TLS for where nothing is sent over it: reading certificates takes a while.
fn tls_to_nobody() -> Result<ClientConfig, rustls::Error> {
    Ok(versions()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn versions() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    // Named here, because a provider that is found by itself is whichever somebody else's crate has enabled.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

/// A file of authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificates of authorities in {} cannot be read", file.display())]
struct BadAuthorities {
    file: PathBuf,
    source: Box<dyn Error + Send + Sync>,
}

/// Without certificates of authorities no issuer can be trusted.
#[derive(Debug, thiserror::Error)]
#[error("no certificates of authorities were found on this system")]
struct NoAuthorities(rustls::Error);

fn prepared(client: &Client, request: HttpRequest) -> Result<reqwest::Request, GrantError> {
    let url = request.url.clone();
    let mut builder = match request.method {
        Method::Get => client.get(url),
        // Without a form there is no body, which some servers want to be told.
        Method::Post if request.form.is_empty() => client.post(url).header(CONTENT_LENGTH, 0),
        Method::Post => client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded"),
    };
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    if let Some(authorization) = &request.authorization {
        let mut value = HeaderValue::from_str(authorization.header_value().expose()).map_err(|_| {
            unsendable(&request.url, "the token or client secret has characters that no header has")
        })?;
        value.set_sensitive(true);
        builder = builder.header(authorization.header_name(), value);
    }
    if let Some(body) = request.body() {
        builder = builder.body(match &request.begin_by {
            Some(begin_by) => Body::wrap(Punctual::new(body.as_bytes(), begin_by.clone())),
            None => Body::from(body.as_bytes().to_vec()),
        });
    }
    builder.build().map_err(|source| unsendable(&request.url, source.without_url()))
}

async fn received(mut response: reqwest::Response, from: &str) -> Result<HttpResponse, GrantError> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let date = header(headers, DATE).and_then(http_date);
    let answer = HttpResponse {
        status,
        date,
        retry_after: header(headers, RETRY_AFTER).and_then(|value| retry_after(value, date)),
        max_age: header(headers, CACHE_CONTROL).and_then(max_age),
        content_type: header(headers, CONTENT_TYPE).map(str::to_owned),
        www_authenticate: header(headers, WWW_AUTHENTICATE).map(str::to_owned),
        body: Zeroizing::new(Vec::new()),
    };
    let mut body = Zeroizing::new(Vec::with_capacity(usual_room(response.content_length())));
    while let Some(chunk) = response.chunk().await.map_err(|source| failed(source, from))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let kind = GrantErrorKind::Unintelligible { status };
            return Err(GrantError::new(kind, from).because("the answer is larger than any token's"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { body, ..answer })
}

/// What a failure says about the request: one of connecting was before it, any other may have been behind it.
fn failed(source: reqwest::Error, from: &str) -> GrantError {
    let kind = if is_late(&source) {
        GrantErrorKind::Late
    } else if source.is_connect() {
        GrantErrorKind::Unreachable
    } else if source.is_builder() {
        GrantErrorKind::Unsendable
    } else {
        GrantErrorKind::Interrupted
    };
    GrantError::new(kind, from).because(Cause(source.without_url()))
}

fn is_late(error: &(dyn Error + 'static)) -> bool {
    error.is::<Late>() || error.source().is_some_and(is_late)
}

/// What lies at the bottom of a failure. The layers above it say nothing about this request ("error sending request",
/// "client error (Connect)"), or the same in other words.
#[derive(Debug)]
struct Cause(reqwest::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause: &(dyn Error + 'static) = &self.0;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        match certificate(cause) {
            Some(error) => f.write_str(distrust(error)),
            None => fmt::Display::fmt(cause, f),
        }
    }
}

/// What is wrong with the certificate, where it is that.
fn certificate<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a CertificateError> {
    match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(error)) => Some(error),
        Some(_) => None,
        // An error of the system's kind may be wrapped around another, without naming it as its source.
        None => certificate(cause.downcast_ref::<io::Error>()?.get_ref()?),
    }
}

/// The same in words: those of the library name its own types.
fn distrust(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => "its certificate is from an authority that is not trusted here",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another host"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::Revoked => "its certificate was revoked",
        _ => "its certificate is not valid",
    }
}

impl Error for Cause {}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The three forms of RFC 9110 §5.6.7, in POSIX seconds.
fn http_date(text: &str) -> Option<i64> {
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.timestamp());
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|date| date.and_utc().timestamp())
}

/// Seconds, or a date (RFC 9110 §10.2.3), which counts from the answer's own where it has one.
fn retry_after(text: &str, date: Option<i64>) -> Option<Duration> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let now = date.unwrap_or_else(|| SystemClock.posix());
            u64::try_from(http_date(text)?.saturating_sub(now)).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds))
}

/// `max-age`, or nothing at all with `no-store` or `no-cache` (RFC 9111 §5.2.2).
fn max_age(text: &str) -> Option<Duration> {
    let mut age = None;
    for directive in text.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            age = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    age
}

/// Room for an answer of the length it announces, so that the text with its tokens is not moved about in memory.
fn usual_room(length: Option<u64>) -> usize {
    length.and_then(|length| usize::try_from(length).ok()).unwrap_or(16 * 1024).min(MAX_ANSWER)
}
