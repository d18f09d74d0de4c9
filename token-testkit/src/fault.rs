//! What can go wrong, on demand.

use serde::{Deserialize, Serialize};

use crate::{Matching, OAuthError, SeenRequest};

/// What goes wrong with a request. In JSON a variant without fields is a string, as in `"close-before"`; any other an
/// object, as in `{"status": 503}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing is done; this status, with an empty body.
    Status(u16),
    /// Nothing is done; this status and body.
    Answer {
        /// The status.
        status: u16,
        /// The media type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Nothing is done; this status with `Retry-After`.
    RetryAfter {
        /// The status, 429 or 503.
        status: u16,
        /// When to come back.
        after: RetryAfter,
    },
    /// Nothing is done; an OAuth error, in the style of the issuer asked. With status 200 it is the disguised kind.
    #[serde(rename = "oauth")]
    OAuth(OAuthError),
    /// Nothing is done; a page of HTML with status 200, as a captive portal gives.
    Html,
    /// Nothing is done; JSON of this many MiB with status 200.
    Huge {
        /// How many MiB.
        mib: usize,
    },
    /// Nothing is done; a redirect.
    Redirect {
        /// 302, 307 …
        status: u16,
        /// Where to.
        location: String,
    },
    /// Nothing is done; the answer is not HTTP.
    Garbage,
    /// Nothing is done and nothing answered, until the client goes away.
    Hang,
    /// Nothing is done and the connection closed.
    CloseBefore,

    /// What was asked is done (a refresh token is spent), then the connection closed before a byte is sent.
    CloseAfter,
    /// What was asked is done, then the connection closed after half of the body.
    CloseMidway,
    /// What was asked is done, then nothing is answered until the client goes away.
    HangAfter,
    /// What was asked is done, then this status with an empty body, as a proxy gives.
    StatusAfter(u16),
    /// What was asked is done, then half of the body is sent as though it were all.
    Cut,
    /// What was asked is done, then the body sent in small pieces.
    Drip {
        /// Bytes in a piece.
        bytes: usize,
        /// Milliseconds before each.
        every_ms: u64,
    },
    /// What was asked is done, and answered this much later.
    Delay {
        /// Milliseconds, over and above the latency.
        ms: u64,
    },
    /// What was asked is done and answered, with a `Date` this many seconds off.
    DateSkew(i64),
}

/// The two forms of `Retry-After`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP-date, this many seconds from now.
    Date(u64),
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Times {
    /// To the next matching request.
    Once,
    /// To this many.
    Next(u64),
    /// To all, until the faults are cleared.
    Always,
}

/// The faults that wait for a request, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Waiting>);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Waiting {
    on: Matching,
    fault: Fault,
    times: Times,
}

impl Faults {
    pub(crate) fn push(&mut self, on: Matching, fault: Fault, times: Times) {
        if times != Times::Next(0) {
            self.0.push(Waiting { on, fault, times });
        }
    }

    /// The fault for this request, which counts as one of its times.
    pub(crate) fn take(&mut self, request: &SeenRequest) -> Option<Fault> {
        let index = self.0.iter().position(|waiting| waiting.on.matches(request))?;
        match &mut self.0[index].times {
            Times::Always => Some(self.0[index].fault.clone()),
            Times::Next(left) if *left > 1 => {
                *left -= 1;
                Some(self.0[index].fault.clone())
            }
            Times::Once | Times::Next(_) => Some(self.0.remove(index).fault),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn waiting(&self) -> &[Waiting] {
        &self.0
    }
}
