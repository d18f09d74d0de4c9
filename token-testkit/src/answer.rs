//! An answer, and the ways in which its body reaches the client or does not.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Frame, SizeHint},
};
use serde_json::Value;
use tokio::time::Sleep;

use crate::state::InFlight;

/// An answer before it is known how it travels.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn html(status: u16, body: &str) -> Self {
        let page = format!("<!doctype html>\n<html lang=\"en\"><title>Sign in</title>\n{body}\n</html>\n");
        Self::new(status, "text/html; charset=utf-8", page)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The first half of the body alone, as though it were all.
    pub(crate) fn cut(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    pub(crate) fn whole(self) -> Response<Body> {
        let body = Body::of([self.body.clone()]);
        self.with(body)
    }

    /// Half of the body, then the end of the connection.
    pub(crate) fn broken(self) -> Response<Body> {
        let mut body = Body::of([self.body.slice(..self.body.len() / 2)]);
        body.announced = self.body.len() as u64;
        body.breaks = true;
        self.with(body)
    }

    /// The body in pieces. A refresh is under way until the last one, which is why it comes along.
    pub(crate) fn dripping(self, bytes: usize, every: Duration, flight: Option<InFlight>) -> Response<Body> {
        let pieces = self.body.chunks(bytes.max(1)).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let mut body = Body::of(pieces);
        body.every = Some(every);
        body.flight = flight;
        self.with(body)
    }

    fn with(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).expect("a fault or handler gave no HTTP status");
        for (name, value) in self.headers {
            response
                .headers_mut()
                .append(name, value.parse().expect("a header value has no control characters"));
        }
        response
    }
}

/// JSON of this many MiB, made of one MiB sent again and again.
pub(crate) fn huge(mib: usize) -> Response<Body> {
    let filling = Bytes::from(vec![b'x'; 1 << 20]);
    let mut pieces = vec![Bytes::from_static(b"{\"access_token\":\"")];
    pieces.extend(std::iter::repeat_n(filling, mib));
    pieces.push(Bytes::from_static(b"\",\"token_type\":\"Bearer\",\"expires_in\":3600}"));
    Answer::json(200, &Value::Null).with(Body::of(pieces))
}

/// The body of an answer on its way.
#[derive(Debug)]
pub(crate) struct Body {
    pieces: VecDeque<Bytes>,
    announced: u64,
    every: Option<Duration>,
    pause: Option<Pin<Box<Sleep>>>,
    breaks: bool,
    flushed: bool,
    flight: Option<InFlight>,
}

impl Body {
    fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self {
            announced: pieces.iter().map(|piece| piece.len() as u64).sum(),
            pieces,
            every: None,
            pause: None,
            breaks: false,
            flushed: false,
            flight: None,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        if body.pieces.is_empty() {
            if !body.breaks {
                return Poll::Ready(None);
            }
            // hyper sends what it holds when the body has nothing more for it at once, and drops it on an error.
            if !body.flushed {
                body.flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(io::Error::other("the connection is closed midway, as asked"))));
        }
        if let Some(every) = body.every {
            let pause = body.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
            ready!(pause.as_mut().poll(context));
            body.pause = None;
        }
        let piece = body.pieces.pop_front();
        if body.pieces.is_empty() {
            // Before the client can have it all: its next refresh must not count as a second one at once.
            body.flight = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
