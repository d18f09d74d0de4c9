//! How requests reach an issuer: the trait, the request and the answer.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::authority::{UnsafeUrl, require_host, require_https};
use crate::clock::Clock;
use crate::error::{GrantError, GrantErrorKind};
use crate::secret::Secret;

/// The largest answer that is read, in bytes. A token is a few kilobytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// Sends a request and brings the answer.
///
/// An implementation follows no redirect, tries nothing twice, refuses every request that [`HttpRequest::check`]
/// refuses, sends none to [`Destination::Host`] through a proxy, and says `Unreachable` only when surely not a byte of
/// the request was sent. It looks at [`HttpRequest::begin_by`] when the connection stands, just before the form
/// leaves, and says `Late` where that is over.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request and reads the whole answer, at most [`MAX_ANSWER`] bytes of it. Name lookup, connection and
    /// TLS handshake together may take `connect_timeout`; there is no other limit of time, see [`send_within`].
    async fn send(&self, request: HttpRequest, connect_timeout: Duration)
    -> Result<HttpResponse, GrantError>;
}

/// Sends a request that has to be answered `within` a time from now, on a clock that goes on while the process is
/// stopped. An answer that is on the socket when the time is over is still taken.
pub async fn send_within(
    transport: &dyn Transport,
    request: HttpRequest,
    clock: &dyn Clock,
    connect_timeout: Duration,
    within: Duration,
) -> Result<HttpResponse, GrantError> {
    let deadline = clock.uptime().saturating_add(within);
    let endpoint = endpoint(&request.url);
    // Connecting never outlasts the deadline, so what is still connecting then is `Unreachable`, not `TimedOut`.
    let mut answer = pin!(transport.send(request, connect_timeout.min(within)));
    loop {
        let left = deadline.saturating_sub(clock.uptime());
        if left.is_zero() {
            break;
        }
        // The timer does not count while the machine sleeps, so the clock is looked at again every so often.
        if let Ok(answer) = tokio::time::timeout(left.min(CLOCK_CHECK), &mut answer).await {
            return answer;
        }
    }
    match tokio::time::timeout(LAST_CHANCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => Err(GrantError { kind: GrantErrorKind::TimedOut, endpoint, source: None }),
    }
}

/// A request. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to; nothing secret is ever in it.
    pub url: Url,
    /// Further headers, none of them secret.
    pub headers: Vec<(&'static str, String)>,
    /// The `Authorization` header.
    pub authorization: Option<Authorization>,
    /// The form in the body of a POST, in this order.
    pub form: Vec<(&'static str, Field)>,
    /// How far it goes.
    pub destination: Destination,
    /// Until when the form may begin to leave.
    pub begin_by: Option<BeginBy>,
}

/// How far a request goes, and so what may carry it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Destination {
    /// Anywhere: over https, by the environment's proxy.
    #[default]
    Anywhere,
    /// To a service of the host that we run on, which may speak plain http on a link-local address (RFC 3927) and is
    /// never asked through a proxy.
    Host,
}

/// The moment after which a request must not begin any more: whoever was stopped before it, and goes on after it,
/// would spend what others have taken over since.
#[derive(Clone, Debug)]
pub struct BeginBy {
    clock: Arc<dyn Clock>,
    moment: Duration,
}

/// A request's method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Reads.
    Get,
    /// Sends the form.
    Post,
}

/// How a request proves who sends it.
#[derive(Clone, Debug)]
pub enum Authorization {
    /// An access token (RFC 6750 §2.1).
    Bearer(Secret),
    /// A client's id and secret (RFC 6749 §2.3.1).
    Basic {
        /// The client id.
        id: String,
        /// The client secret.
        secret: Secret,
    },
    /// A header of the other side's own, as it is.
    Header {
        /// Its name, in lower case.
        name: &'static str,
        /// Its value.
        value: Secret,
    },
}

/// A value in a form.
#[derive(Clone)]
pub enum Field {
    /// What may be shown.
    Plain(String),
    /// What may not.
    Secret(Secret),
}

/// An answer. Its `Debug` shows no body, which may hold tokens.
#[derive(Clone, Default)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// `Date`, in POSIX seconds.
    pub date: Option<i64>,
    /// `Retry-After`, from the moment of the answer.
    pub retry_after: Option<Duration>,
    /// For how long `Cache-Control` lets the answer be kept; nothing at all where it forbids that.
    pub max_age: Option<Duration>,
    /// `Content-Type`, as it is.
    pub content_type: Option<String>,
    /// `WWW-Authenticate`, as it is; the first where there are several.
    pub www_authenticate: Option<String>,
    /// The body; wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

impl BeginBy {
    /// A moment on this clock's [`uptime`](Clock::uptime).
    pub fn new(clock: Arc<dyn Clock>, moment: Duration) -> Self {
        Self { clock, moment }
    }

    /// Whether it is too late.
    pub fn is_over(&self) -> bool {
        self.clock.uptime() >= self.moment
    }
}

impl HttpRequest {
    /// A request to read a URL.
    pub fn get(url: Url) -> Self {
        Self::new(Method::Get, url)
    }

