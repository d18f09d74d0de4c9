//! One request from its arrival to its answer: counted, held, made to fail, answered.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Limited};
use hyper::{Request, Response, body::Incoming, header::HeaderValue};

use crate::{
    Fault, RetryAfter, SeenRequest,
    answer::{Answer, Body, huge},
    endpoint, gate,
    state::{InFlight, State},
    wire::Garble,
};

/// More than any client sends.
const LARGEST_REQUEST: usize = 4 << 20;

/// What becomes of a request.
enum Outcome {
    Answered(Response<Body>),
    Closed,
    /// Never answered; the refresh is under way until the client goes.
    Hanging(Option<InFlight>),
    Garbled,
}

/// Answers a request. An error closes the connection without a byte.
pub(crate) async fn serve(
    state: Arc<State>,
    garble: Garble,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_REQUEST).collect().await.map_err(io::Error::other)?.to_bytes();
    if let Some(path) = head.uri.path().strip_prefix("/_control/") {
        let answer = endpoint::control::answer(&state, &head.method, path, head.uri.query(), &body).await;
        return Ok(answer.whole());
    }
    let request = {
        let settings = &state.read().settings;
        SeenRequest::new(&head.method, &head.uri, &head.headers, &body, &state.path, settings)
    };
    let request = Arc::new(request);
    let flight = state.record(&request);
    // A task of its own: a request that arrived is worked off even when its sender is gone, as at any real issuer.
    let work = tokio::spawn(work(Arc::clone(&state), request, flight));
    match work.await.map_err(io::Error::other)? {
        Outcome::Answered(response) => Ok(response),
        Outcome::Closed => Err(io::Error::other("the connection is closed, as asked")),
        Outcome::Hanging(flight) => {
            std::future::pending::<()>().await;
            drop(flight);
            Err(io::Error::other("unreachable"))
        }
        Outcome::Garbled => {
            garble.start();
            Ok(Answer::html(200, "Nobody can read this.").header("connection", "close").whole())
        }
    }
}

async fn work(state: Arc<State>, request: Arc<SeenRequest>, flight: Option<InFlight>) -> Outcome {
    wait_at_gate(&state, &request).await;
    let fault = state.change(|memory| {
        let fault = memory.faults.take(&request);
        memory.counts.faults += u64::from(fault.is_some());
        fault
    });
    if let Some(fault) = &fault
        && let Some(outcome) = instead(fault, &request)
    {
        return match outcome {
            Outcome::Hanging(_) => Outcome::Hanging(flight),
            outcome => outcome,
        };
    }

    let answer = endpoint::answer(&state, &request);

    let (latency, skew) = {
        let memory = state.read();
        let settings = &memory.settings;
        (settings.latency_ms(request.route), settings.date_skew + settings.clock_shift)
    };
    let delay = if let Some(Fault::Delay { ms }) = fault { ms } else { 0 };
    if latency + delay > 0 {
        tokio::time::sleep(Duration::from_millis(latency + delay)).await;
    }
    let mut response = match fault {
        Some(Fault::CloseAfter) => return Outcome::Closed,
        Some(Fault::HangAfter) => return Outcome::Hanging(flight),
        Some(Fault::StatusAfter(status)) => Answer::empty(status).whole(),
        Some(Fault::CloseMidway) => answer.broken(),
        Some(Fault::Cut) => answer.cut().whole(),
        Some(Fault::Drip { bytes, every_ms }) => {
            answer.dripping(bytes, Duration::from_millis(every_ms), flight)
        }
        _ => answer.whole(),
    };
    let skew = if let Some(Fault::DateSkew(seconds)) = fault { seconds } else { skew };
    if skew != 0 {
        response.headers_mut().insert("date", HeaderValue::from_str(&http_date(skew)).unwrap());
    }
    Outcome::Answered(response)
}

/// What a fault does in place of the work, and `None` for those that come after it.
fn instead(fault: &Fault, request: &SeenRequest) -> Option<Outcome> {
    let answer = match fault {
        Fault::Hang => return Some(Outcome::Hanging(None)),
        Fault::CloseBefore => return Some(Outcome::Closed),
        Fault::Garbage => return Some(Outcome::Garbled),
        Fault::Huge { mib } => return Some(Outcome::Answered(huge(*mib))),
        Fault::Status(status) => Answer::empty(*status),
        Fault::Answer { status, content_type, body } => Answer::new(*status, content_type, body.clone()),
        Fault::RetryAfter { status, after } => {
            let after = match after {
                RetryAfter::Seconds(seconds) => seconds.to_string(),
                RetryAfter::Date(seconds) => http_date(*seconds as i64),
            };
            Answer::empty(*status).header("retry-after", after)
        }
        Fault::OAuth(error) => error.answer(request.endpoint.authority()),
        Fault::Html => Answer::html(200, "<h1>Welcome to the guest network</h1>"),
        Fault::Redirect { status, location } => Answer::empty(*status).header("location", location.clone()),
        Fault::CloseAfter
        | Fault::CloseMidway
        | Fault::HangAfter
        | Fault::StatusAfter(_)
        | Fault::Cut
        | Fault::Drip { .. }
        | Fault::Delay { .. }
        | Fault::DateSkew(_) => return None,
    };
    Some(Outcome::Answered(answer.whole()))
}

async fn wait_at_gate(state: &State, request: &SeenRequest) {
    let turnstile = state.change(|memory| {
        let turnstile = memory.gate.as_ref()?.turnstile(request)?;
        memory.counts.held += 1;
        memory.counts.at_gate += 1;
        Some(turnstile)
    });
    if let Some(turnstile) = turnstile {
        gate::pass(&turnstile).await;
        state.change(|memory| memory.counts.at_gate -= 1);
    }
}

/// An HTTP-date (RFC 9110 section 5.6.7), this many seconds from now.
fn http_date(offset: i64) -> String {
    let time = chrono::Utc::now() + chrono::TimeDelta::seconds(offset);
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
