//! A body that does not leave when it is too late.
//!
//! Certificates are read, a name is looked up, a connection is made and TLS agreed on before the first byte of a form
//! leaves, and a process may be stopped in each of these. So the clock is looked at when all of that is done.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::faults;
use crate::transport::BeginBy;

/// A form that begins to leave in time or not at all.
#[derive(Debug)]
pub(super) struct Punctual {
    form: Option<Bytes>,
    begin_by: BeginBy,
}

/// It was too late, and nothing has left.
#[derive(Debug, thiserror::Error)]
#[error("the connection stood too late")]
pub(super) struct Late;

impl Punctual {
    pub(super) fn new(form: &[u8], begin_by: BeginBy) -> Self {
        Self { form: Some(Bytes::copy_from_slice(form)), begin_by }
    }
}

impl Body for Punctual {
    type Data = Bytes;
    type Error = Late;

    /// Is asked once the connection stands.
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Late>>> {
        let Some(form) = self.form.take() else { return Poll::Ready(None) };
        faults::point("connected");
        Poll::Ready(Some(if self.begin_by.is_over() { Err(Late) } else { Ok(Frame::data(form)) }))
    }

    fn is_end_stream(&self) -> bool {
        self.form.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.form.as_ref().map_or(0, |form| form.len() as u64))
    }
}