    /// A request that sends a form, which has no fields yet.
    pub fn post(url: Url) -> Self {
        Self::new(Method::Post, url)
    }

    /// With an access token.
    #[must_use]
    pub fn bearer(mut self, token: Secret) -> Self {
        self.authorization = Some(Authorization::Bearer(token));
        self
    }

    /// To a service of this host.
    #[must_use]
    pub fn to_host(mut self) -> Self {
        self.destination = Destination::Host;
        self
    }

    /// Whether it may be sent where it says.
    pub fn check(&self) -> Result<(), UnsafeUrl> {
        match self.destination {
            Destination::Anywhere => require_https(&self.url),
            Destination::Host => require_host(&self.url),
        }
    }

    /// With a secret header.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: Secret) -> Self {
        self.authorization = Some(Authorization::Header { name, value });
        self
    }

    /// Content of this type is wanted, instead of any JSON.
    #[must_use]
    pub fn accept(mut self, content_type: &'static str) -> Self {
        self.headers.retain(|(name, _)| *name != "Accept");
        self.header("Accept", content_type)
    }

    /// With one more header, which must not be secret.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With one more field.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.form.push((name, Field::Plain(value.into())));
        self
    }

    /// With one more field that is secret.
    #[must_use]
    pub fn secret(mut self, name: &'static str, value: Secret) -> Self {
        self.form.push((name, Field::Secret(value)));
        self
    }

    /// Which must not begin after this moment.
    #[must_use]
    pub fn begin_by(self, moment: BeginBy) -> Self {
        Self { begin_by: Some(moment), ..self }
    }

    /// The form as `application/x-www-form-urlencoded`; nothing for a GET.
    pub fn body(&self) -> Option<Zeroizing<String>> {
        let room = self.form.iter().map(|(name, value)| name.len() + 3 * value.expose().len() + 2).sum();
        match self.method {
            Method::Get => None,
            Method::Post => {
                // With all the room it can need the text never grows, which would leave pieces of it in memory.
                let mut body = Serializer::new(String::with_capacity(room));
                for (name, value) in &self.form {
                    body.append_pair(name, value.expose());
                }
                Some(Zeroizing::new(body.finish()))
            }
        }
    }

    /// Every secret in it, to be kept out of what the other side says back: as it is, and as it is encoded to travel.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let mut secrets = Vec::new();
        let mut add = |secret: &Secret| {
            secrets.push(Secret::new(secret.expose()));
            secrets.push(Secret::new(form_encoded(secret.expose()).as_str()));
        };
        for (_, value) in &self.form {
            if let Field::Secret(secret) = value {
                add(secret);
            }
        }
        if let Some(authorization) = &self.authorization {
            let (Authorization::Bearer(secret)
            | Authorization::Basic { secret, .. }
            | Authorization::Header { value: secret, .. }) = authorization;
            add(secret);
            // What follows the scheme, without the padding, which is encoded in many ways and tells nothing.
            let value = authorization.header_value();
            let bare = value.expose().split_once(' ').map(|(_, value)| value.trim_end_matches('='));
            secrets.extend(bare.map(Secret::new));
        }
        secrets
    }

    fn new(method: Method, url: Url) -> Self {
        let headers = vec![("Accept", "application/json".to_owned())];
        let destination = Destination::default();
        Self { method, url, headers, authorization: None, form: Vec::new(), destination, begin_by: None }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

impl Authorization {
    /// The header's name, in lower case.
    pub fn header_name(&self) -> &'static str {
        match self {
            Self::Bearer(_) | Self::Basic { .. } => "authorization",
            Self::Header { name, .. } => name,
        }
    }

    /// The header's value. An id and a secret are form-encoded before they are joined (RFC 6749 §2.3.1), so that a
    /// colon in the id does not move the boundary.
    pub fn header_value(&self) -> Secret {
        match self {
            Self::Bearer(token) => Secret::new(format!("Bearer {}", token.expose())),
            Self::Basic { id, secret } => {
                let id: String = byte_serialize(id.as_bytes()).collect();
                let secret = form_encoded(secret.expose());
                let pair = Zeroizing::new(format!("{id}:{}", *secret));
                Secret::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(pair.as_bytes()))))
            }
            Self::Header { value, .. } => value.clone(),
        }
    }
}

impl Field {
    /// The value itself.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => fmt::Debug::fmt(text, f),
            Self::Secret(secret) => fmt::Debug::fmt(secret, f),
        }
    }
}

impl HttpResponse {
    /// An answer with nothing but a status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: Zeroizing::new(body.into()), ..Self::default() }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port of a URL: all of it that goes into a message.
pub(crate) fn endpoint(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

fn form_encoded(text: &str) -> Zeroizing<String> {
    Zeroizing::new(byte_serialize(text.as_bytes()).collect())
}

/// How often a waiting request looks at the clock.
const CLOCK_CHECK: Duration = Duration::from_millis(250);

/// What a request gets when its time is over, to take an answer that is already there: a process that was stopped
/// and goes on finds its deadline past and its answer on the socket.
const LAST_CHANCE: Duration = Duration::from_millis(100);
